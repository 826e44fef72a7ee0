/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "control/service_fake.h"

struct fake fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

struct service *fake_service;
char fake_address[32];
void *fake_control;

void fake_sync(void)
{
	pthread_mutex_lock(&fake.lock);
	pthread_mutex_unlock(&fake.lock);
}

static int fake_hello(void *kv, const struct kv_hello *hello, struct kv_welcome *ret)
{
	struct fake *self = kv;
	int rc;

	fake_sync();
	self->hello = *hello;
	if (hello->descriptor_len && hello->descriptor_len <= sizeof(self->descriptor))
		memcpy(self->descriptor, hello->descriptor, hello->descriptor_len);
	rc = self->hello_rc;
	if (!rc)
		*ret = self->welcome;
	fake_sync();
	return rc;
}

static bool fake_heartbeat(void *kv, uint64_t session, uint32_t client_id)
{
	struct fake *self = kv;

	fake_sync();
	return session == self->alive_session || (!session && client_id == 42);
}

static void fake_call(void *kv, struct server_call *call)
{
	struct fake *self = kv;
	struct wire_msg answer;
	bool hold;

	pthread_mutex_lock(&self->lock);
	self->calls++;
	self->asked = call->msg;
	self->inline_max = call->inline_max;
	self->client_id = call->client_id;
	self->absolute = call->absolute;
	memset(self->key, 0, sizeof(self->key));
	memset(self->data, 0, sizeof(self->data));
	if (call->msg.key_len && call->msg.key_len <= sizeof(self->key))
		memcpy(self->key, call->msg.key, call->msg.key_len);
	if (call->msg.data_len && call->msg.data_len <= sizeof(self->data))
		memcpy(self->data, call->msg.data, call->msg.data_len);
	hold = self->hold;
	if (hold)
		self->held = call;
	answer = self->answer;
	answer.kind = (uint8_t)(call->msg.kind | WIRE_REPLY);
	pthread_cond_signal(&self->change);
	pthread_mutex_unlock(&self->lock);
	if (!hold)
		call->reply(call->ctx, &answer);
}

const struct kv_service_ops fake_ops = { .hello = fake_hello,
					 .heartbeat = fake_heartbeat,
					 .call = fake_call };

int fake_start(void **state)
{
	struct service_opts opts = { .addr = "127.0.0.1:0", .ops = &fake_ops, .kv = &fake };

	(void)state;
	if (service_open(&fake_service, &opts))
		return -1;
	snprintf(fake_address, sizeof(fake_address), "127.0.0.1:%u", service_port(fake_service));
	return control_grpc.open(&fake_control, NULL, fake_address, TIMEOUT);
}

int fake_finish(void **state)
{
	(void)state;
	control_grpc.close(fake_control);
	service_close(fake_service);
	return 0;
}

int fake_reset(void **state)
{
	(void)state;
	pthread_mutex_lock(&fake.lock);
	fake.answer = (struct wire_msg){ .kind = 0 };
	fake.hello_rc = 0;
	fake.hold = false;
	fake.held = NULL;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

void fake_on_done(void *ctx, const struct wire_msg *reply)
{
	struct got *got = ctx;

	assert_true(reply->data_len <= sizeof(got->data));
	got->done = true;
	got->reply = *reply;
	if (reply->data_len)
		memcpy(got->data, reply->data, reply->data_len);
}

void fake_ask(const struct wire_msg *request, struct got *got)
{
	*got = (struct got){ .done = false };
	fake_sync();
	assert_int_equal(control_grpc.start(fake_control, request, TIMEOUT, fake_on_done, got), 0);
	while (!got->done)
		assert_int_equal(control_grpc.poll(fake_control, TIMEOUT), 1);
	fake_sync();
}

struct server_call *fake_held(void)
{
	struct server_call *call;

	pthread_mutex_lock(&fake.lock);
	while (!fake.held)
		pthread_cond_wait(&fake.change, &fake.lock);
	call = fake.held;
	fake.held = NULL;
	pthread_mutex_unlock(&fake.lock);
	return call;
}
