/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a client: engine, registered buffer, session. A lost one is not repaired: the
 * engine is closed, which settles all memory, and a new one is opened.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "kv/client_int.h"

void client_lose(struct weft_kv *kv, int code)
{
	int none = 0;

	atomic_compare_exchange_strong(&kv->lost, &none, code);
}

/* On the thread that drives the engine. */
static void peer_gone(void *ctx, struct weft_peer *peer, int reason)
{
	struct weft_kv *kv = ctx;

	(void)peer;
	(void)reason;
	client_lose(kv, -WEFT_EPEERGONE);
}

static int open_engine(struct weft_kv *kv)
{
	bool fabric = client_by_fabric(kv);
	char local[128];
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = kv->provider,
		.devices = kv->devices,
		.device_rdma = kv->opts.device_rdma,
		.nics = kv->opts.nics,
		.bind_addr = kv->bind_addr,
		.progress = fabric ? WEFT_PROGRESS_MANUAL : WEFT_PROGRESS_THREAD,
		.peer_limit = 16,
		.connect_timeout_ns = kv->opts.connect_timeout_ns,
		.on_message = client_message,
		.on_peer_gone = peer_gone,
		.log = kv->opts.log,
		.log_level = kv->opts.log_level,
	};

	if (!opts.bind_addr && !kv->local && addr_local(kv->server_addr, local, sizeof(local)))
		opts.bind_addr = local;
	opts.ctx = kv;
	return weft_open(&kv->weft, &opts);
}

static int say_hello(struct weft_kv *kv, uint64_t timeout_ns)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	struct kv_hello hello = {
		.client_id = kv->opts.client_id,
		.protocol = WIRE_VERSION,
		.credits = kv->opts.credits,
		.replaces = kv->old_session,
		.buffer_bytes = kv->arena.length,
		.descriptor = descriptor,
		.descriptor_len = sizeof(descriptor),
	};
	int rc = weft_export(kv->region, descriptor, &hello.descriptor_len);

	if (!rc)
		rc = kv->ops->hello(kv->control, &hello, timeout_ns, &kv->welcome);
	if (rc)
		return rc;
	if (kv->welcome.protocol != WIRE_VERSION)
		return err_set(-WEFT_EVERSION, "the server speaks protocol %u, this client %u",
			       kv->welcome.protocol, WIRE_VERSION);
	if (!kv->welcome.credits || !kv->welcome.session ||
	    kv->welcome.descriptor_len > sizeof(kv->welcome.descriptor))
		return err_set(-WEFT_EPROTOCOL, "%s grants no session", kv->server_addr);
	kv->opts.client_id = kv->welcome.client_id;
	return 0;
}

/* Operations are as many as the first server granted; a later one may grant fewer. */
static int make_ops(struct weft_kv *kv)
{
	uint32_t count = kv->welcome.credits;

	if (count > CLIENT_CREDITS_MAX)
		count = CLIENT_CREDITS_MAX;
	if (!kv->op_count)
		return ops_init(kv, count);
	if (kv->op_count > kv->welcome.credits)
		return err_set(-WEFT_ELIMIT,
			       "%s grants %u operations now, %u before: open a new client",
			       kv->server_addr, kv->welcome.credits, kv->op_count);
	return 0;
}

static uint64_t left_ns(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_ns();

	return now_ns < deadline_ns ? deadline_ns - now_ns : 0;
}

static int connect_steps(struct weft_kv *kv, uint64_t deadline_ns)
{
	int rc = open_engine(kv);

	if (!rc)
		rc = weft_register(kv->weft, kv->buffer.base, kv->arena.length,
				   WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &kv->region);
	if (!rc)
		rc = say_hello(kv, left_ns(deadline_ns));
	if (!rc)
		rc = make_ops(kv);
	if (!rc)
		rc = ops_connect(kv);
	if (rc)
		return rc;
	/* From here on the server counts the time in which it hears nothing. */
	atomic_store(&kv->session, kv->welcome.session);
	rc = client_heart_start(kv);
	if (rc)
		return rc;
	rc = weft_connect(kv->weft, kv->welcome.descriptor, kv->welcome.descriptor_len,
			  left_ns(deadline_ns), &kv->peer);
	if (rc)
		return err_prefix(rc, "connecting to the fabric of %s", kv->server_addr);
	kv->connects++;
	return memories_connect(kv);
}

void client_disconnect(struct weft_kv *kv, int reason)
{
	weft_close(kv->weft);
	kv->weft = NULL;
	kv->peer = NULL;
	kv->region = NULL;
	memories_disconnect(kv);
	ops_engine_closed(kv, reason);
	client_lose(kv, reason);
}

/* What was lost is past: a heartbeat of the old session that is under way says nothing any more. */
static void forget_loss(struct weft_kv *kv)
{
	pthread_mutex_lock(&kv->lock);
	if (atomic_load(&kv->session))
		kv->old_session = atomic_load(&kv->session);
	atomic_store(&kv->session, 0);
	atomic_store(&kv->lost, 0);
	pthread_mutex_unlock(&kv->lock);
}

int client_ensure(struct weft_kv *kv)
{
	uint64_t deadline_ns;
	char text[ERR_DETAIL_MAX];
	int rc = atomic_load_explicit(&kv->lost, memory_order_relaxed);
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (kv->weft && !rc)
		return 0;
	client_disconnect(kv, rc ? rc : -WEFT_EPEERGONE);
	forget_loss(kv);
	deadline_ns = clock_deadline(clock_ns(), kv->opts.connect_timeout_ns);
	rc = connect_steps(kv, deadline_ns);
	if (rc) {
		/* Closing the engine may store another detail. */
		strncpy(text, weft_error_detail(), sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		client_disconnect(kv, rc);
		return err_set(rc, "%s", text);
	}
	return 0;
}
