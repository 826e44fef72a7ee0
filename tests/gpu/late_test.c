/* SPDX-License-Identifier: Apache-2.0 */
/* Staged transfers whose operations are slow, come in another order, fail, or end after their
 * transfer: over loop and its scripts, with the stand-in for CUDA's driver. */
#include "kit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HALF    (KIT_AREA / 2)
#define SLOTS   12u /* transfers of a batch of the random case */
#define BATCHES 40u

static struct kit kit;

static struct weft_batch *open_batch(void)
{
	struct weft_batch *batch = NULL;

	assert_int_equal(weft_batch_open(kit.here, NULL, &batch), 0);
	return batch;
}

static void add(struct weft_batch *batch, bool write, size_t at, size_t len)
{
	int index = write ? weft_batch_write(batch, kit.mine, at, kit.remote, at, len, 0, 0)
			  : weft_batch_read(batch, kit.mine, at, kit.remote, at, len);

	assert_true(index >= 0);
}

static bool host_is(size_t at, size_t len, uint64_t seed)
{
	return kit_first_wrong(kit.host + at, len, seed) == len;
}

static void until_in_flight(uint64_t count)
{
	struct weft_stats stats = { .size = sizeof(stats) };
	struct timespec pause = { .tv_nsec = 100000 };
	int i;

	for (i = 0; i < 100000 && stats.in_flight != count; i++) {
		nanosleep(&pause, NULL);
		assert_int_equal(weft_stats(kit.here, &stats), 0);
	}
	assert_int_equal(stats.in_flight, count);
}

/* What a cancelled transfer has under way sends its own bytes, though others are copied meanwhile.
 */
static void chunks_stay_with_their_operations(void **state)
{
	struct weft_batch *first, *second;
	struct weft_result result = { .size = sizeof(result) };
	size_t len = 8 * KIT_CHUNK;

	(void)state;
	kit_open(&kit, "loop", "delay_us=200000");
	kit_fill(kit.gpu, len, 1);
	kit_fill(kit.gpu + HALF, len, 2);
	kit_fill_bytes(kit.host, len, 3);
	kit_fill_bytes(kit.host + HALF, len, 4);
	first = open_batch();
	second = open_batch();
	add(first, true, 0, len);
	assert_int_equal(weft_submit(first, KIT_WAIT), 0);
	until_in_flight(8);
	assert_int_equal(weft_batch_cancel(first), 0);
	assert_int_equal(weft_batch_result(first, 0, &result), 0);
	assert_int_equal(result.state, WEFT_CANCELLED);
	assert_int_equal(result.quiescent, 0);
	add(second, true, HALF, len);
	assert_int_equal(weft_submit(second, KIT_WAIT), 0);
	assert_int_equal(weft_batch_wait(second, KIT_WAIT), 0);
	assert_int_equal(weft_batch_error(second), 0);
	assert_true(host_is(HALF, len, 2));
	assert_int_equal(weft_batch_quiesce(first, KIT_WAIT), 0);
	assert_true(host_is(0, len, 1));
	kit_close(&kit);
}

/* --- at random ------------------------------------------------------------------------------ */

static uint64_t seed = 20;

static uint64_t number(uint64_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

struct slot {
	bool write;
	size_t len;
};

static size_t place(uint32_t i)
{
	return i * (KIT_AREA / SLOTS);
}

static void one_batch(struct weft_batch *batch, uint32_t round, uint32_t *done)
{
	struct weft_result result = { .size = sizeof(result) };
	struct slot slots[SLOTS];
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		slots[i].write = number(2);
		slots[i].len = 1 + number(12 * KIT_CHUNK);
		kit_fill(kit.gpu + place(i), slots[i].len, 1000 * round + i);
		kit_fill_bytes(kit.host + place(i), slots[i].len, 1000 * round + i + 500);
		add(batch, slots[i].write, place(i), slots[i].len);
	}
	assert_int_equal(weft_submit(batch, number(4) ? KIT_WAIT : number(5000) * 1000), 0);
	if (number(4) == 0)
		assert_int_equal(weft_batch_cancel(batch), 0);
	assert_int_equal(weft_batch_wait(batch, KIT_WAIT), 0);
	assert_int_equal(weft_batch_quiesce(batch, KIT_WAIT), 0);
	for (i = 0; i < SLOTS; i++) {
		assert_int_equal(weft_batch_result(batch, i, &result), 0);
		if (slots[i].write) /* the source is as it was, whatever the end */
			kit_expect(kit.gpu + place(i), slots[i].len, 1000 * round + i);
		if (result.state != WEFT_DONE)
			continue;
		++*done;
		if (slots[i].write)
			assert_true(host_is(place(i), slots[i].len, 1000 * round + i));
		else
			kit_expect(kit.gpu + place(i), slots[i].len, 1000 * round + i + 500);
	}
	assert_int_equal(weft_batch_reset(batch), 0);
}

static void whatever_ends_how_ends_right(void **state)
{
	struct weft_stats stats = { .size = sizeof(stats) };
	struct weft_batch *batch;
	uint32_t round, done = 0;

	(void)state;
	kit_open(&kit, "loop", "jitter_us=400,reorder=8,fail_every=301,seed=3");
	batch = open_batch();
	kit_cuda.set(FAKE_DELAY_US, 100);
	for (round = 0; round < BATCHES; round++) {
		if (round % 16 == 5)
			kit_cuda.set(FAKE_FAIL_COPY, 1 + number(20));
		if (round % 16 == 11)
			kit_cuda.set(FAKE_FAIL_START, 1 + number(20));
		one_batch(batch, round, &done);
	}
	assert_int_equal(weft_stats(kit.here, &stats), 0);
	print_message("%u done, %llu failed, %llu cancelled, %llu by deadline\n", done,
		      (unsigned long long)stats.failed, (unsigned long long)stats.cancelled,
		      (unsigned long long)stats.deadline);
	assert_true(done > 0 && stats.failed > 0 && stats.cancelled > 0);
	assert_int_equal(stats.copies, 0);
	assert_int_equal(stats.in_flight, 0);
	kit_close(&kit);
	assert_int_equal(kit_cuda.get(FAKE_OBJECTS), 0);
	assert_int_equal(kit_cuda.get(FAKE_COPIES), kit_cuda.get(FAKE_ENDED));
}

static int no_fault(void **state)
{
	(void)state;
	assert_int_equal(kit_cuda.get(FAKE_FAULTS), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(chunks_stay_with_their_operations, no_fault),
		cmocka_unit_test_teardown(whatever_ends_how_ends_right, no_fault),
	};

	if (!kit_load(true) || !kit_cuda.set)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
