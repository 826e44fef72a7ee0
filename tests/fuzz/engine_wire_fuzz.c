/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's descriptors and messages (engine/wire.h). Input: u8 what to read, then its bytes.
 * What was understood is written again and must read back as the same.
 */
#include "engine/wire.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "fuzz.h"
#include <weft/error.h>

enum {
	DESCRIPTOR_HEAD = 20,
	OUT_MAX = 65536
};

static void check_keys(const struct wire_descriptor *descriptor, const struct wire_rail *rail)
{
	uint64_t parts;

	if (!descriptor->has_region)
		return;
	parts = wire_parts(descriptor->length, descriptor->part_shift);
	FUZZ_CHECK(parts >= 1 && parts <= WIRE_PARTS_MAX);
	FUZZ_CHECK(descriptor->key_count <= WIRE_KEYS_MAX);
	FUZZ_CHECK(rail->more + parts - 1 <= descriptor->key_count);
}

static void check_ways(const struct wire_descriptor *descriptor)
{
	uint8_t i, j;

	FUZZ_CHECK(descriptor->way_count <= WIRE_WAYS_MAX);
	for (i = 0; i < descriptor->way_count; i++) {
		const struct wire_way *way = &descriptor->ways[i];

		FUZZ_CHECK(provider_by_number(way->provider));
		FUZZ_CHECK(way->rail_count >= 1 && way->rail_count <= WIRE_RAILS_MAX);
		for (j = 0; j < way->rail_count; j++) {
			FUZZ_CHECK(way->rails[j].addr_len <= PORT_ADDRESS_MAX);
			check_keys(descriptor, &way->rails[j]);
		}
	}
}

static void check_descriptor(const uint8_t *data, size_t size)
{
	static struct wire_descriptor descriptor, again;
	static uint8_t out[OUT_MAX], out_again[OUT_MAX];
	size_t len = sizeof(out), len_again = sizeof(out_again);
	int rc;

	memset(&descriptor, 0, sizeof(descriptor));
	rc = wire_get_descriptor(&descriptor, data, size);
	FUZZ_CHECK(rc == 0 || rc == -WEFT_EDESCRIPTOR || rc == -WEFT_EVERSION);
	if (rc)
		return;
	FUZZ_CHECK(data[8] == (uint8_t)size && data[9] == (uint8_t)(size >> 8));
	check_ways(&descriptor);
	FUZZ_CHECK(wire_put_descriptor(&descriptor, out, &len) == 0);
	/* Shorter where ways of unknown providers were left out. */
	FUZZ_CHECK(len <= size);
	memset(&again, 0, sizeof(again));
	FUZZ_CHECK(wire_get_descriptor(&again, out, len) == 0);
	FUZZ_CHECK(wire_put_descriptor(&again, out_again, &len_again) == 0);
	FUZZ_CHECK(len == len_again && !memcmp(out, out_again, len));
	len--;
	FUZZ_CHECK(wire_put_descriptor(&descriptor, out, &len) == -EMSGSIZE);
}

/* The same with mark and checksum made right, which chance alone would not find, and the length
 * too if asked for. */
static void check_sealed_descriptor(const uint8_t *data, size_t size, bool right_length)
{
	static const uint8_t mark[] = { 'W', 'E', 'F', 'T', WIRE_VERSION, 0 };
	struct wbuf buf;
	uint8_t *copy;

	if (size < DESCRIPTOR_HEAD)
		return;
	copy = malloc(size);
	FUZZ_CHECK(copy);
	memcpy(copy, data, size);
	wbuf_init(&buf, copy, size);
	buf.used = size;
	buf_patch_bytes(&buf, 0, mark, sizeof(mark));
	if (right_length)
		buf_patch_u32(&buf, 8, (uint32_t)size);
	buf_patch_u64(&buf, 12,
		      hash_content(copy + DESCRIPTOR_HEAD, size - DESCRIPTOR_HEAD) ^
			      (copy[6] | (uint64_t)copy[7] << 8));
	check_descriptor(copy, size);
	free(copy);
}

static void check_head(const uint8_t *data, size_t size)
{
	uint8_t out[WIRE_HEAD_BYTES];
	struct wire_head head;
	int rc;

	rc = wire_get_head(&head, data, size);
	FUZZ_CHECK(rc == 0 || rc == -WEFT_EMESSAGE || rc == -WEFT_EVERSION);
	if (rc)
		return;
	FUZZ_CHECK(size >= WIRE_HEAD_BYTES);
	wire_put_head(&head, out);
	FUZZ_CHECK(!memcmp(out, data, sizeof(out)));
}

/* get and put of a message whose bytes have one meaning only: what was read is written the same. */
#define CHECK_SAME(type, data, size)                                           \
	do {                                                                   \
		static uint8_t out[OUT_MAX];                                   \
		struct wire_##type message;                                    \
		size_t len = sizeof(out);                                      \
		int rc = wire_get_##type(&message, data, size);                \
                                                                               \
		FUZZ_CHECK(rc == 0 || rc == -WEFT_EMESSAGE);                   \
		if (rc)                                                        \
			break;                                                 \
		FUZZ_CHECK(size <= sizeof(out));                               \
		FUZZ_CHECK(wire_put_##type(&message, out, &len) == 0);         \
		FUZZ_CHECK(len == (size) && !memcmp(out, data, len));          \
		len--;                                                         \
		FUZZ_CHECK(wire_put_##type(&message, out, &len) == -EMSGSIZE); \
	} while (0)

static void check_hello(const uint8_t *data, size_t size)
{
	struct wire_hello hello;

	CHECK_SAME(hello, data, size);
	if (!wire_get_hello(&hello, data, size))
		check_descriptor(hello.descriptor, hello.descriptor_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t kind = size ? *data++ : 0;

	size -= size > 0;
	switch (kind % 7) {
	case 0:
		check_descriptor(data, size);
		break;
	case 1:
		check_sealed_descriptor(data, size, true);
		break;
	case 2:
		check_head(data, size);
		break;
	case 3:
		check_hello(data, size);
		break;
	case 4:
		CHECK_SAME(welcome, data, size);
		break;
	case 5:
		CHECK_SAME(grant, data, size);
		break;
	default:
		check_sealed_descriptor(data, size, false);
		break;
	}
	return 0;
}
