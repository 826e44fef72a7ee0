/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of names (segment/frame.h), from connections and files. Input: u8 how, then the bytes.
 * Even: as they are; odd: with mark, version and checksum made right, which chance would not find.
 */
#include "segment/frame.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "fuzz.h"
#include "segment/name.h"

static void check_meaning(const struct frame *frame, size_t used)
{
	size_t i;

	FUZZ_CHECK(used >= FRAME_HEAD && used <= FRAME_MAX);
	FUZZ_CHECK(frame->kind != FRAME_LOOKUP || used <= FRAME_ASK_MAX);
	FUZZ_CHECK(memchr(frame->name, 0, sizeof(frame->name)));
	FUZZ_CHECK(!frame->name[0] || name_is_valid(frame->name, strlen(frame->name)));
	if (frame->kind == FRAME_ENTRY)
		FUZZ_CHECK(frame->name[0] && frame->len && frame->len <= WEFT_DESCRIPTOR_MAX);
	if (frame->kind != FRAME_FAIL)
		return;
	FUZZ_CHECK(frame->code < 0 && frame->code >= -4095);
	for (i = 0; frame->text[i]; i++)
		FUZZ_CHECK(frame->text[i] >= ' ' && frame->text[i] < 0x7f);
}

static void check_frame(const uint8_t *data, size_t size)
{
	static uint8_t out[FRAME_MAX];
	size_t used = 0, len = sizeof(out), again;
	struct frame frame, same;
	int rc;

	err_clear();
	rc = frame_get(&frame, data, size, &used);
	FUZZ_CHECK(rc == 0 || rc == -EAGAIN || rc == -WEFT_EPROTOCOL || rc == -WEFT_EVERSION ||
		   rc == -WEFT_EMESSAGE);
	FUZZ_CHECK(rc == 0 || rc == -EAGAIN || weft_error_detail()[0]);
	FUZZ_CHECK(rc != -EAGAIN || size < FRAME_MAX);
	if (rc)
		return;
	FUZZ_CHECK(used <= size);
	check_meaning(&frame, used);
	FUZZ_CHECK(frame_put(&frame, out, &len) == 0);
	FUZZ_CHECK(len == used);
	/* Texts are cleaned: everything else is written as it was read. */
	FUZZ_CHECK(frame.kind == FRAME_FAIL || !memcmp(out, data, len));
	FUZZ_CHECK(frame_get(&same, out, len, &again) == 0 && again == len);
	len--;
	FUZZ_CHECK(frame_put(&frame, out, &len) == -EMSGSIZE);
}

static void check_sealed(const uint8_t *data, size_t size)
{
	static const uint8_t mark[] = { 'W', 'E', 'F', 'N', FRAME_VERSION, 0 };
	uint8_t *copy = malloc(size);
	struct hash_stream stream;
	struct wbuf buf;
	size_t total;

	FUZZ_CHECK(copy);
	memcpy(copy, data, size);
	wbuf_init(&buf, copy, size);
	buf.used = size;
	buf_patch_bytes(&buf, 0, mark, sizeof(mark));
	/* The length is right, or, as odd inputs say, what it is. */
	if (!(data[7] & 1))
		buf_patch_u32(&buf, 8, (uint32_t)size);
	copy[7] = 0;
	total = copy[8] | (size_t)copy[9] << 8;
	if (total < FRAME_HEAD || total > size)
		total = size;
	hash_stream_init(&stream);
	hash_stream_update(&stream, copy, 16);
	hash_stream_update(&stream, copy + FRAME_HEAD, total - FRAME_HEAD);
	buf_patch_u64(&buf, 16, hash_stream_final(&stream));
	check_frame(copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = size ? *data++ : 0;

	size -= size > 0;
	if (how % 2 == 0)
		check_frame(data, size);
	else if (size >= FRAME_HEAD)
		check_sealed(data, size);
	return 0;
}
