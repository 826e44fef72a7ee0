/* SPDX-License-Identifier: Apache-2.0 */
/* Pure: what publishers and openers say to each other, and what files of names hold, as bytes.
 * Everything read here comes from the network. docs/protocol.md has the table. */
#ifndef WEFT_SEGMENT_FRAME_H
#define WEFT_SEGMENT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <weft/segment.h>

#define FRAME_VERSION 1u
#define FRAME_HEAD    24u
#define FRAME_TEXT    256u /* of a failure, with the NUL */
/* Largest frame: an entry with the longest name and descriptor. */
#define FRAME_MAX (FRAME_HEAD + 2 + WEFT_NAME_MAX + WEFT_DESCRIPTOR_MAX)
/* Largest lookup. */
#define FRAME_ASK_MAX (FRAME_HEAD + 2 + WEFT_NAME_MAX)

enum frame_kind {
	FRAME_LOOKUP = 1, /* name, "" for all */
	FRAME_ENTRY = 2,  /* name, bytes */
	FRAME_END = 3,    /* count of the entries before it */
	FRAME_FAIL = 4,   /* code, text */
};

struct frame {
	uint8_t kind;
	char name[WEFT_NAME_MAX + 1];
	const void *bytes; /* borrowed from the buffer */
	size_t len;
	uint32_t count;
	int32_t code; /* negative */
	char text[FRAME_TEXT];
};

/* Writes a frame; *len room in, bytes out. -EMSGSIZE. A text that is too long is cut. */
int frame_put(const struct frame *frame, void *buf, size_t *len);
/*
 * Reads the frame at the beginning of buf; *used is its length. -EAGAIN: what is there is the
 * beginning of a frame of at most FRAME_MAX bytes. -WEFT_EPROTOCOL: not a frame at all,
 * -WEFT_EVERSION, -WEFT_EMESSAGE: damaged or malformed; all with the detail.
 */
int frame_get(struct frame *ret, const void *buf, size_t len, size_t *used);

#endif /* WEFT_SEGMENT_FRAME_H */
