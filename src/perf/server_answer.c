/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does for each message of its client. All that comes is checked here or below. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/server_int.h"
#include "perf/session_int.h"

#define CONNECT_NS (60 * NSEC_PER_SEC) /* the client gives up before, and says so */

int perf_client_misplaced(const struct perf_message *message)
{
	return err_set(-WEFT_EPROTOCOL, "the message %.20s does not belong here", message->type);
}

/* Is a name one of those in a list by comma? */
static bool is_listed(const char *list, const char *name, size_t len)
{
	size_t other;

	for (const char *at = list; *at; at += other + (at[other] == ',')) {
		other = strcspn(at, ",");
		if (other == len && !strncmp(at, name, len))
			return true;
	}
	return false;
}

/* With --devices the server has those, and no others. */
static int choose_devices(const struct perf_server_opts *opts, struct perf_case *c)
{
	size_t len;

	if (!opts->devices)
		return 0;
	if (!c->devices[0]) {
		if (strlen(opts->devices) >= sizeof(c->devices))
			return err_set(-EINVAL, "the server's list of devices is too long");
		strcpy(c->devices, opts->devices);
		return 0;
	}
	for (const char *at = c->devices; *at; at += len + (at[len] == ',')) {
		len = strcspn(at, ",");
		if (!is_listed(opts->devices, at, len))
			return err_set(-WEFT_ENODEVICE,
				       "device '%.*s' is not one that this server offers (%s)",
				       (int)len, at, opts->devices);
	}
	return 0;
}

int perf_client_case(struct perf_client *client, const struct perf_message *message,
		     struct perf_case *ret)
{
	const struct perf_backend *backend;
	struct perf_report report;
	uint64_t bytes;
	int rc = perf_talk_report(&client->talk, message, 1, 0, &report);

	if (rc)
		return rc;
	*ret = report.result[0].c;
	perf_report_free(&report);
	/* Before anything is asked of the back end, and of its size. */
	rc = perf_case_check(ret);
	if (rc)
		return rc;
	bytes = perf_case_bytes(ret);
	if (bytes > client->opts->max_bytes)
		return err_set(-WEFT_ELIMIT,
			       "the case would register up to %" PRIu64
			       " bytes here, and this server gives %" PRIu64
			       ": fewer threads, endpoints or operations in flight, smaller ones, "
			       "or a server with more --max-memory",
			       bytes, client->opts->max_bytes);
	rc = choose_devices(client->opts, ret);
	if (!rc)
		rc = perf_case_fits(ret, &backend);
	if (!rc && backend->one_process)
		rc = err_set(-EOPNOTSUPP, "back end %s has no other side", ret->backend);
	return rc;
}

static int answer_case(struct perf_client *client, const struct perf_message *message)
{
	struct perf_case c;
	int rc;

	perf_client_drop(client);
	rc = perf_client_case(client, message, &c);
	if (!rc)
		rc = perf_crew_open(&client->crew, &c, true);
	return rc ? rc : perf_client_ok(client, message);
}

/* The client's address of a message; malloc()ed. */
static int address_of(const struct perf_message *message, char **ret, int *ret_len)
{
	const char *data = perf_wire_text(message->json, "data");
	char *bytes = malloc(PERF_ADDRESS_MAX);
	int len = bytes ? perf_wire_from_hex(data ? data : "", bytes, PERF_ADDRESS_MAX)
			: err_set(-ENOMEM, "the server has no memory");

	if (len < 0) {
		free(bytes);
		return len;
	}
	*ret = bytes;
	*ret_len = len;
	return 0;
}

static int say_address(struct perf_client *client, const struct perf_message *message,
		       const void *bytes, int len)
{
	char *text = malloc(2 * PERF_ADDRESS_MAX + 1);
	int rc;

	if (!text)
		return err_set(-ENOMEM, "the server has no memory");
	perf_wire_hex(text, bytes, (size_t)len);
	json_string(perf_talk_begin(&client->talk, "ok", message->id), "data", text);
	rc = perf_talk_send(&client->talk, NULL);
	free(text);
	return rc;
}

static int answer_port(struct perf_client *client, const struct perf_message *message)
{
	uint64_t index;
	char *bytes;
	int len, rc;

	if (!client->crew || client->running ||
	    !perf_wire_number(message->json, "index", PERF_THREADS_MAX, &index))
		return perf_client_misplaced(message);
	rc = address_of(message, &bytes, &len);
	if (rc)
		return rc;
	rc = perf_crew_meet(client->crew, (uint32_t)index, bytes, len);
	if (!rc)
		rc = len = perf_crew_address(client->crew, (uint32_t)index, bytes);
	if (rc >= 0)
		rc = say_address(client, message, bytes, len);
	free(bytes);
	return rc;
}

static int answer_connect(struct perf_client *client, const struct perf_message *message)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), CONNECT_NS);
	uint32_t rounds = 0;
	int rc;

	if (!client->crew || client->running)
		return perf_client_misplaced(message);
	while ((rc = perf_crew_connect(client->crew)) == -EAGAIN) {
		/* Anything that the client says now means that it has given up. */
		if (perf_client_stops(client) || perf_wire_has_more(&client->talk.wire))
			return err_set(-WEFT_ECANCELLED, "ports did not connect");
		if (clock_ns() >= deadline_ns)
			return err_set(-WEFT_EDEADLINE, "the ports did not connect");
		perf_crew_pause(&rounds);
	}
	return rc ? rc : perf_client_ok(client, message);
}

static int answer_start(struct perf_client *client, const struct perf_message *message)
{
	int rc;

	if (!client->crew || client->running || !client->crew->threads ||
	    !client->crew->thread[client->crew->threads - 1].connected)
		return perf_client_misplaced(message);
	client->running = true;
	rc = perf_crew_start(client->crew);
	return rc ? rc : perf_client_ok(client, message);
}

static int answer_status(struct perf_client *client, const struct perf_message *message)
{
	struct json *json;
	int rc;

	if (!client->running)
		return perf_client_misplaced(message);
	rc = perf_crew_failure(client->crew);
	if (rc)
		return rc;
	json = perf_talk_begin(&client->talk, "ok", message->id);
	json_u64(json, "stable", atomic_load(&client->crew->phases.stable));
	json_u64(json, "finished", atomic_load(&client->crew->phases.finished));
	json_u64(json, "drained", atomic_load(&client->crew->phases.drained));
	return perf_talk_send(&client->talk, NULL);
}

/* Phases only go forward. */
static int answer_phase(struct perf_client *client, const struct perf_message *message,
			enum perf_phase phase)
{
	int rc;

	if (!client->running || atomic_load(&client->crew->phases.phase) >= phase)
		return perf_client_misplaced(message);
	rc = perf_crew_failure(client->crew);
	if (!rc && (phase == PERF_PHASE_MEASURE || phase == PERF_PHASE_COOL))
		rc = perf_crew_read(client->crew, phase == PERF_PHASE_COOL);
	if (rc)
		return rc;
	perf_crew_phase(client->crew, phase);
	return perf_client_ok(client, message);
}

static int answer_measure(struct perf_client *client, const struct perf_message *message)
{
	return answer_phase(client, message, PERF_PHASE_MEASURE);
}

static int answer_cool(struct perf_client *client, const struct perf_message *message)
{
	return answer_phase(client, message, PERF_PHASE_COOL);
}

static int answer_stop(struct perf_client *client, const struct perf_message *message)
{
	return answer_phase(client, message, PERF_PHASE_STOP);
}

static int answer_end(struct perf_client *client, const struct perf_message *message)
{
	struct perf_run run = { 0 };
	struct perf_result result = { .run = &run, .runs = 1 };
	struct perf_report report = { .result = &result, .results = 1 };
	struct perf_crew *crew = client->crew;
	int rc = 0;

	if (!crew || (crew->c.test != PERF_SETUP && !client->running))
		return perf_client_misplaced(message);
	if (crew->c.test == PERF_SETUP)
		perf_crew_read(crew, true);
	perf_crew_phase(crew, PERF_PHASE_END);
	rc = perf_crew_join(crew);
	if (client->port)
		perf_crew_was(crew, client->port);
	result.c = crew->c;
	if (!rc)
		perf_crew_side(crew, client->has_idle ? &client->idle : NULL, &run.here);
	if (!rc) {
		perf_talk_begin(&client->talk, "ok", message->id);
		rc = perf_talk_send(&client->talk, &report);
	}
	perf_client_drop(client);
	return rc;
}

/* --- setup ------------------------------------------------------------------------------------ */

static int answer_fresh(struct perf_client *client, const struct perf_message *message)
{
	struct perf_crew *crew = client->crew;
	char *bytes;
	int rc;

	if (!crew || crew->c.test != PERF_SETUP)
		return perf_client_misplaced(message);
	if (client->port) {
		perf_crew_was(crew, client->port);
		crew->backend->close(client->port);
		client->port = NULL;
	} else {
		perf_crew_read(crew, false);
	}
	free(client->twin);
	client->twin = NULL;
	rc = crew->backend->open(&client->port, &crew->c, 0, true);
	if (rc) {
		client->port = NULL;
		return rc;
	}
	bytes = malloc(PERF_ADDRESS_MAX);
	rc = bytes ? crew->backend->address(client->port, bytes, PERF_ADDRESS_MAX)
		   : err_set(-ENOMEM, "the server has no memory");
	if (rc >= 0)
		rc = say_address(client, message, bytes, rc);
	free(bytes);
	return rc;
}

static int answer_meet(struct perf_client *client, const struct perf_message *message)
{
	char *bytes;
	int len, rc;

	if (!client->port || client->twin)
		return perf_client_misplaced(message);
	rc = address_of(message, &bytes, &len);
	if (rc)
		return rc;
	client->twin = bytes;
	client->twin_len = len;
	return perf_client_ok(client, message);
}

static int answer_drop(struct perf_client *client, const struct perf_message *message)
{
	perf_client_drop(client);
	return perf_client_ok(client, message);
}

/* The server is free for the next client before this one knows. */
static int answer_bye(struct perf_client *client, const struct perf_message *message)
{
	perf_client_drop(client);
	atomic_store(&client->done, true);
	return perf_client_ok(client, message);
}

int perf_client_answer(struct perf_client *client, const struct perf_message *message)
{
	static const struct {
		const char *type;
		int (*answer)(struct perf_client *, const struct perf_message *);
	} rows[] = {
		{ "case", answer_case },
		{ "port", answer_port },
		{ "connect", answer_connect },
		{ "start", answer_start },
		{ "status", answer_status },
		{ "measure", answer_measure },
		{ "cool", answer_cool },
		{ "stop", answer_stop },
		{ "end", answer_end },
		{ "fresh", answer_fresh },
		{ "meet", answer_meet },
		{ "drop", answer_drop },
		{ "visit", perf_client_visit },
		{ "bye", answer_bye },
		{ "reach", perf_client_reach },
		{ "reach_meet", perf_client_reach_meet },
		{ "reach_go", perf_client_reach_go },
		{ "reach_told", perf_client_reach_told },
		{ "reach_end", perf_client_reach_end },
		{ "reach_visit", perf_client_reach_visit },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].type, message->type))
			return rows[i].answer(client, message);
	return err_set(-WEFT_EPROTOCOL, "there is no message '%.20s'", message->type);
}
