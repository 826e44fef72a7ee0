/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two engines of one process, driven in turn by one thread: always the same instructions, to be
 * counted by a tool that is told to count inside cost_initiator() or cost_target() only. See
 * lib/cost.py.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/opt.h"
#include "bench.h"
#include "common/program.h"

struct cost_opts {
#define OPT_FIELDS
#include "cost.def"
};

static const struct opt_row cost_rows[] = {
#define OPT_ROWS struct cost_opts
#include "cost.def"
};

static const struct opt_table cost_table = OPT_TABLE(cost_rows, struct cost_opts);

struct cost_batch {
	struct cost *cost;
	struct weft_batch *batch;
	uint64_t first; /* offset of its first transfer */
};

struct cost {
	struct cost_opts opts;
	struct weft *near, *far;
	unsigned char *near_memory, *far_memory;
	struct weft_region *near_region, *far_region;
	struct weft_remote *remote;
	struct cost_batch *batches;
	struct cost_batch **ended; /* by the callback, not yet looked at */
	uint32_t n, n_ended, active;
	uint64_t done;
};

/* Runs in progress. */
static void cost_ended(void *ctx, struct weft_batch *batch)
{
	struct cost_batch *cb = ctx;

	(void)batch;
	cb->cost->ended[cb->cost->n_ended++] = cb;
}

static int cost_submit(struct cost *cost, struct cost_batch *cb)
{
	uint64_t offset = cb->first;
	uint32_t i;
	int rc;

	for (i = 0; i < cost->opts.batch; i++, offset += cost->opts.size) {
		if (cost->opts.mode == BENCH_READ)
			rc = weft_batch_read(cb->batch, cost->near_region, offset, cost->remote,
					     offset, cost->opts.size);
		else
			rc = weft_batch_write(cb->batch, cost->near_region, offset, cost->remote,
					      offset, cost->opts.size, 0, 0);
		if (rc < 0)
			return rc;
	}
	cost->active++;
	return weft_submit(cb->batch, BENCH_STALL_NS);
}

/* A round: progress; what has ended is submitted again, or not. */
static int cost_round(struct cost *cost, bool again)
{
	uint32_t i, n;
	int rc;

	rc = weft_progress(cost->near, 0);
	if (rc < 0)
		return rc;
	n = cost->n_ended;
	cost->n_ended = 0;
	for (i = 0, rc = 0; i < n && !rc; i++) {
		cost->active--;
		cost->done += cost->opts.batch;
		rc = weft_batch_error(cost->ended[i]->batch);
		if (!rc)
			rc = weft_batch_reset(cost->ended[i]->batch);
		if (!rc && again)
			rc = cost_submit(cost, cost->ended[i]);
	}
	return rc;
}

/* What is counted. Tools know these two by their names. */
__attribute__((noinline, noclone)) static int cost_initiator(struct cost *cost)
{
	return cost_round(cost, true);
}

__attribute__((noinline, noclone)) static int cost_target(struct cost *cost)
{
	return weft_progress(cost->far, 0);
}

/* Returns the number of operations that were counted, or a negative code. */
static int64_t cost_run(struct cost *cost)
{
	uint64_t start_ns = clock_ns(), before;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < cost->n && rc >= 0; i++)
		rc = cost_submit(cost, &cost->batches[i]);
	while (rc >= 0 && cost->done < cost->opts.ops) {
		rc = cost_round(cost, true);
		if (rc >= 0)
			rc = weft_progress(cost->far, 0);
		if (rc >= 0 && clock_ns() - start_ns > 10 * BENCH_STALL_NS)
			rc = err_set(-ETIMEDOUT, "%llu operations were done in time",
				     (unsigned long long)cost->done);
	}
	before = cost->done;
	while (rc >= 0 && cost->done < before + cost->opts.ops) {
		rc = cost_initiator(cost);
		if (rc >= 0)
			rc = cost_target(cost);
	}
	before = cost->done - before;
	while (rc >= 0 && cost->active)
		rc = cost_round(cost, false);
	return rc < 0 ? rc : (int64_t)before;
}

static int cost_side(struct weft **weft, struct weft_region **region, unsigned char **memory,
		     const struct cost_opts *opts, uint32_t access)
{
	const struct weft_opts weft_opts = {
		.size = sizeof(weft_opts),
		.provider = "loop",
		.progress = WEFT_PROGRESS_MANUAL,
		.peer_window = opts->window,
	};
	const uint64_t len = opts->window * opts->size;
	uint64_t i;
	int rc;

	*memory = malloc(len);
	if (!*memory)
		return -ENOMEM;
	for (i = 0; i < len; i++)
		(*memory)[i] = (unsigned char)(access == WEFT_LOCAL ? i % 251 : ~(i % 241));
	rc = weft_open(weft, &weft_opts);
	return rc ? rc : weft_register(*weft, *memory, len, access, region);
}

static int cost_meet(struct cost *cost)
{
	unsigned char descriptor[WEFT_DESCRIPTOR_MAX];
	uint64_t start_ns = clock_ns();
	size_t len = sizeof(descriptor);
	int rc;

	rc = weft_export(cost->far_region, descriptor, &len);
	if (!rc)
		rc = weft_import(cost->near, descriptor, len, &cost->remote);
	while (!rc && weft_remote_status(cost->remote) == -EINPROGRESS) {
		if (clock_ns() - start_ns > 10 * BENCH_STALL_NS)
			rc = err_set(-ETIMEDOUT, "the engines did not meet");
		weft_progress(cost->near, 0);
		weft_progress(cost->far, 0);
	}
	return rc ? rc : weft_remote_status(cost->remote);
}

static int cost_open(struct cost *cost)
{
	struct weft_batch_opts opts = { .size = sizeof(opts),
					.capacity = cost->opts.batch,
					.on_done = cost_ended };
	uint32_t i;
	int rc;

	if (cost->opts.window % cost->opts.batch)
		return err_set(-EINVAL, "a batch of %u does not divide the window of %u",
			       cost->opts.batch, cost->opts.window);
	cost->n = cost->opts.window / cost->opts.batch;
	cost->batches = calloc(cost->n, sizeof(*cost->batches));
	cost->ended = calloc(cost->n, sizeof(struct cost_batch *));
	if (!cost->batches || !cost->ended)
		return -ENOMEM;
	rc = cost_side(&cost->far, &cost->far_region, &cost->far_memory, &cost->opts,
		       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	if (!rc)
		rc = cost_side(&cost->near, &cost->near_region, &cost->near_memory, &cost->opts,
			       WEFT_LOCAL);
	if (!rc)
		rc = cost_meet(cost);
	for (i = 0; i < cost->n && !rc; i++) {
		cost->batches[i].cost = cost;
		cost->batches[i].first = i * cost->opts.batch * cost->opts.size;
		opts.ctx = &cost->batches[i];
		rc = weft_batch_open(cost->near, &opts, &cost->batches[i].batch);
	}
	return rc;
}

static void cost_close(struct cost *cost)
{
	weft_close(cost->near);
	weft_close(cost->far);
	free(cost->near_memory);
	free(cost->far_memory);
	free(cost->batches);
	free(cost->ended);
}

int main(int argc, char **argv)
{
	struct cost cost = { 0 };
	struct opt_result result;
	int64_t counted = 0;
	int rc;

	rc = program_start(&cost_table, argc, argv, &cost.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	rc = cost_open(&cost);
	if (!rc)
		counted = cost_run(&cost);
	if (counted < 0)
		rc = (int)counted;
	if (!rc && memcmp(cost.near_memory, cost.far_memory, cost.opts.window * cost.opts.size))
		rc = err_set(-EBADMSG, "the memory of the two engines differs");
	if (rc)
		return program_fail("bench-cost", rc, "run");
	cost_close(&cost);
	printf("{\"program\": \"cost\", \"ops\": %lld}\n", (long long)counted);
	return program_finish("bench-cost", 0);
}
