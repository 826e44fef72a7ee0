/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

int gpu_functions(const struct doctor *doctor, struct finding *f, struct host_pci **ret)
{
	struct host_pci *found = mem_array(GPUS_MAX, sizeof(*found));
	int n = found ? host_pci(&doctor->root, host_pci_is_gpu, found, GPUS_MAX) : -ENOMEM;

	if (n > 0) {
		*ret = found;
		return n;
	}
	mem_free(found);
	if (n < 0 && n != -ENOENT)
		finding_unread(f, n, "/sys/bus/pci/devices");
	else
		finding_say(f, DOCTOR_SKIPPED, "there is no NVIDIA GPU and no Neuron device");
	return 0;
}

bool gpu_nvidia(const struct doctor *doctor, struct finding *f)
{
	struct host_pci *gpus;
	int n = gpu_functions(doctor, f, &gpus);
	uint32_t nvidia = 0;

	for (int i = 0; i < n; i++)
		nvidia += gpus[i].vendor == GPU_VENDOR_NVIDIA;
	if (n)
		mem_free(gpus);
	if (nvidia)
		finding_evidence(f, "/sys/bus/pci/devices: %u NVIDIA GPU%s", nvidia,
				 plural(nvidia));
	else if (n)
		finding_say(f, DOCTOR_SKIPPED, "there is no NVIDIA GPU");
	return nvidia != 0;
}

int gpu_dmabuf(const struct doctor *doctor, struct finding *f)
{
	char text[128];

	if (!doctor_probe(doctor, "cuda.dmabuf", text, sizeof(text)))
		snprintf(text, sizeof(text), "not told%s%.80s",
			 doctor->probe_why && *doctor->probe_why ? ": " : "",
			 doctor->probe_why ? doctor->probe_why : "");
	finding_evidence(f, "CUDA dmabuf: %s", text);
	if (!strcmp(text, "1"))
		return 1;
	return strcmp(text, "0") ? -1 : 0;
}

void gpu_p2p_read(const struct doctor *doctor, struct finding *f, struct gpu_p2p *ret)
{
	struct host_nic *nics;
	int n = efa_nics(doctor, &nics);
	char text[32];

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < n; i++) {
		const char *file = "p2p";

		if (!efa_is_nic(&nics[i]))
			continue;
		ret->nics++;
		if (sysroot_read(&doctor->root, text, sizeof(text),
				 "/sys/class/infiniband/%s/device/p2p", nics[i].name) < 0) {
			file = "gdr";
			if (sysroot_read(&doctor->root, text, sizeof(text),
					 "/sys/class/infiniband/%s/device/gdr", nics[i].name) < 0)
				continue;
		}
		ret->told++;
		if (ret->told <= 4 || !*text)
			finding_evidence(f, "/sys/class/infiniband/%s/device/%s: %s", nics[i].name,
					 file, *text ? text : "(empty)");
		if (!strcmp(file, "gdr"))
			strcpy(text, strcmp(text, "1") ? "" : "NVIDIA");
		if (*text) {
			ret->lent++;
			memcpy(ret->by, text, sizeof(ret->by));
		} else {
			name_list_add(&ret->without, nics[i].name);
		}
	}
	if (n >= 0)
		mem_free(nics);
}
