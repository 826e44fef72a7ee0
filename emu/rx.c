/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue pair knows of those that send to it. */
#include <stdlib.h>
#include <string.h>

#include "emu/flow.h"

#define OLD_PACKETS (60 * EMU_S) /* no packet is under way that long */
/* --- who sends ----------------------------------------------------------------------------- */

static void rxs_grow(struct emu_srd *srd)
{
	uint32_t mask = srd->rx_mask * 2 + 1;
	struct emu_rx **table = calloc(mask + 1, sizeof(struct emu_rx *));
	struct emu_rx *rx;

	if (!table)
		return;
	for (uint32_t i = 0; i <= srd->rx_mask; i++) {
		while ((rx = srd->rxs[i])) {
			uint32_t at = flow_hash(rx->gid, rx->qpn) & mask;

			srd->rxs[i] = rx->hash_next;
			rx->hash_next = table[at];
			table[at] = rx;
		}
	}
	free(srd->rxs);
	srd->rxs = table;
	srd->rx_mask = mask;
}

/* Forgets senders that have been silent for a second: their next packet says where they stand. */
static void rxs_forget(struct emu_srd *srd, uint64_t now)
{
	for (uint32_t i = 0; i <= srd->rx_mask; i++) {
		struct emu_rx **link = &srd->rxs[i];

		while (*link) {
			struct emu_rx *rx = *link;

			if (rx->to_ack || emu_since(rx->last, now) < EMU_S) {
				link = &rx->hash_next;
				continue;
			}
			*link = rx->hash_next;
			free(rx);
			srd->rx_count--;
		}
	}
}

static void rx_restart(struct emu_rx *rx, uint32_t id, uint32_t base)
{
	rx->id = id;
	rx->base = base;
	memset(rx->arrived, 0, sizeof(rx->arrived));
	memset(rx->status, 0, sizeof(rx->status));
}

static struct emu_rx *rx_new(struct emu_srd *srd, const struct emu_packet *packet, uint64_t now)
{
	struct emu_rx *rx;
	uint32_t at;

	if (srd->rx_count >= EMU_FLOWS && emu_since(srd->forgot, now) > EMU_S) {
		srd->forgot = now;
		rxs_forget(srd, now);
	}
	if (srd->rx_count > srd->rx_mask)
		rxs_grow(srd);
	rx = calloc(1, sizeof(*rx));
	if (!rx)
		return NULL;
	memcpy(rx->gid, packet->src_gid, EMU_GID_BYTES);
	rx->qpn = packet->src_qpn;
	rx->known = emu_path_init(srd->world, rx->gid, rx->qpn, &rx->path);
	rx_restart(rx, packet->flow, packet->una);
	rx->ah_epoch = UINT32_MAX;
	at = flow_hash(rx->gid, rx->qpn) & srd->rx_mask;
	rx->hash_next = srd->rxs[at];
	srd->rxs[at] = rx;
	srd->rx_count++;
	return rx;
}

struct emu_rx *rx_get(struct emu_srd *srd, const struct emu_packet *packet, uint64_t now)
{
	struct emu_rx *rx = srd->rxs[flow_hash(packet->src_gid, packet->src_qpn) & srd->rx_mask];

	while (rx &&
	       (rx->qpn != packet->src_qpn || memcmp(rx->gid, packet->src_gid, EMU_GID_BYTES) != 0))
		rx = rx->hash_next;
	if (!rx)
		return rx_new(srd, packet, now);
	if (rx->id == packet->flow)
		return rx;
	if ((int32_t)(packet->flow - rx->id) < 0 && emu_since(rx->last, now) < OLD_PACKETS)
		return NULL; /* of a flow that its sender has given up */
	rx_restart(rx, packet->flow, packet->una);
	/* Perhaps of another process, which has the slot of one that is gone. */
	rx->known = emu_path_init(srd->world, rx->gid, rx->qpn, &rx->path);
	return rx;
}

uint16_t rx_ahn(struct emu_srd *srd, struct emu_rx *rx)
{
	uint32_t epoch = atomic_load(&srd->qp->nic->ah_epoch);

	if (rx->ah_epoch != epoch) {
		rx->ahn = emu_ah_find(srd->qp->nic, rx->gid);
		rx->ah_epoch = epoch;
	}
	return rx->ahn;
}

/* The sender knows our answers to all before una. */
void rx_slide(struct emu_rx *rx, uint32_t una)
{
	uint32_t steps = una - rx->base;

	if ((int32_t)steps <= 0)
		return;
	if (steps >= EMU_WINDOW) {
		memset(rx->arrived, 0, sizeof(rx->arrived));
		memset(rx->status, 0, sizeof(rx->status));
	} else {
		for (; rx->base != una; rx->base++) {
			uint32_t at = rx->base % EMU_WINDOW;

			rx->arrived[at / 64] &= ~(1ull << (at % 64));
			rx->status[at] = 0;
		}
	}
	rx->base = una;
}

void rx_answer(struct emu_srd *srd, struct emu_rx *rx)
{
	if (rx->to_ack)
		return;
	rx->to_ack = true;
	rx->ack_next = srd->ack_first;
	srd->ack_first = rx;
}

void rx_free_all(struct emu_srd *srd)
{
	for (uint32_t i = 0; i <= srd->rx_mask; i++) {
		while (srd->rxs[i]) {
			struct emu_rx *rx = srd->rxs[i];

			srd->rxs[i] = rx->hash_next;
			free(rx);
		}
	}
	while (srd->late) {
		struct emu_late *late = srd->late;

		srd->late = late->next;
		free(late);
	}
}
