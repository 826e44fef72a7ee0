/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that come and go leave nothing: many lives of one, met, used and lost in each way that
 * one process can show, at an engine that goes on. Memory and descriptors are counted after some
 * lives and after the last. RESTART_LIVES in the environment is another number of lives than 1,000.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <weft/weft.h>

#include "base/clock.h"
#include "engine/engine.h"

#define LIVES 1000
#define LEN   512u
#define LIMIT (20 * NSEC_PER_SEC)

struct used {
	size_t bytes;
	int descriptors;
};

static struct used used_now(void)
{
	struct mallinfo2 info = mallinfo2();
	struct used used = { .bytes = info.uordblks + info.hblkhd };
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		used.descriptors++;
	closedir(dir);
	return used;
}

static struct weft *open_engine(weft_peer_gone_fn on_peer_gone)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = "loop",
		.devices = "depth=16",
		.progress = WEFT_PROGRESS_MANUAL,
		.receive_buffers = 16,
		.on_peer_gone = on_peer_gone,
	};
	struct weft *weft;

	assert_int_equal(weft_open(&weft, &opts), 0);
	return weft;
}

/* Turns that are few, since what is told twice needs none. */
static void turn(struct weft *a, struct weft *b)
{
	assert_true(weft_progress(a, 0) >= 0);
	assert_true(weft_progress(b, 0) >= 0);
}

static uint64_t peers_of(struct weft *weft)
{
	struct weft_stats stats = { .size = sizeof(stats) };

	assert_int_equal(weft_stats(weft, &stats), 0);
	return stats.peers;
}

struct life {
	struct weft *a, *b;
	struct weft_region *near, *far;
	struct weft_remote *remote;
	bool leaves; /* an answer that nobody takes */
};

static struct weft_remote *import(struct weft *weft, const struct weft_region *region)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_remote *remote;

	assert_int_equal(weft_export(region, descriptor, &len), 0);
	assert_int_equal(weft_import(weft, descriptor, len, &remote), 0);
	return remote;
}

/* A WRITE, and a message each way. */
static void use(struct life *life)
{
	struct weft_batch *batch;
	struct weft_peer *from;
	char text[8];
	size_t len = sizeof(text);

	while (weft_remote_status(life->remote) == -EINPROGRESS)
		turn(life->a, life->b);
	assert_int_equal(weft_batch_open(life->a, NULL, &batch), 0);
	assert_int_equal(weft_batch_write(batch, life->near, 0, life->remote, 0, LEN, 0, 0), 0);
	assert_int_equal(weft_submit(batch, LIMIT), 0);
	while (!weft_batch_poll(batch))
		turn(life->a, life->b);
	assert_int_equal(weft_batch_error(batch), 0);
	weft_batch_close(batch);
	assert_int_equal(weft_notify(weft_remote_peer(life->remote), "ping", 4), 0);
	assert_int_equal(weft_receive(life->b, text, &len, &from, LIMIT), 0);
	assert_int_equal(weft_notify(from, "pong", 4), 0);
	len = sizeof(text);
	if (!life->leaves)
		assert_int_equal(weft_receive(life->a, text, &len, NULL, LIMIT), 0);
}

static void live(struct weft *a, struct weft_region *near, int way, bool leaves)
{
	static uint8_t far[LEN];
	struct life life = { .a = a, .b = open_engine(NULL), .near = near, .leaves = leaves };
	struct weft_remote *back = NULL;
	struct weft_peer *peer;

	assert_int_equal(weft_register(life.b, far, LEN, WEFT_REMOTE_WRITE, &life.far), 0);
	life.remote = import(a, life.far);
	if (way != 3)
		use(&life);
	if (way == 2) /* it holds a region of ours when it goes */
		back = import(life.b, near);
	while (back && weft_remote_status(back) == -EINPROGRESS)
		turn(a, life.b);
	if (way == 1) { /* given up by this side */
		peer = weft_remote_peer(life.remote);
		assert_int_equal(weft_remote_close(life.remote), 0);
		weft_disconnect(peer);
	}
	weft_close(life.b);
	if (way == 1)
		return;
	/* It has said goodbye, or (3) was never met. */
	while (peers_of(a)) {
		assert_true(weft_progress(a, 0) >= 0);
		if (way == 3 && weft_remote_status(life.remote) == -EINPROGRESS) {
			weft_disconnect(weft_remote_peer(life.remote));
			break;
		}
	}
	assert_int_equal(weft_remote_close(life.remote), 0);
}

static int lives(void)
{
	const char *text = getenv("RESTART_LIVES");

	return text ? atoi(text) : LIVES;
}

static void gone(void *ctx, struct weft_peer *peer, int reason)
{
	(void)ctx;
	(void)peer;
	(void)reason;
}

/* From life warm to the last nothing is added. */
static void check_flat(weft_peer_gone_fn on_peer_gone, int warm, int last, size_t slack)
{
	static uint8_t bytes[LEN];
	struct weft *a = open_engine(on_peer_gone);
	struct used before = { 0 }, after;
	struct weft_region *near;

	assert_int_equal(weft_register(a, bytes, LEN, WEFT_REMOTE_WRITE, &near), 0);
	for (int i = 0; i < last; i++) {
		if (i == warm)
			before = used_now();
		live(a, near, i % 4, i % 8 < 4);
		assert_int_equal(peers_of(a), 0);
	}
	after = used_now();
	print_message("%d lives: %+lld bytes, %+d descriptors\n", last - warm,
		      (long long)after.bytes - (long long)before.bytes,
		      after.descriptors - before.descriptors);
	assert_int_equal(after.descriptors, before.descriptors);
	assert_true(after.bytes <= before.bytes + slack);
	weft_close(a);
}

static void many_lives_leave_nothing(void **state)
{
	(void)state;
	check_flat(gone, 12, lives(), 0);
}

/* Handles of the last 1,024 stay readable; more do not. The allocator may round up each of their
 * blocks. */
static void untold_ends_are_bounded(void **state)
{
	(void)state;
	check_flat(NULL, 1500, 1500 + lives() / 5, 1024 * 4 * 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_lives_leave_nothing),
		cmocka_unit_test(untold_ends_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
