/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CUDA's driver, as far as weft needs it. Its library is opened at run time; nothing of CUDA is
 * needed to build. What is declared here is the driver's binary interface.
 */
#ifndef WEFT_ENGINE_CUDA_H
#define WEFT_ENGINE_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUDA_LIBRARY "libcuda.so.1"

enum cuda_result {
	CUDA_SUCCESS = 0,
	CUDA_INVALID_VALUE = 1,
	CUDA_NOT_INITIALIZED = 3,
	CUDA_DEINITIALIZED = 4,
	CUDA_NOT_READY = 600,
};

enum cuda_attribute {
	CUDA_ATTRIBUTE_CONTEXT = 1,
	CUDA_ATTRIBUTE_MEMORY_TYPE = 2,
	CUDA_ATTRIBUTE_SYNC_MEMOPS = 6,
	CUDA_ATTRIBUTE_IS_MANAGED = 8,
	CUDA_ATTRIBUTE_ORDINAL = 9,
};

#define CUDA_MEMORY_DEVICE       2u
#define CUDA_STREAM_NON_BLOCKING 1u
#define CUDA_EVENT_NO_TIMING     2u
#define CUDA_HOST_PORTABLE       1u
#define CUDA_HANDLE_DMABUF       1

/* clang-format off */
/* X(name, arguments). Addresses of devices are 64 bits, handles are pointers. */
#define CUDA_CALLS(X) \
	X(cuInit, (unsigned flags)) \
	X(cuPointerGetAttributes, (unsigned count, int *attributes, void **values, uint64_t address)) \
	X(cuDevicePrimaryCtxRetain, (void **context, int device)) \
	X(cuDevicePrimaryCtxRelease, (int device)) \
	X(cuDeviceGet, (int *device, int ordinal)) \
	X(cuCtxPushCurrent_v2, (void *context)) \
	X(cuCtxPopCurrent_v2, (void **context)) \
	X(cuStreamCreate, (void **stream, unsigned flags)) \
	X(cuStreamSynchronize, (void *stream)) \
	X(cuStreamDestroy_v2, (void *stream)) \
	X(cuEventCreate, (void **event, unsigned flags)) \
	X(cuEventRecord, (void *event, void *stream)) \
	X(cuEventQuery, (void *event)) \
	X(cuEventDestroy_v2, (void *event)) \
	X(cuMemcpyDtoHAsync_v2, (void *to, uint64_t from, size_t len, void *stream)) \
	X(cuMemcpyHtoDAsync_v2, (uint64_t to, const void *from, size_t len, void *stream)) \
	X(cuMemHostRegister_v2, (void *base, size_t len, unsigned flags)) \
	X(cuMemHostUnregister, (void *base))
/* What weft does without where a driver is older; NULL then. */
#define CUDA_CALLS_OPTIONAL(X) \
	X(cuGetErrorName, (int result, const char **name)) \
	X(cuDeviceGetPCIBusId, (char *text, int len, int device)) \
	X(cuPointerSetAttribute, (const void *value, int attribute, uint64_t address)) \
	X(cuMemGetHandleForAddressRange, \
	  (void *handle, uint64_t address, size_t len, int type, unsigned long long flags))
/* clang-format on */

struct cuda {
	void *library; /* NULL: not opened */
#define CUDA_FIELD(name, arguments) int(*name) arguments;
	CUDA_CALLS(CUDA_FIELD)
	CUDA_CALLS_OPTIONAL(CUDA_FIELD)
#undef CUDA_FIELD
};

/* Whether the driver's library is in the process; changes is a number that cuda_loaded() keeps to
 * look again only after libraries have come, 0 at first. path: PATH_MAX bytes for its file. */
bool cuda_loaded(uint64_t *changes, char *path);
/* Opens the library by its name or path and finds its calls. -EOPNOTSUPP: it is not there, or lacks
 * one. It is closed by cuda_close() but never unloaded. */
int cuda_open(struct cuda *cuda, const char *path);
void cuda_close(struct cuda *cuda);
/* "CUDA_ERROR_ILLEGAL_ADDRESS (700)" into text; returns text. */
const char *cuda_text(const struct cuda *cuda, int result, char *text, size_t len);

#endif /* WEFT_ENGINE_CUDA_H */
