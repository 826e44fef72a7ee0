/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/session_int.h"

int perf_session_visit_begin(struct perf_session *session, const char *address,
			     const struct perf_case *c)
{
	struct perf_result result = { .c = *c };
	struct perf_report report = { .result = &result, .results = 1 };

	json_string(perf_talk_ask(&session->talk, "visit"), "address", address);
	return perf_talk_send(&session->talk, &report);
}

int perf_session_visit_end(struct perf_session *session, uint64_t timeout_ns, struct perf_run *ret)
{
	struct perf_message answer;
	int rc;

	session->talk.stop = perf_session_stop_flag(session);
	rc = perf_talk_wait(&session->talk, timeout_ns, &answer);
	session->talk.stop = NULL;
	return rc ? rc : perf_talk_run(&session->talk, &answer, ret);
}
