/* SPDX-License-Identifier: Apache-2.0 */
#include "kvproto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_length(const char *text, uint64_t *len)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EPROTO;
	errno = 0;
	*len = strtoull(text, &end, 10);
	return *end || errno ? -EPROTO : 0;
}

static size_t redis_put(char *out, const char *key, uint64_t len)
{
	return (size_t)snprintf(out, KVPROTO_TEXT_MAX, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%llu\r\n",
				strlen(key), key, (unsigned long long)len);
}

static size_t redis_get(char *out, const char *key)
{
	return (size_t)snprintf(out, KVPROTO_TEXT_MAX, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n",
				strlen(key), key);
}

static int redis_put_answer(const char *line)
{
	return strcmp(line, "+OK") ? -EPROTO : 0;
}

static int redis_get_answer(const char *line, uint64_t *len)
{
	if (!strcmp(line, "$-1"))
		return -ENOENT;
	return *line == '$' ? parse_length(line + 1, len) : -EPROTO;
}

const struct kvproto kvproto_redis = {
	.name = "redis",
	.put = redis_put,
	.get = redis_get,
	.put_answer = redis_put_answer,
	.get_answer = redis_get_answer,
	.get_tail = "\r\n",
};

static size_t memcached_put(char *out, const char *key, uint64_t len)
{
	return (size_t)snprintf(out, KVPROTO_TEXT_MAX, "set %s 0 0 %llu\r\n", key,
				(unsigned long long)len);
}

static size_t memcached_get(char *out, const char *key)
{
	return (size_t)snprintf(out, KVPROTO_TEXT_MAX, "get %s\r\n", key);
}

static int memcached_put_answer(const char *line)
{
	return strcmp(line, "STORED") ? -EPROTO : 0;
}

/* "VALUE key flags length" */
static int memcached_get_answer(const char *line, uint64_t *len)
{
	const char *last = strrchr(line, ' ');

	if (!strcmp(line, "END"))
		return -ENOENT;
	if (strncmp(line, "VALUE ", 6) || !last)
		return -EPROTO;
	return parse_length(last + 1, len);
}

const struct kvproto kvproto_memcached = {
	.name = "memcached",
	.put = memcached_put,
	.get = memcached_get,
	.put_answer = memcached_put_answer,
	.get_answer = memcached_get_answer,
	.get_tail = "\r\nEND\r\n",
};
