/* SPDX-License-Identifier: Apache-2.0 */
/* Why memory could not be registered: the limit that stands in the way, what is used of it, and
 * what to do. */
#ifndef WEFT_ENGINE_PIN_WHY_H
#define WEFT_ENGINE_PIN_WHY_H

#include <stddef.h>
#include <stdint.h>

/* Limits of this process in bytes; UINT64_MAX: none, or not to be read. */
struct pin_host {
	uint64_t memlock;      /* RLIMIT_MEMLOCK */
	uint64_t pinned;       /* what counts against it already; 0 when it cannot be read */
	uint64_t group_max;    /* memory limit of the process's own control group */
	uint64_t group_in_use; /* 0 when it cannot be read */
};

/* Below root ("" but for tests) as /proc and /sys have it. */
void pin_host_read(struct pin_host *ret, const char *root);

struct pin_refusal {
	int rc;       /* what the transport's pin() answered */
	size_t len;   /* of the registration that was refused */
	size_t whole; /* of the region; more where it was to be registered in parts */
	const char *device;
	uint64_t pins; /* registrations that the engine holds with the device */
};
/* Puts the reason in front of the error's detail; returns the code that fits it. */
int pin_why(const struct pin_refusal *refusal, const struct pin_host *host);

#endif /* WEFT_ENGINE_PIN_WHY_H */
