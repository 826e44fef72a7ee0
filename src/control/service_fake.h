/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: the service in front of a KV layer that is the test's own, and control_grpc as its
 * client.
 */
#ifndef WEFT_CONTROL_SERVICE_FAKE_H
#define WEFT_CONTROL_SERVICE_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "control/service.h"

#define SECOND  NSEC_PER_SEC
#define TIMEOUT (20 * SECOND)

/* Parts of a request's initializer. */
#define BASE  .slot = 3, .generation = 9, .session = 77
#define KEYED .key = "k\0y", .key_len = 3

/* A KV layer that remembers what was asked and answers what the test gives. */
struct fake {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct wire_msg asked;
	uint64_t inline_max;
	uint32_t client_id;
	bool absolute;
	char key[64], data[64];
	struct wire_msg answer;
	bool hold;
	struct server_call *held;
	struct kv_hello hello;
	char descriptor[64];
	struct kv_welcome welcome;
	int hello_rc;
	uint64_t alive_session;
	int calls;
};

extern struct fake fake;
extern const struct kv_service_ops fake_ops;

/* Live from fake_start() to fake_finish(), which are a cmocka group's setup and teardown. */
extern struct service *fake_service;
extern char fake_address[32];
extern void *fake_control;

int fake_start(void **state);
int fake_finish(void **state);
/* The setup of each test: success is answered, nothing is held. */
int fake_reset(void **state);

/* What this thread has written is seen by the fake's functions, and the other way round. */
void fake_sync(void);

/* A reply, kept beyond the callback. */
struct got {
	bool done;
	struct wire_msg reply;
	char data[16384];
};

/* For control_grpc.start(); ctx is a struct got. */
void fake_on_done(void *ctx, const struct wire_msg *reply);
/* Sends the request through fake_control and waits for its reply. */
void fake_ask(const struct wire_msg *request, struct got *got);
/* The call that fake.hold has kept back; waits for it. */
struct server_call *fake_held(void);

#endif /* WEFT_CONTROL_SERVICE_FAKE_H */
