/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/backend.h"
#include "perf/report.h"
#include "perf/report_fields.h"
#include "perf/report_figures.h"
#include "perf/report_pair.h"
#include "perf/stats.h"

#define EXACT_MAX ((uint64_t)1 << 53) /* of a double, as which others read numbers */

struct out {
	struct json json;
	const struct perf_report *report;
	bool brief;
	int error; /* that is not the file's */
};

static void put_u64(struct json *json, const char *key, uint64_t value)
{
	char text[24];

	if (value <= EXACT_MAX) {
		json_u64(json, key, value);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	json_string(json, key, text);
}

/* A decimal of up to 128 bits. */
static void put_sum(struct json *json, const char *key, unsigned __int128 value)
{
	char text[48], *at = text + sizeof(text);

	*--at = '\0';
	do {
		*--at = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	json_string(json, key, at);
}

static void put_buckets(struct json *json, const struct hist *hist, bool counts)
{
	json_array(json, counts ? "counts" : "lows_ns");
	for (uint32_t i = 0; i < HIST_BUCKETS && !json->error; i++)
		if (hist->buckets[i])
			put_u64(json, NULL, counts ? hist->buckets[i] : hist_bucket_low(i));
	json_array_end(json);
}

static void put_hist(struct json *json, const char *key, const struct hist *hist)
{
	if (!hist) {
		json_null(json, key);
		return;
	}
	json_object(json, key);
	put_u64(json, "count", hist->count);
	put_u64(json, "min_ns", hist->min);
	put_u64(json, "max_ns", hist->max);
	put_sum(json, "sum_ns", hist->sum);
	put_buckets(json, hist, false);
	put_buckets(json, hist, true);
	json_object_end(json);
}

static void put_numbers(struct json *json, const char *key, const uint64_t *numbers, uint32_t n)
{
	if (!numbers) {
		json_null(json, key);
		return;
	}
	json_array(json, key);
	for (uint32_t i = 0; i < n && !json->error; i++)
		put_u64(json, NULL, numbers[i]);
	json_array_end(json);
}

static void put_word(struct json *json, const struct perf_field *field, const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	json_string(json, field->name, field->word(value));
}

static void put_object(struct out *out, const char *key, const struct perf_object *object,
		       const char *base);

static void put_list(struct out *out, const struct perf_field *field, const char *first, uint32_t n)
{
	json_array(&out->json, field->name);
	for (uint32_t i = 0; i < n && !out->json.error; i++)
		put_object(out, NULL, field->of, first + i * field->size);
	json_array_end(&out->json);
}

/* A pointer that is a member. */
static const void *pointer_at(const void *at)
{
	const void *pointer;

	memcpy(&pointer, at, sizeof(pointer));
	return pointer;
}

static void put_field(struct out *out, const struct perf_field *field, const char *base)
{
	const void *at = base + field->at;
	const uint32_t *count = (const void *)(base + field->count_at);
	struct json *json = &out->json;

	switch (field->kind) {
	case FIELD_U64:
		put_u64(json, field->name, *(const uint64_t *)at);
		break;
	case FIELD_U32:
		json_u64(json, field->name, *(const uint32_t *)at);
		break;
	case FIELD_CODE:
		json_i64(json, field->name, *(const int *)at);
		break;
	case FIELD_DOUBLE:
		json_double(json, field->name, *(const double *)at);
		break;
	case FIELD_BOOL:
		json_bool(json, field->name, *(const bool *)at);
		break;
	case FIELD_TEXT:
		json_string_n(json, field->name, at, strnlen(at, field->size));
		break;
	case FIELD_STRING:
		at = pointer_at(at);
		json_string(json, field->name, at ? at : "");
		break;
	case FIELD_WORD:
		put_word(json, field, at);
		break;
	case FIELD_OBJECT:
		put_object(out, field->name, field->of, at);
		break;
	case FIELD_LIST:
		put_list(out, field, pointer_at(at), *count);
		break;
	case FIELD_INSIDE:
		put_list(out, field, at, *count);
		break;
	case FIELD_NUMBERS:
		put_numbers(json, field->name, pointer_at(at), *count);
		break;
	case FIELD_HIST:
		put_hist(json, field->name, pointer_at(at));
		break;
	}
}

static void put_percentiles(struct json *json, const char *key, const struct hist *hist)
{
	json_array(json, key);
	for (uint32_t i = 0; hist && i < perf_shares_n; i++) {
		json_object(json, NULL);
		json_double(json, "share", perf_shares[i].share);
		json_string(json, "name", perf_shares[i].name);
		json_double(json, "ns", perf_percentile(hist, perf_shares[i].share));
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_cost(struct json *json, const char *key, const struct perf_cost *cost)
{
	json_object(json, key);
	json_double(json, "process_s_per_gb", cost->process_s_per_gb);
	json_double(json, "softirq_s_per_gb", cost->softirq_s_per_gb);
	json_double(json, "machine_s_per_gb", cost->machine_s_per_gb);
	json_double(json, "process_us_per_op", cost->process_us_per_op);
	json_double(json, "machine_us_per_op", cost->machine_us_per_op);
	json_object_end(json);
}

/* What follows from the rest; the reader passes over it. */
static void put_derived(struct json *json, const struct perf_report *report,
			const struct perf_result *r)
{
	const struct hist *latency = r->latency;
	struct perf_cost here, there;

	perf_costs(r, &here, &there);
	json_object(json, "derived");
	json_string(json, "layer", perf_layer(r));
	json_string(json, "label", perf_label(report, r).text);
	json_bool(json, "round_trip", perf_round_trip(&r->c));
	json_double(json, "share_of_line_rate", perf_line_share(report, r));
	json_double(json, "half_interval", perf_median_width(perf_main_figure(r)));
	json_double(json, "mean_ns", latency && latency->count ? hist_mean(latency) : NAN);
	json_double(json, "sd_ns", latency && latency->count ? hist_stddev(latency) : NAN);
	put_percentiles(json, "percentiles", latency);
	put_percentiles(json, "closed_percentiles", r->closed);
	put_cost(json, "cost_here", &here);
	put_cost(json, "cost_there", &there);
	json_array(json, "remedies");
	for (uint32_t i = 0; i < r->flags; i++)
		json_string(json, NULL, perf_remedy(&r->flag[i]));
	json_array_end(json);
	json_object_end(json);
}

/* Index of a result of the report. */
static void put_index(struct json *json, const char *key, const struct perf_report *report,
		      const struct perf_result *r)
{
	json_u64(json, key, (uint64_t)(r - report->result));
}

/* Back ends against each other; the reader passes over it. Returns 0 or -ENOMEM. */
static int put_pairs(struct json *json, const struct perf_report *report)
{
	struct perf_pair *pairs = NULL;
	int n = perf_pair_inside(report, &pairs);

	if (n < 0)
		return n;
	json_array(json, "pairs");
	for (int i = 0; i < n; i++) {
		json_object(json, NULL);
		put_index(json, "a", report, pairs[i].a);
		put_index(json, "b", report, pairs[i].b);
		json_double(json, "ratio", pairs[i].ratio.median);
		json_double(json, "low", pairs[i].ratio.low);
		json_double(json, "high", pairs[i].ratio.high);
		json_i64(json, "verdict", pairs[i].verdict);
		json_object_end(json);
	}
	json_array_end(json);
	free(pairs);
	return 0;
}

static bool left_out(const struct out *out, const struct perf_object *object,
		     const struct perf_field *field)
{
	return out->brief && field->kind == FIELD_HIST && object != &perf_result_object;
}

static void put_object(struct out *out, const char *key, const struct perf_object *object,
		       const char *base)
{
	json_object(&out->json, key);
	if (object == &perf_report_object) {
		json_string(&out->json, "schema", PERF_SCHEMA_NAME);
		json_u64(&out->json, "version", PERF_SCHEMA_VERSION);
		json_string(&out->json, "weft", WEFT_VERSION);
	}
	for (uint32_t i = 0; i < object->fields; i++)
		if (left_out(out, object, &object->field[i]))
			json_null(&out->json, object->field[i].name);
		else
			put_field(out, &object->field[i], base);
	if (object == &perf_report_object && !out->error)
		out->error = put_pairs(&out->json, out->report);
	if (object == &perf_result_object)
		put_derived(&out->json, out->report, (const void *)base);
	json_object_end(&out->json);
}

int perf_write_json_as(const struct perf_report *report, bool brief, FILE *file)
{
	struct out out = { .report = report, .brief = brief };
	int rc;

	json_begin_file(&out.json, file);
	put_object(&out, NULL, &perf_report_object, (const char *)report);
	rc = json_end(&out.json);
	if (out.error)
		return out.error;
	if (rc == -EINVAL)
		return err_set(rc, "the report as JSON: nested wrongly");
	return perf_file_end(file, rc);
}

int perf_write_json(const struct perf_report *report, FILE *file)
{
	int rc = perf_write_json_as(report, false, file);

	if (!rc && fputc('\n', file) < 0)
		rc = -EIO;
	return perf_file_end(file, rc);
}
