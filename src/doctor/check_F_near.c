/* SPDX-License-Identifier: Apache-2.0 */
/* F5: which NICs are near which GPU. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/gpu.h"

/* Levels of the PCI tree that two functions share: the root complex alone, or bridges below it. */
#define SHARE_ROOT 1

void check_F5(const struct doctor *doctor, struct finding *f);

/* The NICs that share most with a GPU. */
struct nearest {
	int shared;    /* levels */
	uint32_t nics; /* that share as many */
	uint32_t all;  /* NICs, near or not */
	struct name_list names;
};

/* Whether the tree tells them from others: a bridge in common, or a root complex that other NICs
 * are not at. Virtual machines without switches show all devices at one root. */
static bool is_near(const struct nearest *near)
{
	return near->shared > SHARE_ROOT || (near->shared == SHARE_ROOT && near->nics < near->all);
}

static void find_nearest(const struct host_pci *gpu, const struct host_nic *nics, int count,
			 struct nearest *ret)
{
	uint32_t all = 0;
	int shared;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < count; i++) {
		if (!efa_is_nic(&nics[i]) || !*nics[i].path)
			continue;
		all++;
		shared = host_pci_shared(gpu->path, nics[i].path);
		if (shared > ret->shared)
			*ret = (struct nearest){ .shared = shared };
		if (shared == ret->shared) {
			ret->nics++;
			name_list_add(&ret->names, nics[i].name);
		}
	}
	ret->all = all;
}

/* What all GPUs have in common, or not. */
struct rails {
	uint32_t nics, gpus, placed; /* those with NICs near them */
	uint32_t least, most;        /* NICs of those */
	struct name_list far;        /* the others */
};

static void add(struct rails *rails, const struct host_pci *gpu, struct nearest *near,
		struct finding *f)
{
	rails->nics = near->all;
	rails->gpus++;
	finding_evidence(f, "%s (NUMA node %d): %s (%s, %d level%s in common)", gpu->name,
			 gpu->node, near->nics ? name_list_text(&near->names) : "no NIC",
			 near->shared > SHARE_ROOT    ? "same bridge"
			 : near->shared == SHARE_ROOT ? "same root complex"
						      : "other root complex",
			 near->shared, plural(near->shared));
	if (!is_near(near)) {
		name_list_add(&rails->far, gpu->name);
		return;
	}
	rails->placed++;
	if (rails->placed == 1 || near->nics < rails->least)
		rails->least = near->nics;
	if (near->nics > rails->most)
		rails->most = near->nics;
}

static void judge(struct rails *rails, struct finding *f)
{
	if (!rails->nics)
		finding_say(f, DOCTOR_SKIPPED, "there is no EFA RDMA device");
	else if (rails->nics == 1)
		finding_say(f, DOCTOR_OK, "%u GPU%s, and one EFA NIC for all of them", rails->gpus,
			    plural(rails->gpus));
	else if (!rails->placed)
		finding_say(
			f, DOCTOR_UNKNOWN,
			"cannot be told: the PCI tree puts no GPU nearer to one EFA NIC than to "
			"another, as in virtual machines that do not show the switches");
	else if (rails->placed < rails->gpus)
		finding_say(f, DOCTOR_WARN, "%s: no EFA NIC is near, unlike %u other GPU%s",
			    name_list_text(&rails->far), rails->placed, plural(rails->placed));
	else if (rails->least != rails->most)
		finding_say(f, DOCTOR_WARN,
			    "some GPUs have %u EFA NIC%s near them, others %u: rails are uneven",
			    rails->least, plural(rails->least), rails->most);
	else
		finding_say(f, DOCTOR_OK, "%u GPU%s, each with %u EFA NIC%s near it", rails->gpus,
			    plural(rails->gpus), rails->least, plural(rails->least));
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
