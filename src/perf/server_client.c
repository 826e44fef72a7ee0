/* SPDX-License-Identifier: Apache-2.0 */
/* One client of the server, from hello to its end: messages are answered, one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/env.h"
#include "perf/server_int.h"

#define SILENT_NS  (120 * NSEC_PER_SEC) /* a client that asks nothing, between cases */
#define RUNNING_NS (10 * NSEC_PER_SEC)  /* the same, while it measures: it asks all the time */
#define EVENTS     16

int perf_client_ok(struct perf_client *client, const struct perf_message *message)
{
	perf_talk_begin(&client->talk, "ok", message->id);
	return perf_talk_send(&client->talk, NULL);
}

void perf_client_drop(struct perf_client *client)
{
	if (client->port)
		client->crew->backend->close(client->port);
	client->port = NULL;
	free(client->twin);
	client->twin = NULL;
	perf_crew_close(client->crew);
	client->crew = NULL;
	client->running = false;
	reach_ports_close(client->reach);
	client->reach = NULL;
	client->reach_goes = false;
}

static int say_welcome(struct perf_client *client)
{
	struct perf_report report = { 0 };
	int rc;

	client->has_idle = !perf_idle_read(&client->idle);
	rc = perf_env_collect(&report.here, "");
	if (rc)
		return rc;
	perf_talk_put_versions(perf_talk_begin(&client->talk, "ok", client->hello_id));
	rc = perf_talk_send(&client->talk, &report);
	perf_env_free(&report.here);
	return rc;
}

/* What the fresh port of the test setup needs to go on: it connects, then serves. */
static int serve_port(struct perf_client *client, bool *connected)
{
	const struct perf_backend *backend = client->crew->backend;
	struct perf_event events[EVENTS];
	int rc;

	if (!*connected) {
		rc = backend->connect(client->port, client->twin, (size_t)client->twin_len);
		*connected = !rc;
		return rc == -EAGAIN ? 0 : rc;
	}
	rc = backend->poll(client->port, events, EVENTS);
	return rc < 0 ? rc : 0;
}

/* Are ports connected, and no thread drives them yet? */
static bool is_waiting(const struct perf_client *client)
{
	const struct perf_crew *crew = client->crew;

	return crew && !client->running && crew->threads &&
	       crew->thread[crew->threads - 1].connected;
}

/* Until the client says something. A failure is its own to see: it waits for what does not come. */
static void serve_ports(struct perf_client *client)
{
	const uint64_t until_ns = clock_deadline(clock_ns(), RUNNING_NS);
	bool connected = false;
	uint32_t rounds = 0;
	int rc = 0;

	while (!rc && !perf_client_stops(client) && !perf_wire_has_more(&client->talk.wire)) {
		if (client->port && client->twin)
			rc = serve_port(client, &connected);
		else if (client->reach_goes && clock_ns() < until_ns)
			reach_ports_progress(client->reach);
		else if (is_waiting(client))
			rc = perf_crew_progress(client->crew);
		else
			break;
		perf_crew_pause(&rounds);
	}
}

void *perf_client_main(void *arg)
{
	struct perf_client *client = arg;
	struct perf_message message;
	uint64_t silent_ns;
	int rc = say_welcome(client);

	while (!rc && !perf_client_stops(client) && !atomic_load(&client->done)) {
		serve_ports(client);
		silent_ns = client->running || client->reach_goes ? RUNNING_NS : SILENT_NS;
		rc = perf_talk_receive(&client->talk, clock_deadline(clock_ns(), silent_ns),
				       &message);
		if (rc)
			break;
		rc = perf_client_answer(client, &message);
		if (rc && !client->talk.broken)
			rc = perf_talk_send_error(&client->talk, message.id, rc);
		perf_message_free(&message);
	}
	/* Junk is answered, too; the door's own line says what came before hello. */
	if (rc == -WEFT_EMESSAGE)
		perf_talk_send_error(&client->talk, 0, rc);
	perf_client_drop(client);
	atomic_store(&client->done, true);
	return NULL;
}
