/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions and answers on the control channel. A message is a line with an object: "type", "id"
 * (of the question, which its answer repeats), members of its type. With "report": true a second
 * line follows, a report as perf/report.h writes it: that is how cases, figures and environments
 * travel. An answer's type is "ok", or "error" with "code" and "why".
 *
 * client to server	answer, and what it means
 * hello		protocol, schema, version; ok brings the server's environment
 * case			a report with a case; the server opens its ports, ok brings nothing
 * port			index, data: address of a port; ok brings its twin's
 * connect		all ports connect, on both sides at once; ok when the server's have
 * start		threads run from here on
 * status		stable, finished, drained: threads; failed is an error
 * measure, cool, stop, end
 *			the phase; the answer to end is a report with what the server counted
 * fresh		setup: a port in the place of the last one; ok brings its address
 * meet			data: address of its twin; after ok the server connects and serves
 * drop			ends a case at any point
 * visit		address, and a report with a case: run it against the server there; ok
 *brings the run reach, reach_go, reach_told, reach_end a try to reach over the NICs: perf/reach.c
 * reach_visit		address, provider, wait_ms: try against the server there; ok brings what was
 *			found
 * bye			the client goes; after ok the server is free
 */
#ifndef WEFT_PERF_SESSION_TALK_H
#define WEFT_PERF_SESSION_TALK_H

#include "base/json.h"
#include "perf/result.h"
#include "perf/wire.h"

#define PERF_SCHEMA_TEXT_MAX 64
#define PERF_HELLO_MAX       1024 /* longest first line that a server takes */

struct perf_talk {
	struct perf_wire wire;
	char *out; /* room for the longest message */
	struct json json;
	uint64_t id; /* of the last question */
	uint64_t timeout_ns;
	const volatile int *stop; /* or NULL */
	bool broken;              /* the channel itself failed: nothing more can be said */
};

/* A message that came; text, of the report, is valid until the next is read. */
struct perf_message {
	cJSON *json;
	const char *type;
	uint64_t id;
	char *text;
	size_t text_len; /* 0: none */
};

/* Takes the wire over, also when it fails: -ENOMEM. */
int perf_talk_init(struct perf_talk *talk, struct perf_wire *wire, uint64_t timeout_ns,
		   const volatile int *stop);
void perf_talk_close(struct perf_talk *talk);

/* Begins a message; members are added to the writer that is returned. */
struct json *perf_talk_begin(struct perf_talk *talk, const char *type, uint64_t id);
/* Sends it; report: or NULL. */
int perf_talk_send(struct perf_talk *talk, const struct perf_report *report);
int perf_talk_send_error(struct perf_talk *talk, uint64_t id, int code);
/* The next message. Free with perf_message_free(). */
int perf_talk_receive(struct perf_talk *talk, uint64_t deadline_ns, struct perf_message *ret);
void perf_message_free(struct perf_message *message);

/*
 * Begins a question; perf_talk_answer() sends what perf_talk_ask() began and waits for its answer,
 * passing over answers to questions that were given up. An error of the server is returned as if
 * it had come up here, with who says it. ret: NULL, or freed with perf_message_free().
 */
struct json *perf_talk_ask(struct perf_talk *talk, const char *type);
int perf_talk_answer(struct perf_talk *talk, const struct perf_report *report,
		     struct perf_message *ret);
/* Only sends the question; perf_talk_wait() then waits for its answer. */
int perf_talk_wait(struct perf_talk *talk, uint64_t timeout_ns, struct perf_message *ret);

/* Members of a hello that must be the same on both sides; perf_talk_same() compares them: 0, or
 * -WEFT_EVERSION with both sides' in err_set(). */
void perf_talk_put_versions(struct json *json);
int perf_talk_same(const cJSON *hello, const char *who);

/* The report of a message, which must have so many results, each with so many runs.
 * perf_report_free(). */
int perf_talk_report(const struct perf_talk *talk, const struct perf_message *message,
		     uint32_t results, uint32_t runs, struct perf_report *ret);
/* The one run of such a report. The message is freed; perf_run_free(). */
int perf_talk_run(const struct perf_talk *talk, struct perf_message *message, struct perf_run *ret);

#endif /* WEFT_PERF_SESSION_TALK_H */
