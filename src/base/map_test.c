/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <weft/error.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/random.h"

enum {
	KEYS = 300
};

/* The model: a plain array by small index; keys are spread over all 64 bits, 0 and ~0 among them.
 */
struct model {
	bool there[KEYS];
	uint64_t value[KEYS];
	size_t count;
};

static uint64_t key_of(size_t index)
{
	uint64_t seed = index;

	if (index < 2)
		return index ? UINT64_MAX : 0;
	return index % 2 ? index : random_next(&seed);
}

static void check_equal(const struct map *map, const struct model *model)
{
	uint64_t key, value, sum = 0, expected = 0;
	size_t i, cursor, seen = 0;

	assert_int_equal(map_count(map), model->count);
	for (i = 0; i < KEYS; i++) {
		value = 12345;
		assert_int_equal(map_get(map, key_of(i), &value), model->there[i]);
		assert_int_equal(value, model->there[i] ? model->value[i] : 12345);
		if (model->there[i])
			expected += key_of(i) * 31 + model->value[i];
	}
	map_foreach(map, cursor, key, value)
	{
		sum += key * 31 + value;
		seen++;
	}
	assert_int_equal(seen, model->count);
	assert_int_equal(sum, expected);
}

static void put_both(struct map *map, struct model *model, size_t i, uint64_t value)
{
	assert_int_equal(map_put(map, key_of(i), value), 0);
	model->count += !model->there[i];
	model->there[i] = true;
	model->value[i] = value;
}

static void delete_both(struct map *map, struct model *model, size_t i)
{
	uint64_t value = 12345;

	assert_int_equal(map_del(map, key_of(i), &value), model->there[i]);
	assert_int_equal(value, model->there[i] ? model->value[i] : 12345);
	model->count -= model->there[i];
	model->there[i] = false;
}

static void it_behaves_like_an_array_for_any_seed(void **state)
{
	uint64_t seed, round, step, x;
	struct model model;
	struct map map;

	(void)state;
	for (round = 0; round < 40; round++) {
		seed = round;
		memset(&model, 0, sizeof(model));
		assert_int_equal(map_init(&map, KEYS), 0);
		map.seed = random_next(&seed);
		for (step = 0; step < 1500; step++) {
			x = random_next(&seed);
			/* Grows in the first half of the steps, shrinks in the second. */
			if (x % 8 < (step < 750 ? 6 : 2))
				put_both(&map, &model, (x >> 8) % KEYS, x);
			else
				delete_both(&map, &model, (x >> 8) % KEYS);
			if (step % 50 == 0)
				check_equal(&map, &model);
		}
		check_equal(&map, &model);
		map_clear(&map);
		memset(&model, 0, sizeof(model));
		check_equal(&map, &model);
		map_fini(&map);
	}
}

/* Keys whose home is one of the last two slots, so that the run goes around the end. */
static void a_run_around_the_end_survives_deletions(void **state)
{
	uint64_t keys[8], key, value;
	unsigned int n, gone, i;
	struct map map;

	(void)state;
	for (gone = 0; gone < 256; gone++) {
		assert_int_equal(map_init(&map, 100), 0);
		assert_int_equal(map_reserve(&map, 8), 0);
		for (n = 0, key = 0; n < 8; key++) {
			if ((hash_u64(key, map.seed) & (map.slot_count - 1)) < map.slot_count - 2)
				continue;
			keys[n] = key;
			assert_int_equal(map_put(&map, key, n++), 0);
		}
		for (i = 0; i < 8; i++)
			if (gone >> i & 1)
				assert_true(map_del(&map, keys[i], NULL));
		for (i = 0; i < 8; i++) {
			assert_int_equal(map_get(&map, keys[i], &value), !(gone >> i & 1));
			if (!(gone >> i & 1))
				assert_int_equal(value, i);
		}
		map_fini(&map);
	}
}

static void the_limit_is_kept_and_can_be_reached(void **state)
{
	struct map map;
	uint64_t i;

	(void)state;
	assert_int_equal(map_init(&map, 100), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(map_put(&map, i, i), 0);
	assert_int_equal(map_put(&map, 100, 0), -WEFT_ELIMIT);
	assert_int_equal(map_put(&map, 5, 55), 0);
	assert_int_equal(map_reserve(&map, 101), -WEFT_ELIMIT);
	assert_true(map_del(&map, 0, NULL));
	assert_int_equal(map_put(&map, 100, 0), 0);
	assert_int_equal(map_count(&map), 100);
	map_fini(&map);
	assert_int_equal(map_init(&map, 0), 0);
	assert_int_equal(map_put(&map, 1, 1), -WEFT_ELIMIT);
	map_fini(&map);
}

static void a_failed_allocation_leaves_it_as_it_was(void **state)
{
	uint64_t i, value;
	struct map map;
	int n, rc;

	(void)state;
	assert_int_equal(map_init(&map, 10000), 0);
	for (i = 0; i < 1000; i++) {
		for (n = 1;; n++) {
			mem_fail_at(n);
			rc = map_put(&map, i, i * 3);
			if (!mem_failed())
				break;
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(map_count(&map), i);
			assert_false(map_get(&map, i, &value));
		}
		mem_fail_at(0);
		assert_int_equal(rc, 0);
	}
	for (i = 0; i < 1000; i++)
		assert_true(map_get(&map, i, &value) && value == i * 3);
	map_fini(&map);
}

static void reserved_room_needs_no_allocation(void **state)
{
	struct map map;
	uint64_t i, value;

	(void)state;
	assert_int_equal(map_init(&map, SIZE_MAX), 0);
	assert_int_equal(map_reserve(&map, SIZE_MAX), -ENOMEM);
	assert_int_equal(map_reserve(&map, 777), 0);
	mem_fail_at(1);
	for (i = 0; i < 777; i++)
		assert_int_equal(map_put(&map, ~i, i), 0);
	for (i = 0; i < 777; i++)
		assert_true(map_get(&map, ~i, &value) && map_del(&map, ~i, NULL));
	assert_false(mem_failed());
	mem_fail_at(0);
	map_fini(&map);
}

static void pointers_go_in_and_come_out(void **state)
{
	struct map map;
	int thing;

	(void)state;
	assert_int_equal(map_init(&map, 10), 0);
	assert_null(map_get_ptr(&map, 7));
	assert_null(map_del_ptr(&map, 7));
	assert_int_equal(map_put_ptr(&map, 7, &thing), 0);
	assert_ptr_equal(map_get_ptr(&map, 7), &thing);
	assert_ptr_equal(map_del_ptr(&map, 7), &thing);
	assert_null(map_get_ptr(&map, 7));
	map_fini(&map);
	map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_behaves_like_an_array_for_any_seed),
		cmocka_unit_test(a_run_around_the_end_survives_deletions),
		cmocka_unit_test(the_limit_is_kept_and_can_be_reached),
		cmocka_unit_test(a_failed_allocation_leaves_it_as_it_was),
		cmocka_unit_test(reserved_room_needs_no_allocation),
		cmocka_unit_test(pointers_go_in_and_come_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
