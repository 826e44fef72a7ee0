/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Picks values out of JSON text that programs like cloud-init and the AWS command line left in
 * files, whatever those hold: nothing is read past the text's NUL, depth costs no stack, and what
 * is no JSON is "not there". A value is a pointer into the text, at its first character.
 */
#ifndef WEFT_HOST_PICK_H
#define WEFT_HOST_PICK_H

#include <stdbool.h>
#include <stddef.h>

#define PICK_KEY_MAX 256

/* The value of a member of an object; NULL: value is no object, or has none of that name. */
const char *pick_member(const char *value, const char *key);
/* Down several objects: names separated by '/'. NULL as above. value may be NULL. */
const char *pick_path(const char *value, const char *path);
/*
 * Calls fn with each member of an object, or with each element of an array and key "", until it
 * returns false. Members whose names are longer than PICK_KEY_MAX - 1 are left out. How many fn
 * was called with; what is neither has none.
 */
size_t pick_each(const char *value, bool (*fn)(void *ctx, const char *key, const char *value),
		 void *ctx);
/* A string, unescaped (\uXXXX beyond ASCII becomes '?'), or a number or word as it stands. False:
 * it is neither, or does not fit. */
bool pick_text(const char *value, char *ret, size_t room);
bool pick_true(const char *value);

#endif /* WEFT_HOST_PICK_H */
