/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels between queue pairs, the same over rings and UDP: a header of fixed size, then at
 * most one MTU of data (or the body of an ACK). Little-endian.
 */
#ifndef EMU_PACKET_H
#define EMU_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMU_PACKET_MAGIC   0xefa5u
#define EMU_PACKET_VERSION 1u
#define EMU_PAYLOAD_MAX    8960u

enum emu_packet_type {
	EMU_PACKET_DATAGRAM = 1, /* UD: no sequence number, no answer */
	EMU_PACKET_SEND,         /* one whole message */
	EMU_PACKET_WRITE,        /* bytes of an RDMA write at address + offset */
	EMU_PACKET_WRITE_IMM,    /* ends a write with immediate: all its bytes have been placed */
	EMU_PACKET_READ,         /* asks for length bytes at address */
	EMU_PACKET_RESPONSE,     /* bytes of a read at offset */
	EMU_PACKET_READ_FAILED,  /* instead of the rest of the responses; status */
	EMU_PACKET_PROBE, /* nothing: is the other side there? Also stands for an abandoned number
			   */
	EMU_PACKET_ACK,   /* of packets the other way; body struct emu_ack */
	EMU_PACKET_TYPES
};

enum emu_packet_flag {
	EMU_FLAG_IMM = 1,       /* imm is valid */
	EMU_FLAG_SOLICITED = 2, /* wakes solicited-only listeners */
	EMU_FLAG_RETRANSMIT = 4,
};

struct emu_packet {
	uint16_t magic;
	uint8_t version;
	uint8_t type;
	uint8_t flags;
	uint8_t status;   /* READ_FAILED */
	uint16_t payload; /* bytes after the header */
	uint8_t src_gid[16];
	uint8_t dst_gid[16];
	uint32_t src_qpn;
	uint32_t dst_qpn;
	uint32_t qkey;
	uint32_t flow; /* random, per sending queue pair and destination: a new one starts at any
			  seq */
	uint32_t seq;
	uint32_t una;     /* oldest sequence number of the flow that the sender has no answer for */
	uint32_t message; /* the sender's (READ, RESPONSE: the reader's) name of the message */
	uint32_t imm;
	uint32_t rkey;
	uint32_t length; /* of the whole message */
	uint32_t offset;
	uint32_t incarnation; /* of the sending process: another number is another process */
	uint64_t address;     /* at the target */
	uint32_t attempt;     /* 0 first */
	uint32_t check;       /* of header and payload, over UDP; 0 over rings */
};

/* Sequence numbers a flow may have under way. */
#define EMU_WINDOW 256u

/* Body of an ACK: which of base .. base + EMU_WINDOW - 1 have arrived (bit seq % EMU_WINDOW), and
 * which of those were refused. flow, in the header, is that of the acknowledged packets. */
struct emu_ack {
	uint32_t base;
	uint16_t refusals; /* entries of refused */
	uint16_t reserved;
	uint64_t arrived[EMU_WINDOW / 64];
	struct {
		uint8_t distance; /* from base */
		uint8_t status;   /* enum of status.def */
	} refused[];
};

/* Checks what came from outside: magic, version, type, sizes, the body of an ACK, the sum. bytes:
 * of the whole packet. False: to be dropped. Nothing else may read a packet from UDP before. */
bool emu_packet_valid(const void *packet, size_t bytes, bool checked);

/* Sum over header (check as 0) and payload. */
uint32_t emu_packet_sum(const struct emu_packet *packet, const void *payload);

#endif
