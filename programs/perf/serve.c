/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "common/program.h"
#include "perf/perf.h"

/* The one line on standard output. */
static void say_ready(void *ctx, const char *address)
{
	(void)ctx;
	printf("%s server: ready on %s\n", NAME, address);
	fflush(stdout);
}

int command_server(const struct command_line *line)
{
	const struct perf_values *values = &line->values;
	struct perf_server_opts opts = {
		.listen_addr = values->listen_addr,
		.devices = values->server_devices,
		.max_bytes = values->max_memory,
		.once = values->once,
		.ready = say_ready,
	};
	int rc = perf_server(&opts, &stop_number);

	return rc ? program_fail(NAME " server", rc, NULL) : 0;
}
