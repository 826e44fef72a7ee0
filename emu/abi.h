/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What <infiniband/efadv.h> of rdma-core 44 lacks and later versions have: structs that programs
 * built with those fill in or read, and their bits. Layouts: rdma-core providers/efa/efadv.h and
 * libibverbs/verbs.h; the names are ours, so that headers of any version can be included as well.
 *
 * Each struct only ever grows at its end; a program says with inlen how much of it it knows.
 */
#ifndef EMU_ABI_H
#define EMU_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of a struct up to and with field was known to a program that says inlen. */
#define EMU_KNOWN(type, field, inlen) ((inlen) > offsetof(type, field))

/* --- efadv_query_device() ------------------------------------------------------------------ */

enum emu_abi_device_caps {
	EMU_CAP_RDMA_READ = 1 << 0,
	EMU_CAP_RNR_RETRY = 1 << 1,
	EMU_CAP_CQ_WITH_SGID = 1 << 2,
	EMU_CAP_RDMA_WRITE = 1 << 3,
	EMU_CAP_UNSOLICITED_WRITE_RECV = 1 << 4,
	EMU_CAP_CQ_WITH_EXT_MEM_DMABUF = 1 << 5,
	EMU_CAP_COMP_CNTR = 1 << 6,
};

struct emu_abi_device_attr {
	uint64_t comp_mask;
	uint32_t max_sq_wr;
	uint32_t max_rq_wr;
	uint16_t max_sq_sge;
	uint16_t max_rq_sge;
	uint16_t inline_buf_size;
	uint16_t inline_buf_size_ex; /* reserved before rdma-core 56 */
	uint32_t device_caps;
	uint32_t max_rdma_size;
};

struct emu_abi_ah_attr {
	uint64_t comp_mask;
	uint16_t ahn;
	uint8_t reserved[6];
};

enum emu_abi_mr_validity {
	EMU_MR_RECV_IC_ID = 1 << 0,
	EMU_MR_RDMA_READ_IC_ID = 1 << 1,
	EMU_MR_RDMA_RECV_IC_ID = 1 << 2,
};

struct emu_abi_mr_attr {
	uint64_t comp_mask;
	uint16_t ic_id_validity;
	uint16_t recv_ic_id;
	uint16_t rdma_read_ic_id;
	uint16_t rdma_recv_ic_id;
};

enum {
	EMU_SQ_DEPTH_INLINE_WRITE = 1 << 0,
};

struct emu_abi_sq_depth_attr {
	uint64_t comp_mask;
	uint32_t flags;
	uint32_t max_send_sge;
	uint32_t max_rdma_sge;
	uint32_t max_inline_data;
};

struct emu_abi_rq_depth_attr {
	uint64_t comp_mask;
	uint32_t max_recv_sge;
};

/* --- completion queues --------------------------------------------------------------------- */

enum {
	EMU_WC_WITH_SGID = 1 << 0,
	EMU_WC_WITH_IS_UNSOLICITED = 1 << 1,
};

enum {
	EMU_CQ_EXT_MEM_DMABUF = 1 << 0,
};

struct emu_abi_cq_init_attr {
	uint64_t comp_mask;
	uint64_t wc_flags;
	uint64_t flags;
	struct {
		uint8_t *buffer;
		uint64_t length;
		uint64_t offset;
		int32_t fd;
		uint8_t reserved[4];
	} ext_mem_dmabuf;
};

struct emu_abi_cq_attr {
	uint64_t comp_mask;
	uint8_t *buffer;
	uint32_t entry_size;
	uint32_t num_entries;
	uint32_t *doorbell;
};

struct efadv_cq;
union ibv_gid;

/* struct efadv_cq: what efadv_cq_from_ibv_cq_ex() answers. */
struct emu_abi_cq {
	uint64_t comp_mask;
	int (*wc_read_sgid)(struct efadv_cq *cq, union ibv_gid *sgid);
	bool (*wc_is_unsolicited)(struct efadv_cq *cq);
};

/* An event as it is read from the file descriptor of a completion channel: the queue it is of. */
struct emu_abi_comp_event {
	uint64_t cq_handle;
};

/* --- queue pairs --------------------------------------------------------------------------- */

enum {
	EMU_QP_UNSOLICITED_WRITE_RECV = 1 << 0,
	EMU_QP_INLINE_WRITE = 1 << 1,
};

enum {
	EMU_WR_EX_WITH_PROCESSING_HINTS = 1 << 0,
};

struct emu_abi_qp_init_attr {
	uint64_t comp_mask;
	uint32_t driver_qp_type;
	uint16_t flags; /* these, sl and reserved: reserved in rdma-core 44 */
	uint8_t sl;
	uint8_t reserved;
	uint64_t wr_flags;
};

enum {
	EMU_WQ_64_BIT_REQ_ID = 1 << 0,
};

struct emu_abi_wq_attr {
	uint64_t comp_mask;
	uint8_t *buffer;
	uint32_t entry_size;
	uint32_t num_entries;
	uint32_t *doorbell;
	uint32_t max_batch;
	uint16_t caps;
	uint8_t reserved[2];
};

struct efadv_qp;

/* struct efadv_qp: what efadv_qp_from_ibv_qp_ex() answers. */
struct emu_abi_qp {
	uint64_t comp_mask;
	void (*wr_set_processing_hints)(struct efadv_qp *qp, uint32_t hints);
};

/* ibv_query_qp_data_in_order(): rdma-core 44 knows no flags, and 0 asks for the whole message. */
enum {
	EMU_DATA_IN_ORDER_RETURN_CAPS = 1 << 0,
	EMU_DATA_IN_ORDER_DEVICE_ONLY = 1 << 1,
};

enum {
	EMU_DATA_IN_ORDER_WHOLE_MSG = 1 << 0,
	EMU_DATA_IN_ORDER_ALIGNED_128_BYTES = 1 << 1,
};

/* --- completion counters ------------------------------------------------------------------- */

struct emu_abi_comp_cntr_caps {
	uint64_t max_value;
	uint32_t max_counters;
	uint32_t supported_qp_attach_ops;
};

/* --- layouts, on 64-bit machines ----------------------------------------------------------- */

#define EMU_LAYOUT_AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define EMU_LAYOUT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

EMU_LAYOUT_AT(emu_abi_device_attr, max_sq_sge, 16);
EMU_LAYOUT_AT(emu_abi_device_attr, inline_buf_size_ex, 22);
EMU_LAYOUT_AT(emu_abi_device_attr, device_caps, 24);
EMU_LAYOUT_SIZE(emu_abi_device_attr, 32);
EMU_LAYOUT_SIZE(emu_abi_ah_attr, 16);
EMU_LAYOUT_AT(emu_abi_mr_attr, rdma_recv_ic_id, 14);
EMU_LAYOUT_SIZE(emu_abi_mr_attr, 16);
EMU_LAYOUT_AT(emu_abi_sq_depth_attr, max_inline_data, 20);
EMU_LAYOUT_SIZE(emu_abi_sq_depth_attr, 24);
EMU_LAYOUT_AT(emu_abi_rq_depth_attr, max_recv_sge, 8);
EMU_LAYOUT_SIZE(emu_abi_rq_depth_attr, 16);
EMU_LAYOUT_AT(emu_abi_cq_init_attr, ext_mem_dmabuf, 24);
EMU_LAYOUT_AT(emu_abi_cq_init_attr, ext_mem_dmabuf.fd, 48);
EMU_LAYOUT_SIZE(emu_abi_cq_init_attr, 56);
EMU_LAYOUT_AT(emu_abi_cq_attr, num_entries, 20);
EMU_LAYOUT_AT(emu_abi_cq_attr, doorbell, 24);
EMU_LAYOUT_SIZE(emu_abi_cq_attr, 32);
EMU_LAYOUT_AT(emu_abi_cq, wc_is_unsolicited, 16);
EMU_LAYOUT_SIZE(emu_abi_comp_event, 8);
EMU_LAYOUT_AT(emu_abi_qp_init_attr, flags, 12);
EMU_LAYOUT_AT(emu_abi_qp_init_attr, reserved, 15);
EMU_LAYOUT_AT(emu_abi_qp_init_attr, wr_flags, 16);
EMU_LAYOUT_SIZE(emu_abi_qp_init_attr, 24);
EMU_LAYOUT_AT(emu_abi_wq_attr, doorbell, 24);
EMU_LAYOUT_AT(emu_abi_wq_attr, max_batch, 32);
EMU_LAYOUT_AT(emu_abi_wq_attr, reserved, 38);
EMU_LAYOUT_SIZE(emu_abi_wq_attr, 40);
EMU_LAYOUT_AT(emu_abi_qp, wr_set_processing_hints, 8);
EMU_LAYOUT_SIZE(emu_abi_comp_cntr_caps, 16);

#endif
