/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a GPU, real or not, and two engines of which one has it. */
#ifndef TESTS_GPU_KIT_H
#define TESTS_GPU_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <weft/memory.h>

#include "fake_cuda.h"

#define KIT_STAGING ((uint64_t)256 << 10)
#define KIT_CHUNK   ((uint64_t)8 << 10) /* what the engine makes of that */
#define KIT_AREA    ((size_t)6 << 20)
#define KIT_WAIT    (60ull * 1000000000u)

/* Calls of the driver that tests make themselves, and those of the stand-in: NULL for a real one.
 */
struct kit_driver {
	int (*cuInit)(unsigned flags);
	int (*cuDeviceGet)(int *device, int ordinal);
	int (*cuCtxCreate_v2)(void **context, unsigned flags, int device);
	int (*cuMemAlloc_v2)(uint64_t *address, size_t len);
	int (*cuMemFree_v2)(uint64_t address);
	int (*cuMemcpyHtoD_v2)(uint64_t to, const void *from, size_t len);
	int (*cuMemcpyDtoH_v2)(void *to, uint64_t from, size_t len);
	void (*set)(int knob, uint64_t value);
	uint64_t (*get)(int count);
	void (*run)(void);
};

extern struct kit_driver kit_cuda;
/* weft_opts.rails of what kit_open() opens. */
extern uint32_t kit_rails;

/* Loads the driver: FAKE_CUDA names the stand-in's file, else libcuda.so.1. False: there is none,
 * which has been said. start: cuInit() too, and a context. */
bool kit_load(bool start);
uint64_t kit_alloc(size_t len);
void kit_free(uint64_t address);

/* Byte i of a pattern. */
static inline uint8_t kit_byte(uint64_t seed, size_t i)
{
	uint64_t x = (seed + i) * 0x9e3779b97f4a7c15u;

	return (uint8_t)(x >> 56);
}

/* Of the host's. The first byte that is another; len: all are right. */
void kit_fill_bytes(uint8_t *bytes, size_t len, uint64_t seed);
size_t kit_first_wrong(const uint8_t *bytes, size_t len, uint64_t seed);

/* Fills and compares memory of the GPU. */
void kit_fill(uint64_t address, size_t len, uint64_t seed);
void kit_expect(uint64_t address, size_t len, uint64_t seed);

/* Engine here has a region in the GPU's memory; the other one grants host memory. */
struct kit {
	struct weft *here, *there;
	uint64_t gpu;  /* KIT_AREA bytes */
	uint8_t *host; /* the other's, KIT_AREA bytes */
	struct weft_region *mine, *theirs;
	struct weft_remote *remote;
	struct weft_batch *batch;
	char provider[16];
};

/* devices: of the first engine; NULL: all, or of loop no script. */
void kit_open(struct kit *kit, const char *provider, const char *devices);
/* Only what is open. */
void kit_close(struct kit *kit);
uint64_t kit_counter_copies(struct kit *kit);

#endif /* TESTS_GPU_KIT_H */
