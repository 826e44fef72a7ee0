/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/session_crew.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "transport/fabric.h"

#define SLICES       200
#define EVENTS       16
#define ROUNDS       256
#define SLICE_MIN_NS NSEC_PER_MSEC
#define NICS_NS      (60 * NSEC_PER_MSEC)

int perf_idle_read(struct perf_idle *ret)
{
	struct timespec pause = { .tv_nsec = (long)PERF_IDLE_NS };
	int rc = perf_cpu_read(&ret->from, "/proc");

	if (rc)
		return rc;
	nanosleep(&pause, NULL);
	return perf_cpu_read(&ret->to, "/proc");
}

static bool wants_latency(const struct perf_crew *crew)
{
	enum perf_test test = crew->c.test;

	return !crew->target && (test == PERF_LAT || test == PERF_OPEN || test == PERF_REG);
}

static int make_room(struct perf_crew_thread *thread)
{
	struct perf_measured *measured = &thread->measured;
	const struct perf_case *c = &thread->crew->c;

	thread->twin = malloc(PERF_ADDRESS_MAX);
	if (wants_latency(thread->crew)) {
		measured->latency = calloc(1, sizeof(*measured->latency));
		if (c->test != PERF_LAT)
			measured->closed = calloc(1, sizeof(*measured->closed));
	}
	measured->slices = SLICES;
	measured->slice_ns = c->duration_ns / (SLICES / 2);
	if (measured->slice_ns < SLICE_MIN_NS)
		measured->slice_ns = SLICE_MIN_NS;
	if (!thread->crew->target)
		measured->slice = calloc(SLICES, sizeof(*measured->slice));
	if (!thread->twin || (wants_latency(thread->crew) && !measured->latency) ||
	    (!thread->crew->target && !measured->slice))
		return err_set(-ENOMEM, "no memory for what is recorded");
	return 0;
}

int perf_crew_open(struct perf_crew **ret, const struct perf_case *c, bool target)
{
	struct perf_crew *crew = calloc(1, sizeof(*crew));
	struct perf_crew_thread *thread;
	int rc = 0;

	if (!crew)
		return err_set(-ENOMEM, "no memory for a run");
	crew->c = *c;
	crew->target = target;
	crew->backend = perf_backend_find(c->backend);
	crew->thread = calloc(c->threads, sizeof(*crew->thread));
	if (!crew->thread)
		rc = err_set(-ENOMEM, "no memory for %u threads", c->threads);
	while (!rc && c->test != PERF_SETUP && crew->threads < c->threads) {
		thread = &crew->thread[crew->threads];
		thread->crew = crew;
		rc = make_room(thread);
		if (!rc)
			rc = crew->backend->open(&thread->port, &crew->c, crew->threads, target);
		if (rc)
			thread->port = NULL;
		crew->threads++;
	}
	if (rc) {
		perf_crew_close(crew);
		return rc;
	}
	*ret = crew;
	return 0;
}

int perf_crew_address(struct perf_crew *crew, uint32_t index, void *ret)
{
	return crew->backend->address(crew->thread[index].port, ret, PERF_ADDRESS_MAX);
}

int perf_crew_meet(struct perf_crew *crew, uint32_t index, const void *address, int len)
{
	if (index >= crew->threads || len <= 0 || len > PERF_ADDRESS_MAX ||
	    crew->thread[index].twin_len)
		return err_set(-WEFT_EMESSAGE, "the address of a port that is not expected");
	memcpy(crew->thread[index].twin, address, (size_t)len);
	crew->thread[index].twin_len = len;
	return 0;
}

int perf_crew_connect(struct perf_crew *crew)
{
	struct perf_crew_thread *thread;
	bool again = false;
	int rc;

	for (uint32_t i = 0; i < crew->threads; i++) {
		thread = &crew->thread[i];
		if (thread->connected)
			continue;
		if (!thread->twin_len)
			return err_set(-WEFT_EMESSAGE, "no address of port %u came", i);
		rc = crew->backend->connect(thread->port, thread->twin, (size_t)thread->twin_len);
		if (rc == -EAGAIN)
			again = true;
		else if (rc)
			return rc;
		else
			thread->connected = true;
	}
	return again ? -EAGAIN : 0;
}

int perf_crew_progress(struct perf_crew *crew)
{
	struct perf_event events[EVENTS];
	int rc = 0;

	for (uint32_t i = 0; rc >= 0 && i < crew->threads; i++)
		if (crew->thread[i].connected)
			rc = crew->backend->poll(crew->thread[i].port, events, EVENTS);
	return rc < 0 ? rc : 0;
}

void perf_crew_pause(uint32_t *rounds)
{
	if (++*rounds % ROUNDS == 0)
		sched_yield();
}

static void *thread_main(void *arg)
{
	struct perf_crew_thread *thread = arg;
	struct perf_crew *crew = thread->crew;
	uint32_t none = 0;
	int rc;

	err_clear();
	if (!crew->target || crew->c.bidir)
		rc = perf_measure_initiator(thread->port, &crew->c, &crew->phases,
					    &thread->measured);
	else
		rc = perf_measure_target(thread->port, &crew->c, &crew->phases, &thread->measured);
	if (rc < 0) {
		snprintf(thread->why, sizeof(thread->why), "%s", weft_error_detail());
		__atomic_store_n(&thread->error, rc, __ATOMIC_RELEASE);
		atomic_compare_exchange_strong(&crew->phases.failed, &none, (uint32_t)-rc);
	}
	return NULL;
}

int perf_crew_start(struct perf_crew *crew)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < crew->threads; i++) {
		rc = thread_create(&crew->thread[i].thread, NULL, thread_main, &crew->thread[i]);
		crew->thread[i].started = !rc;
	}
	return rc ? err_set(-rc, "cannot start a thread: %s", strerror(rc)) : 0;
}

static bool is_same(const struct perf_nic_reading *a, const struct perf_nic_reading *b)
{
	if (a->nics != b->nics)
		return false;
	for (uint32_t i = 0; i < a->nics; i++)
		if (a->nic[i].tx_bytes != b->nic[i].tx_bytes ||
		    a->nic[i].rx_bytes != b->nic[i].rx_bytes)
			return false;
	return true;
}

static void read_nics(const struct perf_crew *crew, struct perf_nic_reading *ret, uint64_t *ret_ns)
{
	struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	uint64_t end_ns = clock_ns() + NICS_NS;
	struct perf_nic_reading first;

	perf_nics_read(ret, fabric_sysfs());
	first = *ret;
	while (crew->threads && ret->nics && is_same(ret, &first) && clock_ns() < end_ns) {
		nanosleep(&pause, NULL);
		perf_nics_read(ret, fabric_sysfs());
	}
	*ret_ns = clock_ns();
}

int perf_crew_read(struct perf_crew *crew, bool after)
{
	int rc = 0;

	/* The NICs' outside the processor's: reading them is work of its own. */
	if (!after)
		read_nics(crew, &crew->nics_from, &crew->nics_from_ns);
	rc = perf_cpu_read(after ? &crew->cpu_to : &crew->cpu_from, "/proc");
	if (after)
		read_nics(crew, &crew->nics_to, &crew->nics_to_ns);
	return rc;
}

void perf_crew_phase(struct perf_crew *crew, enum perf_phase phase)
{
	atomic_store_explicit(&crew->phases.phase, phase, memory_order_release);
}

uint32_t perf_crew_initiators(const struct perf_crew *crew)
{
	return !crew->target || crew->c.bidir ? crew->threads : 0;
}

int perf_crew_failure(struct perf_crew *crew)
{
	struct perf_crew_thread *thread;
	int rc, cancelled = 0;

	if (!atomic_load(&crew->phases.failed))
		return 0;
	for (uint32_t i = 0; i < crew->threads; i++) {
		thread = &crew->thread[i];
		rc = __atomic_load_n(&thread->error, __ATOMIC_ACQUIRE);
		/* That another has failed says nothing. */
		if (rc && rc != -WEFT_ECANCELLED)
			return err_set(rc, "%s", thread->why);
		cancelled |= rc;
	}
	return cancelled;
}

int perf_crew_join(struct perf_crew *crew)
{
	for (uint32_t i = 0; i < crew->threads; i++)
		if (crew->thread[i].started) {
			pthread_join(crew->thread[i].thread, NULL);
			crew->thread[i].started = false;
		}
	return perf_crew_failure(crew);
}

void perf_crew_close(struct perf_crew *crew)
{
	struct perf_crew_thread *thread;
	uint32_t none = 0;

	if (!crew)
		return;
	atomic_compare_exchange_strong(&crew->phases.failed, &none, WEFT_ECANCELLED);
	atomic_store(&crew->phases.phase, PERF_PHASE_END);
	perf_crew_join(crew);
	for (uint32_t i = 0; i < crew->threads; i++) {
		thread = &crew->thread[i];
		if (thread->port)
			crew->backend->close(thread->port);
		free(thread->twin);
		free(thread->measured.latency);
		free(thread->measured.closed);
		free(thread->measured.slice);
	}
	free(crew->thread);
	free(crew);
}
