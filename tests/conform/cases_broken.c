/* SPDX-License-Identifier: Apache-2.0 */
/* Rails that break for good: with others there nobody is lost, and what was on them goes there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/testing.h"
#include "net.h"

#define LEN    (2u << 20)
#define PARTS  4u
#define ROUNDS 2000u

static struct weft_rail_info rail_info(struct weft *weft, uint32_t index)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	check_ok(weft_rail(weft, index, &info));
	return info;
}

/* a, the middle one, with b and c as peers. */
struct trio {
	struct pair p;
	struct weft *c;
	struct area mem_c;
	struct weft_region *region_c;
	struct weft_remote *to_c;
	struct weft_batch *batch_b, *batch_c, *batch_a; /* a to b, a to c, b to a */
};

/* a follows the scripts, a rail each; the others are sound. */
static void trio_open(struct trio *t, const struct conform *c, uint32_t rails, const char *scripts)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);

	ours.rails = theirs.rails = rails;
	ours.devices = scripts;
	pair_open_opts(&t->p, c, LEN, &ours, &theirs);
	t->c = net_open(&t->p.net, &theirs);
	area_open(&t->mem_c, LEN);
	t->region_c = net_register(t->c, &t->mem_c, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	t->to_c = net_import(&t->p.net, t->p.a, t->region_c);
	t->batch_b = net_batch(t->p.a, PARTS);
	t->batch_c = net_batch(t->p.a, PARTS);
	t->batch_a = net_batch(t->p.b, PARTS);
}

static void trio_close(struct trio *t)
{
	weft_batch_close(t->batch_a);
	weft_batch_close(t->batch_b);
	weft_batch_close(t->batch_c);
	pair_close(&t->p);
	area_close(&t->mem_c);
}

/* Half of the area, or of the other half. */
static void add_all(struct weft_batch *batch, struct weft_region *region,
		    struct weft_remote *remote, bool read, uint64_t from)
{
	struct move move = { read, region, from, remote, from, LEN / 2 / PARTS, 0, 0 };

	for (uint32_t i = 0; i < PARTS; i++) {
		check_int(net_add(batch, &move), (int)i);
		move.offset += move.len;
		move.remote_offset += move.len;
	}
}

/* a READs of b and WRITEs to c, b WRITEs to a, all at a time. */
static void move_all(struct trio *t, uint64_t seed)
{
	struct weft_batch *batches[] = { t->batch_a, t->batch_b, t->batch_c };
	struct pair *p = &t->p;

	area_fill(&p->mem_b, 0, LEN / 2, seed);
	area_fill(&p->mem_b, LEN / 2, LEN / 2, seed + 1);
	area_fill(&t->mem_c, LEN / 2, LEN / 2, seed + 2);
	add_all(t->batch_b, p->region_a, p->to_b, true, 0);
	add_all(t->batch_a, p->region_b, p->to_a, false, LEN / 2);
	for (int i = 0; i < 2; i++)
		check_ok(weft_submit(batches[i], CONFORM_LIMIT_NS));
	for (int i = 0; i < 2; i++)
		net_finish(&p->net, batches[i]);
	check_holds(&p->mem_a, 0, LEN / 2, seed);
	check_holds(&p->mem_a, LEN / 2, LEN / 2, seed + 1);
	add_all(t->batch_c, p->region_a, t->to_c, false, 0);
	net_complete(&p->net, t->batch_c, PARTS);
	check_holds(&t->mem_c, 0, LEN / 2, seed);
	check_holds(&t->mem_c, LEN / 2, LEN / 2, seed + 2);
	for (int i = 0; i < 2; i++) {
		net_check_done(batches[i], PARTS);
		check_ok(weft_batch_reset(batches[i]));
	}
}

static uint64_t move_until_broken(struct trio *t, uint32_t rail)
{
	uint64_t round = 0;

	for (; !rail_info(t->p.a, rail).reason; round++) {
		check(round < ROUNDS);
		move_all(t, 3 * round);
	}
	for (uint64_t end = round + 20; round < end; round++)
		move_all(t, 3 * round);
	return 3 * round;
}

struct lines {
	char reason[64], why[200];
};

static void on_line(void *ctx, const char *line)
{
	struct lines *lines = ctx;

	if (!strncmp(line, "rail.1.reason ", 14))
		snprintf(lines->reason, sizeof(lines->reason), "%s", line + 14);
	if (!strncmp(line, "rail.1.why ", 11))
		snprintf(lines->why, sizeof(lines->why), "%s", line + 11);
}

static void check_told(struct weft *weft, struct weft_peer *peer)
{
	struct weft_path_info path = { .size = sizeof(path) };
	struct weft_rail_info rail = rail_info(weft, 1);
	struct lines lines = { "", "" };

	check_int(rail.reason, -WEFT_EPROVIDER);
	check(strstr(rail.why, "broken by its script"));
	check_int((int)rail.in_flight, 0);
	check_int(rail_info(weft, 0).reason, 0);
	check_int(rail_info(weft, 2).why[0], 0);
	check_ok(weft_peer_path(peer, 1, &path));
	check_int(path.usable, 0);
	check_int(path.reason, -WEFT_EPROVIDER);
	check_int(path.failures, 1);
	check_ok(weft_dump(weft, on_line, &lines));
	check(!strcmp(lines.reason, weft_error_name(-WEFT_EPROVIDER)));
	check(!strcmp(lines.why, rail.why));
}

static void lose_alone(const struct conform *c, bool apart)
{
	struct weft_path_info path = { .size = sizeof(path) };
	struct weft_peer *peer;
	struct trio t;

	trio_open(&t, c, 3, ";breaks_after=200,delay_us=20;");
	if (apart)
		weft_test_close_apart(t.p.a);
	peer = weft_remote_peer(t.p.to_b);
	until(&t.p.net, net_peer_info(peer).rails_usable == 3);
	move_until_broken(&t, 1);
	check_int(net_peer_info(peer).rails_usable, 2);
	check_told(t.p.a, peer);
	check_int(net_stats(t.p.a).failed, 0);
	check_int(net_stats(t.p.b).failed, 0);
	check(net_stats(t.p.a).pieces_moved > 0);
	/* b hears of it, and goes to another rail there. */
	peer = weft_remote_peer(t.p.to_a);
	check_ok(weft_peer_path(peer, 1, &path));
	check(path.failures > 0);
	until(&t.p.net, net_peer_info(peer).rails_usable == 3);
	net_burst(&t.p.net, weft_remote_peer(t.p.to_b), t.p.b, 500, 50);
	net_burst(&t.p.net, peer, t.p.a, 500, 50);
	for (int i = 0; i < t.p.net.count; i++)
		check_int(net_stats(t.p.net.engines[i]).peers_gone, 0);
	trio_close(&t);
}

static void broken_rail_is_lost_alone(const struct conform *c)
{
	lose_alone(c, false);
}

/* As where closing a port may last: nobody waits for that. */
static void broken_rail_is_closed_by_a_thread(const struct conform *c)
{
	lose_alone(c, true);
}

/* Each side loses another one of its two rails; what is left of both is one path. */
static void rails_break_on_both_sides(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_batch *batch_a, *batch_b;
	struct pair p;

	ours.rails = theirs.rails = 2;
	ours.devices = ";breaks_after=100,delay_us=20";
	theirs.devices = "breaks_after=400,delay_us=20;";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	batch_a = net_batch(p.a, PARTS);
	batch_b = net_batch(p.b, PARTS);
	for (uint32_t round = 0, after = 0; after < 20; round++) {
		check(round < ROUNDS);
		after += rail_info(p.a, 1).reason && rail_info(p.b, 0).reason;
		area_fill(&p.mem_a, 0, LEN / 2, round);
		area_fill(&p.mem_b, LEN / 2, LEN / 2, round + 1);
		add_all(batch_a, p.region_a, p.to_b, false, 0);
		add_all(batch_b, p.region_b, p.to_a, false, LEN / 2);
		check_ok(weft_submit(batch_a, CONFORM_LIMIT_NS));
		check_ok(weft_submit(batch_b, CONFORM_LIMIT_NS));
		net_finish(&p.net, batch_a);
		net_finish(&p.net, batch_b);
		net_check_done(batch_a, PARTS);
		net_check_done(batch_b, PARTS);
		check_holds(&p.mem_b, 0, LEN / 2, round);
		check_holds(&p.mem_a, LEN / 2, LEN / 2, round + 1);
		check_ok(weft_batch_reset(batch_a));
		check_ok(weft_batch_reset(batch_b));
	}
	net_burst(&p.net, weft_remote_peer(p.to_b), p.b, 200, 20);
	net_burst(&p.net, weft_remote_peer(p.to_a), p.a, 200, 20);
	check_int(net_stats(p.a).peers_gone + net_stats(p.b).peers_gone, 0);
	check_int(net_stats(p.a).failed + net_stats(p.b).failed, 0);
	weft_batch_close(batch_a);
	weft_batch_close(batch_b);
	pair_close(&p);
}

/* As provider's own ports break: in the middle of transfers both ways, with messages besides. Where
 * software emulates, its WRITEs are moved two seconds later. */
static void port_breaks_in_mid_transfer(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *read, *write;
	struct weft_peer *peer;
	struct pair p;

	conform_needs_rails(c, 2);
	if (c->row->script)
		conform_skip("its script breaks rails");
	opts.rails = 2;
	pair_open_opts(&p, c, LEN, &opts, &opts);
	peer = weft_remote_peer(p.to_b);
	until(&p.net, net_peer_info(peer).rails_usable == 2 &&
			      net_peer_info(weft_remote_peer(p.to_a)).rails_usable == 2);
	read = net_batch(p.a, PARTS);
	write = net_batch(p.a, PARTS);
	area_fill(&p.mem_b, 0, LEN / 2, 1);
	area_fill(&p.mem_a, LEN / 2, LEN / 2, 2);
	add_all(read, p.region_a, p.to_b, true, 0);
	add_all(write, p.region_a, p.to_b, false, LEN / 2);
	check_ok(weft_submit(read, CONFORM_LIMIT_NS));
	check_ok(weft_submit(write, CONFORM_LIMIT_NS));
	until(&p.net, rail_info(p.a, 1).in_flight > 0);
	weft_test_break(p.a, 1);
	until(&p.net, rail_info(p.a, 1).reason);
	net_finish(&p.net, read);
	net_finish(&p.net, write);
	net_check_done(read, PARTS);
	net_check_done(write, PARTS);
	check_holds(&p.mem_a, 0, LEN / 2, 1);
	check_holds(&p.mem_b, LEN / 2, LEN / 2, 2);
	check(net_stats(p.a).pieces_moved > 0);
	check(strstr(rail_info(p.a, 1).why, rail_info(p.a, 1).device));
	net_burst(&p.net, peer, p.b, 100, 10);
	net_burst(&p.net, weft_remote_peer(p.to_a), p.a, 100, 10);
	check_int(net_stats(p.a).peers_gone + net_stats(p.b).peers_gone, 0);
	net_unregister(&p.net, p.region_a);
	weft_batch_close(read);
	weft_batch_close(write);
	pair_close(&p);
}

/* Regions from before and after, and a peer that is met then: by a descriptor from before, too. */
static void regions_go_on_without_a_broken_rail(const struct conform *c)
{
	unsigned char before[WEFT_DESCRIPTOR_MAX];
	struct weft_opts opts = net_opts(c);
	struct weft_remote *old, *new;
	size_t len = sizeof(before);
	struct weft_region *region;
	struct area mem, mem_d;
	struct weft_region *of_d;
	struct weft *d;
	struct trio t;

	trio_open(&t, c, 3, "breaks_after=300;;");
	check_ok(weft_export(t.p.region_a, before, &len));
	move_until_broken(&t, 0);
	area_open(&mem, LEN);
	area_open(&mem_d, LEN);
	region = net_register(t.p.a, &mem, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	opts.rails = 3;
	d = net_open(&t.p.net, &opts);
	of_d = net_register(d, &mem_d, WEFT_LOCAL);
	old = net_import_bytes(&t.p.net, d, before, len);
	new = net_import(&t.p.net, d, region);
	check(weft_remote_peer(old) == weft_remote_peer(new));
	area_fill(&mem_d, 0, LEN, 5);
	check_ok(net_move(&t.p.net, d, &(struct move){ false, of_d, 0, new, 0, LEN, 0, 0 },
			  CONFORM_LIMIT_NS));
	check_holds(&mem, 0, LEN, 5);
	area_fill(&t.p.mem_a, 0, LEN, 6);
	check_ok(net_move(&t.p.net, d, &(struct move){ true, of_d, 0, old, 0, LEN, 0, 0 },
			  CONFORM_LIMIT_NS));
	check_holds(&mem_d, 0, LEN, 6);
	until(&t.p.net, net_peer_info(weft_remote_peer(new)).rails_usable == 3);
	net_unregister(&t.p.net, region);
	check_rc(net_move(&t.p.net, d, &(struct move){ false, of_d, 0, new, 0, LEN, 0, 0 },
			  CONFORM_LIMIT_NS),
		 -WEFT_EREVOKED);
	net_unregister(&t.p.net, t.p.region_a);
	check_int(net_stats(t.p.a).peers_gone, 0);
	trio_close(&t);
	area_close(&mem);
	area_close(&mem_d);
}

/* Its peers go with their cause, and what is begun then is told it at once. */
static void broken_only_rail_says_why(const struct conform *c)
{
	struct weft_remote *again = NULL;
	unsigned char bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct weft_batch *batch;
	uint64_t begin_ns;
	struct pair p;
	int error = 0;
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);

	ours.rails = 1;
	ours.devices = "breaks_after=300,delay_us=20";
	pair_open_opts(&p, c, LEN, &ours, &theirs);
	batch = net_batch(p.a, PARTS);
	for (uint32_t round = 0; !error; round++) {
		check(round < ROUNDS);
		add_all(batch, p.region_a, p.to_b, round % 2, 0);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		net_finish(&p.net, batch);
		error = weft_batch_error(batch);
		/* With the port, which is closed, all has ended. */
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		check_ok(weft_batch_reset(batch));
	}
	check_rc(error, -WEFT_EPROVIDER);
	check_rc(weft_remote_status(p.to_b), -WEFT_EPROVIDER);
	check_int(net_stats(p.a).peers, 0);
	check_ok(weft_export(p.region_b, bytes, &len));
	begin_ns = clock_ns();
	check_rc(weft_import(p.a, bytes, len, &again), -WEFT_EPROVIDER);
	check(strstr(weft_error_detail(), "broke") && strstr(weft_error_detail(), "its script"));
	/* b learns it when it wants something, long before its deadline. */
	check_rc(net_move(&p.net, p.b,
			  &(struct move){ false, p.region_b, 0, p.to_a, 0, 4096, 0, 0 },
			  CONFORM_LIMIT_NS),
		 -WEFT_EPEERGONE);
	len = sizeof(bytes);
	check_ok(weft_export(p.region_a, bytes, &len));
	check_rc(weft_import(p.b, bytes, len, &again), -WEFT_EPEERGONE);
	check(clock_ns() - begin_ns < CONFORM_LIMIT_NS / 4);
	net_unregister(&p.net, p.region_a);
	weft_batch_close(batch);
	pair_close(&p);
}

/* One message each way, if there is room, and one taken. */
struct talk {
	struct weft *from, *to;
	struct weft_peer *peer;
	uint32_t sent, got;
};

static void talk_on(struct talk *talk, bool more)
{
	size_t len = sizeof(uint32_t);
	uint32_t n = talk->sent;

	if (more && weft_notify(talk->peer, &n, sizeof(n)) == 0)
		talk->sent++;
	if (weft_receive(talk->to, &n, &len, NULL, 0) == 0)
		talk->got++;
}

/* Messages go by rail 0, and some are on their way when it breaks. Those that its port had taken in
 * and nobody has read are gone: then both sides are told. */
static void messages_of_a_broken_rail_are_not_lost_in_silence(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct talk talks[2];
	bool parted = false;
	struct pair p;
	int i;

	ours.rails = theirs.rails = 2;
	ours.devices = "breaks_after=1000,delay_us=30;";
	theirs.devices = "delay_us=200;";
	pair_open_opts(&p, c, 4096, &ours, &theirs);
	talks[0] = (struct talk){ p.a, p.b, weft_remote_peer(p.to_b), 0, 0 };
	talks[1] = (struct talk){ p.b, p.a, weft_remote_peer(p.to_a), 0, 0 };
	for (uint32_t round = 0; !rail_info(p.a, 0).reason || round % 100; round++) {
		check(round < 50 * ROUNDS);
		for (i = 0; i < 2; i++)
			talk_on(&talks[i], true);
		net_turn(&p.net);
	}
	until(&p.net, (talk_on(&talks[0], parted), talk_on(&talks[1], parted),
		       parted = net_stats(p.a).peers_gone || net_stats(p.b).peers_gone,
		       parted ? net_stats(p.a).peers_gone && net_stats(p.b).peers_gone
			      : talks[0].got == talks[0].sent && talks[1].got == talks[1].sent));
	conform_note("%u of %u and %u of %u came, %s", talks[0].got, talks[0].sent, talks[1].got,
		     talks[1].sent, parted ? "and the two part" : "none is missing");
	check_int(rail_info(p.a, 0).reason, -WEFT_EPROVIDER);
	/* What was not parted goes on. */
	if (!parted)
		net_burst(&p.net, talks[1].peer, p.a, 100, 10);
	pair_close(&p);
}

const struct conform_case cases_broken[] = {
	{ "broken_rail_is_lost_alone", broken_rail_is_lost_alone, NEEDS_SCRIPT },
	{ "broken_rail_is_closed_by_a_thread", broken_rail_is_closed_by_a_thread, NEEDS_SCRIPT },
	{ "rails_break_on_both_sides", rails_break_on_both_sides, NEEDS_SCRIPT },
	{ "port_breaks_in_mid_transfer", port_breaks_in_mid_transfer, NEEDS_NIC | ONLY_MANUAL },
	{ "regions_go_on_without_a_broken_rail", regions_go_on_without_a_broken_rail,
	  NEEDS_SCRIPT },
	{ "broken_only_rail_says_why", broken_only_rail_says_why, NEEDS_SCRIPT },
	{ "messages_of_a_broken_rail_are_not_lost_in_silence",
	  messages_of_a_broken_rail_are_not_lost_in_silence, NEEDS_SCRIPT },
	{ 0 },
};
