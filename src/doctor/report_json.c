/* SPDX-License-Identifier: Apache-2.0 */
/* docs/doctor.schema.json describes it. */
#include <string.h>

#include "doctor/report.h"

static void put_text(struct json *json, const char *key, const char *text)
{
	if (text && *text)
		json_string(json, key, text);
	else
		json_null(json, key);
}

static void put_lines(struct json *json, const char *key, const char *text)
{
	size_t len;

	json_array(json, key);
	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		json_string_n(json, NULL, text, len);
	}
	json_array_end(json);
}

static void put_needs(struct json *json, const struct doctor_check *row)
{
	const char *text = row->needs, *id;
	size_t len;

	json_array(json, "needs");
	while ((len = doctor_next_id(&text, &id)))
		json_string_n(json, NULL, id, len);
	json_array_end(json);
}

static void put_check(struct json *json, const struct doctor_check *row,
		      const struct doctor_result *result)
{
	const struct finding *f = &result->finding;

	json_object(json, NULL);
	json_string(json, "id", row->id);
	json_string(json, "name", row->name);
	json_string(json, "severity", doctor_severity_word(row->severity));
	json_string(json, "status", doctor_verdict_word(f->verdict));
	json_string(json, "text", f->text);
	put_text(json, "consequence", f->consequence);
	put_text(json, "fix", f->fix);
	put_lines(json, "evidence", f->evidence);
	put_needs(json, row);
	json_string(json, "source", row->source);
	json_u64(json, "ns", result->ns);
	json_object_end(json);
}

static void put_counts(struct json *json, const struct doctor_summary *summary)
{
	json_object(json, "counts");
	for (int i = 0; i < DOCTOR_VERDICTS; i++)
		json_u64(json, doctor_verdict_word((enum doctor_verdict)i), summary->counts[i]);
	json_object_end(json);
}

void report_json(const struct doctor_report *report, FILE *out)
{
	const struct doctor_table *table = report->table;
	struct json json;

	json_begin_file(&json, out);
	json_object(&json, NULL);
	json_string(&json, "schema", DOCTOR_SCHEMA);
	json_u64(&json, "version", DOCTOR_SCHEMA_VERSION);
	json_string(&json, "program", "weft " WEFT_VERSION);
	json_string(&json, "time", report->time);
	put_text(&json, "host", report->host);
	put_text(&json, "instance_type", report->instance);
	put_text(&json, "kernel", report->kernel);
	put_text(&json, "sysroot", report->doctor->root.path);
	json_string(&json, "verdict", report_word(report));
	put_counts(&json, &report->summary);
	json_array(&json, "root_causes");
	for (uint32_t i = 0; i < report->summary.causes_n; i++)
		json_string(&json, NULL, table->checks[report->summary.causes[i]].id);
	json_array_end(&json);
	json_array(&json, "checks");
	for (size_t i = 0; i < table->count; i++)
		if (report->results[i].wanted)
			put_check(&json, &table->checks[i], &report->results[i]);
	json_array_end(&json);
	json_object_end(&json);
	json_end(&json); /* the stream remembers what failed */
	fputc('\n', out);
}

void list_json(const struct doctor_table *table, FILE *out)
{
	const struct doctor_check *row = table->checks;
	struct json json;

	json_begin_file(&json, out);
	json_array(&json, NULL);
	for (; row < table->checks + table->count; row++) {
		json_object(&json, NULL);
		json_string(&json, "id", row->id);
		json_string(&json, "name", row->name);
		json_string(&json, "severity", doctor_severity_word(row->severity));
		put_needs(&json, row);
		json_string(&json, "what", row->what);
		json_string(&json, "consequence", row->consequence);
		json_string(&json, "detect", row->detect);
		put_text(&json, "fix", row->fix);
		json_string(&json, "source", row->source);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_end(&json);
	fputc('\n', out);
}
