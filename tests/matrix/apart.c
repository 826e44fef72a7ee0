/* SPDX-License-Identifier: Apache-2.0 */
/* A cell's process and its world, and what is swept up behind them. */
#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix.h"
#include "verdict.h"

#define WORLD_NAME "weft-matrix."

void apart_probe(const struct cell *cell)
{
	struct weft_opts opts = { .size = sizeof(opts), .provider = "efa" };
	struct weft *weft;
	int rc;

	host_here(cell, 1);
	rc = weft_open(&weft, &opts);
	if (rc == -WEFT_ENOPROVIDER || rc == -WEFT_ENODEVICE)
		conform_skip("%s: %s", weft_strerror(rc), weft_error_detail());
	if (!rc)
		weft_close(weft);
}

/* The wait status; one that hangs is killed. */
static int await(pid_t pid)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status = 0;

	if (ended.fd >= 0 && poll(&ended, 1, 2 * CONFORM_WATCHDOG_S * 1000) <= 0) {
		printf("#   hang: no end within %d s\n", (int)(2 * CONFORM_WATCHDOG_S));
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ended.fd >= 0)
		close(ended.fd);
	return status;
}

/* What libfabric's efa leaves of killed processes: its shm endpoints, by GID. */
static void sweep_gid(const struct emu_world *world, uint32_t host, uint32_t nic)
{
	char text[INET6_ADDRSTRLEN + 1];
	uint8_t gid[EMU_GID_BYTES];
	struct dirent *entry;
	DIR *dir = opendir("/dev/shm");

	emu_gid_make(world->shared, host, nic, gid);
	inet_ntop(AF_INET6, gid, text, INET6_ADDRSTRLEN);
	strcat(text, "_");
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, text, strlen(text)))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void sweep_gids(const struct cell *cell)
{
	for (uint32_t host = 0; host < cell->hosts; host++)
		for (uint32_t nic = 0; nic < cell->world->shared->host[host].nics; nic++)
			sweep_gid(cell->world, host, nic);
}

/* The wait status; VERDICT_FAIL where there is no process to be had. */
static int run_apart(struct verdict *verdict, const struct cell *cell,
		     void (*fn)(const struct cell *))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return VERDICT_FAIL << 8;
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		verdict_begin(verdict);
		fn(cell);
		exit(VERDICT_PASS);
	}
	status = await(pid);
	kill(-pid, SIGKILL);
	verdict_sweep(verdict, pid);
	return status;
}

static void close_world(struct cell *cell, const char *dir)
{
	char why[256];

	sweep_gids(cell);
	emu_world_close(cell->world);
	if (emu_world_remove(dir, why, sizeof(why))) {
		printf("#   %s\n", why);
		cell->out->status = VERDICT_FAIL << 8;
	}
}

void apart_run(struct cell *cell, void (*fn)(const struct cell *))
{
	struct verdict *verdict = verdict_open();
	char dir[64], why[256] = "", where[96];

	cell->out->status = VERDICT_FAIL << 8;
	cell->world = calloc(1, sizeof(*cell->world));
	if (!cell->world || !verdict)
		return;
	snprintf(dir, sizeof(dir), "/dev/shm/" WORLD_NAME "%d", (int)getpid());
	if (host_world(cell, dir, why, sizeof(why)))
		cell->out->status = run_apart(verdict, cell, fn);
	else
		printf("#   world: %s\n", why);
	if (cell->out->status) {
		verdict_where(verdict, where, sizeof(where));
		printf("#   status 0x%x, last check entered %s%s%s\n",
		       (unsigned int)cell->out->status, where, verdict->text[0] ? ": " : "",
		       verdict->text);
	}
	if (cell->world->shared)
		close_world(cell, dir);
	free(cell->world);
}
