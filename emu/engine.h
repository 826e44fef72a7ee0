/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of a process, for engine.c and thread.c only: one per process, started with its first
 * queue pair.
 */
#ifndef EMU_ENGINE_H
#define EMU_ENGINE_H

#include "emu/flow.h"

struct engine {
	pthread_mutex_t lock; /* start, stop, the list of direct queue pairs */
	bool started, atfork;
	_Atomic bool stop;
	pthread_t thread;
	struct emu_world *_Atomic world; /* NULL: not started */
	struct emu_udp *udp;             /* NULL: the carrier is rings */
	pthread_mutex_t udp_lock;        /* who drains */
	int event;                       /* UDP: wakes the thread; -1 */
	_Atomic uint64_t sleep_until;    /* of the thread; 0: awake */

	/* Of the thread alone. */
	uint64_t published[EMU_NICS]; /* sum of counters at the last writing */
	uint64_t published_at, states_at;
	bool nic_down[EMU_NICS];
	uint64_t direct_pause;

	_Atomic uint32_t directs;
	struct emu_qp *direct[EMU_RINGS];

	/* What was last found about processes. */
	struct {
		_Atomic uint64_t at;
		_Atomic uint32_t generation, alive;
	} seen[EMU_SLOTS];
};

extern struct engine emu_engine;

/* Takes in what has come for the NIC and runs its timers. Under nic->progress. True: something had
 * come. */
bool engine_progress(struct emu_nic *nic, struct emu_world *world, uint64_t now);

/* Takes datagrams in, unless another thread does. True: there were some. */
bool engine_udp_progress(struct emu_world *world);

/* Has the thread look at once. */
void engine_wake(struct emu_world *world);

#endif
