/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/gate.h"

#include <string.h>

#include "perf/gate_parts.h"

#define GATE(id, how, what, remedy) { #id, how, what, remedy },
const struct perf_gate_row perf_gate_rows[] = {
#include "perf/gate.def"
};
#undef GATE
const uint32_t perf_gate_rows_n = sizeof(perf_gate_rows) / sizeof(*perf_gate_rows);

#define GATE(id, how, what, remedy) gate_##id,
static bool (*const looks[])(const struct gate_at *at, char *why) = {
#include "perf/gate.def"
};
#undef GATE

/* "unknown (...)" of both sides is no sameness. */
static bool same(const struct perf_env *here, const struct perf_env *there, const char *name)
{
	const char *a = perf_env_get(here, name), *b = perf_env_get(there, name);

	return a && b && strncmp(a, "unknown", 7) != 0 && !strcmp(a, b);
}

static bool of_nics(const char *provider)
{
	return !strncmp(provider, "efa", 3) || !strncmp(provider, "verbs", 5);
}

/* Without a provider's name the first one was taken: the ways begin with it. */
static bool means_nic(const struct perf_result *result)
{
	const struct perf_case *c = &result->c;

	if (strcmp(c->backend, "fabric") != 0 && strcmp(c->backend, "weft") != 0)
		return false;
	if (*c->provider)
		return of_nics(c->provider);
	return result->runs && of_nics(result->run[0].here.ways);
}

void perf_gates(struct perf_result *result, const struct perf_env *here,
		const struct perf_env *there)
{
	bool one = same(here, there, "boot_id");
	const struct gate_at at = {
		.result = result,
		.c = &result->c,
		.here = here,
		.there = there,
		.alone = !strcmp(result->c.backend, "loop") || !strcmp(result->c.backend, "model"),
		.same_host = one,
		/* Hosts of weft emu have NICs of their own. */
		.same_nics =
			one && (!perf_env_get(here, "emulated") || same(here, there, "emulated")),
		.nic = means_nic(result),
	};
	struct perf_flag *flag;

	for (uint32_t i = 0; i < perf_gate_rows_n && result->flags < PERF_FLAGS_MAX; i++) {
		flag = &result->flag[result->flags];
		if (!looks[i](&at, flag->why))
			continue;
		flag->gate = perf_gate_rows[i].id;
		flag->how = perf_gate_rows[i].how;
		result->flags++;
		if (flag->how == PERF_INVALID)
			result->invalid = true;
	}
}
