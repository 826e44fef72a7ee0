/* SPDX-License-Identifier: Apache-2.0 */
/* For the checks of group F: the accelerators, and whether their memory can be reached. */
#ifndef WEFT_DOCTOR_GPU_H
#define WEFT_DOCTOR_GPU_H

#include "doctor/efa.h"

#define GPUS_MAX          64
#define GPU_VENDOR_NVIDIA 0x10de

/* GPUs and Neuron devices by PCI address: an array for mem_free() in ret. How many; where there are
 * none, 0 with the verdict "skipped" and nothing in ret. */
int gpu_functions(const struct doctor *doctor, struct finding *f, struct host_pci **ret);
/* Whether there is an NVIDIA GPU; if not, the verdict is "skipped". */
bool gpu_nvidia(const struct doctor *doctor, struct finding *f);
/* Whether CUDA lends GPU memory as dmabuf: 1, 0, or -1: not told. */
int gpu_dmabuf(const struct doctor *doctor, struct finding *f);

/* What the driver efa says of its NICs (sysfs attribute p2p, or gdr of old drivers). */
struct gpu_p2p {
	uint32_t nics; /* EFA NICs */
	uint32_t told; /* those that say who lends them memory, or that nobody does */
	uint32_t lent; /* those to which somebody does */
	char by[32];   /* "NVIDIA", "NVIDIA peermem", "NEURON" */
	struct name_list without;
};

void gpu_p2p_read(const struct doctor *doctor, struct finding *f, struct gpu_p2p *ret);

#endif /* WEFT_DOCTOR_GPU_H */
