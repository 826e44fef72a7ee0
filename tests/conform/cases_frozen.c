/* SPDX-License-Identifier: Apache-2.0 */
/* Peer processes that are stopped: the others do not notice, and they can come back. */
#include <string.h>

#include "child.h"
#include "engine/engine.h"

#define COUNT 600u
#define EACH  4096u
#define LEN   (COUNT * EACH)

#define SLOW  2u

/* One peer process that lives, and one or two that are stopped. */
struct trio {
	struct net net;
	struct weft *a;
	struct area mem;
	struct weft_region *region;
	uint32_t slows;
	struct child slow[SLOW], good;
	struct weft_remote *to_slow[SLOW], *to_good;
};

static void trio_open(struct trio *t, const struct conform *c, uint32_t slows)
{
	uint32_t access = WEFT_REMOTE_READ | WEFT_REMOTE_WRITE;

	*t = (struct trio){ .net.conform = c, .slows = slows };
	for (uint32_t i = 0; i < slows; i++)
		child_spawn(&t->slow[i], c, LEN);
	child_spawn(&t->good, c, LEN);
	area_open(&t->mem, LEN);
	t->a = net_open(&t->net, NULL);
	t->region = net_register(t->a, &t->mem, access);
	for (uint32_t i = 0; i < slows; i++) {
		child_open(&t->slow[i], &t->net, access);
		t->to_slow[i] = net_import_bytes(&t->net, t->a, t->slow[i].descriptor,
						 t->slow[i].descriptor_len);
	}
	child_open(&t->good, &t->net, access);
	t->to_good = net_import_bytes(&t->net, t->a, t->good.descriptor, t->good.descriptor_len);
}

static void trio_close(struct trio *t)
{
	check_guards(&t->mem);
	net_drop(&t->net);
	for (uint32_t i = 0; i < t->slows; i++)
		child_end(&t->slow[i]);
	child_end(&t->good);
	area_close(&t->mem);
}

static void trio_fill(struct trio *t, struct weft_batch *batch, struct weft_remote *remote,
		      uint32_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct move move = { i % 2, t->region, i * EACH, remote, i * EACH, EACH, 0, 0 };

		check_int(net_add(batch, &move), i);
	}
}

/* Writes, reads and messages with the peer that lives, all of them whole. */
static void good_round(struct trio *t, struct weft_batch *batch, uint64_t seed)
{
	uint64_t number = 0;
	struct weft_peer *from;

	for (uint64_t i = 0; i < 32; i++)
		area_fill(i % 2 ? &t->good.area : &t->mem, i * EACH, EACH, seed + i);
	trio_fill(t, batch, t->to_good, 32);
	net_complete(&t->net, batch, 32);
	for (uint64_t i = 0; i < 32; i++)
		check_holds(i % 2 ? &t->mem : &t->good.area, i * EACH, EACH, seed + i);
	net_notify(&t->net, weft_remote_peer(t->to_good), &seed, sizeof(seed));
	check_int(net_receive(&t->net, t->a, &number, sizeof(number), &from), sizeof(number));
	check(number == seed && from == weft_remote_peer(t->to_good));
}

static bool all_ended(struct weft_batch *const *batches, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (weft_batch_poll(batches[i]) == 0)
			return false;
	return true;
}

/* Rounds with the living peer until the batches to the others have ended, and some more. Returns
 * the number of the former. */
static uint64_t good_rounds_during(struct trio *t, struct weft_batch *const *batches)
{
	struct weft_batch *good = net_batch(t->a, 32);
	uint64_t rounds = 0;

	while (!all_ended(batches, t->slows))
		good_round(t, good, ++rounds << 16);
	for (uint64_t i = 0; i < 50; i++)
		good_round(t, good, i << 17);
	weft_batch_close(good);
	return rounds;
}

static void check_slow_results(const struct conform *c, const struct weft_batch *batch)
{
	uint32_t late = 0, loud = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct weft_result result = net_result(batch, i);

		if (result.state == WEFT_DONE)
			continue;
		check_int(result.state, WEFT_DEADLINE);
		check_rc(result.error, -WEFT_EDEADLINE);
		late++;
		loud += !result.quiescent;
	}
	if (c->row->needs_target)
		check(late > 0 && loud > 0);
	else
		conform_note("%u of %u were placed in the stopped process's memory", COUNT - late,
			     COUNT);
}

/* It is as good as before. */
static void check_back(struct trio *t, uint32_t i, struct weft_batch *batch)
{
	struct move move = { false, t->region, 0, t->to_slow[i], 0, EACH, 0, 0 };

	until(&t->net, weft_batch_quiesce(batch, 0) == 0);
	check_ok(weft_batch_reset(batch));
	until(&t->net, net_stats(t->a).in_flight == 0);
	check_ok(weft_remote_status(t->to_slow[i]));
	area_fill(&t->mem, 0, EACH, 77 + i);
	check_ok(net_move(&t->net, t->a, &move, CONFORM_LIMIT_NS));
	check_holds(&t->slow[i].area, 0, EACH, 77 + i);
}

static void others_go_on(const struct conform *c, uint32_t slows)
{
	const uint64_t deadline_ns = 800 * NSEC_PER_MSEC;
	struct weft_batch *batches[SLOW];
	uint64_t start_ns, rounds;
	struct trio t;

	trio_open(&t, c, slows);
	for (uint32_t i = 0; i < slows; i++) {
		child_stop(&t.slow[i]);
		batches[i] = net_batch(t.a, COUNT);
		trio_fill(&t, batches[i], t.to_slow[i], COUNT);
	}
	start_ns = clock_ns();
	for (uint32_t i = 0; i < slows; i++)
		check_ok(weft_submit(batches[i], deadline_ns));
	rounds = good_rounds_during(&t, batches);
	check(clock_ns() - start_ns < deadline_ns + 2 * CONFORM_SLACK_NS);
	conform_note("%llu rounds with the other peer meanwhile", (unsigned long long)rounds);
	for (uint32_t i = 0; i < slows; i++)
		check_slow_results(c, batches[i]);
	/* One that was held up would have lasted until the deadline. */
	check(rounds > 2 || !c->row->needs_target);
	for (uint32_t i = 0; i < slows; i++)
		child_resume(&t.slow[i]);
	for (uint32_t i = 0; i < slows; i++) {
		check_back(&t, i, batches[i]);
		weft_batch_close(batches[i]);
	}
	trio_close(&t);
}

static void others_go_on_while_one_is_stopped(const struct conform *c)
{
	others_go_on(c, 1);
}

static void others_go_on_while_two_are_stopped(const struct conform *c)
{
	others_go_on(c, 2);
}

/* Messages to the stopped one fill its share and are refused; those to the other pass. */
static void messages_pass_a_stopped_peer(const struct conform *c)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	struct weft_batch *good;
	uint32_t taken = 0;
	struct trio t;
	int rc = 0;

	trio_open(&t, c, 1);
	good = net_batch(t.a, 32);
	child_stop(&t.slow[0]);
	for (uint32_t i = 0; i < 20000 && rc == 0; i++) {
		rc = weft_notify(weft_remote_peer(t.to_slow[0]), data, sizeof(data));
		taken += rc == 0;
		if (i % 16 == 0)
			net_turn(&t.net);
	}
	check_rc(rc, -WEFT_EQUEUEFULL);
	conform_note("%u messages taken for the stopped peer", taken);
	for (uint64_t i = 0; i < 50; i++)
		good_round(&t, good, i << 16);
	child_resume(&t.slow[0]);
	/* Each comes back. */
	for (uint32_t i = 0; i < taken; i++) {
		struct weft_peer *from;

		check_int(net_receive(&t.net, t.a, data, sizeof(data), &from), sizeof(data));
		check(from == weft_remote_peer(t.to_slow[0]));
	}
	weft_batch_close(good);
	trio_close(&t);
}

/* What the port of the peer's way says: a closed registration stops what arrives late. */
static bool closed_ones_guard(struct weft_peer *peer)
{
	const struct port_limits *limits = &way_rail(peer->weft, peer->way, 0)->limits;

	return peer->way->provider->unregister_guards && !limits->emulated && !limits->keeps_pins;
}

/* A peer that holds the region does not answer: taking it back ends in time. Where a closed
 * registration guards, the region is gone and the peer is cut off, and learns of that when it goes
 * on; elsewhere the owner is told that the memory is not quiet. Returns whether it is gone. */
static bool unregister_from_stopped(struct net *net, struct weft_region *region,
				    struct weft_peer *peer)
{
	const uint64_t timeout_ns = 300 * NSEC_PER_MSEC;
	bool guards = closed_ones_guard(peer);
	uint64_t start_ns = clock_ns(), passed_ns;

	check_rc(weft_unregister(region, timeout_ns), guards ? 0 : -WEFT_ENOTQUIET);
	passed_ns = clock_ns() - start_ns;
	check(passed_ns >= timeout_ns && passed_ns < timeout_ns + CONFORM_SLACK_NS);
	net_turn(net);
	check_rc(net_peer_info(peer).reason, guards ? -WEFT_EPEERSTUCK : 0);
	return guards;
}

/* How the storm of the peer ends that goes on. */
static void check_shut_out(struct child *child, struct net *net)
{
	int error = 0;

	until(net, (error = child_storm_error(child, net)));
	if (error != -WEFT_EREVOKED && error != -WEFT_EREFUSED)
		check_rc(error, -WEFT_EPEERGONE);
	conform_note("the peer that goes on is told %s", weft_error_name(error));
}

/* A region that a stopped peer writes is taken back: once that is said, it writes no more. */
static void revoke_from_a_stopped_peer(const struct conform *c, bool read)
{
	struct child child;
	struct net net = { .conform = c };
	struct weft_region *region;
	struct weft_peer *peer;
	struct area mem;
	struct weft *a;
	bool gone;

	child_spawn(&child, c, 1 << 20);
	area_open(&mem, 1 << 20);
	a = net_open(&net, NULL);
	child_open(&child, &net, WEFT_LOCAL);
	region = net_register(a, &mem, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	child_storm(&child, &net, region, read, 16384);
	until(&net, child_storm_done(&child, &net) > 100);
	check_int(child_storm_error(&child, &net), 0);
	check_ok(weft_connect(a, child.descriptor, child.descriptor_len, 0, &peer));
	until(&net, net_peer_info(peer).connected);
	child_stop(&child);
	net_run(&net, 20 * NSEC_PER_MSEC);
	gone = unregister_from_stopped(&net, region, peer);
	if (gone)
		area_fill(&mem, 0, mem.len, 6);
	child_resume(&child);
	if (!gone) {
		net_unregister(&net, region);
		area_fill(&mem, 0, mem.len, 6);
	}
	check_shut_out(&child, &net);
	net_run(&net, 200 * NSEC_PER_MSEC);
	check_holds(&mem, 0, mem.len, 6);
	check_guards(&mem);
	net_end(&net);
	child_end(&child);
	area_close(&mem);
}

static void stopped_writer_is_shut_out(const struct conform *c)
{
	revoke_from_a_stopped_peer(c, false);
}

static void stopped_reader_is_shut_out(const struct conform *c)
{
	revoke_from_a_stopped_peer(c, true);
}

/* Connecting to it ends by its timeout. */
static void connect_to_a_stopped_peer_ends(const struct conform *c)
{
	const uint64_t timeout_ns = 300 * NSEC_PER_MSEC;
	struct net net = { .conform = c };
	struct weft_region *region;
	struct weft_remote *remote;
	struct weft_peer *peer;
	struct child child;
	struct move move;
	struct area mem;
	uint64_t start_ns;
	struct weft *a;

	child_spawn(&child, c, 4096);
	area_open(&mem, 4096);
	a = net_open(&net, NULL);
	region = net_register(a, &mem, WEFT_LOCAL);
	child_open(&child, &net, WEFT_REMOTE_WRITE);
	child_stop(&child);
	start_ns = clock_ns();
	check_rc(weft_connect(a, child.descriptor, child.descriptor_len, timeout_ns, &peer),
		 -WEFT_EDEADLINE);
	check(clock_ns() - start_ns < timeout_ns + CONFORM_SLACK_NS);
	check_ok(weft_import(a, child.descriptor, child.descriptor_len, &remote));
	check_rc(weft_remote_status(remote), -EINPROGRESS);
	move = (struct move){ false, region, 0, remote, 0, 4096, 0, 0 };
	start_ns = clock_ns();
	check_rc(net_move(&net, a, &move, timeout_ns), -WEFT_EDEADLINE);
	check(clock_ns() - start_ns < timeout_ns + CONFORM_SLACK_NS);
	child_resume(&child);
	until(&net, weft_remote_status(remote) != -EINPROGRESS);
	check_ok(weft_remote_status(remote));
	check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
	net_end(&net);
	child_end(&child);
	area_close(&mem);
}

const struct conform_case cases_frozen[] = {
	{ "others_go_on_while_one_is_stopped", others_go_on_while_one_is_stopped, NEEDS_PROCESSES },
	{ "others_go_on_while_two_are_stopped", others_go_on_while_two_are_stopped,
	  NEEDS_PROCESSES },
	{ "messages_pass_a_stopped_peer", messages_pass_a_stopped_peer, NEEDS_PROCESSES },
	{ "stopped_writer_is_shut_out", stopped_writer_is_shut_out, NEEDS_PROCESSES },
	{ "stopped_reader_is_shut_out", stopped_reader_is_shut_out, NEEDS_PROCESSES },
	{ "connect_to_a_stopped_peer_ends", connect_to_a_stopped_peer_ends, NEEDS_PROCESSES },
	{ 0 },
};
