/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/store_fixture.h"

static int get(struct fixture *fixture, const char *key, uint64_t now_ns, struct item **ret)
{
	return store_get(fixture->store, key, strlen(key), now_ns, ret);
}

static void assert_value(struct fixture *fixture, const struct item *item, const void *data,
			 size_t len)
{
	struct store_info info;
	unsigned char *copy = malloc(len + 1);

	store_info(item, &info);
	assert_int_equal(info.length, len);
	assert_int_equal(info.checksum, hash_content(data, len));
	assert_int_equal(store_checksum(fixture->store, item), info.checksum);
	assert_int_equal(store_copy(fixture->store, item, 0, copy, len), 0);
	assert_memory_equal(copy, data, len);
	free(copy);
}

static void a_value_is_seen_after_its_commit_only(void **state)
{
	struct fixture fixture = { 0 };
	struct item *item, *seen;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 5, 0, 0, &item), 0);
	assert_int_equal(get(&fixture, "k", 0, &seen), -WEFT_ENOTFOUND);
	assert_int_equal(store_exists(fixture.store, "k", 1, 0), 0);
	assert_int_equal(store_fill(fixture.store, item, 0, "hello", 5), 0);
	assert_int_equal(store_commit(fixture.store, item, hash_content("hello", 5), 0), 1);
	assert_int_equal(store_exists(fixture.store, "k", 1, 0), 1);
	assert_int_equal(get(&fixture, "k", 0, &seen), 0);
	assert_value(&fixture, seen, "hello", 5);
	store_put_ref(fixture.store, seen);
	assert_int_equal(store_delete(fixture.store, "k", 1, 0), 1);
	assert_int_equal(store_delete(fixture.store, "k", 1, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &seen), -WEFT_ENOTFOUND);
	assert_int_equal(fixture_stats(&fixture).pool_used, 0);
	fixture_close(&fixture);
}

static void an_aborted_value_leaves_the_old_one(void **state)
{
	struct fixture fixture = { 0 };
	struct item *item, *seen;
	struct store_stats stats;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(fixture_put(&fixture, "k", "old", 3, 0, 0), 0);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 1000, 0, 0, &item), 0);
	stats = fixture_stats(&fixture);
	assert_int_equal(stats.reserved, 1);
	assert_int_equal(stats.pool_used, 64 * 2 + 64 * 17);
	store_abort(fixture.store, item);
	assert_int_equal(get(&fixture, "k", 0, &seen), 0);
	assert_value(&fixture, seen, "old", 3);
	store_put_ref(fixture.store, seen);
	stats = fixture_stats(&fixture);
	assert_int_equal(stats.reserved, 0);
	assert_int_equal(stats.aborted, 1);
	assert_int_equal(stats.pool_used, 64 * 2);
	fixture_close(&fixture);
}

static void a_pinned_value_outlives_overwrite_and_delete(void **state)
{
	struct fixture fixture = { 0 };
	struct item *first, *second;
	struct store_stats stats;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(fixture_put(&fixture, "k", "one", 3, 0, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &first), 0);
	assert_int_equal(fixture_put(&fixture, "k", "second", 6, 0, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &second), 0);
	store_get_ref(fixture.store, second);
	assert_int_equal(store_delete(fixture.store, "k", 1, 0), 1);
	assert_value(&fixture, first, "one", 3);
	assert_value(&fixture, second, "second", 6);
	stats = fixture_stats(&fixture);
	assert_int_equal(stats.keys, 0);
	assert_int_equal(stats.value_bytes, 0);
	assert_int_equal(stats.pinned, 3);
	assert_int_equal(stats.detached, 2);
	assert_int_equal(stats.overwritten, 1);
	assert_int_equal(stats.deleted, 1);
	assert_int_equal(stats.pool_used, 4 * 64);
	store_put_ref(fixture.store, first);
	store_put_ref(fixture.store, second);
	assert_int_equal(fixture_stats(&fixture).pool_used, 2 * 64);
	store_put_ref(fixture.store, second);
	stats = fixture_stats(&fixture);
	assert_int_equal(stats.pool_used, 0);
	assert_int_equal(stats.detached, 0);
	assert_int_equal(stats.pinned, 0);
	fixture_close(&fixture);
}

static void the_last_commit_wins_with_a_newer_version(void **state)
{
	struct fixture fixture = { .opts = { .first_version = 1000 } };
	struct item *a, *b, *seen;
	struct store_info info;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 1, 0, 0, &a), 0);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 1, 0, 0, &b), 0);
	store_fill(fixture.store, a, 0, "a", 1);
	store_fill(fixture.store, b, 0, "b", 1);
	assert_int_equal(store_commit(fixture.store, b, hash_content("b", 1), 0), 1001);
	assert_int_equal(store_commit(fixture.store, a, hash_content("a", 1), 0), 1002);
	assert_int_equal(get(&fixture, "k", 0, &seen), 0);
	assert_value(&fixture, seen, "a", 1);
	store_info(seen, &info);
	assert_int_equal(info.version, 1002);
	store_put_ref(fixture.store, seen);
	fixture_close(&fixture);
}

/* Leaves holes of the given payload, in grains, between keys that stay. */
static void make_holes(struct fixture *fixture, uint64_t payload, int count)
{
	unsigned char *data = calloc(1, payload * 64);
	char key[32];
	int i;

	for (i = 0; i < 2 * count; i++) {
		snprintf(key, sizeof(key), "hole%d", i);
		assert_int_equal(fixture_put(fixture, key, data, payload * 64, 0, 0), 0);
	}
	for (i = 0; i < 2 * count; i += 2) {
		snprintf(key, sizeof(key), "hole%d", i);
		assert_int_equal(store_delete(fixture->store, key, strlen(key), 0), 1);
	}
	free(data);
}

static void check_headers(struct fixture *fixture, const struct item *item, const char *key)
{
	struct store_extent extents[STORE_EXTENTS_MAX];
	struct store_header header;
	struct store_info info;
	uint64_t at = 0;
	uint32_t n, i;

	store_info(item, &info);
	n = store_map(fixture->store, item, 0, info.length, extents);
	assert_int_equal(n, info.extents);
	for (i = 0; i < n; i++) {
		memcpy(&header, (char *)store_address(fixture->store, &extents[i]) - STORE_HEADER,
		       sizeof(header));
		assert_int_equal(header.magic, STORE_MAGIC);
		assert_int_equal(header.extent, i);
		assert_int_equal(header.extents, n);
		assert_int_equal(header.key_hash, hash_content(key, strlen(key)));
		assert_int_equal(header.version, info.version);
		assert_int_equal(header.value_length, info.length);
		assert_int_equal(header.offset, at);
		assert_int_equal(header.length, extents[i].length);
		assert_int_equal(header.checksum, info.checksum);
		assert_int_equal(header.self,
				 hash_content(&header, offsetof(struct store_header, self)));
		assert_int_equal(extents[i].value_offset, at);
		assert_int_equal(extents[i].offset % 64, 0);
		at += header.length;
	}
	assert_int_equal(at, info.length);
}

static void a_scattered_value_is_whole(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char data[10 * 640 - 5], copy[700];
	struct store_extent extents[STORE_EXTENTS_MAX];
	struct store_info info;
	struct item *item;
	uint64_t from, len, bytes;
	uint32_t i;

	(void)state;
	fixture_open(&fixture, 1, 64 * 11 * 20);
	make_holes(&fixture, 10, 10);
	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	assert_int_equal(fixture_put(&fixture, "k", data, sizeof(data), 0, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &item), 0);
	store_info(item, &info);
	assert_int_equal(info.extents, 10);
	assert_value(&fixture, item, data, sizeof(data));
	check_headers(&fixture, item, "k");
	for (from = 0; from < sizeof(data); from += 61) {
		len = from % 700 < sizeof(data) - from ? from % 700 : sizeof(data) - from;
		assert_int_equal(store_copy(fixture.store, item, from, copy, len), 0);
		assert_memory_equal(copy, data + from, len);
		assert_in_range(store_map(fixture.store, item, from, len, extents), 1, 3);
		assert_int_equal(extents[0].value_offset, from);
	}
	assert_int_equal(store_map(fixture.store, item, 640, 640, extents), 1);
	assert_int_equal(store_map(fixture.store, item, 640, 641, extents), 2);
	assert_int_equal(store_map(fixture.store, item, 1280, 0, extents), 1);
	assert_int_equal(fixture_stats(&fixture).pool_free, 0);
	store_put_ref(fixture.store, item);
	assert_int_equal(store_delete(fixture.store, "k", 1, 0), 1);
	bytes = fixture_stats(&fixture).index_bytes;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(fixture_put(&fixture, "k", data, sizeof(data), 0, 0), 0);
		assert_int_equal(store_delete(fixture.store, "k", 1, 0), 1);
	}
	assert_int_equal(fixture_stats(&fixture).index_bytes, bytes);
	assert_int_equal(fixture_stats(&fixture).pool_free, 64 * 11 * 10);
	fixture_close(&fixture);
}

static void ranges_outside_of_the_value_are_refused(void **state)
{
	struct fixture fixture = { 0 };
	struct store_extent extents[STORE_EXTENTS_MAX];
	struct item *item;
	char buf[16];

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 10, 0, 0, &item), 0);
	assert_int_equal(store_fill(fixture.store, item, 5, buf, 6), -WEFT_EBOUNDS);
	assert_int_equal(store_fill(fixture.store, item, 11, buf, 0), -WEFT_EBOUNDS);
	assert_int_equal(store_fill(fixture.store, item, UINT64_MAX, buf, 2), -WEFT_EBOUNDS);
	assert_int_equal(store_copy(fixture.store, item, 1, buf, 10), -WEFT_EBOUNDS);
	assert_int_equal(store_map(fixture.store, item, 0, 11, extents), 0);
	assert_int_equal(store_map(fixture.store, item, 11, 0, extents), 0);
	assert_int_equal(store_map(fixture.store, item, 10, 0, extents), 1);
	assert_int_equal(extents[0].length, 0);
	assert_int_equal(store_map(fixture.store, item, 2, UINT64_MAX, extents), 0);
	store_abort(fixture.store, item);
	fixture_close(&fixture);
}

static void an_empty_value_is_a_value(void **state)
{
	struct fixture fixture = { 0 };
	struct item *item;

	(void)state;
	fixture_open(&fixture, 1, 4096);
	assert_int_equal(fixture_put(&fixture, "k", "", 0, 0, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &item), 0);
	assert_value(&fixture, item, "", 0);
	check_headers(&fixture, item, "k");
	store_put_ref(fixture.store, item);
	assert_int_equal(fixture_stats(&fixture).pool_used, 64);
	fixture_close(&fixture);
}

static void keys_are_binary_and_bounded(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char key[STORE_KEY_MAX + 1] = { 0 };
	struct store_info info;
	struct item *item;
	const void *seen;
	size_t len;

	(void)state;
	fixture_open(&fixture, 1, 1 << 16);
	for (len = 1; len <= STORE_KEY_MAX; len += len < 70 ? 1 : 671) {
		assert_int_equal(store_reserve(fixture.store, key, len, len, 0, 0, &item), 0);
		store_commit(fixture.store, item, len, 0);
	}
	for (len = 1; len <= STORE_KEY_MAX; len += len < 70 ? 1 : 671) {
		assert_int_equal(store_get(fixture.store, key, len, 0, &item), 0);
		store_info(item, &info);
		assert_int_equal(info.length, len);
		seen = store_key(item, &len);
		assert_int_equal(len, info.length);
		assert_memory_equal(seen, key, len);
		store_put_ref(fixture.store, item);
	}
	for (len = 0; len <= STORE_KEY_MAX + 1; len += STORE_KEY_MAX + 1) {
		assert_int_equal(store_reserve(fixture.store, key, len, 1, 0, 0, &item),
				 -WEFT_EKEYSIZE);
		assert_int_equal(store_get(fixture.store, key, len, 0, &item), -WEFT_EKEYSIZE);
		assert_int_equal(store_delete(fixture.store, key, len, 0), -WEFT_EKEYSIZE);
		assert_int_equal(store_stat(fixture.store, key, len, 0, &info), -WEFT_EKEYSIZE);
		assert_int_equal(store_exists(fixture.store, key, len, 0), -WEFT_EKEYSIZE);
	}
	fixture_close(&fixture);
}

static void closing_frees_pinned_and_reserved_values(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char key[STORE_KEY_MAX] = { 1 };
	unsigned char data[20 * 64];
	struct item *item;

	(void)state;
	fixture_open(&fixture, 1, 64 * 110);
	make_holes(&fixture, 10, 5);
	memset(data, 1, sizeof(data));
	assert_int_equal(fixture_put(&fixture, "k", data, sizeof(data), 0, 0), 0);
	assert_int_equal(get(&fixture, "k", 0, &item), 0);
	assert_int_equal(store_delete(fixture.store, "k", 1, 0), 1);
	assert_int_equal(store_reserve(fixture.store, key, sizeof(key), 1, 0, 0, &item), 0);
	fixture_close(&fixture);
	store_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_seen_after_its_commit_only),
		cmocka_unit_test(an_aborted_value_leaves_the_old_one),
		cmocka_unit_test(a_pinned_value_outlives_overwrite_and_delete),
		cmocka_unit_test(the_last_commit_wins_with_a_newer_version),
		cmocka_unit_test(a_scattered_value_is_whole),
		cmocka_unit_test(ranges_outside_of_the_value_are_refused),
		cmocka_unit_test(an_empty_value_is_a_value),
		cmocka_unit_test(keys_are_binary_and_bounded),
		cmocka_unit_test(closing_frees_pinned_and_reserved_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
