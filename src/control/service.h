/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KvCacheService on one side, a plain ops table of the KV layer on the other.
 *
 * Each entry of the table gets a request and a token. Request and everything it points to are valid
 * until the token is answered by the service_reply_... function of its method: exactly once, in the
 * entry itself or later, on any thread. A NULL entry answers -EOPNOTSUPP. What a reply points to is
 * copied before the function returns.
 */
#ifndef WEFT_CONTROL_SERVICE_H
#define WEFT_CONTROL_SERVICE_H

#include "control/kvmsg.h"
#include "control/rpc.h"

struct service;
struct service_token; /* one request that has not been answered */

/* clang-format off */
struct kv_service_ops {
	void (*get)(void *kv, const struct kvmsg_get *req, struct service_token *token);
	void (*put)(void *kv, const struct kvmsg_put *req, struct service_token *token);
	void (*delete)(void *kv, const struct kvmsg_delete *req, struct service_token *token);
	void (*register_client)(void *kv, const struct kvmsg_register *req, struct service_token *token);
	void (*heartbeat)(void *kv, const struct kvmsg_heartbeat *req, struct service_token *token);
	void (*unregister)(void *kv, const struct kvmsg_unregister *req, struct service_token *token);
	void (*stat)(void *kv, const struct kvmsg_stat *req, struct service_token *token);
	void (*list)(void *kv, const struct kvmsg_list *req, struct service_token *token);
	void (*stats)(void *kv, struct service_token *token);
	void (*cancel)(void *kv, const struct kvmsg_cancel *req, struct service_token *token);
	void (*begin_put)(void *kv, const struct kvmsg_begin_put *req, struct service_token *token);
	void (*put_chunk)(void *kv, const struct kvmsg_put_chunk *req, struct service_token *token);
	void (*commit_put)(void *kv, const struct kvmsg_commit_put *req, struct service_token *token);
	void (*abort_put)(void *kv, const struct kvmsg_abort_put *req, struct service_token *token);
};

void service_reply_get(struct service_token *token, const struct kvmsg_get_reply *reply);
void service_reply_put(struct service_token *token, const struct kvmsg_put_reply *reply);
void service_reply_delete(struct service_token *token, const struct kvmsg_delete_reply *reply);
void service_reply_register(struct service_token *token, const struct kvmsg_register_reply *reply);
void service_reply_heartbeat(struct service_token *token, const struct kvmsg_heartbeat_reply *reply);
/* Unregister, PutChunk, AbortPut; and a failure without more of any other method. */
void service_reply_plain(struct service_token *token, const struct kvmsg_plain_reply *reply);
void service_reply_stat(struct service_token *token, const struct kvmsg_stat_reply *reply);
void service_reply_list(struct service_token *token, const struct kvmsg_list_reply *reply);
void service_reply_stats(struct service_token *token, const struct kvmsg_stats_reply *reply);
void service_reply_cancel(struct service_token *token, const struct kvmsg_cancel_reply *reply);
void service_reply_begin_put(struct service_token *token, const struct kvmsg_begin_put_reply *reply);
void service_reply_commit_put(struct service_token *token, const struct kvmsg_commit_put_reply *reply);
/* clang-format on */

/* Time until the caller's deadline; RPC_FOREVER: none. */
uint64_t service_token_timeout_ns(const struct service_token *token);
/* The caller is gone: its answer will not arrive. */
bool service_token_cancelled(const struct service_token *token);
void service_token_peer(const struct service_token *token, char *buf, size_t len);

struct service_opts {
	const char *addr;                 /* see rpc_server_opts */
	const struct kv_service_ops *ops; /* must outlive the service, as kv */
	void *kv;
	uint32_t threads;    /* 0: 2 */
	uint32_t call_limit; /* 0: 1024 */
};

/* Serves KvCacheService and grpc.health.v1.Health. Errors as rpc_server_open(). */
int service_open(struct service **ret, const struct service_opts *opts);
uint16_t service_port(const struct service *service);
/* What Health/Check answers: SERVING (the default) or NOT_SERVING. */
void service_set_serving(struct service *service, bool serving);
/*
 * NOT_SERVING, no further calls, up to drain_ns for those under way, the rest cancelled. Then the
 * KV layer must answer the tokens it holds, and service_close() frees. Returns how many were
 * cancelled.
 */
uint32_t service_stop(struct service *service, uint64_t drain_ns);
/* Waits until every token was answered. NULL is fine. */
void service_close(struct service *service);

#endif /* WEFT_CONTROL_SERVICE_H */
