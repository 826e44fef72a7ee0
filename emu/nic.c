/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NICs of the emulated host as this process sees them, made once and kept until it ends, and
 * what all device commands have in common: faults that refuse them, counters.
 */
#include <errno.h>
#include <stdlib.h>

#include "emu/verbs.h"
#include "emu/world.h"

static pthread_once_t nics_once = PTHREAD_ONCE_INIT;
static struct emu_nic *nics;
static uint32_t nic_count;
static struct emu_world *nic_world;

/* Another thread of the parent may have held them. */
static void child_of_fork(void)
{
	for (uint32_t i = 0; i < nic_count; i++) {
		pthread_mutex_init(&nics[i].mr_lock, NULL);
		pthread_mutex_init(&nics[i].ah_lock, NULL);
	}
	emu_async_forked();
	emu_world_forked(nic_world);
}

static void init_nic(struct emu_nic *nic, struct emu_world *world, uint32_t index)
{
	struct emu_host_shared *host = &world->shared->host[world->host];

	nic->host = world->host;
	nic->index = index;
	nic->shared = &host->nic[index];
	nic->model = &host->model;
	nic->world = world;
	pthread_mutex_init(&nic->progress, NULL);
	pthread_mutex_init(&nic->mr_lock, NULL);
	pthread_mutex_init(&nic->ah_lock, NULL);
	pthread_spin_init(&nic->active_lock, PTHREAD_PROCESS_PRIVATE);
	atomic_init(&nic->wake_at, EMU_NEVER);
}

static void open_nics(void)
{
	struct emu_world *world = emu_world_here();
	struct emu_nic *made;
	uint32_t count;

	if (!world)
		return;
	count = world->shared->host[world->host].nics;
	made = calloc(count ? count : 1, sizeof(*made));
	if (!made || pthread_atfork(NULL, NULL, child_of_fork)) {
		emu_warn("no memory for %u devices", count);
		free(made);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		init_nic(&made[i], world, i);
	nic_world = world;
	nic_count = count;
	nics = made;
}

struct emu_nic *emu_nic_at(uint32_t index)
{
	pthread_once(&nics_once, open_nics);
	return nics && index < nic_count ? &nics[index] : NULL;
}

uint32_t emu_nic_count(void)
{
	pthread_once(&nics_once, open_nics);
	return nic_count;
}

int emu_command(struct emu_nic *nic, int error)
{
	emu_count(nic, EMU_COUNT_submitted_cmds, 1);
	emu_count(nic, EMU_COUNT_completed_cmds, 1);
	if (error)
		emu_count(nic, EMU_COUNT_cmds_err, 1);
	return error;
}

int emu_begin(struct emu_nic *nic, enum emu_call call)
{
	return emu_fault_refuse(nic->world->shared, call, nic->host, nic->index, emu_now());
}

static const enum emu_counter error_counter[EMU_CALLS] = {
	[EMU_CALL_OPEN] = EMU_COUNT_alloc_ucontext_err, [EMU_CALL_PD] = EMU_COUNT_alloc_pd_err,
	[EMU_CALL_MR] = EMU_COUNT_reg_mr_err,           [EMU_CALL_CQ] = EMU_COUNT_create_cq_err,
	[EMU_CALL_QP] = EMU_COUNT_create_qp_err,        [EMU_CALL_AH] = EMU_COUNT_create_ah_err,
};

int emu_done(struct emu_nic *nic, enum emu_call call, int error)
{
	if (error)
		emu_count(nic, error_counter[call], 1);
	return emu_command(nic, error);
}

void *emu_failed(struct emu_nic *nic, enum emu_call call, int error)
{
	errno = emu_done(nic, call, error);
	return NULL;
}
