/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures what the index costs: "index_memory [KEYS [KEY_LENGTH [LIMIT]]]" fills a store with
 * empty values and prints the resident memory that came on top of the keys' own bytes, for each
 * key, everything counted: entries, tables, bookkeeping of the pool, the allocator's waste. Exits
 * with 1 when that is above LIMIT bytes. The pool itself is never touched but for its headers,
 * which are not counted. Prints how fast single-threaded calls were, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "kv/store.h"

#define KEY_LENGTH_MIN 8

static uint64_t status_kb(const char *name)
{
	char line[256];
	uint64_t kb = 0;
	FILE *file = fopen("/proc/self/status", "r");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			kb = strtoull(line + strlen(name), NULL, 10);
	fclose(file);
	return kb;
}

static void key_make(unsigned char *key, size_t len, uint64_t number)
{
	memset(key, 'k', len);
	memcpy(key, &number, sizeof(number));
}

static int fill(struct store *store, uint64_t keys, size_t key_len, size_t value_len)
{
	unsigned char key[STORE_KEY_MAX];
	struct item *item;
	uint64_t i;
	int rc;

	for (i = 0; i < keys; i++) {
		key_make(key, key_len, i);
		rc = store_reserve(store, key, key_len, value_len, 0, 0, &item);
		if (rc)
			return rc;
		store_commit(store, item, 0, 0);
	}
	return 0;
}

static uint64_t read_all(struct store *store, uint64_t keys, size_t key_len, uint64_t calls)
{
	unsigned char key[STORE_KEY_MAX];
	struct item *item;
	uint64_t i, found = 0, at = 0;

	for (i = 0; i < calls; i++) {
		at = (at * 6364136223846793005u + 1442695040888963407u);
		key_make(key, key_len, (at >> 20) % keys);
		if (store_get(store, key, key_len, 0, &item))
			continue;
		found++;
		store_put_ref(store, item);
	}
	return found;
}

static double per_second(uint64_t calls, uint64_t from_ns)
{
	return (double)calls * 1e9 / (double)(clock_ns() - from_ns + 1);
}

int main(int argc, char **argv)
{
	uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	size_t key_len = argc > 2 ? strtoull(argv[2], NULL, 10) : 32, value_len = 64;
	double limit = argc > 3 ? strtod(argv[3], NULL) : 96, each;
	struct store_segment pool = { .length = keys * 128 + 4096 };
	struct store_opts opts = { .segments = &pool, .segment_count = 1, .hash_seed = 1 };
	struct store_stats stats;
	uint64_t before, from, found;
	struct store *store;
	int rc;

	if (keys == 0 || key_len < KEY_LENGTH_MIN || key_len > STORE_KEY_MAX) {
		fprintf(stderr, "usage: index_memory [KEYS [KEY_LENGTH [LIMIT]]]\n");
		return 2;
	}
	/* Shared, so that it is not counted as RssAnon. */
	pool.base = mmap(NULL, pool.length, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool.base == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	before = status_kb("RssAnon:");
	rc = store_open(&store, &opts);
	if (rc) {
		fprintf(stderr, "store_open: %d\n", rc);
		return 2;
	}
	from = clock_ns();
	rc = fill(store, keys, key_len, value_len);
	printf("put: %.2f million/s\n", per_second(keys, from) / 1e6);
	each = (double)(status_kb("RssAnon:") - before) * 1024 / (double)keys - (double)key_len;
	store_stats(store, &stats);
	printf("%llu keys of %zu bytes: %.1f bytes each beyond the key (%.1f of entries and "
	       "tables, "
	       "the rest of the pool's bookkeeping)\n",
	       (unsigned long long)stats.keys, key_len, each,
	       (double)stats.index_bytes / (double)keys - (double)key_len);
	from = clock_ns();
	found = read_all(store, keys, key_len, keys);
	printf("get: %.2f million/s, all keys\n", per_second(keys, from) / 1e6);
	from = clock_ns();
	found += read_all(store, keys < 10000 ? keys : 10000, key_len, keys);
	printf("get: %.2f million/s, 10000 hot keys\n", per_second(keys, from) / 1e6);
	store_close(store);
	munmap(pool.base, pool.length);
	if (rc || found != 2 * keys || each > limit) {
		fprintf(stderr, "index_memory: put %d, %llu reads of %llu, limit %.0f bytes\n", rc,
			(unsigned long long)found, (unsigned long long)(2 * keys), limit);
		return 1;
	}
	return 0;
}
