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

/* Where a run starts or ends: what table 0 or 1 is keyed by. */
static uint32_t edge_of(const struct run_node *node, int table)
{
	return table ? node->start + node->count : node->start;
}

static uint32_t edge_hash(uint32_t edge)
{
	return (uint32_t)(edge * 0x9e3779b97f4a7c15u >> 32);
}

static uint32_t bit_high(uint32_t number)
{
	return 1u << (31 - (uint32_t)__builtin_clz(number));
}

static uint32_t *head_of(const struct runs *runs, int table, uint32_t edge)
{
	uint32_t low = bit_high(runs->buckets) - 1;
	uint32_t bucket = edge_hash(edge) & (low << 1 | 1);

	return &runs->heads[table][bucket < runs->buckets ? bucket : bucket & low];
}

/* The free run that starts (table 0) or ends (1) there; 0: none does. */
static uint32_t edge_find(const struct runs *runs, int table, uint32_t edge)
{
	uint32_t index = *head_of(runs, table, edge);

	while (index && edge_of(&runs->nodes[index], table) != edge)
		index = runs->nodes[index].chain[table];
	return index;
}

static void edge_add(struct runs *runs, int table, uint32_t index)
{
	struct run_node *node = &runs->nodes[index];
	uint32_t *head = head_of(runs, table, edge_of(node, table));

	node->chain[table] = *head;
	*head = index;
}

static void edge_remove(struct runs *runs, int table, uint32_t index)
{
	struct run_node *node = &runs->nodes[index];
	uint32_t *link = head_of(runs, table, edge_of(node, table));

	while (*link != index)
		link = &runs->nodes[*link].chain[table];
	*link = node->chain[table];
}

/* Splits a bucket of each table, so that there are about as many as runs. */
static void tables_grow(struct runs *runs)
{
	uint32_t to = runs->buckets, bit = bit_high(to), index;
	uint32_t *from, *into;
	int table;

	for (table = 0; table < 2; table++) {
		from = &runs->heads[table][to & ~bit];
		into = &runs->heads[table][to];
		while ((index = *from)) {
			if (!(edge_hash(edge_of(&runs->nodes[index], table)) & bit)) {
				from = &runs->nodes[index].chain[table];
				continue;
			}
			*from = runs->nodes[index].chain[table];
			runs->nodes[index].chain[table] = *into;
			*into = index;
		}
	}
	runs->buckets++;
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
	edge_remove(runs, 0, index);
	edge_remove(runs, 1, index);
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
	edge_add(runs, 0, index);
	edge_add(runs, 1, index);
	runs->count++;
	if (runs->count > runs->buckets)
		tables_grow(runs);
}

/* There are always enough: invariant 1 bounds the number of runs. */
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
	const size_t max = (size_t)size / 2 + 1; /* free runs, invariant 1 */

	memset(runs, 0, sizeof(*runs));
	if (size == 0 || size == UINT32_MAX)
		return -EINVAL;
	runs->nodes = mem_array(max + 1, sizeof(*runs->nodes));
	runs->heads[0] = mem_array(max, sizeof(**runs->heads));
	runs->heads[1] = mem_array(max, sizeof(**runs->heads));
	if (!runs->nodes || !runs->heads[0] || !runs->heads[1]) {
		runs_fini(runs);
		return -ENOMEM;
	}
	runs->size = size;
	runs->fresh = 1;
	runs->buckets = 1;
	run_link(runs, node_get(runs), 0, size);
	return 0;
}

void runs_fini(struct runs *runs)
{
	mem_free(runs->heads[0]);
	mem_free(runs->heads[1]);
	mem_free(runs->nodes);
	memset(runs, 0, sizeof(*runs));
}

/* Takes the front of a free run. */
static uint32_t run_cut(struct runs *runs, uint32_t index, uint32_t count)
{
	struct run_node run = runs->nodes[index];

	run_unlink(runs, index);
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
	uint32_t before = edge_find(runs, 1, start), after = edge_find(runs, 0, end);

	if (before) {
		first = runs->nodes[before].start;
		run_unlink(runs, before);
	}
	if (after) {
		last = end + runs->nodes[after].count;
		run_unlink(runs, after);
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

/* Whether the run is found by both edges and touches no other. */
static bool edges_valid(const struct runs *runs, uint32_t index)
{
	const struct run_node *node = &runs->nodes[index];
	uint32_t end = node->start + node->count;

	return node->start < runs->size && node->count <= runs->size - node->start &&
	       edge_find(runs, 0, node->start) == index && edge_find(runs, 1, end) == index &&
	       !edge_find(runs, 1, node->start) && !edge_find(runs, 0, end);
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
			    runs->nodes[index].prev != prev || !edges_valid(runs, index))
				return false;
			prev = index;
			++*runs_ret;
			*grains_ret += runs->nodes[index].count;
		}
	}
	return true;
}

/* Counts what stands in a table; a chain that has become a ring counts too many. */
static uint32_t table_count(const struct runs *runs, int table)
{
	uint32_t bucket, index, n = 0;

	for (bucket = 0; bucket < runs->buckets; bucket++)
		for (index = runs->heads[table][bucket]; index && n <= runs->count; n++)
			index = runs->nodes[index].chain[table];
	return n;
}

bool runs_valid(const struct runs *runs)
{
	uint32_t binned = 0;
	uint64_t grains = 0;

	return bins_valid(runs, &binned, &grains) && binned == runs->count &&
	       table_count(runs, 0) == binned && table_count(runs, 1) == binned &&
	       grains == runs->size - runs->used;
}
