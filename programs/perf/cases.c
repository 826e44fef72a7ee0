/* SPDX-License-Identifier: Apache-2.0 */
/* From options to cases. What is not possible is said, never made to fit. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "common/program.h"
#include "perf/backend.h"
#include "perf/perf.h"

static bool given(const struct command_line *line, const char *name)
{
	return opt_given(line->table, &line->result, name);
}

/* Tests in which one operation follows the other. */
static bool is_single(enum perf_test test)
{
	return test == PERF_LAT || test == PERF_SETUP || test == PERF_REG;
}

static int check_together(const struct command_line *line)
{
	const struct perf_values *values = &line->values;
	enum perf_test test = (enum perf_test)values->test;

	if (given(line, "duration") && values->iters)
		return program_usage(NAME, "--duration and --iters exclude each other");
	if (given(line, "eps") && values->qps)
		return program_usage(NAME, "--eps and --qps are the same: give one");
	if (test == PERF_OPEN && !(values->rate > 0))
		return program_usage(NAME, "the test open needs --rate: operations per second");
	if (is_single(test) && given(line, "window") && values->window != 1)
		return program_usage(NAME,
				     "the test %s has one operation in flight: leave "
				     "--window out",
				     perf_test_word(test));
	return 0;
}

int case_from(const struct command_line *line, struct perf_case *ret)
{
	const struct perf_values *values = &line->values;
	enum perf_test test = (enum perf_test)values->test;
	struct perf_case c = {
		.test = test,
		.op = (enum perf_op)values->op,
		.nics = values->nics,
		.window = is_single(test) ? 1 : values->window,
		.threads = values->threads,
		.eps = values->qps ? values->qps : values->eps,
		.post_list = values->post_list,
		.inline_bytes = values->inline_bytes,
		.bidir = values->bidir,
		.validate = values->validate,
		.duration_ns = values->iters ? 0 : values->duration,
		.iters = values->iters,
		.rate = values->rate,
		.pace = values->pace,
		.warm_ns = values->warm,
		.seed = values->seed,
	};
	int rc = check_together(line);

	if (rc)
		return rc;
	if (values->provider)
		snprintf(c.provider, sizeof(c.provider), "%s", values->provider);
	if (values->devices)
		snprintf(c.devices, sizeof(c.devices), "%s", values->devices);
	if (values->model)
		snprintf(c.model, sizeof(c.model), "%s", values->model);
	*ret = c;
	return 0;
}

int case_backend(struct perf_case *c, const char *text)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const struct perf_backend *const *at;
	char names[256] = "";
	size_t used;

	snprintf(c->backend, sizeof(c->backend), "%.*s", (int)len, text);
	if (colon && strlen(colon + 1) >= sizeof(c->provider))
		return program_usage(NAME, "'%s': the provider's name is too long", text);
	if (colon)
		snprintf(c->provider, sizeof(c->provider), "%s", colon + 1);
	if (len < sizeof(c->backend) && perf_backend_find(c->backend))
		return 0;
	for (at = perf_backends; *at; at++) {
		used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", (*at)->name);
	}
	return program_usage(NAME, "there is no back end '%s': there are %s", c->backend, names);
}

bool case_has_provider(const struct perf_case *c)
{
	return !strcmp(c->backend, "fabric") || !strcmp(c->backend, "weft");
}

bool case_is_alone(const struct perf_case *c)
{
	const struct perf_backend *backend = perf_backend_find(c->backend);

	return backend && backend->one_process;
}

/* --- sizes ------------------------------------------------------------------------------------ */

struct sizes {
	uint64_t *at;
	uint32_t n;
	bool full;
};

static void add(struct sizes *sizes, uint64_t size)
{
	for (uint32_t i = 0; i < sizes->n; i++)
		if (sizes->at[i] == size)
			return;
	if (sizes->n == PERF_SIZES)
		sizes->full = true;
	else
		sizes->at[sizes->n++] = size;
}

/* Sizes at which the provider changes its protocol, and their neighbours, as far as it takes them.
 */
static int add_edges(struct sizes *sizes, const struct perf_case *c)
{
	const struct perf_backend *backend = perf_backend_find(c->backend);
	struct perf_case small = *c;
	struct perf_limits limits = { 0 };
	int rc;

	small.size = 1;
	rc = backend->limits(&small, &limits);
	if (rc)
		return program_fail(NAME, rc, "--size edges");
	if (!limits.edges)
		return program_usage(NAME, "--size edges: back end %s%s%s has no protocol edges",
				     c->backend, c->provider[0] ? " with provider " : "",
				     c->provider);
	for (uint32_t i = 0; i < limits.edges && i < PERF_EDGES_MAX; i++)
		for (int by = -1; by <= 1; by++) {
			uint64_t size = limits.edge[i] + (uint64_t)(int64_t)by;

			if (size && size <= limits.max_size)
				add(sizes, size);
		}
	return 0;
}

static int add_item(struct sizes *sizes, const struct perf_case *c, char *text)
{
	char *range = strstr(text, "..");
	uint64_t low, high;

	if (!strcmp(text, "edges"))
		return add_edges(sizes, c);
	if (range)
		*range = '\0';
	if (opt_scaled(OPT_TYPE_size, text, &low) || !low ||
	    (range && opt_scaled(OPT_TYPE_size, range + 2, &high)))
		return program_usage(NAME,
				     "--size: '%s%s%s' is no size (64, 64KiB, 64..1MiB, edges)",
				     text, range ? ".." : "", range ? range + 2 : "");
	if (!range) {
		add(sizes, low);
		return 0;
	}
	if (high < low)
		return program_usage(NAME, "--size: %s..%s goes down", text, range + 2);
	for (; low < high && !sizes->full; low = low > high / 2 ? high : low * 2)
		add(sizes, low);
	add(sizes, high);
	return 0;
}

static const char *default_sizes(enum perf_test test)
{
	switch (test) {
	case PERF_BW:
		return "64KiB";
	case PERF_REG:
		return "1MiB";
	case PERF_RATE:
	case PERF_LAT:
	case PERF_OPEN:
	case PERF_SETUP:
	case PERF_TESTS:
		break;
	}
	return "64";
}

int case_sizes(const struct perf_case *c, const char *text, uint64_t sizes[PERF_SIZES],
	       uint32_t *ret)
{
	struct sizes list = { .at = sizes };
	char *copy = strdup(text ? text : default_sizes(c->test)), *rest = copy, *item;
	int rc = copy ? 0 : program_fail(NAME, -ENOMEM, "--size");

	while (!rc && (item = strsep(&rest, ",")))
		rc = add_item(&list, c, item);
	free(copy);
	if (!rc && list.full)
		rc = program_usage(NAME, "--size: more than %d sizes", PERF_SIZES);
	*ret = list.n;
	return rc;
}
