/* SPDX-License-Identifier: Apache-2.0 */
#include "control/kvproto.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "control/kvproto_more.h"
#include "kv/server.h"
#include "kv_cache.pb-c.h"

/* Memory of a decoded message beside its own length: its structs, of which the largest legal number
 * is in a batch. */
#define KVPROTO_ROOM (1u << 20)

/* Any message, and what its pointers point at while it is packed. */
struct kvproto_out {
	union {
		ProtobufCMessage base;
#define KVPROTO_BEGIN(name, type, init) type name;
#include "control/kvproto.def"
	};
	char text[KVPROTO_TEXT_MAX];
	void *extra; /* freed afterwards */
};

/* --- field by field ------------------------------------------------------------------------------
 */

#define KVPROTO_BEGIN(name, type, init)                                                           \
	static int name##_in(const ProtobufCMessage *message, struct wire_msg *msg, void **extra) \
	{                                                                                         \
		const type *p = (const type *)message;                                            \
		int rc = 0;                                                                       \
		(void)extra;
#define KVPROTO_END(name) \
	return rc;        \
	}
#define FIELD(proto, wire) msg->wire = p->proto;
#define FLAG(proto, name) \
	if (p->proto)     \
		msg->flags |= WIRE_F_##name;
#define KEY(proto)                \
	msg->key = p->proto.data; \
	msg->key_len = p->proto.len;
#define SLOT msg->slot = p->slot - 1; /* 0 becomes SERVER_NO_SLOT */
#define ERROR                                             \
	if (p->error_code > INT32_MAX)                    \
		return -WEFT_EMESSAGE;                    \
	msg->status = p->error_code;                      \
	if (msg->status) {                                \
		msg->data = p->error_message;             \
		msg->data_len = strlen(p->error_message); \
	}
#define MORE(name) rc = kvproto_##name##_in(p, msg, extra);
#include "control/kvproto.def"

static_assert(SERVER_NO_SLOT == UINT32_MAX, "slot 0 of the protocol becomes SERVER_NO_SLOT");

#define KVPROTO_BEGIN(name, type, init)                                            \
	static int name##_out(struct kvproto_out *out, const struct wire_msg *msg, \
			      uint64_t request_id)                                 \
	{                                                                          \
		type *p = &out->name;                                              \
		int rc = 0;                                                        \
		init(p);                                                           \
		(void)request_id;
#define KVPROTO_END(name) \
	return rc;        \
	}
#define FIELD(proto, wire) p->proto = (__typeof__(p->proto))msg->wire;
#define FLAG(proto, name)  p->proto = !!(msg->flags & WIRE_F_##name);
#define KEY(proto)         p->proto = kvproto_bytes(msg->key, msg->key_len);
#define SLOT               p->slot = msg->slot + 1;
#define ECHO               p->request_id = request_id;
#define ERROR                                                                      \
	p->error_code = msg->status;                                               \
	if (msg->status) {                                                         \
		kvproto_failure(out->text, msg->status, msg->data, msg->data_len); \
		p->error_message = out->text;                                      \
	}
#define SUCCESS    p->success = !msg->status;
#define MORE(name) rc = kvproto_##name##_out(p, msg, &out->extra);
#include "control/kvproto.def"

/* --- the methods ---------------------------------------------------------------------------------
 */

typedef int (*kvproto_out_fn)(struct kvproto_out *out, const struct wire_msg *msg,
			      uint64_t request_id);

static const struct {
	struct kvproto_method method;
	kvproto_out_fn request_out, reply_out;
} kvproto_rows[] = {
#define KVPROTO_METHOD(name, number, request_name, reply_name) \
	{ .method = { .path = KVPROTO_SERVICE #name,           \
		      .kind = WIRE_##number,                   \
		      .request_in = request_name##_in,         \
		      .reply_in = reply_name##_in },           \
	  .request_out = request_name##_out,                   \
	  .reply_out = reply_name##_out },
#include "control/kvproto.def"
};

#define KVPROTO_ROWS (sizeof(kvproto_rows) / sizeof(kvproto_rows[0]))

const struct kvproto_method *kvproto_kind(uint8_t kind)
{
	for (size_t i = 0; i < KVPROTO_ROWS; i++)
		if (kvproto_rows[i].method.kind == kind)
			return &kvproto_rows[i].method;
	return NULL;
}

const struct kvproto_method *kvproto_path(const char *path)
{
	for (size_t i = 0; i < KVPROTO_ROWS; i++)
		if (!strcmp(kvproto_rows[i].method.path, path))
			return &kvproto_rows[i].method;
	return NULL;
}

const ProtobufCMethodDescriptor *kvproto_descriptor(const char *path)
{
	const size_t prefix = sizeof(KVPROTO_SERVICE) - 1;

	if (strncmp(path, KVPROTO_SERVICE, prefix))
		return NULL;
	return protobuf_c_service_descriptor_get_method_by_name(
		&kv_cache__kv_cache_service__descriptor, path + prefix);
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static void *budget_alloc(void *data, size_t size)
{
	size_t *left = data;

	if (size > *left)
		return NULL;
	*left -= size;
	return mem_alloc(size);
}

static void budget_free(void *data, void *memory)
{
	(void)data;
	mem_free(memory);
}

int kvproto_unpack(struct kvproto *ret, const ProtobufCMessageDescriptor *descriptor,
		   const void *data, size_t len)
{
	size_t left = len + KVPROTO_ROOM;
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &left };
	ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, len, data);

	if (!message)
		return err_set(-WEFT_EMESSAGE, "these %zu bytes are no %s", len, descriptor->name);
	*ret = (struct kvproto){ .message = message };
	return 0;
}

void kvproto_free(struct kvproto *proto)
{
	size_t none = 0;
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &none };

	if (proto->message)
		protobuf_c_message_free_unpacked(proto->message, &allocator);
	mem_free(proto->extra);
	*proto = (struct kvproto){ 0 };
}

int kvproto_pack(const ProtobufCMessage *message, void **ret, size_t *len)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	void *bytes = mem_alloc(size);

	if (!bytes)
		return err_set(-ENOMEM, "no memory for a message of %zu bytes", size);
	*len = protobuf_c_message_pack(message, bytes);
	*ret = bytes;
	return 0;
}

static kvproto_out_fn kvproto_out_of(uint8_t kind)
{
	for (size_t i = 0; i < KVPROTO_ROWS; i++) {
		if (kvproto_rows[i].method.kind == kind)
			return kvproto_rows[i].request_out;
		if ((kvproto_rows[i].method.kind | WIRE_REPLY) == kind)
			return kvproto_rows[i].reply_out;
	}
	return NULL;
}

int kvproto_encode(const struct wire_msg *msg, uint64_t request_id, void **ret, size_t *len)
{
	kvproto_out_fn fill = kvproto_out_of(msg->kind);
	struct kvproto_out out = { .extra = NULL };
	int rc;

	if (!fill)
		return err_set(-EINVAL, "message kind %u has no method", msg->kind);
	rc = fill(&out, msg, request_id);
	if (!rc)
		rc = kvproto_pack(&out.base, ret, len);
	mem_free(out.extra);
	return rc;
}

/* Replaces the text of a failure, which came over the network, by one fit to be shown. */
static int text_copy(struct wire_msg *msg, void **extra)
{
	char *text = mem_alloc(KVPROTO_TEXT_MAX);

	if (!text)
		return -ENOMEM;
	kvproto_failure(text, msg->status, msg->data, msg->data_len);
	mem_free(*extra);
	*extra = text;
	msg->data = text;
	msg->data_len = strlen(text);
	return 0;
}

int kvproto_reply(struct kvproto *ret, uint8_t kind, const void *data, size_t len,
		  struct wire_msg *msg)
{
	const struct kvproto_method *method = kvproto_kind(kind);
	struct kvproto proto;
	int rc;

	if (!method)
		return err_set(-EINVAL, "message kind %u has no method", kind);
	rc = kvproto_unpack(&proto, kvproto_descriptor(method->path)->output, data, len);
	if (rc)
		return rc;
	*msg = (struct wire_msg){ .kind = (uint8_t)(kind | WIRE_REPLY) };
	rc = method->reply_in(proto.message, msg, &proto.extra);
	if (!rc && msg->status)
		rc = text_copy(msg, &proto.extra);
	if (rc) {
		kvproto_free(&proto);
		return err_set(rc, "an impossible answer to %s", wire_kind_text(kind));
	}
	*ret = proto;
	return 0;
}
