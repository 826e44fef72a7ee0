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
