/* SPDX-License-Identifier: Apache-2.0 */
/* What may arrive and what not: bytes from a socket are whatever anybody sent. */
#include "emu/packet.h"

#include <string.h>

#include "emu/shared.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packets are little-endian structs");
_Static_assert(sizeof(struct emu_packet) == 104, "no padding on the wire");
_Static_assert(sizeof(struct emu_packet) + EMU_PAYLOAD_MAX <= EMU_BIG_BYTES,
	       "a packet fits into a cell");

#define FLAGS (EMU_FLAG_IMM | EMU_FLAG_SOLICITED | EMU_FLAG_RETRANSMIT)

/* --- sum ----------------------------------------------------------------------------------- */

#define KEY_A 0x9f6e1d2b4c8a3577ull
#define KEY_B 0xd1342543de82ef95ull

/* Both halves of the product: each bit of a and b reaches most bits of the result. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t word_at(const unsigned char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Two chains, so that multiplications overlap. The state is added after each product: a factor of 0
 * does not wipe out what came before. */
static uint64_t sum_bytes(uint64_t state, const unsigned char *bytes, size_t n)
{
	uint64_t other = state ^ KEY_B, tail[4] = { 0 };
	size_t left;

	for (left = n; left >= 32; left -= 32, bytes += 32) {
		state = fold(state ^ word_at(bytes), word_at(bytes + 8) ^ KEY_A) + state * KEY_B;
		other = fold(other ^ word_at(bytes + 16), word_at(bytes + 24) ^ KEY_B) +
			other * KEY_A;
	}
	if (left) {
		memcpy(tail, bytes, left);
		state = fold(state ^ tail[0], tail[1] ^ KEY_A) + state * KEY_B;
		other = fold(other ^ tail[2], tail[3] ^ KEY_B) + other * KEY_A;
	}
	return fold(state ^ KEY_A, other ^ n ^ KEY_B);
}

uint32_t emu_packet_sum(const struct emu_packet *packet, const void *payload)
{
	struct emu_packet header = *packet;
	uint64_t sum;

	header.check = 0;
	sum = sum_bytes(KEY_A, (const unsigned char *)&header, sizeof(header));
	sum = sum_bytes(sum, payload, header.payload);
	return (uint32_t)(sum ^ sum >> 32);
}

/* --- validity ------------------------------------------------------------------------------ */

static bool queue_pair(uint32_t qpn)
{
	return EMU_QPN_SLOT(qpn) > 0 && EMU_QPN_SLOT(qpn) < EMU_SLOTS;
}

/* The body is what its own count says, and names only packets that have arrived, each once. */
static bool ack_valid(const struct emu_packet *packet, const unsigned char *body)
{
	uint64_t seen[EMU_WINDOW / 64] = { 0 }, bit;
	struct emu_ack ack;
	uint32_t i, at;

	if (packet->payload < sizeof(ack))
		return false;
	memcpy(&ack, body, sizeof(ack));
	if (ack.refusals > EMU_WINDOW || ack.reserved ||
	    packet->payload != sizeof(ack) + ack.refusals * sizeof(ack.refused[0]))
		return false;
	for (i = 0; i < ack.refusals; i++) {
		const unsigned char *refused = body + sizeof(ack) + i * sizeof(ack.refused[0]);

		at = (ack.base + refused[0]) % EMU_WINDOW;
		bit = 1ull << at % 64;
		if (!refused[1] || !(ack.arrived[at / 64] & bit) || seen[at / 64] & bit)
			return false;
		seen[at / 64] |= bit;
	}
	return true;
}

static bool type_valid(const struct emu_packet *packet, const unsigned char *body)
{
	bool inside = packet->offset <= packet->length &&
		      packet->payload <= packet->length - packet->offset;

	switch (packet->type) {
	case EMU_PACKET_DATAGRAM:
	case EMU_PACKET_SEND:
		return !packet->offset && packet->payload == packet->length;
	case EMU_PACKET_WRITE:
	case EMU_PACKET_RESPONSE:
		return inside;
	case EMU_PACKET_WRITE_IMM:
		return inside && packet->flags & EMU_FLAG_IMM;
	case EMU_PACKET_READ:
	case EMU_PACKET_PROBE:
		return !packet->payload;
	case EMU_PACKET_READ_FAILED:
		return !packet->payload && packet->status;
	case EMU_PACKET_ACK:
		return ack_valid(packet, body);
	default:
		return false;
	}
}

bool emu_packet_valid(const void *packet, size_t bytes, bool checked)
{
	const unsigned char *body = (const unsigned char *)packet + sizeof(struct emu_packet);
	struct emu_packet header;

	if (bytes < sizeof(header) || bytes > sizeof(header) + EMU_PAYLOAD_MAX)
		return false;
	memcpy(&header, packet, sizeof(header));
	if (header.magic != EMU_PACKET_MAGIC || header.version != EMU_PACKET_VERSION ||
	    header.flags & ~FLAGS || bytes != sizeof(header) + header.payload)
		return false;
	if (!queue_pair(header.src_qpn) || !queue_pair(header.dst_qpn) ||
	    !type_valid(&header, body))
		return false;
	return !checked || header.check == emu_packet_sum(&header, body);
}
