/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of the client: one per credit, made once. See op_state.h for their life.
 *
 *	idle --op_start--> active --ended--> ended (or quarantine) --op_close--> idle
 *
 * An operation whose caller has let go stays in quarantine, with its slot and its part of the
 * buffer, until the server confirms the CANCEL or the engine is closed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "kv/client_int.h"

/* --- records -------------------------------------------------------------------------------------
 */

int ops_init(struct weft_kv *kv, uint32_t count)
{
	struct weft_kv_op *op;
	uint32_t i;

	kv->ops_array = mem_array(count, sizeof(*kv->ops_array));
	if (!kv->ops_array)
		return -ENOMEM;
	kv->op_count = count;
	for (i = 0; i < count; i++) {
		op = &kv->ops_array[i];
		op->kv = kv;
		op->slot = i;
		list_init(&op->link);
		list_add_tail(&kv->idle, &op->link);
	}
	kv->idle_count = count;
	return 0;
}

void ops_fini(struct weft_kv *kv)
{
	mem_free(kv->ops_array);
}

int ops_connect(struct weft_kv *kv)
{
	uint32_t i;
	int rc;

	for (i = 0; i < kv->op_count; i++) {
		kv->ops_array[i].state.generation = 0;
		if (!client_by_fabric(kv))
			continue;
		rc = weft_arrival_open(kv->weft, &kv->ops_array[i].arrival);
		if (rc)
			return rc;
	}
	return 0;
}

static void op_idle(struct weft_kv_op *op)
{
	struct weft_kv *kv = op->kv;

	weft_kv_buffer_put(kv, op->part);
	op->part = NULL;
	op->state.phase = OP_FREE;
	list_move_tail(&kv->idle, &op->link);
	kv->idle_count++;
}

/* Out of the active ones, into ended or quarantine by its phase. */
static void op_end(struct weft_kv_op *op, int error, const char *text, size_t text_len)
{
	struct weft_kv *kv = op->kv;

	op->error = error;
	if (text_len >= sizeof(op->text))
		text_len = sizeof(op->text) - 1;
	if (text_len)
		memcpy(op->text, text, text_len);
	op->text[text_len] = '\0';
	kv->active_count--;
	if (op->state.phase == OP_QUARANTINE) {
		list_move_tail(&kv->quarantine, &op->link);
		kv->quarantine_count++;
	} else {
		list_move_tail(&kv->ended, &op->link);
	}
}

static void op_quiet(struct weft_kv_op *op)
{
	op->kv->quarantine_count--;
	if (op->closed)
		op_idle(op);
	else
		list_move_tail(&op->kv->ended, &op->link);
}

/* --- answers -------------------------------------------------------------------------------------
 */

/* Bytes in the answer go to their place. */
static int take_inline(struct weft_kv_op *op, const struct wire_msg *msg)
{
	if (msg->data_len > op->room) {
		op->reply.status = WEFT_EBUFFER;
		return err_set(-WEFT_EBUFFER, "%zu bytes, room for %zu", msg->data_len, op->room);
	}
	if (msg->data_len)
		memcpy(op->data, msg->data, msg->data_len);
	op->got = msg->data_len;
	return 0;
}

static int check_content(struct weft_kv_op *op)
{
	if (!op->whole || op->got != op->reply.total)
		return 0;
	if (hash_content(op->data, op->got) == op->reply.checksum)
		return 0;
	return err_set(-WEFT_ECHECKSUM, "%zu bytes of version %llu", op->got,
		       (unsigned long long)op->reply.version);
}

static void op_done(struct weft_kv_op *op)
{
	int rc = check_content(op);
	const char *text = rc ? weft_error_detail() : "";

	op_end(op, rc, text, strlen(text));
}

/* Whether an error says nothing about the server: the connection of a gRPC call failed, or gRPC
 * gave the call up, which happens when the server stops. */
static bool is_silence(const struct weft_kv *kv, uint32_t status)
{
	return !client_by_fabric(kv) && (status == WEFT_EUNAVAILABLE || status == WEFT_EDEADLINE ||
					 status == WEFT_ECANCELLED);
}

/* Keeps the answer's fields. */
static void take_fields(struct weft_kv_op *op, const struct wire_msg *msg)
{
	op->reply = *msg;
	op->reply.key = op->reply.data = NULL;
	op->reply.key_len = op->reply.data_len = 0;
}

static void op_failed(struct weft_kv_op *op, const struct wire_msg *msg)
{
	bool silence = is_silence(op->kv, msg->status);
	int error = -(int)msg->status;

	/* Not by this side: the operation is active. */
	if (silence && error == -WEFT_ECANCELLED)
		error = -WEFT_EUNAVAILABLE;
	take_fields(op, msg);
	if (msg->status == WEFT_ESESSION)
		client_lose(op->kv, -WEFT_ESESSION);
	if (silence || msg->status == WEFT_ESESSION)
		op_state_abandon(&op->state);
	else
		op_state_reply(&op->state, true, 0);
	op_end(op, error, msg->data, msg->data_len);
}

static void op_replied(struct weft_kv_op *op, const struct wire_msg *msg)
{
	const char *text;
	int rc = 0;

	if (op->state.replied)
		return;
	take_fields(op, msg);
	if (op->kind != WIRE_GET || msg->flags & WIRE_F_INLINE)
		rc = take_inline(op, msg);
	else
		op->got = msg->length;
	if (!op_state_reply(&op->state, rc, msg->arrivals))
		return;
	if (!rc) {
		op_done(op);
		return;
	}
	text = weft_error_detail();
	op_end(op, rc, text, strlen(text));
}

/* An answer that claims more than was asked for. */
static bool is_sane(const struct weft_kv_op *op, const struct wire_msg *msg)
{
	if (op->kind != WIRE_GET || msg->status)
		return true;
	if (msg->flags & WIRE_F_INLINE)
		return msg->length == msg->data_len && !msg->arrivals;
	return msg->length <= op->room;
}

static void take_message(struct weft_kv *kv, const struct wire_msg *msg)
{
	struct weft_kv_op *op;
	uint8_t kind = msg->kind & ~WIRE_REPLY;

	if (!(msg->kind & WIRE_REPLY) || msg->slot >= kv->op_count || msg->status > INT32_MAX)
		return;
	op = &kv->ops_array[msg->slot];
	if (kind == WIRE_CANCEL) {
		if (msg->status == WEFT_ESESSION)
			client_lose(kv, -WEFT_ESESSION);
		else if (msg->status)
			op->cancel_sent = false;
		else if (op_state_confirmed(&op->state, msg->generation))
			op_quiet(op);
		return;
	}
	if (kind != op->kind || !op_state_wanted(&op->state, msg->generation))
		return;
	if (msg->status)
		op_failed(op, msg);
	else if (is_sane(op, msg))
		op_replied(op, msg);
}

void client_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct weft_kv *kv = ctx;
	struct wire_msg msg;

	if (peer == kv->peer && !wire_decode(&msg, data, len))
		take_message(kv, &msg);
}

/* control_done_fn */
static void control_done(void *ctx, const struct wire_msg *reply)
{
	take_message(ctx, reply);
}

/* --- sending -------------------------------------------------------------------------------------
 */

static int send_fabric(struct weft_kv *kv, const struct wire_msg *msg, uint64_t deadline_ns)
{
	uint8_t bytes[WIRE_MAX];
	size_t len = wire_encode(msg, bytes, sizeof(bytes));
	int rc;

	if (!len)
		return err_set(-WEFT_EKEYSIZE, "a key of %zu bytes", msg->key_len);
	while ((rc = weft_notify(kv->peer, bytes, len)) == -WEFT_EQUEUEFULL) {
		if (clock_ns() >= deadline_ns)
			return rc;
		weft_progress(kv->weft, NSEC_PER_MSEC);
	}
	return rc;
}

/* Asks the server to end a request. What cannot be sent now is sent by a later progress. */
static void op_cancel_send(struct weft_kv_op *op)
{
	struct wire_msg msg = { .kind = WIRE_CANCEL,
				.slot = op->slot,
				.generation = op->state.generation };
	struct weft_kv *kv = op->kv;

	if (op->cancel_sent || !kv->weft || atomic_load(&kv->lost))
		return;
	msg.session = atomic_load(&kv->session);
	if (client_by_fabric(kv))
		op->cancel_sent = !send_fabric(kv, &msg, 0);
	else
		op->cancel_sent =
			!kv->ops->start(kv->control, &msg, kv->opts.timeout_ns, control_done, kv);
}

/* Ends it for the caller; the server is asked to end it too. */
static void op_abandon(struct weft_kv_op *op, int error, const char *text)
{
	op_state_abandon(&op->state);
	op_end(op, error, text, strlen(text));
	op_cancel_send(op);
}

static int op_send(struct weft_kv_op *op, struct wire_msg *msg, uint64_t timeout_ns)
{
	struct weft_kv *kv = op->kv;
	uint64_t timeout_ms = timeout_ns / NSEC_PER_MSEC + 1;

	msg->slot = op->slot;
	msg->generation = op_state_start(&op->state);
	msg->session = atomic_load_explicit(&kv->session, memory_order_relaxed);
	msg->timeout_ms = timeout_ms < UINT32_MAX ? (uint32_t)timeout_ms : 0;
	if (!client_by_fabric(kv))
		return kv->ops->start(kv->control, msg, timeout_ns, control_done, kv);
	if (msg->kind == WIRE_GET && msg->room) {
		weft_arrival_renew(op->arrival);
		msg->imm = weft_arrival_imm(op->arrival);
	}
	return send_fabric(kv, msg, op->deadline_ns);
}

int op_start(struct weft_kv *kv, struct op_args *args, struct weft_kv_op **ret)
{
	uint64_t timeout_ns = args->timeout_ns ? args->timeout_ns : kv->opts.timeout_ns;
	struct list *link = list_first(&kv->idle);
	struct weft_kv_op *op;
	int rc = atomic_load_explicit(&kv->lost, memory_order_relaxed);
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (rc)
		return err_set(rc, "the connection to %s is lost", kv->server_addr);
	if (!link)
		return err_set(-WEFT_EQUEUEFULL, "%u operations are under way", kv->op_count);
	op = list_entry(link, struct weft_kv_op, link);
	op->kind = args->msg.kind;
	op->closed = false;
	op->cancel_sent = false;
	op->whole = args->whole;
	op->data = args->data;
	op->room = args->room;
	op->error = 0;
	op->got = 0;
	op->reply = (struct wire_msg){ 0 };
	op->text[0] = '\0';
	op->deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	list_move_tail(&kv->active, &op->link);
	kv->idle_count--;
	kv->active_count++;
	rc = op_send(op, &args->msg, timeout_ns);
	if (rc) {
		if (rc == -WEFT_EPEERGONE)
			client_lose(kv, rc);
		kv->active_count--;
		op_idle(op);
		return rc;
	}
	*ret = op;
	return 0;
}

/* --- time and progress ---------------------------------------------------------------------------
 */

/* Ends what has arrived, what is late, and, once the connection is lost, everything. Returns the
 * earliest deadline of those that are left. */
static uint64_t look_at_active(struct weft_kv *kv, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;
	int lost = atomic_load_explicit(&kv->lost, memory_order_relaxed);
	struct list *link, *after;
	struct weft_kv_op *op;

	list_for_each_safe(link, after, &kv->active)
	{
		op = list_entry(link, struct weft_kv_op, link);
		if (op->state.expected &&
		    op_state_arrived(&op->state, weft_arrival_count(op->arrival)))
			op_done(op);
		else if (lost)
			op_abandon(op, lost, "the connection to the server is lost");
		else if (now_ns >= op->deadline_ns)
			op_abandon(op, -WEFT_EDEADLINE, "no answer from the server in time");
		else if (op->deadline_ns < next_ns)
			next_ns = op->deadline_ns;
	}
	return next_ns;
}

static void look_at_quarantine(struct weft_kv *kv)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &kv->quarantine)
		op_cancel_send(list_entry(link, struct weft_kv_op, link));
}

/*
 * May return before the timeout: the thread of the heartbeats, which finds out that the session is
 * lost, wakes nobody.
 */
int client_progress(struct weft_kv *kv, uint64_t timeout_ns)
{
	CANCEL_HELD;
	uint64_t now_ns = clock_ns(), next_ns = look_at_active(kv, now_ns);
	int count;

	if (!kv->weft)
		return 0;
	if (!list_empty(&kv->quarantine))
		look_at_quarantine(kv);
	if (next_ns - now_ns < timeout_ns)
		timeout_ns = next_ns - now_ns;
	if (kv->beating && kv->active_count && kv->heart_ns < timeout_ns)
		timeout_ns = kv->heart_ns;
	if (client_by_fabric(kv))
		count = weft_progress(kv->weft, timeout_ns);
	else
		count = kv->ops->poll(kv->control, timeout_ns);
	look_at_active(kv, clock_ns());
	return count;
}

void op_cancel(struct weft_kv_op *op, int error, const char *text)
{
	if (!op_ended(op))
		op_abandon(op, error, text);
}

void op_close_part(struct weft_kv_op *op, void *part)
{
	op->part = part;
	op_close(op);
}

void op_close(struct weft_kv_op *op)
{
	if (!op)
		return;
	op_cancel(op, -WEFT_ECANCELLED, "");
	op->closed = true;
	if (op->state.phase == OP_QUIET)
		op_idle(op);
}

void ops_engine_closed(struct weft_kv *kv, int code)
{
	struct weft_kv_op *op;
	struct list *link;
	uint32_t i;

	while ((link = list_first(&kv->active))) {
		op = list_entry(link, struct weft_kv_op, link);
		op_state_abandon(&op->state);
		op_end(op, code, "the connection to the server is lost", 36);
	}
	while ((link = list_first(&kv->quarantine))) {
		op = list_entry(link, struct weft_kv_op, link);
		op_state_closed(&op->state);
		op_quiet(op);
	}
	for (i = 0; i < kv->op_count; i++)
		kv->ops_array[i].arrival = NULL;
}
