/* SPDX-License-Identifier: Apache-2.0 */
/* Names of regions, and addresses that end in one. */
#ifndef WEFT_SEGMENT_NAME_H
#define WEFT_SEGMENT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <weft/segment.h>

#define PLACE_MAX 1024u /* longest place, bytes with the NUL */

/* What an address names: where, and which name; name is "" for all. */
struct place {
	char where[PLACE_MAX];
	char name[WEFT_NAME_MAX + 1];
};

bool name_is_valid(const char *name, size_t len);
/* -EINVAL with what is wrong. */
int name_check(const char *name);
/* Splits an address at its last "/". -EINVAL. */
int place_parse(struct place *ret, const char *address);

#endif /* WEFT_SEGMENT_NAME_H */
