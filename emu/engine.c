/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who moves packets: a program's thread while it polls, else one thread per process. That thread
 * sleeps on the process's bell until a packet comes or a timer runs out; while a program polls
 * busily it only looks in now and then, and senders need not ring.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "emu/engine.h"
#include "emu/verbs.h"

#define ALIVE_FOR (5 * EMU_MS) /* what was found about a process holds so long */

struct engine emu_engine = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.udp_lock = PTHREAD_MUTEX_INITIALIZER,
	.event = -1,
};

struct emu_udp *engine_udp(void)
{
	return emu_engine.udp;
}

bool engine_alive(struct emu_world *world, uint32_t slot, uint32_t generation, uint64_t now)
{
	if (slot == world->slot)
		return generation == world->generation;
	if (emu_since(atomic_load(&emu_engine.seen[slot].at), now) > ALIVE_FOR ||
	    atomic_load(&emu_engine.seen[slot].generation) != generation) {
		atomic_store(&emu_engine.seen[slot].alive,
			     emu_world_alive(world, slot, generation));
		atomic_store(&emu_engine.seen[slot].generation, generation);
		atomic_store(&emu_engine.seen[slot].at, now);
	}
	return atomic_load(&emu_engine.seen[slot].alive);
}

/* --- wake-up ------------------------------------------------------------------------------- */

void engine_wake(struct emu_world *world)
{
	uint64_t one = 1;

	if (emu_engine.event >= 0 && write(emu_engine.event, &one, sizeof(one)) < 0 &&
	    errno != EAGAIN)
		emu_warn_once("cannot wake the engine: %s", strerror(errno));
	if (world->area && atomic_exchange(&world->area->bell, EMU_AWAKE) == EMU_ASLEEP)
		emu_wake(&world->area->bell);
}

void emu_engine_wake_by(uint64_t when)
{
	struct emu_world *world = atomic_load(&emu_engine.world);

	if (world && atomic_load(&emu_engine.sleep_until) > when)
		engine_wake(world);
}

void emu_engine_armed(struct emu_nic *nic)
{
	struct emu_world *world = atomic_load(&emu_engine.world);

	atomic_store(&nic->polled_at, 0);
	if (world)
		engine_wake(world);
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

/* --- one NIC, under nic->progress ---------------------------------------------------------- */

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
	if (!emu_engine.udp)
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

bool engine_progress(struct emu_nic *nic, struct emu_world *world, uint64_t now)
{
	bool any = nic_arrivals(nic, world, now);

	nic_timers(nic, now);
	return any;
}

/* --- UDP ----------------------------------------------------------------------------------- */

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
		.incarnation = emu_incarnation(nic->world),
		.dst_qpn = packet->src_qpn,
		.flow = packet->flow,
	};
	struct iovec data = { &body, answer.payload };
	struct emu_path path;

	body.ack.arrived[packet->seq % EMU_WINDOW / 64] |= 1ull << (packet->seq % 64);
	memcpy(answer.src_gid, packet->dst_gid, EMU_GID_BYTES);
	memcpy(answer.dst_gid, packet->src_gid, EMU_GID_BYTES);
	if (emu_path_init(nic->world, packet->src_gid, packet->src_qpn, &path))
		emu_udp_emit(emu_engine.udp, &path, &answer, &data, 1);
}

bool engine_udp_progress(struct emu_world *world)
{
	const struct emu_sink sink = { world, udp_packet };
	unsigned int taken;

	if (!emu_engine.udp || pthread_mutex_trylock(&emu_engine.udp_lock))
		return false;
	taken = emu_udp_drain(emu_engine.udp, 64, &sink);
	pthread_mutex_unlock(&emu_engine.udp_lock);
	return taken != 0;
}

/* --- a program's thread that polls --------------------------------------------------------- */

void emu_engine_poll(struct emu_nic *nic)
{
	struct emu_world *world = atomic_load_explicit(&emu_engine.world, memory_order_acquire);
	uint64_t now;

	if (!world)
		return;
	now = emu_now();
	atomic_store_explicit(&nic->polled_at, now, memory_order_relaxed);
	if (emu_engine.udp)
		engine_udp_progress(world);
	if (!(atomic_load_explicit(&world->area->ready_nics, memory_order_relaxed) >> nic->index &
	      1) &&
	    now < atomic_load_explicit(&nic->wake_at, memory_order_relaxed))
		return;
	if (pthread_mutex_trylock(&nic->progress))
		return;
	engine_progress(nic, world, now);
	pthread_mutex_unlock(&nic->progress);
}
