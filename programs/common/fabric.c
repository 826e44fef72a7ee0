/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from program.c: a static program has no libraries to undo anything of. */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/program.h"
#include "weft/environment.h"

/* Is it in a library for hardware of PSM, which libfabric is linked to? */
static bool of_psm(void *handler)
{
	Dl_info where;

	return dladdr(handler, &where) && where.dli_fname &&
	       (strstr(where.dli_fname, "infinipath") || strstr(where.dli_fname, "psm"));
}

/*
 * Those libraries take signals when they are loaded, with or without their hardware. Their handler
 * calls exit(): a second SIGTERM could hang the process in a destructor instead of ending it, and
 * what crashes would end with status 1 and no core.
 */
static void take_signals_back(void)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGABRT };
	struct sigaction action;

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (!sigaction(taken[i], NULL, &action) && (action.sa_flags & SA_SIGINFO) &&
		    of_psm((void *)action.sa_sigaction))
			signal(taken[i], SIG_DFL);
}

void program_fabric(void)
{
	take_signals_back();
	weft_set_environment();
}
