/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for CUDA's driver with memory that a processor cannot touch: each allocation is mapped
 * twice, once without any right at the address that is handed out, and once for the copies alone.
 *
 * Copies wait on their stream until their time has come and the driver is called again: what they
 * read and write is what is there then. A copy whose memory was given back meanwhile counts as a
 * fault, and so does one from or to host memory that was not shown to the driver.
 */
#ifndef TESTS_GPU_FAKE_CUDA_H
#define TESTS_GPU_FAKE_CUDA_H

#include <stdint.h>

/* Of fake_cuda_set(). All are 0 at first. */
enum fake_cuda_knob {
	FAKE_DELAY_US,      /* how long each copy takes at least */
	FAKE_FAIL_START,    /* the n-th copy from now on is refused */
	FAKE_FAIL_COPY,     /* the n-th copy from now on is told to have failed */
	FAKE_FAIL_RECORD,   /* the n-th event from now on cannot be recorded */
	FAKE_FAIL_ASK,      /* cuPointerGetAttributes answers this */
	FAKE_FAIL_REGISTER, /* cuMemHostRegister answers this */
	FAKE_NO_CONTEXT,    /* 1: memory belongs to no context */
	FAKE_MANAGED,       /* 1: memory counts as managed */
	FAKE_PLACE,         /* PCI address, bus << 8 | device; 0: cuDeviceGetPCIBusId fails */
	FAKE_HOLD,          /* 1: no copy ends, until a stream is synchronized */
	FAKE_KNOBS,
};

/* Of fake_cuda_get(). */
enum fake_cuda_count {
	FAKE_COPIES,  /* begun */
	FAKE_ENDED,   /* copies that were done */
	FAKE_BYTES,   /* that they moved */
	FAKE_MOST,    /* copies that were under way at a time */
	FAKE_FAULTS,  /* misuse, see above; unbalanced contexts too */
	FAKE_CALLS,   /* of any function of CUDA's */
	FAKE_OBJECTS, /* streams, events, host registrations and retained contexts there are */
	FAKE_SYNCED,  /* allocations with SYNC_MEMOPS */
	FAKE_COUNTS,
};

void fake_cuda_set(int knob, uint64_t value);
uint64_t fake_cuda_get(int count);
/* Lets copies run whose time has come. */
void fake_cuda_run(void);

#endif /* TESTS_GPU_FAKE_CUDA_H */
