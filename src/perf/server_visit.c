/* SPDX-License-Identifier: Apache-2.0 */
/* A visit: the server runs a case against another server, for a client that measures many pairs. */
#include "base/err.h"
#include "perf/server_int.h"
#include "perf/session_int.h"

static int run_there(struct perf_client *client, const char *address, const struct perf_case *c,
		     struct perf_run *ret)
{
	struct perf_session *session;
	int rc = perf_session_open_for(&session, address, client->talk.timeout_ns, &client->stop,
				       &client->talk.wire);

	if (rc)
		return rc;
	rc = perf_session_run(session, c, ret);
	perf_session_close(session);
	return rc;
}

int perf_client_visit(struct perf_client *client, const struct perf_message *message)
{
	const char *address = perf_wire_text(message->json, "address");
	struct perf_run run = { 0 };
	struct perf_result result = { .run = &run, .runs = 1 };
	struct perf_report report = { .result = &result, .results = 1 };
	int rc;

	if (!address)
		return err_set(-WEFT_EPROTOCOL, "a visit without an address");
	perf_client_drop(client);
	rc = perf_client_case(client, message, &result.c);
	if (!rc)
		rc = run_there(client, address, &result.c, &run);
	if (rc)
		return rc;
	perf_talk_begin(&client->talk, "ok", message->id);
	rc = perf_talk_send(&client->talk, &report);
	perf_run_free(&run);
	return rc;
}
