/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/run.h"

#include "base/alloc.h"
#include "kv/store_fixture.h"

#define GRAINS 20000u
#define LIVE   600u

/* The plain model: who has each grain. */
struct model {
	struct runs runs;
	uint16_t owner[GRAINS]; /* 0: free */
	struct {
		uint32_t start, count;
	} live[LIVE];
	uint32_t used;
};

static uint32_t model_largest(const struct model *model)
{
	uint32_t i, length = 0, best = 0;

	for (i = 0; i < GRAINS; i++) {
		length = model->owner[i] ? 0 : length + 1;
		if (length > best)
			best = length;
	}
	return best;
}

static void model_own(struct model *model, uint32_t start, uint32_t count, uint16_t owner)
{
	uint32_t i;

	assert_true(start <= GRAINS && count <= GRAINS - start);
	for (i = start; i < start + count; i++) {
		assert_true(owner == 0 || model->owner[i] == 0);
		model->owner[i] = owner;
	}
	model->used += owner ? count : 0u - count;
}

static uint32_t random_count(uint64_t *seed)
{
	static const uint32_t bounds[] = { 3, 3, 40, 40, 300, 3000 };

	return 1 + (uint32_t)random_below(seed, bounds[random_below(seed, 6)]);
}

static void model_step(struct model *model, uint64_t *seed)
{
	uint32_t slot = (uint32_t)random_below(seed, LIVE), count, start;

	if (model->live[slot].count) {
		runs_free(&model->runs, model->live[slot].start, model->live[slot].count);
		model_own(model, model->live[slot].start, model->live[slot].count, 0);
		model->live[slot].count = 0;
		return;
	}
	count = random_count(seed);
	if (random_below(seed, 8) == 0) {
		count = runs_take(&model->runs, count, &start);
		assert_true(count || model->used == GRAINS);
		if (!count)
			return;
	} else if (!runs_alloc(&model->runs, count, &start)) {
		assert_true(model_largest(model) < count);
		return;
	}
	model_own(model, start, count, (uint16_t)(slot + 1));
	model->live[slot].start = start;
	model->live[slot].count = count;
}

static void nothing_overlaps_and_all_comes_back_as_one_run(void **state)
{
	struct model *model = calloc(1, sizeof(*model));
	uint64_t seed = 42;
	uint32_t i;

	(void)state;
	assert_int_equal(runs_init(&model->runs, GRAINS), 0);
	for (i = 0; i < 1000000; i++) {
		model_step(model, &seed);
		assert_int_equal(model->runs.used, model->used);
		if (i % 20000 == 0) {
			assert_true(runs_valid(&model->runs));
			assert_int_equal(runs_largest(&model->runs), model_largest(model));
		}
	}
	for (i = 0; i < LIVE; i++)
		if (model->live[i].count)
			runs_free(&model->runs, model->live[i].start, model->live[i].count);
	assert_int_equal(model->runs.used, 0);
	assert_int_equal(model->runs.count, 1);
	assert_int_equal(runs_largest(&model->runs), GRAINS);
	assert_true(runs_valid(&model->runs));
	runs_fini(&model->runs);
	free(model);
}

static void every_length_fits_a_hole_of_exactly_that_length(void **state)
{
	struct runs runs;
	uint32_t count, start, first, rest;

	(void)state;
	for (count = 1; count < 5000; count += 1 + count / 64) {
		assert_int_equal(runs_init(&runs, 2 * count + 2), 0);
		assert_true(runs_alloc(&runs, count, &first));
		assert_true(runs_alloc(&runs, count + 2, &rest));
		runs_free(&runs, first, count);
		assert_int_equal(runs_largest(&runs), count);
		assert_true(runs_largest_bound(&runs) <= count);
		assert_true(runs_largest_bound(&runs) > count - count / 16 - 1);
		assert_false(runs_alloc(&runs, count + 1, &start));
		assert_true(runs_alloc(&runs, count, &start));
		assert_int_equal(start, first);
		assert_false(runs_alloc(&runs, 1, &start));
		assert_int_equal(runs_take(&runs, 1, &start), 0);
		runs_fini(&runs);
	}
}

/* Every second grain free: as many runs as there can be. */
static void the_most_runs_possible_have_nodes(void **state)
{
	struct runs runs;
	uint32_t i, start;

	(void)state;
	assert_int_equal(runs_init(&runs, 10001), 0);
	for (i = 0; i < 10001; i++)
		assert_true(runs_alloc(&runs, 1, &start));
	for (i = 0; i < 10001; i += 2)
		runs_free(&runs, i, 1);
	assert_int_equal(runs.count, 5001);
	assert_int_equal(runs.buckets, 5001); /* so chains are short */
	assert_true(runs_valid(&runs));
	assert_false(runs_alloc(&runs, 2, &start));
	for (i = 1; i < 10001; i += 2)
		runs_free(&runs, i, 1);
	assert_int_equal(runs.count, 1);
	assert_true(runs_valid(&runs));
	runs_fini(&runs);
}

static void a_part_of_a_run_can_be_given_back(void **state)
{
	struct runs runs;
	uint32_t start;

	(void)state;
	assert_int_equal(runs_init(&runs, 100), 0);
	assert_true(runs_alloc(&runs, 100, &start));
	runs_free(&runs, 40, 10);
	assert_int_equal(runs.used, 90);
	assert_true(runs_valid(&runs));
	runs_free(&runs, 0, 40);
	runs_free(&runs, 50, 50);
	assert_int_equal(runs.count, 1);
	assert_true(runs_valid(&runs));
	runs_fini(&runs);
}

static void impossible_sizes_and_missing_memory_are_refused(void **state)
{
	struct runs runs;
	int n;

	(void)state;
	assert_int_equal(runs_init(&runs, 0), -EINVAL);
	assert_int_equal(runs_init(&runs, UINT32_MAX), -EINVAL);
	for (n = 1; n <= 3; n++) {
		mem_fail_at(n);
		assert_int_equal(runs_init(&runs, 100), -ENOMEM);
		assert_true(mem_failed());
	}
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_overlaps_and_all_comes_back_as_one_run),
		cmocka_unit_test(every_length_fits_a_hole_of_exactly_that_length),
		cmocka_unit_test(the_most_runs_possible_have_nodes),
		cmocka_unit_test(a_part_of_a_run_can_be_given_back),
		cmocka_unit_test(impossible_sizes_and_missing_memory_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
