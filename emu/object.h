/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs objects of a process. Each starts with the public struct that programs hold, so that a
 * pointer to one is a pointer to the other.
 *
 * Order of locks: nic->progress, qp->lock, cq->lock; nic->ah_lock, nic->mr_lock, channel->lock are
 * leaves.
 */
#ifndef EMU_OBJECT_H
#define EMU_OBJECT_H

#include <infiniband/efadv.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/abi.h"
#include "emu/shared.h"
#include "emu/util.h"

enum emu_status {
#define EMU_STATUS(id, code, verbs, meaning) EMU_STATUS_##id = (code),
#include "emu/status.def"
#undef EMU_STATUS
};

struct emu_qp;
struct emu_srd;

/* --- memory regions: mr.c ------------------------------------------------------------------ */

/* Keys: rkey = generation << 18 | index, lkey its low 24 bits (the device's descriptors have no
 * more). */
#define EMU_MR_BITS  18
#define EMU_MR_CHUNK 512

struct emu_mr_slot {
	_Atomic uint32_t users; /* copies under way; EMU_MR_CLOSED is added when it is not valid */
	uint32_t key;           /* rkey; kept when closed */
	uint64_t address, length; /* as the peer names it (iova) */
	uint64_t local;           /* where address lies in this process */
	uint32_t access;          /* enum ibv_access_flags */
	struct emu_pd *pd;
	uint32_t next_free;
};

#define EMU_MR_CLOSED 0x80000000u

/* --- one NIC as this process sees it: nic.c ------------------------------------------------ */

struct emu_nic {
	uint32_t host, index;
	struct emu_nic_shared *shared;
	const struct emu_model *model;
	struct emu_world *world;

	/* Held by the thread that takes packets in and runs timers; taken to unpublish a queue
	 * pair. */
	pthread_mutex_t progress;
	_Atomic(struct emu_qp *) qp[EMU_QPS];
	uint64_t qp_used[EMU_QPS / 64]; /* under progress, like the next two */
	uint32_t qp_count, qp_next;
	struct emu_qp
		*active; /* list of queue pairs with work under way; srd.c, under active_lock */
	pthread_spinlock_t active_lock;
	_Atomic uint64_t polled_at; /* emu_now() when a program last found no completion */
	_Atomic uint64_t wake_at;   /* earliest timer of them */

	pthread_mutex_t mr_lock;
	_Atomic(struct emu_mr_slot *) mr_chunk[(1 << EMU_MR_BITS) / EMU_MR_CHUNK];
	uint32_t mr_free, mr_count; /* free list: 1 + index; how many regions exist */
	uint32_t mr_made;           /* slots that have ever been in use */

	pthread_mutex_t ah_lock;
	struct emu_ah_entry *ah_entries; /* by number */
	uint32_t *ah_hash;               /* GID -> 1 + number, open addressing */
	uint32_t ah_count, ah_free, ah_size, ah_hash_size;
	_Atomic uint32_t ah_epoch; /* one more after each change */

	_Atomic uint32_t contexts, pds, cqs;
};

struct emu_context {
	struct verbs_context verbs; /* .context is what programs hold */
	struct emu_nic *nic;
	pthread_mutex_t async_lock;
	struct emu_async *async_first, **async_last; /* events not yet fetched */
	uint32_t async_count;
	struct emu_context *next;
	_Atomic uint32_t objects; /* that still refer to it, and 1 until it is closed */
};

struct emu_device {
	struct verbs_device_base {
		struct ibv_device device;
	} base;
	uint32_t index;
	_Atomic uint32_t references;
};

struct emu_pd {
	struct ibv_pd pd;
	struct emu_nic *nic;
	_Atomic uint32_t objects;
};

struct emu_mr {
	struct ibv_mr mr;
	struct emu_mr_slot *slot;
	uint32_t index;
};

struct emu_ah_entry {
	uint8_t gid[EMU_GID_BYTES];
	uint32_t references; /* 0: free */
	uint32_t next_free;
};

struct emu_ah {
	struct ibv_ah ah;
	uint8_t gid[EMU_GID_BYTES];
	uint16_t number;
};

/* --- completions: cq.c --------------------------------------------------------------------- */

#define EMU_AH_UNKNOWN 0xffffu

struct emu_cqe {
	uint64_t wr_id;
	struct emu_qp *qp;
	uint8_t status; /* enum emu_status */
	uint8_t opcode; /* enum ibv_wc_opcode */
	uint8_t flags;  /* enum ibv_wc_flags: IBV_WC_WITH_IMM, IBV_WC_GRH */
	bool unsolicited;
	bool receive; /* of the receive queue */
	bool solicited;
	bool given_back; /* its entry already: the queue is mapped, direct_cq.c */
	uint16_t ahn;    /* of the sender; EMU_AH_UNKNOWN */
	uint16_t slot;   /* index in the queue it completes: given back when polled; also the direct
			    req_id */
	uint32_t qpn, src_qpn, bytes, imm;
	uint8_t sgid[EMU_GID_BYTES]; /* valid with EMU_AH_UNKNOWN */
};

struct emu_channel {
	struct ibv_comp_channel
		channel; /* fd: reading end of a pipe of struct emu_abi_comp_event */
	int write_fd;
	pthread_mutex_t lock; /* of writing, and of taking events out again */
};

struct emu_direct_cq;
struct emu_direct_qp;

struct emu_cq {
	struct ibv_cq_ex ex; /* ibv_cq is its start */
	struct emu_abi_cq adv;
	struct emu_nic *nic;
	struct emu_context *context;
	struct emu_channel *channel;
	/* Held from start_poll to end_poll, above all other locks: programs post in between. */
	pthread_mutex_t poll_lock;
	bool single;             /* created for one thread: no poll_lock */
	pthread_spinlock_t lock; /* of what follows; only ever held for an entry or two */
	struct emu_cqe *entries;
	uint32_t size;          /* power of two */
	uint32_t head, tail;    /* next to write, next to take */
	struct emu_cqe current; /* between start_poll and end_poll */
	uint64_t wc_flags;
	bool armed;            /* by ibv_req_notify_cq() */
	uint32_t events;       /* put into the channel, under its lock */
	uint32_t async_events; /* fetched by ibv_get_async_event(), under ex.mutex */
	_Atomic uint32_t qps;  /* that refer to it */
	bool overflowed;
	uint32_t empty_polls;         /* one after the other; of the thread that polls */
	struct emu_direct_cq *direct; /* NULL: not mapped by efadv_query_cq */
};

/* --- queue pairs: qp.c --------------------------------------------------------------------- */

enum emu_wr_op {
	EMU_WR_SEND,
	EMU_WR_READ,
	EMU_WR_WRITE
};

#define EMU_INLINE_MAX 80

/* A request of the send queue, as programs post it. */
struct emu_wr {
	uint64_t wr_id;
	uint8_t op; /* enum emu_wr_op */
	bool has_imm, signaled, solicited, is_inline;
	bool addressed; /* dst_qpn, qkey, gid and ahn are set: wr.c */
	uint8_t sges;
	struct ibv_sge sge[2];
	uint32_t bytes; /* of all sge, or of the inline data */
	uint32_t imm;   /* network order, as given */
	uint32_t rkey;
	uint64_t address; /* remote */
	uint32_t dst_qpn, qkey;
	uint8_t gid[EMU_GID_BYTES]; /* of the address handle */
	uint16_t ahn;
	uint8_t data[EMU_INLINE_MAX];
};

struct emu_recv {
	uint64_t wr_id;
	uint8_t sges;
	uint16_t slot; /* direct: req_id of the descriptor */
	struct ibv_sge sge[3];
};

struct emu_qp {
	struct ibv_qp_ex ex; /* ibv_qp is its start (qp_base) */
	struct emu_nic *nic;
	struct emu_context *context;
	struct emu_pd *pd;
	struct emu_cq *send_cq, *recv_cq;
	bool srd; /* else UD */
	bool sig_all;
	bool unsolicited;  /* EFADV_QP_FLAGS_UNSOLICITED_WRITE_RECV */
	bool extended;     /* made with send_ops: ibv_qp_to_qp_ex() knows it */
	bool inline_write; /* EFADV_QP_FLAGS_INLINE_WRITE: 128-byte send descriptors */
	uint32_t index;    /* in nic->qp */
	uint32_t qkey;
	uint32_t sq_psn;   /* told, and of no effect */
	uint8_t rnr_retry; /* 0..6; 7: for ever */
	struct ibv_qp_cap cap;
	enum ibv_qp_state state; /* under lock */
	uint64_t send_ops;

	pthread_mutex_t lock;
	_Atomic uint32_t sq_used, rq_used; /* entries not yet given back by polling */
	struct emu_srd *engine;            /* srd.c's */
	struct emu_qp *next_active, **prev_active;

	/* ibv_wr_*: requests between wr_start and wr_complete, under build_lock */
	pthread_mutex_t build_lock;
	struct emu_wr *build;
	uint32_t built, build_size;
	int build_error;

	struct emu_abi_qp adv;
	struct emu_direct_qp *direct;
};

/* --- what they offer one another ----------------------------------------------------------- */

/* nic.c: the process's NICs. NULL: the world could not be opened (said). */
struct emu_nic *emu_nic_at(uint32_t index);
uint32_t emu_nic_count(void);

static inline void emu_count(struct emu_nic *nic, enum emu_counter counter, uint64_t n)
{
	atomic_fetch_add_explicit(&nic->shared->counters[counter], n, memory_order_relaxed);
}

/* A device command was carried out (0) or refused: submitted_cmds, completed_cmds, cmds_err.
 * Answers error. */
int emu_command(struct emu_nic *nic, int error);

/* Asynchronous event for all contexts of a NIC (port state), or with the queue concerned. */
void emu_async_port(struct emu_nic *nic, enum ibv_event_type type);
void emu_async_cq(struct emu_cq *cq);

/* mr.c: a region that stays valid until emu_mr_put(). key: an rkey, or (local true) an lkey. pd,
 * access (all bits needed), [address, address + length) are checked; *ret: where that lies in this
 * process. False: refused. */
bool emu_mr_hold(struct emu_nic *nic, uint32_t key, bool local, const struct emu_pd *pd,
		 uint32_t access, uint64_t address, uint64_t length, struct emu_mr_slot **slot,
		 void **ret);
void emu_mr_put(struct emu_mr_slot *slot);

/* ah.c: number of the handle for gid, or EMU_AH_UNKNOWN. */
uint16_t emu_ah_find(struct emu_nic *nic, const uint8_t gid[EMU_GID_BYTES]);

/* cq.c: adds a completion, tells the channel. Takes cq->lock. A full queue loses it and says so
 * (async event). */
void emu_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe);
/* Takes away all completions of qp. */
void emu_cq_purge(struct emu_cq *cq, const struct emu_qp *qp);

#endif
