/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_cuda.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EXPORT  __attribute__((visibility("default")))

#define AREAS   64
#define STREAMS 16
#define QUEUE   4096

enum {
	SUCCESS = 0,
	INVALID_VALUE = 1,
	OUT_OF_MEMORY = 2,
	NOT_INITIALIZED = 3,
	INVALID_CONTEXT = 201,
	NOT_READY = 600,
	ILLEGAL_ADDRESS = 700,
	LAUNCH_FAILED = 719,
};

struct area {
	uint8_t *base, *inside;
	size_t len;
	bool host;
	void *context;
};

struct job {
	uint8_t *to, *from;
	size_t len;
	struct event *event; /* instead of a copy: recorded */
	uint64_t due_ns, number;
	int result;
};

struct stream {
	bool used;
	void *context;
	struct job jobs[QUEUE];
	uint32_t head, count;
	int failed; /* of the last copy, for the event after it */
};

struct event {
	bool pending;
	int result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t knobs[FAKE_KNOBS], counts[FAKE_COUNTS];
static struct area areas[AREAS];
static struct stream streams[STREAMS];
static bool started;
static uint64_t under_way;
static int primary, own; /* their addresses are the contexts */
static _Thread_local void *stack[8];
static _Thread_local int depth;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

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

/* Whether the n-th of them is now. */
static bool counts_down(int knob)
{
	return knobs[knob] && --knobs[knob] == 0;
}

/* Where a processor may reach it; NULL, and a fault, when it is not there any more. */
static uint8_t *reach(uint8_t *address, size_t len)
{
	struct area *area = find((uintptr_t)address, len, false);

	if (area)
		return area->inside + (address - area->base);
	area = find((uintptr_t)address, len, true);
	if (!area)
		counts[FAKE_FAULTS]++;
	return area ? address : NULL;
}

static void run_copy(struct stream *stream, struct job *job)
{
	uint8_t *to = reach(job->to, job->len), *from = reach(job->from, job->len);

	stream->failed = job->result;
	if (!to || !from)
		stream->failed = ILLEGAL_ADDRESS;
	else if (!job->result)
		memcpy(to, from, job->len);
	under_way--;
	counts[FAKE_ENDED]++;
	counts[FAKE_BYTES] += job->len;
}

static void run_stream(struct stream *stream, bool all)
{
	struct job *job;

	for (; stream->count; stream->count--, stream->head = (stream->head + 1) % QUEUE) {
		job = &stream->jobs[stream->head];
		if (!all && !job->event && (knobs[FAKE_HOLD] || now_ns() < job->due_ns))
			return;
		if (!job->event) {
			run_copy(stream, job);
			continue;
		}
		job->event->pending = false;
		job->event->result = stream->failed;
		stream->failed = SUCCESS;
	}
}

static void run_all(void)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		run_stream(&streams[i], false);
}

/* Begins every call; the lock is held then. */
static void enter(void)
{
	pthread_mutex_lock(&lock);
	counts[FAKE_CALLS]++;
	run_all();
}

static int leave(int result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

/* --- the test's side ------------------------------------------------------------------------ */

EXPORT void fake_cuda_set(int knob, uint64_t value)
{
	pthread_mutex_lock(&lock);
	knobs[knob] = value;
	pthread_mutex_unlock(&lock);
}

EXPORT uint64_t fake_cuda_get(int count)
{
	uint64_t value;

	pthread_mutex_lock(&lock);
	value = counts[count];
	pthread_mutex_unlock(&lock);
	return value;
}

EXPORT void fake_cuda_run(void)
{
	pthread_mutex_lock(&lock);
	run_all();
	pthread_mutex_unlock(&lock);
}

/* --- the driver ----------------------------------------------------------------------------- */

EXPORT int cuInit(unsigned flags);
EXPORT int cuInit(unsigned flags)
{
	enter();
	started = !flags;
	return leave(started ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuDeviceGet(int *device, int ordinal);
EXPORT int cuDeviceGet(int *device, int ordinal)
{
	enter();
	*device = ordinal;
	return leave(ordinal ? INVALID_VALUE : SUCCESS);
}

EXPORT int cuDevicePrimaryCtxRetain(void **context, int device);
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device)
{
	(void)device;
	enter();
	counts[FAKE_OBJECTS]++;
	*context = &primary;
	return leave(SUCCESS);
}

EXPORT int cuDevicePrimaryCtxRelease(int device);
EXPORT int cuDevicePrimaryCtxRelease(int device)
{
	(void)device;
	enter();
	counts[FAKE_OBJECTS]--;
	return leave(SUCCESS);
}

EXPORT int cuCtxCreate_v2(void **context, unsigned flags, int device);
EXPORT int cuCtxCreate_v2(void **context, unsigned flags, int device)
{
	(void)flags;
	(void)device;
	enter();
	*context = &own;
	stack[depth++] = &own;
	return leave(SUCCESS);
}

EXPORT int cuCtxPushCurrent_v2(void *context);
EXPORT int cuCtxPushCurrent_v2(void *context)
{
	enter();
	if ((context != &own && context != &primary) || depth == 8)
		return leave(INVALID_CONTEXT);
	stack[depth++] = context;
	return leave(SUCCESS);
}

EXPORT int cuCtxPopCurrent_v2(void **context);
EXPORT int cuCtxPopCurrent_v2(void **context)
{
	enter();
	if (!depth) {
		counts[FAKE_FAULTS]++;
		return leave(INVALID_CONTEXT);
	}
	*context = stack[--depth];
	return leave(SUCCESS);
}

static void *current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

EXPORT int cuMemAlloc_v2(uint64_t *address, size_t len);
EXPORT int cuMemAlloc_v2(uint64_t *address, size_t len)
{
	size_t pages = (len + 4095) & ~(size_t)4095;
	int fd = memfd_create("gpu", MFD_CLOEXEC), i;

	enter();
	for (i = 0; areas[i].base && i < AREAS - 1; i++)
		;
	if (fd < 0 || areas[i].base || ftruncate(fd, (off_t)pages))
		return leave(OUT_OF_MEMORY);
	areas[i].base = mmap(NULL, pages, PROT_NONE, MAP_SHARED, fd, 0);
	areas[i].inside = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	areas[i].len = len;
	areas[i].host = false;
	areas[i].context = current();
	close(fd);
	*address = (uintptr_t)areas[i].base;
	return leave(SUCCESS);
}

EXPORT int cuMemFree_v2(uint64_t address);
EXPORT int cuMemFree_v2(uint64_t address)
{
	struct area *area;
	size_t pages;

	enter();
	area = find(address, 1, false);
	if (!area)
		return leave(INVALID_VALUE);
	pages = (area->len + 4095) & ~(size_t)4095;
	munmap(area->base, pages);
	munmap(area->inside, pages);
	memset(area, 0, sizeof(*area));
	return leave(SUCCESS);
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len);
EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t len)
{
	uint8_t *at;

	enter();
	at = reach((void *)(uintptr_t)to, len);
	if (at)
		memcpy(at, from, len);
	return leave(at ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len);
EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t len)
{
	uint8_t *at;

	enter();
	at = reach((void *)(uintptr_t)from, len);
	if (at)
		memcpy(to, at, len);
	return leave(at ? SUCCESS : INVALID_VALUE);
}

#ifndef FAKE_OLD
EXPORT int cuPointerGetAttributes(unsigned count, int *attributes, void **values, uint64_t address);
EXPORT int cuPointerGetAttributes(unsigned count, int *attributes, void **values, uint64_t address)
{
	const struct area *area;
	unsigned i;

	enter();
	if (!started)
		return leave(NOT_INITIALIZED);
	if (knobs[FAKE_FAIL_ASK])
		return leave((int)knobs[FAKE_FAIL_ASK]);
	area = find(address, 1, false);
	for (i = 0; area && i < count; i++) {
		if (attributes[i] == 1)
			*(void **)values[i] = knobs[FAKE_NO_CONTEXT] ? NULL : area->context;
		else if (attributes[i] == 2)
			*(unsigned *)values[i] = 2;
		else if (attributes[i] == 8)
			*(unsigned *)values[i] = knobs[FAKE_MANAGED] != 0;
		else
			*(int *)values[i] = 0;
	}
	return leave(SUCCESS);
}

EXPORT int cuPointerSetAttribute(const void *value, int attribute, uint64_t address);
EXPORT int cuPointerSetAttribute(const void *value, int attribute, uint64_t address)
{
	enter();
	if (attribute != 6 || !*(const unsigned *)value || !find(address, 1, false))
		return leave(INVALID_VALUE);
	counts[FAKE_SYNCED]++;
	return leave(SUCCESS);
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

	enter();
	if (knobs[FAKE_FAIL_REGISTER])
		return leave((int)knobs[FAKE_FAIL_REGISTER]);
	for (i = 0; areas[i].base && i < AREAS - 1; i++)
		;
	if (areas[i].base || flags != 1 || !current())
		return leave(INVALID_VALUE);
	areas[i] = (struct area){ .base = base, .len = len, .host = true };
	counts[FAKE_OBJECTS]++;
	return leave(SUCCESS);
}

EXPORT int cuMemHostUnregister(void *base);
EXPORT int cuMemHostUnregister(void *base)
{
	struct area *area;

	enter();
	area = find((uintptr_t)base, 1, true);
	if (!area || !current()) {
		counts[FAKE_FAULTS]++;
		return leave(INVALID_VALUE);
	}
	memset(area, 0, sizeof(*area));
	counts[FAKE_OBJECTS]--;
	return leave(SUCCESS);
}

EXPORT int cuStreamCreate(void **ret, unsigned flags);
EXPORT int cuStreamCreate(void **ret, unsigned flags)
{
	int i;

	enter();
	for (i = 0; streams[i].used && i < STREAMS - 1; i++)
		;
	if (streams[i].used || flags != 1 || !current())
		return leave(INVALID_VALUE);
	streams[i].used = true;
	streams[i].context = current();
	counts[FAKE_OBJECTS]++;
	*ret = &streams[i];
	return leave(SUCCESS);
}

EXPORT int cuStreamSynchronize(void *stream);
EXPORT int cuStreamSynchronize(void *stream)
{
	enter();
	run_stream(stream, true);
	return leave(SUCCESS);
}

EXPORT int cuStreamDestroy_v2(void *handle);
EXPORT int cuStreamDestroy_v2(void *handle)
{
	struct stream *stream = handle;

	enter();
	if (!stream->used || stream->count)
		counts[FAKE_FAULTS]++;
	stream->used = false;
	counts[FAKE_OBJECTS]--;
	return leave(SUCCESS);
}

EXPORT int cuEventCreate(void **event, unsigned flags);
EXPORT int cuEventCreate(void **event, unsigned flags)
{
	enter();
	*event = flags == 2 && current() ? calloc(1, sizeof(struct event)) : NULL;
	counts[FAKE_OBJECTS] += *event != NULL;
	return leave(*event ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuEventDestroy_v2(void *event);
EXPORT int cuEventDestroy_v2(void *event)
{
	enter();
	if (((struct event *)event)->pending)
		counts[FAKE_FAULTS]++;
	free(event);
	counts[FAKE_OBJECTS]--;
	return leave(SUCCESS);
}

EXPORT int cuEventQuery(void *handle);
EXPORT int cuEventQuery(void *handle)
{
	struct event *event = handle;

	enter();
	return leave(event->pending ? NOT_READY : event->result);
}

static struct job *add_job(struct stream *stream)
{
	struct job *job = &stream->jobs[(stream->head + stream->count++) % QUEUE];

	memset(job, 0, sizeof(*job));
	job->due_ns = now_ns() + knobs[FAKE_DELAY_US] * 1000;
	return job;
}

EXPORT int cuEventRecord(void *event, void *stream);
EXPORT int cuEventRecord(void *event, void *stream)
{
	enter();
	if (counts_down(FAKE_FAIL_RECORD))
		return leave(LAUNCH_FAILED);
	if (((struct event *)event)->pending)
		counts[FAKE_FAULTS]++;
	((struct event *)event)->pending = true;
	add_job(stream)->event = event;
	return leave(SUCCESS);
}

static int copy(void *to, void *from, size_t len, struct stream *stream)
{
	struct job *job;

	enter();
	if (!current() || current() != stream->context)
		return leave(INVALID_CONTEXT);
	if (counts_down(FAKE_FAIL_START))
		return leave(LAUNCH_FAILED);
	job = add_job(stream);
	job->to = to;
	job->from = from;
	job->len = len;
	job->result = counts_down(FAKE_FAIL_COPY) ? LAUNCH_FAILED : SUCCESS;
	counts[FAKE_COPIES]++;
	if (++under_way > counts[FAKE_MOST])
		counts[FAKE_MOST] = under_way;
	return leave(SUCCESS);
}

EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t len, void *stream);
EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t len, void *stream)
{
	return copy(to, (void *)(uintptr_t)from, len, stream);
}

EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t len, void *stream);
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t len, void *stream)
{
	return copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, len, stream);
}
