/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cursors of base/buf.h against a plain model. Input: u8 size of the write buffer, then pairs
 * (operation, argument) that are at the same time what is read.
 */
#include "base/buf.h"

#include "fuzz.h"

enum {
	READ_KINDS = 8,
	WRITE_KINDS = 8,
	ROOM_MAX = 255
};

/* Bytes that an operation needs; SIZE_MAX where it is refused whatever is left. */
static size_t read_one(struct rbuf *buf, unsigned int kind, uint8_t argument, bool *ok)
{
	const uint8_t *at = buf->data + buf->used;
	size_t left = rbuf_left(buf), len;
	uint8_t copy[ROOM_MAX], u8;
	const void *bytes = NULL;
	char text[64];
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (kind) {
	case 0:
		*ok = buf_get_u8(buf, &u8);
		FUZZ_CHECK(!*ok || u8 == at[0]);
		return 1;
	case 1:
		*ok = buf_get_u16(buf, &u16);
		FUZZ_CHECK(!*ok || u16 == (at[0] | at[1] << 8));
		return 2;
	case 2:
		*ok = buf_get_u32(buf, &u32);
		FUZZ_CHECK(!*ok || (uint8_t)u32 == at[0]);
		FUZZ_CHECK(!*ok || u32 >> 24 == at[3]);
		return 4;
	case 3:
		*ok = buf_get_u64(buf, &u64);
		FUZZ_CHECK(!*ok || (uint8_t)u64 == at[0]);
		FUZZ_CHECK(!*ok || u64 >> 56 == at[7]);
		return 8;
	case 4:
		*ok = buf_get_bytes(buf, &bytes, argument);
		FUZZ_CHECK(!*ok || bytes == at);
		return argument;
	case 5:
		*ok = buf_get_copy(buf, copy, argument);
		FUZZ_CHECK(!*ok || !memcmp(copy, at, argument));
		return argument;
	case 6:
		*ok = buf_skip(buf, argument);
		return argument;
	default:
		*ok = buf_get_str(buf, text, argument % sizeof(text));
		if (left < 2)
			return 2;
		len = at[0] | (size_t)at[1] << 8;
		if (len + 2 > left)
			return len + 2;
		FUZZ_CHECK(!*ok || (strlen(text) == len && !memcmp(text, at + 2, len)));
		if (len >= argument % sizeof(text) || memchr(at + 2, 0, len))
			return SIZE_MAX;
		return len + 2;
	}
}

static void check_reading(const uint8_t *data, size_t size)
{
	size_t i, before, need;
	struct rbuf buf;
	bool ok, was_ok;

	rbuf_init(&buf, data, size);
	for (i = 0; i + 1 < size; i += 2) {
		before = buf.used;
		was_ok = rbuf_ok(&buf);
		need = read_one(&buf, data[i] % READ_KINDS, data[i + 1], &ok);
		FUZZ_CHECK(ok == rbuf_ok(&buf));
		FUZZ_CHECK(ok == (was_ok && need <= size - before));
		FUZZ_CHECK(buf.used == before + (ok ? need : 0));
	}
	FUZZ_CHECK(rbuf_end(&buf) == (rbuf_ok(&buf) && buf.used == size));
}

static size_t write_one(struct wbuf *buf, unsigned int kind, uint8_t argument, bool *ok)
{
	uint8_t bytes[ROOM_MAX];
	char text[ROOM_MAX + 1];
	void *space;

	memset(bytes, argument, sizeof(bytes));
	switch (kind) {
	case 0:
		*ok = buf_put_u8(buf, argument);
		return 1;
	case 1:
		*ok = buf_put_u16(buf, argument);
		return 2;
	case 2:
		*ok = buf_put_u32(buf, argument);
		return 4;
	case 3:
		*ok = buf_put_u64(buf, argument);
		return 8;
	case 4:
		*ok = buf_put_bytes(buf, bytes, argument);
		return argument;
	case 5:
		*ok = buf_put_zero(buf, argument);
		return argument;
	case 6:
		space = buf_put_space(buf, argument);
		*ok = space;
		if (space)
			memset(space, argument, argument);
		return argument;
	default:
		memset(text, 't', sizeof(text));
		text[argument] = '\0';
		*ok = buf_put_str(buf, text);
		return 2 + (size_t)argument;
	}
}

static void check_writing(const uint8_t *data, size_t size)
{
	size_t room = data[0], used = 0, need, i;
	uint8_t *memory = malloc(room ? room : 1);
	struct wbuf buf;
	bool ok, was_ok;

	FUZZ_CHECK(memory);
	wbuf_init(&buf, memory, room);
	for (i = 1; i + 1 < size; i += 2) {
		was_ok = wbuf_ok(&buf);
		if (data[i] & 0x80) {
			ok = buf_patch_u32(&buf, data[i + 1], 0x01020304);
			FUZZ_CHECK(ok == (was_ok && data[i + 1] + (size_t)4 <= used));
		} else {
			need = write_one(&buf, data[i] % WRITE_KINDS, data[i + 1], &ok);
			FUZZ_CHECK(ok == (was_ok && need <= room - used));
			used += ok ? need : 0;
		}
		FUZZ_CHECK(ok == wbuf_ok(&buf));
		FUZZ_CHECK(buf.used == used && wbuf_room(&buf) == room - used);
	}
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_reading(data, size);
	if (size)
		check_writing(data, size);
	return 0;
}
