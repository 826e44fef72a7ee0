/* SPDX-License-Identifier: Apache-2.0 */
/* The emulated hosts of a cell, and their faults. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "matrix.h"

/* Short queues, which cost least to open; 0xefa2 is a device whose RDMA reads libfabric 1.17 uses.
 */
#define DEVICE "max_sq_wr=256 max_rq_wr=512 part_id=0xefa2"

bool host_world(struct cell *cell, const char *dir, char *why, size_t size)
{
	struct emu_world_options options = { .timeout = cell->row->timeout_ms * NSEC_PER_MSEC };
	struct emu_host_options host = {
		.profile = emu_profile_find("generic"),
		.nics = cell->size == SIZE_STRIPED ? 4 : 1,
	};
	int rc;

	emu_model_defaults(&host.model);
	rc = emu_model_apply(&host.model, DEVICE, why, size);
	if (!rc)
		rc = emu_world_create(cell->world, dir, &options, why, size);
	for (uint32_t i = 0; !rc && i < cell->hosts; i++)
		rc = emu_world_host(cell->world, i, &host, why, size);
	return !rc;
}

void host_here(const struct cell *cell, uint32_t host)
{
	char path[512], number[16];

	snprintf(number, sizeof(number), "%u", host);
	check(!emu_sysfs_path(cell->world->dir, host, path, sizeof(path)));
	check(!setenv("WEFT_EMU_WORLD", cell->world->dir, 1));
	check(!setenv("WEFT_EMU_HOST", number, 1));
	check(!setenv("SYSFS_PATH", path, 1));
}

void host_peers(const struct cell *cell, uint32_t host)
{
	char path[512], text[600];

	check(!emu_sysfs_path(cell->world->dir, host, path, sizeof(path)));
	snprintf(text, sizeof(text), "WEFT_EMU_HOST=%u SYSFS_PATH=%s", host, path);
	check(!setenv("WEFT_PEER_ENV", text, 1));
}

void host_fault(const struct cell *cell)
{
	struct emu_fault fault;
	char why[256];

	if (emu_fault_parse(cell->row->fault, &fault, why, sizeof(why)))
		conform_fail(__FILE__, __LINE__, "%s", why);
	if (cell->row->kind)
		check_int(fault.kind, cell->row->kind);
	check(emu_fault_add(cell->world->shared, &fault) > 0);
}

uint64_t host_fault_clear(const struct cell *cell)
{
	struct emu_fault fault;
	uint64_t hits = 0;

	for (uint32_t i = 0; i < EMU_FAULTS; i++)
		if (emu_fault_get(cell->world->shared, i, &fault))
			hits += atomic_load(&fault.hit);
	emu_fault_clear(cell->world->shared, 0);
	return hits;
}

uint64_t host_fault_rate(const struct row *row)
{
	struct emu_fault fault;
	char why[256];

	if (row->kind != EMU_FAULT_LIMIT || emu_fault_parse(row->fault, &fault, why, sizeof(why)))
		return 0;
	return fault.rate;
}
