/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads on few keys: every value that a reader gets is whole and its key's. Each value
 * describes itself: every 8-byte word is derived from key, writer's sequence number and position.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "kv/store_fixture.h"

#define KEYS    16u
#define THREADS 6u
#define ROUNDS  20000u
#define WORDS   1200u

struct job {
	struct store *store;
	pthread_t thread;
	uint64_t seed;
	uint64_t gets, puts, full, lists;
	uint64_t last_version[KEYS];
	const char *wrong; /* what a check found */
};

static atomic_uint_least64_t clock_now;

static uint64_t word(uint64_t key, uint64_t sequence, uint64_t at)
{
	uint64_t seed = key << 56 ^ sequence << 16 ^ at;

	return random_next(&seed);
}

/* Word 0: sequence, 1: key, 2: number of words; then what follows from them. */
static void make_value(uint64_t *value, uint64_t key, uint64_t sequence, uint64_t words)
{
	uint64_t i;

	value[0] = sequence;
	value[1] = key;
	value[2] = words;
	for (i = 3; i < words; i++)
		value[i] = word(key, sequence, i);
}

static const char *check_value(const uint64_t *value, uint64_t key, uint64_t words)
{
	uint64_t i;

	if (value[1] != key)
		return "another key's value";
	if (value[2] != words)
		return "length of another value";
	for (i = 3; i < words; i++)
		if (value[i] != word(key, value[0], i))
			return "torn value";
	return NULL;
}

static void put(struct job *job, uint32_t number)
{
	uint64_t value[WORDS], words = 3 + random_below(&job->seed, WORDS - 3), sum, version;
	uint64_t ttl_ns = random_below(&job->seed, 4) ? 0 : 1 + random_below(&job->seed, 500);
	uint64_t now_ns = atomic_load(&clock_now);
	struct item *item;

	if (store_reserve(job->store, &number, sizeof(number), words * 8, ttl_ns, now_ns, &item)) {
		job->full++;
		return;
	}
	make_value(value, number, random_next(&job->seed) >> 20, words);
	store_fill(job->store, item, 0, value, words * 8);
	if (random_below(&job->seed, 10) == 0) {
		store_abort(job->store, item);
		return;
	}
	sum = hash_content(value, words * 8);
	version = store_commit(job->store, item, sum, now_ns);
	if (version <= job->last_version[number])
		job->wrong = "version not newer";
	job->last_version[number] = version;
	job->puts++;
}

static void get(struct job *job, uint32_t number)
{
	uint64_t value[WORDS], now_ns = atomic_load(&clock_now);
	struct store_info info;
	struct item *item;
	const char *wrong;

	if (store_get(job->store, &number, sizeof(number), now_ns, &item))
		return;
	store_info(item, &info);
	if (info.version < job->last_version[number])
		job->wrong = "older version than seen before";
	job->last_version[number] = info.version;
	store_copy(job->store, item, 0, value, info.length);
	wrong = check_value(value, number, info.length / 8);
	if (hash_content(value, info.length) != info.checksum)
		wrong = "checksum of another value";
	if (info.expires_ns <= now_ns)
		wrong = "expired value";
	if (wrong)
		job->wrong = wrong;
	store_put_ref(job->store, item);
	job->gets++;
}

static void list(struct job *job)
{
	unsigned char buf[STORE_LIST_ROOM_MIN];
	uint64_t cursor = 0;
	size_t len;
	int n;

	while (cursor != STORE_LIST_END) {
		n = store_list(job->store, &cursor, NULL, 0, atomic_load(&clock_now), buf,
			       sizeof(buf), 5, &len);
		if (n < 0 || len != (size_t)n * 6)
			job->wrong = "bad list";
	}
	job->lists++;
}

static void *work(void *arg)
{
	struct job *job = arg;
	uint32_t i, number;
	struct store_stats stats;

	for (i = 0; i < ROUNDS; i++) {
		number = (uint32_t)random_below(&job->seed, KEYS);
		switch (random_below(&job->seed, 16)) {
		case 0:
			store_delete(job->store, &number, sizeof(number), atomic_load(&clock_now));
			break;
		case 1:
			store_sweep(job->store, atomic_fetch_add(&clock_now, 20), 2000, NULL);
			break;
		case 2:
			if (i % 16 == 0)
				list(job);
			store_stats(job->store, &stats);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			put(job, number);
			break;
		default:
			get(job, number);
		}
	}
	return NULL;
}

static void nobody_sees_a_torn_or_foreign_value(void **state)
{
	struct fixture fixture = { .opts = { .shards = 2 } };
	struct job jobs[THREADS] = { 0 };
	struct store_stats stats;
	uint64_t gets = 0, puts = 0;
	uint32_t i;

	(void)state;
	/* Small, so that space is reused at once. */
	fixture_open(&fixture, 2, 80000);
	for (i = 0; i < THREADS; i++) {
		jobs[i].store = fixture.store;
		jobs[i].seed = i + 1;
		assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(jobs[i].thread, NULL);
		if (jobs[i].wrong)
			fail_msg("thread %u: %s", i, jobs[i].wrong);
		gets += jobs[i].gets;
		puts += jobs[i].puts;
		assert_true(jobs[i].lists > 0);
	}
	assert_true(gets > ROUNDS && puts > ROUNDS / 2);
	for (i = 0; i < KEYS; i++)
		store_delete(fixture.store, &i, sizeof(i), 0);
	stats = fixture_stats(&fixture);
	assert_int_equal(stats.commits, puts);
	assert_int_equal(stats.hits, gets);
	assert_int_equal(stats.keys + stats.pinned + stats.reserved + stats.detached, 0);
	assert_int_equal(stats.pool_used, 0);
	assert_int_equal(stats.free_runs, 2);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_sees_a_torn_or_foreign_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
