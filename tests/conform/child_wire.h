/* SPDX-License-Identifier: Apache-2.0 */
/* What is said on a child's socket: one request, one reply, each one packet. */
#ifndef CONFORM_CHILD_WIRE_H
#define CONFORM_CHILD_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/weft.h>

enum child_kind {
	CHILD_OPEN = 1,
	CHILD_CLOSE,
	CHILD_UNREGISTER,
	CHILD_STORM,
	CHILD_STORM_DONE,
	CHILD_ARRIVAL,
	CHILD_ARRIVED,
};

struct child_request {
	uint32_t kind; /* enum child_kind */
	uint32_t access;
	uint32_t storm_len;
	uint32_t rails;
	bool read;
	uint64_t timeout_ns;
	char provider[64];
	char bind_addr[64];
	uint32_t len;
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
};

struct child_reply {
	int32_t rc;
	int32_t error; /* STORM_DONE */
	uint32_t len;
	uint64_t count;
	char detail[256];
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
};

#endif /* CONFORM_CHILD_WIRE_H */
