/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a cell: started, waited for, and their bytes counted. */
#include <stdlib.h>
#include <string.h>

#include "matrix.h"

/* Between two operations' ranges; must not change. */
#define GAP 4096u

static const uint32_t counts[SIZES] = { 24, 3, 3 };

static size_t bytes_each(enum op op, enum size size)
{
	if (size == SIZE_SMALL)
		return 64;
	return op == OP_NOTIFY ? WEFT_NOTIFY_MAX : 4u << 20;
}

static uint32_t count_of(enum op op, enum size size)
{
	return op == OP_NOTIFY ? counts[SIZE_SMALL] : counts[size];
}

size_t ops_room(enum op op, enum size size)
{
	return count_of(op, size) * (bytes_each(op, size) + GAP);
}

static uint8_t *far_bytes(struct run *r)
{
	return r->ops.sealed ? r->ops.sealed : r->child[0].area.base;
}

/* Where the bytes come from, and where they go. A message goes there and back. */
static uint8_t *from(struct run *r)
{
	return r->ops.op == OP_READ ? far_bytes(r) : r->area.base;
}

static uint8_t *into(struct run *r)
{
	return r->ops.op == OP_READ ? r->area.base : far_bytes(r);
}

void ops_prepare(struct run *r, uint64_t seed, uint32_t count, uint64_t deadline_ns)
{
	const struct cell *cell = r->cell;
	struct ops *ops = &r->ops;
	uint32_t all = count_of(cell->op, cell->size);

	memset(ops, 0, sizeof(*ops));
	ops->op = cell->op;
	ops->count = count < all ? count : all;
	ops->each = bytes_each(cell->op, cell->size);
	ops->stride = ops->each + GAP;
	ops->seed = seed;
	ops->deadline_ns = deadline_ns;
	if (ops->op == OP_IMM && !r->killed)
		ops->imm = child_arrival(&r->child[0], &r->net);
	memset(into(r), 0, r->area.len);
	for (uint32_t i = 0; i < ops->count; i++) {
		uint64_t number = seed + i; /* a message of another time is none of these */

		area_fill(ops->op == OP_READ ? &r->child[0].area : &r->area, i * ops->stride,
			  ops->each, seed + i);
		if (ops->op != OP_NOTIFY)
			ops->batches[i] = net_batch(r->weft, 1);
		else
			memcpy(r->area.base + i * ops->stride, &number, sizeof(number));
	}
}

static void end(struct ops *ops, uint32_t i, int error)
{
	if (ops->ended[i])
		return;
	ops->ended[i] = true;
	ops->error[i] = error;
	ops->lasted_ns[i] = clock_ns() - ops->begun_ns[i];
}

/* A transfer, or the reason why it is refused at once. */
static void start_transfer(struct run *r, uint32_t i)
{
	struct ops *ops = &r->ops;
	uint64_t at = i * ops->stride;
	struct move move = { ops->op == OP_READ,
			     r->region,
			     at,
			     r->remote[0],
			     at,
			     ops->each,
			     ops->op == OP_IMM ? WEFT_WITH_IMM : 0,
			     ops->imm };
	int rc = net_add(ops->batches[i], &move);

	if (rc >= 0)
		rc = weft_submit(ops->batches[i], ops->deadline_ns);
	ops->begun[i] = !rc;
	if (rc)
		end(ops, i, rc);
}

/* Messages go as there is room, as the rest of them do in ops_poll(). */
static void start_message(struct run *r, uint32_t i)
{
	struct ops *ops = &r->ops;
	int rc = weft_remote_status(r->remote[0]);

	if (rc != -WEFT_EPEERGONE)
		rc = weft_notify(weft_remote_peer(r->remote[0]), r->area.base + i * ops->stride,
				 ops->each);
	if (rc == -WEFT_EQUEUEFULL)
		return;
	ops->begun[i] = true;
	if (rc)
		end(ops, i, rc);
}

void ops_start(struct run *r, uint32_t first, uint32_t end)
{
	struct ops *ops = &r->ops;

	if (!first)
		ops->start_ns = clock_ns();
	ops->started = end;
	for (uint32_t i = first; i < end; i++) {
		ops->begun_ns[i] = clock_ns();
		if (ops->op == OP_NOTIFY)
			start_message(r, i);
		else
			start_transfer(r, i);
	}
}

/* An echo: once each, and with the bytes that were sent. */
static void take_message(struct ops *ops, const struct area *sent, const uint8_t *data, size_t len)
{
	uint64_t number;
	uint32_t i;

	memcpy(&number, data, sizeof(number));
	i = (uint32_t)(number - ops->seed);
	if (number < ops->seed && ops->late) /* of the operations before */
		return;
	if (len != ops->each || number - ops->seed >= ops->count || ops->came[i]) {
		conform_note("%zu bytes of message %llu, expected %llu and following", len,
			     (unsigned long long)number, (unsigned long long)ops->seed);
		ops->wrong_bytes += len;
		return;
	}
	ops->came[i] = true;
	for (size_t at = 0; at < len; at++)
		ops->wrong_bytes += data[at] != sent->base[i * ops->stride + at];
	end(ops, i, 0);
}

/* A message that did not come back counts as lost at its deadline, or when the peer is gone. */
static void poll_messages(struct run *r)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	struct ops *ops = &r->ops;
	size_t len = sizeof(data);
	int lost = 0;

	for (; weft_receive(r->weft, data, &len, NULL, 0) == 0; len = sizeof(data))
		take_message(ops, &r->area, data, len);
	if (weft_remote_status(r->remote[0]) == -WEFT_EPEERGONE)
		lost = -WEFT_EPEERGONE;
	else if (clock_ns() - ops->start_ns > ops->deadline_ns)
		lost = -WEFT_EDEADLINE;
	for (uint32_t i = 0; i < ops->started; i++) {
		if (!ops->begun[i] && !lost)
			start_message(r, i);
		if (lost)
			end(ops, i, lost);
	}
}

static void poll_transfers(struct run *r)
{
	struct ops *ops = &r->ops;

	for (uint32_t i = 0; i < ops->started; i++)
		if (!ops->ended[i] && weft_batch_poll(ops->batches[i]) == 1)
			end(ops, i, weft_batch_error(ops->batches[i]));
}

bool ops_poll(struct run *r)
{
	if (r->ops.op == OP_NOTIFY)
		poll_messages(r);
	else
		poll_transfers(r);
	return !ops_open(r);
}

uint32_t ops_open(const struct run *r)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < r->ops.started; i++)
		open += !r->ops.ended[i];
	return open;
}

/* What fills the memory of a region that was taken back. */
#define SEAL 0xee

void ops_seal(struct run *r)
{
	struct area *far = &r->child[0].area;

	r->ops.sealed = malloc(far->len);
	check(r->ops.sealed);
	memcpy(r->ops.sealed, far->base, far->len);
	memset(far->base, SEAL, far->len);
}

static uint64_t seal_wrong(struct run *r)
{
	const struct area *far = &r->child[0].area;
	uint64_t wrong = 0;

	for (size_t at = 0; r->ops.sealed && at < far->len; at++)
		wrong += far->base[at] != SEAL;
	return wrong;
}

/* Some are counted that did not end as done: the count, or its answer, came too late. */
void ops_check_arrived(struct run *r)
{
	struct ops *ops = &r->ops;
	uint64_t done = 0, begun = 0, count;

	if (ops->op != OP_IMM || r->killed)
		return;
	for (uint32_t i = 0; i < ops->started; i++) {
		done += ops->ended[i] && !ops->error[i];
		begun += ops->begun[i];
	}
	until(&r->net, child_arrived(&r->child[0], &r->net) >= done);
	count = child_arrived(&r->child[0], &r->net);
	if (count > begun)
		conform_fail(__FILE__, __LINE__, "%llu are counted, of %llu",
			     (unsigned long long)count, (unsigned long long)begun);
}

/* Bytes of the range that are not the operation's and, unless it is done, not what was there. */
static uint64_t range_wrong(struct run *r, uint32_t i)
{
	const struct ops *ops = &r->ops;
	const uint8_t *want = from(r) + i * ops->stride;
	const uint8_t *got = into(r) + i * ops->stride;
	uint64_t wrong = 0;

	if (!ops->error[i] && !memcmp(got, want, ops->each))
		return 0;
	for (size_t at = 0; at < ops->each; at++)
		wrong += got[at] != want[at] && (!ops->error[i] || got[at]);
	return wrong;
}

static uint64_t gap_wrong(struct run *r, uint32_t i)
{
	const uint8_t *got = into(r) + i * r->ops.stride + r->ops.each;
	uint64_t wrong = 0;

	for (size_t at = 0; at < GAP; at++)
		wrong += got[at] != 0;
	return wrong;
}

bool ops_delivered(struct run *r)
{
	struct ops *ops = &r->ops;

	if (ops->op != OP_NOTIFY || weft_remote_status(r->remote[0]) == -WEFT_EPEERGONE)
		return true;
	poll_messages(r);
	for (uint32_t i = 0; i < ops->count; i++)
		if (ops->begun[i] && !ops->came[i])
			return false;
	return true;
}

uint64_t ops_wrong(struct run *r)
{
	uint64_t wrong = r->ops.wrong_bytes;

	for (uint32_t i = 0; r->ops.op != OP_NOTIFY && i < r->ops.count; i++)
		wrong += range_wrong(r, i) + gap_wrong(r, i);
	wrong += seal_wrong(r);
	check_guards(&r->area);
	check_guards(&r->child[0].area);
	return wrong;
}

void ops_finish(struct run *r)
{
	for (uint32_t i = 0; i < r->ops.count; i++)
		weft_batch_close(r->ops.batches[i]);
	free(r->ops.sealed);
	memset(&r->ops, 0, sizeof(r->ops));
}
