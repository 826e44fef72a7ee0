/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers of Redis and memcached: a socket, answers in the order of the requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>
#include <xxhash.h>

#include "conn.h"
#include "kvload.h"
#include "kvproto.h"

struct text {
	const struct kvproto *proto;
	struct conn conn;
	unsigned char *value;                /* received */
	uint32_t order[KVLOAD_INFLIGHT_MAX]; /* slots in flight, oldest at head */
	uint32_t head, n;
};

static int text_open(struct kvload_client *client, const struct kvproto *proto)
{
	struct text *text = calloc(1, sizeof(*text));

	if (!text)
		return -ENOMEM;
	client->driver = text;
	text->proto = proto;
	text->conn.fd = -1;
	text->value = malloc(client->load->opts.size);
	return text->value ? conn_open(&text->conn, client->load->opts.addr) : -ENOMEM;
}

static int redis_open(struct kvload_client *client)
{
	return text_open(client, &kvproto_redis);
}

static int memcached_open(struct kvload_client *client)
{
	return text_open(client, &kvproto_memcached);
}

static void text_close(struct kvload_client *client)
{
	struct text *text = client->driver;

	if (!text)
		return;
	conn_close(&text->conn);
	free(text->value);
	free(text);
}

static int text_start(struct kvload_client *client, uint32_t slot)
{
	char name[KVLOAD_KEY_MAX], request[KVPROTO_TEXT_MAX];
	const uint32_t key = client->requests[slot].key;
	const struct kvload *load = client->load;
	struct text *text = client->driver;
	int rc;

	text->order[(text->head + text->n++) % KVLOAD_INFLIGHT_MAX] = slot;
	kvload_key(name, key);
	if (load->phase == KVLOAD_GET)
		return conn_put(&text->conn, request, text->proto->get(request, name));
	rc = conn_put(&text->conn, request, text->proto->put(request, name, load->opts.size));
	if (!rc)
		rc = conn_put(&text->conn, kvload_value(load, key), load->opts.size);
	return rc ? rc : conn_put(&text->conn, "\r\n", 2);
}

static int text_value(struct text *text, const struct kvload *load, uint32_t key, const char *line)
{
	char tail[KVPROTO_TAIL_MAX];
	uint64_t len;
	int rc;

	rc = text->proto->get_answer(line, &len);
	if (rc == -ENOENT)
		return err_set(-WEFT_ENOTFOUND, "key %u was lost by the server", key);
	if (rc || len != load->opts.size)
		return err_set(-EPROTO, "the answer to a GET is '%s'", line);
	rc = conn_take(&text->conn, text->value, len);
	if (!rc)
		rc = conn_take(&text->conn, tail, strlen(text->proto->get_tail));
	if (!rc && XXH3_64bits(text->value, len) != load->hashes[key])
		rc = err_set(-WEFT_ECHECKSUM, "key %u", key);
	return rc;
}

static int text_take(struct kvload_client *client, uint32_t *slot)
{
	const struct kvload *load = client->load;
	struct text *text = client->driver;
	char line[KVPROTO_TEXT_MAX];
	int rc;

	rc = conn_line(&text->conn, line, sizeof(line));
	if (rc)
		return rc;
	*slot = text->order[text->head];
	text->head = (text->head + 1) % KVLOAD_INFLIGHT_MAX;
	text->n--;
	if (load->phase == KVLOAD_GET)
		return text_value(text, load, client->requests[*slot].key, line);
	if (text->proto->put_answer(line))
		return err_set(-EPROTO, "the answer to a PUT is '%s'", line);
	return 0;
}

const struct kvload_driver kvload_redis = {
	.name = "redis",
	.open = redis_open,
	.close = text_close,
	.start = text_start,
	.take = text_take,
};

const struct kvload_driver kvload_memcached = {
	.name = "memcached",
	.open = memcached_open,
	.close = text_close,
	.start = text_start,
	.take = text_take,
};
