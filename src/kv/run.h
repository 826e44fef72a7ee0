/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The free runs of one segment, in grains of 64 bytes; bookkeeping outside of the segment.
 *
 * Runs of similar length stand in one bin, a bitmap tells which bins have any, and two hash tables
 * find the neighbours of a run that comes back: one by where free runs start, one by where they
 * end. The tables grow by a bucket at a time. So every operation is O(1) but for searches among
 * runs of one bin, which are cut at RUNS_LOOK; and memory is used for free runs only, however large
 * the segment.
 *
 * Invariants:
 *  1 no two free runs touch, so there are at most (size + 1) / 2, for which nodes are reserved.
 *  2 each free run is in the bin of its length, and map has a bit for each bin that is not empty.
 *  3 each free run is in the table of starts and in the table of ends.
 *
 * One thread.
 */
#ifndef WEFT_KV_RUN_H
#define WEFT_KV_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* Lengths below 32 have a bin each, longer ones 16 bins for each doubling. */
#define RUNS_BINS  464u
#define RUNS_WORDS ((RUNS_BINS + 63) / 64)
/* Runs of one bin that are looked at where not all of them would do. */
#define RUNS_LOOK 128u

/* A free run; node 0 is none. */
struct run_node {
	uint32_t start, count;
	uint32_t prev, next; /* in its bin; next also in the list of spare nodes */
	uint32_t chain[2];   /* the next in its bucket of each table */
};

struct runs {
	uint32_t size;      /* grains in all */
	uint32_t used;      /* grains handed out */
	uint32_t count;     /* free runs */
	uint32_t spare;     /* nodes to be used again */
	uint32_t fresh;     /* first node never used */
	uint32_t buckets;   /* in use in each table */
	uint32_t *heads[2]; /* tables: 0 by start, 1 by end */
	struct run_node *nodes;
	uint64_t map[RUNS_WORDS];
	uint32_t bins[RUNS_BINS];
};

/* size grains, 1..UINT32_MAX-1, all free. Memory is taken lazily, as runs come about. -ENOMEM. */
int runs_init(struct runs *runs, uint32_t size);
/* A zeroed struct is fine. */
void runs_fini(struct runs *runs);

/* Takes count grains that lie together. False if no run is long enough, or none was found in time.
 */
bool runs_alloc(struct runs *runs, uint32_t count, uint32_t *start_ret);
/* Takes up to max grains off one of the longest runs. Returns how many; 0: nothing is free. */
uint32_t runs_take(struct runs *runs, uint32_t max, uint32_t *start_ret);
/* Gives back grains that were taken together, or a part of them. Never fails. */
void runs_free(struct runs *runs, uint32_t start, uint32_t count);

/* Length of the longest run; up to 1/16 too low when more than RUNS_LOOK share its bin. */
uint32_t runs_largest(const struct runs *runs);
/* A lower bound of the same, O(1). */
uint32_t runs_largest_bound(const struct runs *runs);
/* Whether all invariants hold. For tests. */
bool runs_valid(const struct runs *runs);

#endif /* WEFT_KV_RUN_H */
