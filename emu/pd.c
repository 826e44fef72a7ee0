/* SPDX-License-Identifier: Apache-2.0 */
/* Protection domains. */
#include <errno.h>
#include <stdlib.h>

#include "emu/verbs.h"

static bool take_one(_Atomic uint32_t *used, uint64_t limit)
{
	if (atomic_fetch_add_explicit(used, 1, memory_order_relaxed) < limit)
		return true;
	atomic_fetch_sub_explicit(used, 1, memory_order_relaxed);
	return false;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct emu_nic *nic = emu_nic_of(context);
	int error = emu_begin(nic, EMU_CALL_PD);
	struct emu_pd *pd;

	if (error)
		return emu_failed(nic, EMU_CALL_PD, error);
	if (!take_one(&nic->pds, nic->model->max_pd))
		return emu_failed(nic, EMU_CALL_PD, ENOMEM);
	pd = calloc(1, sizeof(*pd));
	if (!pd) {
		atomic_fetch_sub_explicit(&nic->pds, 1, memory_order_relaxed);
		return emu_failed(nic, EMU_CALL_PD, ENOMEM);
	}
	pd->pd.context = context;
	pd->nic = nic;
	emu_context_hold(emu_context_of(context));
	emu_done(nic, EMU_CALL_PD, 0);
	return &pd->pd;
}

int ibv_dealloc_pd(struct ibv_pd *ibv_pd)
{
	struct emu_pd *pd = emu_pd_of(ibv_pd);
	struct emu_nic *nic = pd->nic;

	if (atomic_load_explicit(&pd->objects, memory_order_acquire))
		return emu_command(nic, EBUSY);
	atomic_fetch_sub_explicit(&nic->pds, 1, memory_order_relaxed);
	emu_context_put(emu_context_of(ibv_pd->context));
	free(pd);
	return emu_command(nic, 0);
}

/* EFA's provider imports nothing. */
struct ibv_pd *ibv_import_pd(struct ibv_context *context, uint32_t pd_handle)
{
	(void)context;
	(void)pd_handle;
	errno = EOPNOTSUPP;
	return NULL;
}

void ibv_unimport_pd(struct ibv_pd *pd)
{
	(void)pd;
}
