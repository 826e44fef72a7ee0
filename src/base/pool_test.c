/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"

static void records_are_distinct_aligned_and_counted(void **state)
{
	static const size_t sizes[] = { 1, 8, 63, 64, 65, 200, 4096 };
	unsigned char *record[50];
	struct pool pool;
	size_t s, i, byte;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		assert_int_equal(pool_init(&pool, sizes[s], 50), 0);
		for (i = 0; i < 50; i++) {
			record[i] = pool_get(&pool);
			assert_non_null(record[i]);
			assert_int_equal((uintptr_t)record[i] % POOL_ALIGN, 0);
			assert_int_equal(record[i][sizes[s] - 1], 0);
			assert_int_equal(pool_index(&pool, record[i]), i);
			assert_int_equal(pool_used(&pool), i + 1);
			memset(record[i], (int)i, sizes[s]);
		}
		assert_null(pool_get(&pool));
		for (i = 0; i < 50; i++) {
			for (byte = 0; byte < sizes[s]; byte++)
				assert_int_equal(record[i][byte], i);
			pool_put(&pool, record[i]);
		}
		pool_put(&pool, NULL);
		assert_int_equal(pool_used(&pool), 0);
		pool_fini(&pool);
	}
}

/* The index comes from a multiplication: for every stride, and far into a large pool. */
static void every_address_has_its_records_index(void **state)
{
	struct pool pool;
	size_t size, i;

	(void)state;
	for (size = 1; size < 70 * POOL_ALIGN; size += POOL_ALIGN / 2 - 1) {
		assert_int_equal(pool_init(&pool, size, 2000), 0);
		for (i = 0; i < 2000; i++) {
			assert_int_equal(pool_index(&pool, pool.records + i * pool.stride), i);
			assert_int_equal(
				pool_index(&pool, pool.records + (i + 1) * pool.stride - 1), i);
		}
		pool_fini(&pool);
	}
	assert_int_equal(pool_init(&pool, 3 * POOL_ALIGN, 1), 0);
	for (i = UINT32_MAX / 3 - 2000; i < UINT32_MAX / 3; i++)
		assert_int_equal(pool_index(&pool, pool.records + i * pool.stride), i);
	pool_fini(&pool);
}

/* Random gets and puts; each record in use carries its number, which nobody else may write. */
static void records_in_use_are_never_given_twice(void **state)
{
	enum {
		COUNT = 40
	};
	uint64_t *held[COUNT], seed = 11, x;
	unsigned int n = 0, step, i;
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, sizeof(uint64_t), COUNT), 0);
	for (step = 0; step < 20000; step++) {
		x = random_next(&seed);
		if (n < COUNT && x % 2) {
			held[n] = pool_get(&pool);
			assert_non_null(held[n]);
			assert_true(pool_owns(&pool, held[n]));
			assert_ptr_equal(pool_at(&pool, pool_index(&pool, held[n])), held[n]);
			*held[n] = (uintptr_t)held[n] ^ x;
			*held[n] = pool_index(&pool, held[n]);
			n++;
		} else if (n) {
			i = (unsigned int)(x >> 8) % n;
			assert_int_equal(*held[i], pool_index(&pool, held[i]));
			pool_put(&pool, held[i]);
			assert_false(pool_owns(&pool, held[i]));
			held[i] = held[--n];
		}
		assert_int_equal(pool_used(&pool), n);
		assert_int_equal(pool_get(&pool) == NULL, n == COUNT);
		if (n < COUNT)
			pool_put(&pool, pool_at(&pool, pool.free[pool.n_free]));
	}
	pool_fini(&pool);
}

static void indices_and_addresses_from_outside_are_checked(void **state)
{
	unsigned char *record;
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, 100, 3), 0);
	record = pool_get(&pool);
	assert_ptr_equal(pool_at(&pool, 0), record);
	assert_null(pool_at(&pool, 1));
	assert_null(pool_at(&pool, 3));
	assert_null(pool_at(&pool, UINT32_MAX));
	assert_true(pool_owns(&pool, record));
	assert_false(pool_owns(&pool, record + 1));
	assert_false(pool_owns(&pool, record + pool.stride));
	assert_false(pool_owns(&pool, record - pool.stride));
	assert_false(pool_owns(&pool, record + 3 * pool.stride));
	assert_false(pool_owns(&pool, NULL));
	pool_put(&pool, record);
	assert_null(pool_at(&pool, 0));
	pool_fini(&pool);
}

static void impossible_sizes_are_refused(void **state)
{
	struct pool pool;

	(void)state;
	assert_int_equal(pool_init(&pool, 0, 1), -EINVAL);
	assert_int_equal(pool_init(&pool, 1, 0), -EINVAL);
	assert_int_equal(pool_init(&pool, SIZE_MAX, 1), -ENOMEM);
	assert_int_equal(pool_init(&pool, SIZE_MAX / 2, UINT32_MAX), -ENOMEM);
}

static void every_failed_allocation_is_survived(void **state)
{
	struct pool pool;
	int n, rc;

	(void)state;
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = pool_init(&pool, 64, 8);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_int_equal(n, 4);
	pool_fini(&pool);
	pool_fini(&pool);
}

/* Runs misuse() in a child and tells whether the program was stopped. */
static bool is_stopped(void (*misuse)(struct pool *pool))
{
	struct rlimit no_core = { 0, 0 };
	struct pool pool;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		close(STDERR_FILENO);
		/* cmocka catches it in the parent's way. */
		signal(SIGABRT, SIG_DFL);
		if (pool_init(&pool, 64, 2))
			_exit(99);
		misuse(&pool);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 99);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void put_once(struct pool *pool)
{
	pool_put(pool, pool_get(pool));
}

static void put_twice(struct pool *pool)
{
	void *record = pool_get(pool);

	pool_put(pool, record);
	pool_put(pool, record);
}

static void put_the_middle(struct pool *pool)
{
	pool_put(pool, (char *)pool_get(pool) + 8);
}

static void put_foreign(struct pool *pool)
{
	static _Alignas(64) char foreign[64];

	pool_put(pool, foreign);
}

static void a_wrong_put_stops_a_debug_build(void **state)
{
	(void)state;
	assert_false(is_stopped(put_once));
#ifdef NDEBUG
	skip();
#else
	assert_true(is_stopped(put_twice));
	assert_true(is_stopped(put_the_middle));
	assert_true(is_stopped(put_foreign));
#endif
}

static void touch_after_put(struct pool *pool)
{
	volatile char *record = pool_get(pool);

	pool_put(pool, (void *)record);
	record[3] = 1;
}

static void touch_behind(struct pool *pool)
{
	volatile char *record = pool_get(pool);

	/* The next one is in use, so that the gap alone is what may not be touched. */
	if (!pool_get(pool))
		_exit(99);
	record[pool->size] = 1;
}

static void the_address_sanitizer_sees_touched_free_records(void **state)
{
	(void)state;
#if POOL_ASAN
	assert_true(is_stopped(touch_after_put));
	assert_true(is_stopped(touch_behind));
#else
	/* Without it both stay inside the pool's own memory. */
	assert_false(is_stopped(touch_after_put));
	(void)touch_behind;
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_distinct_aligned_and_counted),
		cmocka_unit_test(every_address_has_its_records_index),
		cmocka_unit_test(records_in_use_are_never_given_twice),
		cmocka_unit_test(indices_and_addresses_from_outside_are_checked),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(every_failed_allocation_is_survived),
		cmocka_unit_test(a_wrong_put_stops_a_debug_build),
		cmocka_unit_test(the_address_sanitizer_sees_touched_free_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
