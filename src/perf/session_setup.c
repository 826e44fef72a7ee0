/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test setup: a fresh port is opened, connected, and carries one operation, again and again.
 * Counted is the time to open it and, once the addresses are swapped, until its first operation
 * has ended; the control channel's own round trips are left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/session_int.h"

#define EVENTS 16

struct setup {
	struct perf_session *session;
	struct perf_crew *crew; /* readings only: its one port is fresh each time */
	char *bytes, *text;
	int len; /* of the twin's address, in bytes */
};

static int swap(struct setup *setup, const struct perf_backend *backend, struct perf_port *port)
{
	struct perf_talk *talk = &setup->session->talk;
	struct perf_message answer;
	const char *data;
	struct json *json;
	int rc;

	perf_talk_ask(talk, "fresh");
	rc = perf_talk_answer(talk, NULL, &answer);
	if (rc)
		return rc;
	rc = backend->address(port, setup->bytes, PERF_ADDRESS_MAX);
	if (rc >= 0) {
		perf_wire_hex(setup->text, setup->bytes, (size_t)rc);
		data = perf_wire_text(answer.json, "data");
		rc = perf_wire_from_hex(data ? data : "", setup->bytes, PERF_ADDRESS_MAX);
	}
	perf_message_free(&answer);
	if (rc < 0)
		return rc;
	setup->len = rc;
	json = perf_talk_ask(talk, "meet");
	json_string(json, "data", setup->text);
	return perf_talk_answer(talk, NULL, NULL);
}

static int check_time(uint64_t deadline_ns, uint32_t *rounds)
{
	if (clock_ns() >= deadline_ns)
		return err_set(-WEFT_EDEADLINE, "a fresh connection did not carry an operation in "
						"time");
	perf_crew_pause(rounds);
	return 0;
}

static int first_operation(struct setup *setup, const struct perf_backend *backend,
			   struct perf_port *port)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), setup->session->talk.timeout_ns);
	struct perf_event events[EVENTS];
	bool posted = false, done = false;
	uint32_t rounds = 0;
	int rc;

	while ((rc = backend->connect(port, setup->bytes, (size_t)setup->len)) == -EAGAIN)
		if ((rc = check_time(deadline_ns, &rounds)))
			return rc;
	while (rc >= 0 && !done) {
		if (!posted) {
			rc = backend->post(port, 0, 0, 1);
			posted = rc > 0;
		}
		if (rc >= 0)
			rc = backend->poll(port, events, EVENTS);
		for (int i = 0; i < rc; i++)
			done |= events[i].kind == PERF_DONE;
		if (rc >= 0 && !done && check_time(deadline_ns, &rounds))
			return -WEFT_EDEADLINE;
	}
	return rc < 0 ? rc : 0;
}

/* One connection; its time in nanoseconds. */
static int connect_once(struct setup *setup, const struct perf_case *c, uint64_t *ret_ns)
{
	const struct perf_backend *backend = setup->crew->backend;
	uint64_t began_ns = clock_ns(), opened_ns, met_ns;
	struct perf_port *port;
	int rc = backend->open(&port, c, 0, false);

	if (rc)
		return rc;
	opened_ns = clock_ns() - began_ns;
	rc = swap(setup, backend, port);
	met_ns = clock_ns();
	if (!rc)
		rc = first_operation(setup, backend, port);
	*ret_ns = opened_ns + clock_ns() - met_ns;
	perf_crew_was(setup->crew, port);
	backend->close(port);
	return rc;
}

static int connect_all(struct setup *setup, const struct perf_case *c, struct perf_run *ret)
{
	uint64_t began_ns = clock_ns(), ns = 0;
	int rc = 0;

	while (!rc && !perf_session_stops(setup->session)) {
		rc = connect_once(setup, c, &ns);
		if (rc)
			break;
		hist_record(ret->latency, ns);
		ret->here.ops++;
		ret->here.bytes += c->size;
		ret->here.ns = clock_ns() - began_ns;
		if ((c->iters && ret->here.ops >= c->iters) ||
		    (c->duration_ns && ret->here.ns >= c->duration_ns))
			break;
	}
	if (!rc && !ret->here.ops)
		rc = err_set(-WEFT_ECANCELLED, "before the first connection");
	return rc;
}

int perf_session_setup(struct perf_session *session, const struct perf_case *c,
		       struct perf_run *ret)
{
	struct setup setup = { .session = session };
	struct perf_side side;
	int rc = perf_session_send_case(session, c);

	if (rc)
		return rc;
	setup.bytes = malloc(PERF_ADDRESS_MAX);
	setup.text = malloc(2 * PERF_ADDRESS_MAX + 1);
	ret->latency = calloc(1, sizeof(*ret->latency));
	rc = setup.bytes && setup.text && ret->latency
		     ? perf_crew_open(&setup.crew, c, false)
		     : err_set(-ENOMEM, "no memory for the test setup");
	if (!rc)
		rc = perf_crew_read(setup.crew, false);
	if (!rc)
		rc = connect_all(&setup, c, ret);
	if (!rc)
		rc = perf_crew_read(setup.crew, true);
	if (!rc) {
		perf_crew_side(setup.crew, session->has_idle ? &session->idle : NULL, &side);
		side.ops = ret->here.ops;
		side.bytes = ret->here.bytes;
		side.ns = ret->here.ns;
		ret->here = side;
		ret->warm_stable = true;
		rc = perf_session_fetch(session, "end", ret);
	}
	perf_crew_close(setup.crew);
	free(setup.bytes);
	free(setup.text);
	return rc;
}
