/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a store over allocated segments, and a repeatable source of random numbers. */
#ifndef WEFT_KV_STORE_FIXTURE_H
#define WEFT_KV_STORE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/random.h"
#include "kv/store.h"

#define FIXTURE_SEGMENTS 16

struct fixture {
	struct store *store;
	struct store_segment segments[FIXTURE_SEGMENTS];
	struct store_opts opts;
};

static inline uint64_t random_below(uint64_t *seed, uint64_t bound)
{
	return random_next(seed) % bound;
}

/* opts.segments is filled in; the rest is as it stands in fixture->opts. */
static inline void fixture_open(struct fixture *fixture, uint32_t count, uint64_t length)
{
	uint32_t i;

	assert_true(count <= FIXTURE_SEGMENTS);
	for (i = 0; i < count; i++) {
		fixture->segments[i].length = length;
		fixture->segments[i].base = aligned_alloc(64, (length + 63) / 64 * 64);
		assert_non_null(fixture->segments[i].base);
		memset(fixture->segments[i].base, 0xee, length);
	}
	fixture->opts.segments = fixture->segments;
	fixture->opts.segment_count = count;
	assert_int_equal(store_open(&fixture->store, &fixture->opts), 0);
}

static inline void fixture_close(struct fixture *fixture)
{
	uint32_t i;

	store_close(fixture->store);
	for (i = 0; i < fixture->opts.segment_count; i++)
		free(fixture->segments[i].base);
}

/* Puts a value; 0 or what store_reserve() said. */
static inline int fixture_put(struct fixture *fixture, const char *key, const void *data,
			      size_t len, uint64_t ttl_ns, uint64_t now_ns)
{
	struct item *item;
	int rc = store_reserve(fixture->store, key, strlen(key), len, ttl_ns, now_ns, &item);

	if (rc)
		return rc;
	assert_int_equal(store_fill(fixture->store, item, 0, data, len), 0);
	store_commit(fixture->store, item, hash_content(data, len), now_ns);
	return 0;
}

static inline struct store_stats fixture_stats(struct fixture *fixture)
{
	struct store_stats stats;

	store_stats(fixture->store, &stats);
	return stats;
}

#endif /* WEFT_KV_STORE_FIXTURE_H */
