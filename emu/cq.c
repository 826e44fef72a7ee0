/* SPDX-License-Identifier: Apache-2.0 */
/* Completion queues: made, filled, cleaned, destroyed. What programs read from them: cq_poll.c. */
#include <errno.h>
#include <stdlib.h>

#include "emu/channel.h"
#include "emu/cq.h"
#include "emu/direct.h"
#include "emu/fault.h"
#include "emu/model.h"
#include "emu/verbs.h"
#include "emu/world.h"

/* --- make ---------------------------------------------------------------------------------- */

/* What libefa checks before it asks the device. */
static int check(const struct emu_nic *nic, const struct ibv_cq_init_attr_ex *attr,
		 const struct emu_abi_cq_init_attr *efa)
{
	const uint32_t known = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
	uint64_t efa_flags = 0;

	if (nic->model->cq_with_sgid)
		efa_flags |= EMU_WC_WITH_SGID;
	if (nic->model->unsolicited)
		efa_flags |= EMU_WC_WITH_IS_UNSOLICITED;
	if (attr->comp_mask & ~known || attr->wc_flags & ~(uint64_t)IBV_WC_STANDARD_FLAGS)
		return EOPNOTSUPP;
	if (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS &&
	    attr->flags & ~(uint32_t)IBV_CREATE_CQ_ATTR_SINGLE_THREADED)
		return EOPNOTSUPP;
	if (efa->wc_flags & ~efa_flags || efa->flags)
		return EOPNOTSUPP;
	if (attr->channel && !nic->model->channels)
		return EOPNOTSUPP;
	if (attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_PD)
		return EINVAL; /* there are no parent domains */
	return 0;
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

static struct emu_cq *cq_new(struct ibv_context *context, const struct ibv_cq_init_attr_ex *attr,
			     uint32_t size)
{
	static _Atomic uint32_t handles;
	struct emu_cq *cq = calloc(1, sizeof(*cq));

	if (!cq)
		return NULL;
	cq->entries = calloc(size, sizeof(*cq->entries));
	if (!cq->entries) {
		free(cq);
		return NULL;
	}
	cq->size = size;
	cq->nic = emu_nic_of(context);
	cq->context = emu_context_of(context);
	cq->channel = (struct emu_channel *)(void *)attr->channel;
	cq->single = attr->comp_mask & IBV_CQ_INIT_ATTR_MASK_FLAGS &&
		     attr->flags & IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
	cq->wc_flags = attr->wc_flags;
	cq->ex.context = context;
	cq->ex.channel = attr->channel;
	cq->ex.cq_context = attr->cq_context;
	cq->ex.handle = atomic_fetch_add(&handles, 1);
	cq->ex.cqe = (int)size;
	pthread_mutex_init(&cq->ex.mutex, NULL);
	pthread_cond_init(&cq->ex.cond, NULL);
	pthread_mutex_init(&cq->poll_lock, NULL);
	pthread_spin_init(&cq->lock, PTHREAD_PROCESS_PRIVATE);
	return cq;
}

/* The device's part: limits and faults. 0 or errno. */
static int admit(struct emu_nic *nic, struct ibv_context *context,
		 const struct ibv_cq_init_attr_ex *attr)
{
	int error = emu_begin(nic, EMU_CALL_CQ);

	if (error)
		return error;
	if (!attr->cqe || attr->cqe > nic->model->max_cqe ||
	    power_of_two(attr->cqe) > nic->model->max_cqe)
		return EINVAL;
	if (attr->comp_vector >= (uint32_t)context->num_comp_vectors)
		return EINVAL;
	if (atomic_fetch_add(&nic->cqs, 1) >= nic->model->max_cq) {
		atomic_fetch_sub(&nic->cqs, 1);
		return ENOMEM;
	}
	return 0;
}

struct ibv_cq_ex *emu_cq_create(struct ibv_context *context, struct ibv_cq_init_attr_ex *attr,
				const struct emu_abi_cq_init_attr *efa)
{
	struct emu_nic *nic = emu_nic_of(context);
	struct emu_cq *cq;
	int error;

	error = check(nic, attr, efa);
	if (error) {
		errno = error;
		return NULL;
	}
	error = admit(nic, context, attr);
	if (error)
		return emu_failed(nic, EMU_CALL_CQ, error);
	cq = cq_new(context, attr, power_of_two(attr->cqe));
	if (!cq) {
		atomic_fetch_sub(&nic->cqs, 1);
		return emu_failed(nic, EMU_CALL_CQ, ENOMEM);
	}
	attr->cqe = cq->size;
	emu_cq_readers(cq, efa->wc_flags);
	if (cq->channel)
		emu_channel_hold(cq->channel);
	emu_context_hold(cq->context);
	emu_done(nic, EMU_CALL_CQ, 0);
	return &cq->ex;
}

struct ibv_cq_ex *emu_create_cq_ex(struct ibv_context *context, struct ibv_cq_init_attr_ex *attr)
{
	const struct emu_abi_cq_init_attr efa = { 0 };

	return emu_cq_create(context, attr, &efa);
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *cq_context,
			     struct ibv_comp_channel *channel, int comp_vector)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = cqe > 0 ? (uint32_t)cqe : 0,
		.cq_context = cq_context,
		.channel = channel,
		.comp_vector = (uint32_t)comp_vector,
	};
	struct ibv_cq_ex *ex = emu_create_cq_ex(context, &attr);

	return ex ? ibv_cq_ex_to_cq(ex) : NULL;
}

int ibv_destroy_cq(struct ibv_cq *ibv_cq)
{
	struct emu_cq *cq = emu_cq_of(ibv_cq);
	struct emu_nic *nic = cq->nic;

	if (atomic_load(&cq->qps))
		return emu_command(nic, EBUSY);
	if (cq->channel)
		emu_channel_forget(cq);
	emu_async_forget_cq(cq);
	if (cq->direct)
		emu_direct_cq_free(cq);
	pthread_mutex_destroy(&cq->ex.mutex);
	pthread_cond_destroy(&cq->ex.cond);
	pthread_mutex_destroy(&cq->poll_lock);
	pthread_spin_destroy(&cq->lock);
	atomic_fetch_sub(&nic->cqs, 1);
	emu_context_put(cq->context);
	free(cq->entries);
	free(cq);
	return emu_command(nic, 0);
}

/* --- fill and clean ------------------------------------------------------------------------ */

/* False: no room. *tell: the program asked for an event. Under cq->lock. */
static bool put(struct emu_cq *cq, const struct emu_cqe *cqe, bool *tell)
{
	if (cq->direct) {
		*tell = emu_direct_cq_push(cq, cqe);
	} else if (cq->head - cq->tail < cq->size) {
		cq->entries[cq->head++ & (cq->size - 1)] = *cqe;
	} else {
		return false;
	}
	*tell |= cq->armed;
	cq->armed = false;
	return true;
}

void emu_cq_push(struct emu_cq *cq, const struct emu_cqe *cqe)
{
	struct emu_nic *nic = cq->nic;
	bool tell = false, first = false;
	bool fault = emu_fault_cq_overflow(nic->world->shared, nic->host, nic->index, cqe->qpn,
					   emu_now());

	pthread_spin_lock(&cq->lock);
	if (fault || !put(cq, cqe, &tell)) {
		first = !cq->overflowed;
		cq->overflowed = true;
	}
	pthread_spin_unlock(&cq->lock);
	if (tell && cq->channel)
		emu_channel_tell(cq);
	if (first) {
		emu_warn("%s: completion queue %u of %u entries overflowed%s: completions are lost",
			 nic->shared->name, cq->ex.handle, cq->size,
			 fault ? " (fault cq-overflow)" : "; make it deeper or poll it more often");
		emu_async_cq(cq);
	}
}

void emu_cq_purge(struct emu_cq *cq, const struct emu_qp *qp)
{
	uint32_t kept;

	pthread_spin_lock(&cq->lock);
	kept = cq->tail;
	for (uint32_t i = cq->tail; i != cq->head; i++) {
		const struct emu_cqe *cqe = &cq->entries[i & (cq->size - 1)];

		if (cqe->qp == qp)
			continue;
		if (kept != i)
			cq->entries[kept & (cq->size - 1)] = *cqe;
		kept++;
	}
	cq->head = kept;
	if (cq->current.qp == qp)
		cq->current.qp = NULL;
	pthread_spin_unlock(&cq->lock);
}
