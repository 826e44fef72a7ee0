/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "perf/matrix.h"

static bool is_latency(const struct matrix *matrix)
{
	return matrix->c.test == PERF_LAT || matrix->c.test == PERF_OPEN ||
	       matrix->c.test == PERF_SETUP;
}

/* As people read it: GB/s, or microseconds. */
static double shown(const struct matrix *matrix, double value)
{
	return is_latency(matrix) ? 1e6 / value : value / 1e9;
}

void matrix_print(const struct matrix *matrix, FILE *file)
{
	bool latency = is_latency(matrix);

	fprintf(file, "%s by %s of %" PRIu64 " bytes, back end %s; median of all %.3f %s\n\n",
		perf_test_word(matrix->c.test), perf_op_word(matrix->c.op), matrix->c.size,
		matrix->c.backend, shown(matrix, matrix->median), latency ? "us" : "GB/s");
	fprintf(file, "%-40s %6s %10s %10s %10s\n", "host", "pairs", latency ? "us" : "GB/s",
		"worst", "best");
	for (uint32_t i = 0; i < matrix->hosts; i++) {
		const struct matrix_host *host = &matrix->host[i];

		if (host->pairs)
			fprintf(file, "%-40s %6u %10.3f %10.3f %10.3f%s\n", host->address,
				host->pairs, shown(matrix, host->median), shown(matrix, host->low),
				shown(matrix, host->high), host->slow ? "  SLOW" : "");
		else
			fprintf(file, "%-40s %6u %10s\n", host->address, 0, "none");
	}
	if (matrix->hosts == 2)
		fprintf(file, "\nOf two hosts nobody can tell which one is slow: name more.\n");
}

static void put_pair(struct json *json, const struct matrix *matrix, const struct matrix_pair *pair)
{
	json_object(json, NULL);
	json_string(json, "a", matrix->host[pair->a].address);
	json_string(json, "b", matrix->host[pair->b].address);
	if (pair->error) {
		json_i64(json, "error", pair->error);
		json_string(json, "why", pair->why);
	} else {
		json_double(json, is_latency(matrix) ? "p50_us" : "gb_per_s",
			    shown(matrix, pair->value));
	}
	json_object_end(json);
}

/* The names and values of docs/perf-json.md, "facts". */
static void put_env(struct json *json, const struct perf_env *env)
{
	json_double(json, "line_rate_bytes_per_s", env->line_rate);
	json_array(json, "facts");
	for (uint32_t i = 0; i < env->facts; i++) {
		json_object(json, NULL);
		json_string(json, "name", env->fact[i].name);
		json_string(json, "value", env->fact[i].value);
		json_object_end(json);
	}
	json_array_end(json);
}

static void put_all(struct json *json, const struct matrix *matrix)
{
	const char *unit = is_latency(matrix) ? "p50_us" : "gb_per_s";

	json_object(json, NULL);
	json_string(json, "schema", "weft-perf-matrix");
	json_u64(json, "schema_version", 1);
	json_string(json, "test", perf_test_word(matrix->c.test));
	json_string(json, "op", perf_op_word(matrix->c.op));
	json_string(json, "backend", matrix->c.backend);
	json_u64(json, "size", matrix->c.size);
	json_array(json, "hosts");
	for (uint32_t i = 0; i < matrix->hosts; i++) {
		const struct matrix_host *host = &matrix->host[i];

		json_object(json, NULL);
		json_string(json, "address", host->address);
		json_u64(json, "pairs", host->pairs);
		json_double(json, unit, shown(matrix, host->median));
		json_bool(json, "slow", host->slow);
		put_env(json, &host->env);
		json_object_end(json);
	}
	json_array_end(json);
	json_array(json, "pairs");
	for (uint32_t i = 0; i < matrix->pairs; i++)
		if (matrix->pair[i].done)
			put_pair(json, matrix, &matrix->pair[i]);
	json_array_end(json);
	json_object_end(json);
}

int matrix_write_json(const struct matrix *matrix, const char *path)
{
	FILE *file = !strcmp(path, "-") ? stdout : fopen(path, "w");
	struct json json;
	int rc;

	if (!file)
		return err_set(-EIO, "%s cannot be written: %s", path, strerror(errno));
	json_begin_file(&json, file);
	put_all(&json, matrix);
	rc = json_end(&json);
	if (!rc && (fputc('\n', file) == EOF || fflush(file)))
		rc = -EIO;
	if (file != stdout && fclose(file) && !rc)
		rc = -EIO;
	return rc ? err_set(-EIO, "%s cannot be written: is the disk full?", path) : 0;
}
