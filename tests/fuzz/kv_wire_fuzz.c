/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the KV cache (kv/wire.h). Input: a message. What was understood is written again
 * and must give the same bytes; the data of a message is also read as the entries of a LIST.
 */
#include "kv/wire.h"

#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include <weft/error.h>

static void check_inside(const void *part, size_t len, const uint8_t *data, size_t size)
{
	uintptr_t begin = (uintptr_t)part, from = (uintptr_t)data;

	if (len)
		FUZZ_CHECK(begin >= from && len <= size && begin - from <= size - len);
}

static void check_entries(const void *data, size_t size)
{
	uint8_t *out = malloc(size ? size : 1);
	struct wire_entry entry;
	struct rbuf in;
	struct wbuf copy;

	FUZZ_CHECK(out);
	rbuf_init(&in, data, size);
	wbuf_init(&copy, out, size);
	while (wire_get_entry(&in, &entry)) {
		FUZZ_CHECK(entry.key_len <= WIRE_KEY_MAX);
		check_inside(entry.key, entry.key_len, data, size);
		FUZZ_CHECK(wire_put_entry(&copy, &entry));
		FUZZ_CHECK(copy.used == in.used);
	}
	FUZZ_CHECK(!copy.used || !memcmp(out, data, copy.used));
	free(out);
}

static void check_reply(const struct wire_msg *request)
{
	struct wire_msg reply = wire_reply(request, -WEFT_ENOTFOUND), again;
	uint8_t bytes[WIRE_MAX];
	size_t len;

	len = wire_encode(&reply, bytes, sizeof(bytes));
	FUZZ_CHECK(len >= WIRE_HEADER);
	FUZZ_CHECK(wire_decode(&again, bytes, len) == 0);
	FUZZ_CHECK(again.kind == (request->kind | WIRE_REPLY));
	FUZZ_CHECK(again.status == WEFT_ENOTFOUND);
	FUZZ_CHECK(again.slot == request->slot && again.generation == request->generation);
	FUZZ_CHECK(again.session == request->session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[WIRE_MAX];
	struct wire_msg msg;
	size_t len;
	int rc;

	check_entries(data, size);
	rc = wire_decode(&msg, data, size);
	FUZZ_CHECK(rc == 0 || rc == -WEFT_EMESSAGE || rc == -WEFT_EVERSION);
	if (rc)
		return 0;
	FUZZ_CHECK(strcmp(wire_kind_text(msg.kind), "?"));
	FUZZ_CHECK(msg.key_len <= WIRE_KEY_MAX);
	check_inside(msg.key, msg.key_len, data, size);
	check_inside(msg.data, msg.data_len, data, size);
	len = wire_encode(&msg, bytes, sizeof(bytes));
	FUZZ_CHECK(len == size && !memcmp(bytes, data, size));
	FUZZ_CHECK(wire_encode(&msg, bytes, len - 1) == 0);
	check_entries(msg.data, msg.data_len);
	check_reply(&msg);
	return 0;
}
