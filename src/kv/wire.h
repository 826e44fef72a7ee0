/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KV cache's messages: a header of WIRE_HEADER bytes and the fields of the kind (wire.def).
 *
 *   u8 version, u8 kind, u16 flags, u32 slot, u32 generation, u32 status, u64 session, fields...
 *
 * slot (below the client's credits) and generation (grows with each use of the slot) name a
 * request within its session; its reply and its CANCEL carry the same. The same struct carries
 * requests over gRPC, where data may be longer than a message.
 */
#ifndef WEFT_KV_WIRE_H
#define WEFT_KV_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/weft.h>

#define WIRE_VERSION 1
#define WIRE_HEADER  24u
#define WIRE_MAX     WEFT_NOTIFY_MAX
#define WIRE_KEY_MAX 4096u
#define WIRE_REPLY   0x80u
/* Largest value inside a GET's reply or, whatever the length of its key, a PUT. */
#define WIRE_INLINE_GET 8000u
#define WIRE_INLINE_PUT 4000u
/* Descriptors in ATTACH must fit a message. */
#define WIRE_DESCRIPTOR_MAX (WIRE_MAX - WIRE_HEADER - 4u)
#define WIRE_REGIONS        64u

enum wire_field {
#define WIRE_FIELD(name, type, member) WIRE_FIELD_##name,
#include "kv/wire.def"
	WIRE_FIELDS,
};

#define W(name) (1u << WIRE_FIELD_##name)

enum wire_kind {
#define WIRE_KIND(name, number, text, request, reply) WIRE_##name = (number),
#include "kv/wire.def"
};

enum wire_flag {
#define WIRE_FLAG(name, bit, meaning) WIRE_F_##name = 1 << (bit),
#include "kv/wire.def"
};

struct wire_msg {
	uint8_t kind; /* enum wire_kind; a reply: or-ed with WIRE_REPLY */
	uint16_t flags;
	uint32_t slot;
	uint32_t generation;
	uint32_t status; /* replies: 0, a number of weft/error.h or an errno, positive */
	uint64_t session;

	uint32_t region, imm, arrivals, timeout_ms;
	uint64_t remote, room, offset, length, total, version, checksum, ttl_ms, transfer;
	const void *key; /* borrowed; not NULL where key_len is not 0 */
	size_t key_len;
	const void *data; /* borrowed; not NULL where data_len is not 0 */
	size_t data_len;
};

/* "get"; "?" for what is no kind. */
const char *wire_kind_text(uint8_t kind);

/* Returns the bytes written; 0: it does not fit size, or the kind or the key's length is wrong. */
size_t wire_encode(const struct wire_msg *msg, void *buf, size_t size);
/* 0; -WEFT_EVERSION; -WEFT_EMESSAGE: not exactly one message. ret borrows from buf. Header fields
 * are set on -WEFT_EVERSION too if the header was whole. */
int wire_decode(struct wire_msg *ret, const void *buf, size_t len);

/* The reply to a request with a status (either sign); other fields zero. */
struct wire_msg wire_reply(const struct wire_msg *request, int status);

/* --- LIST entries: u16 key length, key, u64 length, u64 version, u64 ttl_ms --------------------
 */

struct wire_entry {
	const void *key;
	size_t key_len;
	uint64_t length, version, ttl_ms;
};
#define WIRE_ENTRY_FIXED 26u

struct wbuf;
struct rbuf;
bool wire_put_entry(struct wbuf *buf, const struct wire_entry *entry);
/* False at the end and where it is malformed: see rbuf_end(). */
bool wire_get_entry(struct rbuf *buf, struct wire_entry *ret);

#endif /* WEFT_KV_WIRE_H */
