/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "kv/bench.h"

static const double percents[] = { 50, 90, 99, 99.9 };

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double rate(double amount, uint64_t wall_ns)
{
	return wall_ns ? amount / seconds(wall_ns) : 0;
}

/* --- text ----------------------------------------------------------------------------------------
 */

static void row(const char *name, const struct phase *phase, const struct hist *hist)
{
	size_t i;

	printf("%-10s %10" PRIu64 " %11.0f %8.3f", name, hist->count,
	       rate((double)phase->ops, phase->wall_ns),
	       rate((double)phase->bytes / 1e9, phase->wall_ns));
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		printf(" %9.1f", (double)hist_percentile(hist, percents[i]) / 1e3);
	printf(" %9.1f %9.1f %8.2f %6" PRIu64 " %6" PRIu64 "\n", (double)hist->max / 1e3,
	       hist_mean(hist) / 1e3, seconds(phase->cpu_ns), phase->errors, phase->bad);
}

static void phase_rows(const struct bench *bench, enum phase_kind kind)
{
	const struct phase *phase = &bench->phases[kind];
	char name[32];

	if (!phase->ran)
		return;
	if (phase->writes->count && phase->reads->count) {
		snprintf(name, sizeof(name), "%s get", phase_names[kind]);
		row(name, phase, phase->reads);
		snprintf(name, sizeof(name), "%s put", phase_names[kind]);
		row(name, phase, phase->writes);
	} else {
		row(phase_names[kind], phase, phase->writes->count ? phase->writes : phase->reads);
	}
	if (phase->errors)
		printf("           first error: %s: %s\n", weft_strerror(phase->first_error),
		       phase->text);
}

void bench_report_text(const struct bench *bench)
{
	const struct kv_values *values = bench->values;
	enum phase_kind kind;

	printf("%s over %s %s, requests by %s; %" PRIu64 " keys of %" PRIu64
	       " bytes, %u clients, %u threads, %u in flight\n",
	       weft_version(), bench->connection.provider, bench->connection.device,
	       values->control ? "grpc" : "fabric", values->num_keys, bench->value_size,
	       bench->client_count, bench->thread_count, values->inflight);
	printf("%-10s %10s %11s %8s %9s %9s %9s %9s %9s %9s %8s %6s %6s\n", "phase", "ops", "ops/s",
	       "GB/s", "p50 us", "p90", "p99", "p99.9", "max", "mean", "cpu s", "errors", "wrong");
	for (kind = 0; kind < PHASE_COUNT; kind++)
		phase_rows(bench, kind);
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

static void json_hist(struct json *json, const char *key, const struct hist *hist)
{
	static const char *const names[] = { "p50", "p90", "p99", "p99_9" };
	size_t i;

	json_object(json, key);
	json_u64(json, "count", hist->count);
	json_u64(json, "min", hist->min);
	json_double(json, "mean", hist_mean(hist));
	for (i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		json_u64(json, names[i], hist_percentile(hist, percents[i]));
	json_u64(json, "max", hist->max);
	json_object_end(json);
}

static void json_phase(struct json *json, const struct bench *bench, enum phase_kind kind)
{
	const struct phase *phase = &bench->phases[kind];

	if (!phase->ran)
		return;
	json_object(json, phase_names[kind]);
	json_u64(json, "ops", phase->ops);
	json_u64(json, "bytes", phase->bytes);
	json_u64(json, "errors", phase->errors);
	json_u64(json, "wrong", phase->bad);
	json_double(json, "wall_s", seconds(phase->wall_ns));
	json_double(json, "cpu_s", seconds(phase->cpu_ns));
	json_double(json, "ops_per_s", rate((double)phase->ops, phase->wall_ns));
	json_double(json, "bytes_per_s", rate((double)phase->bytes, phase->wall_ns));
	if (phase->reads->count)
		json_hist(json, kind == PHASE_DELETE ? "delete_ns" : "get_ns", phase->reads);
	if (phase->writes->count)
		json_hist(json, "put_ns", phase->writes);
	if (phase->errors)
		json_string(json, "first_error", weft_error_name(phase->first_error));
	json_object_end(json);
}

/* First line of a file that begins with prefix: what follows the colon. */
static bool read_field(const char *path, const char *prefix, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	char *colon;

	if (!file)
		return false;
	while (!found && fgets(buf, (int)size, file))
		found = !strncmp(buf, prefix, strlen(prefix));
	fclose(file);
	buf[strcspn(buf, "\n")] = '\0';
	colon = strchr(buf, ':');
	if (found && colon)
		memmove(buf, colon + 1 + strspn(colon + 1, " \t"),
			strlen(colon + 1 + strspn(colon + 1, " \t")) + 1);
	return found;
}

static void json_environment(struct json *json, const struct bench *bench)
{
	struct utsname name;
	char cpu[256];

	json_object(json, "environment");
	json_string(json, "weft", weft_version());
	json_string(json, "libfabric", weft_libfabric_version());
	json_string(json, "provider", bench->connection.provider);
	json_string(json, "libfabric_provider", bench->connection.libfabric);
	json_string(json, "device", bench->connection.device);
	json_u64(json, "node_id", bench->connection.node_id);
	json_u64(json, "credits", bench->connection.credits);
	if (!uname(&name)) {
		json_string(json, "host", name.nodename);
		json_string(json, "kernel", name.release);
		json_string(json, "machine", name.machine);
	}
	if (read_field("/proc/cpuinfo", "model name", cpu, sizeof(cpu)))
		json_string(json, "cpu", cpu);
	json_i64(json, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_object_end(json);
}

static void json_setup(struct json *json, const struct bench *bench)
{
	const struct kv_values *values = bench->values;

	json_object(json, "setup");
	json_string(json, "server_addr", values->in_process ? "in-process" : values->server_addr);
	json_string(json, "control", values->control ? "grpc" : "fabric");
	json_u64(json, "num_keys", values->num_keys);
	json_u64(json, "value_size", bench->value_size);
	json_u64(json, "clients", bench->client_count);
	json_u64(json, "threads", bench->thread_count);
	json_u64(json, "inflight", values->inflight);
	json_u64(json, "repeat_reads", values->repeat_reads);
	json_u64(json, "ops", values->ops);
	json_double(json, "zipf", values->zipf);
	json_u64(json, "mix", values->mix);
	json_u64(json, "buffer_bytes", values->buffer_mb << 20);
	json_bool(json, "content_verified", !values->no_verify);
	json_object_end(json);
}

void bench_report_json(const struct bench *bench)
{
	enum phase_kind kind;
	struct json json;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_environment(&json, bench);
	json_setup(&json, bench);
	json_object(&json, "phases");
	for (kind = 0; kind < PHASE_COUNT; kind++)
		json_phase(&json, bench, kind);
	json_object_end(&json);
	json_object_end(&json);
	json_end(&json);
	putchar('\n');
}
