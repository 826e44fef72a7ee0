/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers from and to a GPU's memory over one provider, the program's argument. With FAKE_CUDA
 * the driver is the stand-in, whose copies take time, fail and wait as a case says; a real GPU
 * takes the cases that need none of that.
 */
#include "kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUARD 64u

static struct kit kit;
static const char *provider;

static void set(int knob, uint64_t value)
{
	kit_cuda.set(knob, value);
}

/* Waits for what another thread does; the case fails when it never comes. */
static void until_copies(uint64_t least, uint64_t most)
{
	struct timespec pause = { .tv_nsec = 100000 };
	uint64_t copies = kit_counter_copies(&kit);
	int i;

	for (i = 0; i < 100000 && (copies < least || copies > most); i++) {
		nanosleep(&pause, NULL);
		copies = kit_counter_copies(&kit);
	}
	assert_in_range(copies, least, most);
}

static void expect_host(size_t at, size_t len, uint64_t seed)
{
	size_t i = kit_first_wrong(kit.host + at, len, seed);

	if (i < len)
		fail_msg("byte %zu of %zu is another", i, len);
}

static void add(bool write, size_t at, size_t remote_at, size_t len)
{
	int index =
		write ? weft_batch_write(kit.batch, kit.mine, at, kit.remote, remote_at, len, 0, 0)
		      : weft_batch_read(kit.batch, kit.mine, at, kit.remote, remote_at, len);

	if (index < 0)
		fail_msg("%s", weft_error_detail());
}

static void submit(uint64_t timeout_ns)
{
	assert_int_equal(weft_submit(kit.batch, timeout_ns), 0);
}

static struct weft_result result_of(uint32_t index)
{
	struct weft_result result = { .size = sizeof(result) };

	assert_int_equal(weft_batch_result(kit.batch, index, &result), 0);
	return result;
}

static void wait_done(void)
{
	assert_int_equal(weft_batch_wait(kit.batch, KIT_WAIT), 0);
	if (weft_batch_error(kit.batch))
		fail_msg("%s", weft_error_detail());
	assert_int_equal(weft_batch_reset(kit.batch), 0);
}

/* --- cases that a real GPU takes too -------------------------------------------------------- */

static void regions_say_how_they_are_reached(void **state)
{
	struct weft_reach_info info = { .size = sizeof(info) };

	(void)state;
	assert_int_equal(weft_region_reach(kit.mine, 0, &info), 0);
	print_message("%s: %u %s\n", info.provider, info.reach, info.why);
	assert_string_equal(info.provider, kit.provider);
	assert_int_equal(info.gpu, 0);
	if (kit_cuda.set) {
		assert_int_equal(info.reach, WEFT_REACH_STAGED);
		assert_true(strlen(info.why) > 10);
	}
	assert_int_equal(weft_region_reach(kit.theirs, 0, &info), 0);
	assert_int_equal(info.reach, WEFT_REACH_HOST);
	assert_int_equal(info.gpu, -1);
	assert_string_equal(info.why, "");
	assert_int_equal(weft_region_reach(kit.mine, 1, &info), -ENOENT);
}

static void one_size(size_t len, uint64_t seed)
{
	size_t at = GUARD + seed % 61, far = GUARD + seed % 53;

	kit_fill(kit.gpu, at + len + GUARD, seed);
	kit_fill_bytes(kit.host, far + len + GUARD, seed + 1);
	add(true, at, far, len);
	submit(KIT_WAIT);
	wait_done();
	expect_host(0, far, seed + 1);
	expect_host(far, len, seed + at);
	expect_host(far + len, GUARD, seed + 1 + far + len);

	kit_fill_bytes(kit.host, far + len + GUARD, seed + 2);
	add(false, at, far, len);
	submit(KIT_WAIT);
	wait_done();
	kit_expect(kit.gpu, at, seed);
	kit_expect(kit.gpu + at, len, seed + 2 + far);
	kit_expect(kit.gpu + at + len, GUARD, seed + at + len);
}

static void every_size_arrives(void **state)
{
	static const size_t sizes[] = { 1,
					2,
					3,
					63,
					4096,
					KIT_CHUNK - 1,
					KIT_CHUNK,
					KIT_CHUNK + 1,
					2 * KIT_CHUNK - 1,
					2 * KIT_CHUNK + 1,
					9 * KIT_CHUNK,
					KIT_STAGING - 1,
					KIT_STAGING + 1,
					((size_t)1 << 20) + 5,
					((size_t)4 << 20) + 77 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		one_size(sizes[i], 1000 * i + 7);
	add(true, 5, 5, 0);
	submit(KIT_WAIT);
	wait_done();
}

/* Each has its own place; far more than the chunks can hold at a time. */
static void transfers_wait_for_chunks(void **state)
{
	struct weft_stats stats = { .size = sizeof(stats) };
	size_t len = 3 * KIT_CHUNK / 2 + 3, i, n = 200;

	(void)state;
	if (kit_cuda.set)
		set(FAKE_DELAY_US, 300);
	kit_fill(kit.gpu, KIT_AREA / 2, 5);
	kit_fill_bytes(kit.host + KIT_AREA / 2, KIT_AREA / 2, 6);
	for (i = 0; i < n; i++) {
		add(true, i * len, i * len, len);
		add(false, KIT_AREA / 2 + i * len, KIT_AREA / 2 + i * len, len);
	}
	submit(KIT_WAIT);
	wait_done();
	expect_host(0, n * len, 5);
	kit_expect(kit.gpu + KIT_AREA / 2, n * len, 6);
	if (!kit_cuda.set)
		return;
	assert_int_equal(weft_stats(kit.here, &stats), 0);
	assert_true(stats.staging_waits > 0);
	assert_int_equal(stats.staging_bytes, KIT_STAGING);
	assert_int_equal(stats.gpu_regions, 1);
	assert_int_equal(stats.copies, 0);
	assert_int_equal(stats.bytes_staged, kit_cuda.get(FAKE_BYTES));
	assert_in_range(kit_cuda.get(FAKE_MOST), 2, KIT_STAGING / KIT_CHUNK);
}

static void immediate_says_that_all_is_there(void **state)
{
	struct weft_arrival *arrival;
	size_t len = 5 * KIT_CHUNK + 1;

	(void)state;
	assert_int_equal(weft_arrival_open(kit.there, &arrival), 0);
	kit_fill(kit.gpu, len, 77);
	memset(kit.host, 0, len);
	assert_int_equal(weft_batch_write(kit.batch, kit.mine, 0, kit.remote, 0, len, WEFT_WITH_IMM,
					  weft_arrival_imm(arrival)),
			 0);
	assert_int_equal(weft_batch_write(kit.batch, kit.mine, 0, kit.remote, 0, 0, WEFT_WITH_IMM,
					  weft_arrival_imm(arrival)),
			 1);
	submit(KIT_WAIT);
	assert_int_equal(weft_arrival_wait(arrival, 2, KIT_WAIT), 0);
	wait_done();
	expect_host(0, len, 77);
	weft_arrival_close(arrival);
}

static void peers_are_not_let_at_it(void **state)
{
	struct weft_reach_info info = { .size = sizeof(info) };
	struct weft_region *region = NULL;
	int rc;

	(void)state;
	assert_int_equal(weft_region_reach(kit.mine, 0, &info), 0);
	rc = weft_register(kit.here, (void *)(uintptr_t)kit.gpu, 4096, WEFT_REMOTE_READ, &region);
	if (info.reach == WEFT_REACH_STAGED) {
		assert_int_equal(rc, -EOPNOTSUPP);
		assert_non_null(strstr(weft_error_detail(), kit.provider));
		assert_non_null(strstr(weft_error_detail(), info.why));
		assert_null(region);
	} else {
		assert_int_equal(rc, 0);
		assert_int_equal(weft_unregister(region, KIT_WAIT), 0);
	}
}

static void what_is_not_all_the_gpus_is_refused(void **state)
{
	struct weft_region *region;

	(void)state;
	assert_int_equal(weft_register(kit.here, (void *)(uintptr_t)kit.gpu,
				       KIT_AREA + ((size_t)1 << 40), WEFT_LOCAL, &region),
			 -EFAULT);
	assert_non_null(strstr(weft_error_detail(), "GPU 0"));
}

static void keep_line(void *ctx, const char *line)
{
	char want[64];

	snprintf(want, sizeof(want), ".by.%s staged", kit.provider);
	*(int *)ctx += strstr(line, want) != NULL;
}

static void dump_shows_regions(void **state)
{
	int lines = 0;

	(void)state;
	assert_int_equal(weft_dump(kit.here, keep_line, &lines), 0);
	assert_int_equal(lines, 1);
}

/* --- cases that need the stand-in ----------------------------------------------------------- */

/* What ends while the GPU copies is not quiescent until that has ended, and does nothing later. */
static void end_in_mid_copy(bool write, int state, uint64_t timeout_ns)
{
	size_t len = 40 * KIT_CHUNK;
	struct weft_result result;

	kit_fill(kit.gpu, len, 1);
	kit_fill_bytes(kit.host, len, 2);
	set(FAKE_HOLD, 1);
	add(write, 0, 0, len);
	submit(timeout_ns);
	until_copies(1, 8);
	if (state == WEFT_CANCELLED)
		assert_int_equal(weft_batch_cancel(kit.batch), 0);
	assert_int_equal(weft_batch_wait(kit.batch, KIT_WAIT), 0);
	result = result_of(0);
	assert_int_equal(result.state, state);
	assert_int_equal(result.quiescent, 0);
	assert_int_equal(weft_batch_quiesce(kit.batch, 1000000), -WEFT_ENOTQUIET);
	assert_int_equal(weft_batch_reset(kit.batch), -WEFT_ENOTQUIET);
	assert_true(kit_counter_copies(&kit) > 0);
	set(FAKE_HOLD, 0);
	assert_int_equal(weft_batch_quiesce(kit.batch, KIT_WAIT), 0);
	assert_int_equal(result_of(0).quiescent, 1);
	assert_int_equal(weft_batch_reset(kit.batch), 0);
	/* The memory is somebody else's now. */
	kit_fill(kit.gpu, len, 3);
	until_copies(0, 0);
	kit_cuda.run();
	one_size(100, 4);
	kit_expect(kit.gpu + 4096, len - 4096, 3 + 4096);
	if (write)
		expect_host(4096, len - 4096, 2 + 4096);
}

static void cancel_in_mid_copy(void **state)
{
	(void)state;
	end_in_mid_copy(true, WEFT_CANCELLED, KIT_WAIT);
	end_in_mid_copy(false, WEFT_CANCELLED, KIT_WAIT);
}

static void deadline_in_mid_copy(void **state)
{
	(void)state;
	end_in_mid_copy(true, WEFT_DEADLINE, 300 * 1000000u);
	end_in_mid_copy(false, WEFT_DEADLINE, 300 * 1000000u);
}

static void copy_that_fails(bool write, int knob, uint64_t n)
{
	struct weft_result result;

	set(knob, n);
	add(write, 0, 0, 20 * KIT_CHUNK);
	submit(KIT_WAIT);
	assert_int_equal(weft_batch_wait(kit.batch, KIT_WAIT), 0);
	result = result_of(0);
	assert_int_equal(result.state, WEFT_FAILED);
	assert_int_equal(result.error, -WEFT_EGPU);
	assert_int_equal(result.provider_error, 719);
	assert_int_equal(result.quiescent, 1);
	assert_int_equal(weft_batch_error(kit.batch), -WEFT_EGPU);
	assert_non_null(strstr(weft_error_detail(), "CUDA_ERROR_LAUNCH_FAILED"));
	assert_non_null(strstr(weft_error_detail(), write ? "DtoH" : "HtoD"));
	assert_int_equal(weft_batch_reset(kit.batch), 0);
	one_size(3 * KIT_CHUNK, n);
}

static void copies_that_fail(void **state)
{
	static const uint64_t which[] = { 1, 2, 9, 20 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		copy_that_fails(true, FAKE_FAIL_COPY, which[i]);
		copy_that_fails(false, FAKE_FAIL_COPY, which[i]);
		copy_that_fails(true, FAKE_FAIL_START, which[i]);
		copy_that_fails(false, FAKE_FAIL_START, which[i]);
		copy_that_fails(true, FAKE_FAIL_RECORD, which[i]);
		copy_that_fails(false, FAKE_FAIL_RECORD, which[i]);
	}
}

static void unregister_waits_for_copies(void **state)
{
	struct weft_region *region;

	(void)state;
	assert_int_equal(
		weft_register(kit.here, (void *)(uintptr_t)kit.gpu, KIT_AREA, WEFT_LOCAL, &region),
		0);
	set(FAKE_HOLD, 1);
	assert_int_equal(weft_batch_read(kit.batch, region, 0, kit.remote, 0, 4096), 0);
	submit(KIT_WAIT);
	until_copies(1, 1);
	assert_int_equal(weft_unregister(region, 20 * 1000000u), -WEFT_ENOTQUIET);
	assert_int_equal(weft_remote_close(kit.remote), -WEFT_ENOTQUIET);
	set(FAKE_HOLD, 0);
	assert_int_equal(weft_unregister(region, KIT_WAIT), 0);
	assert_int_equal(weft_batch_wait(kit.batch, KIT_WAIT), 0);
	assert_int_equal(weft_batch_reset(kit.batch), 0);
}

/* The last of all: the engine closes with a copy under way, of a peer that was cut off. */
static void close_in_mid_copy(void **state)
{
	struct weft_result result;

	(void)state;
	set(FAKE_HOLD, 1);
	add(true, 0, 0, 20 * KIT_CHUNK);
	add(false, 0, 0, 4096);
	submit(KIT_WAIT);
	until_copies(9, 9);
	weft_disconnect(weft_remote_peer(kit.remote));
	assert_int_equal(weft_batch_wait(kit.batch, 1000000), -EAGAIN);
	result = result_of(0);
	assert_int_equal(result.state, WEFT_CANCELLED);
	assert_int_equal(result.quiescent, 0);
	weft_close(kit.here);
	kit.here = NULL;
	assert_int_equal(kit_cuda.get(FAKE_OBJECTS), 0);
	assert_int_equal(kit_cuda.get(FAKE_COPIES), kit_cuda.get(FAKE_ENDED));
}

/* --- */

static int begin(void **state)
{
	int knob;

	(void)state;
	for (knob = 0; kit_cuda.set && knob < FAKE_KNOBS; knob++)
		set(knob, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (kit_cuda.get)
		assert_int_equal(kit_cuda.get(FAKE_FAULTS), 0);
	return 0;
}

static int open_all(void **state)
{
	(void)state;
	kit_open(&kit, provider, NULL);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	kit_close(&kit);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest both[] = {
		CASE(regions_say_how_they_are_reached), CASE(every_size_arrives),
		CASE(transfers_wait_for_chunks),        CASE(immediate_says_that_all_is_there),
		CASE(peers_are_not_let_at_it),          CASE(what_is_not_all_the_gpus_is_refused),
	};
	const struct CMUnitTest fake[] = {
		CASE(regions_say_how_they_are_reached),
		CASE(every_size_arrives),
		CASE(transfers_wait_for_chunks),
		CASE(immediate_says_that_all_is_there),
		CASE(peers_are_not_let_at_it),
		CASE(what_is_not_all_the_gpus_is_refused),
		CASE(dump_shows_regions),
		CASE(cancel_in_mid_copy),
		CASE(deadline_in_mid_copy),
		CASE(copies_that_fail),
		CASE(unregister_waits_for_copies),
		CASE(close_in_mid_copy),
	};

	if (argc != 2 || !kit_load(true))
		return 77;
	provider = argv[1];
	return kit_cuda.set ? cmocka_run_group_tests(fake, open_all, close_all)
			    : cmocka_run_group_tests(both, open_all, close_all);
}
