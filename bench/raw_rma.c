/* SPDX-License-Identifier: Apache-2.0 */
/* Modes write, read and imm: as many one-sided operations in flight as the window allows. */
#include <errno.h>
#include <rdma/fi_errno.h>

#include "base/err.h"
#include "raw.h"

#define RAW_CQ_BATCH 32

static int raw_stall(void)
{
	return err_set(-ETIMEDOUT, "no completion for %llu s", BENCH_STALL_NS / NSEC_PER_SEC);
}

/* One operation of several segments; they stand in the same places on both sides. */
static ssize_t raw_post_segments(struct raw *raw, uint32_t index)
{
	const uint32_t n = raw->opts.segments;
	const uint64_t size = raw->opts.size / n;
	const uint64_t flags = raw->opts.no_delivery ? 0 : FI_DELIVERY_COMPLETE;
	struct fi_rma_iov rma[RAW_SEGMENTS_MAX];
	struct iovec iov[RAW_SEGMENTS_MAX];
	void *desc[RAW_SEGMENTS_MAX];
	struct fab *fab = &raw->fab;
	struct fi_msg_rma msg = {
		.msg_iov = iov,
		.desc = desc,
		.iov_count = n,
		.addr = fab->peer,
		.rma_iov = rma,
		.rma_iov_count = n,
		.context = &raw->slots.slot[index],
	};
	uint64_t at;
	uint32_t i;

	for (i = 0; i < n; i++) {
		at = (raw->order ? raw->order[index * n + i] : index * n + i) * size;
		iov[i] = (struct iovec){ raw->slots.buf + at, size };
		rma[i] = (struct fi_rma_iov){ fab->remote_base + at, size, fab->remote_key };
		desc[i] = fab->desc;
	}
	if (raw->opts.mode == BENCH_READ)
		return fi_readmsg(fab->ep, &msg, FI_COMPLETION);
	return fi_writemsg(fab->ep, &msg, FI_COMPLETION | flags);
}

static ssize_t raw_post(struct raw *raw, uint32_t index)
{
	struct fab *fab = &raw->fab;
	void *context = &raw->slots.slot[index];
	const uint64_t offset = slots_offset(&raw->slots, index);
	const uint64_t remote = fab->remote_base + offset;
	void *local = raw->slots.buf + offset;

	if (raw->order || raw->opts.segments > 1)
		return raw_post_segments(raw, index);
	switch (raw->opts.mode) {
	case BENCH_READ:
		return fi_read(fab->ep, local, raw->opts.size, fab->desc, fab->peer, remote,
			       fab->remote_key, context);
	case BENCH_IMM:
		return fi_writedata(fab->ep, local, raw->opts.size, fab->desc, index, fab->peer,
				    remote, fab->remote_key, context);
	default:
		return fi_write(fab->ep, local, raw->opts.size, fab->desc, fab->peer, remote,
				fab->remote_key, context);
	}
}

/* The checksum of the sending side, as a store would make it when a value comes in. */
static int raw_verify(struct raw *raw, uint32_t index)
{
	if (slots_hash(&raw->slots, index) == raw->slots.slot[index].hash)
		return 0;
	return err_set(-EBADMSG, "buffer %u holds wrong content", index);
}

static int raw_fill_window(struct raw *raw, uint64_t now_ns, uint64_t *posted)
{
	struct slots *slots = &raw->slots;
	const int check = raw->opts.checksum == BENCH_CHECKSUM_BOTH && raw->opts.mode != BENCH_READ;
	uint32_t index;
	ssize_t rc;

	while (slots->n_free + raw->opts.window > slots->n) {
		index = slots_next(slots);
		if (check && raw_verify(raw, index))
			return -EBADMSG;
		rc = raw_post(raw, index);
		if (rc == -FI_EAGAIN)
			return 0;
		if (rc)
			return fab_fail("posting", (int)rc);
		slots->slot[index].posted_ns = now_ns;
		slots_take(slots);
		(*posted)++;
	}
	return 0;
}

/* Takes completions; returns how many, and the time after them in *now_ns. */
static int raw_take(struct raw *raw, uint64_t *now_ns)
{
	struct fi_cq_data_entry entries[RAW_CQ_BATCH];
	const int check = raw->opts.checksum != BENCH_CHECKSUM_NONE && raw->opts.mode == BENCH_READ;
	struct slots *slots = &raw->slots;
	uint32_t index;
	ssize_t n, i;

	n = fi_cq_read(raw->fab.cq, entries, RAW_CQ_BATCH);
	if (n == -FI_EAGAIN)
		return 0;
	if (n < 0)
		return fab_cq_error(&raw->fab);
	*now_ns = clock_ns();
	for (i = 0; i < n; i++) {
		index = slots_index(slots, entries[i].op_context);
		if (check && raw_verify(raw, index))
			return -EBADMSG;
		meter_done(&raw->meter, slots->slot[index].posted_ns, *now_ns, 1);
		slots_put(slots, index);
	}
	return (int)n;
}

static int raw_check(const struct raw *raw, uint64_t posted)
{
	/* A buffer's segments belong to operations of all: only when all were posted is any whole.
	 */
	if (raw->order && posted < raw->slots.n)
		return 0;
	return slots_check(&raw->slots, posted);
}

int raw_rma_initiator(struct raw *raw)
{
	uint64_t now_ns = clock_ns(), posted = 0, empty = 0;
	struct slots *slots = &raw->slots;
	bool on = true;
	int n, rc;

	while (on || slots->n_free < slots->n) {
		if (on) {
			rc = raw_fill_window(raw, now_ns, &posted);
			if (rc)
				return rc;
		}
		n = raw_take(raw, &now_ns);
		if (n < 0)
			return n;
		if (n > 0)
			on = meter_goes_on(&raw->meter, now_ns);
		else if (++empty % BENCH_STALL_POLLS == 0 && meter_stalled(&raw->meter))
			return raw_stall();
	}
	atomic_store(&raw->pair.shared->posted, posted);
	pair_move(&raw->pair, PAIR_STOP);
	return raw->opts.mode == BENCH_READ ? raw_check(raw, posted) : 0;
}

/* Drives the provider's progress; counts immediates and checks what came with them. */
static int raw_target_poll(struct raw *raw, uint64_t *arrived)
{
	struct fi_cq_data_entry entries[RAW_CQ_BATCH];
	ssize_t n, i;

	n = fi_cq_read(raw->fab.cq, entries, RAW_CQ_BATCH);
	if (n == -FI_EAGAIN)
		return 0;
	if (n < 0)
		return fab_cq_error(&raw->fab);
	for (i = 0; i < n; i++) {
		if (!(entries[i].flags & FI_REMOTE_CQ_DATA) || entries[i].data >= raw->slots.n)
			return -EBADMSG;
		if (raw->opts.checksum != BENCH_CHECKSUM_NONE &&
		    raw_verify(raw, (uint32_t)entries[i].data))
			return -EBADMSG;
	}
	*arrived += n;
	return 0;
}

int raw_rma_target(struct raw *raw)
{
	struct pair *pair = &raw->pair;
	uint64_t arrived = 0, posted, deadline_ns;
	int rc;

	while (pair_phase(pair) != PAIR_STOP) {
		rc = raw_target_poll(raw, &arrived);
		if (rc)
			return rc;
	}
	posted = atomic_load(&pair->shared->posted);
	deadline_ns = clock_ns() + BENCH_STALL_NS;
	while (raw->opts.mode == BENCH_IMM && arrived < posted) {
		rc = raw_target_poll(raw, &arrived);
		if (rc)
			return rc;
		if (clock_ns() > deadline_ns)
			return raw_stall();
	}
	if (raw->opts.mode == BENCH_READ || raw->opts.no_delivery)
		return 0;
	return raw_check(raw, posted);
}
