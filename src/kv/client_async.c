/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "kv/client_int.h"

/* A lost connection is made again when nothing is under way on it. */
static int ready(struct weft_kv *kv, const void *key, size_t key_len)
{
	if (!key_len || key_len > WEFT_KV_KEY_MAX || !key)
		return err_set(-WEFT_EKEYSIZE, "a key of %zu bytes", key_len);
	return kv->active_count ? 0 : client_ensure(kv);
}

int weft_kv_get_start(struct weft_kv *kv, const void *key, size_t key_len, void *data, size_t room,
		      uint64_t timeout_ns, struct weft_kv_op **ret)
{
	struct op_args args = {
		.msg = { .kind = WIRE_GET,
			 .key = key,
			 .key_len = key_len,
			 .length = UINT64_MAX,
			 .room = room },
		.data = data,
		.room = room,
		.whole = true,
		.timeout_ns = timeout_ns,
	};
	struct place place = { 0 };
	int rc = ready(kv, key, key_len);

	if (rc)
		return rc;
	if (room && !memory_find(kv, data, room, &place))
		return err_set(-WEFT_EBOUNDS, "%zu bytes that are not registered", room);
	args.msg.region = place.region;
	args.msg.remote = place.offset;
	return op_start(kv, &args, ret);
}

int weft_kv_put_start(struct weft_kv *kv, const void *key, size_t key_len, const void *data,
		      size_t len, const struct weft_kv_put_opts *opts, struct weft_kv_op **ret)
{
	struct op_args args = {
		.msg = { .kind = WIRE_PUT,
			 .flags = WIRE_F_CHECKED,
			 .key = key,
			 .key_len = key_len,
			 .total = len,
			 .ttl_ms = opts ? ttl_to_ms(opts->ttl_ns) : 0 },
		.timeout_ns = opts ? opts->timeout_ns : 0,
	};
	struct place place = { 0 };
	int rc = ready(kv, key, key_len);

	if (rc)
		return rc;
	if (len <= WIRE_INLINE_PUT) {
		args.msg.flags |= WIRE_F_INLINE;
		args.msg.data = data;
		args.msg.data_len = len;
	} else if (!memory_find(kv, data, len, &place)) {
		return err_set(-WEFT_EBOUNDS, "%zu bytes that are not registered", len);
	}
	args.msg.checksum = hash_content(data, len);
	args.msg.region = place.region;
	args.msg.remote = place.offset;
	return op_start(kv, &args, ret);
}

int weft_kv_delete_start(struct weft_kv *kv, const void *key, size_t key_len,
			 struct weft_kv_op **ret)
{
	struct op_args args = { .msg = { .kind = WIRE_DELETE, .key = key, .key_len = key_len } };
	int rc = ready(kv, key, key_len);

	return rc ? rc : op_start(kv, &args, ret);
}

int weft_kv_op_poll(struct weft_kv_op *op)
{
	if (fork_refuses())
		return fork_refused();
	if (!op_ended(op))
		client_progress(op->kv, 0);
	return op_ended(op);
}

int weft_kv_op_wait(struct weft_kv_op *op, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns), now_ns;

	if (fork_refuses())
		return fork_refused();
	while (!op_ended(op)) {
		now_ns = clock_ns();
		client_progress(op->kv, now_ns < deadline_ns ? deadline_ns - now_ns : 0);
		if (!op_ended(op) && clock_ns() >= deadline_ns)
			return -EAGAIN;
	}
	return op_error(op);
}

int weft_kv_op_result(const struct weft_kv_op *op, struct weft_kv_info *ret)
{
	if (!op_ended(op))
		return -EBUSY;
	if (ret && (!op->error || op->error == -WEFT_EBUFFER)) {
		ret->length = op->reply.total;
		ret->version = op->reply.version;
		ret->checksum = op->reply.checksum;
		ret->ttl_ns = op->reply.ttl_ms * 1000000;
	}
	return op_error(op);
}

void weft_kv_op_cancel(struct weft_kv_op *op)
{
	CANCEL_HELD;

	if (!fork_refuses())
		op_cancel(op, -WEFT_ECANCELLED, "cancelled by the caller");
}

int weft_kv_op_quiesce(struct weft_kv_op *op, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns), now_ns;
	struct weft_kv *kv = op->kv;
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	for (;;) {
		if (op->state.phase == OP_QUIET)
			return 0;
		/* Nobody is there who could confirm: what exposes the memory is closed. */
		if (atomic_load(&kv->lost)) {
			client_disconnect(kv, atomic_load(&kv->lost));
			continue;
		}
		now_ns = clock_ns();
		client_progress(kv, now_ns < deadline_ns ? deadline_ns - now_ns : 0);
		if (op->state.phase != OP_QUIET && clock_ns() >= deadline_ns)
			return err_set(-WEFT_ENOTQUIET, "the server has not confirmed");
	}
}

void weft_kv_op_close(struct weft_kv_op *op)
{
	CANCEL_HELD;

	if (!fork_refuses())
		op_close(op);
}

int weft_kv_progress(struct weft_kv *kv, uint64_t timeout_ns)
{
	uint64_t now_ns = clock_ns(), deadline_ns = clock_deadline(now_ns, timeout_ns);
	uint32_t active = kv->active_count;
	int count;

	if (fork_refuses())
		return fork_refused();
	do {
		count = client_progress(kv, now_ns < deadline_ns ? deadline_ns - now_ns : 0);
		now_ns = clock_ns();
	} while (!count && kv->active_count == active && now_ns < deadline_ns);
	return count;
}

uint32_t weft_kv_credits(const struct weft_kv *kv)
{
	return kv->idle_count;
}

int op_error(const struct weft_kv_op *op)
{
	if (!op->error)
		return 0;
	/* A server that has nothing to add repeats the error's own text. */
	return err_set(op->error, "%s", strcmp(op->text, weft_strerror(op->error)) ? op->text : "");
}

int op_finish(struct weft_kv_op *op)
{
	while (!op_ended(op))
		client_progress(op->kv, WEFT_FOREVER);
	return op_error(op);
}
