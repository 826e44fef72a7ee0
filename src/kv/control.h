/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the KV client needs from a control connection: registration, heartbeats, and requests for a
 * client that does not send them over the fabric. src/control implements it over gRPC;
 * control_local in src/kv calls a server in the same process.
 */
#ifndef WEFT_KV_CONTROL_H
#define WEFT_KV_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <weft/weft.h>

#include "kv/wire.h"

/* RegisterClient. */
struct kv_hello {
	uint32_t client_id;    /* 0: the server chooses one */
	uint32_t protocol;     /* highest WIRE_VERSION that the client speaks */
	uint32_t credits;      /* requests in flight that it would like; 0: the server's choice */
	uint64_t capabilities; /* none yet: 0 */
	uint64_t replaces;     /* session that this one replaces; 0: none */
	uint64_t buffer_bytes;
	uint64_t buffer_base;   /* what the client calls the start of its buffer
				   (server_call.absolute) */
	const void *descriptor; /* weft_export() of its buffer; NULL: values travel inline only */
	size_t descriptor_len;
};

struct kv_welcome {
	uint64_t session; /* never 0 */
	uint32_t client_id;
	uint32_t node_id;
	uint32_t protocol; /* that both speak */
	uint32_t credits;
	uint32_t heartbeat_ms;       /* how often the client is to be heard at least */
	uint32_t session_timeout_ms; /* after this silence it is forgotten */
	uint64_t max_value;
	uint64_t inline_max;
	uint64_t capabilities;
	size_t descriptor_len;
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX]; /* weft_export_engine() of the server */
};

/*
 * The answer to a request, with its slot and generation. A failure has reply->status and its text
 * in data; that of the connection itself is WEFT_EUNAVAILABLE or WEFT_EDEADLINE. reply is borrowed
 * until it returns.
 */
typedef void (*control_done_fn)(void *ctx, const struct wire_msg *reply);

/*
 * All functions but heartbeat are called by one thread at a time; heartbeat by another one beside
 * them. Failures leave err_set()'s detail. Timeouts are nanoseconds from the call.
 */
struct control_ops {
	const char *name;
	/* Connects to HOST:PORT ("http://" in front is accepted). -WEFT_EUNAVAILABLE,
	 * -WEFT_EPROTOCOL, -EINVAL. arg: as given to client_open(). */
	int (*open)(void **ret, void *arg, const char *server_addr, uint64_t timeout_ns);
	/* Requests under way are dropped without an answer. NULL is fine. */
	void (*close)(void *control);
	int (*hello)(void *control, const struct kv_hello *hello, uint64_t timeout_ns,
		     struct kv_welcome *ret);
	/* 0: the server knows the session; -WEFT_ESESSION: not; else it could not be asked. */
	int (*heartbeat)(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns);
	/* Ends the session. */
	int (*bye)(void *control, uint64_t session, uint32_t client_id, uint64_t timeout_ns);
	/* Sends a request; what it points at is copied. done runs in poll(), once, unless start
	 * failed or the control is closed before. A GET's reply comes when its writes have ended
	 * and nothing touches the client's memory any more, so arrivals is 0. */
	int (*start)(void *control, const struct wire_msg *request, uint64_t timeout_ns,
		     control_done_fn done, void *ctx);
	/* Runs done for what was answered; waits up to timeout_ns for the first. How many. */
	int (*poll)(void *control, uint64_t timeout_ns);
};

extern const struct control_ops control_grpc;  /* in src/control */
extern const struct control_ops control_local; /* arg: a struct server */

#endif /* WEFT_KV_CONTROL_H */
