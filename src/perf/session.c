/* SPDX-License-Identifier: Apache-2.0 */
/* A session's beginning and end, and its messages that all tests need. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/session_int.h"

static volatile int interrupted;

void perf_session_interrupt(void)
{
	interrupted = 1;
}

bool perf_session_stops(const struct perf_session *session)
{
	return interrupted || (session->stop && __atomic_load_n(session->stop, __ATOMIC_RELAXED)) ||
	       (session->watch && perf_wire_is_gone(session->watch));
}

const volatile int *perf_session_stop_flag(const struct perf_session *session)
{
	return session->stop ? session->stop : &interrupted;
}

static int say_hello(struct perf_session *session)
{
	struct perf_talk *talk = &session->talk;
	struct perf_message answer;
	struct perf_report report;
	int rc;

	perf_talk_put_versions(perf_talk_ask(talk, "hello"));
	rc = perf_talk_send(talk, NULL);
	if (rc)
		return rc;
	/* Both sides measure their idle machines now. */
	session->has_idle = !perf_idle_read(&session->idle);
	rc = perf_talk_wait(talk, talk->timeout_ns, &answer);
	if (rc)
		return rc;
	rc = perf_talk_same(answer.json, talk->wire.peer);
	if (!rc)
		rc = perf_talk_report(talk, &answer, 0, 0, &report);
	perf_message_free(&answer);
	if (rc)
		return rc;
	session->welcome = true;
	session->there = report.here;
	report.here = (struct perf_env){ 0 };
	perf_report_free(&report);
	return 0;
}

int perf_session_open_for(struct perf_session **ret, const char *server_addr, uint64_t timeout_ns,
			  const volatile int *stop, struct perf_wire *watch)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	struct perf_session *session = calloc(1, sizeof(*session));
	struct perf_wire wire;
	int rc;

	if (!session)
		return err_set(-ENOMEM, "no memory for a session");
	session->stop = stop;
	session->watch = watch;
	rc = perf_wire_dial(server_addr, deadline_ns, stop ? stop : &interrupted);
	if (rc < 0) {
		free(session);
		return rc;
	}
	perf_wire_init(&wire, rc, PERF_LINE_MAX);
	rc = perf_talk_init(&session->talk, &wire, timeout_ns, NULL);
	if (!rc)
		rc = say_hello(session);
	if (rc) {
		if (rc == -WEFT_EMESSAGE)
			rc = err_prefix(-WEFT_EPROTOCOL, "%s", server_addr);
		perf_session_close(session);
		return rc;
	}
	*ret = session;
	return 0;
}

int perf_session_open(struct perf_session **ret, const char *server_addr, uint64_t timeout_ns)
{
	return perf_session_open_for(ret, server_addr, timeout_ns, NULL, NULL);
}

const struct perf_env *perf_session_there(const struct perf_session *session)
{
	return &session->there;
}

void perf_session_close(struct perf_session *session)
{
	if (!session)
		return;
	/* So that the server is free when this returns. */
	if (session->welcome && !session->talk.broken) {
		perf_talk_ask(&session->talk, "bye");
		perf_talk_answer(&session->talk, NULL, NULL);
	}
	perf_talk_close(&session->talk);
	perf_env_free(&session->there);
	free(session);
}

int perf_session_send_case(struct perf_session *session, const struct perf_case *c)
{
	struct perf_result result = { .c = *c };
	struct perf_report report = { .result = &result, .results = 1 };

	perf_talk_ask(&session->talk, "case");
	return perf_talk_answer(&session->talk, &report, NULL);
}

void perf_session_drop(struct perf_session *session)
{
	if (session->talk.broken)
		return;
	perf_talk_ask(&session->talk, "drop");
	perf_talk_answer(&session->talk, NULL, NULL);
}

int perf_session_fetch(struct perf_session *session, const char *type, struct perf_run *run)
{
	struct perf_message answer;
	struct perf_run theirs;
	int rc;

	perf_talk_ask(&session->talk, type);
	rc = perf_talk_answer(&session->talk, NULL, &answer);
	if (!rc)
		rc = perf_talk_run(&session->talk, &answer, &theirs);
	if (rc)
		return rc;
	run->there = theirs.here;
	perf_run_free(&theirs);
	return 0;
}
