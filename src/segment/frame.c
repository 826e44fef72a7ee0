/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/frame.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "segment/name.h"

#define FRAME_MAGIC   0x4e464557u /* "WEFN", little-endian */
#define OFFSET_LENGTH 8u
#define OFFSET_SUM    16u
#define CODE_MIN      (-4095) /* as for errno: nothing else is a code */

/* Of everything but itself. */
static uint64_t checksum(const uint8_t *data, size_t len)
{
	struct hash_stream stream;

	hash_stream_init(&stream);
	hash_stream_update(&stream, data, OFFSET_SUM);
	hash_stream_update(&stream, data + FRAME_HEAD, len - FRAME_HEAD);
	return hash_stream_final(&stream);
}

static void put_payload(struct wbuf *out, const struct frame *frame)
{
	char text[FRAME_TEXT];

	switch (frame->kind) {
	case FRAME_LOOKUP:
		buf_put_str(out, frame->name);
		break;
	case FRAME_ENTRY:
		buf_put_str(out, frame->name);
		buf_put_bytes(out, frame->bytes, frame->len);
		break;
	case FRAME_END:
		buf_put_u32(out, frame->count);
		break;
	default:
		memcpy(text, frame->text, sizeof(text));
		text[FRAME_TEXT - 1] = '\0';
		buf_put_u32(out, (uint32_t)frame->code);
		buf_put_str(out, text);
		break;
	}
}

int frame_put(const struct frame *frame, void *buf, size_t *len)
{
	struct wbuf out;

	wbuf_init(&out, buf, *len);
	buf_put_u32(&out, FRAME_MAGIC);
	buf_put_u16(&out, FRAME_VERSION);
	buf_put_u8(&out, frame->kind);
	buf_put_u8(&out, 0);
	buf_put_u32(&out, 0);
	buf_put_u32(&out, 0);
	buf_put_u64(&out, 0);
	put_payload(&out, frame);
	if (!wbuf_ok(&out))
		return -EMSGSIZE;
	buf_patch_u32(&out, OFFSET_LENGTH, (uint32_t)out.used);
	buf_patch_u64(&out, OFFSET_SUM, checksum(out.data, out.used));
	*len = out.used;
	return 0;
}

/* The beginning may still be short: what is there must fit. */
static int get_head(struct rbuf *in, uint8_t *kind, uint32_t *total)
{
	static const uint8_t mark[] = { 'W', 'E', 'F', 'N' };
	size_t have = in->size < sizeof(mark) ? in->size : sizeof(mark);
	uint32_t magic, zero;
	uint16_t version;
	uint8_t flags;

	if (memcmp(in->data, mark, have))
		return err_set(-WEFT_EPROTOCOL, "what came does not begin with weft's mark");
	if (!buf_get_u32(in, &magic) || !buf_get_u16(in, &version))
		return -EAGAIN;
	if (version != FRAME_VERSION)
		return err_set(-WEFT_EVERSION, "the protocol of names has version %u, this is %u",
			       version, FRAME_VERSION);
	if (!buf_get_u8(in, kind) || !buf_get_u8(in, &flags) || !buf_get_u32(in, total) ||
	    !buf_get_u32(in, &zero))
		return -EAGAIN;
	if (*kind < FRAME_LOOKUP || *kind > FRAME_FAIL || flags || zero)
		return err_set(-WEFT_EMESSAGE, "frame of kind %u with flags %u and %u", *kind,
			       flags, zero);
	if (*total < FRAME_HEAD || *total > (*kind == FRAME_LOOKUP ? FRAME_ASK_MAX : FRAME_MAX))
		return err_set(-WEFT_EMESSAGE, "frame of kind %u states %u bytes", *kind, *total);
	return in->size < *total ? -EAGAIN : 0;
}

static bool get_name(struct rbuf *in, struct frame *ret, bool may_be_empty)
{
	if (!buf_get_str(in, ret->name, sizeof(ret->name)))
		return false;
	return name_is_valid(ret->name, strlen(ret->name)) || (may_be_empty && !ret->name[0]);
}

/* The text ends up in somebody's log. */
static bool get_failure(struct rbuf *in, struct frame *ret)
{
	uint32_t code;
	char *at;

	if (!buf_get_u32(in, &code) || !buf_get_str(in, ret->text, sizeof(ret->text)))
		return false;
	ret->code = (int32_t)code;
	for (at = ret->text; *at; at++)
		if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
			*at = '?';
	return ret->code < 0 && ret->code >= CODE_MIN;
}

static bool get_payload(struct rbuf *in, struct frame *ret)
{
	switch (ret->kind) {
	case FRAME_LOOKUP:
		return get_name(in, ret, true);
	case FRAME_ENTRY:
		if (!get_name(in, ret, false))
			return false;
		ret->len = rbuf_left(in);
		return ret->len && ret->len <= WEFT_DESCRIPTOR_MAX &&
		       buf_get_bytes(in, &ret->bytes, ret->len);
	case FRAME_END:
		return buf_get_u32(in, &ret->count);
	default:
		return get_failure(in, ret);
	}
}

int frame_get(struct frame *ret, const void *buf, size_t len, size_t *used)
{
	struct frame frame = { 0 };
	uint32_t total = 0;
	uint64_t sum = 0;
	struct rbuf in;
	int rc;

	if (!len)
		return -EAGAIN;
	rbuf_init(&in, buf, len);
	rc = get_head(&in, &frame.kind, &total);
	if (rc)
		return rc;
	in.size = total;
	buf_get_u64(&in, &sum);
	if (sum != checksum(buf, total))
		return err_set(-WEFT_EMESSAGE, "frame of %u bytes has a wrong checksum", total);
	if (!get_payload(&in, &frame) || !rbuf_end(&in))
		return err_set(-WEFT_EMESSAGE,
			       "fields of a frame of kind %u do not fit its %u bytes", frame.kind,
			       total);
	*ret = frame;
	*used = total;
	return 0;
}
