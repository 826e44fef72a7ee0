/* SPDX-License-Identifier: Apache-2.0 */
/* Where names are kept: the built-in directories, and looking one up with a deadline. */
#ifndef WEFT_SEGMENT_DIRECTORY_H
#define WEFT_SEGMENT_DIRECTORY_H

#include <stdint.h>

#include <weft/segment.h>

#include "segment/name.h"

/* What weft_publisher_opts say to the TCP directory; its ctx. */
struct tcp_settings {
	uint32_t connections;
	uint64_t stall_ns;
};

extern const struct weft_directory tcp_directory;  /* lookup needs no ctx */
extern const struct weft_directory file_directory; /* nor does any of its functions */

void tcp_stats(void *publisher, struct weft_publisher_stats *ret);

/*
 * The directory for a place: given, when it is not NULL, else by the place's scheme, which is then
 * cut off from *where. -EINVAL: given lacks a function.
 */
int directory_choose(struct weft_directory *ret, const struct weft_directory *given, char *where);

struct lookup_entry {
	struct lookup_entry *next;
	char name[WEFT_NAME_MAX + 1];
	size_t len;
	uint8_t bytes[];
};

/* What was found, sorted by name, no name twice. */
struct lookup_result {
	struct lookup_entry **entries;
	uint32_t count;
};

/*
 * Looks place up in a thread of its own, so that neither a resolver nor a file system holds the
 * caller beyond deadline_ns; progresses in manual mode. What is late is thrown away by that
 * thread. -WEFT_EDEADLINE, -WEFT_EMESSAGE, -WEFT_ELIMIT and what the directory says.
 */
int lookup_run(struct weft *weft, const struct weft_directory *directory, const struct place *place,
	       uint64_t deadline_ns, struct lookup_result *ret);
void lookup_free(struct lookup_result *result);

#endif /* WEFT_SEGMENT_DIRECTORY_H */
