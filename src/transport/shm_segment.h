/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of libfabric's shm provider in /dev/shm, as far as its lock. Layout of libfabric 1.17
 * (struct smr_region); later ones have no such lock.
 *
 * Where the lock lies is checked against two fields whose values are known, the process id and the
 * segment's size; a segment that does not look like 1.17's is left alone.
 */
#ifndef WEFT_TRANSPORT_SHM_SEGMENT_H
#define WEFT_TRANSPORT_SHM_SEGMENT_H

#include <pthread.h>
#include <stdint.h>

struct shm_segment {
	uint8_t version, reserved;
	uint16_t flags;
	int32_t pid; /* of its owner */
	uint8_t caps[2];
	uint32_t sar_max;
	uint64_t base;
	pthread_spinlock_t lock;
	uint32_t signal;
	uint64_t map;
	uint64_t size;
};

/* The segment of that name in /dev/shm, to be given to shm_segment_unmap(). NULL: it is not there,
 * or it is not one of libfabric 1.17. */
struct shm_segment *shm_segment_map(const char *file);
void shm_segment_unmap(struct shm_segment *segment);

#endif /* WEFT_TRANSPORT_SHM_SEGMENT_H */
