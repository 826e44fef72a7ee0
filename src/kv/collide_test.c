/* SPDX-License-Identifier: Apache-2.0 */
/* Keys whose hashes are equal: linked with hash_key() wrapped, so that there are four hashes. */
#include "kv/store_fixture.h"

#define KEYS 400u

uint64_t __wrap_hash_key(const void *key, size_t len, uint64_t seed);

uint64_t __wrap_hash_key(const void *key, size_t len, uint64_t seed)
{
	static const uint64_t hashes[] = { 0, 1ull << 40, 3ull << 62, UINT64_MAX };

	(void)seed;
	return hashes[hash_content(key, len) % 4];
}

static void put_all(struct fixture *fixture)
{
	char key[16];
	uint32_t i;

	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(fixture_put(fixture, key, key, strlen(key), i % 2 ? 0 : 10, 0), 0);
	}
}

static void keys_of_one_hash_are_told_apart(void **state)
{
	struct fixture fixture = { 0 };
	char key[16], value[16];
	struct item *item;
	uint32_t i;

	(void)state;
	fixture_open(&fixture, 1, 1 << 20);
	put_all(&fixture);
	put_all(&fixture);
	assert_int_equal(fixture_stats(&fixture).keys, KEYS);
	assert_int_equal(fixture_stats(&fixture).overwritten, KEYS);
	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(store_get(fixture.store, key, strlen(key), 0, &item), 0);
		assert_int_equal(store_copy(fixture.store, item, 0, value, strlen(key)), 0);
		assert_memory_equal(key, value, strlen(key));
		store_put_ref(fixture.store, item);
		if (i % 4 == 1)
			assert_int_equal(store_delete(fixture.store, key, strlen(key), 0), 1);
	}
	assert_int_equal(store_sweep(fixture.store, 10, UINT64_MAX, NULL), KEYS / 2);
	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(store_exists(fixture.store, key, strlen(key), 10), i % 4 == 3);
	}
	fixture_close(&fixture);
}

static void keys_of_one_hash_are_listed_together(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char buf[STORE_LIST_ROOM_MIN], seen[KEYS] = { 0 };
	uint64_t cursor = 0, at;
	char key[16];
	size_t len, calls = 0;
	int n;

	(void)state;
	fixture_open(&fixture, 1, 1 << 20);
	put_all(&fixture);
	for (; cursor != STORE_LIST_END; calls++) {
		/* Room for one hash, not for two. */
		n = store_list(fixture.store, &cursor, NULL, 0, 0, buf, sizeof(buf), 150, &len);
		assert_in_range(n, 0, 150);
		for (at = 0; at < len; at += 2 + buf[at]) {
			memset(key, 0, sizeof(key));
			memcpy(key, buf + at + 2, buf[at]);
			seen[strtoul(key, NULL, 10)]++;
			n--;
		}
		assert_int_equal(n, 0);
	}
	assert_in_range(calls, 4, 20);
	for (at = 0; at < KEYS; at++)
		assert_int_equal(seen[at], 1);
	cursor = 0;
	assert_int_equal(store_list(fixture.store, &cursor, NULL, 0, 0, buf, sizeof(buf), 20, &len),
			 -WEFT_EBUFFER);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_one_hash_are_told_apart),
		cmocka_unit_test(keys_of_one_hash_are_listed_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
