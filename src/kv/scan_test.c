/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store_fixture.h"

#define KEYS 5000u

/* How often each of the keys "a0".."a4999" and "b0".. was listed. */
struct seen {
	uint32_t a[KEYS], b[KEYS];
	uint32_t total, calls;
};

static void put_key(struct fixture *fixture, char kind, uint32_t number, uint64_t ttl_ns)
{
	char key[16];

	snprintf(key, sizeof(key), "%c%u", kind, number);
	assert_int_equal(fixture_put(fixture, key, "v", 1, ttl_ns, 0), 0);
}

static void delete_key(struct fixture *fixture, char kind, uint32_t number)
{
	char key[16];

	snprintf(key, sizeof(key), "%c%u", kind, number);
	assert_in_range(store_delete(fixture->store, key, strlen(key), 0), 0, 1);
}

static void note(struct seen *seen, const unsigned char *buf, size_t len, int count)
{
	char key[16] = { 0 };
	size_t at = 0, key_len;

	while (count--) {
		key_len = buf[at] | buf[at + 1] << 8;
		assert_in_range(key_len, 2, sizeof(key) - 1);
		assert_true(at + 2 + key_len <= len);
		memset(key, 0, sizeof(key));
		memcpy(key, buf + at + 2, key_len);
		at += 2 + key_len;
		(key[0] == 'a' ? seen->a : seen->b)[strtoul(key + 1, NULL, 10)]++;
		seen->total++;
	}
	assert_int_equal(at, len);
}

static bool list_some(struct fixture *fixture, struct seen *seen, uint64_t *cursor,
		      const char *prefix, uint32_t max, uint64_t now_ns)
{
	unsigned char buf[STORE_LIST_ROOM_MIN];
	size_t len;
	int n = store_list(fixture->store, cursor, prefix, strlen(prefix), now_ns, buf, sizeof(buf),
			   max, &len);

	assert_in_range(n, 0, max);
	note(seen, buf, len, n);
	seen->calls++;
	return *cursor != STORE_LIST_END;
}

static void every_key_comes_once(void **state)
{
	static const uint32_t batches[] = { 1, 7, 1000, UINT32_MAX };
	struct fixture fixture = { 0 };
	struct seen *seen;
	uint64_t cursor;
	uint32_t i, b;

	(void)state;
	fixture_open(&fixture, 1, 4 << 20);
	for (i = 0; i < KEYS; i++)
		put_key(&fixture, 'a', i, 0);
	for (b = 0; b < 4; b++) {
		seen = calloc(1, sizeof(*seen));
		cursor = 0;
		while (list_some(&fixture, seen, &cursor, "", batches[b], 0))
			;
		for (i = 0; i < KEYS; i++)
			assert_int_equal(seen->a[i], 1);
		assert_int_equal(seen->total, KEYS);
		free(seen);
	}
	fixture_close(&fixture);
}

/* "a" keys stay; "b" keys come and go between the calls, so that the tables grow and shrink. */
static void keys_that_stay_come_once_while_others_come_and_go(void **state)
{
	struct fixture fixture = { .opts = { .shards = 2 } };
	struct seen *seen = calloc(1, sizeof(*seen));
	uint64_t cursor, seed = 1;
	uint32_t i, round;

	(void)state;
	fixture_open(&fixture, 1, 4 << 20);
	for (i = 0; i < KEYS / 10; i++)
		put_key(&fixture, 'a', i, 0);
	for (round = 0; round < 10; round++) {
		memset(seen, 0, sizeof(*seen));
		for (cursor = 0; list_some(&fixture, seen, &cursor, "", 20, 0);)
			for (i = 0; i < 400; i++)
				if (seen->calls / 16 % 2)
					delete_key(&fixture, 'b',
						   (uint32_t)random_below(&seed, KEYS));
				else
					put_key(&fixture, 'b', (uint32_t)random_below(&seed, KEYS),
						0);
		for (i = 0; i < KEYS / 10; i++)
			assert_int_equal(seen->a[i], 1);
		assert_true(seen->total > KEYS / 10);
	}
	free(seen);
	fixture_close(&fixture);
}

static void the_prefix_and_expiry_select(void **state)
{
	struct fixture fixture = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	uint64_t cursor = 0;
	uint32_t i;

	(void)state;
	fixture_open(&fixture, 1, 4 << 20);
	for (i = 0; i < 1000; i++) {
		put_key(&fixture, 'a', i, i % 2 ? 100 : 0);
		put_key(&fixture, 'b', i, 0);
	}
	while (list_some(&fixture, seen, &cursor, "a1", UINT32_MAX, 99))
		;
	assert_int_equal(seen->total, 111);
	cursor = 0;
	while (list_some(&fixture, seen, &cursor, "a1", UINT32_MAX, 100))
		;
	assert_int_equal(seen->total, 111 + 55);
	assert_int_equal(seen->a[1], 1);
	assert_int_equal(seen->a[10], 2);
	assert_int_equal(seen->a[2], 0);
	cursor = 0;
	while (list_some(&fixture, seen, &cursor, "a1234567", UINT32_MAX, 0))
		;
	assert_int_equal(seen->total, 111 + 55);
	free(seen);
	fixture_close(&fixture);
}

static void an_empty_store_ends_at_once(void **state)
{
	struct fixture fixture = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	uint64_t cursor = 0;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_false(list_some(&fixture, seen, &cursor, "", 10, 0));
	assert_false(list_some(&fixture, seen, &cursor, "", 10, 0));
	assert_int_equal(seen->total, 0);
	free(seen);
	fixture_close(&fixture);
}

static void the_largest_key_fits_the_smallest_room(void **state)
{
	unsigned char key[STORE_KEY_MAX], buf[STORE_LIST_ROOM_MIN];
	struct fixture fixture = { 0 };
	uint64_t cursor = 0;
	struct item *item;
	size_t len = 0;
	int n = 0, i;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	for (i = 0; i < 20; i++) {
		memset(key, i, sizeof(key));
		assert_int_equal(store_reserve(fixture.store, key, sizeof(key), 1, 0, 0, &item), 0);
		store_commit(fixture.store, item, 0, 0);
	}
	while (cursor != STORE_LIST_END) {
		i = store_list(fixture.store, &cursor, NULL, 0, 0, buf, sizeof(buf), 100, &len);
		assert_in_range(i, 0, 1);
		assert_int_equal(len, i ? sizeof(buf) : 0);
		n += i;
	}
	assert_int_equal(n, 20);
	fixture_close(&fixture);
}

static void bad_arguments_are_refused(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char buf[STORE_LIST_ROOM_MIN];
	uint64_t cursor = 0;
	size_t len;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(
		store_list(fixture.store, &cursor, NULL, 0, 0, buf, sizeof(buf) - 1, 1, &len),
		-EINVAL);
	assert_int_equal(store_list(fixture.store, &cursor, NULL, 0, 0, buf, sizeof(buf), 0, &len),
			 -EINVAL);
	assert_int_equal(store_list(fixture.store, &cursor, buf, STORE_KEY_MAX + 1, 0, buf,
				    sizeof(buf), 1, &len),
			 -WEFT_EKEYSIZE);
	for (cursor = 1; cursor < UINT64_MAX / 3; cursor = cursor * 3 + 1) {
		uint64_t any = cursor;

		assert_int_equal(
			store_list(fixture.store, &any, NULL, 0, 0, buf, sizeof(buf), 1, &len), 0);
	}
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_comes_once),
		cmocka_unit_test(keys_that_stay_come_once_while_others_come_and_go),
		cmocka_unit_test(the_prefix_and_expiry_select),
		cmocka_unit_test(an_empty_store_ends_at_once),
		cmocka_unit_test(the_largest_key_fits_the_smallest_room),
		cmocka_unit_test(bad_arguments_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
