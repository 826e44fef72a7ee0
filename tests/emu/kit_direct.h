/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's side of queues that it drives itself: asks for them with efadv_query_qp_wqs() and
 * efadv_query_cq() and from then on only stores and loads. Layouts by offset, as rdma-core
 * providers/efa/efa_io_defs.h and efa_io_regs_defs.h give them.
 */
#ifndef KIT_DIRECT_H
#define KIT_DIRECT_H

#include "kit.h"

struct kit_wq_attr {
	uint64_t comp_mask;
	uint8_t *buffer;
	uint32_t entry_size;
	uint32_t num_entries;
	uint32_t *doorbell;
	uint32_t max_batch;
	uint16_t caps;
	uint8_t reserved[2];
};

struct kit_cq_attr {
	uint64_t comp_mask;
	uint8_t *buffer;
	uint32_t entry_size;
	uint32_t num_entries;
	uint32_t *doorbell;
};

#define KIT_WQ_64_BIT_REQ_ID 1u

/* The calls; errno. */
int kit_query_wqs(struct ibv_qp *qp, struct kit_wq_attr *sq, struct kit_wq_attr *rq,
		  uint32_t inlen);
int kit_query_cq(struct ibv_cq *cq, struct kit_cq_attr *attr, uint32_t inlen);

/* The queues of a kit_ep that has one completion queue, its own. */
struct kit_direct {
	struct kit_ep *ep;
	struct kit_wq_attr sq, rq;
	struct kit_cq_attr cq;
	uint32_t sq_posted, rq_posted; /* descriptors */
	uint32_t consumed;             /* completions */
	uint32_t command;              /* number of the next command to the doorbell of cq */
};

void kit_direct_open(struct kit_direct *direct, struct kit_ep *ep);

enum {
	KIT_WQE_MAX = 128
};

/* As kit_post() builds it; wr->id is the request id. */
void kit_wqe(const struct kit_direct *direct, const struct kit_wr *wr, uint8_t wqe[KIT_WQE_MAX]);
/* Puts it (with the phase) into the ring; kit_direct_bell() lets the device know. */
void kit_direct_put(struct kit_direct *direct, uint8_t wqe[KIT_WQE_MAX]);
void kit_direct_bell(struct kit_direct *direct);
void kit_direct_post(struct kit_direct *direct, const struct kit_wr *wr); /* all three */

void kit_direct_recv(struct kit_direct *direct, uint16_t id, const struct ibv_sge *sge,
		     uint32_t sges);
void kit_direct_recv_bell(struct kit_direct *direct);

/* A completion. */
struct kit_cqe {
	uint64_t id; /* sends: all 64 bits */
	uint8_t status, op;
	bool receive, imm, unsolicited;
	uint16_t qpn, ah, src_qpn;
	uint32_t bytes, imm_data; /* imm_data in host order */
	uint8_t src_addr[16];
};

bool kit_direct_poll(struct kit_direct *direct, struct kit_cqe *cqe);
void kit_direct_wait(struct kit_direct *direct, struct kit_cqe *cqe);
/* The next one is this send's, with this status. */
void kit_direct_ended(struct kit_direct *direct, uint64_t id, uint8_t status);

/* Doorbell of the completion queue: how much was read; or also: tell me of the next one. */
void kit_direct_read(struct kit_direct *direct);
void kit_direct_arm(struct kit_direct *direct);
/* Sleeps until the channel has an event (fails past KIT_LIMIT_S), takes it by read(2). */
void kit_direct_event(struct kit_direct *direct);
bool kit_direct_has_event(const struct kit_direct *direct);

/* --- one of two processes that talk through such queues ------------------------------------ */

struct kit_hello {
	struct kit_address address;
	uint32_t rkey;
	uint64_t memory;
};

struct kit_side {
	struct kit_peer *peer;
	struct kit_nic nic;
	struct kit_ep ep;
	struct kit_direct direct;
	struct kit_area area;
	struct kit_hello there; /* of the other process */
	struct ibv_ah *ah;
	struct ibv_comp_channel *channel;
};

enum kit_side_flag {
	KIT_SIDE_AH = 1,      /* an address handle for the other side */
	KIT_SIDE_CHANNEL = 2, /* a completion channel */
};

/* Both sides call it, and meet. */
void kit_side_open(struct kit_side *side, struct kit_peer *peer,
		   const struct kit_ep_options *options, size_t bytes, int flags);
void kit_side_close(struct kit_side *side);

/* A request for [offset, offset + size) here and, RDMA, there. */
struct kit_wr kit_side_wr(const struct kit_side *side, enum kit_op op, uint64_t id, size_t offset,
			  size_t size);
/* The processes are about to tell one another that memory was read or written: RDMA is done by the
 * device's thread, and a thread sanitizer sees no order in what goes through a socket. */
void kit_side_settle(const struct kit_side *side);

void kit_side_recv(struct kit_side *side, uint16_t id, size_t offset, size_t size);

#endif
