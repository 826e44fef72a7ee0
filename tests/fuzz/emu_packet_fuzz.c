/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of the emulator as a socket hands them over (emu/packet.h). Input: a datagram. */
#include <string.h>

#include "emu/packet.h"
#include "emu/shared.h"
#include "fuzz.h"

/* What those who take valid packets rely on. */
static void check_sizes(const struct emu_packet *packet, size_t size)
{
	uint64_t end = (uint64_t)packet->offset + packet->payload;

	FUZZ_CHECK(size == sizeof(*packet) + packet->payload);
	FUZZ_CHECK(packet->payload <= EMU_PAYLOAD_MAX);
	FUZZ_CHECK(EMU_QPN_SLOT(packet->src_qpn) > 0 && EMU_QPN_SLOT(packet->src_qpn) < EMU_SLOTS);
	FUZZ_CHECK(EMU_QPN_SLOT(packet->dst_qpn) > 0 && EMU_QPN_SLOT(packet->dst_qpn) < EMU_SLOTS);
	switch (packet->type) {
	case EMU_PACKET_DATAGRAM:
	case EMU_PACKET_SEND:
		FUZZ_CHECK(packet->offset == 0 && packet->length == packet->payload);
		break;
	case EMU_PACKET_WRITE:
	case EMU_PACKET_WRITE_IMM:
	case EMU_PACKET_RESPONSE:
		FUZZ_CHECK(end <= packet->length);
		break;
	case EMU_PACKET_READ:
	case EMU_PACKET_READ_FAILED:
	case EMU_PACKET_PROBE:
		FUZZ_CHECK(packet->payload == 0);
		break;
	case EMU_PACKET_ACK:
		break;
	default:
		FUZZ_CHECK(!"a type that is none");
	}
}

static void check_ack(const uint8_t *body, size_t size)
{
	struct emu_ack ack;
	uint32_t i, at;

	FUZZ_CHECK(size >= sizeof(ack));
	memcpy(&ack, body, sizeof(ack));
	FUZZ_CHECK(size == sizeof(ack) + 2u * ack.refusals);
	for (i = 0; i < ack.refusals; i++) {
		at = (ack.base + body[sizeof(ack) + 2 * i]) % EMU_WINDOW;
		FUZZ_CHECK(ack.arrived[at / 64] >> at % 64 & 1);
		FUZZ_CHECK(body[sizeof(ack) + 2 * i + 1]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emu_packet packet;
	bool valid = emu_packet_valid(data, size, false);

	if (emu_packet_valid(data, size, true))
		FUZZ_CHECK(valid);
	if (!valid)
		return 0;
	memcpy(&packet, data, sizeof(packet));
	check_sizes(&packet, size);
	if (packet.type == EMU_PACKET_ACK)
		check_ack(data + sizeof(packet), size - sizeof(packet));
	/* With the right sum it is valid there too, and with no other. */
	FUZZ_CHECK(emu_packet_valid(data, size, true) ==
		   (packet.check == emu_packet_sum(&packet, data + sizeof(packet))));
	return 0;
}
