/* SPDX-License-Identifier: Apache-2.0 */
/* One repeat of a case, conducted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/session_int.h"

#define LOOK_NS   NSEC_PER_MSEC         /* how often this side's threads are looked at */
#define STATUS_NS (100 * NSEC_PER_MSEC) /* the other side's */

/* How far the server's threads are. */
struct there {
	uint64_t stable, finished, drained;
	uint64_t asked_ns;
};

static int swap_addresses(struct perf_session *session, struct perf_crew *crew)
{
	char *bytes = malloc(PERF_ADDRESS_MAX), *text = malloc(2 * PERF_ADDRESS_MAX + 1);
	struct perf_message answer;
	const char *data;
	struct json *json;
	int rc = bytes && text ? 0 : err_set(-ENOMEM, "no memory for addresses");

	for (uint32_t i = 0; !rc && i < crew->threads; i++) {
		rc = perf_crew_address(crew, i, bytes);
		if (rc < 0)
			break;
		perf_wire_hex(text, bytes, (size_t)rc);
		json = perf_talk_ask(&session->talk, "port");
		json_u64(json, "index", i);
		json_string(json, "data", text);
		rc = perf_talk_answer(&session->talk, NULL, &answer);
		if (rc)
			break;
		data = perf_wire_text(answer.json, "data");
		rc = perf_wire_from_hex(data ? data : "", bytes, PERF_ADDRESS_MAX);
		perf_message_free(&answer);
		if (rc >= 0)
			rc = perf_crew_meet(crew, i, bytes, rc);
	}
	free(bytes);
	free(text);
	return rc;
}

static int connect_deadline(const struct perf_session *session, const struct perf_crew *crew,
			    uint64_t deadline_ns)
{
	if (perf_session_stops(session))
		return err_set(-WEFT_ECANCELLED, "while ports connected");
	if (clock_ns() >= deadline_ns)
		return err_set(-WEFT_EDEADLINE,
			       "the ports of back end %s did not connect in time: is the way "
			       "between the hosts open (security groups, firewall)?",
			       crew->c.backend);
	return 0;
}

/* Both sides connect at once, since some providers need both to make progress, until the last one
 * is connected. */
static int connect_ports(struct perf_session *session, struct perf_crew *crew)
{
	struct perf_talk *talk = &session->talk;
	uint64_t deadline_ns = clock_deadline(clock_ns(), talk->timeout_ns);
	bool here = false, there = false;
	uint32_t rounds = 0;
	int rc;

	perf_talk_ask(talk, "connect");
	rc = perf_talk_send(talk, NULL);
	while (!rc && !(here && there)) {
		rc = here ? perf_crew_progress(crew) : perf_crew_connect(crew);
		here |= !rc;
		if (rc == -EAGAIN)
			rc = 0;
		if (!rc && !there && perf_wire_has_more(&talk->wire)) {
			rc = perf_talk_wait(talk, talk->timeout_ns, NULL);
			there = !rc;
		}
		if (!rc)
			rc = connect_deadline(session, crew, deadline_ns);
		perf_crew_pause(&rounds);
	}
	return rc;
}

static int tell(struct perf_session *session, const char *type)
{
	perf_talk_ask(&session->talk, type);
	return perf_talk_answer(&session->talk, NULL, NULL);
}

/* Looks at both sides; lets some time pass. Fails when a thread of either has. */
static int look(struct perf_session *session, struct perf_crew *crew, struct there *there, bool now)
{
	struct timespec pause = { .tv_nsec = (long)LOOK_NS };
	struct perf_message answer;
	int rc = perf_crew_failure(crew);

	if (rc)
		return rc;
	if (!now)
		nanosleep(&pause, NULL);
	if (!now && clock_ns() - there->asked_ns < STATUS_NS)
		return 0;
	perf_talk_ask(&session->talk, "status");
	rc = perf_talk_answer(&session->talk, NULL, &answer);
	if (rc)
		return rc;
	perf_wire_number(answer.json, "stable", PERF_THREADS_MAX, &there->stable);
	perf_wire_number(answer.json, "finished", PERF_THREADS_MAX, &there->finished);
	perf_wire_number(answer.json, "drained", PERF_THREADS_MAX, &there->drained);
	perf_message_free(&answer);
	there->asked_ns = clock_ns();
	return 0;
}

static int warm_up(struct perf_session *session, struct perf_crew *crew, struct there *there)
{
	uint64_t end_ns = clock_deadline(clock_ns(), crew->c.warm_ns);
	uint32_t others = crew->c.bidir ? crew->threads : 0;
	int rc = 0;

	while (!rc && clock_ns() < end_ns &&
	       (atomic_load(&crew->phases.stable) < crew->threads || there->stable < others)) {
		if (perf_session_stops(session))
			return err_set(-WEFT_ECANCELLED, "while the test warmed up");
		rc = look(session, crew, there, false);
	}
	return rc;
}

/* The two sides' measured times begin as close to each other as can be: nothing that takes time
 * stands between the server's word and ours. */
static int measure(struct perf_session *session, struct perf_crew *crew, struct there *there)
{
	uint32_t others = crew->c.bidir ? crew->threads : 0;
	int rc = perf_crew_read(crew, false);

	if (!rc)
		rc = tell(session, "measure");
	if (rc)
		return rc;
	perf_crew_phase(crew, PERF_PHASE_MEASURE);
	while (!rc && !perf_session_stops(session) &&
	       (atomic_load(&crew->phases.finished) < crew->threads || there->finished < others))
		rc = look(session, crew, there, false);
	/* Those that still count, in a run that is ended early, go on to this reading. */
	if (!rc)
		rc = perf_crew_read(crew, true);
	perf_crew_phase(crew, PERF_PHASE_COOL);
	return rc ? rc : tell(session, "cool");
}

/* Nothing is under way any more when it returns, and the threads have ended. */
static int stop(struct perf_session *session, struct perf_crew *crew, struct there *there)
{
	uint32_t others = crew->c.bidir ? crew->threads : 0;
	int rc = 0;

	perf_crew_phase(crew, PERF_PHASE_STOP);
	/* A target goes on serving while we drain; with bidir it has to drain, too. */
	if (crew->c.bidir)
		rc = tell(session, "stop");
	/* However long it takes: a loop to which nothing comes fails by itself. */
	while (!rc &&
	       (atomic_load(&crew->phases.drained) < crew->threads || there->drained < others))
		rc = look(session, crew, there, crew->c.bidir);
	if (!rc && !crew->c.bidir)
		rc = tell(session, "stop");
	perf_crew_phase(crew, PERF_PHASE_END);
	return rc ? rc : perf_crew_join(crew);
}

static int conduct(struct perf_session *session, struct perf_crew *crew, struct perf_run *ret)
{
	struct there there = { 0 };
	int rc = perf_session_send_case(session, &crew->c);

	if (!rc)
		rc = swap_addresses(session, crew);
	if (!rc)
		rc = connect_ports(session, crew);
	if (!rc)
		rc = tell(session, "start");
	if (!rc)
		rc = perf_crew_start(crew);
	if (!rc)
		rc = warm_up(session, crew, &there);
	if (!rc)
		rc = measure(session, crew, &there);
	if (!rc)
		rc = stop(session, crew, &there);
	if (!rc)
		rc = perf_session_fetch(session, "end", ret);
	if (rc)
		return rc;
	perf_crew_side(crew, session->has_idle ? &session->idle : NULL, &ret->here);
	return perf_crew_run(crew, ret);
}

static int run_threads(struct perf_session *session, const struct perf_case *c,
		       struct perf_run *ret)
{
	struct perf_crew *crew;
	int rc = perf_crew_open(&crew, c, false);

	if (rc)
		return rc;
	rc = conduct(session, crew, ret);
	/* What this side's threads say is nearer to the cause than what the server saw of it. */
	if (rc && !session->talk.broken) {
		int failed = perf_crew_failure(crew);

		rc = failed ? failed : rc;
	}
	perf_crew_close(crew);
	return rc;
}

int perf_session_run(struct perf_session *session, const struct perf_case *c, struct perf_run *ret)
{
	const struct perf_backend *backend;
	char why[ERR_DETAIL_MAX];
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (session->talk.broken)
		return err_set(-WEFT_EPEERGONE, "the session with %s is lost",
			       session->talk.wire.peer);
	if (perf_session_stops(session))
		return err_set(-WEFT_ECANCELLED, "before the test began");
	rc = perf_case_fits(c, &backend);
	if (!rc && backend->one_process)
		rc = err_set(-EOPNOTSUPP, "back end %s has no other side", c->backend);
	if (rc)
		return rc;
	rc = c->test == PERF_SETUP ? perf_session_setup(session, c, ret)
				   : run_threads(session, c, ret);
	if (!rc)
		return 0;
	strcpy(why, weft_error_detail());
	perf_run_free(ret);
	perf_session_drop(session);
	return err_set(session->talk.broken ? -WEFT_EPEERGONE : rc, "%s", why);
}
