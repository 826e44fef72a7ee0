/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/run.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define RUNS_EXACT 32u /* shorter lengths have a bin each */
#define RUNS_NONE  UINT32_MAX

static uint32_t bin_of(uint64_t count)
{
	uint32_t log;

	if (count < RUNS_EXACT)
		return (uint32_t)count;
	log = 63 - (uint32_t)__builtin_clzll(count);
	return RUNS_EXACT + (log - 5) * 16 + ((uint32_t)(count >> (log - 4)) & 15);
}

/* The first bin whose runs are all at least count long; may lie past the last. */
static uint32_t bin_fitting(uint32_t count)
{
	uint32_t log;

	if (count < RUNS_EXACT)
		return count;
	log = 31 - (uint32_t)__builtin_clz(count);
	return bin_of((uint64_t)count + (1u << (log - 4)) - 1);
}

/* The shortest length in a bin. */
static uint32_t bin_floor(uint32_t bin)
{
	if (bin < RUNS_EXACT)
		return bin;
	bin -= RUNS_EXACT;
	return (16 + bin % 16) << (bin / 16 + 1);
}

static uint32_t bin_next(const struct runs *runs, uint32_t bin)
{
	uint32_t word = bin / 64;
	uint64_t bits;

	if (bin >= RUNS_BINS)
		return RUNS_NONE;
	bits = runs->map[word] & UINT64_MAX << bin % 64;
	while (!bits) {
		if (++word == RUNS_WORDS)
			return RUNS_NONE;
		bits = runs->map[word];
	}
	return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

static uint32_t bin_last(const struct runs *runs)
{
	uint32_t word = RUNS_WORDS;

	while (word--)
		if (runs->map[word])
			return word * 64 + 63 - (uint32_t)__builtin_clzll(runs->map[word]);
	return RUNS_NONE;
}

static void run_unlink(struct runs *runs, uint32_t index)
{
	struct run_node *node = &runs->nodes[index];
	uint32_t bin = bin_of(node->count);

	if (node->next)
		runs->nodes[node->next].prev = node->prev;
	if (node->prev)
		runs->nodes[node->prev].next = node->next;
	else
		runs->bins[bin] = node->next;
	if (!runs->bins[bin])
		runs->map[bin / 64] &= ~(1ull << bin % 64);
	runs->count--;
}

/* Makes a node that is in no bin the free run start..start+count. */
static void run_link(struct runs *runs, uint32_t index, uint32_t start, uint32_t count)
{
	uint32_t bin = bin_of(count);
	struct run_node *node = &runs->nodes[index];

	*node = (struct run_node){ .start = start, .count = count, .next = runs->bins[bin] };
	if (node->next)
		runs->nodes[node->next].prev = index;
	runs->bins[bin] = index;
	runs->map[bin / 64] |= 1ull << bin % 64;
	runs->tags[start] = index;
	runs->tags[start + count - 1] = index;
	runs->count++;
}

/* There are always enough: invariant 2 bounds the number of runs. */
static uint32_t node_get(struct runs *runs)
{
	uint32_t index = runs->spare;

	if (!index)
		return runs->fresh++;
	runs->spare = runs->nodes[index].next;
	return index;
}

static void node_put(struct runs *runs, uint32_t index)
{
	runs->nodes[index].next = runs->spare;
	runs->spare = index;
}

int runs_init(struct runs *runs, uint32_t size)
{
	memset(runs, 0, sizeof(*runs));
	if (size == 0 || size == UINT32_MAX)
		return -EINVAL;
	runs->tags = mem_array(size, sizeof(*runs->tags));
	if (!runs->tags)
		return -ENOMEM;
	runs->nodes = mem_array((size_t)size / 2 + 2, sizeof(*runs->nodes));
	if (!runs->nodes) {
		runs_fini(runs);
		return -ENOMEM;
	}
	runs->size = size;
	runs->fresh = 1;
	run_link(runs, node_get(runs), 0, size);
	return 0;
}

void runs_fini(struct runs *runs)
{
	mem_free(runs->tags);
	mem_free(runs->nodes);
	memset(runs, 0, sizeof(*runs));
}

/* Takes the front of a free run. */
static uint32_t run_cut(struct runs *runs, uint32_t index, uint32_t count)
{
	struct run_node run = runs->nodes[index];

	run_unlink(runs, index);
	runs->tags[run.start] = 0;
	runs->tags[run.start + run.count - 1] = 0;
	if (run.count > count)
		run_link(runs, index, run.start + count, run.count - count);
	else
		node_put(runs, index);
	runs->used += count;
	return run.start;
}

/* A run of the bin that is at least count long; 0: none among those looked at. */
static uint32_t bin_search(const struct runs *runs, uint32_t bin, uint32_t count)
{
	uint32_t index = runs->bins[bin], looked;

	for (looked = 0; index && looked < RUNS_LOOK; looked++) {
		if (runs->nodes[index].count >= count)
			return index;
		index = runs->nodes[index].next;
	}
	return 0;
}

bool runs_alloc(struct runs *runs, uint32_t count, uint32_t *start_ret)
{
	uint32_t bin, index;

	if (count == 0 || count > runs->size - runs->used)
		return false;
	bin = bin_next(runs, bin_fitting(count));
	index = bin == RUNS_NONE ? bin_search(runs, bin_of(count), count) : runs->bins[bin];
	if (!index)
		return false;
	*start_ret = run_cut(runs, index, count);
	return true;
}

uint32_t runs_take(struct runs *runs, uint32_t max, uint32_t *start_ret)
{
	uint32_t bin = bin_last(runs), index, count;

	if (bin == RUNS_NONE || max == 0)
		return 0;
	index = runs->bins[bin];
	count = runs->nodes[index].count;
	if (count > max)
		count = max;
	*start_ret = run_cut(runs, index, count);
	return count;
}

void runs_free(struct runs *runs, uint32_t start, uint32_t count)
{
	uint32_t end = start + count, first = start, last = end;
	uint32_t before = start > 0 ? runs->tags[start - 1] : 0;
	uint32_t after = end < runs->size ? runs->tags[end] : 0;

	if (before) {
		first = runs->nodes[before].start;
		run_unlink(runs, before);
		runs->tags[start - 1] = 0;
	}
	if (after) {
		last = end + runs->nodes[after].count;
		run_unlink(runs, after);
		runs->tags[end] = 0;
	}
	if (before && after)
		node_put(runs, after);
	if (!before)
		before = after ? after : node_get(runs);
	run_link(runs, before, first, last - first);
	runs->used -= count;
}

uint32_t runs_largest(const struct runs *runs)
{
	uint32_t bin = bin_last(runs), index, looked = 0, best = 0;

	if (bin == RUNS_NONE)
		return 0;
	for (index = runs->bins[bin]; index && looked < RUNS_LOOK; looked++) {
		if (runs->nodes[index].count > best)
			best = runs->nodes[index].count;
		index = runs->nodes[index].next;
	}
	return best;
}

uint32_t runs_largest_bound(const struct runs *runs)
{
	uint32_t bin = bin_last(runs);

	return bin == RUNS_NONE ? 0 : bin_floor(bin);
}

/* Counts the runs in the bins and their grains; false where one is in a wrong bin. */
static bool bins_valid(const struct runs *runs, uint32_t *runs_ret, uint64_t *grains_ret)
{
	uint32_t bin, index, prev;

	for (bin = 0; bin < RUNS_BINS; bin++) {
		if (!runs->bins[bin] != !(runs->map[bin / 64] >> bin % 64 & 1))
			return false;
		prev = 0;
		for (index = runs->bins[bin]; index; index = runs->nodes[index].next) {
			if (bin_of(runs->nodes[index].count) != bin ||
			    runs->nodes[index].count < bin_floor(bin) ||
			    runs->nodes[index].prev != prev)
				return false;
			prev = index;
			++*runs_ret;
			*grains_ret += runs->nodes[index].count;
		}
	}
	return true;
}

/* Counts the runs that the tags show; UINT32_MAX: the tags break invariant 1 or 2. */
static uint32_t tags_count(const struct runs *runs)
{
	uint32_t at = 0, found = 0, tag;
	const struct run_node *node;
	uint32_t last_end = UINT32_MAX, i;

	while (at < runs->size) {
		tag = runs->tags[at];
		if (!tag) {
			at++;
			continue;
		}
		node = &runs->nodes[tag];
		if (node->start != at || last_end == at || !node->count ||
		    node->count > runs->size - at || runs->tags[at + node->count - 1] != tag)
			return UINT32_MAX;
		for (i = at + 1; i + 1 < at + node->count; i++)
			if (runs->tags[i])
				return UINT32_MAX;
		at += node->count;
		last_end = at;
		found++;
	}
	return found;
}

bool runs_valid(const struct runs *runs)
{
	uint32_t binned = 0;
	uint64_t grains = 0;

	return bins_valid(runs, &binned, &grains) && binned == runs->count &&
	       tags_count(runs) == binned && grains == runs->size - runs->used;
}
