/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of messages that kvproto.def cannot say field by field; see KVPROTO MORE there. */
#ifndef WEFT_CONTROL_KVPROTO_MORE_H
#define WEFT_CONTROL_KVPROTO_MORE_H

#include "kv/wire.h"
#include "kv_cache.pb-c.h"

/* Each: 0, -ENOMEM, -WEFT_EMESSAGE. *extra, NULL at first, takes memory that must outlive the
 * result. */
int kvproto_range_in(const KvCache__GetRequest *in, struct wire_msg *msg, void **extra);
int kvproto_range_out(KvCache__GetRequest *out, const struct wire_msg *msg, void **extra);
int kvproto_get_value_in(const KvCache__GetResponse *in, struct wire_msg *msg, void **extra);
int kvproto_get_value_out(KvCache__GetResponse *out, const struct wire_msg *msg, void **extra);
int kvproto_put_value_in(const KvCache__PutRequest *in, struct wire_msg *msg, void **extra);
int kvproto_put_value_out(KvCache__PutRequest *out, const struct wire_msg *msg, void **extra);
int kvproto_chunk_value_in(const KvCache__PutChunkRequest *in, struct wire_msg *msg, void **extra);
int kvproto_chunk_value_out(KvCache__PutChunkRequest *out, const struct wire_msg *msg,
			    void **extra);
int kvproto_key_existed_in(const KvCache__DeleteResponse *in, struct wire_msg *msg, void **extra);
int kvproto_key_existed_out(KvCache__DeleteResponse *out, const struct wire_msg *msg, void **extra);
int kvproto_descriptor_in(const KvCache__AttachRequest *in, struct wire_msg *msg, void **extra);
int kvproto_descriptor_out(KvCache__AttachRequest *out, const struct wire_msg *msg, void **extra);
int kvproto_entries_in(const KvCache__ListResponse *in, struct wire_msg *msg, void **extra);
int kvproto_entries_out(KvCache__ListResponse *out, const struct wire_msg *msg, void **extra);
int kvproto_counters_in(const KvCache__StatsResponse *in, struct wire_msg *msg, void **extra);
int kvproto_counters_out(KvCache__StatsResponse *out, const struct wire_msg *msg, void **extra);

/* Bytes for a field; borrowed. */
static inline ProtobufCBinaryData kvproto_bytes(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)data, .len = len };
}

#endif /* WEFT_CONTROL_KVPROTO_MORE_H */
