/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded cursors for wire formats: struct wbuf writes, struct rbuf reads. Integers are little
 * endian and need no alignment.
 *
 * Neither ever touches a byte outside its memory. The first access that does not fit sets `bad`,
 * changes nothing else, and makes every later access fail: a caller may do all of them and check
 * once, by wbuf_ok(), rbuf_ok() or rbuf_end().
 */
#ifndef WEFT_BASE_BUF_H
#define WEFT_BASE_BUF_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wbuf {
	uint8_t *data;
	size_t size;
	size_t used; /* <= size */
	bool bad;
};

struct rbuf {
	const uint8_t *data;
	size_t size;
	size_t used; /* <= size */
	bool bad;
};

/* --- writing ------------------------------------------------------------------------------- */

static inline void wbuf_init(struct wbuf *buf, void *data, size_t size)
{
	*buf = (struct wbuf){ .data = data, .size = size };
}

static inline size_t wbuf_room(const struct wbuf *buf)
{
	return buf->size - buf->used;
}

/* Everything written so far fitted; buf->used bytes are valid. */
static inline bool wbuf_ok(const struct wbuf *buf)
{
	return !buf->bad;
}

/* Room for len bytes that the caller fills (uninitialized until then); NULL if they do not fit, or
 * if len is 0 and the cursor has no memory. */
static inline void *buf_put_space(struct wbuf *buf, size_t len)
{
	void *space;

	if (buf->bad || len > wbuf_room(buf)) {
		buf->bad = true;
		return NULL;
	}
	space = buf->data ? buf->data + buf->used : NULL;
	buf->used += len;
	return space;
}

static inline bool buf_put_bytes(struct wbuf *buf, const void *bytes, size_t len)
{
	void *space = buf_put_space(buf, len);

	if (!space)
		return !buf->bad;
	if (len)
		memcpy(space, bytes, len);
	return true;
}

static inline bool buf_put_zero(struct wbuf *buf, size_t len)
{
	void *space = buf_put_space(buf, len);

	if (!space)
		return !buf->bad;
	if (len)
		memset(space, 0, len);
	return true;
}

static inline bool buf_put_u8(struct wbuf *buf, uint8_t value)
{
	return buf_put_bytes(buf, &value, sizeof(value));
}

static inline bool buf_put_u16(struct wbuf *buf, uint16_t value)
{
	value = htole16(value);
	return buf_put_bytes(buf, &value, sizeof(value));
}

static inline bool buf_put_u32(struct wbuf *buf, uint32_t value)
{
	value = htole32(value);
	return buf_put_bytes(buf, &value, sizeof(value));
}

static inline bool buf_put_u64(struct wbuf *buf, uint64_t value)
{
	value = htole64(value);
	return buf_put_bytes(buf, &value, sizeof(value));
}

/* u16 length, then the bytes without the NUL. Nothing is written if it does not fit whole. */
static inline bool buf_put_str(struct wbuf *buf, const char *text)
{
	size_t len = strlen(text);

	if (buf->bad || len > UINT16_MAX || wbuf_room(buf) < sizeof(uint16_t) + len) {
		buf->bad = true;
		return false;
	}
	return buf_put_u16(buf, (uint16_t)len) && buf_put_bytes(buf, text, len);
}

/* Overwrites what was written at offset before: lengths and checksums known only later. */
static inline bool buf_patch_bytes(struct wbuf *buf, size_t offset, const void *bytes, size_t len)
{
	if (buf->bad || offset > buf->used || len > buf->used - offset) {
		buf->bad = true;
		return false;
	}
	if (len)
		memcpy(buf->data + offset, bytes, len);
	return true;
}

static inline bool buf_patch_u16(struct wbuf *buf, size_t offset, uint16_t value)
{
	value = htole16(value);
	return buf_patch_bytes(buf, offset, &value, sizeof(value));
}

static inline bool buf_patch_u32(struct wbuf *buf, size_t offset, uint32_t value)
{
	value = htole32(value);
	return buf_patch_bytes(buf, offset, &value, sizeof(value));
}

static inline bool buf_patch_u64(struct wbuf *buf, size_t offset, uint64_t value)
{
	value = htole64(value);
	return buf_patch_bytes(buf, offset, &value, sizeof(value));
}

/* --- reading: *ret is set only on success -------------------------------------------------- */

static inline void rbuf_init(struct rbuf *buf, const void *data, size_t size)
{
	*buf = (struct rbuf){ .data = data, .size = size };
}

static inline size_t rbuf_left(const struct rbuf *buf)
{
	return buf->size - buf->used;
}

static inline bool rbuf_ok(const struct rbuf *buf)
{
	return !buf->bad;
}

/* Everything was understood and nothing is left over. */
static inline bool rbuf_end(const struct rbuf *buf)
{
	return !buf->bad && buf->used == buf->size;
}

static inline bool buf_skip(struct rbuf *buf, size_t len)
{
	if (buf->bad || len > rbuf_left(buf)) {
		buf->bad = true;
		return false;
	}
	buf->used += len;
	return true;
}

/* *ret points into the buffer: len bytes, valid as long as its memory. */
static inline bool buf_get_bytes(struct rbuf *buf, const void **ret, size_t len)
{
	size_t at = buf->used;

	if (!buf_skip(buf, len))
		return false;
	*ret = buf->data ? buf->data + at : NULL;
	return true;
}

static inline bool buf_get_copy(struct rbuf *buf, void *ret, size_t len)
{
	size_t at = buf->used;

	if (!buf_skip(buf, len))
		return false;
	if (len)
		memcpy(ret, buf->data + at, len);
	return true;
}

static inline bool buf_get_u8(struct rbuf *buf, uint8_t *ret)
{
	return buf_get_copy(buf, ret, sizeof(*ret));
}

static inline bool buf_get_u16(struct rbuf *buf, uint16_t *ret)
{
	if (!buf_get_copy(buf, ret, sizeof(*ret)))
		return false;
	*ret = le16toh(*ret);
	return true;
}

static inline bool buf_get_u32(struct rbuf *buf, uint32_t *ret)
{
	if (!buf_get_copy(buf, ret, sizeof(*ret)))
		return false;
	*ret = le32toh(*ret);
	return true;
}

static inline bool buf_get_u64(struct rbuf *buf, uint64_t *ret)
{
	if (!buf_get_copy(buf, ret, sizeof(*ret)))
		return false;
	*ret = le64toh(*ret);
	return true;
}

/*
 * What buf_put_str() wrote, with a NUL, into ret of `room` bytes. Text that does not fit or that
 * contains a NUL is bad.
 */
static inline bool buf_get_str(struct rbuf *buf, char *ret, size_t room)
{
	struct rbuf at = *buf;
	const void *text = NULL;
	uint16_t len = 0;

	if (!buf_get_u16(&at, &len) || !buf_get_bytes(&at, &text, len) || len >= room ||
	    (len && memchr(text, 0, len))) {
		buf->bad = true;
		return false;
	}
	if (len)
		memcpy(ret, text, len);
	ret[len] = '\0';
	*buf = at;
	return true;
}

#endif /* WEFT_BASE_BUF_H */
