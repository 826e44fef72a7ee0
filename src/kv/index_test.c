/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/index.h"

#include "base/alloc.h"
#include "kv/expire.h"
#include "kv/store_fixture.h"

#define KEYS       20000u
#define SHARD_BITS 3u
#define SHARD      5ull

static struct item *items[KEYS];
static bool present[KEYS];

/* Keys 2n and 2n+1 have the same order, so that equal hashes are tried too. */
static uint64_t order_of(uint32_t number)
{
	uint32_t half = number / 2;

	return SHARD << (64 - SHARD_BITS) | hash_key(&half, sizeof(half), 9) >> SHARD_BITS;
}

static void items_open(void)
{
	uint32_t i;

	for (i = 0; i < KEYS; i++) {
		items[i] = calloc(1, item_size(sizeof(i)));
		items[i]->order = order_of(i);
		items[i]->key_len = sizeof(i);
		items[i]->expires_ns = ITEM_NEVER;
		memcpy(items[i]->key, &i, sizeof(i));
		present[i] = false;
	}
}

static void items_close(void)
{
	uint32_t i;

	for (i = 0; i < KEYS; i++)
		free(items[i]);
}

static void toggle(struct index *index, uint32_t number)
{
	struct item **link, *found;

	found = index_find(index, order_of(number), &number, sizeof(number), &link);
	assert_ptr_equal(found, present[number] ? items[number] : NULL);
	if (found)
		assert_ptr_equal(index_remove(index, link), items[number]);
	else
		index_insert(index, link, items[number]);
	present[number] = !present[number];
	index_settle(index, INDEX_SETTLE);
}

/* Walks the whole order; every item comes once, sorted, in its bucket. */
static uint64_t walk(const struct index *index)
{
	uint64_t at = SHARD << (64 - SHARD_BITS), last, n = 0, before = 0;
	const uint64_t end = at | UINT64_MAX >> SHARD_BITS;
	const struct item *item;

	for (;;) {
		for (item = index_from(index, at, &last); item; item = item->next) {
			assert_true(item->order >= before && item->order >= at);
			assert_true(item->order <= last);
			before = item->order;
			n++;
		}
		assert_true(last >= at && last <= end);
		if (last == end)
			return n;
		at = last + 1;
	}
}

static void check(const struct index *index)
{
	uint32_t i, n = 0;
	struct item **link;

	for (i = 0; i < KEYS; i++) {
		assert_ptr_equal(index_find(index, order_of(i), &i, sizeof(i), &link),
				 present[i] ? items[i] : NULL);
		n += present[i];
	}
	assert_int_equal(index->count, n);
	assert_int_equal(walk(index), n);
}

static void it_finds_what_was_inserted_while_it_grows_and_shrinks(void **state)
{
	uint64_t seed = 5;
	struct index index;
	uint32_t round, i, number;

	(void)state;
	items_open();
	assert_int_equal(index_init(&index, SHARD_BITS), 0);
	for (round = 0; round < 6; round++) {
		for (i = 0; i < 60000; i++) {
			number = (uint32_t)random_below(&seed, KEYS);
			/* Even rounds fill, odd ones empty. */
			if (random_below(&seed, 8) == 0 || present[number] == (round & 1))
				toggle(&index, number);
			if (i % 20000 == 0)
				check(&index);
		}
		if (round & 1)
			assert_true(index.buckets < KEYS / 2);
		else
			assert_in_range(index.buckets, index.count, 2 * index.count);
	}
	for (i = 0; i < KEYS; i++)
		if (present[i])
			toggle(&index, i);
	index_settle(&index, KEYS);
	check(&index);
	assert_int_equal(index.buckets, INDEX_PART);
	index_fini(&index);
	items_close();
}

static void without_memory_it_stays_correct(void **state)
{
	struct index index;
	uint32_t i, fails = 0;

	(void)state;
	mem_fail_at(1);
	assert_int_equal(index_init(&index, SHARD_BITS), -ENOMEM);
	mem_fail_at(2);
	assert_int_equal(index_init(&index, SHARD_BITS), -ENOMEM);
	mem_fail_at(0);
	items_open();
	assert_int_equal(index_init(&index, SHARD_BITS), 0);
	for (i = 0; i < KEYS; i++) {
		mem_fail_at(1);
		toggle(&index, i);
		fails += mem_failed();
	}
	mem_fail_at(0);
	assert_true(fails > KEYS / 2);
	assert_int_equal(index.buckets, INDEX_PART);
	index_settle(&index, KEYS);
	assert_int_equal(index.buckets, KEYS);
	check(&index);
	index_fini(&index);
	items_close();
}

static void replacing_keeps_the_count_and_the_place(void **state)
{
	struct item **link, *copy;
	struct index index;
	uint32_t key = 8;

	(void)state;
	items_open();
	assert_int_equal(index_init(&index, SHARD_BITS), 0);
	toggle(&index, 8);
	toggle(&index, 9);
	copy = malloc(item_size(sizeof(key)));
	memcpy(copy, items[8], item_size(sizeof(key)));
	assert_non_null(index_find(&index, order_of(8), &key, sizeof(key), &link));
	assert_ptr_equal(index_replace(&index, link, copy), items[8]);
	assert_int_equal(index.count, 2);
	assert_ptr_equal(index_find(&index, order_of(8), &key, sizeof(key), &link), copy);
	assert_int_equal(walk(&index), 2);
	index_fini(&index);
	items_close();
	free(copy);
}

/* The clock goes forward over items with random expiry, among inserts that split and removals
 * that join buckets: each item goes at its time, none before. */
static void expired_items_are_found_at_their_time(void **state)
{
	uint64_t seed = 11, now, sum, looked = 0, removed = 0;
	struct item *list, *item;
	struct index index;
	uint32_t i;

	(void)state;
	items_open();
	assert_int_equal(index_init(&index, SHARD_BITS), 0);
	for (i = 0; i < KEYS; i++) {
		if (i % 4)
			items[i]->expires_ns = 1 + random_below(&seed, 100000);
		toggle(&index, i);
	}
	for (now = 500; now <= 100000; now += 500) {
		do {
			list = NULL;
			sum = expire_step(&index, now, &list);
			looked += sum;
			for (item = list; item; item = item->next, removed++)
				assert_in_range(item->expires_ns, now - 499, now);
			index_settle(&index, KEYS);
		} while (sum);
		assert_true(index.earliest_ns > now);
		assert_int_equal(index.count + removed, KEYS);
	}
	assert_int_equal(removed, KEYS - KEYS / 4);
	assert_int_equal(walk(&index), KEYS / 4);
	assert_int_equal(index.earliest_ns, ITEM_NEVER);
	list = NULL;
	assert_int_equal(expire_step(&index, UINT64_MAX - 1, &list), 0);
	assert_true(looked < 200ull * 2 * KEYS);
	index_fini(&index);
	items_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_was_inserted_while_it_grows_and_shrinks),
		cmocka_unit_test(without_memory_it_stays_correct),
		cmocka_unit_test(replacing_keeps_the_count_and_the_place),
		cmocka_unit_test(expired_items_are_found_at_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
