/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>

#include "base/json.h"

static void report_setting(struct json *json, const struct report *r)
{
	json_string(json, "program", r->program);
	json_string(json, "provider", r->provider);
	json_string(json, "version", r->version);
	json_string(json, "mode", r->mode);
	json_string(json, "checksum", r->checksum);
	json_u64(json, "size", r->size);
	json_u64(json, "window", r->window);
	json_u64(json, "clients", r->clients);
	if (!r->kv)
		json_bool(json, "delivery_complete", r->delivery_complete);
}

static void report_figures(struct json *json, const struct report *r)
{
	const double seconds = r->elapsed_ns / 1e9, gb = r->ops * r->size / 1e9;
	const double cpu = r->cpu_initiator_s + r->cpu_target_s;

	json_double(json, "seconds", seconds);
	json_u64(json, "ops", r->ops);
	json_double(json, "ops_per_s", r->ops / seconds);
	json_double(json, "gb_per_s", gb / seconds);
	json_double(json, "p50_us", hist_percentile(r->latency, 50) / 1e3);
	json_double(json, "p99_us", hist_percentile(r->latency, 99) / 1e3);
	json_double(json, "max_us", r->latency->max / 1e3);
	json_double(json, "cpu_initiator_s", r->cpu_initiator_s);
	json_double(json, "cpu_target_s", r->cpu_target_s);
	json_double(json, "cpu_s_per_gb", gb > 0 ? cpu / gb : 0);
}

/* Times are those of CLOCK_MONOTONIC, so that what others did can be put beside. */
static void report_series(struct json *json, const struct report *r)
{
	uint32_t i;

	json_u64(json, "start_ns", r->start_ns);
	json_u64(json, "series_ns", r->series_ns);
	json_array(json, "series");
	for (i = 0; i < r->series_n; i++)
		json_u64(json, NULL, r->series[i]);
	json_array_end(json);
}

int report_print(const struct report *r)
{
	struct json json;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	report_setting(&json, r);
	report_figures(&json, r);
	if (r->series)
		report_series(&json, r);
	json_object_end(&json);
	putchar('\n');
	return json_end(&json);
}
