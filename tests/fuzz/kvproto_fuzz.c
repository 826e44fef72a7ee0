/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf messages of KvCacheService (control/kvproto.h). Input: u8 kind of request or, with
 * the high bit, of reply; u8 which allocation fails, 0 for none; the message. What was understood
 * is encoded again, and what that gives must not change any more.
 */
#include "control/kvproto.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"

/* Reads all that a message points at. */
static void check_readable(const struct wire_msg *msg)
{
	const uint8_t *key = msg->key, *data = msg->data;
	volatile uint8_t sum = 0;
	size_t i;

	for (i = 0; i < msg->key_len; i++)
		sum ^= key[i];
	for (i = 0; i < msg->data_len; i++)
		sum ^= data[i];
	(void)sum;
}

static int read_request(struct kvproto *ret, const struct kvproto_method *method, const void *data,
			size_t size, struct wire_msg *msg)
{
	struct kvproto proto;
	int rc;

	rc = kvproto_unpack(&proto, kvproto_descriptor(method->path)->input, data, size);
	if (rc)
		return rc;
	*msg = (struct wire_msg){ .kind = method->kind };
	rc = method->request_in(proto.message, msg, &proto.extra);
	if (rc) {
		kvproto_free(&proto);
		return rc;
	}
	*ret = proto;
	return 0;
}

static int read_any(struct kvproto *ret, uint8_t kind, const void *data, size_t size,
		    struct wire_msg *msg)
{
	int rc;

	if (kind & WIRE_REPLY)
		rc = kvproto_reply(ret, kind & ~WIRE_REPLY, data, size, msg);
	else
		rc = read_request(ret, kvproto_kind(kind), data, size, msg);
	FUZZ_CHECK(rc == 0 || rc == -ENOMEM || rc == -WEFT_EMESSAGE);
	if (!rc)
		check_readable(msg);
	return rc;
}

/* Reads a message and encodes what it means. False: it means nothing, or there was no memory. */
static bool rewrite(uint8_t kind, const void *data, size_t size, void **ret, size_t *len)
{
	struct kvproto proto;
	struct wire_msg msg;
	int rc;

	if (read_any(&proto, kind, data, size, &msg))
		return false;
	rc = kvproto_encode(&msg, 7, ret, len);
	FUZZ_CHECK(rc == 0 || rc == -ENOMEM || rc == -WEFT_EMESSAGE);
	kvproto_free(&proto);
	return !rc;
}

/*
 * What we encode is understood, and from the second time on it comes out the same. Not from the
 * first: a location that only the original protocol has is no part of a struct wire_msg.
 */
static void check_rewritten(uint8_t kind, const void *first, size_t first_len)
{
	void *second, *third;
	size_t second_len, third_len;
	bool ok;

	ok = rewrite(kind, first, first_len, &second, &second_len);
	FUZZ_CHECK(ok || mem_failed());
	if (!ok)
		return;
	ok = rewrite(kind, second, second_len, &third, &third_len);
	FUZZ_CHECK(ok || mem_failed());
	if (ok) {
		FUZZ_CHECK(second_len == third_len && !memcmp(second, third, second_len));
		mem_free(third);
	}
	mem_free(second);
}

static void check_text(const uint8_t *data, size_t size)
{
	char text[KVPROTO_TEXT_MAX];
	size_t i;

	kvproto_text(text, data, size);
	FUZZ_CHECK(memchr(text, 0, sizeof(text)));
	for (i = 0; text[i]; i++)
		FUZZ_CHECK(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *first;
	size_t len;

	check_text(data, size);
	if (size < 2 || !kvproto_kind(data[0] & ~WIRE_REPLY))
		return 0;
	mem_fail_at(data[1]);
	if (rewrite(data[0], data + 2, size - 2, &first, &len)) {
		check_rewritten(data[0], first, len);
		mem_free(first);
	}
	mem_fail_at(0);
	return 0;
}
