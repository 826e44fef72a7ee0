/* SPDX-License-Identifier: Apache-2.0 */
#include "control/kvproto_more.h"

#include <errno.h>
#include <string.h>

#include <weft/kv.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "control/kvproto.h"

/* Entries in a reply. */
#define KVPROTO_LIST_MAX 65536u

enum {
#define KVPROTO_COUNT(name, text) KVPROTO_COUNTER_##name,
	WEFT_KV_COUNTER_MAP(KVPROTO_COUNT)
#undef KVPROTO_COUNT
	KVPROTO_COUNTERS
};

/* --- texts ----------------------------------------------------------------------------------- */

void kvproto_text(char *ret, const void *text, size_t len)
{
	const char *from = text;
	size_t n = 0;

	for (size_t i = 0; i < len && from[i] && n + 1 < KVPROTO_TEXT_MAX; i++)
		ret[n++] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	ret[n] = '\0';
}

void kvproto_failure(char *ret, uint32_t status, const void *text, size_t len)
{
	const char *own = weft_strerror((int)status);

	if (len)
		kvproto_text(ret, text, len);
	else
		kvproto_text(ret, own, strlen(own));
}

/* --- what is not field by field ----------------------------------------------------------------
 */

/* No length of a range means all there is; a range of nothing begins where no value reaches. */
int kvproto_range_in(const KvCache__GetRequest *in, struct wire_msg *msg, void **extra)
{
	(void)extra;
	msg->length = in->range_length ? in->range_length : UINT64_MAX;
	return 0;
}

int kvproto_range_out(KvCache__GetRequest *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	out->range_length = msg->length == UINT64_MAX ? 0 : msg->length;
	if (!msg->length)
		out->range_offset = UINT64_MAX;
	return 0;
}

int kvproto_get_value_in(const KvCache__GetResponse *in, struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (msg->status || !in->inlined)
		return 0;
	msg->data = in->inline_value.data;
	msg->data_len = in->inline_value.len;
	return msg->data_len == msg->length ? 0 : -WEFT_EMESSAGE;
}

int kvproto_get_value_out(KvCache__GetResponse *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (!msg->status && msg->flags & WIRE_F_INLINE)
		out->inline_value = kvproto_bytes(msg->data, msg->data_len);
	return 0;
}

int kvproto_put_value_in(const KvCache__PutRequest *in, struct wire_msg *msg, void **extra)
{
	bool inlined = in->value_source_case == KV_CACHE__PUT_REQUEST__VALUE_SOURCE_INLINE_VALUE;
	bool located = in->value_source_case == KV_CACHE__PUT_REQUEST__VALUE_SOURCE_RDMA_LOCATION;

	(void)extra;
	if (inlined) {
		msg->data = in->inline_value.data;
		msg->data_len = in->inline_value.len;
		msg->total = msg->data_len;
	}
	if (inlined || (!located && !msg->total))
		msg->flags |= WIRE_F_INLINE;
	if (!msg->ttl_ms)
		msg->ttl_ms =
			in->ttl_seconds < UINT64_MAX / 1000 ? in->ttl_seconds * 1000 : UINT64_MAX;
	return 0;
}

int kvproto_put_value_out(KvCache__PutRequest *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (!(msg->flags & WIRE_F_INLINE))
		return 0;
	out->value_source_case = KV_CACHE__PUT_REQUEST__VALUE_SOURCE_INLINE_VALUE;
	out->inline_value = kvproto_bytes(msg->data, msg->data_len);
	return 0;
}

int kvproto_chunk_value_in(const KvCache__PutChunkRequest *in, struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (!in->inline_value.len)
		return 0;
	msg->flags |= WIRE_F_INLINE;
	msg->data = in->inline_value.data;
	msg->data_len = in->inline_value.len;
	msg->length = msg->data_len;
	return 0;
}

int kvproto_chunk_value_out(KvCache__PutChunkRequest *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (msg->flags & WIRE_F_INLINE)
		out->inline_value = kvproto_bytes(msg->data, msg->data_len);
	return 0;
}

/* The original protocol answers success when there was nothing to delete. */
int kvproto_key_existed_in(const KvCache__DeleteResponse *in, struct wire_msg *msg, void **extra)
{
	(void)extra;
	if (!msg->status && !in->key_existed)
		msg->status = WEFT_ENOTFOUND;
	return 0;
}

int kvproto_key_existed_out(KvCache__DeleteResponse *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	out->key_existed = !msg->status;
	if (msg->status != WEFT_ENOTFOUND)
		return 0;
	out->success = true;
	out->error_code = 0;
	out->error_message = (char *)(uintptr_t)protobuf_c_empty_string;
	return 0;
}

int kvproto_descriptor_in(const KvCache__AttachRequest *in, struct wire_msg *msg, void **extra)
{
	(void)extra;
	msg->data = in->weft_descriptor.data;
	msg->data_len = in->weft_descriptor.len;
	return 0;
}

int kvproto_descriptor_out(KvCache__AttachRequest *out, const struct wire_msg *msg, void **extra)
{
	(void)extra;
	out->weft_descriptor = kvproto_bytes(msg->data, msg->data_len);
	return 0;
}

static size_t entries_size(const KvCache__ListResponse *in)
{
	size_t size = 0;

	for (size_t i = 0; i < in->n_entries; i++)
		size += WIRE_ENTRY_FIXED + in->entries[i]->key.len;
	return size;
}

int kvproto_entries_in(const KvCache__ListResponse *in, struct wire_msg *msg, void **extra)
{
	size_t size = entries_size(in);
	struct wbuf out;

	if (msg->status)
		return 0;
	*extra = mem_alloc(size);
	if (!*extra)
		return -ENOMEM;
	wbuf_init(&out, *extra, size);
	for (size_t i = 0; i < in->n_entries; i++) {
		const KvCache__ListEntry *entry = in->entries[i];
		struct wire_entry wire = { .key = entry->key.data,
					   .key_len = entry->key.len,
					   .length = entry->value_length,
					   .version = entry->version,
					   .ttl_ms = entry->ttl_left_ms };

		if (!wire_put_entry(&out, &wire))
			return -WEFT_EMESSAGE;
	}
	msg->length = in->n_entries;
	msg->data = *extra;
	msg->data_len = out.used;
	return 0;
}

int kvproto_entries_out(KvCache__ListResponse *out, const struct wire_msg *msg, void **extra)
{
	KvCache__ListEntry *entries, **pointers;
	size_t count = (size_t)msg->length, n = 0;
	struct wire_entry wire;
	struct rbuf in;

	if (msg->status || !msg->length)
		return 0;
	if (msg->length > KVPROTO_LIST_MAX)
		return -WEFT_EMESSAGE;
	*extra = mem_array(count, sizeof(*entries) + sizeof(*pointers));
	if (!*extra)
		return -ENOMEM;
	entries = *extra;
	pointers = (void *)(entries + count);
	rbuf_init(&in, msg->data, msg->data_len);
	for (; n < count && wire_get_entry(&in, &wire); n++) {
		pointers[n] = &entries[n];
		kv_cache__list_entry__init(&entries[n]);
		entries[n].key = kvproto_bytes(wire.key, wire.key_len);
		entries[n].value_length = wire.length;
		entries[n].version = wire.version;
		entries[n].ttl_left_ms = wire.ttl_ms;
	}
	out->entries = pointers;
	out->n_entries = n;
	return n == count ? 0 : -WEFT_EMESSAGE;
}

static const char *const counter_names[KVPROTO_COUNTERS] = {
#define KVPROTO_NAME(name, text) [KVPROTO_COUNTER_##name] = #name,
	WEFT_KV_COUNTER_MAP(KVPROTO_NAME)
#undef KVPROTO_NAME
};

/* Counters are told by name, so that both ends may know different ones. */
int kvproto_counters_in(const KvCache__StatsResponse *in, struct wire_msg *msg, void **extra)
{
	uint64_t values[KVPROTO_COUNTERS] = { 0 };
	struct wbuf out;

	if (msg->status)
		return 0;
	for (size_t i = 0; i < in->n_counters; i++)
		for (size_t k = 0; k < KVPROTO_COUNTERS; k++)
			if (!strcmp(in->counters[i]->name, counter_names[k]))
				values[k] = in->counters[i]->value;
	*extra = mem_alloc(sizeof(values));
	if (!*extra)
		return -ENOMEM;
	wbuf_init(&out, *extra, sizeof(values));
	for (size_t k = 0; k < KVPROTO_COUNTERS; k++)
		buf_put_u64(&out, values[k]);
	msg->data = *extra;
	msg->data_len = out.used;
	return 0;
}

int kvproto_counters_out(KvCache__StatsResponse *out, const struct wire_msg *msg, void **extra)
{
	KvCache__StatsCounter *counters, **pointers;
	struct rbuf in;

	if (msg->status)
		return 0;
	*extra = mem_array(KVPROTO_COUNTERS, sizeof(*counters) + sizeof(*pointers));
	if (!*extra)
		return -ENOMEM;
	counters = *extra;
	pointers = (void *)(counters + KVPROTO_COUNTERS);
	rbuf_init(&in, msg->data, msg->data_len);
	for (size_t k = 0; k < KVPROTO_COUNTERS; k++) {
		pointers[k] = &counters[k];
		kv_cache__stats_counter__init(&counters[k]);
		counters[k].name = (char *)(uintptr_t)counter_names[k];
		if (!buf_get_u64(&in, &counters[k].value))
			return -WEFT_EMESSAGE;
	}
	out->counters = pointers;
	out->n_counters = KVPROTO_COUNTERS;
	return 0;
}
