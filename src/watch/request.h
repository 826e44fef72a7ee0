/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x request, as strict as whoever asks for metrics can bear. */
#ifndef WEFT_WATCH_REQUEST_H
#define WEFT_WATCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_MAX      8192 /* bytes of a head */
#define REQUEST_PATH_MAX 128

struct request {
	bool head_only;              /* HEAD */
	char path[REQUEST_PATH_MAX]; /* without its query */
};

/*
 * Looks at what has come so far. 0: not all of the head is there, and it may still become a good
 * one; 200: *ret is filled; else the status to answer with, the connection is of no more use. Only
 * GET and HEAD, no body, no folded lines, no bytes that a head must not have.
 */
int request_parse(const char *data, size_t len, struct request *ret);

#endif /* WEFT_WATCH_REQUEST_H */
