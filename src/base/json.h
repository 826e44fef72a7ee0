/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON as a stream, to a FILE or into a buffer; nothing is allocated. The first failure
 * sticks (full buffer, write error, nesting deeper than JSON_DEPTH_MAX, a key missing in an object
 * or given elsewhere) and json_end() returns it, so that single calls need no check.
 *
 * key: the member's name inside an object, NULL inside an array and at the top. Strings are UTF-8;
 * bytes that are not become U+FFFD. Doubles are written so that they read back the same; NaN and
 * infinities become null.
 */
#ifndef WEFT_BASE_JSON_H
#define WEFT_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 32

/* A writer into a buffer can be copied, and set back to the copy to take back what came after. */
struct json {
	FILE *file; /* NULL: buf */
	char *buf;
	size_t room, len;
	int error;
	uint32_t depth;
	uint32_t filled; /* bit d: depth d has a member already */
	uint32_t arrays; /* bit d: depth d is an array */
	bool top;        /* the one top-level value was written */
};

void json_begin_file(struct json *json, FILE *file);
/* buf holds a terminated string at any time. room >= 1. */
void json_begin_buf(struct json *json, char *buf, size_t room);
/* 0; -ENOSPC: buffer full; -EIO: write error; -EINVAL: wrong use or unfinished. */
int json_end(struct json *json);

void json_object(struct json *json, const char *key);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *key);
void json_array_end(struct json *json);

/* value NULL is written as null. */
void json_string(struct json *json, const char *key, const char *value);
void json_string_n(struct json *json, const char *key, const void *value, size_t len);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
void json_double(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif /* WEFT_BASE_JSON_H */
