/* SPDX-License-Identifier: Apache-2.0 */
/* --peer and --cluster need libfabric, which weft doctor is to run without: a program of its own
 * does them, with the same command line. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "common/program.h"
#include "doctor/cli.h"
#include "host/helper.h"

#define PEER_NAME "weft-doctor-peer"
#define NOT_FOUND                                                                      \
	127 /* what the dynamic linker ends a program with whose libraries are missing \
	     */

static int await(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return program_fail(CLI_NAME, -errno, PEER_NAME);
	if (WIFSIGNALED(status))
		return program_usage(CLI_NAME, PEER_NAME " was ended by signal %d",
				     WTERMSIG(status));
	if (WEXITSTATUS(status) == NOT_FOUND)
		return program_usage(CLI_NAME,
				     "--peer and --cluster need libfabric (weft doctor --only B6)");
	return WEXITSTATUS(status);
}

static volatile pid_t child_now;

static void pass_on(int number)
{
	kill(child_now, number);
}

int cli_launch_peer(char **argv)
{
	char path[HOST_HELPER_PATH_MAX + 64];
	int rc = host_helper_beside("doctor", PEER_NAME, path, sizeof(path));
	pid_t child, parent = getpid();

	if (rc)
		return program_fail(CLI_NAME, rc, NULL);
	child = fork();
	if (child < 0)
		return program_fail(CLI_NAME, -errno, PEER_NAME);
	if (child) {
		child_now = child;
		signal(SIGINT, SIG_IGN); /* a terminal sends it to the child as well */
		signal(SIGTERM, pass_on);
		return await(child);
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		execv(path, argv);
	program_fail(CLI_NAME, -errno, "%s", path);
	_exit(CLI_FAILED);
}
