/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA's driver: whether memory of GPUs can be exported as dmabuf. */
#include <dlfcn.h>
#include <stddef.h>

#include "doctor/probe.h"

/* CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED of cuda.h. */
#define DMA_BUF_SUPPORTED 124

void probe_cuda(void)
{
	void *library = probe_open("cuda.dmabuf", "libcuda.so.1");
	int (*init)(unsigned int flags);
	int (*count)(int *ret);
	int (*attribute)(int *ret, int what, int device);
	int devices = 0, one, all = 1, rc;

	if (!library)
		return;
	*(void **)&init = dlsym(library, "cuInit");
	*(void **)&count = dlsym(library, "cuDeviceGetCount");
	*(void **)&attribute = dlsym(library, "cuDeviceGetAttribute");
	if (!init || !count || !attribute) {
		probe_put("cuda.dmabuf=absent: libcuda.so.1 lacks cuInit");
		return;
	}
	rc = init(0);
	if (!rc)
		rc = count(&devices);
	if (rc || !devices) {
		probe_put("cuda.dmabuf=absent: CUDA finds no device (error %d)", rc);
		return;
	}
	for (int i = 0; i < devices; i++)
		all &= !attribute(&one, DMA_BUF_SUPPORTED, i) && one;
	probe_put("cuda.dmabuf=%d", all);
}
