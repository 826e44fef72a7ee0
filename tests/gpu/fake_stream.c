/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in's streams: copies in order, each when its time has come. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_int.h"

#define STREAMS 16
#define QUEUE   4096

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

static struct stream streams[STREAMS];
static uint64_t under_way;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void run_copy(struct stream *stream, struct job *job)
{
	uint8_t *to = fake_reach(job->to, job->len), *from = fake_reach(job->from, job->len);

	stream->failed = job->result;
	if (!to || !from)
		stream->failed = ILLEGAL_ADDRESS;
	else if (!job->result)
		memcpy(to, from, job->len);
	under_way--;
	fake_counts[FAKE_ENDED]++;
	fake_counts[FAKE_BYTES] += job->len;
}

static void run_stream(struct stream *stream, bool all)
{
	struct job *job;

	for (; stream->count; stream->count--, stream->head = (stream->head + 1) % QUEUE) {
		job = &stream->jobs[stream->head];
		if (!all && !job->event && (fake_knobs[FAKE_HOLD] || now_ns() < job->due_ns))
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

void fake_run_all(void)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		run_stream(&streams[i], false);
}

EXPORT int cuStreamCreate(void **ret, unsigned flags);
EXPORT int cuStreamCreate(void **ret, unsigned flags)
{
	int i;

	fake_enter();
	for (i = 0; streams[i].used && i < STREAMS - 1; i++)
		;
	if (streams[i].used || flags != 1 || !fake_current())
		return fake_leave(INVALID_VALUE);
	streams[i].used = true;
	streams[i].context = fake_current();
	fake_counts[FAKE_OBJECTS]++;
	*ret = &streams[i];
	return fake_leave(SUCCESS);
}

EXPORT int cuStreamSynchronize(void *stream);
EXPORT int cuStreamSynchronize(void *stream)
{
	fake_enter();
	run_stream(stream, true);
	return fake_leave(SUCCESS);
}

EXPORT int cuStreamDestroy_v2(void *handle);
EXPORT int cuStreamDestroy_v2(void *handle)
{
	struct stream *stream = handle;

	fake_enter();
	if (!stream->used || stream->count)
		fake_counts[FAKE_FAULTS]++;
	stream->used = false;
	fake_counts[FAKE_OBJECTS]--;
	return fake_leave(SUCCESS);
}

EXPORT int cuEventCreate(void **event, unsigned flags);
EXPORT int cuEventCreate(void **event, unsigned flags)
{
	fake_enter();
	*event = flags == 2 && fake_current() ? calloc(1, sizeof(struct event)) : NULL;
	fake_counts[FAKE_OBJECTS] += *event != NULL;
	return fake_leave(*event ? SUCCESS : INVALID_VALUE);
}

EXPORT int cuEventDestroy_v2(void *event);
EXPORT int cuEventDestroy_v2(void *event)
{
	fake_enter();
	if (((struct event *)event)->pending)
		fake_counts[FAKE_FAULTS]++;
	free(event);
	fake_counts[FAKE_OBJECTS]--;
	return fake_leave(SUCCESS);
}

EXPORT int cuEventQuery(void *handle);
EXPORT int cuEventQuery(void *handle)
{
	struct event *event = handle;

	fake_enter();
	return fake_leave(event->pending ? NOT_READY : event->result);
}

static struct job *add_job(struct stream *stream)
{
	struct job *job = &stream->jobs[(stream->head + stream->count++) % QUEUE];

	memset(job, 0, sizeof(*job));
	job->due_ns = now_ns() + fake_knobs[FAKE_DELAY_US] * 1000;
	return job;
}

EXPORT int cuEventRecord(void *event, void *stream);
EXPORT int cuEventRecord(void *event, void *stream)
{
	fake_enter();
	if (fake_counts_down(FAKE_FAIL_RECORD))
		return fake_leave(LAUNCH_FAILED);
	if (((struct event *)event)->pending)
		fake_counts[FAKE_FAULTS]++;
	((struct event *)event)->pending = true;
	add_job(stream)->event = event;
	return fake_leave(SUCCESS);
}

static int copy(void *to, void *from, size_t len, struct stream *stream)
{
	struct job *job;

	fake_enter();
	if (!fake_current() || fake_current() != stream->context)
		return fake_leave(INVALID_CONTEXT);
	if (fake_counts_down(FAKE_FAIL_START))
		return fake_leave(LAUNCH_FAILED);
	job = add_job(stream);
	job->to = to;
	job->from = from;
	job->len = len;
	job->result = fake_counts_down(FAKE_FAIL_COPY) ? LAUNCH_FAILED : SUCCESS;
	fake_counts[FAKE_COPIES]++;
	if (++under_way > fake_counts[FAKE_MOST])
		fake_counts[FAKE_MOST] = under_way;
	return fake_leave(SUCCESS);
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
