/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes of a benchmark: the parent is the initiator, its child the target. They swap
 * addresses through a socket pair and share one page: the phase of the run, which the initiator
 * moves, and what the target reports.
 *
 * WARM -> MEASURE -> DRAIN -> STOP. Processor time is taken by each side between MEASURE and DRAIN.
 */
#ifndef WEFT_BENCH_PAIR_H
#define WEFT_BENCH_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum pair_phase {
	PAIR_WARM,
	PAIR_MEASURE,
	PAIR_DRAIN,
	PAIR_STOP,
};

struct pair_shared {
	_Atomic int phase;
	_Atomic uint64_t posted; /* operations of the whole run; set before STOP */
	double target_cpu_s;     /* set by the target before it ends */
};

struct pair {
	struct pair_shared *shared;
	pid_t child; /* 0 in the target */
	int fd;
	bool target;
	int seen; /* phase that pair_phase() saw last */
	double cpu_start, cpu_s;
	double target_cpu_s; /* after pair_close() */
};

/* Forks. Must be called before any library opens a fabric. */
int pair_open(struct pair *pair);
/* Initiator: waits until the target has ended, by timeout_s at the latest, and kills it then.
 * 0 when it ended well. */
int pair_close(struct pair *pair, unsigned timeout_s);
/* Sends out to the other process and receives its message of at most *in_len bytes; *in_len is what
 * came. */
int pair_swap(struct pair *pair, const void *out, size_t out_len, void *in, size_t *in_len);
/* Initiator: moves to a phase. Processor time is read at MEASURE and DRAIN. */
void pair_move(struct pair *pair, int phase);
void pair_saw(struct pair *pair, int phase);

/* A target that an engine's own thread serves: returns at STOP. Notices phases within 1 ms. */
void pair_await_stop(struct pair *pair);

/* The phase now; the target's way to notice changes. Cheap. */
static inline int pair_phase(struct pair *pair)
{
	int phase = atomic_load_explicit(&pair->shared->phase, memory_order_acquire);

	if (phase != pair->seen)
		pair_saw(pair, phase);
	return phase;
}

#endif /* WEFT_BENCH_PAIR_H */
