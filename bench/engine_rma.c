/* SPDX-License-Identifier: Apache-2.0 */
/* Modes write, read and imm: batches that are submitted again as soon as they have ended. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "engine.h"

struct engine_batch {
	struct weft_batch *batch;
	struct engine_loop *loop;
	uint32_t first; /* slot of its first transfer; batches that wait share slots with others */
	uint64_t submitted_ns;
};

struct engine_loop {
	struct engine *engine;
	struct engine_batch *batches;
	struct engine_batch **ended; /* by the callback, not yet looked at */
	struct engine_batch **taken; /* being looked at */
	uint32_t n, n_ended, active;
	uint64_t posted;
};

/* Runs in progress. */
static void loop_ended(void *ctx, struct weft_batch *batch)
{
	struct engine_batch *eb = ctx;

	(void)batch;
	eb->loop->ended[eb->loop->n_ended++] = eb;
}

static int loop_add(struct engine *engine, struct weft_batch *batch, uint32_t slot)
{
	const uint64_t offset = slots_offset(&engine->slots, slot);
	uint32_t flags = engine->opts.no_delivery ? WEFT_SOURCE_ONLY : 0;

	if (engine->opts.mode == BENCH_READ)
		return weft_batch_read(batch, engine->region, offset, engine->remote, offset,
				       engine->opts.size);
	if (engine->opts.mode == BENCH_IMM)
		flags |= WEFT_WITH_IMM;
	return weft_batch_write(batch, engine->region, offset, engine->remote, offset,
				engine->opts.size, flags, engine->imm);
}

static int loop_verify(struct engine *engine, uint32_t slot)
{
	if (slots_hash(&engine->slots, slot) == engine->slots.slot[slot].hash)
		return 0;
	return err_set(-EBADMSG, "buffer %u holds wrong content", slot);
}

/* The checksums that one side makes of a batch's buffers. */
static int loop_checksum(struct engine *engine, const struct engine_batch *eb)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < engine->opts.batch && !rc; i++)
		rc = loop_verify(engine, eb->first + i);
	return rc;
}

static int loop_submit(struct engine_loop *loop, struct engine_batch *eb, uint64_t now_ns)
{
	struct engine *engine = loop->engine;
	uint32_t i;
	int rc;

	if (engine->opts.mode != BENCH_READ && engine->opts.checksum == BENCH_CHECKSUM_BOTH) {
		rc = loop_checksum(engine, eb);
		if (rc)
			return rc;
	}
	for (i = 0; i < engine->opts.batch; i++) {
		rc = loop_add(engine, eb->batch, eb->first + i);
		if (rc < 0)
			return rc;
	}
	eb->submitted_ns = now_ns;
	loop->active++;
	loop->posted += engine->opts.batch;
	return weft_submit(eb->batch, ENGINE_TIMEOUT_NS);
}

static int loop_end(struct engine_loop *loop, struct engine_batch *eb, uint64_t now_ns)
{
	struct engine *engine = loop->engine;
	int rc;

	loop->active--;
	rc = weft_batch_error(eb->batch);
	if (rc)
		return rc;
	if (engine->opts.mode == BENCH_READ && engine->opts.checksum != BENCH_CHECKSUM_NONE) {
		rc = loop_checksum(engine, eb);
		if (rc)
			return rc;
	}
	meter_done(&engine->meter, eb->submitted_ns, now_ns, engine->opts.batch);
	return weft_batch_reset(eb->batch);
}

/* Looks at the batches that have ended and submits them again. */
static int loop_again(struct engine_loop *loop, bool *on)
{
	struct engine_batch **taken = loop->ended;
	const uint64_t now_ns = clock_ns();
	const uint32_t n = loop->n_ended;
	uint32_t i;
	int rc;

	loop->ended = loop->taken;
	loop->taken = taken;
	loop->n_ended = 0;
	for (i = 0; i < n; i++) {
		rc = loop_end(loop, taken[i], now_ns);
		if (!rc && *on)
			rc = loop_submit(loop, taken[i], now_ns);
		if (rc)
			return rc;
	}
	*on = *on && meter_goes_on(&loop->engine->meter, now_ns);
	return 0;
}

static int loop_run(struct engine_loop *loop)
{
	const uint64_t now_ns = clock_ns();
	bool on = true;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < loop->n && !rc; i++)
		rc = loop_submit(loop, &loop->batches[i], now_ns);
	while (!rc && loop->active) {
		rc = weft_progress(loop->engine->weft, 0);
		if (rc > 0)
			rc = 0;
		if (!rc && loop->n_ended)
			rc = loop_again(loop, &on);
	}
	return rc;
}

static void loop_close(struct engine_loop *loop)
{
	uint32_t i;

	for (i = 0; loop->batches && i < loop->n; i++)
		weft_batch_close(loop->batches[i].batch);
	free(loop->batches);
	free(loop->ended);
	free(loop->taken);
}

static int loop_open(struct engine_loop *loop, struct engine *engine)
{
	struct weft_batch_opts opts = { .size = sizeof(opts),
					.capacity = engine->opts.batch,
					.on_done = loop_ended };
	uint32_t i;
	int rc = 0;

	loop->engine = engine;
	loop->n = engine->opts.batches;
	loop->batches = calloc(loop->n, sizeof(*loop->batches));
	loop->ended = calloc(loop->n, sizeof(struct engine_batch *));
	loop->taken = calloc(loop->n, sizeof(struct engine_batch *));
	if (!loop->batches || !loop->ended || !loop->taken)
		rc = -ENOMEM;
	for (i = 0; i < loop->n && !rc; i++) {
		loop->batches[i].loop = loop;
		loop->batches[i].first = i * engine->opts.batch % engine->slots.n;
		opts.ctx = &loop->batches[i];
		rc = weft_batch_open(engine->weft, &opts, &loop->batches[i].batch);
	}
	if (rc)
		loop_close(loop);
	return rc;
}

void engine_batches(struct engine_opts *opts)
{
	if (!opts->batch)
		opts->batch = opts->size <= 4096 ? 16 : 1;
	while (opts->batch > opts->window || opts->window % opts->batch)
		opts->batch--;
	if (!opts->batches)
		opts->batches = (opts->batch > 1 ? 2 : 1) * (opts->window / opts->batch);
}

int engine_rma_initiator(struct engine *engine)
{
	struct engine_loop loop = { 0 };
	int rc;

	rc = loop_open(&loop, engine);
	if (rc)
		return rc;
	rc = loop_run(&loop);
	if (!rc && engine->opts.mode == BENCH_READ)
		rc = slots_check(&engine->slots, loop.posted);
	atomic_store(&engine->pair.shared->posted, loop.posted);
	if (!rc)
		pair_move(&engine->pair, PAIR_STOP);
	loop_close(&loop);
	return rc;
}

/* Counts the immediates; makes as many checksums as there were new ones. */
static int target_arrivals(struct engine *engine, uint64_t *seen)
{
	const uint64_t count = weft_arrival_count(engine->arrival);
	int rc = 0;

	if (engine->opts.checksum == BENCH_CHECKSUM_NONE)
		*seen = count;
	for (; *seen < count && !rc; (*seen)++)
		rc = loop_verify(engine, (uint32_t)(*seen % engine->slots.n));
	return rc;
}

static int target_step(struct engine *engine, uint64_t *seen)
{
	int rc = weft_progress(engine->weft, 0);

	if (rc < 0)
		return rc;
	return engine->opts.mode == BENCH_IMM ? target_arrivals(engine, seen) : 0;
}

int engine_rma_target(struct engine *engine)
{
	const bool check = engine->opts.mode == BENCH_WRITE && !engine->opts.no_delivery;
	uint64_t seen = 0, posted, deadline_ns;
	int rc = 0;

	while (!rc && pair_phase(&engine->pair) != PAIR_STOP)
		rc = target_step(engine, &seen);
	posted = atomic_load(&engine->pair.shared->posted);
	deadline_ns = clock_ns() + BENCH_STALL_NS;
	while (!rc && engine->opts.mode == BENCH_IMM && seen < posted) {
		rc = target_step(engine, &seen);
		if (!rc && clock_ns() > deadline_ns)
			rc = err_set(-ETIMEDOUT, "%llu of %llu immediates came",
				     (unsigned long long)seen, (unsigned long long)posted);
	}
	if (!rc && check)
		rc = slots_check(&engine->slots, posted);
	return rc;
}
