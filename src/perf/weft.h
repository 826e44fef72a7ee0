/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end over libweft's engine: weft.c (life), weft_find.c (provider and devices, before
 * anything is opened), weft_io.c (hot path). A port is an engine in manual mode, so nothing runs
 * beside the measuring thread. The engine itself spreads transfers over its rails, one for each
 * device; the endpoints of a case are windows of their own, and nothing else.
 */
#ifndef WEFT_PERF_WEFT_H
#define WEFT_PERF_WEFT_H

#include "perf/backend.h"

#include <weft/weft.h>

#define PWEFT_BATCH_MAX 64u /* transfers of a batch; a longer list takes several */

struct pweft_port;

/* A batch is what is handed over at a time. */
struct pweft_batch {
	struct weft_batch *batch;
	struct pweft_port *port;
	struct pweft_batch *next; /* free, or ended and not told yet */
	uint64_t number;          /* of its first operation */
	uint32_t ep, count, told;
};

/* A message that was sent, and is not told yet. */
struct pweft_sent {
	uint64_t number;
	uint32_t ep;
};

struct pweft_port {
	struct perf_port port;
	struct perf_case c;
	uint32_t index;
	bool target;
	struct weft *weft;
	struct weft_region *region;
	struct weft_remote *remote;
	struct weft_peer *peer;
	struct weft_arrival *arrival;
	uint32_t imm; /* that the twin counts */
	unsigned char *memory;
	uint64_t len, stride;
	uint32_t slots;
	struct pweft_batch *batches; /* room for eps * window; opened are the first so many */
	uint32_t opened, room;
	struct pweft_batch *free, *ended, **ended_tail;
	struct pweft_sent *sent; /* a ring of room */
	uint32_t sent_head, sent_tail;
	uint64_t posted[PERF_EPS_MAX];
	bool said_hello, heard_hello;
	uint64_t came, told; /* messages; and arrivals told, of either kind */
	uint64_t polls;
	uint64_t done; /* operations of this side */
	int error;     /* of a message: what came is none of the case's */
	bool wrong;
	char why[256];
};

/* What there is for a case: 0, or an error that lists what there is. ret_rails: of the engine. */
int pweft_find(const struct perf_case *c, uint32_t *ret_rails);
int pweft_limits(const struct perf_case *c, struct perf_limits *ret);

/* Where an operation's bytes are, from the start of the memory. */
static inline uint64_t pweft_source(const struct pweft_port *port, uint32_t ep, uint64_t slot)
{
	return port->stride * (2ull * ep * port->slots + slot);
}

static inline uint64_t pweft_sink(const struct pweft_port *port, uint32_t ep, uint64_t slot)
{
	return pweft_source(port, ep, port->slots + slot);
}

int pweft_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count);
int pweft_poll(struct perf_port *port, struct perf_event *events, uint32_t room);
/* The engine's callback for messages; ctx is the port. */
void pweft_message(void *ctx, struct weft_peer *peer, const void *data, size_t len);
/* Says that this side has imported the other's region. */
int pweft_say_hello(struct pweft_port *port);

#endif /* WEFT_PERF_WEFT_H */
