/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/clock.h"
#include "sim.h"

#define LATE_ROUNDS 40u /* the engine looks at the clock at least once in 32 rounds */

static struct slot *remote_slot(const struct job *op)
{
	return op->read ? op->from : op->to;
}

/* --- filling --------------------------------------------------------------------------------- */

static uint32_t draw_len(struct sim *sim, const struct slot *slot)
{
	return sim_chance(sim, 10) ? 0 : 1 + (uint32_t)sim_draw(sim, slot->size);
}

static bool plan_op(struct host *host, struct host *target, struct job *op)
{
	struct sim *sim = host->sim;
	bool big = sim_chance(sim, 12);
	struct slot *own = slot_take(sim, &host->own, big);
	struct slot *given = own ? slot_take(sim, &target->given, big) : NULL;

	if (!given) {
		if (own)
			slot_give(sim, own);
		return false;
	}
	*op = (struct job){ .target = target->index,
			    .target_life = target->region_life,
			    .engine_life = target->life };
	op->read = sim_chance(sim, 40);
	op->len = draw_len(sim, own);
	op->imm = !op->read && sim_chance(sim, 20);
	op->from = op->read ? given : own;
	op->to = op->read ? own : given;
	op->moved = op->from->pattern;
	return true;
}

static void give_op(struct sim *sim, struct job *op)
{
	slot_give(sim, op->from);
	slot_give(sim, op->to);
}

static int add_op(struct host *host, struct batch *batch, struct weft_remote *remote,
		  const struct job *op)
{
	const struct host *target = &host->sim->hosts[op->target];
	const struct slot *own = op->read ? op->to : op->from, *given = remote_slot(op);
	uint64_t offset = (uint64_t)(own->at - host->own.base);
	uint64_t remote_offset = (uint64_t)(given->at - target->given.base);

	if (op->read)
		return weft_batch_read(batch->batch, host->mine, offset, remote, remote_offset,
				       op->len);
	return weft_batch_write(batch->batch, host->mine, offset, remote, remote_offset, op->len,
				op->imm ? WEFT_WITH_IMM : 0, weft_arrival_imm(target->arrival));
}

static struct batch *free_batch(struct host *host)
{
	const struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = SIM_OPS };

	for (uint32_t i = 0; i < SIM_BATCHES; i++) {
		struct batch *batch = &host->batches[i];

		if (batch->state != BATCH_FREE)
			continue;
		if (!batch->batch)
			sim_check(host->sim,
				  weft_batch_open(host->weft, &opts, &batch->batch) == 0);
		return batch;
	}
	return NULL;
}

static uint64_t draw_timeout(struct sim *sim)
{
	static const uint64_t most[] = { 300 * NSEC_PER_USEC, 5 * NSEC_PER_MSEC,
					 50 * NSEC_PER_MSEC };

	return 1 + sim_draw(sim, most[sim_draw(sim, 3)]);
}

void batch_submit(struct host *host)
{
	struct sim *sim = host->sim;
	struct host *target =
		&sim->hosts[(host->index + 1 + sim_draw(sim, SIM_HOSTS - 1)) % SIM_HOSTS];
	struct weft_remote *remote = host_reach(host, target->index);
	uint32_t wanted = 1 + (uint32_t)sim_draw(sim, SIM_OPS);
	struct batch *batch = remote ? free_batch(host) : NULL;
	uint64_t timeout_ns = draw_timeout(sim);
	int rc;

	if (!batch)
		return;
	for (batch->count = 0; batch->count < wanted; batch->count++) {
		struct job *op = &batch->ops[batch->count];

		if (!plan_op(host, target, op))
			break;
		rc = add_op(host, batch, remote, op);
		if (rc < 0) { /* the target has gone, and we have heard of it */
			sim_note(sim, "h%u: adding: %s", host->index, weft_error_name(rc));
			give_op(sim, op);
			break;
		}
		sim_check(sim, rc == (int)batch->count);
	}
	if (!batch->count)
		return;
	sim_note(sim, "h%u: submits batch %u of %u to h%u", host->index,
		 (uint32_t)(batch - host->batches), batch->count, target->index);
	batch->deadline_ns = sim->now_ns + timeout_ns;
	batch->late_rounds = 0;
	batch->cancelled = false;
	sim_check(sim, weft_submit(batch->batch, timeout_ns) == 0);
	batch->state = BATCH_ACTIVE;
}

void batch_cancel(struct host *host)
{
	struct batch *batch = &host->batches[sim_draw(host->sim, SIM_BATCHES)];

	if (batch->state != BATCH_ACTIVE)
		return;
	sim_note(host->sim, "h%u: cancels batch %u", host->index,
		 (uint32_t)(batch - host->batches));
	batch->cancelled = true;
	sim_check(host->sim, weft_batch_cancel(batch->batch) == 0);
	sim_check(host->sim, weft_batch_error(batch->batch) != -EBUSY);
}

/* --- what must hold of an operation ---------------------------------------------------------- */

/* May it have failed? Not for a rail's sake, when others worked. */
static bool failure_explained(const struct host *host, const struct job *op, int error)
{
	const struct host *target = &host->sim->hosts[op->target];

	if (error == -WEFT_EPEERSTUCK)
		return host->hangs || host->sim->cuts;
	/* Whose rail breaks parts from who was asked to let go. */
	if ((error == -WEFT_EPROVIDER && host->breaks && host->rests) ||
	    (error == -WEFT_EPEERGONE && target->breaks && target->rests))
		return true;
	return host->sim->cuts || host->fails || host->hangs || host->loses_peers ||
	       target->loses_peers || target->taking_back ||
	       op->target_life != target->region_life || op->imm;
}

static void check_state(struct host *host, const struct batch *batch, const struct job *op,
			const struct weft_result *result)
{
	struct sim *sim = host->sim;

	switch (result->state) {
	case WEFT_DONE:
		sim_check(sim, result->error == 0 && result->bytes == op->len);
		return;
	case WEFT_CANCELLED:
		sim_check(sim, batch->cancelled);
		return;
	case WEFT_DEADLINE:
		sim_check(sim, sim->now_ns >= batch->deadline_ns);
		return;
	case WEFT_FAILED:
		sim_check(sim, result->error < 0);
		if (!failure_explained(host, op, result->error))
			sim_fail(sim, "h%u: an operation to h%u failed, and nothing was wrong: %s",
				 host->index, op->target, weft_error_name(result->error));
		return;
	default:
		sim_fail(sim, "an operation of an ended batch is in state %d", result->state);
	}
}

static void check_bytes(struct sim *sim, const struct job *op)
{
	if (op->settled && !op->read)
		slot_check(sim, op->to);
	else if (op->done)
		slot_check_moved(sim, op->to, op->len, op->moved);
	else
		slot_check_mixed(sim, op->to, op->len, op->moved);
}

/* An immediate counts for the life of the engine that it was meant for. */
static void count_imm(struct sim *sim, struct job *op)
{
	struct host *target = &sim->hosts[op->target];

	if (!op->imm || op->counted || op->engine_life != target->life)
		return;
	op->counted = true;
	target->imm_done += op->done;
	target->imm_other += !op->done;
}

/* --- looking --------------------------------------------------------------------------------- */

static void look_ended(struct host *host, struct batch *batch)
{
	struct weft_result result = { .size = sizeof(result) };

	batch->state = BATCH_ENDED;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct job *op = &batch->ops[i];

		sim_check(host->sim, weft_batch_result(batch->batch, i, &result) == 0);
		sim_note(host->sim, "h%u: batch %u op %u (%s %u) state %d %s", host->index,
			 (uint32_t)(batch - host->batches), i, op->read ? "read" : "write", op->len,
			 result.state, weft_error_name(result.error));
		check_state(host, batch, op, &result);
		op->done = result.state == WEFT_DONE;
		host->sim->done += op->done;
		host->sim->ended++;
		count_imm(host->sim, op);
		check_bytes(host->sim, op);
	}
}

static void look_quiet(struct host *host, struct batch *batch)
{
	int rc = weft_batch_quiesce(batch->batch, 0);

	sim_check(host->sim, rc == 0 || rc == -WEFT_ENOTQUIET);
	for (uint32_t i = 0; (!rc || sim_chance(host->sim, 2)) && i < batch->count; i++)
		check_bytes(host->sim, &batch->ops[i]);
	if (rc)
		return;
	sim_note(host->sim, "h%u: batch %u is quiet", host->index,
		 (uint32_t)(batch - host->batches));
	for (uint32_t i = 0; i < batch->count; i++)
		give_op(host->sim, &batch->ops[i]);
	sim_check(host->sim, weft_batch_reset(batch->batch) == 0);
	batch->state = BATCH_FREE;
}

void batch_look(struct host *host)
{
	for (uint32_t i = 0; i < SIM_BATCHES; i++) {
		struct batch *batch = &host->batches[i];

		if (batch->state == BATCH_ACTIVE && weft_batch_error(batch->batch) != -EBUSY)
			look_ended(host, batch);
		if (batch->state == BATCH_ENDED)
			look_quiet(host, batch);
	}
}

void batch_check_deadlines(struct host *host, uint64_t now_ns)
{
	for (uint32_t i = 0; i < SIM_BATCHES; i++) {
		struct batch *batch = &host->batches[i];

		if (batch->state != BATCH_ACTIVE || now_ns < batch->deadline_ns)
			continue;
		if (++batch->late_rounds > LATE_ROUNDS && weft_batch_error(batch->batch) == -EBUSY)
			sim_fail(host->sim, "h%u: batch %u has not ended by its deadline",
				 host->index, i);
	}
}

void batch_drop_all(struct host *host)
{
	for (uint32_t i = 0; i < SIM_BATCHES; i++) {
		struct batch *batch = &host->batches[i];

		for (uint32_t j = 0; batch->state != BATCH_FREE && j < batch->count; j++) {
			struct job *op = &batch->ops[j];

			count_imm(host->sim, op);
			check_bytes(host->sim, op);
			give_op(host->sim, op);
		}
		batch->batch = NULL; /* freed with the engine */
		batch->state = BATCH_FREE;
	}
}

void batch_settle_target(struct sim *sim, uint32_t target)
{
	for (uint32_t h = 0; h < SIM_HOSTS; h++)
		for (uint32_t i = 0; i < SIM_BATCHES; i++) {
			struct batch *batch = &sim->hosts[h].batches[i];

			for (uint32_t j = 0; batch->state != BATCH_FREE && j < batch->count; j++) {
				struct job *op = &batch->ops[j];

				if (op->target != target || op->settled)
					continue;
				if (!op->read)
					check_bytes(sim, op);
				op->settled = true;
				slot_refill(sim, remote_slot(op));
			}
		}
}

bool batch_all_free(const struct host *host)
{
	for (uint32_t i = 0; i < SIM_BATCHES; i++)
		if (host->batches[i].state != BATCH_FREE)
			return false;
	return true;
}
