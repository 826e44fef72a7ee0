/* SPDX-License-Identifier: Apache-2.0 */
/* The few words of the Redis and memcached protocols that a benchmark needs. Pure text. */
#ifndef WEFT_BENCH_KVPROTO_H
#define WEFT_BENCH_KVPROTO_H

#include <stddef.h>
#include <stdint.h>

/* Room for a request without its value, and for a line of an answer. */
#define KVPROTO_TEXT_MAX 256
#define KVPROTO_TAIL_MAX 16

struct kvproto {
	const char *name;
	/* Writes the request for out (KVPROTO_TEXT_MAX bytes), returns its length. After a put
	 * come len bytes of value and "\r\n". */
	size_t (*put)(char *out, const char *key, uint64_t len);
	size_t (*get)(char *out, const char *key);
	/* Reads a line of an answer, without "\r\n". 0 or -EPROTO. */
	int (*put_answer)(const char *line);
	/* The same; *len bytes of value and get_tail follow. -ENOENT: no such key. */
	int (*get_answer)(const char *line, uint64_t *len);
	const char *get_tail;
};

extern const struct kvproto kvproto_redis, kvproto_memcached;

#endif /* WEFT_BENCH_KVPROTO_H */
