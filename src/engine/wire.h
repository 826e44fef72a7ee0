/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: descriptors and engine messages as bytes. Everything read here comes from the network. */
#ifndef WEFT_ENGINE_WIRE_H
#define WEFT_ENGINE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/plan.h"
#include "transport/transport.h"

#define WIRE_VERSION    1u
#define WIRE_ID_BYTES   16u
#define WIRE_RAILS_MAX  32u
#define WIRE_WAYS_MAX   6u
#define WIRE_HEAD_BYTES 20u
#define WIRE_PARTS_MAX  256u  /* registrations of a region on a rail */
#define WIRE_PART_MIN   12u   /* log2 of a part's bytes */
#define WIRE_KEYS_MAX   2048u /* of further parts: as many as WEFT_DESCRIPTOR_MAX has room for */
#define WIRE_NO_SLOT    UINT32_MAX

struct wire_rail {
	uint8_t addr_len; /* 0: the rail broke, and nobody can be reached there */
	uint8_t addr[PORT_ADDRESS_MAX];
	uint64_t base; /* of the region on this rail: 0, or its address */
	uint64_t key;  /* of its first part, see plan.h */
	uint16_t more; /* where those of the other parts begin in wire_descriptor.keys */
};

struct wire_way {
	uint8_t provider; /* number in fabric.def */
	uint8_t rail_count;
	struct wire_rail rails[WIRE_RAILS_MAX];
};
/* The first that is reached; NULL: all broke. */
static inline const struct wire_rail *wire_first_rail(const struct wire_way *way)
{
	uint32_t i = 0;

	while (i < way->rail_count && !way->rails[i].addr_len)
		i++;
	return i < way->rail_count ? &way->rails[i] : NULL;
}

/* A descriptor: an engine, and one of its regions when has_region. */
struct wire_descriptor {
	uint8_t id[WIRE_ID_BYTES]; /* of this run of the engine: its incarnation */
	uint64_t host;
	uint32_t pid;
	bool fetches; /* every port that could emulate READs leaves them to its device */
	bool has_region;
	uint32_t region;
	uint32_t generation;
	uint32_t access;
	uint64_t length;
	uint8_t part_shift; /* of all rails; 0: one part */
	uint8_t way_count;
	struct wire_way ways[WIRE_WAYS_MAX];
	uint16_t key_count;
	uint64_t keys[WIRE_KEYS_MAX];
};

/* How many parts length bytes have; length 1 or more. */
static inline uint64_t wire_parts(uint64_t length, uint32_t shift)
{
	return shift ? ((length - 1) >> shift) + 1 : 1;
}

/* Writes a descriptor; *len room in, bytes out. -EMSGSIZE: also for more parts or keys than fit. */
int wire_put_descriptor(const struct wire_descriptor *descriptor, void *buf, size_t *len);
/* -WEFT_EDESCRIPTOR, -WEFT_EVERSION. Ways of providers that this release does not know are skipped.
 */
int wire_get_descriptor(struct wire_descriptor *ret, const void *buf, size_t len);

enum wire_type {
	WIRE_HELLO = 1,   /* wire_hello: first contact */
	WIRE_WELCOME = 2, /* wire_welcome: answer to it */
	WIRE_REFUSE = 3,  /* wire_code: answer to a HELLO meant for another, or over a limit */
	WIRE_DATA = 4,    /* payload of weft_notify() */
	WIRE_ASK = 5,     /* wire_grant: may I use this region? */
	WIRE_GRANT = 6,   /* wire_grant with code: answer to it */
	WIRE_RELEASE = 7, /* wire_grant: I use it no more */
	WIRE_REVOKE = 8,  /* wire_grant: use it no more */
	WIRE_REVOKED = 9, /* wire_grant: nothing of mine touches it any more */
	WIRE_BYE = 10,    /* the sender closes */
	WIRE_PART = 11,   /* first part of a message; WIRE_DATA brings the rest */
	WIRE_IMM = 12,    /* wire_grant, region = the immediate of a direct WRITE that is placed */
	WIRE_PING = 13,   /* wire_grant, region = the sender's path: does it work? */
	WIRE_PONG = 14,   /* the same back */
	WIRE_FORGOTTEN = 15, /* wire_welcome: this slot and token, which you showed, are no more */
	WIRE_REST = 16,      /* wire_grant: shall we let go of each other? See idle.c */
	WIRE_RESTED = 17,    /* wire_grant with code: yes (0), or not now */
	WIRE_BROKEN = 18,    /* wire_grant, region = the sender's rail of the way that is no more */
	WIRE_COUNTED = 19,   /* the same back: its number says what was sent before */
};

/* In front of each message. slot and token are what the receiver gave the sender at the handshake;
 * 0 with HELLO and FORGOTTEN. */
struct wire_head {
	uint8_t type;
	uint32_t slot;
	uint64_t token;
	uint32_t number; /* see sequence.h; of those that are not numbered it means nothing */
};

void wire_put_head(const struct wire_head *head, uint8_t buf[WIRE_HEAD_BYTES]);
/* -WEFT_EMESSAGE, -WEFT_EVERSION. */
int wire_get_head(struct wire_head *ret, const void *buf, size_t len);

static inline bool wire_is_numbered(uint8_t type)
{
	return type != WIRE_HELLO && type != WIRE_WELCOME && type != WIRE_REFUSE &&
	       type != WIRE_PING && type != WIRE_FORGOTTEN;
}

struct wire_hello {
	uint8_t expected[WIRE_ID_BYTES]; /* whom the sender wants */
	uint32_t slot;                   /* what to put in messages to the sender */
	uint64_t token;
	size_t descriptor_len; /* of the sending engine */
	const void *descriptor;
};
int wire_put_hello(const struct wire_hello *hello, void *buf, size_t *len);
int wire_get_hello(struct wire_hello *ret, const void *buf, size_t len);

struct wire_welcome {
	uint8_t id[WIRE_ID_BYTES]; /* of the sender */
	uint32_t slot;
	uint64_t token;
};
int wire_put_welcome(const struct wire_welcome *welcome, void *buf, size_t *len);
int wire_get_welcome(struct wire_welcome *ret, const void *buf, size_t len);

struct wire_grant {
	uint32_t region;
	uint32_t generation;
	int32_t code; /* 0 or a negative error, in GRANT and REFUSE */
};
int wire_put_grant(const struct wire_grant *grant, void *buf, size_t *len);
int wire_get_grant(struct wire_grant *ret, const void *buf, size_t len);

#endif /* WEFT_ENGINE_WIRE_H */
