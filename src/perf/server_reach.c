/* SPDX-License-Identifier: Apache-2.0 */
/* A try to reach, on the side that is asked; perf/reach.c has the messages. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "perf/reach_ports.h"
#include "perf/server_int.h"
#include "perf/session_int.h"

#define WAIT_MS_MAX 60000
#define ANSWER_NS \
	(10 * NSEC_PER_SEC) /* of another server: the first time it asks its doctor, 5 s */

/* Provider and time to wait, as both questions give them. */
static int read_opts(const struct perf_client *client, const struct perf_message *message,
		     struct perf_reach_opts *ret)
{
	const char *provider = perf_wire_text(message->json, "provider");
	uint64_t wait_ms;

	memset(ret, 0, sizeof(*ret));
	if (!provider || strlen(provider) >= sizeof(ret->provider) ||
	    !perf_wire_number(message->json, "wait_ms", WAIT_MS_MAX, &wait_ms))
		return err_set(-WEFT_EPROTOCOL, "a try to reach without a provider or a time");
	strcpy(ret->provider, provider);
	ret->wait_ns = wait_ms * NSEC_PER_MSEC;
	if (!client->opts->devices)
		return 0;
	if (strlen(client->opts->devices) >= sizeof(ret->devices))
		return err_set(-EINVAL, "the server's list of devices is too long");
	strcpy(ret->devices, client->opts->devices);
	return 0;
}

static void say_ends(struct json *json, struct reach_ports *ports, char *bytes, char *text)
{
	json_array(json, "ends");
	for (uint32_t i = 0; i < ports->pairs; i++) {
		struct perf_reach_end *end = &ports->port[i].end;
		int len = reach_ports_address(ports, i, bytes);

		json_object(json, NULL);
		json_string(json, "device", end->device);
		if (len >= 0) {
			perf_wire_hex(text, bytes, (size_t)len);
			json_string(json, "data", text);
		} else {
			json_i64(json, "code", -end->error);
			json_string(json, "why", end->why);
		}
		json_object_end(json);
	}
	json_array_end(json);
}

static int say_opened(struct perf_client *client, const struct perf_message *message, uint32_t nics)
{
	char *bytes = mem_alloc(PERF_ADDRESS_MAX), *text = mem_alloc(2 * PERF_ADDRESS_MAX + 1);
	struct perf_reach_where where;
	struct json *json;
	int rc = -ENOMEM;

	if (bytes && text) {
		reach_where(&where, nics);
		json = perf_talk_begin(&client->talk, "ok", message->id);
		reach_write_where(json, "where", &where);
		say_ends(json, client->reach, bytes, text);
		rc = perf_talk_send(&client->talk, NULL);
	} else {
		err_set(rc, "the server has no memory");
	}
	mem_free(bytes);
	mem_free(text);
	return rc;
}

int perf_client_reach(struct perf_client *client, const struct perf_message *message)
{
	struct reach_nics *nics = mem_zalloc(sizeof(*nics));
	struct perf_reach_opts opts;
	uint64_t theirs, bytes;
	uint32_t pairs;
	int rc;

	perf_client_drop(client);
	if (!nics)
		return err_set(-ENOMEM, "the server has no memory");
	rc = read_opts(client, message, &opts);
	if (!rc && !perf_wire_number(message->json, "nics", PERF_REACH_NICS, &theirs))
		rc = err_set(-WEFT_EPROTOCOL, "a try to reach without a number of NICs");
	if (!rc)
		rc = reach_nics(opts.provider, opts.devices, nics);
	if (!rc) {
		pairs = nics->n > theirs ? nics->n : (uint32_t)theirs;
		bytes = 2ull * REACH_SIZE_MAX * pairs;
		if (bytes > client->opts->max_bytes)
			rc = err_set(-WEFT_ELIMIT,
				     "%u pairs of NICs take %" PRIu64
				     " bytes here, and this server gives %" PRIu64
				     ": start it with more --max-memory",
				     pairs, bytes, client->opts->max_bytes);
	}
	if (!rc)
		rc = reach_ports_open(&client->reach, opts.provider, nics, pairs, true);
	if (!rc) {
		client->reach_wait_ns = opts.wait_ns;
		rc = say_opened(client, message, nics->n);
	}
	mem_free(nics);
	return rc;
}

int perf_client_reach_meet(struct perf_client *client, const struct perf_message *message)
{
	const cJSON *twins = cJSON_GetObjectItemCaseSensitive(message->json, "twins"), *twin;
	struct reach_ports *ports = client->reach;
	const char *text;
	uint32_t pair = 0;
	char *bytes;
	int len;

	if (!ports || client->reach_goes || cJSON_GetArraySize(twins) != (int)ports->pairs)
		return perf_client_misplaced(message);
	bytes = mem_alloc(PERF_ADDRESS_MAX);
	if (!bytes)
		return err_set(-ENOMEM, "the server has no memory");
	cJSON_ArrayForEach(twin, twins)
	{
		text = cJSON_GetStringValue(twin);
		len = perf_wire_from_hex(text ? text : "", bytes, PERF_ADDRESS_MAX);
		if (len > 0)
			reach_ports_meet(ports, pair, bytes, (size_t)len);
		pair++;
	}
	mem_free(bytes);
	return perf_client_ok(client, message);
}

int perf_client_reach_go(struct perf_client *client, const struct perf_message *message)
{
	uint64_t size;

	if (!client->reach || !perf_wire_number(message->json, "size", REACH_SIZE_MAX, &size) ||
	    !size)
		return perf_client_misplaced(message);
	reach_ports_begin(client->reach, size, client->reach_wait_ns);
	client->reach_goes = true;
	return perf_client_ok(client, message);
}

int perf_client_reach_told(struct perf_client *client, const struct perf_message *message)
{
	if (!client->reach_goes)
		return perf_client_misplaced(message);
	json_bool(perf_talk_begin(&client->talk, "ok", message->id), "complete",
		  reach_ports_complete(client->reach));
	return perf_talk_send(&client->talk, NULL);
}

int perf_client_reach_end(struct perf_client *client, const struct perf_message *message)
{
	struct json *json;

	if (!client->reach_goes)
		return perf_client_misplaced(message);
	reach_ports_count(client->reach);
	json = perf_talk_begin(&client->talk, "ok", message->id);
	json_array(json, "ends");
	for (uint32_t i = 0; i < client->reach->pairs; i++)
		reach_write_end(json, NULL, &client->reach->port[i].end);
	json_array_end(json);
	client->reach_goes = false;
	return perf_talk_send(&client->talk, NULL);
}

static int reach_there(struct perf_client *client, const char *address,
		       const struct perf_reach_opts *opts, struct perf_reach *ret)
{
	struct perf_session *session;
	int rc = perf_session_open_for(&session, address, ANSWER_NS, &client->stop,
				       &client->talk.wire);

	if (rc)
		return rc;
	rc = perf_reach(session, opts, ret);
	perf_session_close(session);
	return rc;
}

int perf_client_reach_visit(struct perf_client *client, const struct perf_message *message)
{
	const char *address = perf_wire_text(message->json, "address");
	struct perf_reach_opts opts;
	struct perf_reach *found;
	int rc;

	if (!address)
		return err_set(-WEFT_EPROTOCOL, "a visit without an address");
	perf_client_drop(client);
	rc = read_opts(client, message, &opts);
	if (rc)
		return rc;
	found = mem_zalloc(sizeof(*found));
	if (!found)
		return err_set(-ENOMEM, "the server has no memory");
	rc = reach_there(client, address, &opts, found);
	if (!rc) {
		perf_reach_write(perf_talk_begin(&client->talk, "ok", message->id), "found", found);
		rc = perf_talk_send(&client->talk, NULL);
	}
	mem_free(found);
	return rc;
}
