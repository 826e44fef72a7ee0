/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of publishers and segments share: two engines of one process. */
#ifndef WEFT_SEGMENT_PAIR_H
#define WEFT_SEGMENT_PAIR_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <weft/segment.h>

#include "base/clock.h"

#define LEN      65536u
#define LIMIT_NS (60 * NSEC_PER_SEC) /* only guards against hanging */

/* Two engines; the first publishes. */
struct pair {
	struct weft *owner, *opener;
	struct weft_publisher *publisher;
	struct weft_segment *segment;
	struct weft_region *local;
	uint8_t memory[3][LEN], near[LEN];
};

static inline struct weft *open_engine(uint32_t progress)
{
	struct weft_opts opts = { .size = sizeof(opts), .provider = "loop", .progress = progress };
	struct weft *weft;

	assert_int_equal(weft_open(&weft, &opts), 0);
	return weft;
}

static inline struct pair *pair_open(const char *address, uint32_t progress)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->owner = open_engine(WEFT_PROGRESS_THREAD);
	pair->opener = open_engine(progress);
	assert_int_equal(weft_publisher_open(pair->owner, address, NULL, &pair->publisher), 0);
	assert_int_equal(weft_register(pair->opener, pair->near, LEN, WEFT_LOCAL, &pair->local), 0);
	return pair;
}

static inline void pair_close(struct pair *pair)
{
	weft_close(pair->opener);
	weft_close(pair->owner);
	free(pair);
}

static inline struct weft_region *offer(struct pair *pair, int i, uint32_t access, const char *name)
{
	struct weft_region *region;

	assert_int_equal(weft_register(pair->owner, pair->memory[i], LEN >> i, access, &region), 0);
	assert_int_equal(weft_publish(pair->publisher, name, region), 0);
	return region;
}

static inline int try_open(struct pair *pair, const char *suffix)
{
	char address[512];

	snprintf(address, sizeof(address), "%s%s", weft_publisher_address(pair->publisher), suffix);
	return weft_segment_open(pair->opener, address, LIMIT_NS, &pair->segment);
}

/* Writes through a name and looks at the owner's memory. */
static inline void check_reaches(struct pair *pair, const char *name, int i, uint8_t value)
{
	struct weft_remote *remote = weft_segment_remote(pair->segment, name);

	assert_non_null(remote);
	memset(pair->near, value, 100);
	assert_int_equal(weft_write(pair->local, 0, remote, 1000, 100, LIMIT_NS), 0);
	assert_memory_equal(pair->memory[i] + 1000, pair->near, 100);
}

/* Takes names back and publishes them anew; refresh keeps what is as before. */
static inline void check_changes(struct pair *pair)
{
	struct weft_region *region = offer(pair, 0, WEFT_REMOTE_WRITE, "x");
	struct weft_remote *kept, *old;

	offer(pair, 1, WEFT_REMOTE_WRITE, "y");
	assert_int_equal(weft_publish(pair->publisher, "x", region), -EEXIST);
	assert_int_equal(weft_publish(pair->publisher, "z", region), -EEXIST);
	assert_int_equal(try_open(pair, ""), 0);
	kept = weft_segment_remote(pair->segment, "y");
	old = weft_segment_remote(pair->segment, "x");
	check_reaches(pair, "x", 0, 1);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), 0);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), -WEFT_ENONAME);
	assert_int_equal(weft_write(pair->local, 0, old, 0, 1, LIMIT_NS), -WEFT_EREVOKED);
	offer(pair, 2, WEFT_REMOTE_WRITE, "x");
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), 0);
	assert_ptr_equal(weft_segment_remote(pair->segment, "y"), kept);
	assert_int_equal(weft_remote_length(weft_segment_remote(pair->segment, "x")), LEN / 4);
	check_reaches(pair, "x", 2, 2);
	check_reaches(pair, "y", 1, 3);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), 0);
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), 0);
	assert_int_equal(weft_segment_count(pair->segment), 1);
	check_reaches(pair, "y", 1, 4);
	assert_int_equal(weft_segment_close(pair->segment), 0);
}

#endif /* WEFT_SEGMENT_PAIR_H */
