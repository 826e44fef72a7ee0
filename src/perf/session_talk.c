/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/session_talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/backend.h"
#include "perf/report.h"
#include "perf/report_fields.h"
#include "perf/report_read.h"
#include "perf/session.h"

/* An address of a port in hexadecimal digits, or what a try to reach found on all NICs. */
#define TALK_ROOM (PERF_LINE_MAX / 2)
_Static_assert(TALK_ROOM > 2 * PERF_ADDRESS_MAX + 4096, "the longest address fits");
#define CODE_MAX 4096
/* Far more than a case takes; the reader's memory can be a thousand times the text. */
#define CASE_BYTES (64 << 10)

int perf_talk_init(struct perf_talk *talk, struct perf_wire *wire, uint64_t timeout_ns,
		   const volatile int *stop)
{
	*talk = (struct perf_talk){ .wire = *wire, .timeout_ns = timeout_ns, .stop = stop };
	talk->out = malloc(TALK_ROOM);
	if (!talk->out) {
		perf_talk_close(talk);
		return err_set(-ENOMEM, "no memory for the control channel");
	}
	return 0;
}

void perf_talk_close(struct perf_talk *talk)
{
	perf_wire_close(&talk->wire);
	free(talk->out);
	talk->out = NULL;
}

struct json *perf_talk_begin(struct perf_talk *talk, const char *type, uint64_t id)
{
	json_begin_buf(&talk->json, talk->out, TALK_ROOM);
	json_object(&talk->json, NULL);
	json_string(&talk->json, "type", type);
	json_u64(&talk->json, "id", id);
	return &talk->json;
}

static int send_report(struct perf_talk *talk, const struct perf_report *report,
		       uint64_t deadline_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	int rc;

	if (!file)
		return err_set(-ENOMEM, "no memory for a report");
	rc = perf_write_json(report, file);
	if (fclose(file) && !rc)
		rc = err_set(-ENOMEM, "no memory for a report");
	/* The writer may end with the end of the line that the wire adds. */
	while (len && text[len - 1] == '\n')
		len--;
	if (!rc && len > PERF_LINE_MAX)
		rc = err_set(-WEFT_ELIMIT, "a report of %zu bytes is too long to send", len);
	if (!rc)
		rc = perf_wire_write(&talk->wire, text, len, deadline_ns);
	free(text);
	return rc;
}

int perf_talk_send(struct perf_talk *talk, const struct perf_report *report)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), talk->timeout_ns);
	int rc;

	if (report)
		json_bool(&talk->json, "report", true);
	json_object_end(&talk->json);
	rc = json_end(&talk->json);
	if (rc)
		return err_set(rc, "a message for the control channel does not fit");
	rc = perf_wire_write(&talk->wire, talk->out, talk->json.len, deadline_ns);
	if (!rc && report)
		rc = send_report(talk, report, deadline_ns);
	talk->broken |= rc != 0;
	return rc;
}

int perf_talk_send_error(struct perf_talk *talk, uint64_t id, int code)
{
	char why[ERR_DETAIL_MAX];
	struct json *json;

	snprintf(why, sizeof(why), "%s", weft_error_detail());
	json = perf_talk_begin(talk, "error", id);
	json_i64(json, "code", -code);
	json_string(json, "why", why);
	return perf_talk_send(talk, NULL);
}

int perf_talk_receive(struct perf_talk *talk, uint64_t deadline_ns, struct perf_message *ret)
{
	struct perf_message message = { 0 };
	char *line;
	size_t len;
	int rc;

	rc = perf_wire_read(&talk->wire, deadline_ns, talk->stop, &line, &len);
	if (!rc)
		rc = perf_wire_parse(line, len, &message.json);
	if (rc) {
		talk->broken = true;
		return rc;
	}
	message.type = perf_wire_text(message.json, "type");
	if (!perf_wire_number(message.json, "id", UINT64_MAX, &message.id))
		rc = err_set(-WEFT_EMESSAGE, "a message without id from %s", talk->wire.peer);
	else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(message.json, "report")))
		rc = perf_wire_read(&talk->wire, deadline_ns, talk->stop, &message.text,
				    &message.text_len);
	if (rc) {
		talk->broken = true;
		perf_message_free(&message);
		return rc;
	}
	*ret = message;
	return 0;
}

void perf_message_free(struct perf_message *message)
{
	cJSON_Delete(message->json);
	*message = (struct perf_message){ 0 };
}

struct json *perf_talk_ask(struct perf_talk *talk, const char *type)
{
	return perf_talk_begin(talk, type, ++talk->id);
}

static int error_of(const struct perf_talk *talk, const struct perf_message *message)
{
	const char *why = perf_wire_text(message->json, "why");
	uint64_t code = 0;

	if (!perf_wire_number(message->json, "code", CODE_MAX, &code) || !code)
		code = WEFT_EPROTOCOL;
	return err_set(-(int)code, "the server at %s: %s", talk->wire.peer, why ? why : "failed");
}

int perf_talk_wait(struct perf_talk *talk, uint64_t timeout_ns, struct perf_message *ret)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	struct perf_message message;
	int rc;

	for (;;) {
		rc = perf_talk_receive(talk, deadline_ns, &message);
		if (rc)
			return rc;
		if (message.id == talk->id)
			break;
		perf_message_free(&message);
	}
	if (!strcmp(message.type, "error"))
		rc = error_of(talk, &message);
	else if (strcmp(message.type, "ok"))
		rc = err_set(-WEFT_EPROTOCOL, "%s answered neither ok nor error", talk->wire.peer);
	if (rc || !ret)
		perf_message_free(&message);
	else
		*ret = message;
	return rc;
}

int perf_talk_answer(struct perf_talk *talk, const struct perf_report *report,
		     struct perf_message *ret)
{
	int rc = perf_talk_send(talk, report);

	return rc ? rc : perf_talk_wait(talk, talk->timeout_ns, ret);
}

void perf_talk_put_versions(struct json *json)
{
	char schema[PERF_SCHEMA_TEXT_MAX];

	snprintf(schema, sizeof(schema), "%s %d", PERF_SCHEMA_NAME, PERF_SCHEMA_VERSION);
	json_u64(json, "protocol", PERF_PROTOCOL);
	json_string(json, "schema", schema);
	json_string(json, "version", weft_version());
}

int perf_talk_same(const cJSON *hello, const char *who)
{
	const char *schema = perf_wire_text(hello, "schema");
	const char *version = perf_wire_text(hello, "version");
	char ours[PERF_SCHEMA_TEXT_MAX];
	uint64_t protocol = 0;

	if (!perf_wire_number(hello, "protocol", UINT32_MAX, &protocol) || !schema)
		return err_set(-WEFT_EPROTOCOL, "%s is no weft perf", who);
	snprintf(ours, sizeof(ours), "%s %d", PERF_SCHEMA_NAME, PERF_SCHEMA_VERSION);
	if (protocol == PERF_PROTOCOL && !strcmp(schema, ours))
		return 0;
	return err_set(-WEFT_EVERSION,
		       "%s is weft %.30s with protocol %llu and schema %.40s; this is weft %s with "
		       "protocol %d and schema %s",
		       who, version ? version : "?", (unsigned long long)protocol, schema,
		       weft_version(), PERF_PROTOCOL, ours);
}

int perf_talk_report(const struct perf_talk *talk, const struct perf_message *message,
		     uint32_t results, uint32_t runs, struct perf_report *ret)
{
	bool as_asked;
	struct perf_report report;
	int rc;

	if (results && !runs && message->text_len > CASE_BYTES)
		return err_set(-WEFT_EMESSAGE, "%s sent a case of %zu bytes", talk->wire.peer,
			       message->text_len);
	if (!message->text_len)
		return err_set(-WEFT_EMESSAGE, "%s sent no report with a message", talk->wire.peer);
	rc = perf_read_json_text(&report, talk->wire.peer, message->text, message->text_len);
	if (rc)
		return rc;
	as_asked = report.results == results;
	for (uint32_t i = 0; as_asked && i < results; i++)
		as_asked = report.result[i].runs == runs;
	if (!as_asked) {
		perf_report_free(&report);
		return err_set(-WEFT_EMESSAGE, "%s sent a report of another form than asked for",
			       talk->wire.peer);
	}
	*ret = report;
	return 0;
}

int perf_talk_run(const struct perf_talk *talk, struct perf_message *message, struct perf_run *ret)
{
	struct perf_report report;
	int rc = perf_talk_report(talk, message, 1, 1, &report);

	perf_message_free(message);
	if (rc)
		return rc;
	*ret = report.result[0].run[0];
	memset(&report.result[0].run[0], 0, sizeof(*ret));
	perf_report_free(&report);
	return 0;
}
