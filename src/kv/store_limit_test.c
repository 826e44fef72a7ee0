/* SPDX-License-Identifier: Apache-2.0 */
/* The store at its limits: full, too large, very large, wrongly opened. */
#include <sys/mman.h>

#include "kv/store_fixture.h"

#include <weft/weft.h>

#define SECOND 1000000000ull

static void a_full_pool_says_so_and_recovers(void **state)
{
	struct fixture fixture = { 0 };
	unsigned char data[1000] = { 0 };
	struct item *item;
	char key[32];
	int n = 0;

	(void)state;
	fixture_open(&fixture, 2, 64 * 17 * 4);
	do
		snprintf(key, sizeof(key), "key%d", n++);
	while (fixture_put(&fixture, key, data, sizeof(data), 0, 0) == 0);
	assert_int_equal(n - 1, 8);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 1000, 0, 0, &item), -WEFT_EPOOLFULL);
	assert_string_equal(weft_error_detail(),
			    "pool of 8704 bytes, 8704 used, 1000 asked, largest free run 0");
	assert_int_equal(fixture_stats(&fixture).refused_full, 2);
	assert_int_equal(store_delete(fixture.store, "key3", 4, 0), 1);
	assert_int_equal(fixture_put(&fixture, "k", data, 1000, 0, 0), 0);
	fixture_close(&fixture);
}

static void a_value_larger_than_can_ever_fit_is_too_large(void **state)
{
	struct fixture fixture = { 0 };
	struct item *item;

	(void)state;
	fixture_open(&fixture, 2, 8192);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 2 * (8192 - 64) + 1, 0, 0, &item),
			 -WEFT_ETOOLARGE);
	assert_int_equal(store_reserve(fixture.store, "k", 1, UINT64_MAX, 0, 0, &item),
			 -WEFT_ETOOLARGE);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 2 * (8192 - 64), 0, 0, &item), 0);
	store_commit(fixture.store, item, 0, 0);
	assert_int_equal(fixture_stats(&fixture).pool_free, 0);
	assert_int_equal(fixture_stats(&fixture).refused_large, 2);
	fixture_close(&fixture);
	memset(&fixture, 0, sizeof(fixture));
	fixture.opts.value_max = 100;
	fixture_open(&fixture, 1, 8192);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 101, 0, 0, &item), -WEFT_ETOOLARGE);
	assert_int_equal(store_reserve(fixture.store, "k", 1, 100, 0, 0, &item), 0);
	store_abort(fixture.store, item);
	fixture_close(&fixture);
}

/* Only headers and the ends are touched, so this takes address space and no memory. */
static void a_value_beyond_4_gib_is_addressed_right(void **state)
{
	const uint64_t size = 6ull << 30, length = (5ull << 30) + 12345;
	struct store_segment segment = { .length = size };
	struct store_opts opts = { .segments = &segment, .segment_count = 1 };
	struct store_extent extents[STORE_EXTENTS_MAX];
	struct store *store;
	struct item *item;
	char end[4];

	(void)state;
	segment.base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(segment.base, MAP_FAILED);
	assert_int_equal(store_open(&store, &opts), 0);
	assert_int_equal(store_reserve(store, "k", 1, length, 0, 0, &item), 0);
	assert_int_equal(store_fill(store, item, length - 4, "end!", 4), 0);
	store_commit(store, item, 0, 0);
	assert_int_equal(store_get(store, "k", 1, 0, &item), 0);
	assert_int_equal(store_copy(store, item, length - 4, end, 4), 0);
	assert_memory_equal(end, "end!", 4);
	assert_int_equal(store_map(store, item, 0, length, extents), 1);
	assert_true(extents[0].length == length);
	assert_memory_equal((char *)segment.base + extents[0].offset + length - 4, "end!", 4);
	store_put_ref(store, item);
	assert_int_equal(store_reserve(store, "l", 1, 2ull << 30, 0, 0, &item), -WEFT_EPOOLFULL);
	store_close(store);
	munmap(segment.base, size);
}

static void the_index_limit_holds_and_expired_entries_make_room(void **state)
{
	struct fixture fixture = { .opts = { .index_max = 1 << 20, .shards = 1 } };
	char key[600];
	uint32_t n = 0;

	(void)state;
	fixture_open(&fixture, 1, 1 << 20);
	memset(key, 'k', sizeof(key));
	key[599] = '\0';
	do {
		snprintf(key, 20, "%019u", n++);
		key[19] = 'k';
	} while (fixture_put(&fixture, key, "", 0, n % 2 ? SECOND : 0, 0) == 0);
	assert_in_range(n, 800, 1600);
	assert_non_null(strstr(weft_error_detail(), "limit"));
	assert_true(fixture_stats(&fixture).index_bytes <= (1 << 20) + 32768);
	assert_int_equal(fixture_put(&fixture, key, "", 0, 0, SECOND - 1), -WEFT_ELIMIT);
	assert_int_equal(fixture_put(&fixture, key, "", 0, 0, SECOND), 0);
	fixture_close(&fixture);
}

static void bad_options_are_refused(void **state)
{
	static _Alignas(64) char memory[8192];
	struct store_segment segment = { memory, sizeof(memory) };
	struct store_opts opts = { .segments = &segment, .segment_count = 1 };
	struct store *store;

	(void)state;
	opts.shards = 3;
	assert_int_equal(store_open(&store, &opts), -EINVAL);
	opts.shards = 2048;
	assert_int_equal(store_open(&store, &opts), -EINVAL);
	opts.shards = 0;
	opts.segment_count = 0;
	assert_int_equal(store_open(&store, &opts), -EINVAL);
	opts.segment_count = 1;
	segment.length = 4095;
	assert_int_equal(store_open(&store, &opts), -EINVAL);
	segment.length = 4096;
	segment.base = memory + 32;
	assert_int_equal(store_open(&store, &opts), -EINVAL);
	assert_non_null(strstr(weft_error_detail(), "segment 0"));
	segment.base = memory;
	opts.shards = 1;
	assert_int_equal(store_open(&store, &opts), 0);
	store_close(store);
	opts.shards = 1024;
	assert_int_equal(store_open(&store, &opts), 0);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_pool_says_so_and_recovers),
		cmocka_unit_test(a_value_larger_than_can_ever_fit_is_too_large),
		cmocka_unit_test(a_value_beyond_4_gib_is_addressed_right),
		cmocka_unit_test(the_index_limit_holds_and_expired_entries_make_room),
		cmocka_unit_test(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
