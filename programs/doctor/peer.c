/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/peer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "common/program.h"

volatile int peer_stopped;

static void on_signal(int number)
{
	peer_stopped = number;
	perf_session_interrupt();
}

static void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void ask(struct peer_try *try, const struct perf_reach_opts *opts, struct perf_reach *found)
{
	struct perf_session *session = NULL;

	try->error = perf_session_open(&session, try->to, PEER_ANSWER_NS);
	if (!try->error)
		try->error = perf_reach(session, opts, found);
	if (try->error) {
		snprintf(try->why, sizeof(try->why), "%s", weft_error_detail());
		sysroot_clean(try->why); /* a part of it may come from the network */
	} else {
		try->found = found;
	}
	perf_session_close(session);
}

static int try_peer(const struct cli_values *values, const struct perf_reach_opts *opts)
{
	struct perf_reach *found = mem_zalloc(sizeof(*found));
	struct peer_findings *findings = mem_zalloc(sizeof(*findings));
	struct peer_try try = { .provider = opts->provider, .wait_ns = opts->wait_ns };
	int rc = found && findings ? perf_host_address(values->peer, try.to)
				   : err_set(-ENOMEM, "no memory for what is found");

	if (rc) {
		program_fail(CLI_NAME, rc, "--peer");
		rc = CLI_FAILED;
	} else {
		ask(&try, opts, found);
		peer_judge(&try, findings);
		rc = peer_exit_status(findings);
		if (peer_stopped)
			rc = 128 + peer_stopped;
		else if (values->json)
			peer_put_json(&try, findings, stdout);
		else
			peer_put_text(&try, findings, stdout, cli_colour());
	}
	mem_free(found);
	mem_free(findings);
	return rc;
}

int main(int argc, char **argv)
{
	struct perf_reach_opts opts = { .wait_ns = 0 };
	struct cli_values values;
	struct opt_result result;
	int status = program_start(&cli_opts, argc, argv, &values, &result);

	if (status != PROGRAM_GO)
		return status;
	if (!values.peer == !values.cluster)
		return program_usage(CLI_NAME, "this part of it takes either --peer or --cluster");
	program_fabric();
	stop_on_signals();
	snprintf(opts.provider, sizeof(opts.provider), "%s", values.provider);
	opts.wait_ns = values.wait;
	status = values.peer ? try_peer(&values, &opts) : peer_cluster(&values, &opts);
	return program_finish(CLI_NAME, status);
}
