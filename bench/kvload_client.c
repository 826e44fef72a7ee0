/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "base/clock.h"
#include "kvload.h"

size_t kvload_key(char *out, uint32_t key)
{
	return (size_t)snprintf(out, KVLOAD_KEY_MAX, "key:%08u", key);
}

int kvload_client_open(struct kvload_client **ret, const struct kvload *load, uint32_t index)
{
	struct kvload_client *client = calloc(1, sizeof(*client));
	uint32_t i;
	int rc;

	if (!client)
		return -ENOMEM;
	client->load = load;
	client->random = 0x9e3779b97f4a7c15ull * (index + 1);
	client->n_free = load->opts.inflight;
	for (i = 0; i < client->n_free; i++)
		client->free_slots[i] = i;
	client->latency = calloc(1, sizeof(*client->latency));
	rc = client->latency ? load->driver->open(client) : -ENOMEM;
	if (rc) {
		kvload_client_close(client);
		return rc;
	}
	*ret = client;
	return 0;
}

void kvload_client_close(struct kvload_client *client)
{
	if (!client)
		return;
	client->load->driver->close(client);
	free(client->latency);
	free(client);
}

/* xorshift64. */
static uint32_t client_key(struct kvload_client *client)
{
	client->random ^= client->random << 13;
	client->random ^= client->random >> 7;
	client->random ^= client->random << 17;
	return (uint32_t)((client->random >> 32) % client->load->opts.keys);
}

static int client_start(struct kvload_client *client, uint32_t key, uint64_t now_ns)
{
	const uint32_t slot = client->free_slots[--client->n_free];

	client->requests[slot] = (struct kvload_request){ .key = key, .sent_ns = now_ns };
	return client->load->driver->start(client, slot);
}

static int client_take(struct kvload_client *client)
{
	const struct kvload *load = client->load;
	uint64_t now_ns;
	uint32_t slot;
	int rc;

	rc = load->driver->take(client, &slot);
	if (rc)
		return rc;
	client->free_slots[client->n_free++] = slot;
	now_ns = clock_ns();
	if (now_ns >= load->start_ns && now_ns < load->end_ns) {
		hist_record(client->latency, now_ns - client->requests[slot].sent_ns);
		client->ops++;
	}
	return 0;
}

int kvload_client_fill(struct kvload_client *client)
{
	uint32_t key;
	int rc = 0;

	for (key = 0; key < client->load->opts.keys && !rc; key++) {
		rc = client_start(client, key, 0);
		if (!rc)
			rc = client_take(client);
	}
	return rc;
}

void *kvload_client_run(void *arg)
{
	struct kvload_client *client = arg;
	const struct kvload *load = client->load;
	uint64_t now_ns;
	bool on = true;
	int rc = 0;

	hist_reset(client->latency);
	client->ops = 0;
	while (!rc && (on || client->n_free < load->opts.inflight)) {
		now_ns = clock_ns();
		on = now_ns < load->end_ns;
		while (on && !rc && client->n_free)
			rc = client_start(client, client_key(client), now_ns);
		if (!rc && client->n_free < load->opts.inflight)
			rc = client_take(client);
	}
	client->rc = rc;
	if (rc)
		snprintf(client->detail, sizeof(client->detail), "%s", weft_error_detail());
	return NULL;
}
