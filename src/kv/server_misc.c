/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE, STAT, LIST, STATS: only the store is needed, any thread can answer. */
#include "kv/server_int.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

void request_delete(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	int rc = store_delete(server->store, msg->key, msg->key_len, clock_ns());

	if (!rc)
		rc = err_set(-WEFT_ENOTFOUND, "%s", ""); /* there is nothing to add */
	reply_status(server, asker, rc > 0 ? 0 : rc);
}

void request_stat(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	uint64_t now_ns = clock_ns();
	struct wire_msg reply = { 0 };
	struct store_info info;
	int rc;

	rc = store_stat(server->store, msg->key, msg->key_len, now_ns, &info);
	if (rc) {
		reply_status(server, asker, rc);
		return;
	}
	reply.total = info.length;
	reply.version = info.version;
	reply.checksum = info.checksum;
	reply.ttl_ms = ttl_left_ms(info.expires_ns, now_ns);
	reply_send(server, asker, &reply);
}

/* What a listing has room for: keys that become entries of one message. */
#define LIST_KEYS_ROOM (WIRE_MAX - 256u)

/* Turns the store's {u16 length, key} into entries; keys that are gone meanwhile are left out. */
static uint64_t list_entries(struct server *server, const void *keys, size_t len, struct wbuf *out)
{
	uint64_t now_ns = clock_ns(), count = 0;
	struct wire_entry entry;
	struct store_info info;
	const void *key = NULL;
	struct rbuf in;
	uint16_t key_len = 0;

	rbuf_init(&in, keys, len);
	while (rbuf_left(&in) && buf_get_u16(&in, &key_len) && buf_get_bytes(&in, &key, key_len)) {
		if (store_stat(server->store, key, key_len, now_ns, &info))
			continue;
		entry = (struct wire_entry){ .key = key,
					     .key_len = key_len,
					     .length = info.length,
					     .version = info.version,
					     .ttl_ms = ttl_left_ms(info.expires_ns, now_ns) };
		if (!wire_put_entry(out, &entry))
			break;
		count++;
	}
	return count;
}

/* Keys whose entries fit a message: in the worst case each byte of a key's record brings
 * WIRE_ENTRY_FIXED - 2 more, so the number of keys is bounded by what is left beside them. */
static uint32_t list_limit(const struct wire_msg *msg)
{
	uint32_t most = (LIST_KEYS_ROOM - STORE_LIST_ROOM_MIN) / WIRE_ENTRY_FIXED;

	return msg->length && msg->length < most ? (uint32_t)msg->length : most;
}

void request_list(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	uint8_t keys[STORE_LIST_ROOM_MIN], bytes[LIST_KEYS_ROOM];
	uint64_t cursor = msg->offset;
	struct wire_msg reply = { 0 };
	struct wbuf out;
	size_t len = 0;
	int rc;

	rc = store_list(server->store, &cursor, msg->key, msg->key_len, clock_ns(), keys,
			sizeof(keys), list_limit(msg), &len);
	if (rc < 0) {
		reply_status(server, asker, rc);
		return;
	}
	wbuf_init(&out, bytes, sizeof(bytes));
	reply.length = list_entries(server, keys, len, &out);
	reply.offset = cursor == STORE_LIST_END ? 0 : cursor;
	reply.data = bytes;
	reply.data_len = out.used;
	reply_send(server, asker, &reply);
}

void request_stats(struct server *server, const struct asker *asker)
{
	struct wire_msg reply = { 0 };
	struct weft_kv_stats stats;
	uint8_t bytes[sizeof(stats)];
	struct wbuf out;

	server_stats(server, &stats);
	wbuf_init(&out, bytes, sizeof(bytes));
#define PUT_COUNTER(name, text) buf_put_u64(&out, stats.name);
	WEFT_KV_COUNTER_MAP(PUT_COUNTER)
#undef PUT_COUNTER
	reply.data = bytes;
	reply.data_len = out.used;
	reply_send(server, asker, &reply);
}
