/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a server whose methods do what is asked of them, and a channel to it. */
#ifndef WEFT_CONTROL_RPC_FIXTURE_H
#define WEFT_CONTROL_RPC_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "control/rpc.h"

#define SECOND          NSEC_PER_SEC
#define FIXTURE_METHODS 5

/*
 * /t.T/Echo answers with what it got, /t.T/Hold leaves the call to fixture_held(), /t.T/Fail fails
 * with the status in the first byte, /t.T/Peer answers with the caller's address, /t.T/Large with
 * one byte more than a message may have.
 */
extern const struct rpc_method fixture_methods[FIXTURE_METHODS];

/* Live from fixture_start() to fixture_finish(), which are a cmocka group's setup and teardown. */
extern struct rpc_server *fixture_server;
extern struct rpc_channel *fixture_channel;

int fixture_start(void **state);
int fixture_finish(void **state);

/* Further servers and channels are the caller's to close. */
struct rpc_server *fixture_serve(const char *addr, uint32_t call_limit);
struct rpc_channel *fixture_dial(uint16_t port);

/* Bytes as rpc takes them over. */
void *fixture_copy(const void *data, size_t len);
/* rpc_unary() over fixture_channel. */
int fixture_call(const char *path, const void *data, size_t len, struct rpc_op **ret);
/* Asserts that the bytes come back. */
void fixture_echo(struct rpc_channel *to, const void *data, size_t len);
/* The oldest call that is held, or NULL after ten seconds. */
struct rpc_call *fixture_held(void);
/*
 * Asserts that a held call is cancelled, and answers it. The server hears of it by itself; a
 * bounded wait, since the news travels by the network.
 */
void fixture_cancelled(struct rpc_call *waiting);

#endif /* WEFT_CONTROL_RPC_FIXTURE_H */
