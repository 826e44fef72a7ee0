/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/expire.h"

#include "kv/store_fixture.h"

static void a_value_lives_its_time_from_the_commit_on(void **state)
{
	struct fixture fixture = { 0 };
	struct store_info info;
	struct item *item;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 1, 100, 1000, &item), 0);
	store_commit(fixture.store, item, 0, 5000);
	assert_int_equal(store_stat(fixture.store, "k", 1, 5099, &info), 0);
	assert_int_equal(info.expires_ns, 5100);
	assert_int_equal(store_get(fixture.store, "k", 1, 5099, &item), 0);
	assert_int_equal(store_stat(fixture.store, "k", 1, 5100, &info), -WEFT_ENOTFOUND);
	/* Gone from the index, kept for who reads it. */
	assert_int_equal(fixture_stats(&fixture).keys, 0);
	assert_int_equal(fixture_stats(&fixture).expired, 1);
	assert_int_equal(fixture_stats(&fixture).pool_used, 128);
	store_put_ref(fixture.store, item);
	assert_int_equal(fixture_stats(&fixture).pool_used, 0);
	fixture_close(&fixture);
}

static void no_ttl_and_endless_ttl_never_expire(void **state)
{
	struct fixture fixture = { 0 };
	struct store_info info;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(fixture_put(&fixture, "a", "v", 1, 0, 77), 0);
	assert_int_equal(fixture_put(&fixture, "b", "v", 1, UINT64_MAX - 5, 77), 0);
	assert_int_equal(store_sweep(fixture.store, UINT64_MAX - 1, 1000000, NULL), 0);
	assert_int_equal(store_stat(fixture.store, "a", 1, UINT64_MAX - 1, &info), 0);
	assert_int_equal(info.expires_ns, UINT64_MAX);
	assert_int_equal(store_stat(fixture.store, "b", 1, UINT64_MAX - 1, &info), 0);
	fixture_close(&fixture);
}

static void every_way_of_access_sees_an_expired_key_as_gone(void **state)
{
	struct fixture fixture = { 0 };
	struct item *item;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(fixture_put(&fixture, "a", "v", 1, 10, 0), 0);
	assert_int_equal(store_get(fixture.store, "a", 1, 10, &item), -WEFT_ENOTFOUND);
	assert_int_equal(fixture_put(&fixture, "b", "v", 1, 10, 0), 0);
	assert_int_equal(store_delete(fixture.store, "b", 1, 10), 0);
	assert_int_equal(fixture_put(&fixture, "c", "v", 1, 10, 0), 0);
	assert_int_equal(store_exists(fixture.store, "c", 1, 10), 0);
	assert_int_equal(fixture_put(&fixture, "d", "v", 1, 10, 0), 0);
	assert_int_equal(fixture_put(&fixture, "d", "w", 1, 0, 10), 0);
	assert_int_equal(fixture_stats(&fixture).expired, 4);
	assert_int_equal(fixture_stats(&fixture).overwritten, 0);
	assert_int_equal(fixture_stats(&fixture).deleted, 0);
	assert_int_equal(fixture_stats(&fixture).keys, 1);
	assert_int_equal(fixture_stats(&fixture).pool_used, 128);
	fixture_close(&fixture);
}

static void an_overwrite_replaces_the_ttl_too(void **state)
{
	struct fixture fixture = { 0 };

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(fixture_put(&fixture, "k", "v", 1, 10, 0), 0);
	assert_int_equal(fixture_put(&fixture, "k", "w", 1, 0, 5), 0);
	assert_int_equal(store_sweep(fixture.store, 1000, 1000000, NULL), 0);
	assert_int_equal(store_exists(fixture.store, "k", 1, 1000), 1);
	fixture_close(&fixture);
}

static void the_sweep_is_bounded_and_gets_everything_in_the_end(void **state)
{
	const uint32_t keys = 30000;
	struct fixture fixture = { .opts = { .shards = 4 } };
	uint64_t removed = 0, got;
	uint32_t i, calls = 0;
	bool more = true;
	char key[16];

	(void)state;
	fixture_open(&fixture, 1, 4 << 20);
	for (i = 0; i < keys; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(fixture_put(&fixture, key, "v", 1, i % 3 ? 1 + i : 0, 0), 0);
	}
	while (more) {
		got = store_sweep(fixture.store, 15000, 1000, &more);
		assert_true(got <= 1000 + 2 * INDEX_PART);
		removed += got;
		calls++;
	}
	assert_int_equal(removed, 10000);
	assert_int_equal(fixture_stats(&fixture).keys, keys - 10000);
	assert_int_equal(fixture_stats(&fixture).pool_used, (keys - 10000) * 128);
	assert_in_range(calls, 15, 100);
	assert_int_equal(store_sweep(fixture.store, 15000, 1000, &more), 0);
	assert_false(more);
	assert_int_equal(store_sweep(fixture.store, 30000, UINT64_MAX, &more), 10000);
	assert_false(more);
	fixture_close(&fixture);
}

static void a_full_pool_makes_room_from_expired_values(void **state)
{
	struct fixture fixture = { 0 };
	uint32_t i, keys = 1000;
	char key[16];

	(void)state;
	fixture_open(&fixture, 1, 128 * keys);
	for (i = 0; i < keys; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(fixture_put(&fixture, key, "v", 1, i < 500 ? 100 : 0, 0), 0);
	}
	assert_int_equal(fixture_put(&fixture, "k", "v", 1, 0, 99), -WEFT_EPOOLFULL);
	for (i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "new%u", i);
		assert_int_equal(fixture_put(&fixture, key, "v", 1, 0, 100), 0);
	}
	assert_int_equal(fixture_put(&fixture, "k", "v", 1, 0, 100), -WEFT_EPOOLFULL);
	assert_int_equal(fixture_stats(&fixture).expired, 500);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_lives_its_time_from_the_commit_on),
		cmocka_unit_test(no_ttl_and_endless_ttl_never_expire),
		cmocka_unit_test(every_way_of_access_sees_an_expired_key_as_gone),
		cmocka_unit_test(an_overwrite_replaces_the_ttl_too),
		cmocka_unit_test(the_sweep_is_bounded_and_gets_everything_in_the_end),
		cmocka_unit_test(a_full_pool_makes_room_from_expired_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
