/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_int.h"

#define AREAS 64

struct area {
	uint8_t *base, *inside;
	size_t len;
	bool host;
	void *context;
};

pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
uint64_t fake_knobs[FAKE_KNOBS], fake_counts[FAKE_COUNTS];
static struct area areas[AREAS];
static bool started;
static int primary, own; /* their addresses are the contexts */
static _Thread_local void *stack[8];
static _Thread_local int depth;

static struct area *find(uint64_t address, size_t len, bool host)
{
	int i;

	for (i = 0; i < AREAS; i++)
		if (areas[i].base && areas[i].host == host && address >= (uintptr_t)areas[i].base &&
		    address - (uintptr_t)areas[i].base < areas[i].len &&
		    len <= areas[i].len - (address - (uintptr_t)areas[i].base))
			return &areas[i];
	return NULL;
}

bool fake_counts_down(int knob)
{
	return fake_knobs[knob] && --fake_knobs[knob] == 0;
}

uint8_t *fake_reach(uint8_t *address, size_t len)
{
	struct area *area = find((uintptr_t)address, len, false);

	if (area)
		return area->inside + (address - area->base);
	area = find((uintptr_t)address, len, true);
	if (!area)
		fake_counts[FAKE_FAULTS]++;
	return area ? address : NULL;
}

void fake_enter(void)
{
	pthread_mutex_lock(&fake_lock);
	fake_counts[FAKE_CALLS]++;
	fake_run_all();
}

int fake_leave(int result)
{
	pthread_mutex_unlock(&fake_lock);
	return result;
}

/* --- the test's side ------------------------------------------------------------------------ */

EXPORT void fake_cuda_set(int knob, uint64_t value)
{
	pthread_mutex_lock(&fake_lock);
	fake_knobs[knob] = value;
	pthread_mutex_unlock(&fake_lock);
}

EXPORT uint64_t fake_cuda_get(int count)
{
	uint64_t value;

	pthread_mutex_lock(&fake_lock);
	value = fake_counts[count];
	pthread_mutex_unlock(&fake_lock);
	return value;
}

EXPORT void fake_cuda_run(void)
{
	pthread_mutex_lock(&fake_lock);
	fake_run_all();
	pthread_mutex_unlock(&fake_lock);
}

/* --- the driver ----------------------------------------------------------------------------- */

EXPORT int cuInit(unsigned flags);
EXPORT int cuInit(unsigned flags)
{
	fake_enter();
	started = !flags;
	return fake_leave(started ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuDeviceGet(int *device, int ordinal);
EXPORT int cuDeviceGet(int *device, int ordinal)
{
	fake_enter();
	*device = ordinal;
	return fake_leave(ordinal ? INVALID_VALUE : SUCCESS);
}

EXPORT int cuDeviceGetPCIBusId(char *text, int len, int device);
EXPORT int cuDeviceGetPCIBusId(char *text, int len, int device)
{
	uint64_t place;

	(void)device;
	fake_enter();
	place = fake_knobs[FAKE_PLACE];
	if (place)
		snprintf(text, (size_t)len, "0000:%02X:%02X.0", (unsigned)(place >> 8 & 255),
			 (unsigned)(place & 31));
	return fake_leave(place ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuDevicePrimaryCtxRetain(void **context, int device);
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
	(void)device;
	fake_enter();
	fake_counts[FAKE_OBJECTS]++;
	*context = &primary;
	return fake_leave(SUCCESS);
}

EXPORT int cuDevicePrimaryCtxRelease(int device);
EXPORT int cuDevicePrimaryCtxRelease(int device)
{
	(void)device;
	fake_enter();
	fake_counts[FAKE_OBJECTS]--;
	return fake_leave(SUCCESS);
}

EXPORT int cuCtxCreate_v2(void **context, unsigned flags, int device);
EXPORT int cuCtxCreate_v2(void **context, unsigned flags, int device)
{
	(void)flags;
	(void)device;
	fake_enter();
	*context = &own;
	stack[depth++] = &own;
	return fake_leave(SUCCESS);
}

EXPORT int cuCtxPushCurrent_v2(void *context);
EXPORT int cuCtxPushCurrent_v2(void *context)
{
	fake_enter();
	if ((context != &own && context != &primary) || depth == 8)
		return fake_leave(INVALID_CONTEXT);
	stack[depth++] = context;
	return fake_leave(SUCCESS);
}

EXPORT int cuCtxPopCurrent_v2(void **context);
EXPORT int cuCtxPopCurrent_v2(void **context)
{
	fake_enter();
	if (!depth) {
		fake_counts[FAKE_FAULTS]++;
		return fake_leave(INVALID_CONTEXT);
	}
	*context = stack[--depth];
	return fake_leave(SUCCESS);
}

void *fake_current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t len);
EXPORT int cuMemAlloc_v2(uint64_t *address, size_t len)
{
	size_t pages = (len + 4095) & ~(size_t)4095;
	int fd = memfd_create("gpu", MFD_CLOEXEC), i;

	fake_enter();
	for (i = 0; areas[i].base && i < AREAS - 1; i++)
		;
	if (fd < 0 || areas[i].base || ftruncate(fd, (off_t)pages))
		return fake_leave(OUT_OF_MEMORY);
	areas[i].base = mmap(NULL, pages, PROT_NONE, MAP_SHARED, fd, 0);
	areas[i].inside = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	areas[i].len = len;
	areas[i].host = false;
	areas[i].context = fake_current();
	close(fd);
	*address = (uintptr_t)areas[i].base;
	return fake_leave(SUCCESS);
}

EXPORT int cuMemFree_v2(uint64_t address);
EXPORT int cuMemFree_v2(uint64_t address)
{
	struct area *area;
	size_t pages;

	fake_enter();
	area = find(address, 1, false);
	if (!area)
		return fake_leave(INVALID_VALUE);
	pages = (area->len + 4095) & ~(size_t)4095;
	munmap(area->base, pages);
	munmap(area->inside, pages);
	memset(area, 0, sizeof(*area));
	return fake_leave(SUCCESS);
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len);
EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len)
{
	uint8_t *at;

	fake_enter();
	at = fake_reach((void *)(uintptr_t)to, len);
	if (at)
		memcpy(at, from, len);
	return fake_leave(at ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len);
EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len)
{
	uint8_t *at;

	fake_enter();
	at = fake_reach((void *)(uintptr_t)from, len);
	if (at)
		memcpy(to, at, len);
	return fake_leave(at ? SUCCESS : INVALID_VALUE);
}

#ifndef FAKE_OLD
EXPORT int cuPointerGetAttributes(unsigned count, int *attributes, void **values, uint64_t address);
EXPORT int cuPointerGetAttributes(unsigned count, int *attributes, void **values, uint64_t address)
{
	const struct area *area;
	unsigned i;

	fake_enter();
	if (!started)
		return fake_leave(NOT_INITIALIZED);
	if (fake_knobs[FAKE_FAIL_ASK])
		return fake_leave((int)fake_knobs[FAKE_FAIL_ASK]);
	area = find(address, 1, false);
	for (i = 0; area && i < count; i++) {
		if (attributes[i] == 1)
			*(void **)values[i] = fake_knobs[FAKE_NO_CONTEXT] ? NULL : area->context;
		else if (attributes[i] == 2)
			*(unsigned *)values[i] = 2;
		else if (attributes[i] == 8)
			*(unsigned *)values[i] = fake_knobs[FAKE_MANAGED] != 0;
		else
			*(int *)values[i] = 0;
	}
	return fake_leave(SUCCESS);
}

EXPORT int cuPointerSetAttribute(const void *value, int attribute, uint64_t address);
EXPORT int cuPointerSetAttribute(const void *value, int attribute, uint64_t address)
{
	fake_enter();
	if (attribute != 6 || !*(const unsigned *)value || !find(address, 1, false))
		return fake_leave(INVALID_VALUE);
	fake_counts[FAKE_SYNCED]++;
	return fake_leave(SUCCESS);
}
#endif

EXPORT int cuGetErrorName(int result, const char **name);
EXPORT int cuGetErrorName(int result, const char **name)
{
	*name = result == LAUNCH_FAILED     ? "CUDA_ERROR_LAUNCH_FAILED"
		: result == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
					    : NULL;
	return *name ? SUCCESS : INVALID_VALUE;
}

EXPORT int cuMemHostRegister_v2(void *base, size_t len, unsigned flags);
EXPORT int cuMemHostRegister_v2(void *base, size_t len, unsigned flags)
{
	int i;

	fake_enter();
	if (fake_knobs[FAKE_FAIL_REGISTER])
		return fake_leave((int)fake_knobs[FAKE_FAIL_REGISTER]);
	for (i = 0; areas[i].base && i < AREAS - 1; i++)
		;
	if (areas[i].base || flags != 1 || !fake_current())
		return fake_leave(INVALID_VALUE);
	areas[i] = (struct area){ .base = base, .len = len, .host = true };
	fake_counts[FAKE_OBJECTS]++;
	return fake_leave(SUCCESS);
}

EXPORT int cuMemHostUnregister(void *base);
EXPORT int cuMemHostUnregister(void *base)
{
	struct area *area;

	fake_enter();
	area = find((uintptr_t)base, 1, true);
	if (!area || !fake_current()) {
		fake_counts[FAKE_FAULTS]++;
		return fake_leave(INVALID_VALUE);
	}
	memset(area, 0, sizeof(*area));
	fake_counts[FAKE_OBJECTS]--;
	return fake_leave(SUCCESS);
}
