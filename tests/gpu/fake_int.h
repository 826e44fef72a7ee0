/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the stand-in share. */
#ifndef TESTS_GPU_FAKE_INT_H
#define TESTS_GPU_FAKE_INT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fake_cuda.h"

#define EXPORT __attribute__((visibility("default")))

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

/* All that follows is the lock's. */
extern pthread_mutex_t fake_lock;
extern uint64_t fake_knobs[FAKE_KNOBS], fake_counts[FAKE_COUNTS];

/* Begins every call: takes the lock, counts it, and lets copies run. */
void fake_enter(void);
int fake_leave(int result);
void *fake_current(void); /* context */
/* Whether the n-th of them is now. */
bool fake_counts_down(int knob);
/* Where a processor may reach it; NULL, and a fault, when it is not there any more. */
uint8_t *fake_reach(uint8_t *address, size_t len);
void fake_run_all(void);

#endif /* TESTS_GPU_FAKE_INT_H */
