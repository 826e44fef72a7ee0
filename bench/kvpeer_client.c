/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>
#include <xxhash.h>

#include "base/clock.h"
#include "kvpeer.h"

int kvpeer_client_open(struct kvpeer_client **ret, struct kvpeer *kvpeer, uint32_t index)
{
	struct kvpeer_client *client = calloc(1, sizeof(*client));
	int rc = -ENOMEM;

	if (!client)
		return -ENOMEM;
	client->kvpeer = kvpeer;
	client->random = 0x9e3779b97f4a7c15ull * (index + 1);
	client->conn.fd = -1;
	client->latency = calloc(1, sizeof(*client->latency));
	client->value = malloc(kvpeer->opts.size);
	if (client->latency && client->value)
		rc = conn_open(&client->conn, kvpeer->opts.addr);
	if (rc) {
		kvpeer_client_close(client);
		return rc;
	}
	*ret = client;
	return 0;
}

void kvpeer_client_close(struct kvpeer_client *client)
{
	if (!client)
		return;
	conn_close(&client->conn);
	free(client->latency);
	free(client->value);
	free(client);
}

/* xorshift64. */
static uint32_t client_key(struct kvpeer_client *client)
{
	client->random ^= client->random << 13;
	client->random ^= client->random >> 7;
	client->random ^= client->random << 17;
	return (uint32_t)((client->random >> 32) % client->kvpeer->opts.keys);
}

static int client_send(struct kvpeer_client *client, uint32_t key, uint64_t now_ns)
{
	const struct kvpeer *kvpeer = client->kvpeer;
	char name[KVPROTO_KEY_MAX], text[KVPROTO_TEXT_MAX];
	const uint64_t size = kvpeer->opts.size;
	struct kvpeer_request *request;
	int rc;

	request = &client->ring[(client->head + client->in_flight++) % KVPEER_INFLIGHT_MAX];
	request->key = key;
	request->sent_ns = now_ns;
	snprintf(name, sizeof(name), "key:%08u", key);
	if (kvpeer->phase == KVPEER_GET)
		return conn_put(&client->conn, text, kvpeer->proto->get(text, name));
	rc = conn_put(&client->conn, text, kvpeer->proto->put(text, name, size));
	if (!rc)
		rc = conn_put(&client->conn, kvpeer->values + (uint64_t)key * VALUE_STEP, size);
	return rc ? rc : conn_put(&client->conn, "\r\n", 2);
}

static int client_take_value(struct kvpeer_client *client, uint32_t key, const char *line)
{
	const struct kvpeer *kvpeer = client->kvpeer;
	char tail[KVPROTO_KEY_MAX];
	uint64_t len;
	int rc;

	rc = kvpeer->proto->get_answer(line, &len);
	if (rc == -ENOENT)
		return err_set(-WEFT_ENOTFOUND, "key %u was lost by the server", key);
	if (rc || len != kvpeer->opts.size)
		return err_set(-EPROTO, "the answer to a GET is '%s'", line);
	rc = conn_take(&client->conn, client->value, len);
	if (!rc)
		rc = conn_take(&client->conn, tail, strlen(kvpeer->proto->get_tail));
	if (!rc && kvpeer->opts.checksum && XXH3_64bits(client->value, len) != kvpeer->hashes[key])
		rc = err_set(-WEFT_ECHECKSUM, "key %u", key);
	return rc;
}

/* Waits for the oldest answer. */
static int client_take(struct kvpeer_client *client)
{
	const struct kvpeer *kvpeer = client->kvpeer;
	const struct kvpeer_request request = client->ring[client->head];
	char line[KVPROTO_TEXT_MAX];
	uint64_t now_ns;
	int rc;

	rc = conn_line(&client->conn, line, sizeof(line));
	if (rc)
		return rc;
	if (kvpeer->phase == KVPEER_GET)
		rc = client_take_value(client, request.key, line);
	else if (kvpeer->proto->put_answer(line))
		rc = err_set(-EPROTO, "the answer to a PUT is '%s'", line);
	if (rc)
		return rc;
	client->head = (client->head + 1) % KVPEER_INFLIGHT_MAX;
	client->in_flight--;
	now_ns = clock_ns();
	if (now_ns >= kvpeer->start_ns && now_ns < kvpeer->end_ns) {
		hist_record(client->latency, now_ns - request.sent_ns);
		client->ops++;
	}
	return 0;
}

int kvpeer_client_load(struct kvpeer_client *client)
{
	uint32_t key;
	int rc = 0;

	for (key = 0; key < client->kvpeer->opts.keys && !rc; key++) {
		rc = client_send(client, key, 0);
		if (!rc)
			rc = client_take(client);
	}
	return rc;
}

void *kvpeer_client_run(void *arg)
{
	struct kvpeer_client *client = arg;
	const struct kvpeer *kvpeer = client->kvpeer;
	uint64_t now_ns;
	bool on = true;
	int rc = 0;

	hist_reset(client->latency);
	client->ops = 0;
	while (!rc && (on || client->in_flight)) {
		now_ns = clock_ns();
		on = now_ns < kvpeer->end_ns;
		while (on && !rc && client->in_flight < kvpeer->opts.inflight)
			rc = client_send(client, client_key(client), now_ns);
		if (!rc && client->in_flight)
			rc = client_take(client);
	}
	client->rc = rc;
	if (rc)
		snprintf(client->detail, sizeof(client->detail), "%s", weft_error_detail());
	return NULL;
}
