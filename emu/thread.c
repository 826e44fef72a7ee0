/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's thread: what it looks at, when it sleeps, its start and end; and the queues that
 * programs drive without a call, at which it has to look by itself.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "emu/direct.h"
#include "emu/engine.h"
#include "emu/sysfs.h"
#include "emu/verbs.h"
#include "emu/world_file.h"

#define HOT        (100 * EMU_US) /* a NIC polled less than this ago is looked after by its program */
#define NAP        (300 * EMU_US) /* of the thread meanwhile */
#define SLEEP_MAX  (250 * EMU_MS) /* so that faults, kills and link states are seen */
#define STATES     (5 * EMU_MS)   /* between looks at them while there is work */
#define PUBLISH    (50 * EMU_MS)  /* between writings of counter files */
#define DIRECT_MIN (10 * EMU_US)
#define DIRECT_MAX EMU_MS

/* --- queues that programs drive themselves ------------------------------------------------- */

void emu_engine_poll_direct(struct emu_qp *qp)
{
	struct emu_world *world = atomic_load(&emu_engine.world);
	uint32_t i;

	pthread_mutex_lock(&emu_engine.lock);
	for (i = 0; i < EMU_RINGS && emu_engine.direct[i] && emu_engine.direct[i] != qp; i++)
		;
	if (i < EMU_RINGS && !emu_engine.direct[i]) {
		emu_engine.direct[i] = qp;
		atomic_fetch_add(&emu_engine.directs, 1);
	}
	pthread_mutex_unlock(&emu_engine.lock);
	if (world)
		engine_wake(world);
}

void engine_forget_direct(struct emu_qp *qp)
{
	uint32_t last;

	if (!qp->direct)
		return;
	pthread_mutex_lock(&emu_engine.lock);
	last = atomic_load(&emu_engine.directs);
	for (uint32_t i = 0; i < last; i++) {
		if (emu_engine.direct[i] != qp)
			continue;
		emu_engine.direct[i] = emu_engine.direct[last - 1];
		emu_engine.direct[last - 1] = NULL;
		atomic_fetch_sub(&emu_engine.directs, 1);
		break;
	}
	pthread_mutex_unlock(&emu_engine.lock);
}

/* Looks at their doorbells; the pause until the next look grows while nothing is posted. */
static void direct_progress(void)
{
	unsigned int taken = 0;

	if (!atomic_load_explicit(&emu_engine.directs, memory_order_relaxed))
		return;
	pthread_mutex_lock(&emu_engine.lock);
	for (uint32_t i = 0; i < atomic_load(&emu_engine.directs); i++)
		taken += emu_direct_take(emu_engine.direct[i]);
	pthread_mutex_unlock(&emu_engine.lock);
	if (taken)
		emu_engine.direct_pause = DIRECT_MIN;
	else if (emu_engine.direct_pause < DIRECT_MAX)
		emu_engine.direct_pause += emu_engine.direct_pause / 8 + 1;
}

/* --- the thread ---------------------------------------------------------------------------- */

static uint64_t counters_sum(const struct emu_nic *nic)
{
	uint64_t sum = 0;

	for (int counter = 0; counter < EMU_COUNTERS; counter++)
		sum += atomic_load_explicit(&nic->shared->counters[counter], memory_order_relaxed);
	return sum;
}

/* Writes counter files of NICs whose counters moved, unless that was done a moment ago. EMU_NEVER:
 * none is left to write; else when they will be due. */
static uint64_t publish(struct emu_world *world, uint64_t now, bool at_once)
{
	bool early = now - emu_engine.published_at < PUBLISH && !at_once;
	bool moved = false;

	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		uint64_t sum = counters_sum(emu_nic_at(i));

		if (sum == emu_engine.published[i])
			continue;
		moved = true;
		if (early)
			continue;
		emu_engine.published[i] = sum;
		emu_engine.published_at = now;
		emu_sysfs_publish(world->dir, world->shared, world->host, i);
	}
	return moved && early ? emu_engine.published_at + PUBLISH : EMU_NEVER;
}

/* Faults that concern the process and its NICs as such. */
static void link_states(struct emu_world *world, uint64_t now)
{
	if (now - emu_engine.states_at < STATES)
		return;
	emu_engine.states_at = now;
	if (atomic_load(&world->shared->process[world->slot].kill) ||
	    emu_fault_kill(world->shared, world->host, now))
		kill(getpid(), SIGKILL);
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		bool down = emu_fault_nic_down(world->shared, world->host, i, now);

		if (down == emu_engine.nic_down[i])
			continue;
		emu_engine.nic_down[i] = down;
		emu_async_port(emu_nic_at(i), down ? IBV_EVENT_PORT_ERR : IBV_EVENT_PORT_ACTIVE);
		emu_sysfs_publish(world->dir, world->shared, world->host, i);
	}
}

/* One look at everything. *wake: when the next is due. True: there was work, or a program polls. */
static bool look(struct emu_world *world, uint64_t now, uint64_t *wake, bool *hot)
{
	bool any = engine_udp_progress(world);

	*wake = now + SLEEP_MAX;
	*hot = false;
	direct_progress();
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		struct emu_nic *nic = emu_nic_at(i);

		if (emu_since(atomic_load_explicit(&nic->polled_at, memory_order_relaxed), now) <
		    HOT) {
			*hot = true;
			continue;
		}
		pthread_mutex_lock(&nic->progress);
		any |= engine_progress(nic, world, now);
		pthread_mutex_unlock(&nic->progress);
		if (atomic_load(&nic->wake_at) < *wake)
			*wake = atomic_load(&nic->wake_at);
	}
	if (atomic_load(&emu_engine.directs) && now + emu_engine.direct_pause < *wake)
		*wake = now + emu_engine.direct_pause;
	return any;
}

/* Sleeps until wake, a packet, or a call of emu_engine_wake_by(). */
static void sleep_until(struct emu_world *world, uint64_t wake, uint64_t now)
{
	struct emu_area *area = world->area;
	struct pollfd fds[2] = { { .fd = emu_engine.event, .events = POLLIN } };
	struct timespec ts;
	uint64_t pause = wake > now ? wake - now : 0, sink;

	atomic_store(&emu_engine.sleep_until, wake);
	atomic_store(&area->bell, EMU_ASLEEP);
	for (uint32_t i = 0; i < emu_nic_count(); i++)
		if (atomic_load(&emu_nic_at(i)->wake_at) < wake)
			pause = 0;
	if (pause && !atomic_load(&area->ready_nics) && !atomic_load(&emu_engine.stop)) {
		if (emu_engine.udp) {
			fds[1] = (struct pollfd){ .fd = emu_udp_fd(emu_engine.udp),
						  .events = POLLIN };
			ts = (struct timespec){ (time_t)(pause / EMU_S), (long)(pause % EMU_S) };
			ppoll(fds, 2, &ts, NULL);
			while (fds[0].revents && read(emu_engine.event, &sink, sizeof(sink)) > 0)
				;
		} else {
			emu_wait(&area->bell, EMU_ASLEEP, pause);
		}
	}
	atomic_store(&area->bell, EMU_AWAKE);
	atomic_store(&emu_engine.sleep_until, 0);
}

static void *engine_main(void *argument)
{
	struct emu_world *world = argument;
	const struct timespec nap = { 0, (long)NAP };
	uint64_t now, wake, due;
	bool hot, any;

	pthread_setname_np(pthread_self(), "weft-emu");
	while (!atomic_load(&emu_engine.stop)) {
		now = emu_now();
		any = look(world, now, &wake, &hot);
		link_states(world, now);
		due = publish(world, now, false);
		if (any)
			continue;
		if (hot && !atomic_load(&emu_engine.directs)) {
			nanosleep(&nap, NULL);
			continue;
		}
		if (due < wake)
			wake = due;
		if (atomic_load(&world->shared->fault_epoch) && wake > now + 4 * STATES)
			wake = now + 4 * STATES;
		sleep_until(world, wake, now);
	}
	publish(world, emu_now(), true);
	return NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

/* The thread is not there in the child of a fork; nor is anything it guards of use. */
static void forked(void)
{
	atomic_store(&emu_engine.world, NULL);
	emu_engine.started = false;
	if (emu_engine.udp)
		emu_udp_close(emu_engine.udp); /* the parent's port must not be ours */
	emu_engine.udp = NULL;
	if (emu_engine.event >= 0)
		close(emu_engine.event);
	emu_engine.event = -1;
	atomic_store(&emu_engine.directs, 0);
	memset(emu_engine.direct, 0, sizeof(emu_engine.direct));
	pthread_mutex_init(&emu_engine.lock, NULL);
	pthread_mutex_init(&emu_engine.udp_lock, NULL);
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		struct emu_nic *nic = emu_nic_at(i);

		pthread_mutex_init(&nic->progress, NULL);
		pthread_spin_init(&nic->active_lock, PTHREAD_PROCESS_PRIVATE);
		nic->active = NULL;
		for (uint32_t q = 0; q < EMU_QPS; q++)
			atomic_store(&nic->qp[q], NULL);
		memset(nic->qp_used, 0, sizeof(nic->qp_used));
		nic->qp_count = 0;
	}
}

static int thread_start(struct emu_world *world)
{
	sigset_t all, old;
	int error;

	atomic_store(&emu_engine.stop, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&emu_engine.thread, NULL, engine_main, world);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

static int start(struct emu_world *world)
{
	char why[256];
	int error;

	if (!emu_engine.atfork && pthread_atfork(NULL, NULL, forked))
		return ENOMEM;
	emu_engine.atfork = true;
	error = -emu_world_join(world, why, sizeof(why));
	if (error) {
		emu_warn("%s", why);
		return error;
	}
	if (world->shared->carrier == EMU_CARRIER_UDP) {
		emu_engine.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		error = emu_engine.event < 0 ? errno : -emu_udp_open(world, &emu_engine.udp);
	}
	emu_engine.direct_pause = DIRECT_MIN;
	if (!error)
		error = thread_start(world);
	if (!error)
		return 0;
	if (emu_engine.udp)
		emu_udp_close(emu_engine.udp);
	emu_engine.udp = NULL;
	if (emu_engine.event >= 0)
		close(emu_engine.event);
	emu_engine.event = -1;
	emu_world_leave(world);
	return error;
}

struct emu_world *engine_start(struct emu_nic *nic, int *error)
{
	struct emu_world *world = atomic_load_explicit(&emu_engine.world, memory_order_acquire);

	if (world)
		return world;
	pthread_mutex_lock(&emu_engine.lock);
	if (!emu_engine.started) {
		*error = start(nic->world);
		emu_engine.started = *error == 0;
		if (emu_engine.started)
			atomic_store_explicit(&emu_engine.world, nic->world, memory_order_release);
	}
	world = atomic_load(&emu_engine.world);
	pthread_mutex_unlock(&emu_engine.lock);
	return world;
}

/* Acknowledges what queue pairs have taken that the program never destroyed. Locks that are held
 * stay with their threads: those go on until the process has ended. */
static void last_words(void)
{
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		struct emu_nic *nic = emu_nic_at(i);

		if (pthread_mutex_trylock(&nic->progress))
			continue;
		for (uint32_t index = 0; index < EMU_QPS; index++) {
			struct emu_qp *qp = atomic_load(&nic->qp[index]);

			if (!qp || pthread_mutex_trylock(&qp->lock))
				continue;
			emit_last_acks(qp->engine, emu_now());
			pthread_mutex_unlock(&qp->lock);
		}
		pthread_mutex_unlock(&nic->progress);
	}
}

/* Other threads of the program may still post and poll: all that they use stays for the rest of the
 * process. */
void emu_engine_stop(void)
{
	struct emu_world *world = atomic_load(&emu_engine.world);

	if (!world)
		return;
	atomic_store(&emu_engine.stop, true);
	engine_wake(world);
	pthread_join(emu_engine.thread, NULL);
	last_words();
	emu_world_quit(world);
}
