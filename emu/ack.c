/* SPDX-License-Identifier: Apache-2.0 */
/* Acknowledgements of what came: one per sender and look, with what was refused and why. */
#include <string.h>

#include "emu/flow.h"

struct ack_body {
	struct emu_ack ack;
	uint8_t refused[2 * EMU_WINDOW]; /* all: nobody would ask for the rest */
};

static uint32_t ack_fill(const struct emu_rx *rx, struct ack_body *body)
{
	uint16_t refusals = 0;

	body->ack.base = rx->base;
	body->ack.reserved = 0;
	memcpy(body->ack.arrived, rx->arrived, sizeof(body->ack.arrived));
	for (uint32_t distance = 0; distance < EMU_WINDOW; distance++) {
		uint32_t at = (rx->base + distance) % EMU_WINDOW;

		if (!rx->status[at] || !(rx->arrived[at / 64] >> (at % 64) & 1))
			continue;
		body->refused[2 * refusals] = (uint8_t)distance;
		body->refused[2 * refusals + 1] = rx->status[at];
		refusals++;
	}
	body->ack.refusals = refusals;
	return (uint32_t)sizeof(body->ack) + 2u * refusals;
}

static bool ack_dropped(struct emu_srd *srd, struct emu_rx *rx, uint64_t now)
{
	struct emu_nic *nic = srd->qp->nic;
	struct emu_verdict verdict = { 0 };
	struct emu_fault_packet about = {
		.src_host = nic->host,
		.src_nic = nic->index,
		.src_qpn = srd->qp->ex.qp_base.qp_num,
		.dst_host = rx->path.place.host,
		.dst_nic = rx->path.place.nic,
		.dst_qpn = rx->qpn,
		.op = EMU_OP_ACK,
		.seq = rx->acks++,
	};

	if (emu_fault_cut(srd->world->shared, nic->host, nic->index, rx->path.place.host,
			  rx->path.place.nic, now)) {
		rx->ack_at = now + EMU_CUT_PAUSE;
		return true;
	}
	emu_fault_packet(srd->world->shared, &about, now, &verdict);
	if (!verdict.drop && !verdict.delay)
		return false;
	rx->ack_at = now + (verdict.delay ? verdict.delay : EMU_LOSS_PAUSE);
	rx->ack_drawn = verdict.delay != 0;
	return true;
}

/* One ACK. False: the carrier is full. */
static bool ack_emit(struct emu_srd *srd, struct emu_rx *rx, uint64_t now)
{
	struct ack_body body;
	struct emu_packet packet = { .type = EMU_PACKET_ACK };
	struct iovec data = { &body, 0 };

	if (!rx->known)
		return true;
	if (!rx->ack_drawn && ack_dropped(srd, rx, now)) {
		srd_timer(srd, rx->ack_at);
		return false;
	}
	rx->ack_drawn = false;
	data.iov_len = ack_fill(rx, &body);
	packet.payload = (uint16_t)data.iov_len;
	packet.dst_qpn = rx->qpn;
	packet.flow = rx->id;
	memcpy(packet.dst_gid, rx->gid, EMU_GID_BYTES);
	if (emit_carry(srd, &rx->path, &packet, &data, 1) != EMU_EMIT_FULL)
		return true;
	srd->blocked = true;
	srd_timer(srd, now + EMU_MS);
	return false;
}

/* Answers all that came since the last time. */
void emit_acks(struct emu_srd *srd, uint64_t now)
{
	struct emu_rx **link = &srd->ack_first;

	while (*link) {
		struct emu_rx *rx = *link;

		if (rx->ack_at > now) {
			srd_timer(srd, rx->ack_at);
			link = &rx->ack_next;
			continue;
		}
		rx->ack_at = 0;
		if (!ack_emit(srd, rx, now)) {
			link = &rx->ack_next;
			continue;
		}
		*link = rx->ack_next;
		rx->to_ack = false;
	}
}

void emit_last_acks(struct emu_srd *srd, uint64_t now)
{
	for (struct emu_rx *rx = srd->ack_first; rx; rx = rx->ack_next) {
		rx->ack_drawn = true;
		ack_emit(srd, rx, now);
	}
}
