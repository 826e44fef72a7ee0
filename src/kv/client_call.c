/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "kv/client_int.h"

static int check_key(const void *key, size_t key_len)
{
	if (!key_len || key_len > WEFT_KV_KEY_MAX || !key)
		return err_set(-WEFT_EKEYSIZE, "a key of %zu bytes", key_len);
	return 0;
}

/* The request was not carried out, or may be carried out twice, so it can be asked again. */
static bool may_repeat(int rc, bool once)
{
	return rc == -WEFT_ESESSION || (!once && rc == -WEFT_EPEERGONE);
}

static int run(struct weft_kv *kv, const struct op_args *args, struct wire_msg *reply,
	       size_t *got_ret)
{
	struct op_args copy = *args;
	struct weft_kv_op *op;
	int rc = client_ensure(kv);

	if (rc)
		return rc;
	copy.msg = args->msg;
	rc = op_start(kv, &copy, &op);
	if (rc)
		return rc;
	rc = op_finish(op);
	*reply = op->reply;
	if (!rc && got_ret)
		*got_ret = op->got;
	op_close(op);
	return rc;
}

int call_run(struct weft_kv *kv, struct op_args *args, bool once, struct wire_msg *reply,
	     size_t *got_ret)
{
	CANCEL_HELD;
	int rc = run(kv, args, reply, got_ret);

	return may_repeat(rc, once) ? run(kv, args, reply, got_ret) : rc;
}

/* --- GET -----------------------------------------------------------------------------------------
 */

/* Into registered memory, or a small one into any: the answer's bytes go straight to buf. */
static int get_direct(struct weft_kv *kv, const void *key, size_t key_len, uint64_t offset,
		      uint64_t length, void *buf, size_t room, const struct place *place,
		      struct wire_msg *reply, size_t *got_ret)
{
	struct op_args args = {
		.msg = { .kind = WIRE_GET,
			 .key = key,
			 .key_len = key_len,
			 .offset = offset,
			 .length = length,
			 .region = place ? place->region : 0,
			 .remote = place ? place->offset : 0,
			 .room = place ? room : 0 },
		.data = buf,
		.room = room,
		.whole = !offset && length == UINT64_MAX,
	};

	return call_run(kv, &args, false, reply, got_ret);
}

struct copy_sink {
	uint8_t *to;
};

/* weft_kv_sink_fn */
static int copy_out(void *ctx, const void *data, size_t len, uint64_t offset, uint64_t total)
{
	struct copy_sink *sink = ctx;

	(void)total;
	if (len)
		memcpy(sink->to + offset, data, len);
	return 0;
}

static int get_copied(struct weft_kv *kv, const void *key, size_t key_len, uint64_t offset,
		      uint64_t length, void *buf, size_t room, size_t *len_ret)
{
	struct copy_sink sink = { .to = buf };
	struct stream_get get = { .key = key,
				  .key_len = key_len,
				  .offset = offset,
				  .length = length,
				  .limit = room,
				  .fn = copy_out,
				  .ctx = &sink };
	int rc = stream_get(kv, &get);

	if (may_repeat(rc, false))
		rc = stream_get(kv, &get);
	if (!rc || rc == -WEFT_EBUFFER)
		*len_ret = get.total;
	return rc;
}

static int get_range(struct weft_kv *kv, const void *key, size_t key_len, uint64_t offset,
		     uint64_t length, void *buf, size_t room, size_t *len_ret)
{
	struct wire_msg reply = { 0 };
	struct place place;
	bool registered;
	int rc = check_key(key, key_len);

	if (rc)
		return rc;
	registered = room && memory_find(kv, buf, room, &place);
	if (!registered && room > WIRE_INLINE_GET)
		return get_copied(kv, key, key_len, offset, length, buf, room, len_ret);
	rc = get_direct(kv, key, key_len, offset, length, buf, room, registered ? &place : NULL,
			&reply, len_ret);
	if (rc == -WEFT_EBUFFER)
		*len_ret = reply.total;
	return rc;
}

int weft_kv_get(struct weft_kv *kv, const void *key, size_t key_len, void *buf, size_t room,
		size_t *len_ret)
{
	return get_range(kv, key, key_len, 0, UINT64_MAX, buf, room, len_ret);
}

int weft_kv_get_range(struct weft_kv *kv, const void *key, size_t key_len, uint64_t offset,
		      void *buf, size_t room, size_t *len_ret)
{
	return get_range(kv, key, key_len, offset, room, buf, room, len_ret);
}

/* --- PUT -----------------------------------------------------------------------------------------
 */

static struct op_args put_args(const void *key, size_t key_len, const void *data, size_t len,
			       const struct weft_kv_put_opts *opts)
{
	return (struct op_args){
		.msg = { .kind = WIRE_PUT,
			 .flags = WIRE_F_CHECKED,
			 .key = key,
			 .key_len = key_len,
			 .total = len,
			 .checksum = hash_content(data, len),
			 .ttl_ms = opts ? ttl_to_ms(opts->ttl_ns) : 0 },
		.timeout_ns = opts ? opts->timeout_ns : 0,
	};
}

struct copy_source {
	const uint8_t *from;
};

/* weft_kv_source_fn */
static int copy_in(void *ctx, void *data, size_t len, uint64_t offset, uint64_t total)
{
	struct copy_source *source = ctx;

	(void)total;
	if (len)
		memcpy(data, source->from + offset, len);
	return 0;
}

static int put_copied(struct weft_kv *kv, const void *key, size_t key_len, const void *data,
		      size_t len, const struct weft_kv_put_opts *opts)
{
	struct copy_source source = { .from = data };
	struct stream_put put = { .key = key,
				  .key_len = key_len,
				  .total = len,
				  .ttl_ms = opts ? ttl_to_ms(opts->ttl_ns) : 0,
				  .timeout_ns = opts ? opts->timeout_ns : 0,
				  .fn = copy_in,
				  .ctx = &source };
	int rc = stream_put(kv, &put);

	return may_repeat(rc, false) ? stream_put(kv, &put) : rc;
}

int weft_kv_put(struct weft_kv *kv, const void *key, size_t key_len, const void *data, size_t len,
		const struct weft_kv_put_opts *opts)
{
	struct wire_msg reply = { 0 };
	struct op_args args;
	struct place place;
	bool registered;
	int rc = check_key(key, key_len);

	if (rc)
		return rc;
	registered = len > WIRE_INLINE_PUT && memory_find(kv, data, len, &place);
	if (len > WIRE_INLINE_PUT && !registered)
		return put_copied(kv, key, key_len, data, len, opts);
	args = put_args(key, key_len, data, len, opts);
	if (registered) {
		args.msg.region = place.region;
		args.msg.remote = place.offset;
	} else {
		args.msg.flags |= WIRE_F_INLINE;
		args.msg.data = data;
		args.msg.data_len = len;
	}
	return call_run(kv, &args, false, &reply, NULL);
}

/* --- the others ----------------------------------------------------------------------------------
 */

static int key_call(struct weft_kv *kv, uint8_t kind, const void *key, size_t key_len,
		    struct wire_msg *reply)
{
	struct op_args args = { .msg = { .kind = kind, .key = key, .key_len = key_len } };
	int rc = check_key(key, key_len);

	return rc ? rc : call_run(kv, &args, kind == WIRE_DELETE, reply, NULL);
}

int weft_kv_delete(struct weft_kv *kv, const void *key, size_t key_len)
{
	struct wire_msg reply = { 0 };

	return key_call(kv, WIRE_DELETE, key, key_len, &reply);
}

int weft_kv_stat(struct weft_kv *kv, const void *key, size_t key_len, struct weft_kv_info *ret)
{
	struct wire_msg reply = { 0 };
	int rc = key_call(kv, WIRE_STAT, key, key_len, &reply);

	if (rc)
		return rc;
	ret->length = reply.total;
	ret->version = reply.version;
	ret->checksum = reply.checksum;
	ret->ttl_ns = reply.ttl_ms * 1000000;
	return 0;
}

int weft_kv_ping(struct weft_kv *kv)
{
	struct op_args args = { .msg = { .kind = WIRE_PING } };
	struct wire_msg reply = { 0 };

	return call_run(kv, &args, false, &reply, NULL);
}

/* Hands the entries of one answer to fn; how many, or what fn returned. */
static int64_t list_page(const void *data, size_t len, weft_kv_list_fn fn, void *ctx)
{
	struct weft_kv_info info = { .size = sizeof(info) };
	struct wire_entry entry;
	struct rbuf in;
	int64_t count = 0;
	int rc;

	rbuf_init(&in, data, len);
	while (wire_get_entry(&in, &entry)) {
		info.length = entry.length;
		info.version = entry.version;
		info.ttl_ns = entry.ttl_ms * 1000000;
		rc = fn(ctx, entry.key, entry.key_len, &info);
		if (rc)
			return rc;
		count++;
	}
	return rbuf_end(&in) ? count : err_set(-WEFT_EMESSAGE, "a listing that is no listing");
}

int64_t weft_kv_list(struct weft_kv *kv, const void *prefix, size_t prefix_len, weft_kv_list_fn fn,
		     void *ctx)
{
	struct wire_msg reply = { 0 };
	struct op_args args = {
		.msg = { .kind = WIRE_LIST, .key = prefix, .key_len = prefix_len },
		.room = WIRE_MAX,
	};
	int64_t count = 0, rc;
	size_t got = 0;
	CANCEL_HELD;

	args.data = mem_alloc(args.room);
	if (!args.data)
		return -ENOMEM;
	do {
		args.msg.offset = reply.offset;
		rc = call_run(kv, &args, false, &reply, &got);
		if (!rc)
			rc = list_page(args.data, got, fn, ctx);
		if (rc > 0)
			count += rc;
	} while (rc >= 0 && reply.offset);
	mem_free(args.data);
	return rc < 0 ? rc : count;
}

int weft_kv_stats(struct weft_kv *kv, struct weft_kv_stats *ret)
{
	uint8_t bytes[WIRE_MAX];
	struct op_args args = { .msg = { .kind = WIRE_STATS },
				.data = bytes,
				.room = sizeof(bytes) };
	struct weft_kv_stats stats = { .size = ret->size };
	struct wire_msg reply = { 0 };
	struct rbuf in;
	size_t got = 0;
	int rc = call_run(kv, &args, false, &reply, &got);

	if (rc)
		return rc;
	if (ret->size < sizeof(ret->size) || ret->size > sizeof(stats))
		return err_set(-EINVAL, "weft_kv_stats.size is %zu", ret->size);
	/* A server of another release may send more counters or fewer. */
	rbuf_init(&in, bytes, got);
#define TAKE(name, text) (void)buf_get_u64(&in, &stats.name);
	WEFT_KV_COUNTER_MAP(TAKE)
#undef TAKE
	memcpy(ret, &stats, ret->size);
	return 0;
}

int weft_kv_connection(struct weft_kv *kv, struct weft_kv_connection *ret)
{
	struct weft_peer_info info = { .size = sizeof(info) };
	struct weft_kv_connection connection = { .size = ret->size };
	int rc = client_ensure(kv);

	if (ret->size < sizeof(ret->size) || ret->size > sizeof(connection))
		return err_set(-EINVAL, "weft_kv_connection.size is %zu", ret->size);
	if (!rc)
		rc = weft_peer_info(kv->peer, &info);
	if (rc)
		return rc;
	memcpy(connection.provider, info.provider, sizeof(connection.provider));
	memcpy(connection.libfabric, info.libfabric, sizeof(connection.libfabric));
	memcpy(connection.device, info.device, sizeof(connection.device));
	connection.session = atomic_load(&kv->session);
	connection.max_value = kv->welcome.max_value;
	connection.client_id = kv->welcome.client_id;
	connection.node_id = kv->welcome.node_id;
	connection.credits = kv->op_count;
	connection.control = kv->opts.control;
	connection.connects = kv->connects;
	connection.quarantined = kv->quarantine_count;
	memcpy(ret, &connection, ret->size);
	return 0;
}
