/* SPDX-License-Identifier: Apache-2.0 */
/* Between protobuf messages of KvCacheService and struct wire_msg, for both ends. */
#ifndef WEFT_CONTROL_KVPROTO_H
#define WEFT_CONTROL_KVPROTO_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "kv/control.h"
#include "kv/wire.h"

#define KVPROTO_SERVICE  "/kv_cache.KvCacheService/"
#define KVPROTO_TEXT_MAX 400u

/* A decoded message. What messages and wire_msgs made of it point at lives until kvproto_free(). */
struct kvproto {
	ProtobufCMessage *message;
	void *extra; /* data that had to be put together */
};

/* A method that is one request of the KV server. */
struct kvproto_method {
	const char *path;
	uint8_t kind; /* enum wire_kind */
	/* extra: NULL, or takes memory to be freed with the message. 0, -ENOMEM, -WEFT_EMESSAGE. */
	int (*request_in)(const ProtobufCMessage *message, struct wire_msg *ret, void **extra);
	int (*reply_in)(const ProtobufCMessage *message, struct wire_msg *ret, void **extra);
};

/* NULL: there is none. */
const struct kvproto_method *kvproto_kind(uint8_t kind);
/* path as "/service/method". */
const struct kvproto_method *kvproto_path(const char *path);

/* Of any method of the service, by its path; NULL: there is none. */
const ProtobufCMethodDescriptor *kvproto_descriptor(const char *path);

/*
 * Decodes a message of the descriptor. The memory that it may take is bounded by len.
 * -WEFT_EMESSAGE: the bytes are not such a message (or there is no memory).
 */
int kvproto_unpack(struct kvproto *ret, const ProtobufCMessageDescriptor *descriptor,
		   const void *data, size_t len);
void kvproto_free(struct kvproto *proto);
/* Encodes into memory from mem_alloc(). -ENOMEM. */
int kvproto_pack(const ProtobufCMessage *message, void **ret, size_t *len);

/* Encodes a request or, with WIRE_REPLY in its kind, a reply; request_id is what the reply repeats.
 * -ENOMEM, -EINVAL: there is no such method. */
int kvproto_encode(const struct wire_msg *msg, uint64_t request_id, void **ret, size_t *len);
/* Decodes a reply to a kind. -WEFT_EMESSAGE, -ENOMEM. */
int kvproto_reply(struct kvproto *ret, uint8_t kind, const void *data, size_t len,
		  struct wire_msg *msg);

/* Makes a text for a string field, which must be UTF-8: ASCII, cut at KVPROTO_TEXT_MAX. */
void kvproto_text(char *ret, const void *text, size_t len);
/* The text of a failure: given, or the error's own. */
void kvproto_failure(char *ret, uint32_t status, const void *text, size_t len);

#endif /* WEFT_CONTROL_KVPROTO_H */
