/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's descriptors as they lie in the rings, little-endian. Layouts and bits: rdma-core
 * providers/efa/efa_io_defs.h and efa_io_regs_defs.h.
 */
#ifndef EMU_DESCRIPTOR_H
#define EMU_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>

enum emu_desc_op {
	EMU_DESC_SEND = 0,
	EMU_DESC_READ = 1,
	EMU_DESC_WRITE = 2,
};

enum emu_desc_queue {
	EMU_DESC_SQ = 1,
	EMU_DESC_RQ = 2,
};

/* emu_desc_meta.ctrl1 */
#define EMU_META_OP        0x0fu
#define EMU_META_HAS_IMM   0x10u
#define EMU_META_INLINE    0x20u
#define EMU_META_EXTENSION 0x40u /* must be zero */
#define EMU_META_DESC      0x80u /* must be set */

/* emu_desc_meta.ctrl2 */
#define EMU_META_PHASE    0x01u /* changes each time round, 0 first */
#define EMU_META_FIRST    0x04u /* must be set */
#define EMU_META_LAST     0x08u /* must be set */
#define EMU_META_COMP_REQ 0x10u
#define EMU_META_ZERO     0xe2u /* must be zero */

struct emu_desc_meta {
	uint16_t req_id;
	uint8_t ctrl1, ctrl2;
	uint16_t dest_qp_num;
	uint16_t length; /* inline: bytes, else how many buffers */
	uint32_t immediate_data;
	uint16_t ah;
	uint8_t ctrl3; /* processing hints */
	uint8_t reserved;
	uint32_t qkey;
	uint8_t reserved2[6];
	uint16_t req_id_ex[3]; /* bits 16..63 of a 64-bit request id */
};

#define EMU_DESC_LKEY 0x00ffffffu

struct emu_desc_buf {
	uint32_t length;
	uint32_t key; /* lkey: 24 bits; rkey: all */
	uint32_t addr_lo, addr_hi;
};

struct emu_desc_rdma {
	struct emu_desc_buf remote;
	union {
		struct emu_desc_buf local[1];
		uint8_t inline_data[80]; /* 128-byte descriptors only */
	};
};

#define EMU_WQE_BYTES      64u
#define EMU_WQE_WIDE_BYTES 128u

/* Programs write EMU_WQE_BYTES or EMU_WQE_WIDE_BYTES of it. */
struct emu_desc_wqe {
	struct emu_desc_meta meta;
	union {
		struct emu_desc_buf sgl[2];
		uint8_t inline_data[80]; /* 64-byte descriptors: the first 32 */
		struct emu_desc_rdma rdma;
	};
};

/* emu_desc_rx.lkey_ctrl: key in EMU_DESC_LKEY */
#define EMU_RX_FIRST 0x40000000u
#define EMU_RX_LAST  0x80000000u

struct emu_desc_rx {
	uint32_t addr_lo, addr_hi;
	uint16_t req_id;
	uint16_t length;
	uint32_t lkey_ctrl;
};

/* emu_desc_cqe.flags */
#define EMU_CQE_PHASE       0x01u /* 1 the first time round */
#define EMU_CQE_QUEUE_SHIFT 1
#define EMU_CQE_QUEUE       0x06u
#define EMU_CQE_HAS_IMM     0x08u
#define EMU_CQE_OP_SHIFT    4
#define EMU_CQE_OP          0x70u
#define EMU_CQE_UNSOLICITED 0x80u

/* A completion; the union is read by q_type. 32 bytes, of which a send uses the first 16. */
struct emu_desc_cqe {
	uint16_t req_id;
	uint8_t status;
	uint8_t flags;
	uint16_t qp_num;
	union {
		uint16_t req_id_ex[3]; /* send */
		struct {
			uint16_t length; /* low 16 bits */
			uint16_t ah;     /* 0xffff: unknown */
			uint16_t src_qp_num;
		} rx;
	};
	uint32_t imm; /* receive */
	union {
		uint16_t length_hi;   /* receive of a write with immediate */
		uint8_t src_addr[16]; /* receive, of a queue with SGID, where ah is unknown */
	};
};

/* Doorbell of a completion queue. */
#define EMU_CQ_DB_CONSUMER     0x0000ffffu
#define EMU_CQ_DB_CMD_SN_SHIFT 29
#define EMU_CQ_DB_CMD_SN       0x60000000u
#define EMU_CQ_DB_ARM          0x80000000u

_Static_assert(sizeof(struct emu_desc_meta) == 32, "layout");
_Static_assert(sizeof(struct emu_desc_buf) == 16, "layout");
_Static_assert(sizeof(struct emu_desc_wqe) == EMU_WQE_WIDE_BYTES, "layout");
_Static_assert(sizeof(struct emu_desc_rx) == 16, "layout");
_Static_assert(sizeof(struct emu_desc_cqe) == 32, "layout");
_Static_assert(offsetof(struct emu_desc_meta, qkey) == 16, "layout");
_Static_assert(offsetof(struct emu_desc_meta, req_id_ex) == 26, "layout");
_Static_assert(offsetof(struct emu_desc_cqe, imm) == 12, "layout");

#endif
