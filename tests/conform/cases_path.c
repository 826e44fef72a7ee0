/* SPDX-License-Identifier: Apache-2.0 */
/* Rails that fail while others work: what was on them goes another way, and they are taken back. */
#include <errno.h>

#include "engine/testing.h"
#include "net.h"

#define LEN (4u << 20)

/* a follows the scripts, a rail each; b is sound. */
static void open_scripted(struct pair *p, const struct conform *c, const char *scripts)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);

	ours.rails = theirs.rails = 3;
	ours.devices = scripts;
	pair_open_opts(p, c, LEN, &ours, &theirs);
}

static void move_all(struct pair *p, struct weft_batch *batch, bool read, uint64_t seed)
{
	struct move move = { read, p->region_a, 0, p->to_b, 0, LEN / 4, 0, 0 };

	area_fill(read ? &p->mem_b : &p->mem_a, 0, LEN, seed);
	for (int i = 0; i < 4; i++) {
		check_int(net_add(batch, &move), i);
		move.offset += LEN / 4;
		move.remote_offset += LEN / 4;
	}
	net_complete(&p->net, batch, 4);
	check_holds(read ? &p->mem_a : &p->mem_b, 0, LEN, seed);
}

static void failed_rail_is_drained_and_taken_back(const struct conform *c)
{
	struct weft_path_info path = { .size = sizeof(path) };
	struct weft_peer *peer;
	struct weft_batch *batch;
	struct pair p;
	uint64_t round;

	open_scripted(&p, c, ";down_after=40,down_us=1000000,delay_us=20;");
	peer = weft_remote_peer(p.to_b);
	batch = net_batch(p.a, 4);
	until(&p.net, net_peer_info(peer).rails_usable == 3);
	for (round = 0; net_peer_info(peer).rails_usable == 3; round++) {
		check(round < 1000);
		move_all(&p, batch, round % 2, round);
	}
	check_int(net_peer_info(peer).rails_usable, 2);
	check_ok(weft_peer_path(peer, 1, &path));
	check_int(path.usable, 0);
	check_int(path.reason, -WEFT_EPEERGONE);
	check_int(path.failures, 1);
	check_ok(weft_peer_path(peer, 2, &path));
	check_int(path.usable, 1);
	check_rc(weft_peer_path(peer, 3, &path), -ENOENT);
	for (uint64_t end = round + 20; round < end; round++)
		move_all(&p, batch, round % 2, round);
	until(&p.net, net_peer_info(peer).rails_usable == 3);
	move_all(&p, batch, false, ++round);
	check_int(net_stats(p.a).failed, 0);
	check(net_stats(p.a).pieces_moved > 0);
	check_int(net_stats(p.a).peers_gone, 0);
	weft_batch_close(batch);
	pair_close(&p);
}

static void peer_is_gone_with_its_last_rail(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;
	uint32_t i;
	int error = 0;

	open_scripted(&p, c, "down_after=20;down_after=40;down_after=60");
	batch = net_batch(p.a, 64);
	area_fill(&p.mem_a, 0, LEN, 1);
	for (uint32_t round = 0; !error; round++) {
		check(round < 100);
		for (i = 0; i < 64; i++)
			check_int(weft_batch_write(batch, p.region_a, i * 4096, p.to_b, i * 4096,
						   4096, 0, 0),
				  (int)i);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		net_finish(&p.net, batch);
		error = weft_batch_error(batch);
		/* What was in flight when the peer went ends after its transfer. */
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		check_ok(weft_batch_reset(batch));
	}
	check_rc(error, -WEFT_EPEERGONE);
	check_rc(weft_remote_status(p.to_b), -WEFT_EPEERGONE);
	check_int(net_stats(p.a).peers, 0);
	weft_batch_close(batch);
	pair_close(&p);
}

#define MESSAGES 3000u

/* Rail 0, which messages go by, fails and comes back; of what it loses some has arrived. */
static void messages_go_another_way_once_each(const struct conform *c)
{
	struct pair p;

	open_scripted(&p, c, "down_after=100,down_us=200000;;");
	net_burst(&p.net, weft_remote_peer(p.to_b), p.b, MESSAGES, 50);
	net_run(&p.net, NSEC_PER_SEC / 5);
	check_int(net_stats(p.b).messages_received, MESSAGES);
	check(net_stats(p.a).messages_moved > 0);
	check(net_stats(p.b).messages_repeated > 0);
	check_int(net_stats(p.a).peers_gone, 0);
	pair_close(&p);
}

/* An immediate is not told twice: a write that is done has counted once, one that failed at most
 * once. */
static void immediates_of_a_failed_rail_count_at_most_once(const struct conform *c)
{
	struct weft_result result = { .size = sizeof(result) };
	uint64_t done = 0, failed = 0, count;
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	struct pair p;

	open_scripted(&p, c, "delay_us=200;down_after=100,down_us=50000,delay_us=200;delay_us=200");
	check_ok(weft_arrival_open(p.b, &arrival));
	batch = net_batch(p.a, 64);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 64; i++)
			check_int(weft_batch_write(batch, p.region_a, i * 64, p.to_b, i * 64, 64,
						   WEFT_WITH_IMM, weft_arrival_imm(arrival)),
				  (int)i);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		net_finish(&p.net, batch);
		for (uint32_t i = 0; i < 64; i++) {
			check_ok(weft_batch_result(batch, i, &result));
			done += result.state == WEFT_DONE;
			failed += result.state == WEFT_FAILED;
		}
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		check_ok(weft_batch_reset(batch));
	}
	check_int(done + failed, 20 * 64);
	check(failed > 0);
	until(&p.net, weft_arrival_count(arrival) >= done);
	net_run(&p.net, NSEC_PER_SEC / 10);
	count = weft_arrival_count(arrival);
	check(count >= done && count <= done + failed);
	conform_note("%llu done, %llu failed, %llu counted", (unsigned long long)done,
		     (unsigned long long)failed, (unsigned long long)count);
	weft_batch_close(batch);
	weft_arrival_close(arrival);
	pair_close(&p);
}

/* a loses b for a while, and b says nothing meanwhile: it learns with what it says next. */
static void forgotten_peer_is_told(const struct conform *c)
{
	struct weft_opts ours = net_opts(c), theirs = net_opts(c);
	struct weft_peer *peer;
	struct pair p;
	int error = 0;

	ours.devices = "down_after=30,down_us=100000";
	pair_open_opts(&p, c, 4096, &ours, &theirs);
	peer = weft_remote_peer(p.to_a);
	for (uint32_t round = 0; !error; round++) {
		const struct move move = { false, p.region_a, 0, p.to_b, 0, 64, 0, 0 };

		check(round < 100);
		error = net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS);
	}
	check_rc(error, -WEFT_EPEERGONE);
	check_ok(weft_remote_status(p.to_a));
	net_run(&p.net, 200 * NSEC_PER_MSEC);
	net_notify(&p.net, peer, "?", 1);
	until(&p.net, weft_remote_status(p.to_a) == -WEFT_EPEERGONE);
	check_int(net_stats(p.a).messages_received, 0);
	check_int(net_stats(p.b).peers_gone, 1);
	/* And they can meet again. */
	check_ok(weft_remote_close(p.to_a));
	p.to_a = net_import(&p.net, p.b, p.region_a);
	net_notify(&p.net, weft_remote_peer(p.to_a), "!", 1);
	until(&p.net, net_stats(p.a).messages_received == 1);
	pair_close(&p);
}

enum {
	NEAR_RAILS = 4,
	NEAR_MOVES = 64,
	NEAR_LEN = 4096
};

static uint64_t posted_on(struct weft *weft, uint32_t rail)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	check_ok(weft_rail(weft, rail, &info));
	return info.posted;
}

/* Rails of a, in the nodes given, and memory in node 0: how many of NEAR_MOVES WRITEs each rail
 * takes, one after the other or all at a time. */
static void spread(const struct conform *c, const int nodes[NEAR_RAILS], bool at_a_time,
		   uint64_t taken[NEAR_RAILS])
{
	struct weft_opts opts = net_opts(c);
	struct weft_region *region;
	struct weft_peer *peer;
	struct weft_batch *batch;
	struct pair p;
	uint32_t i;

	opts.rails = NEAR_RAILS;
	pair_open_opts(&p, c, NEAR_MOVES * NEAR_LEN, &opts, &opts);
	peer = weft_remote_peer(p.to_b);
	until(&p.net, net_peer_info(peer).rails_usable == NEAR_RAILS);
	for (i = 0; i < NEAR_RAILS; i++)
		weft_test_place(p.a, i, nodes[i]);
	area_fill(&p.mem_a, 0, p.mem_a.len, 1);
	region = net_register(p.a, &p.mem_a, WEFT_LOCAL);
	for (i = 0; i < NEAR_RAILS; i++)
		taken[i] = posted_on(p.a, i);
	batch = net_batch(p.a, NEAR_MOVES);
	for (i = 0; i < NEAR_MOVES; i++) {
		uint64_t at = (uint64_t)i * NEAR_LEN;
		struct move move = { false, region, at, p.to_b, at, NEAR_LEN, 0, 0 };

		check_int(net_add(batch, &move), at_a_time ? i : 0);
		if (!at_a_time)
			net_complete(&p.net, batch, 1);
	}
	if (at_a_time)
		net_complete(&p.net, batch, NEAR_MOVES);
	for (i = 0; i < NEAR_RAILS; i++)
		taken[i] = posted_on(p.a, i) - taken[i];
	check_holds(&p.mem_b, 0, p.mem_b.len, 1);
	weft_batch_close(batch);
	if (!region->near && nodes[3] == 0)
		conform_skip("the node of a page is not known here, or not 0");
	pair_close(&p);
}

/* The first rails are far from the memory: a small transfer finds all queues empty and takes a near
 * one; many at a time use all. */
static void small_transfers_take_near_rails(const struct conform *c)
{
	static const int apart[] = { 1, 1, 0, 0 }, unknown[] = { -1, -1, -1, -1 };
	static const int elsewhere[] = { 1, 2, 3, 3 };
	uint64_t taken[NEAR_RAILS];

	spread(c, apart, false, taken);
	check_int(taken[0] + taken[1], 0);
	check_int(taken[2] + taken[3], NEAR_MOVES);
	spread(c, apart, true, taken);
	check(taken[0] && taken[1] && taken[2] > taken[0] && taken[3] > taken[1]);
	spread(c, unknown, false, taken);
	check_int(taken[0], NEAR_MOVES);
	spread(c, elsewhere, false, taken);
	check_int(taken[0], NEAR_MOVES);
}

/* Two peers by the same rail: one with much to do, and one with little that comes later. */
static void much_lets_little_pass(const struct conform *c)
{
	enum {
		COUNT = 96,
		EACH = 256 << 10
	};
	struct weft_opts opts = net_opts(c);
	struct weft_batch *much, *little;
	struct weft_remote *other;
	struct weft *third;
	struct pair p;

	opts.peer_window = COUNT / 4;
	pair_open_opts(&p, c, EACH + 256, &opts, NULL);
	third = net_open(&p.net, NULL);
	other = net_import(&p.net, p.a, net_register(third, &p.mem_b, WEFT_REMOTE_READ));
	area_fill(&p.mem_b, 0, EACH + 256, 5);
	much = net_batch(p.a, COUNT);
	little = net_batch(p.a, 1);
	for (uint32_t i = 0; i < COUNT; i++)
		check_int(weft_batch_read(much, p.region_a, 0, p.to_b, 0, EACH), i);
	check_int(weft_batch_read(little, p.region_a, EACH, other, EACH, 256), 0);
	check_ok(weft_submit(much, CONFORM_LIMIT_NS));
	check_ok(weft_submit(little, CONFORM_LIMIT_NS));
	until(&p.net, weft_batch_poll(little));
	check_int(net_result(much, COUNT - 1).state, WEFT_ACTIVE);
	net_finish(&p.net, much);
	net_check_done(little, 1);
	net_check_done(much, COUNT);
	check_holds(&p.mem_a, 0, EACH + 256, 5);
	weft_batch_close(much);
	weft_batch_close(little);
	pair_close(&p);
}

const struct conform_case cases_path[] = {
	{ "forgotten_peer_is_told", forgotten_peer_is_told, NEEDS_SCRIPT },
	{ "small_transfers_take_near_rails", small_transfers_take_near_rails,
	  NEEDS_SCRIPT | ONLY_MANUAL },
	{ "failed_rail_is_drained_and_taken_back", failed_rail_is_drained_and_taken_back,
	  NEEDS_SCRIPT },
	{ "peer_is_gone_with_its_last_rail", peer_is_gone_with_its_last_rail, NEEDS_SCRIPT },
	{ "messages_go_another_way_once_each", messages_go_another_way_once_each, NEEDS_SCRIPT },
	{ "immediates_of_a_failed_rail_count_at_most_once",
	  immediates_of_a_failed_rail_count_at_most_once, NEEDS_SCRIPT },
	{ "much_lets_little_pass", much_lets_little_pass, ONLY_MANUAL },
	{ 0 },
};
