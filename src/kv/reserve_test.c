/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail: every operation reports -ENOMEM or goes on, and nothing is lost. */
#include "base/alloc.h"
#include "kv/store_fixture.h"

/* Takes a store that is nearly full of holes through every operation. What failed is -ENOMEM;
 * what was reported as done is done. */
static int use_store(struct fixture *fixture, uint32_t *done)
{
	static const unsigned char data[3000];
	unsigned char big_key[STORE_KEY_MAX] = { 1 };
	struct store_info info;
	struct item *item;
	char key[16];
	uint32_t i;
	int rc;

	for (i = 0; i < 700; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		rc = fixture_put(fixture, key, data, 100, i % 2 ? 0 : 10, 0);
		if (rc)
			return rc;
		++*done;
		assert_int_equal(store_stat(fixture->store, key, strlen(key), 0, &info), 0);
	}
	/* Only holes are left: this one is scattered and its list of extents allocated. */
	store_sweep(fixture->store, 10, 100000, NULL);
	*done /= 2;
	rc = fixture_put(fixture, "scattered", data, sizeof(data), 0, 10);
	if (rc)
		return rc;
	++*done;
	assert_int_equal(store_get(fixture->store, "scattered", 9, 10, &item), 0);
	store_info(item, &info);
	store_put_ref(fixture->store, item);
	assert_in_range(info.extents, 2, STORE_EXTENTS_MAX);
	rc = store_reserve(fixture->store, big_key, sizeof(big_key), 1, 0, 10, &item);
	if (rc)
		return rc;
	store_commit(fixture->store, item, 0, 10);
	++*done;
	return 0;
}

static void every_failing_allocation_is_survived(void **state)
{
	struct fixture fixture;
	struct store_stats stats;
	uint32_t done, refused = 0;
	bool failed = true;
	int n, rc;

	(void)state;
	for (n = 1; failed; n++) {
		memset(&fixture, 0, sizeof(fixture));
		fixture.opts.shards = 1;
		fixture_open(&fixture, 1, 700 * 192);
		mem_fail_at(n);
		done = 0;
		rc = use_store(&fixture, &done);
		failed = mem_failed();
		mem_fail_at(0);
		/* That a table cannot grow is no failure. */
		assert_true(rc == 0 || (failed && rc == -ENOMEM));
		refused += rc != 0;
		stats = fixture_stats(&fixture);
		assert_int_equal(stats.keys, done);
		assert_int_equal(stats.reserved, 0);
		assert_int_equal(stats.detached, 0);
		assert_int_equal(stats.pool_used == 0, done == 0);
		fixture_close(&fixture);
	}
	assert_int_equal(done, 352);
	assert_true(refused >= 2 && n > 4);
}

static void opening_survives_every_failing_allocation(void **state)
{
	static _Alignas(64) char memory[8192];
	struct store_segment segment = { memory, sizeof(memory) };
	struct store_opts opts = { .segments = &segment, .segment_count = 1, .shards = 8 };
	struct store *store = NULL;
	int n, rc;

	(void)state;
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = store_open(&store, &opts);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > 8);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failing_allocation_is_survived),
		cmocka_unit_test(opening_survives_every_failing_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
