/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who moves packets: a program's thread while it polls, else one thread per process. That thread
 * sleeps on the process's bell until a packet comes or a timer runs out; while a program polls
 * busily it only looks in now and then, and senders need not ring.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "emu/direct.h"
#include "emu/flow.h"
#include "emu/sysfs.h"
#include "emu/verbs.h"

#define HOT        (100 * EMU_US) /* a NIC polled less than this ago is looked after by its program */
#define NAP        (300 * EMU_US) /* of the thread meanwhile */
#define SLEEP_MAX  (250 * EMU_MS) /* so that faults, kills and link states are seen */
#define PUBLISH    (50 * EMU_MS)  /* between writings of counter files */
#define DIRECT_MIN (10 * EMU_US)
#define DIRECT_MAX EMU_MS
#define ALIVE_FOR  (5 * EMU_MS) /* what was found about a process holds so long */

struct engine {
	pthread_mutex_t lock; /* start, stop, the direct list */
	bool started, atfork;
	_Atomic bool stop;
	pthread_t thread;
	struct emu_world *_Atomic world; /* NULL: not started */
	struct emu_udp *udp;
	pthread_mutex_t udp_lock;     /* who drains */
	int event;                    /* UDP: wakes the thread */
	_Atomic uint64_t sleep_until; /* of the thread; 0: awake */
	uint64_t published[EMU_NICS]; /* packets counted at the last writing */
	uint64_t published_at;
	bool nic_down[EMU_NICS];
	_Atomic uint32_t directs;
	struct emu_qp *direct[EMU_RINGS];
	uint64_t direct_pause;
	struct {
		_Atomic uint64_t at;
		_Atomic uint32_t generation, alive;
	} seen[EMU_SLOTS];
};

static struct engine engine = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.udp_lock = PTHREAD_MUTEX_INITIALIZER,
	.event = -1,
};

struct emu_udp *engine_udp(void)
{
	return engine.udp;
}

bool engine_alive(struct emu_world *world, uint32_t slot, uint32_t generation, uint64_t now)
{
	if (slot == world->slot)
		return generation == world->generation;
	if (now - atomic_load(&engine.seen[slot].at) > ALIVE_FOR ||
	    atomic_load(&engine.seen[slot].generation) != generation) {
		atomic_store(&engine.seen[slot].alive, emu_world_alive(world, slot, generation));
		atomic_store(&engine.seen[slot].generation, generation);
		atomic_store(&engine.seen[slot].at, now);
	}
	return atomic_load(&engine.seen[slot].alive);
}

/* --- wake-up ------------------------------------------------------------------------------------
 */

static void thread_wake(struct emu_world *world)
{
	uint64_t one = 1;

	if (engine.event >= 0 && write(engine.event, &one, sizeof(one)) < 0 && errno != EAGAIN)
		emu_warn_once("cannot wake the engine: %s", strerror(errno));
	if (world->area && atomic_exchange(&world->area->bell, EMU_AWAKE) == EMU_ASLEEP)
		emu_wake(&world->area->bell);
}

void emu_engine_wake_by(uint64_t when)
{
	struct emu_world *world = atomic_load(&engine.world);

	if (world && atomic_load(&engine.sleep_until) > when)
		thread_wake(world);
}

void emu_engine_armed(struct emu_nic *nic)
{
	struct emu_world *world = atomic_load(&engine.world);

	atomic_store(&nic->polled_at, 0);
	if (world)
		thread_wake(world);
}

static void wake_at_lower(struct emu_nic *nic, uint64_t when)
{
	uint64_t old = atomic_load(&nic->wake_at);

	while (when < old && !atomic_compare_exchange_weak(&nic->wake_at, &old, when))
		;
}

/* Under qp->lock. */
void engine_active(struct emu_srd *srd)
{
	struct emu_nic *nic = srd->qp->nic;
	struct emu_qp *qp = srd->qp;

	if (srd->timer == EMU_NEVER)
		return;
	if (!srd->in_list) {
		pthread_spin_lock(&nic->active_lock);
		srd->in_list = true;
		qp->next_active = nic->active;
		qp->prev_active = &nic->active;
		if (nic->active)
			nic->active->prev_active = &qp->next_active;
		nic->active = qp;
		pthread_spin_unlock(&nic->active_lock);
	}
	wake_at_lower(nic, srd->timer);
	emu_engine_wake_by(srd->timer);
}

/* --- one NIC, under nic->progress ---------------------------------------------------------------
 */

struct drain {
	struct emu_srd *srd;
	uint64_t now;
};

static void drain_packet(void *context, const struct emu_packet *packet, const void *payload)
{
	struct drain *drain = context;

	arrive_packet(drain->srd, packet, payload, drain->now);
}

/* Packets have come for the queue pair (or, UDP, have been taken in): answer, go on sending. */
static void qp_ready(struct emu_qp *qp, uint64_t now)
{
	struct emu_srd *srd = qp->engine;
	struct drain drain = { srd, now };
	const struct emu_sink sink = { &drain, drain_packet };

	pthread_mutex_lock(&qp->lock);
	if (!engine.udp)
		emu_ring_drain(srd->world, srd->ring, &sink);
	emit_pump(srd, now);
	emit_acks(srd, now);
	engine_active(srd);
	pthread_mutex_unlock(&qp->lock);
}

/* Timers of a queue pair; takes it off the list when it has none left. */
static void qp_tick(struct emu_nic *nic, struct emu_qp *qp, uint64_t now)
{
	struct emu_srd *srd = qp->engine;

	pthread_mutex_lock(&qp->lock);
	if (srd->timer <= now) {
		srd->timer = EMU_NEVER;
		arrive_late(srd, now);
		flow_tick(srd, now);
		emit_pump(srd, now);
		emit_acks(srd, now);
	}
	if (srd->timer == EMU_NEVER) {
		pthread_spin_lock(&nic->active_lock);
		*qp->prev_active = qp->next_active;
		if (qp->next_active)
			qp->next_active->prev_active = qp->prev_active;
		srd->in_list = false;
		pthread_spin_unlock(&nic->active_lock);
	} else {
		wake_at_lower(nic, srd->timer);
	}
	pthread_mutex_unlock(&qp->lock);
}

static void nic_timers(struct emu_nic *nic, uint64_t now)
{
	struct emu_qp *qp, *next;

	if (now < atomic_load(&nic->wake_at))
		return;
	atomic_store(&nic->wake_at, EMU_NEVER);
	pthread_spin_lock(&nic->active_lock);
	qp = nic->active;
	pthread_spin_unlock(&nic->active_lock);
	for (; qp; qp = next) {
		pthread_spin_lock(&nic->active_lock);
		next = qp->next_active;
		pthread_spin_unlock(&nic->active_lock);
		qp_tick(nic, qp, now);
	}
}

/* What has come. True: something had. */
static bool nic_arrivals(struct emu_nic *nic, struct emu_world *world, uint64_t now)
{
	struct emu_area *area = world->area;
	uint64_t words, bits;
	bool any = false;

	if (!(atomic_load_explicit(&area->ready_nics, memory_order_relaxed) >> nic->index & 1))
		return false;
	atomic_fetch_and(&area->ready_nics, ~(1ull << nic->index));
	words = atomic_exchange(&area->ready[nic->index].words, 0);
	for (; words; words &= words - 1) {
		uint32_t word = (uint32_t)__builtin_ctzll(words) % (EMU_QPS / 64);

		bits = atomic_exchange(&area->ready[nic->index].qps[word], 0);
		for (; bits; bits &= bits - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
			struct emu_qp *qp = atomic_load(&nic->qp[index]);

			if (!qp)
				continue;
			qp_ready(qp, now);
			any = true;
		}
	}
	return any;
}

static bool nic_progress(struct emu_nic *nic, struct emu_world *world, uint64_t now)
{
	bool any = nic_arrivals(nic, world, now);

	nic_timers(nic, now);
	return any;
}

/* --- UDP ----------------------------------------------------------------------------------------
 */

/* A datagram for one of our queue pairs: taken in at once, answered with the others of its batch.
 */
static void udp_packet(void *context, const struct emu_packet *packet, const void *payload)
{
	struct emu_world *world = context;
	struct emu_area *area = world->area;
	uint32_t index = EMU_QPN_INDEX(packet->dst_qpn);
	struct emu_place place;
	struct emu_nic *nic;
	struct emu_qp *qp;

	if (EMU_QPN_SLOT(packet->dst_qpn) != world->slot ||
	    !emu_gid_place(world, packet->dst_gid, &place) || place.host != world->host)
		return;
	nic = emu_nic_at(place.nic);
	if (!nic)
		return;
	pthread_mutex_lock(&nic->progress);
	qp = atomic_load(&nic->qp[index]);
	if (qp) {
		pthread_mutex_lock(&qp->lock);
		arrive_packet(qp->engine, packet, payload, emu_now());
		pthread_mutex_unlock(&qp->lock);
		atomic_fetch_or(&area->ready[nic->index].qps[index / 64], 1ull << (index % 64));
		atomic_fetch_or(&area->ready[nic->index].words, 1ull << (index / 64));
		atomic_fetch_or(&area->ready_nics, 1ull << nic->index);
	} else if (packet->type != EMU_PACKET_ACK && packet->type != EMU_PACKET_DATAGRAM) {
		engine_refuse(nic, packet);
	}
	pthread_mutex_unlock(&nic->progress);
}

/* Nobody has this queue pair: says so, as the remote's NIC would. */
void engine_refuse(struct emu_nic *nic, const struct emu_packet *packet)
{
	struct {
		struct emu_ack ack;
		uint8_t refused[2];
	} body = { .ack = { .base = packet->seq, .refusals = 1 },
		   .refused = { 0, EMU_STATUS_REMOTE_QPN } };
	struct emu_packet answer = {
		.magic = EMU_PACKET_MAGIC,
		.version = EMU_PACKET_VERSION,
		.type = EMU_PACKET_ACK,
		.payload = sizeof(body.ack) + 2,
		.src_qpn = packet->dst_qpn,
		.dst_qpn = packet->src_qpn,
		.flow = packet->flow,
	};
	struct iovec data = { &body, answer.payload };
	struct emu_path path;

	body.ack.arrived[packet->seq % EMU_WINDOW / 64] |= 1ull << (packet->seq % 64);
	memcpy(answer.src_gid, packet->dst_gid, EMU_GID_BYTES);
	memcpy(answer.dst_gid, packet->src_gid, EMU_GID_BYTES);
	if (emu_path_init(nic->world, packet->src_gid, packet->src_qpn, &path))
		emu_udp_emit(engine.udp, &path, &answer, &data, 1);
}

static bool udp_progress(struct emu_world *world)
{
	const struct emu_sink sink = { world, udp_packet };
	unsigned int taken;

	if (!engine.udp || pthread_mutex_trylock(&engine.udp_lock))
		return false;
	taken = emu_udp_drain(engine.udp, 64, &sink);
	pthread_mutex_unlock(&engine.udp_lock);
	return taken != 0;
}

/* --- a program's thread that polls --------------------------------------------------------------
 */

void emu_engine_poll(struct emu_nic *nic)
{
	struct emu_world *world = atomic_load_explicit(&engine.world, memory_order_acquire);
	uint64_t now;

	if (!world)
		return;
	now = emu_now();
	atomic_store_explicit(&nic->polled_at, now, memory_order_relaxed);
	if (engine.udp)
		udp_progress(world);
	if (!(atomic_load_explicit(&world->area->ready_nics, memory_order_relaxed) >> nic->index &
	      1) &&
	    now < atomic_load_explicit(&nic->wake_at, memory_order_relaxed))
		return;
	if (pthread_mutex_trylock(&nic->progress))
		return;
	nic_progress(nic, world, now);
	pthread_mutex_unlock(&nic->progress);
}

/* --- queues that programs drive themselves ------------------------------------------------------
 */

void emu_engine_poll_direct(struct emu_qp *qp)
{
	struct emu_world *world = atomic_load(&engine.world);
	uint32_t i;

	pthread_mutex_lock(&engine.lock);
	for (i = 0; i < EMU_RINGS && engine.direct[i] && engine.direct[i] != qp; i++)
		;
	if (i < EMU_RINGS && !engine.direct[i]) {
		engine.direct[i] = qp;
		atomic_fetch_add(&engine.directs, 1);
	}
	pthread_mutex_unlock(&engine.lock);
	if (world)
		thread_wake(world);
}

void engine_forget_direct(struct emu_qp *qp)
{
	uint32_t last;

	if (!qp->direct)
		return;
	pthread_mutex_lock(&engine.lock);
	last = atomic_load(&engine.directs);
	for (uint32_t i = 0; i < last; i++) {
		if (engine.direct[i] != qp)
			continue;
		engine.direct[i] = engine.direct[last - 1];
		engine.direct[last - 1] = NULL;
		atomic_fetch_sub(&engine.directs, 1);
		break;
	}
	pthread_mutex_unlock(&engine.lock);
}

/* Looks at their doorbells; the pause until the next look grows while nothing is posted. */
static void direct_progress(void)
{
	unsigned int taken = 0;

	if (!atomic_load_explicit(&engine.directs, memory_order_relaxed))
		return;
	pthread_mutex_lock(&engine.lock);
	for (uint32_t i = 0; i < atomic_load(&engine.directs); i++)
		taken += emu_direct_take(engine.direct[i]);
	pthread_mutex_unlock(&engine.lock);
	if (taken)
		engine.direct_pause = DIRECT_MIN;
	else if (engine.direct_pause < DIRECT_MAX)
		engine.direct_pause += engine.direct_pause / 8 + 1;
}

/* --- the thread ---------------------------------------------------------------------------------
 */

static void publish(struct emu_world *world, uint64_t now, bool all)
{
	if (!all && now - engine.published_at < PUBLISH)
		return;
	engine.published_at = now;
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		struct emu_nic *nic = emu_nic_at(i);
		uint64_t sum = 0;

		for (int counter = 0; counter < EMU_COUNTERS; counter++)
			sum += atomic_load_explicit(&nic->shared->counters[counter],
						    memory_order_relaxed);
		if (sum == engine.published[i])
			continue;
		engine.published[i] = sum;
		emu_sysfs_publish(world->dir, world->shared, nic->host, i);
	}
}

static void link_states(struct emu_world *world, uint64_t now)
{
	if (atomic_load(&world->shared->process[world->slot].kill) ||
	    emu_fault_kill(world->shared, world->host, now))
		kill(getpid(), SIGKILL);
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		bool down = emu_fault_nic_down(world->shared, world->host, i, now);

		if (down == engine.nic_down[i])
			continue;
		engine.nic_down[i] = down;
		emu_async_port(emu_nic_at(i), down ? IBV_EVENT_PORT_ERR : IBV_EVENT_PORT_ACTIVE);
		emu_sysfs_publish(world->dir, world->shared, world->host, i);
	}
}

/* One look at everything. *wake: when the next is due. True: there was work, or a program polls. */
static bool look(struct emu_world *world, uint64_t now, uint64_t *wake, bool *hot)
{
	bool any = udp_progress(world);

	*wake = now + SLEEP_MAX;
	*hot = false;
	direct_progress();
	for (uint32_t i = 0; i < emu_nic_count(); i++) {
		struct emu_nic *nic = emu_nic_at(i);

		if (now - atomic_load_explicit(&nic->polled_at, memory_order_relaxed) < HOT) {
			*hot = true;
			continue;
		}
		pthread_mutex_lock(&nic->progress);
		any |= nic_progress(nic, world, now);
		pthread_mutex_unlock(&nic->progress);
		if (atomic_load(&nic->wake_at) < *wake)
			*wake = atomic_load(&nic->wake_at);
	}
	if (atomic_load(&engine.directs) && now + engine.direct_pause < *wake)
		*wake = now + engine.direct_pause;
	return any;
}

/* Sleeps until wake, a packet, or a call of emu_engine_wake_by(). */
static void sleep_until(struct emu_world *world, uint64_t wake, uint64_t now)
{
	struct emu_area *area = world->area;
	struct pollfd fds[2] = { { .fd = engine.event, .events = POLLIN } };
	struct timespec ts;
	uint64_t pause = wake > now ? wake - now : 0, sink;

	atomic_store(&engine.sleep_until, wake);
	atomic_store(&area->bell, EMU_ASLEEP);
	for (uint32_t i = 0; i < emu_nic_count(); i++)
		if (atomic_load(&emu_nic_at(i)->wake_at) < wake)
			pause = 0;
	if (pause && !atomic_load(&area->ready_nics) && !atomic_load(&engine.stop)) {
		if (engine.udp) {
			fds[1] = (struct pollfd){ .fd = emu_udp_fd(engine.udp), .events = POLLIN };
			ts = (struct timespec){ (time_t)(pause / EMU_S), (long)(pause % EMU_S) };
			ppoll(fds, 2, &ts, NULL);
			while (fds[0].revents && read(engine.event, &sink, sizeof(sink)) > 0)
				;
		} else {
			emu_wait(&area->bell, EMU_ASLEEP, pause);
		}
	}
	atomic_store(&area->bell, EMU_AWAKE);
	atomic_store(&engine.sleep_until, 0);
}

static void *engine_main(void *argument)
{
	struct emu_world *world = argument;
	const struct timespec nap = { 0, (long)NAP };
	uint64_t now, wake;
	bool hot;

	pthread_setname_np(pthread_self(), "weft-emu");
	while (!atomic_load(&engine.stop)) {
		now = emu_now();
		if (look(world, now, &wake, &hot))
			continue;
		link_states(world, now);
		publish(world, now, false);
		if (now - engine.published_at >= PUBLISH || hot) {
			if (hot && !atomic_load(&engine.directs)) {
				nanosleep(&nap, NULL);
				continue;
			}
		}
		if (atomic_load(&world->shared->fault_epoch) && wake > now + 20 * EMU_MS)
			wake = now + 20 * EMU_MS;
		sleep_until(world, wake, now);
	}
	publish(world, emu_now(), true);
	return NULL;
}

/* --- life ---------------------------------------------------------------------------------------
 */

/* The thread is not there in the child of a fork; nor is anything it guards of use. */
static void forked(void)
{
	atomic_store(&engine.world, NULL);
	engine.started = false;
	engine.udp = NULL;
	engine.event = -1;
	atomic_store(&engine.directs, 0);
	memset(engine.direct, 0, sizeof(engine.direct));
	pthread_mutex_init(&engine.lock, NULL);
	pthread_mutex_init(&engine.udp_lock, NULL);
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

	atomic_store(&engine.stop, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&engine.thread, NULL, engine_main, world);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

static int start(struct emu_world *world)
{
	char why[256];
	int error;

	if (!engine.atfork && pthread_atfork(NULL, NULL, forked))
		return ENOMEM;
	engine.atfork = true;
	error = -emu_world_join(world, why, sizeof(why));
	if (error) {
		emu_warn("%s", why);
		return error;
	}
	if (world->shared->carrier == EMU_CARRIER_UDP) {
		engine.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		error = engine.event < 0 ? errno : -emu_udp_open(world, &engine.udp);
	}
	engine.direct_pause = DIRECT_MIN;
	if (!error)
		error = thread_start(world);
	if (!error)
		return 0;
	if (engine.udp)
		emu_udp_close(engine.udp);
	engine.udp = NULL;
	if (engine.event >= 0)
		close(engine.event);
	engine.event = -1;
	emu_world_leave(world);
	return error;
}

struct emu_world *engine_start(struct emu_nic *nic, int *error)
{
	struct emu_world *world = atomic_load_explicit(&engine.world, memory_order_acquire);

	if (world)
		return world;
	pthread_mutex_lock(&engine.lock);
	if (!engine.started) {
		*error = start(nic->world);
		engine.started = *error == 0;
		if (engine.started)
			atomic_store_explicit(&engine.world, nic->world, memory_order_release);
	}
	world = atomic_load(&engine.world);
	pthread_mutex_unlock(&engine.lock);
	return world;
}

void emu_engine_stop(void)
{
	struct emu_world *world = atomic_load(&engine.world);

	if (!world)
		return;
	atomic_store(&engine.stop, true);
	thread_wake(world);
	pthread_join(engine.thread, NULL);
	atomic_store(&engine.world, NULL);
	engine.started = false;
	if (engine.udp)
		emu_udp_close(engine.udp);
	engine.udp = NULL;
	if (engine.event >= 0)
		close(engine.event);
	engine.event = -1;
	emu_world_leave(world);
}
