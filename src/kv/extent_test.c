/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/extent.h"

#include "base/alloc.h"
#include "kv/store_fixture.h"

#define SEGMENTS 3u
#define LIVE     400u
#define MAX      64u

static const uint64_t lengths[SEGMENTS] = { 64 * 3000, 64 * 5000 + 63, 64 * 1000 };

struct model {
	struct extent_pool *pool;
	uint8_t owned[SEGMENTS][5000];
	struct extent live[LIVE][MAX];
	int count[LIVE];
	uint64_t used;
};

static void own(struct model *model, const struct extent *extents, int n, uint8_t value)
{
	uint32_t at;
	int i;

	for (i = 0; i < n; i++) {
		assert_true(extents[i].segment < SEGMENTS);
		assert_true(extents[i].start + extents[i].count <=
			    lengths[extents[i].segment] / 64);
		for (at = extents[i].start; at < extents[i].start + extents[i].count; at++) {
			assert_int_not_equal(model->owned[extents[i].segment][at], value);
			model->owned[extents[i].segment][at] = value;
		}
		model->used += value ? extents[i].count : 0u - (uint64_t)extents[i].count;
	}
}

/* Whether the extents hold the payload: all full but the last, none without any. */
static void check_payload(const struct extent *extents, int n, uint64_t payload)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < n; i++) {
		assert_true(extents[i].count >= (n > 1 ? 2 : 1));
		sum += extents[i].count - 1;
	}
	assert_int_equal(sum, payload);
}

static void step(struct model *model, uint64_t *seed)
{
	static const uint32_t bounds[] = { 2, 20, 200, 4000, 9000 };
	uint32_t slot = (uint32_t)random_below(seed, LIVE);
	uint64_t payload;
	int n;

	if (model->count[slot]) {
		extent_free(model->pool, model->live[slot], (uint32_t)model->count[slot]);
		own(model, model->live[slot], model->count[slot], 0);
		model->count[slot] = 0;
		return;
	}
	payload = random_below(seed, bounds[random_below(seed, 5)]);
	n = extent_alloc(model->pool, payload, model->live[slot], MAX);
	if (n < 0) {
		assert_int_equal(n, -ENOSPC);
		return;
	}
	check_payload(model->live[slot], n, payload);
	own(model, model->live[slot], n, 1);
	model->count[slot] = n;
}

static void check_stats(struct model *model)
{
	struct extent_stats stats;

	extent_pool_stats(model->pool, &stats);
	assert_int_equal(stats.size, 64 * 9000);
	assert_int_equal(stats.used, 64 * model->used);
	assert_true(stats.largest <= stats.size - stats.used);
	assert_true(extent_pool_valid(model->pool));
}

static void values_never_overlap_over_segments(void **state)
{
	struct model *model = calloc(1, sizeof(*model));
	struct extent_stats stats;
	uint64_t seed = 7;
	uint32_t i, split = 0;

	(void)state;
	assert_int_equal(extent_pool_open(&model->pool, lengths, SEGMENTS), 0);
	for (i = 0; i < 1000000; i++) {
		step(model, &seed);
		if (i % 10000)
			continue;
		check_stats(model);
	}
	for (i = 0; i < LIVE; i++) {
		split += model->count[i] > 1;
		if (model->count[i])
			extent_free(model->pool, model->live[i], (uint32_t)model->count[i]);
	}
	assert_true(split > 0);
	extent_pool_stats(model->pool, &stats);
	assert_int_equal(stats.used, 0);
	assert_int_equal(stats.runs, SEGMENTS);
	assert_int_equal(stats.largest, 64 * 5000);
	extent_pool_close(model->pool);
	free(model);
}

static void the_capacity_is_what_an_empty_pool_holds(void **state)
{
	struct extent_pool *pool;
	struct extent extents[MAX];
	uint64_t capacity;

	(void)state;
	assert_int_equal(extent_pool_open(&pool, lengths, SEGMENTS), 0);
	assert_int_equal(extent_capacity(pool, 1), 4999);
	assert_int_equal(extent_capacity(pool, 2), 4999 + 2999);
	capacity = extent_capacity(pool, MAX);
	assert_int_equal(capacity, 9000 - SEGMENTS);
	assert_int_equal(extent_alloc(pool, capacity + 1, extents, MAX), -ENOSPC);
	assert_int_equal(extent_alloc(pool, UINT64_MAX, extents, MAX), -ENOSPC);
	assert_int_equal(extent_alloc(pool, capacity, extents, 2), -ENOSPC);
	assert_int_equal(extent_alloc(pool, capacity, extents, MAX), SEGMENTS);
	check_payload(extents, SEGMENTS, capacity);
	assert_int_equal(extent_alloc(pool, 0, extents + SEGMENTS, MAX), -ENOSPC);
	extent_free(pool, extents, SEGMENTS);
	assert_true(extent_pool_valid(pool));
	extent_pool_close(pool);
}

static void a_failed_call_takes_nothing(void **state)
{
	const uint64_t length = 64 * 1000;
	struct extent_pool *pool;
	struct extent single[500][2], many[MAX];
	struct extent_stats before, after;
	uint32_t i;

	(void)state;
	assert_int_equal(extent_pool_open(&pool, &length, 1), 0);
	for (i = 0; i < 500; i++)
		assert_int_equal(extent_alloc(pool, 1, single[i], 1), 1);
	for (i = 0; i < 500; i += 2)
		extent_free(pool, single[i], 1);
	extent_pool_stats(pool, &before);
	assert_int_equal(before.used, 64 * 500);
	/* 64 holes of 2 grains hold 64 grains of payload. */
	assert_int_equal(extent_alloc(pool, 65, many, MAX), -ENOSPC);
	extent_pool_stats(pool, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(extent_alloc(pool, 64, many, MAX), 64);
	assert_true(extent_pool_valid(pool));
	extent_pool_close(pool);
}

static void impossible_segments_and_missing_memory_are_refused(void **state)
{
	struct extent_pool *pool;
	uint64_t bad[2] = { 4096, 63 };
	int n, rc;

	(void)state;
	assert_int_equal(extent_pool_open(&pool, lengths, 0), -EINVAL);
	assert_int_equal(extent_pool_open(&pool, bad, 2), -EINVAL);
	bad[1] = EXTENT_SEGMENT_MAX + 1;
	assert_int_equal(extent_pool_open(&pool, bad, 2), -EINVAL);
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = extent_pool_open(&pool, lengths, SEGMENTS);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > (int)SEGMENTS);
	extent_pool_close(pool);
	extent_pool_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_never_overlap_over_segments),
		cmocka_unit_test(the_capacity_is_what_an_empty_pool_holds),
		cmocka_unit_test(a_failed_call_takes_nothing),
		cmocka_unit_test(impossible_segments_and_missing_memory_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
