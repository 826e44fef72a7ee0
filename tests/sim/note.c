/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

#define TEXT_MAX 400

void sim_note(struct sim *sim, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	const char *c;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (c = text; *c; c++)
		sim->trace = (sim->trace ^ (uint8_t)*c) * 0x100000001b3ull;
	sim->trace = (sim->trace ^ sim->now_ns) * 0x100000001b3ull;
	if (sim->verbose)
		printf("# %5u %12.3f us %s\n", sim->step, (double)sim->now_ns / 1e3, text);
}

static void print_line(void *ctx, const char *line)
{
	const struct host *host = ctx;

	printf("# h%u: %s\n", host->index, line);
}

void sim_dump(struct sim *sim)
{
	for (uint32_t i = 0; i < SIM_HOSTS && sim->verbose; i++) {
		weft_dump(sim->hosts[i].weft, print_line, &sim->hosts[i]);
		for (uint32_t j = 0; j < SIM_HOSTS; j++)
			printf("# h%u: messages to h%u: %u of %u came%s\n", i, j,
			       sim->talks[i][j].received, sim->talks[i][j].sent,
			       sim->talks[i][j].broken ? ", it was told of a loss" : "");
	}
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;

	printf("# seed %" PRIu64 ", step %u, %.3f us: ", sim->seed, sim->step,
	       (double)sim->now_ns / 1e3);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n# again, with all steps: sim --seed %" PRIu64 "\nnot ok 1 - seeds\n", sim->seed);
	fflush(NULL);
	_Exit(1);
}
