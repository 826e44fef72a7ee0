/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KvCacheService and grpc.health.v1.Health in front of the KV server: protobuf on one side, struct
 * wire_msg on the other.
 */
#ifndef WEFT_CONTROL_SERVICE_H
#define WEFT_CONTROL_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "control/rpc.h"
#include "kv/server.h"

/* Largest value inside a Get's answer, bytes. Put takes what fits RPC_MESSAGE_MAX. */
#define SERVICE_INLINE_MAX (4u << 20)
/* Requests in a Batch. */
#define SERVICE_BATCH_MAX 256u

struct service;

/* What the service asks of the KV layer: the functions of kv/server.h, kv in place of the server.
 */
struct kv_service_ops {
	int (*hello)(void *kv, const struct kv_hello *hello, struct kv_welcome *ret);
	bool (*heartbeat)(void *kv, uint64_t session, uint32_t client_id);
	void (*call)(void *kv, struct server_call *call);
};

/* With a struct server as kv. */
extern const struct kv_service_ops service_kv_ops;

struct service_opts {
	const char *addr; /* as rpc_server_opts.addr */
	const struct kv_service_ops *ops;
	void *kv;
	uint32_t threads;    /* 0: 2 */
	uint32_t call_limit; /* 0: 1024 */
};

/* Serves. Errors as rpc_server_open(). */
int service_open(struct service **ret, const struct service_opts *opts);
uint16_t service_port(const struct service *service);
/* What Health/Check answers: SERVING (at first) or NOT_SERVING. */
void service_set_serving(struct service *service, bool serving);
/*
 * NOT_SERVING; no further calls; up to drain_ns for those under way, the rest is cancelled: their
 * callers get no answer. Returns how many. The KV server still answers what it holds
 * (server_drain()).
 */
uint32_t service_stop(struct service *service, uint64_t drain_ns);
/* Waits until the KV server has answered every call, and frees. NULL is fine. */
void service_close(struct service *service);

#endif /* WEFT_CONTROL_SERVICE_H */
