/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of a run: its ports, a thread for each, their phases, and the readings of processor and
 * NIC counters around the measured time. Both sides of a session have one; who conducts tells it
 * when a phase begins.
 */
#ifndef WEFT_PERF_SESSION_CREW_H
#define WEFT_PERF_SESSION_CREW_H

#include <pthread.h>

#include "perf/backend.h"
#include "perf/cpu.h"
#include "perf/measure.h"
#include "perf/nics.h"
#include "perf/result.h"

/* What the machine used while nothing was measured. */
struct perf_idle {
	struct perf_cpu_reading from, to;
};

/* Takes two readings, PERF_IDLE_NS apart. 0 or a code. */
#define PERF_IDLE_NS (200 * 1000000ull)
int perf_idle_read(struct perf_idle *ret);

struct perf_crew;

struct perf_crew_thread {
	struct perf_crew *crew;
	struct perf_port *port;
	pthread_t thread;
	bool started, connected;
	void *twin; /* the other side's address, twin_len bytes; 0: not known yet */
	int twin_len;
	struct perf_measured measured;
	int error;
	char why[PERF_TEXT_MAX];
};

struct perf_crew {
	struct perf_case c;
	const struct perf_backend *backend;
	bool target;
	uint32_t threads;
	struct perf_crew_thread *thread;
	struct perf_phases phases;
	struct perf_cpu_reading cpu_from, cpu_to;
	struct perf_nic_reading nics_from, nics_to;
	uint64_t nics_from_ns, nics_to_ns; /* when the NICs had counted so much */
	struct perf_facts fresh;           /* SETUP: of the ports that came and went */
};

/*
 * Is the case one that this machine's back end can do? 0, or -EINVAL, -EOPNOTSUPP, -WEFT_ELIMIT
 * with the limit in err_set(). *ret_backend: of the case.
 */
int perf_case_fits(const struct perf_case *c, const struct perf_backend **ret_backend);
/* Bytes that its ports register at most, on one side. */
uint64_t perf_case_bytes(const struct perf_case *c);

/* Opens the ports of all threads, one after the other; none for SETUP, whose ports come and go. The
 * case fits. */
int perf_crew_open(struct perf_crew **ret, const struct perf_case *c, bool target);
/* Ends threads that still run, at once, and closes the ports. NULL: nothing. */
void perf_crew_close(struct perf_crew *crew);

/* Address of a thread's port: its length, into PERF_ADDRESS_MAX bytes. */
int perf_crew_address(struct perf_crew *crew, uint32_t index, void *ret);
/* What its twin said; bytes from the network. */
int perf_crew_meet(struct perf_crew *crew, uint32_t index, const void *address, int len);
/* Goes on connecting all; -EAGAIN: call again. */
int perf_crew_connect(struct perf_crew *crew);
/* Makes progress on the connected ports before their threads start: the twins may need it to be
 * connected, too. */
int perf_crew_progress(struct perf_crew *crew);
/* Between two rounds of such waiting: gives the processor away, but rarely, since a round that
 * another process waits for may be needed at once. */
void perf_crew_pause(uint32_t *rounds);

int perf_crew_start(struct perf_crew *crew);
/*
 * Reads the counters of processor and NICs: before the measured time, or after it, while threads
 * run in either case. What a NIC shows is up to 50 ms old, so it is read when it has just changed.
 */
int perf_crew_read(struct perf_crew *crew, bool after);
/* A phase begins. */
void perf_crew_phase(struct perf_crew *crew, enum perf_phase phase);
/* How many of its threads initiate. */
uint32_t perf_crew_initiators(const struct perf_crew *crew);
/* Waits for the threads, which the phase END ends. 0, or the first failure with err_set(). */
int perf_crew_join(struct perf_crew *crew);
/* The failure of a thread, err_set(), while others may still run; 0: none. */
int perf_crew_failure(struct perf_crew *crew);

/* What this side counted, once all are joined. idle: or NULL. */
void perf_crew_side(struct perf_crew *crew, const struct perf_idle *idle, struct perf_side *ret);
/* The initiators' part of a run: latencies, slices, warm-up. 0 or -ENOMEM. */
int perf_crew_run(struct perf_crew *crew, struct perf_run *ret);
/* Adds what a port that came and went knows. */
void perf_crew_was(struct perf_crew *crew, struct perf_port *port);

#endif /* WEFT_PERF_SESSION_CREW_H */
