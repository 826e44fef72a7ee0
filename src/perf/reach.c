/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A try to reach, on the side that asks. The messages, each with its answer:
 *
 *	reach		provider, nics (how many this side has), wait_ms; ok brings where the server
 *			is, and for each pair its device and its endpoint's address, or code and why
 *	reach_meet	twins: for each pair this side's address, "" where there is none
 *	reach_go	size: a pass begins; from the answer on the server sends and receives
 *	reach_told	ok brings complete: nothing more is to come there
 *	reach_end	the pass ends; ok brings what the server's ends saw
 *
 * The message drop closes the server's ends.
 */
#include "perf/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "perf/reach_ports.h"
#include "perf/session_int.h"

#define ASK_NS  (50 * NSEC_PER_MSEC) /* how often the server is asked whether it is complete */
#define OPEN_NS (60 * NSEC_PER_SEC)  /* for the server to open endpoints on many NICs */

static const uint64_t sizes[PERF_REACH_PASSES] = { 8, REACH_SIZE_MAX };

struct reaching {
	struct perf_session *session;
	const struct perf_reach_opts *opts;
	const struct reach_nics *nics;
	struct reach_ports *ports;
	struct perf_reach *ret;
	struct perf_reach_pass *pass; /* the one that is under way */
};

/* --- meeting ------------------------------------------------------------------------------- */

static int meet(struct reaching *r, const cJSON *nic, uint32_t pair, char *bytes)
{
	struct perf_reach_end *end = &r->ret->pass[0].there[pair];
	const char *data = perf_wire_text(nic, "data");
	int rc = reach_read_end(nic, end), len;

	if (rc)
		return rc;
	if (!data || end->error)
		return 0;
	len = perf_wire_from_hex(data, bytes, PERF_ADDRESS_MAX);
	if (len < 0)
		return len;
	reach_ports_meet(r->ports, pair, bytes, (size_t)len);
	return 0;
}

static int meet_all(struct reaching *r, const cJSON *list)
{
	char *bytes = mem_alloc(PERF_ADDRESS_MAX);
	const cJSON *nic;
	uint32_t pair = 0;
	int rc = bytes ? 0 : err_set(-ENOMEM, "no memory for an address");

	cJSON_ArrayForEach(nic, list)
	{
		if (rc)
			break;
		rc = meet(r, nic, pair++, bytes);
	}
	mem_free(bytes);
	return rc;
}

/* What the server's answer says of its ends. */
static int take_ends(struct reaching *r, const struct perf_message *answer)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer->json, "ends");
	const int pairs = cJSON_GetArraySize(list);
	int rc = reach_read_where(cJSON_GetObjectItemCaseSensitive(answer->json, "where"),
				  &r->ret->there);

	if (rc)
		return rc;
	if (!cJSON_IsArray(list) || pairs < (int)r->nics->n || pairs > PERF_REACH_NICS)
		return err_set(-WEFT_EMESSAGE, "%s answered with %d ends for %u NICs",
			       r->session->talk.wire.peer, pairs, r->nics->n);
	reach_ports_add(r->ports, r->nics, (uint32_t)pairs);
	return meet_all(r, list);
}

/* Both sides open their ends at the same time: libfabric needs a good part of a second for each. */
static int open_ends(struct reaching *r)
{
	struct perf_talk *talk = &r->session->talk;
	struct json *json = perf_talk_ask(talk, "reach");
	struct perf_message answer;
	int rc;

	json_string(json, "provider", r->opts->provider);
	json_u64(json, "nics", r->nics->n);
	json_u64(json, "wait_ms", r->opts->wait_ns / NSEC_PER_MSEC);
	rc = perf_talk_send(talk, NULL);
	if (!rc)
		rc = reach_ports_open(&r->ports, r->opts->provider, r->nics, r->nics->n, false);
	if (!rc)
		rc = perf_talk_wait(talk, talk->timeout_ns, &answer);
	if (rc)
		return rc;
	rc = take_ends(r, &answer);
	perf_message_free(&answer);
	return rc;
}

static int tell_addresses(struct reaching *r)
{
	struct perf_talk *talk = &r->session->talk;
	char *bytes = mem_alloc(PERF_ADDRESS_MAX), *text = mem_alloc(2 * PERF_ADDRESS_MAX + 1);
	struct json *json;
	int rc, len;

	if (!bytes || !text) {
		mem_free(bytes);
		mem_free(text);
		return err_set(-ENOMEM, "no memory for an address");
	}
	json = perf_talk_ask(talk, "reach_meet");
	json_array(json, "twins");
	for (uint32_t i = 0; i < r->ports->pairs; i++) {
		len = r->ports->port[i].met ? reach_ports_address(r->ports, i, bytes) : 0;
		perf_wire_hex(text, bytes, len < 0 ? 0 : (size_t)len);
		json_string(json, NULL, text);
	}
	json_array_end(json);
	rc = perf_talk_answer(talk, NULL, NULL);
	mem_free(bytes);
	mem_free(text);
	return rc;
}

/* --- the messages -------------------------------------------------------------------------- */

static void progress_until(struct reach_ports *ports, uint64_t until_ns, bool or_complete)
{
	uint32_t rounds = 0;

	while (clock_ns() < until_ns && !(or_complete && reach_ports_complete(ports))) {
		reach_ports_progress(ports);
		perf_crew_pause(&rounds);
	}
}

static int server_is_complete(struct reaching *r, bool *ret)
{
	struct perf_message answer;
	int rc;

	perf_talk_ask(&r->session->talk, "reach_told");
	rc = perf_talk_answer(&r->session->talk, NULL, &answer);
	if (rc)
		return rc;
	*ret = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer.json, "complete"));
	perf_message_free(&answer);
	return 0;
}

static int exchange(struct reaching *r)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), r->opts->wait_ns), now_ns;
	bool there = false;
	int rc = 0;

	while (!rc && (now_ns = clock_ns()) < deadline_ns) {
		if (perf_session_stops(r->session))
			return err_set(-WEFT_ECANCELLED, "while messages were on their way");
		progress_until(r->ports, now_ns + ASK_NS, true);
		rc = server_is_complete(r, &there);
		if (there && reach_ports_complete(r->ports))
			break;
		if (reach_ports_complete(r->ports))
			progress_until(r->ports, clock_ns() + ASK_NS, false);
	}
	if (!rc)
		progress_until(r->ports, clock_ns() + REACH_SETTLE_NS, false);
	return rc;
}

static int fetch(struct reaching *r)
{
	struct perf_message answer;
	const cJSON *list, *end;
	uint32_t pair = 0;
	int rc;

	perf_talk_ask(&r->session->talk, "reach_end");
	rc = perf_talk_answer(&r->session->talk, NULL, &answer);
	if (rc)
		return rc;
	list = cJSON_GetObjectItemCaseSensitive(answer.json, "ends");
	if (cJSON_GetArraySize(list) != (int)r->ports->pairs)
		rc = err_set(-WEFT_EMESSAGE, "%s told of another number of ends than it opened",
			     r->session->talk.wire.peer);
	cJSON_ArrayForEach(end, list)
	{
		if (rc)
			break;
		rc = reach_read_end(end, &r->pass->there[pair++]);
	}
	perf_message_free(&answer);
	return rc;
}

static int run_pass(struct reaching *r)
{
	int rc;

	json_u64(perf_talk_ask(&r->session->talk, "reach_go"), "size", r->pass->size);
	rc = perf_talk_answer(&r->session->talk, NULL, NULL);
	if (rc)
		return rc;
	reach_ports_begin(r->ports, r->pass->size, r->opts->wait_ns);
	rc = exchange(r);
	if (!rc)
		rc = fetch(r);
	if (rc)
		return rc;
	reach_ports_count(r->ports);
	r->pass->pairs = r->ports->pairs;
	for (uint32_t i = 0; i < r->pass->pairs; i++)
		r->pass->here[i] = r->ports->port[i].end;
	return 0;
}

static bool all_fine(const struct perf_reach_pass *pass)
{
	for (uint32_t i = 0; i < pass->pairs; i++)
		if (!pass->here[i].arrived || !pass->there[i].arrived || pass->here[i].error ||
		    pass->there[i].error || pass->here[i].wrong || pass->there[i].wrong)
			return false;
	return true;
}

static int run_passes(struct reaching *r)
{
	struct perf_reach *ret = r->ret;
	int rc = open_ends(r);

	if (!rc)
		rc = tell_addresses(r);
	while (!rc && ret->passes < PERF_REACH_PASSES &&
	       (!ret->passes || all_fine(&ret->pass[ret->passes - 1]))) {
		r->pass = &ret->pass[ret->passes];
		r->pass->size = sizes[ret->passes];
		rc = run_pass(r);
		ret->passes += !rc;
	}
	reach_ports_close(r->ports);
	return rc;
}

int perf_reach(struct perf_session *session, const struct perf_reach_opts *opts,
	       struct perf_reach *ret)
{
	const uint64_t timeout_ns = session->talk.timeout_ns;
	struct reaching r = { .session = session, .opts = opts, .ret = ret };
	struct reach_nics *nics = mem_zalloc(sizeof(*nics));
	int rc = nics ? reach_nics(opts->provider, opts->devices, nics)
		      : err_set(-ENOMEM, "no memory for names of NICs");

	memset(ret, 0, sizeof(*ret));
	if (!rc) {
		reach_where(&ret->here, nics->n);
		r.nics = nics;
		session->talk.timeout_ns = OPEN_NS;
		session->talk.stop = perf_session_stop_flag(session);
		rc = run_passes(&r);
		session->talk.stop = NULL;
		perf_session_drop(session);
		session->talk.timeout_ns = timeout_ns;
	}
	mem_free(nics);
	return rc;
}

/* --- what it came to ----------------------------------------------------------------------- */

static enum perf_reach_way way_of(const struct perf_reach_end *from,
				  const struct perf_reach_end *to)
{
	if (to->arrived)
		return to->wrong ? PERF_REACH_WRONG : PERF_REACH_OK;
	return from->sent ? PERF_REACH_LOST : PERF_REACH_UNSENT;
}

enum perf_reach_way perf_reach_way(const struct perf_reach *reach, uint32_t pair, bool there)
{
	enum perf_reach_way way = PERF_REACH_UNSENT;

	for (uint32_t i = 0; i < reach->passes; i++) {
		const struct perf_reach_pass *pass = &reach->pass[i];

		if (pair >= pass->pairs)
			return PERF_REACH_UNSENT;
		way = there ? way_of(&pass->here[pair], &pass->there[pair])
			    : way_of(&pass->there[pair], &pass->here[pair]);
		if (way != PERF_REACH_OK)
			return i && way == PERF_REACH_LOST ? PERF_REACH_LARGE : way;
	}
	return way;
}

/* --- at the invitation of another ---------------------------------------------------------- */

int perf_reach_visit_begin(struct perf_session *session, const char *address,
			   const struct perf_reach_opts *opts)
{
	struct json *json = perf_talk_ask(&session->talk, "reach_visit");

	json_string(json, "address", address);
	json_string(json, "provider", opts->provider);
	json_u64(json, "wait_ms", opts->wait_ns / NSEC_PER_MSEC);
	return perf_talk_send(&session->talk, NULL);
}

int perf_reach_visit_end(struct perf_session *session, const struct perf_reach_opts *opts,
			 struct perf_reach *ret)
{
	uint64_t timeout_ns = 3 * OPEN_NS + opts->wait_ns * PERF_REACH_PASSES * 2;
	struct perf_message answer;
	int rc;

	session->talk.stop = perf_session_stop_flag(session);
	rc = perf_talk_wait(&session->talk, timeout_ns, &answer);
	session->talk.stop = NULL;
	if (rc)
		return rc;
	rc = perf_reach_read(cJSON_GetObjectItemCaseSensitive(answer.json, "found"), ret);
	perf_message_free(&answer);
	return rc;
}
