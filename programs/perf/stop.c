/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "perf/perf.h"

volatile int stop_number;
static bool seen;
const bool *const stop_seen = &seen;

static void on_signal(int number)
{
	stop_number = number;
	__atomic_store_n(&seen, true, __ATOMIC_RELAXED);
	perf_session_interrupt();
}

void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}
