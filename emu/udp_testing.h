/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of UDP share: a host record, packets whose bytes follow from their number. */
#ifndef EMU_UDP_TESTING_H
#define EMU_UDP_TESTING_H

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "emu/carrier.h"
#include "emu/util.h"

#define QUIET (300 * EMU_MS)

/* What came, of the thread that drains. */
struct arrived {
	unsigned int packets, bad;
	struct emu_packet last;
	uint8_t payload[EMU_PAYLOAD_MAX];
};

static inline struct emu_world_shared *new_shared(const uint8_t address[4], uint16_t port)
{
	struct emu_world_shared *shared = calloc(1, sizeof(*shared));

	if (!shared)
		abort();
	shared->carrier = EMU_CARRIER_UDP;
	shared->host[0].nics = 2;
	shared->host[0].udp_port = port;
	memcpy(shared->host[0].udp_address, address, 4);
	atomic_store(&shared->host[0].ready, 1);
	return shared;
}

static inline uint8_t byte_at(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31 + i * 7 + i / 256);
}

/* A SEND of so many bytes, in up to three pieces. */
static inline enum emu_emit emit(struct emu_udp *udp, const struct emu_path *path, uint32_t seq,
				 uint16_t bytes)
{
	uint8_t data[EMU_PAYLOAD_MAX];
	struct iovec parts[3] = { { data, bytes / 3 },
				  { data + bytes / 3, bytes / 5 },
				  { data + bytes / 3 + bytes / 5,
				    (size_t)bytes - bytes / 3 - bytes / 5 } };
	struct emu_packet packet = { .magic = EMU_PACKET_MAGIC,
				     .version = EMU_PACKET_VERSION,
				     .type = EMU_PACKET_SEND,
				     .payload = bytes,
				     .length = bytes,
				     .seq = seq,
				     .src_qpn = EMU_QPN(1, 1),
				     .dst_qpn = EMU_QPN(2, 3),
				     .incarnation = 99 };
	uint32_t i;

	for (i = 0; i < bytes; i++)
		data[i] = byte_at(seq, i);
	return emu_udp_emit(udp, path, &packet, parts, 3);
}

static inline void take(void *context, const struct emu_packet *packet, const void *payload)
{
	struct arrived *arrived = context;
	const uint8_t *bytes = payload;
	uint32_t i;

	arrived->packets++;
	arrived->last = *packet;
	memcpy(arrived->payload, payload, packet->payload);
	for (i = 0; i < packet->payload; i++)
		if (bytes[i] != byte_at(packet->seq, i)) {
			arrived->bad++;
			break;
		}
}

/* Drains until count packets have come, or nothing comes any more. */
static inline void drain(struct emu_udp *udp, struct arrived *arrived, unsigned int count)
{
	const struct emu_sink sink = { arrived, take };
	struct pollfd fd = { .fd = emu_udp_fd(udp), .events = POLLIN };

	while (arrived->packets < count && poll(&fd, 1, (int)(QUIET / EMU_MS)) > 0)
		emu_udp_drain(udp, 64, &sink);
}

#endif
