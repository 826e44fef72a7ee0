/* SPDX-License-Identifier: Apache-2.0 */
/* What a server tells of its cache and its engine, as metrics and as JSON. */
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include <weft/stats.h>

#include "base/err.h"
#include "base/json.h"
#include "kv/server.h"
#include "serve/watch.h"
#include "watch/metrics.h"

#define ERRORS_MAX 128
#define RAILS_MAX  64

struct figures {
	struct weft_kv_stats kv;
	struct weft_stats engine;
	struct weft_latency latency[2]; /* WEFT_WRITE, WEFT_READ */
	struct weft_error_count errors[ERRORS_MAX];
	struct weft_rail_info rails[RAILS_MAX];
	int error_count;
	uint32_t rail_count;
};

static const char *const kinds[] = { [WEFT_WRITE] = "write", [WEFT_READ] = "read" };

static const char *error_text(const struct weft_error_count *count)
{
	return count->code ? weft_error_name(count->code) : "OTHER";
}

/* One reading: the pages of the moment tell the same. */
static int read_figures(struct server *server, struct figures *ret)
{
	struct weft *weft = server_engine(server);
	int rc;

	ret->engine.size = sizeof(ret->engine);
	rc = weft_stats(weft, &ret->engine);
	for (uint32_t i = 0; i < 2 && !rc; i++) {
		ret->latency[i].size = sizeof(ret->latency[i]);
		rc = weft_latency(weft, i, &ret->latency[i]);
	}
	for (uint32_t i = 0; i < ERRORS_MAX; i++)
		ret->errors[i].size = sizeof(ret->errors[i]);
	ret->error_count = rc ? rc : weft_errors(weft, ret->errors, ERRORS_MAX);
	if (ret->error_count < 0)
		return ret->error_count;
	if (ret->error_count > ERRORS_MAX)
		ret->error_count = ERRORS_MAX;
	for (ret->rail_count = 0; ret->rail_count < RAILS_MAX; ret->rail_count++) {
		ret->rails[ret->rail_count].size = sizeof(*ret->rails);
		if (weft_rail(weft, ret->rail_count, &ret->rails[ret->rail_count]))
			break;
	}
	server_stats(server, &ret->kv);
	return 0;
}

/* --- metrics --------------------------------------------------------------------------------- */

static void put_one(FILE *out, enum metric_id id, uint64_t value)
{
	metric_head(out, id);
	metric_u64(out, id, NULL, value);
}

static void put_counters(FILE *out, const struct figures *figures)
{
#define METRIC_KV(field, ...)     put_one(out, METRIC_KV_##field, figures->kv.field);
#define METRIC_ENGINE(field, ...) put_one(out, METRIC_ENGINE_##field, figures->engine.field);
#include "watch/metrics.def"
}

/* NaN: nothing was measured. */
static double seconds(const struct weft_latency *latency, uint64_t ns)
{
	return latency->count ? (double)ns / (double)NSEC_PER_SEC : (double)NAN;
}

static void put_latency(FILE *out, const struct figures *figures)
{
	const enum metric_id id = METRIC_transfer_seconds;
	const struct weft_latency *of;

	metric_head(out, id);
	for (uint32_t i = 0; i < 2; i++) {
		of = &figures->latency[i];
		metric_part(out, id, &kinds[i], "", "0.5", seconds(of, of->p50));
		metric_part(out, id, &kinds[i], "", "0.9", seconds(of, of->p90));
		metric_part(out, id, &kinds[i], "", "0.99", seconds(of, of->p99));
		metric_part(out, id, &kinds[i], "", "0.999", seconds(of, of->p999));
		metric_part(out, id, &kinds[i], "_sum", NULL,
			    (double)of->sum / (double)NSEC_PER_SEC);
		metric_part(out, id, &kinds[i], "_count", NULL, (double)of->count);
	}
	metric_head(out, METRIC_transfer_longest);
	for (uint32_t i = 0; i < 2; i++)
		metric_real(out, METRIC_transfer_longest, &kinds[i],
			    seconds(&figures->latency[i], figures->latency[i].max));
}

static void put_errors(FILE *out, const struct figures *figures, enum metric_id id, size_t offset)
{
	const struct weft_error_count *count;
	const char *value;

	if (figures->error_count)
		metric_head(out, id);
	for (int i = 0; i < figures->error_count; i++) {
		count = &figures->errors[i];
		value = error_text(count);
		metric_u64(out, id, &value, *(const uint64_t *)((const char *)count + offset));
	}
}

static void put_rails(FILE *out, const struct figures *figures, enum metric_id id, size_t offset)
{
	const struct weft_rail_info *rail;
	char index[16];

	metric_head(out, id);
	for (uint32_t i = 0; i < figures->rail_count; i++) {
		rail = &figures->rails[i];
		snprintf(index, sizeof(index), "%u", i);
		const char *values[] = { index, rail->provider, rail->device };

		metric_u64(out, id, values, *(const uint64_t *)((const char *)rail + offset));
	}
}

static void put_rail_info(FILE *out, const struct figures *figures)
{
	const struct weft_rail_info *rail;
	char index[16];

	metric_head(out, METRIC_rail_info);
	for (uint32_t i = 0; i < figures->rail_count; i++) {
		rail = &figures->rails[i];
		snprintf(index, sizeof(index), "%u", i);
		const char *values[] = { index, rail->provider, rail->libfabric, rail->fabric,
					 rail->device };

		metric_u64(out, METRIC_rail_info, values, 1);
	}
}

static void put_rail_broken(FILE *out, const struct figures *figures)
{
	const struct weft_rail_info *rail;
	char index[16];

	metric_head(out, METRIC_rail_broken);
	for (uint32_t i = 0; i < figures->rail_count; i++) {
		rail = &figures->rails[i];
		snprintf(index, sizeof(index), "%u", i);
		const char *values[] = { index, rail->provider, rail->device };

		metric_u64(out, METRIC_rail_broken, values, rail->reason != 0);
	}
}

int figures_metrics(void *opts, FILE *out)
{
	const char *build[] = { "weft serve", WEFT_VERSION, weft_libfabric_version() };
	const struct watch_opts *of = opts;
	struct figures figures;
	int rc = read_figures(of->server, &figures);

	if (rc)
		return rc;
	put_counters(out, &figures);
	put_latency(out, &figures);
#define PUT_ERRORS(id, field) \
	put_errors(out, &figures, METRIC_##id, offsetof(struct weft_error_count, field))
	PUT_ERRORS(error_transfers, transfers);
	PUT_ERRORS(error_operations, operations);
	PUT_ERRORS(error_refused, refused);
#undef PUT_ERRORS
	put_rail_info(out, &figures);
	put_rail_broken(out, &figures);
#define PUT_RAILS(id, field) \
	put_rails(out, &figures, METRIC_##id, offsetof(struct weft_rail_info, field))
	PUT_RAILS(rail_posted, posted);
	PUT_RAILS(rail_done, done);
	PUT_RAILS(rail_errors, errors);
	PUT_RAILS(rail_bytes, bytes);
	PUT_RAILS(rail_in_flight, in_flight);
#undef PUT_RAILS
	metric_head(out, METRIC_build);
	metric_u64(out, METRIC_build, build, 1);
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------ */

static void json_counters(struct json *json, const struct figures *figures)
{
#define PUT(name, text) json_u64(json, #name, figures->kv.name);
	json_object(json, "kv");
	WEFT_KV_COUNTER_MAP(PUT)
	json_object_end(json);
#undef PUT
#define PUT(name, text) json_u64(json, #name, figures->engine.name);
	json_object(json, "engine");
	WEFT_COUNTER_MAP(PUT)
	json_object_end(json);
#undef PUT
#define PUT(name, text) json_u64(json, #name, figures->latency[i].name);
	json_object(json, "latency");
	for (uint32_t i = 0; i < 2; i++) {
		json_object(json, kinds[i]);
		WEFT_LATENCY_MAP(PUT)
		json_object_end(json);
	}
	json_object_end(json);
#undef PUT
}

static void json_lists(struct json *json, const struct figures *figures)
{
	json_array(json, "errors");
	for (int i = 0; i < figures->error_count; i++) {
		json_object(json, NULL);
		json_string(json, "error", error_text(&figures->errors[i]));
		json_u64(json, "transfers", figures->errors[i].transfers);
		json_u64(json, "operations", figures->errors[i].operations);
		json_u64(json, "refused", figures->errors[i].refused);
		json_object_end(json);
	}
	json_array_end(json);
	json_array(json, "rails");
	for (uint32_t i = 0; i < figures->rail_count; i++) {
		json_object(json, NULL);
		json_string(json, "provider", figures->rails[i].provider);
		json_string(json, "device", figures->rails[i].device);
		json_u64(json, "posted", figures->rails[i].posted);
		json_u64(json, "done", figures->rails[i].done);
		json_u64(json, "errors", figures->rails[i].errors);
		json_u64(json, "bytes", figures->rails[i].bytes);
		json_u64(json, "in_flight", figures->rails[i].in_flight);
		json_string(json, "broken", figures->rails[i].why);
		json_object_end(json);
	}
	json_array_end(json);
}

int figures_stats(void *opts, FILE *out)
{
	const struct watch_opts *of = opts;
	struct figures figures;
	struct json json;
	int rc = read_figures(of->server, &figures);

	if (rc)
		return rc;
	json_begin_file(&json, out);
	json_object(&json, NULL);
	json_string(&json, "program", "weft serve");
	json_string(&json, "version", WEFT_VERSION);
	json_u64(&json, "pid", (uint64_t)getpid());
	json_string(&json, "listen", of->listen);
	json_string(&json, "provider", of->provider);
	json_counters(&json, &figures);
	json_lists(&json, &figures);
	json_object_end(&json);
	rc = json_end(&json);
	fputc('\n', out);
	return rc ? err_set(rc, "the figures as JSON") : 0;
}
