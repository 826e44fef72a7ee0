/* SPDX-License-Identifier: Apache-2.0 */
/* Which way to a peer is taken, over how many rails, and what the loop's script does. */
#include <string.h>

#include "child.h"

#define LEN (64u << 20)

static void choice_is_shown(const struct conform *c)
{
	struct weft_peer_info info;
	struct pair p;

	pair_open(&p, c, 4096);
	info = net_peer_info(weft_remote_peer(p.to_b));
	check(!strcmp(info.provider, c->row->name));
	check(c->row->script || strlen(info.libfabric) > 0);
	check(strlen(info.device) > 0);
	check_int(info.connected, 1);
	check_int(info.reason, 0);
	check(info.rails >= 1);
	check_int(info.in_flight, 0);
	pair_close(&p);
}

static void auto_in_one_process_is_loop(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_peer_info info;
	struct move move;
	struct pair p;

	opts.provider = NULL;
	opts.bind_addr = "127.0.0.1";
	pair_open_opts(&p, c, 65536, &opts, &opts);
	info = net_peer_info(weft_remote_peer(p.to_b));
	check(!strcmp(info.provider, "loop"));
	area_fill(&p.mem_a, 0, 65536, 4);
	move = (struct move){ false, p.region_a, 0, p.to_b, 0, 65536, 0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	check_holds(&p.mem_b, 0, 65536, 4);
	pair_close(&p);
}

static void auto_on_one_host_is_shm(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_opts opts = net_opts(c);
	struct weft_peer_info info;
	struct weft_remote *remote;
	struct child child;
	struct move move;
	struct area mem;
	struct weft *a;

	child_spawn(&child, c, 65536);
	area_open(&mem, 65536);
	opts.provider = "auto";
	opts.bind_addr = "127.0.0.1";
	a = net_open(&net, &opts);
	child_open_provider(&child, &net, "auto", WEFT_REMOTE_WRITE);
	remote = net_import_bytes(&net, a, child.descriptor, child.descriptor_len);
	info = net_peer_info(weft_remote_peer(remote));
	check(!strcmp(info.provider, "shm"));
	check_int(info.pid, child.pid);
	area_fill(&mem, 0, 65536, 4);
	move = (struct move){ false, net_register(a, &mem, 0), 0, remote, 0, 65536, 0, 0 };
	check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
	check_holds(&child.area, 0, 65536, 4);
	net_end(&net);
	child_end(&child);
	area_close(&mem);
}

/* Both rails of both engines carry their part of one transfer, whole and guarded. */
static void two_rails_share_a_transfer(const struct conform *c)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct weft_opts opts = net_opts(c);
	uint64_t bytes = 0;
	struct pair p;

	conform_needs_rails(c, 2);
	opts.rails = 2;
	pair_open_opts(&p, c, LEN, &opts, &opts);
	check_int(net_peer_info(weft_remote_peer(p.to_b)).rails, 2);
	for (uint64_t i = 0; i < 4; i++) {
		struct area *source = i % 2 ? &p.mem_b : &p.mem_a;
		struct area *target = i % 2 ? &p.mem_a : &p.mem_b;
		struct move move = { i % 2, p.region_a, 3, p.to_b, 3, LEN - 7, 0, 0 };

		area_fill(source, 3, LEN - 7, i);
		check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
		check_holds(target, 3, LEN - 7, i);
	}
	for (uint32_t i = 0; i < 2; i++) {
		check_ok(weft_rail(p.a, i, &rail));
		check(rail.bytes > 0);
		bytes += rail.bytes;
	}
	check_int(bytes, 4ull * (LEN - 7));
	check_rc(weft_rail(p.a, 2, &rail), -ENOENT);
	pair_close(&p);
}

/* Small ones too, thousands of them, counted by immediates. */
static void two_rails_count_exactly(const struct conform *c)
{
	enum {
		COUNT = 2000
	};
	struct weft_opts opts = net_opts(c);
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	struct pair p;

	conform_needs_rails(c, 2);
	opts.rails = 2;
	pair_open_opts(&p, c, 8 << 20, &opts, &opts);
	check_ok(weft_arrival_open(p.b, &arrival));
	area_fill(&p.mem_a, 0, 8 << 20, 1);
	batch = net_batch(p.a, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		check_int(weft_batch_write(batch, p.region_a, i * 4096, p.to_b, i * 4096, 4096,
					   WEFT_WITH_IMM, weft_arrival_imm(arrival)),
			  i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	until(&p.net, weft_arrival_count(arrival) == COUNT);
	check_holds(&p.mem_b, 0, COUNT * 4096, 1);
	net_finish(&p.net, batch);
	net_check_done(batch, COUNT);
	weft_batch_close(batch);
	weft_arrival_close(arrival);
	pair_close(&p);
}

/* Engines with different numbers of rails understand each other. */
static void unequal_rails_work(const struct conform *c)
{
	struct weft_opts one = net_opts(c), three = net_opts(c);
	struct pair p;

	conform_needs_rails(c, 3);
	one.rails = 1;
	three.rails = 3;
	pair_open_opts(&p, c, 8 << 20, &one, &three);
	for (uint64_t i = 0; i < 2; i++) {
		struct move move = {
			false, i ? p.region_b : p.region_a, 0, i ? p.to_a : p.to_b, 0, 8 << 20, 0, 0
		};

		area_fill(i ? &p.mem_b : &p.mem_a, 0, 8 << 20, i);
		check_ok(net_move(&p.net, i ? p.b : p.a, &move, CONFORM_LIMIT_NS));
		check_holds(i ? &p.mem_a : &p.mem_b, 0, 8 << 20, i);
	}
	pair_close(&p);
}

static void script_fails_every_third(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	uint32_t failed = 0;
	struct pair p;

	opts.devices = "fail_every=3";
	pair_open_opts(&p, c, 4096, &opts, NULL);
	batch = net_batch(p.a, 300);
	for (int i = 0; i < 300; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0), i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	for (uint32_t i = 0; i < 300; i++) {
		struct weft_result result = net_result(batch, i);

		check_int(result.quiescent, 1);
		if (result.state == WEFT_DONE)
			continue;
		check_int(result.state, WEFT_FAILED);
		check(result.error < 0);
		failed++;
	}
	check_int(failed, 100);
	check_int(net_stats(p.a).failed, 100);
	check_int(net_stats(p.a).writes_done, 200);
	check(weft_batch_error(batch) < 0);
	check(strlen(weft_error_detail()) > 0);
	weft_batch_close(batch);
	pair_close(&p);
}

/* A script that lets eight pieces go as one operation fails or hangs all of them together; what is
 * between other regions, or of another kind, is another operation. */
static void pieces_of_one_operation_fail_together(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct pair p;

	opts.devices = "segments=8,fail_every=3,reorder=8,jitter_us=50";
	pair_open_opts(&p, c, 4096, &opts, NULL);
	batch = net_batch(p.a, 240);
	for (uint32_t i = 0; i < 240; i++) {
		struct move move = { i >= 120, p.region_a, i * 16, p.to_b, i * 16, 16, 0, 0 };

		check_int(net_add(batch, &move), i);
	}
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	/* 15 operations of each kind, posted in order. */
	for (uint32_t i = 0; i < 240; i++) {
		struct weft_result result = net_result(batch, i);

		check_int(result.state, i / 8 % 3 == 2 ? WEFT_FAILED : WEFT_DONE);
		check_int(result.quiescent, 1);
	}
	check_int(net_stats(p.a).failed, 80);
	check_int(net_stats(p.a).writes_done, 80);
	check_int(net_stats(p.a).reads_done, 80);
	weft_batch_close(batch);
	pair_close(&p);
}

/* Pieces of an operation that hangs end by their deadline, and each of them is quarantined. */
static void pieces_of_one_operation_hang_together(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	uint32_t late = 0;
	struct pair p;

	opts.devices = "segments=8,hang_every=4";
	pair_open_opts(&p, c, 4096, &opts, NULL);
	batch = net_batch(p.a, 64);
	for (uint32_t i = 0; i < 64; i++)
		check_int(weft_batch_write(batch, p.region_a, i * 16, p.to_b, i * 16, 16, 0, 0), i);
	check_ok(weft_submit(batch, 50 * NSEC_PER_MSEC));
	net_finish(&p.net, batch);
	for (uint32_t i = 0; i < 64; i++) {
		struct weft_result result = net_result(batch, i);
		bool hangs = i / 8 % 4 == 3;

		check_int(result.state, hangs ? WEFT_DEADLINE : WEFT_DONE);
		check_int(result.quiescent, !hangs);
		late += hangs;
	}
	check_int(net_stats(p.a).quarantined, late);
	weft_batch_close(batch);
	net_drop(&p.net);
}

/* What was done stays done, whoever uses its record when it is reported as failed after that. */
static void failure_after_success_is_nothing(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct pair p;

	opts.devices = "late_every=3";
	pair_open_opts(&p, c, 64 * 64, &opts, NULL);
	batch = net_batch(p.a, 64);
	for (uint64_t round = 0; round < 200; round++) {
		area_fill(&p.mem_a, 0, 64 * 64, round);
		for (uint32_t i = 0; i < 64; i++)
			check_int(weft_batch_write(batch, p.region_a, i * 64, p.to_b, i * 64, 64, 0,
						   0),
				  i);
		net_complete(&p.net, batch, 64);
		check_holds(&p.mem_b, 0, 64 * 64, round);
	}
	check_int(net_stats(p.a).failed, 0);
	check_int(net_stats(p.a).writes_done, 200 * 64);
	check_ok(weft_remote_status(p.to_b));
	weft_batch_close(batch);
	pair_close(&p);
}

/* Done means placed, also where nothing comes in the order it was posted. */
static void reordered_writes_are_placed_when_done(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	struct pair p;

	opts.devices = "reorder=16,seed=7,jitter_us=200";
	pair_open_opts(&p, c, 512 * 64, &opts, &opts);
	check_ok(weft_arrival_open(p.b, &arrival));
	batch = net_batch(p.a, 512);
	area_fill(&p.mem_a, 0, 512 * 64, 3);
	for (uint32_t i = 0; i < 512; i++)
		check_int(weft_batch_write(batch, p.region_a, i * 64, p.to_b, i * 64, 64,
					   WEFT_WITH_IMM, weft_arrival_imm(arrival)),
			  i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	check_holds(&p.mem_b, 0, 512 * 64, 3);
	until(&p.net, weft_arrival_count(arrival) == 512);
	weft_batch_close(batch);
	weft_arrival_close(arrival);
	pair_close(&p);
}

const struct conform_case cases_choice[] = {
	{ "choice_is_shown", choice_is_shown, 0 },
	{ "auto_in_one_process_is_loop", auto_in_one_process_is_loop, NEEDS_SCRIPT },
	{ "auto_on_one_host_is_shm", auto_on_one_host_is_shm, NEEDS_HOST_WAY },
	{ "two_rails_share_a_transfer", two_rails_share_a_transfer, NEEDS_NIC },
	{ "two_rails_count_exactly", two_rails_count_exactly, NEEDS_NIC },
	{ "unequal_rails_work", unequal_rails_work, NEEDS_NIC },
	{ "script_fails_every_third", script_fails_every_third, NEEDS_SCRIPT },
	{ "pieces_of_one_operation_fail_together", pieces_of_one_operation_fail_together,
	  NEEDS_SCRIPT },
	{ "pieces_of_one_operation_hang_together", pieces_of_one_operation_hang_together,
	  NEEDS_SCRIPT },
	{ "failure_after_success_is_nothing", failure_after_success_is_nothing, NEEDS_SCRIPT },
	{ "reordered_writes_are_placed_when_done", reordered_writes_are_placed_when_done,
	  NEEDS_SCRIPT },
	{ 0 },
};
