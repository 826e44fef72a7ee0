/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu/descriptor.h"
#include "emu/direct.h"

/* What the doorbell holds before the program's first store: bits that no store sets. */
#define NEVER_STORED (~(EMU_CQ_DB_ARM | EMU_CQ_DB_CMD_SN | EMU_CQ_DB_CONSUMER))

#define TOLD_NONE    UINT32_MAX

struct emu_direct_cq {
	struct emu_desc_cqe *ring;
	uint32_t entries;           /* power of two */
	uint32_t written;           /* completions since the start; under cq->lock */
	_Atomic uint32_t *doorbell; /* NULL: no channel */
	uint32_t told;              /* command number for which there was an event */
	void *memory;
	size_t bytes;
};

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static struct emu_direct_cq *direct_new(const struct emu_cq *cq)
{
	size_t ring = cq->size * sizeof(struct emu_desc_cqe);
	struct emu_direct_cq *direct = calloc(1, sizeof(*direct));

	if (!direct)
		return NULL;
	ring = (ring + EMU_PAGE - 1) & ~(EMU_PAGE - 1);
	direct->bytes = ring + EMU_PAGE;
	direct->memory = mmap(NULL, direct->bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (direct->memory == MAP_FAILED) {
		free(direct);
		return NULL;
	}
	direct->ring = direct->memory;
	direct->entries = cq->size;
	direct->told = TOLD_NONE;
	if (cq->channel) {
		direct->doorbell = (_Atomic uint32_t *)(void *)((char *)direct->memory + ring);
		atomic_store(direct->doorbell, NEVER_STORED);
	}
	return direct;
}

static void direct_delete(struct emu_direct_cq *direct)
{
	munmap(direct->memory, direct->bytes);
	free(direct);
}

/* The first call for a queue with a channel: later emu_direct_cq_push() relies on the barrier. */
static int check_able(const struct emu_cq *cq)
{
	if (!cq->nic->model->direct)
		return EOPNOTSUPP;
	if (!cq->channel || !membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
		return 0;
	emu_warn_once("efadv_query_cq: membarrier(2) does not work here (%s), so queues with a"
		      " completion channel cannot be mapped",
		      strerror(errno));
	return EOPNOTSUPP;
}

/* Completions that nobody has polled. Each is kept again in the place behind the last. */
static void move(struct emu_cq *cq)
{
	for (uint32_t count = cq->head - cq->tail; count; count--) {
		struct emu_cqe cqe = cq->entries[cq->tail++ & (cq->size - 1)];

		emu_direct_cq_push(cq, &cqe);
	}
}

int emu_direct_cq(struct emu_cq *cq, struct emu_direct_queue *ret)
{
	struct emu_direct_cq *direct, *spare;
	int error = check_able(cq);

	if (error)
		return error;
	spare = direct_new(cq);
	if (!spare)
		return ENOMEM;
	pthread_spin_lock(&cq->lock);
	if (!cq->direct) {
		cq->direct = spare;
		spare = NULL;
		move(cq);
	}
	direct = cq->direct;
	pthread_spin_unlock(&cq->lock);
	if (spare)
		direct_delete(spare);
	*ret = (struct emu_direct_queue){
		.buffer = (uint8_t *)direct->ring,
		.entry_size = sizeof(struct emu_desc_cqe),
		.entries = direct->entries,
		.doorbell = (uint32_t *)direct->doorbell,
	};
	return 0;
}

void emu_direct_cq_free(struct emu_cq *cq)
{
	if (cq->direct)
		direct_delete(cq->direct);
	cq->direct = NULL;
}

static uint8_t cqe_op(const struct emu_cqe *cqe)
{
	switch (cqe->opcode) {
	case IBV_WC_RDMA_READ:
		return EMU_DESC_READ;
	case IBV_WC_RDMA_WRITE:
	case IBV_WC_RECV_RDMA_WITH_IMM:
		return EMU_DESC_WRITE;
	default:
		return EMU_DESC_SEND;
	}
}

/* All but the phase. */
static void describe(const struct emu_cq *cq, const struct emu_cqe *cqe, struct emu_desc_cqe *desc)
{
	uint8_t op = cqe_op(cqe);

	memset(desc, 0, sizeof(*desc));
	desc->req_id = (uint16_t)cqe->wr_id;
	desc->status = cqe->status;
	desc->flags = (uint8_t)(op << EMU_CQE_OP_SHIFT);
	desc->qp_num = (uint16_t)cqe->qpn;
	if (!cqe->receive) {
		desc->flags |= EMU_DESC_SQ << EMU_CQE_QUEUE_SHIFT;
		desc->req_id_ex[0] = (uint16_t)(cqe->wr_id >> 16);
		desc->req_id_ex[1] = (uint16_t)(cqe->wr_id >> 32);
		desc->req_id_ex[2] = (uint16_t)(cqe->wr_id >> 48);
		return;
	}
	desc->flags |= EMU_DESC_RQ << EMU_CQE_QUEUE_SHIFT;
	desc->rx.length = (uint16_t)cqe->bytes;
	desc->rx.ah = cqe->ahn;
	desc->rx.src_qp_num = (uint16_t)cqe->src_qpn;
	if (cqe->flags & IBV_WC_WITH_IMM) {
		desc->flags |= EMU_CQE_HAS_IMM;
		desc->imm = be32toh(cqe->imm);
	}
	if (cqe->unsolicited) {
		desc->flags |= EMU_CQE_UNSOLICITED;
		desc->req_id = 0;
	}
	if (op == EMU_DESC_WRITE)
		desc->length_hi = (uint16_t)(cqe->bytes >> 16);
	else if (cqe->ahn == EMU_AH_UNKNOWN && cq->adv.wc_read_sgid)
		memcpy(desc->src_addr, cqe->sgid, sizeof(desc->src_addr));
}

/*
 * May the program be waiting for an event? It arms the queue by a store to the doorbell; a later
 * store that only tells how much it has read goes over that one before anybody looked. But both
 * carry the command number, which the program raises with each event that it fetches. So: one event
 * for each number seen, armed or not. An event too many costs a look at an empty queue; while it is
 * not fetched the channel stays readable, and nobody sleeps.
 *
 * The barrier stands for one between the program's store to the doorbell and its last look at the
 * ring, so that either it saw the completion or this sees the store.
 */
static bool asked(struct emu_direct_cq *direct)
{
	uint32_t word, number;

	if (!direct->doorbell)
		return false;
	membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	word = atomic_load(direct->doorbell);
	number = (word & EMU_CQ_DB_CMD_SN) >> EMU_CQ_DB_CMD_SN_SHIFT;
	if (word == NEVER_STORED || number == direct->told)
		return false;
	direct->told = number;
	return true;
}

/* To be told of a ring is not to have to use it: the library's functions find the completion as
 * well. The oldest goes where nobody calls them. */
static void keep(struct emu_cq *cq, const struct emu_cqe *cqe)
{
	struct emu_cqe *entry = &cq->entries[cq->head & (cq->size - 1)];

	if (cq->head++ - cq->tail == cq->size)
		cq->tail++;
	*entry = *cqe;
	entry->given_back = true;
}

bool emu_direct_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe)
{
	struct emu_direct_cq *direct = cq->direct;
	struct emu_desc_cqe *slot = &direct->ring[direct->written & (direct->entries - 1)];
	uint8_t phase = direct->written / direct->entries & 1 ? 0 : EMU_CQE_PHASE;
	struct emu_desc_cqe desc;

	describe(cq, cqe, &desc);
	if (!cqe->receive)
		atomic_fetch_sub(&cqe->qp->sq_used, 1);
	else if (!cqe->unsolicited)
		atomic_fetch_sub(&cqe->qp->rq_used, 1);
	/* Where the ring is full this goes over what the program has not read: the device is not
	 * told how far that is unless there is a doorbell. */
	slot->req_id = desc.req_id;
	slot->status = desc.status;
	memcpy(&slot->qp_num, &desc.qp_num, sizeof(desc) - offsetof(struct emu_desc_cqe, qp_num));
	direct->written++;
	keep(cq, cqe);
	__atomic_store_n(&slot->flags, desc.flags | phase, __ATOMIC_RELEASE);
	return asked(direct);
}
