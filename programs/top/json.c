/* SPDX-License-Identifier: Apache-2.0 */
/* A reading as one object on a line. */
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"
#include "top/top.h"

static const char *const roles[ROLES] = {
	[ROLE_TX_BYTES] = "tx_bytes",       [ROLE_RX_BYTES] = "rx_bytes",
	[ROLE_TX_PACKETS] = "tx_packets",   [ROLE_RX_PACKETS] = "rx_packets",
	[ROLE_RETRANSMITS] = "retransmits", [ROLE_DROPS] = "drops",
	[ROLE_ERRORS] = "errors",
};

/* A total, and what came of it in the interval; null: nothing to compare with. */
static void put_pair(struct json *json, const char *key, uint64_t value, bool known, uint64_t delta)
{
	json_object(json, key);
	json_u64(json, "total", value);
	if (known)
		json_u64(json, "delta", delta);
	else
		json_null(json, "delta");
	json_object_end(json);
}

static void put_nic(struct json *json, const struct nic_state *nic)
{
	const struct nic_counter *counter;
	uint64_t sum = 0;

	json_object(json, NULL);
	json_string(json, "device", nic->nic.name);
	json_string(json, "state", nic->nic.state);
	json_string(json, "driver", nic->nic.driver);
	json_string(json, "pci", nic->nic.pci);
	json_object(json, "sums");
	for (int role = ROLE_TX_BYTES; role < ROLES; role++) {
		if (nic_role(nic, (enum metric_role)role, &sum))
			json_u64(json, roles[role], sum);
		else
			json_null(json, roles[role]);
	}
	json_object_end(json);
	json_object(json, "counters");
	for (uint32_t i = 0; i < nic->count; i++) {
		counter = &nic->counters[i];
		put_pair(json, counter->name, counter->value, counter->change == NIC_COUNTED,
			 counter->delta);
	}
	json_object_end(json);
	json_object_end(json);
}

/* Of a server: a gauge as it is, a counter as a pair. */
static void put_figure(struct json *json, const char *key, enum metric_id id, uint64_t now,
		       const uint64_t *before)
{
	if (metrics[id].type == METRIC_counter)
		put_pair(json, key, now, before && *before <= now, before ? now - *before : 0);
	else
		json_u64(json, key, now);
}

static void put_figures(struct json *json, const struct server_state *now,
			const struct server_state *before)
{
	json_string(json, "listen", now->listen);
	json_string(json, "provider", now->provider);
	json_double(json, "seconds",
		    before ? (double)(now->kv.uptime_ms - before->kv.uptime_ms) / 1000 : 0);
	put_figure(json, "rail_bytes", METRIC_rail_bytes, now->bytes_rails,
		   before ? &before->bytes_rails : NULL);
	json_object(json, "kv");
#define PUT(name, text) \
	put_figure(json, #name, METRIC_KV_##name, now->kv.name, before ? &before->kv.name : NULL);
	WEFT_KV_COUNTER_MAP(PUT)
#undef PUT
	json_object_end(json);
	json_object(json, "engine");
#define PUT(name, text)                                                 \
	put_figure(json, #name, METRIC_ENGINE_##name, now->engine.name, \
		   before ? &before->engine.name : NULL);
	WEFT_COUNTER_MAP(PUT)
#undef PUT
	json_object_end(json);
}

static void put_server(struct json *json, const struct servers *servers,
		       const struct server_state *server)
{
	json_object(json, NULL);
	json_u64(json, "pid", (uint64_t)server->pid);
	json_string(json, "socket", server->name);
	json_string(json, "error", server->error ? strerror(-server->error) : NULL);
	if (!server->error)
		put_figures(json, server, server_before(servers, server));
	json_object_end(json);
}

static void put_note(void *ctx, enum line_kind kind, const char *text)
{
	(void)kind;
	json_string(ctx, NULL, text);
}

int print_json(const struct top *top)
{
	time_t now = time(NULL);
	struct json json;
	char date[32];
	struct tm tm;
	int rc;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "time", date);
	json_double(&json, "seconds", top->seconds);
	json_array(&json, "nics");
	for (uint32_t i = 0; i < top->nics->count; i++)
		put_nic(&json, &top->nics->now[i]);
	json_array_end(&json);
	json_array(&json, "servers");
	for (uint32_t i = 0; i < top->servers->count; i++)
		put_server(&json, top->servers, &top->servers->now[i]);
	json_array_end(&json);
	json_array(&json, "notes");
	table_notes(top, put_note, &json);
	json_array_end(&json);
	json_object_end(&json);
	rc = json_end(&json);
	putchar('\n');
	return rc ? err_set(rc, "JSON") : 0;
}
