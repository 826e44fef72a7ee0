/* SPDX-License-Identifier: Apache-2.0 */
/* Mode pingpong: one request and one reply at a time. */
#include <errno.h>
#include <rdma/fi_errno.h>
#include <string.h>

#include "base/err.h"
#include "raw.h"

#define PP_RECEIVES 16
#define PP_SEND     PP_RECEIVES /* slot of the outgoing message */

static int pp_receive(struct raw *raw, uint32_t index)
{
	ssize_t rc =
		fi_recv(raw->fab.ep, raw->slots.buf + slots_offset(&raw->slots, index),
			raw->opts.size, raw->fab.desc, FI_ADDR_UNSPEC, &raw->slots.slot[index]);

	return rc ? fab_fail("fi_recv", (int)rc) : 0;
}

static int pp_receives(struct raw *raw)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < PP_RECEIVES && !rc; i++)
		rc = pp_receive(raw, i);
	return rc;
}

/* Waits for one completion; returns its slot, -ECANCELED when the other side stops. */
static int pp_wait(struct raw *raw)
{
	struct fi_cq_data_entry entry;
	uint64_t polls;
	ssize_t n;

	for (polls = 1;; polls++) {
		n = fi_cq_read(raw->fab.cq, &entry, 1);
		if (n == 1)
			return (int)slots_index(&raw->slots, entry.op_context);
		if (n != -FI_EAGAIN)
			return fab_cq_error(&raw->fab);
		if (raw->pair.target && pair_phase(&raw->pair) == PAIR_STOP)
			return -ECANCELED;
		if (!raw->pair.target && polls % BENCH_STALL_POLLS == 0 &&
		    meter_stalled(&raw->meter))
			return err_set(-ETIMEDOUT, "no reply for %llu s",
				       BENCH_STALL_NS / NSEC_PER_SEC);
	}
}

static ssize_t pp_post(struct raw *raw, const void *data)
{
	struct fab *fab = &raw->fab;
	unsigned char *out = raw->slots.buf + slots_offset(&raw->slots, PP_SEND);

	if (raw->inject)
		return fi_inject(fab->ep, data, raw->opts.size, fab->peer);
	if (data != out)
		memcpy(out, data, raw->opts.size);
	return fi_send(fab->ep, out, raw->opts.size, fab->desc, fab->peer,
		       &raw->slots.slot[PP_SEND]);
}

static int pp_send(struct raw *raw, const void *data)
{
	const uint64_t limit_ns = clock_ns() + BENCH_STALL_NS;
	ssize_t rc;

	while ((rc = pp_post(raw, data)) == -FI_EAGAIN && clock_ns() < limit_ns)
		fi_cq_read(raw->fab.cq, NULL, 0);
	return rc ? fab_fail("sending", (int)rc) : 0;
}

/* Waits for the message and, without inject, for the completion of the own send before it. */
static int pp_wait_message(struct raw *raw, bool *sending)
{
	int index = -1, got = -1;

	while (got < 0 || *sending) {
		index = pp_wait(raw);
		if (index < 0)
			return index;
		if (index == PP_SEND)
			*sending = false;
		else
			got = index;
	}
	return got;
}

int raw_pingpong_initiator(struct raw *raw)
{
	unsigned char *out = raw->slots.buf + slots_offset(&raw->slots, PP_SEND);
	uint64_t sequence, start_ns, now_ns;
	bool sending, on = true;
	int index, rc;

	rc = pp_receives(raw);
	now_ns = clock_ns();
	for (sequence = 1; on && !rc; sequence++) {
		memcpy(out, &sequence, sizeof(sequence));
		start_ns = now_ns;
		rc = pp_send(raw, out);
		if (rc)
			return rc;
		sending = !raw->inject;
		index = pp_wait_message(raw, &sending);
		if (index < 0)
			return index;
		now_ns = clock_ns();
		meter_done(&raw->meter, start_ns, now_ns, 1);
		on = meter_goes_on(&raw->meter, now_ns);
		if (memcmp(raw->slots.buf + slots_offset(&raw->slots, index), &sequence,
			   sizeof(sequence)))
			return err_set(-EBADMSG, "a reply holds wrong content");
		rc = pp_receive(raw, index);
	}
	pair_move(&raw->pair, PAIR_STOP);
	return rc;
}

int raw_pingpong_target(struct raw *raw)
{
	bool sending = false;
	int index, rc;

	rc = pp_receives(raw);
	while (!rc) {
		index = pp_wait_message(raw, &sending);
		if (index == -ECANCELED)
			return 0;
		if (index < 0)
			return index;
		rc = pp_send(raw, raw->slots.buf + slots_offset(&raw->slots, index));
		sending = !raw->inject;
		if (!rc)
			rc = pp_receive(raw, index);
	}
	return rc;
}
