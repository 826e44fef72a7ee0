/* SPDX-License-Identifier: Apache-2.0 */
/* One of two has given the other up, and the other has nothing more to say: it learns it. */
#include <errno.h>

#include "engine/engine.h"
#include "net.h"

#define LEN  4096u
#define MANY 400u /* short operations: more than a script here lets pass */

/* until(), with some of the engines driven only. */
#define until_by(drive, expr)                                                               \
	do {                                                                                \
		uint64_t until_ = clock_deadline(clock_ns(), CONFORM_LIMIT_NS);             \
                                                                                            \
		while (!(expr)) {                                                           \
			drive;                                                              \
			if (clock_ns() > until_)                                            \
				conform_fail(__FILE__, __LINE__, "%s: not in time", #expr); \
		}                                                                           \
	} while (0)

static void drive(struct weft *weft)
{
	check(weft_progress(weft, 0) >= 0);
}

/* So many WRITEs of b to a that its script acts, posted before b looks at what has come. */
static struct weft_batch *post_many(struct pair *p)
{
	struct weft_batch *batch = net_batch(p->b, MANY);

	for (uint32_t i = 0; i < MANY; i++) {
		struct move move = { false, p->region_b, i, p->to_a, i, 1, 0, 0 };

		check_int(net_add(batch, &move), (int)i);
	}
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	return batch;
}

/* They meet again, and messages find their way. */
static void check_meet_again(struct pair *p)
{
	uint64_t before = net_stats(p->a).messages_received;

	check_ok(weft_remote_close(p->to_a));
	p->to_a = net_import(&p->net, p->b, p->region_a);
	net_notify(&p->net, weft_remote_peer(p->to_a), "!", 1);
	until(&p->net, net_stats(p->a).messages_received == before + 1);
}

/* Another peer of a's, used later than b. */
static struct weft_remote *add_third(struct pair *p, struct weft **third, struct area *mem)
{
	area_open(mem, LEN);
	*third = net_open(&p->net, NULL);
	return net_import(&p->net, p->a, net_register(*third, mem, WEFT_REMOTE_READ));
}

/* a asks b to let go of each other; b loses a as it answers. Until the answer a says nothing. */
static void rest_of_a_peer_that_lost_us(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_batch *batch;
	struct weft_peer *peer;
	struct weft *third;
	struct area mem;
	struct pair p;

	theirs.devices = "down_after=20,down_us=1000000,delay_us=100000";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	peer = weft_remote_peer(p.to_b);
	add_third(&p, &third, &mem);
	batch = post_many(&p);
	drive(p.b);          /* its port is down from here on, and it will be told late */
	p.a->idle_peers = 1; /* not before: b was used longer ago than the third */
	engine_timer(p.a, 0);
	until_by((drive(p.a), drive(third)), peer->rest == REST_ASKED);
	until_by(drive(p.b), weft_remote_status(p.to_a) == -WEFT_EPEERGONE);
	check_int(peer->rest, REST_ASKED);
	until(&p.net, net_peer_info(peer).reason == -WEFT_EPEERGONE);
	check_rc(weft_remote_status(p.to_b), -WEFT_EPEERGONE);
	until(&p.net, weft_batch_quiesce(batch, 0) == 0);
	net_run(&p.net, NSEC_PER_SEC);
	check_meet_again(&p);
	weft_batch_close(batch);
	pair_close(&p);
	area_close(&mem);
}

/* b loses a, which has said something since and asks to let go, and meets it anew: no sign that b
 * has let go of it. */
static void hello_of_a_peer_that_lost_us(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	unsigned char of_a[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(of_a);
	struct weft_remote *to_third;
	struct weft_batch *batch;
	struct weft_peer *peer;
	struct weft *third;
	struct area mem;
	uint64_t up_ns;
	struct pair p;

	theirs.devices = "down_after=20,down_us=50000";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	peer = weft_remote_peer(p.to_b);
	to_third = add_third(&p, &third, &mem);
	batch = post_many(&p);
	until_by(drive(p.b), weft_remote_status(p.to_a) == -WEFT_EPEERGONE &&
				     weft_batch_quiesce(batch, 0) == 0);
	up_ns = clock_ns() + 100 * NSEC_PER_MSEC;
	until_by(drive(p.b), clock_ns() > up_ns);
	check_ok(weft_notify(peer, "?", 1));
	drive(p.a);
	check_ok(weft_notify(weft_remote_peer(to_third), "!", 1)); /* b was used before it */
	p.a->idle_peers = 1;
	engine_timer(p.a, 0);
	until_by(drive(p.a), peer->rest == REST_ASKED);
	check_ok(weft_remote_close(p.to_a));
	check_ok(weft_export(p.region_a, of_a, &len));
	check_ok(weft_import(p.b, of_a, len, &p.to_a));
	until_by(drive(p.a), net_peer_info(peer).reason == -WEFT_EPEERGONE);
	check_meet_again(&p);
	check_int(net_stats(p.b).messages_received, 0);
	weft_batch_close(batch);
	pair_close(&p);
	area_close(&mem);
}

/* b lost a once, and they have met again and let go of each other since. b keeps no handle, and
 * meets a anew: that it lost a is over. */
static void hello_long_after_a_loss(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_remote *to_third;
	struct weft_batch *batch;
	struct weft *third;
	struct area mem;
	struct pair p;

	theirs.devices = "down_after=20,down_us=50000";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	to_third = add_third(&p, &third, &mem);
	batch = post_many(&p);
	until(&p.net,
	      weft_remote_status(p.to_a) == -WEFT_EPEERGONE && weft_batch_quiesce(batch, 0) == 0);
	net_run(&p.net, 100 * NSEC_PER_MSEC);
	weft_batch_close(batch);
	check_ok(weft_remote_close(p.to_a));
	net_notify(&p.net, weft_remote_peer(p.to_b), "?", 1);
	until(&p.net, weft_remote_status(p.to_b) == -WEFT_EPEERGONE);
	check_ok(weft_remote_close(p.to_b));
	p.to_b = net_import(&p.net, p.a, p.region_b);
	net_notify(&p.net, weft_remote_peer(to_third), "!", 1); /* b was used before it */
	p.a->idle_peers = 1;
	engine_timer(p.a, 0);
	until(&p.net, net_stats(p.a).peers_asleep == 1 && net_stats(p.b).peers == 0);
	p.to_a = net_import(&p.net, p.b, p.region_a);
	check_ok(weft_remote_status(p.to_b));
	check_int(net_stats(p.a).peers_gone, 1);
	pair_close(&p);
	area_close(&mem);
}

/* A message of a's goes with b's rail. Before b has given it up it cuts a off for another reason,
 * and a has nothing more to say. */
static void loss_is_told_to_who_is_cut_off(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_batch *hanging, *batch;
	struct weft_peer *peer;
	struct pair p;

	ours.rails = theirs.rails = 2;
	ours.devices = "hang_every=1,delay_us=30000;hang_every=1";
	theirs.devices = "breaks_after=100;";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	peer = weft_remote_peer(p.to_b);
	hanging = net_batch(p.a, 1);
	check_int(net_add(hanging, &(struct move){ true, p.region_a, 0, p.to_b, 0, 8, 0, 0 }), 0);
	check_ok(weft_submit(hanging, NSEC_PER_MSEC));
	net_finish(&p.net, hanging);
	net_notify(&p.net, peer, "?", 1);
	batch = post_many(&p);
	net_finish(&p.net, batch);
	net_run(&p.net, 50 * NSEC_PER_MSEC);
	check_int(net_stats(p.b).messages_received, 0);
	check_int(net_peer_info(peer).reason, 0);
	check_ok(weft_unregister(p.region_b, NSEC_PER_MSEC));
	p.region_b = NULL;
	check_int(net_stats(p.b).peers_gone, 1);
	until(&p.net, net_peer_info(peer).reason == -WEFT_EPEERGONE);
	net_drop(&p.net);
	area_close(&p.mem_a);
	area_close(&p.mem_b);
}

/* Two that have not met, and what each is found by. */
struct unmet {
	struct pair p;
	unsigned char of_a[WEFT_DESCRIPTOR_MAX], of_b[WEFT_DESCRIPTOR_MAX];
	size_t len_a, len_b;
};

static void unmet_open(struct unmet *u, const struct conform *c, const struct weft_opts *a,
		       const struct weft_opts *b)
{
	u->len_a = sizeof(u->of_a);
	u->len_b = sizeof(u->of_b);
	pair_open_unmet(&u->p, c, LEN, a, b);
	check_ok(weft_export(u->p.region_a, u->of_a, &u->len_a));
	check_ok(weft_export(u->p.region_b, u->of_b, &u->len_b));
}

/* Both say HELLO. a gives up before b has taken its HELLO, and meets b again by b's: what b said to
 * the first of the two is lost. */
static void first_contact_given_up_and_made_again(const struct conform *c)
{
	struct weft_opts ours = net_opts(c);
	struct weft_remote *first, *to_a;
	struct unmet u;
	struct pair *p = &u.p;

	ours.connect_timeout_ns = NSEC_PER_MSEC;
	unmet_open(&u, c, &ours, NULL);
	check_ok(weft_import(p->a, u.of_b, u.len_b, &first));
	until_by(drive(p->a), weft_remote_status(first) == -WEFT_EDEADLINE);
	check_ok(weft_import(p->b, u.of_a, u.len_a, &to_a));
	until_by(drive(p->b), net_peer_info(weft_remote_peer(to_a)).connected);
	check_ok(weft_notify(weft_remote_peer(to_a), "?", 1));
	until(&p->net, weft_remote_status(to_a) == -WEFT_EPEERGONE);
	check_int(net_stats(p->a).messages_received, 0);
	check_int(net_stats(p->b).peers_gone, 1);
	p->to_a = to_a;
	check_meet_again(p);
	check_ok(weft_remote_close(first));
	pair_close(p);
}

/* b's HELLO is slow. b gives up and says it again by another rail, and the second overtakes it. */
static void late_hello_of_who_is_met(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_remote *first;
	struct weft_peer *peer;
	struct unmet u;
	struct pair *p = &u.p;

	ours.rails = theirs.rails = 2;
	theirs.devices = "delay_us=100000,down_after=1,down_us=200000;";
	theirs.connect_timeout_ns = NSEC_PER_MSEC;
	unmet_open(&u, c, &ours, &theirs);
	check_ok(weft_import(p->b, u.of_a, u.len_a, &first));
	until_by(drive(p->b), weft_remote_status(first) == -WEFT_EDEADLINE);
	p->b->connect_timeout_ns = CONFORM_CONNECT_NS;
	p->to_a = net_import(&p->net, p->b, p->region_a);
	peer = weft_remote_peer(p->to_a);
	net_run(&p->net, 400 * NSEC_PER_MSEC);
	check_int(net_stats(p->a).peers_gone, 0);
	net_notify(&p->net, peer, "?", 1);
	until(&p->net, net_stats(p->a).messages_received == 1);
	check_int(net_peer_info(peer).reason, 0);
	check_ok(weft_remote_close(first));
	pair_close(p);
}

const struct conform_case cases_unheard[] = {
	{ "rest_of_a_peer_that_lost_us", rest_of_a_peer_that_lost_us, NEEDS_SCRIPT | ONLY_MANUAL },
	{ "hello_of_a_peer_that_lost_us", hello_of_a_peer_that_lost_us,
	  NEEDS_SCRIPT | ONLY_MANUAL },
	{ "hello_long_after_a_loss", hello_long_after_a_loss, NEEDS_SCRIPT | ONLY_MANUAL },
	{ "loss_is_told_to_who_is_cut_off", loss_is_told_to_who_is_cut_off,
	  NEEDS_SCRIPT | ONLY_MANUAL },
	{ "first_contact_given_up_and_made_again", first_contact_given_up_and_made_again,
	  NEEDS_SCRIPT | ONLY_MANUAL },
	{ "late_hello_of_who_is_met", late_hello_of_who_is_met, NEEDS_SCRIPT | ONLY_MANUAL },
	{ 0 },
};
