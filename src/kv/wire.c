/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/wire.h"

#include <assert.h>

#include "base/buf.h"
#include "base/err.h"

static_assert(WIRE_FIELDS <= 32, "fields of a kind are bits of a uint32_t");
static_assert(WIRE_INLINE_GET + WIRE_HEADER + 56 <= WIRE_MAX, "GET reply");
static_assert(WIRE_INLINE_PUT + WIRE_KEY_MAX + WIRE_HEADER + 42 <= WIRE_MAX, "PUT request");

struct kind_row {
	const char *text;
	uint32_t request, reply; /* bit per enum wire_field */
};

static const struct kind_row kind_rows[] = {
#define WIRE_KIND(name, number, text, request, reply) [number] = { text, request, reply },
#include "kv/wire.def"
};

#define KIND_COUNT (sizeof(kind_rows) / sizeof(kind_rows[0]))

/* NULL: no such kind. */
static const struct kind_row *kind_row(uint8_t kind)
{
	uint8_t number = kind & ~WIRE_REPLY;

	return number < KIND_COUNT && kind_rows[number].text ? &kind_rows[number] : NULL;
}

const char *wire_kind_text(uint8_t kind)
{
	const struct kind_row *row = kind_row(kind);

	return row ? row->text : "?";
}

static void put_key(struct wbuf *buf, const void *key, size_t len)
{
	if (len > WIRE_KEY_MAX) {
		buf->bad = true;
		return;
	}
	buf_put_u16(buf, (uint16_t)len);
	buf_put_bytes(buf, key, len);
}

#define PUT_u32(buf, msg, m)  buf_put_u32(buf, (msg)->m)
#define PUT_u64(buf, msg, m)  buf_put_u64(buf, (msg)->m)
#define PUT_key(buf, msg, m)  put_key(buf, (msg)->m, (msg)->m##_len)
#define PUT_rest(buf, msg, m) buf_put_bytes(buf, (msg)->m, (msg)->m##_len)

size_t wire_encode(const struct wire_msg *msg, void *buf, size_t size)
{
	const struct kind_row *row = kind_row(msg->kind);
	struct wbuf out;
	uint32_t fields;

	if (!row)
		return 0;
	fields = msg->kind & WIRE_REPLY ? row->reply : row->request;
	wbuf_init(&out, buf, size < WIRE_MAX ? size : WIRE_MAX);
	buf_put_u8(&out, WIRE_VERSION);
	buf_put_u8(&out, msg->kind);
	buf_put_u16(&out, msg->flags);
	buf_put_u32(&out, msg->slot);
	buf_put_u32(&out, msg->generation);
	buf_put_u32(&out, msg->status);
	buf_put_u64(&out, msg->session);
#define WIRE_FIELD(name, type, member) \
	if (fields & W(name))          \
		PUT_##type(&out, msg, member);
#include "kv/wire.def"
	return wbuf_ok(&out) ? out.used : 0;
}

static void get_key(struct rbuf *buf, const void **ret, size_t *len_ret)
{
	uint16_t len = 0;

	if (!buf_get_u16(buf, &len))
		return;
	if (len > WIRE_KEY_MAX)
		buf->bad = true;
	else if (buf_get_bytes(buf, ret, len))
		*len_ret = len;
}

static void get_rest(struct rbuf *buf, const void **ret, size_t *len_ret)
{
	size_t len = rbuf_left(buf);

	if (buf_get_bytes(buf, ret, len))
		*len_ret = len;
}

#define GET_u32(buf, msg, m)  buf_get_u32(buf, &(msg)->m)
#define GET_u64(buf, msg, m)  buf_get_u64(buf, &(msg)->m)
#define GET_key(buf, msg, m)  get_key(buf, &(msg)->m, &(msg)->m##_len)
#define GET_rest(buf, msg, m) get_rest(buf, &(msg)->m, &(msg)->m##_len)

static int bad_message(size_t len)
{
	return err_set(-WEFT_EMESSAGE, "%zu bytes that are no message of the KV cache", len);
}

int wire_decode(struct wire_msg *ret, const void *buf, size_t len)
{
	const struct kind_row *row;
	struct wire_msg msg = { 0 };
	struct rbuf in;
	uint32_t fields;
	uint8_t version = 0;

	rbuf_init(&in, buf, len);
	buf_get_u8(&in, &version);
	buf_get_u8(&in, &msg.kind);
	buf_get_u16(&in, &msg.flags);
	buf_get_u32(&in, &msg.slot);
	buf_get_u32(&in, &msg.generation);
	buf_get_u32(&in, &msg.status);
	buf_get_u64(&in, &msg.session);
	if (!rbuf_ok(&in) || len > WIRE_MAX)
		return bad_message(len);
	if (version != WIRE_VERSION) {
		*ret = msg;
		return err_set(-WEFT_EVERSION, "message of version %u, this side speaks %u",
			       version, WIRE_VERSION);
	}
	row = kind_row(msg.kind);
	if (!row)
		return bad_message(len);
	fields = msg.kind & WIRE_REPLY ? row->reply : row->request;
#define WIRE_FIELD(name, type, member) \
	if (fields & W(name))          \
		GET_##type(&in, &msg, member);
#include "kv/wire.def"
	if (!rbuf_end(&in))
		return bad_message(len);
	*ret = msg;
	return 0;
}

struct wire_msg wire_reply(const struct wire_msg *request, int status)
{
	return (struct wire_msg){
		.kind = request->kind | WIRE_REPLY,
		.slot = request->slot,
		.generation = request->generation,
		.session = request->session,
		.status = status < 0 ? -(uint32_t)status : (uint32_t)status,
	};
}

bool wire_put_entry(struct wbuf *buf, const struct wire_entry *entry)
{
	if (wbuf_room(buf) < WIRE_ENTRY_FIXED + entry->key_len)
		return false;
	put_key(buf, entry->key, entry->key_len);
	buf_put_u64(buf, entry->length);
	buf_put_u64(buf, entry->version);
	return buf_put_u64(buf, entry->ttl_ms);
}

bool wire_get_entry(struct rbuf *buf, struct wire_entry *ret)
{
	struct wire_entry entry = { 0 };

	if (!rbuf_left(buf))
		return false;
	get_key(buf, &entry.key, &entry.key_len);
	buf_get_u64(buf, &entry.length);
	buf_get_u64(buf, &entry.version);
	if (!buf_get_u64(buf, &entry.ttl_ms))
		return false;
	*ret = entry;
	return true;
}
