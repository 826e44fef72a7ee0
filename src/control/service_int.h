/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the service:
 *
 *	service.c          life; one request to the KV server and its answer back
 *	service_batch.c    many requests in one message
 *	service_session.c  RegisterClient, Heartbeat, health
 */
#ifndef WEFT_CONTROL_SERVICE_INT_H
#define WEFT_CONTROL_SERVICE_INT_H

#include <stdatomic.h>

#include "control/kvproto.h"
#include "control/service.h"

#define SERVICE_METHODS_MAX 32u

struct service_route {
	struct service *service;
	const struct kvproto_method *method;
};

struct service {
	const struct kv_service_ops *ops;
	void *kv;
	struct rpc_server *rpc;
	atomic_bool serving;
	size_t method_count;
	struct rpc_method methods[SERVICE_METHODS_MAX];
	struct service_route routes[SERVICE_METHODS_MAX];
};

/* Fills a call with a decoded request; *request_id is what the answer repeats. 0, -WEFT_EMESSAGE,
 * -ENOMEM. */
int service_fill(struct server_call *call, const struct kvproto_method *method,
		 struct kvproto *proto, uint64_t inline_max, uint64_t *request_id);
/* Time that a call is still given, for wire_msg.timeout_ms. */
uint32_t service_timeout_ms(const struct rpc_call *rpc);
/* Answers with a message, which stays the caller's. */
void service_answer(struct rpc_call *rpc, const ProtobufCMessage *message);
/* Fails a call: -WEFT_EMESSAGE the caller is wrong, else it is this side. */
void service_refuse(struct rpc_call *rpc, int rc);

/* Handlers of rpc; ctx: the service. */
void service_batch(void *ctx, struct rpc_call *rpc);
void service_register(void *ctx, struct rpc_call *rpc);
void service_heartbeat(void *ctx, struct rpc_call *rpc);
void service_check(void *ctx, struct rpc_call *rpc);

#endif /* WEFT_CONTROL_SERVICE_INT_H */
