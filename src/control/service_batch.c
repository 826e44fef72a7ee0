/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch: its items run as calls of their own; whichever ends last answers. Results are kept as
 * bytes and put together into a BatchResponse by hand, since they are messages already.
 */
#include "control/service_int.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "kv_cache.pb-c.h"

/* Protobuf's encoding: a tag is (number << 3 | 2) for bytes; 10 bytes hold any length. */
#define BATCH_TAG(number) ((uint8_t)((number) << 3 | 2))
#define BATCH_RESULTS     3
#define BATCH_PREFIX_MAX  11u

struct batch_item {
	struct server_call call;
	struct batch *batch;
	uint64_t request_id;
	uint8_t field; /* of BatchItem and BatchResult: they have the same numbers */
	int rc;
	void *bytes;
	size_t len;
};

struct batch {
	struct rpc_call *rpc;
	struct kvproto proto;
	atomic_uint left; /* items not answered, and one while they are handed out */
	uint32_t count;
	void *extras[SERVICE_BATCH_MAX];
	struct batch_item items[];
};

static void batch_free(struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		mem_free(batch->items[i].bytes);
		mem_free(batch->extras[i]);
	}
	kvproto_free(&batch->proto);
	mem_free(batch);
}

static uint8_t *put_prefix(uint8_t *at, unsigned number, size_t len)
{
	*at++ = BATCH_TAG(number);
	for (; len > 127; len >>= 7)
		*at++ = (uint8_t)(len | 128);
	*at++ = (uint8_t)len;
	return at;
}

static size_t prefix_len(size_t len)
{
	uint8_t prefix[BATCH_PREFIX_MAX];

	return (size_t)(put_prefix(prefix, 0, len) - prefix);
}

static size_t result_len(const struct batch_item *item)
{
	return prefix_len(item->len) + item->len;
}

static void batch_answer(struct batch *batch)
{
	size_t size = 0;
	uint8_t *bytes, *at;

	for (uint32_t i = 0; i < batch->count; i++) {
		const struct batch_item *item = &batch->items[i];

		if (item->rc) {
			service_refuse(batch->rpc, item->rc);
			return;
		}
		size += prefix_len(result_len(item)) + result_len(item);
	}
	bytes = mem_alloc(size);
	if (!bytes) {
		service_refuse(batch->rpc, -ENOMEM);
		return;
	}
	at = bytes;
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct batch_item *item = &batch->items[i];

		at = put_prefix(at, BATCH_RESULTS, result_len(item));
		at = put_prefix(at, item->field, item->len);
		memcpy(at, item->bytes, item->len);
		at += item->len;
	}
	rpc_reply(batch->rpc, bytes, size);
}

static void batch_put(struct batch *batch)
{
	if (atomic_fetch_sub(&batch->left, 1) != 1)
		return;
	batch_answer(batch);
	batch_free(batch);
}

/* server_reply_fn */
static void batch_reply(void *ctx, const struct wire_msg *reply)
{
	struct batch_item *item = ctx;

	item->rc = kvproto_encode(reply, item->request_id, &item->bytes, &item->len);
	batch_put(item->batch);
}

static const struct kvproto_method *item_method(const KvCache__BatchItem *item)
{
	switch ((int)item->request_case) {
	case KV_CACHE__BATCH_ITEM__REQUEST_GET:
		return kvproto_kind(WIRE_GET);
	case KV_CACHE__BATCH_ITEM__REQUEST_PUT:
		return kvproto_kind(WIRE_PUT);
	case KV_CACHE__BATCH_ITEM__REQUEST_DELETE:
		return kvproto_kind(WIRE_DELETE);
	case KV_CACHE__BATCH_ITEM__REQUEST_STAT:
		return kvproto_kind(WIRE_STAT);
	case KV_CACHE__BATCH_ITEM__REQUEST__NOT_SET:
	default:
		return NULL;
	}
}

static int batch_fill(struct batch *batch, uint32_t index, const KvCache__BatchItem *in)
{
	struct batch_item *item = &batch->items[index];
	const struct kvproto_method *method = item_method(in);
	/* The members of the oneof share their place: any of them names the message. */
	struct kvproto proto = { .message = (ProtobufCMessage *)in->get };
	int rc;

	if (!method)
		return err_set(-WEFT_EMESSAGE, "item %u of the batch is no request", index);
	rc = service_fill(&item->call, method, &proto, SERVICE_INLINE_MAX / batch->count,
			  &item->request_id);
	batch->extras[index] = proto.extra;
	item->batch = batch;
	item->field = (uint8_t)in->request_case;
	item->call.msg.timeout_ms = service_timeout_ms(batch->rpc);
	item->call.reply = batch_reply;
	item->call.ctx = item;
	return rc;
}

static int batch_open(struct batch **ret, struct rpc_call *rpc, struct kvproto *proto)
{
	const KvCache__BatchRequest *in = (const void *)proto->message;
	struct batch *batch;
	int rc;

	if (in->n_items > SERVICE_BATCH_MAX)
		return err_set(-WEFT_EMESSAGE, "%zu requests in a batch: at most %u", in->n_items,
			       SERVICE_BATCH_MAX);
	batch = mem_zalloc(sizeof(*batch) + in->n_items * sizeof(batch->items[0]));
	if (!batch)
		return -ENOMEM;
	batch->rpc = rpc;
	batch->count = (uint32_t)in->n_items;
	atomic_init(&batch->left, batch->count + 1);
	for (uint32_t i = 0; i < batch->count; i++) {
		rc = batch_fill(batch, i, in->items[i]);
		if (rc) {
			batch_free(batch);
			return rc;
		}
	}
	batch->proto = *proto;
	*ret = batch;
	return 0;
}

void service_batch(void *ctx, struct rpc_call *rpc)
{
	struct service *service = ctx;
	struct batch *batch = NULL;
	struct kvproto proto;
	int rc;

	rc = kvproto_unpack(&proto, &kv_cache__batch_request__descriptor, rpc_call_data(rpc),
			    rpc_call_len(rpc));
	if (rc) {
		service_refuse(rpc, rc);
		return;
	}
	rc = batch_open(&batch, rpc, &proto);
	if (rc) {
		service_refuse(rpc, rc);
		kvproto_free(&proto);
		return;
	}
	for (uint32_t i = 0; i < batch->count; i++)
		service->ops->call(service->kv, &batch->items[i].call);
	batch_put(batch);
}
