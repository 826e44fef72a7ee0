/* SPDX-License-Identifier: Apache-2.0 */
/* Where the program of a command lies. */
#ifndef WEFT_PROGRAMS_WEFT_FIND_H
#define WEFT_PROGRAMS_WEFT_FIND_H

#include <stdbool.h>
#include <stddef.h>

/* Whether name can be a command: 1..32 lower-case letters, digits and dashes, a letter first. */
bool find_name_is_good(const char *name);

/*
 * Path of weft-NAME: in dir (the dispatcher's own folder), dir/../libexec/weft, dir/../NAME (a
 * build tree), then in search_path (colon list, NULL: none). 0, -ENOENT, or -ENAMETOOLONG.
 */
int find_command(const char *dir, const char *search_path, const char *name, char *buf,
		 size_t room);

#endif /* WEFT_PROGRAMS_WEFT_FIND_H */
