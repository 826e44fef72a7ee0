/* SPDX-License-Identifier: Apache-2.0 */
/* F5: which NICs are near which GPU. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/gpu.h"

/* Levels of the PCI tree that two functions share: up to the root complex, or a bridge below it. */
#define SHARE_ROOT 1

void check_F5(const struct doctor *doctor, struct finding *f);

/* The NICs that share most with a GPU. */
struct nearest {
	int shared; /* levels */
	uint32_t nics;
	struct name_list names;
};

static void find_nearest(const struct host_pci *gpu, const struct host_nic *nics, int count,
			 struct nearest *ret)
{
	int shared;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < count; i++) {
		if (!efa_is_nic(&nics[i]) || !*nics[i].path)
			continue;
		shared = host_pci_shared(gpu->path, nics[i].path);
		if (shared > ret->shared)
			*ret = (struct nearest){ .shared = shared };
		if (shared == ret->shared) {
			ret->nics++;
			name_list_add(&ret->names, nics[i].name);
		}
	}
}

/* What all GPUs have in common, or not. */
struct rails {
	uint32_t gpus, bridged; /* those that share a bridge with a NIC */
	uint32_t least, most;   /* NICs of those */
	struct name_list far;   /* the others */
};

static void add(struct rails *rails, const struct host_pci *gpu, struct nearest *near,
		struct finding *f)
{
	const char *how = near->shared > SHARE_ROOT    ? "behind the same bridge"
			  : near->shared == SHARE_ROOT ? "at the same root complex only"
						       : "of all: nothing in common";

	rails->gpus++;
	finding_evidence(f, "%s (NUMA node %d): %s; %s, %d level%s", gpu->name, gpu->node,
			 near->nics ? name_list_text(&near->names) : "no NIC", how, near->shared,
			 plural(near->shared));
	if (near->shared <= SHARE_ROOT) {
		name_list_add(&rails->far, gpu->name);
		return;
	}
	rails->bridged++;
	if (rails->bridged == 1 || near->nics < rails->least)
		rails->least = near->nics;
	if (near->nics > rails->most)
		rails->most = near->nics;
}

static void judge(struct rails *rails, struct finding *f)
{
	if (!rails->bridged)
		finding_say(
			f, DOCTOR_UNKNOWN,
			"cannot be told: no GPU shares a PCI bridge with an EFA NIC here, as in "
			"virtual machines that do not show the switches");
	else if (rails->bridged < rails->gpus)
		finding_say(f, DOCTOR_WARN,
			    "%s: no EFA NIC behind the same PCI bridge, unlike %u other GPU%s",
			    name_list_text(&rails->far), rails->bridged, plural(rails->bridged));
	else if (rails->least != rails->most)
		finding_say(
			f, DOCTOR_WARN,
			"some GPUs share their PCI bridge with %u EFA NIC%s, others with %u: rails "
			"are uneven",
			rails->least, plural(rails->least), rails->most);
	else
		finding_say(f, DOCTOR_OK, "%u GPU%s, each behind a PCI bridge with %u EFA NIC%s",
			    rails->gpus, plural(rails->gpus), rails->least, plural(rails->least));
}

void check_F5(const struct doctor *doctor, struct finding *f)
{
	struct rails rails = { 0 };
	struct host_pci *gpus;
	struct host_nic *nics;
	struct nearest near;
	int gpus_n = gpu_functions(doctor, f, &gpus), nics_n;

	if (!gpus_n)
		return;
	nics_n = efa_nics(doctor, &nics);
	if (nics_n < 0) {
		finding_unread(f, nics_n, "/sys/class/infiniband");
		mem_free(gpus);
		return;
	}
	for (int i = 0; i < gpus_n; i++) {
		find_nearest(&gpus[i], nics, nics_n, &near);
		add(&rails, &gpus[i], &near, f);
	}
	judge(&rails, f);
	mem_free(nics);
	mem_free(gpus);
}
