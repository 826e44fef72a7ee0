/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/shared.h"
#include "emu/util.h"

struct whole {
	struct emu_packet packet;
	uint8_t payload[EMU_PAYLOAD_MAX];
};

static struct whole whole;

/* A good packet of a type that carries bytes of data. */
static void make(enum emu_packet_type type, uint16_t bytes)
{
	memset(&whole, 0, sizeof(whole));
	whole.packet = (struct emu_packet){
		.magic = EMU_PACKET_MAGIC,
		.version = EMU_PACKET_VERSION,
		.type = (uint8_t)type,
		.payload = bytes,
		.length = bytes,
		.src_qpn = EMU_QPN(1, 0),
		.dst_qpn = EMU_QPN(EMU_SLOTS - 1, EMU_QPS - 1),
		.flags = EMU_FLAG_IMM | EMU_FLAG_SOLICITED | EMU_FLAG_RETRANSMIT,
	};
	for (uint32_t i = 0; i < bytes; i++)
		whole.payload[i] = (uint8_t)(i * 7);
}

static bool valid_at(size_t bytes)
{
	bool unchecked = emu_packet_valid(&whole, bytes, false);

	whole.packet.check = emu_packet_sum(&whole.packet, whole.payload);
	assert_int_equal(emu_packet_valid(&whole, bytes, true), unchecked);
	whole.packet.check ^= 1;
	assert_false(emu_packet_valid(&whole, bytes, true));
	return unchecked;
}

static bool valid(void)
{
	return valid_at(sizeof(whole.packet) + whole.packet.payload);
}

static void test_good(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 7, 8, 31, 32, 33, 4096, EMU_PAYLOAD_MAX };
	static const enum emu_packet_type types[] = { EMU_PACKET_DATAGRAM, EMU_PACKET_SEND,
						      EMU_PACKET_WRITE, EMU_PACKET_WRITE_IMM,
						      EMU_PACKET_RESPONSE };
	size_t i, j;

	(void)state;
	for (i = 0; i < EMU_COUNT(types); i++) {
		for (j = 0; j < EMU_COUNT(sizes); j++) {
			make(types[i], sizes[j]);
			assert_true(valid());
		}
	}
	make(EMU_PACKET_PROBE, 0);
	assert_true(valid());
	make(EMU_PACKET_READ, 0);
	whole.packet.length = 1u << 30;
	assert_true(valid());
	make(EMU_PACKET_READ_FAILED, 0);
	assert_false(valid());
	whole.packet.status = 7;
	assert_true(valid());
}

static void test_header(void **state)
{
	int i;

	(void)state;
#define REFUSED(change)                                  \
	do {                                             \
		make(EMU_PACKET_SEND, 64);               \
		change;                                  \
		if (valid_at(sizeof(whole.packet) + 64)) \
			fail_msg("taken: " #change);     \
	} while (0)
	REFUSED(whole.packet.magic++);
	REFUSED(whole.packet.version++);
	REFUSED(whole.packet.type = 0);
	REFUSED(whole.packet.flags |= 8);
	REFUSED(whole.packet.flags |= 0x80);
	REFUSED(whole.packet.payload++);
	REFUSED(whole.packet.payload--);
	REFUSED(whole.packet.length++);
	REFUSED(whole.packet.length--);
	REFUSED(whole.packet.offset = 1);
	REFUSED(whole.packet.src_qpn = 0);
	REFUSED(whole.packet.src_qpn = EMU_QPS - 1);
	REFUSED(whole.packet.src_qpn = EMU_QPN(EMU_SLOTS, 0));
	REFUSED(whole.packet.dst_qpn = 5);
	REFUSED(whole.packet.dst_qpn = UINT32_MAX);
	for (i = EMU_PACKET_TYPES; i < 256; i++)
		REFUSED(whole.packet.type = (uint8_t)i);
#undef REFUSED
}

static void test_sizes(void **state)
{
	size_t bytes;

	(void)state;
	make(EMU_PACKET_SEND, 64);
	for (bytes = 0; bytes < sizeof(whole.packet) + 200; bytes++)
		assert_int_equal(emu_packet_valid(&whole, bytes, false),
				 bytes == sizeof(whole.packet) + 64);
	make(EMU_PACKET_WRITE, EMU_PAYLOAD_MAX);
	whole.packet.payload = whole.packet.length = EMU_PAYLOAD_MAX + 1;
	assert_false(emu_packet_valid(&whole, sizeof(whole) + 1, false));
}

/* Bytes outside of the message, also where sums wrap. */
static void test_offsets(void **state)
{
	static const enum emu_packet_type types[] = { EMU_PACKET_WRITE, EMU_PACKET_WRITE_IMM,
						      EMU_PACKET_RESPONSE };
	static const struct {
		uint32_t length, offset;
		bool good;
	} cases[] = {
		{ 100, 0, true },
		{ 200, 100, true },
		{ 200, 101, false },
		{ 99, 0, false },
		{ 100, 1, false },
		{ 100, UINT32_MAX, false },
		{ 100, UINT32_MAX - 99, false },
		{ UINT32_MAX, UINT32_MAX - 100, true },
		{ UINT32_MAX, UINT32_MAX - 99, false },
		{ 0, UINT32_MAX - 99, false },
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < EMU_COUNT(types); i++) {
		for (j = 0; j < EMU_COUNT(cases); j++) {
			make(types[i], 100);
			whole.packet.length = cases[j].length;
			whole.packet.offset = cases[j].offset;
			assert_int_equal(valid(), cases[j].good);
		}
	}
}

static void test_types(void **state)
{
	(void)state;
	make(EMU_PACKET_WRITE_IMM, 10);
	whole.packet.flags = 0;
	assert_false(valid());
	make(EMU_PACKET_PROBE, 1);
	assert_false(valid());
	make(EMU_PACKET_READ, 1);
	assert_false(valid());
	make(EMU_PACKET_READ_FAILED, 1);
	whole.packet.status = 7;
	assert_false(valid());
}

/* --- acknowledgements ---------------------------------------------------------------------- */

/* Arrived: all but the last; refused: every step-th from base. */
static void make_ack(uint32_t base, uint16_t refusals, uint32_t step)
{
	struct emu_ack ack = { .base = base, .refusals = refusals };
	uint8_t *refused = whole.payload + sizeof(ack);
	uint32_t i, at;

	for (i = 0; i < EMU_WINDOW - 1; i++) {
		at = (base + i) % EMU_WINDOW;
		ack.arrived[at / 64] |= 1ull << at % 64;
	}
	make(EMU_PACKET_ACK, (uint16_t)(sizeof(ack) + 2 * refusals));
	memcpy(whole.payload, &ack, sizeof(ack));
	for (i = 0; i < refusals; i++) {
		refused[2 * i] = (uint8_t)(i * step);
		refused[2 * i + 1] = 9;
	}
}

static void test_acks(void **state)
{
	(void)state;
	make_ack(0, 0, 1);
	assert_true(valid());
	make_ack(UINT32_MAX - 5, 0, 1);
	assert_true(valid());
	make_ack(77, 255, 1);
	assert_true(valid());
	make_ack(UINT32_MAX - 5, 85, 3);
	assert_true(valid());
	/* Refused, but not arrived. */
	make_ack(77, 256, 1);
	assert_false(valid());
	/* The same one twice. */
	make_ack(77, 2, 0);
	assert_false(valid());
	make_ack(77, 3, 1);
	whole.payload[sizeof(struct emu_ack) + 1] = 0; /* no status */
	assert_false(valid());
	/* Sizes that do not fit the count. */
	make_ack(77, 3, 1);
	whole.packet.payload += 2;
	assert_false(valid());
	make_ack(77, 3, 1);
	whole.packet.payload--;
	assert_false(valid());
	make_ack(77, 3, 1);
	whole.packet.payload = sizeof(struct emu_ack) - 1;
	assert_false(valid());
	make_ack(77, 3, 1);
	whole.payload[offsetof(struct emu_ack, refusals) + 1] = 1; /* 259 */
	whole.packet.payload = sizeof(struct emu_ack) + 2 * 259;
	assert_false(valid());
	make_ack(77, 3, 1);
	whole.payload[offsetof(struct emu_ack, reserved)] = 1;
	assert_false(valid());
}

/* --- sum ----------------------------------------------------------------------------------- */

/* Any one bit of header or payload changes it; so do a swap of words and an end cut off. */
static void test_sum(void **state)
{
	uint8_t *bytes = (uint8_t *)&whole;
	uint32_t sum, i, size = sizeof(whole.packet) + 200;

	(void)state;
	make(EMU_PACKET_SEND, 200);
	sum = emu_packet_sum(&whole.packet, whole.payload);
	for (i = 0; i < 8 * size; i++) {
		if (i / 8 >= offsetof(struct emu_packet, payload) &&
		    i / 8 < offsetof(struct emu_packet, src_gid))
			continue; /* the size: below */
		bytes[i / 8] ^= 1u << i % 8;
		if (i / 8 >= offsetof(struct emu_packet, check) && i / 8 < sizeof(whole.packet))
			assert_int_equal(emu_packet_sum(&whole.packet, whole.payload), sum);
		else
			assert_int_not_equal(emu_packet_sum(&whole.packet, whole.payload), sum);
		bytes[i / 8] ^= 1u << i % 8;
	}
	for (i = 0; i < 200; i++) {
		whole.packet.payload = (uint16_t)i;
		assert_int_not_equal(emu_packet_sum(&whole.packet, whole.payload), sum);
	}
	whole.packet.payload = 200;
	memcpy(whole.payload, whole.payload + 16, 8);
	assert_int_not_equal(emu_packet_sum(&whole.packet, whole.payload), sum);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Sums of packets that differ little: as many equal ones as chance has it (of 2^15, 1/8 pair). */
static void test_sum_spread(void **state)
{
	static uint32_t sums[1 << 15];
	unsigned int i, equal = 0;

	(void)state;
	make(EMU_PACKET_WRITE, EMU_PAYLOAD_MAX);
	memset(whole.payload, 0, sizeof(whole.payload));
	for (i = 0; i < EMU_COUNT(sums); i++) {
		whole.packet.seq = i;
		whole.payload[8000] = (uint8_t)i;
		sums[i] = emu_packet_sum(&whole.packet, whole.payload);
	}
	qsort(sums, EMU_COUNT(sums), sizeof(sums[0]), compare);
	for (i = 1; i < EMU_COUNT(sums); i++)
		equal += sums[i] == sums[i - 1];
	assert_in_range(equal, 0, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_header),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_types), cmocka_unit_test(test_acks),
		cmocka_unit_test(test_sum),   cmocka_unit_test(test_sum_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
