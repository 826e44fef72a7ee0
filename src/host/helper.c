/* SPDX-License-Identifier: Apache-2.0 */
#include "host/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define REAP_MS 200 /* a killed helper is gone by then, or held by the kernel */

/* --- starting it --------------------------------------------------------------------------- */

int host_helper_beside(const char *dir, const char *name, char *ret, size_t room)
{
	char own[HOST_HELPER_PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;
	int n;

	if (len < 0)
		return err_set(-errno, "/proc/self/exe: %s", strerror(errno));
	own[len] = '\0';
	slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	n = snprintf(ret, room, "%s/../%s/%s", own, dir, name);
	if (n >= 0 && (size_t)n < room && !access(ret, X_OK))
		return 0;
	n = snprintf(ret, room, "%s/%s", own, name);
	return n >= 0 && (size_t)n < room ? 0 : err_set(-ENAMETOOLONG, "%s/%s", own, name);
}

/* Only what may be called between fork() and exec. error: a pipe that exec closes. */
static void become_helper(char *const argv[], int out, int error, pid_t parent)
{
	int null = open("/dev/null", O_RDWR), rc;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (out == STDOUT_FILENO)
		fcntl(out, F_SETFD, 0); /* which dup2 leaves as it is */
	if (getppid() == parent && dup2(out, STDOUT_FILENO) >= 0)
		execv(argv[0], argv);
	rc = errno;
	(void)!write(error, &rc, sizeof(rc));
	for (;;)
		raise(SIGKILL);
}

static int left_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_ns(), ms = now < deadline_ns ? (deadline_ns - now) / NSEC_PER_MSEC : 0;

	return ms < 1000 ? (int)ms + 1 : 1000;
}

/* What exec said, told by the pipe that it closes when it succeeds. 0, or -errno. */
static int await_exec(int error, uint64_t deadline_ns)
{
	struct pollfd wait = { .fd = error, .events = POLLIN };
	int rc = 0;

	while (poll(&wait, 1, left_ms(deadline_ns)) <= 0)
		if (clock_ns() >= deadline_ns)
			return -ETIMEDOUT;
	return read(error, &rc, sizeof(rc)) == sizeof(rc) ? -rc : 0;
}

/* On success *ret_out is where its answer comes from. */
static int start(char *const argv[], uint64_t deadline_ns, pid_t *ret_pid, int *ret_out)
{
	pid_t parent = getpid(), pid;
	int out[2], error[2], rc = 0;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(error, O_CLOEXEC)) {
		rc = -errno;
		close(out[0]);
		close(out[1]);
		return rc;
	}
	pid = fork();
	if (pid == 0)
		become_helper(argv, out[1], error[1], parent);
	if (pid < 0)
		rc = -errno;
	close(out[1]);
	close(error[1]);
	if (!rc)
		rc = await_exec(error[0], deadline_ns);
	close(error[0]);
	*ret_pid = pid;
	*ret_out = out[0];
	if (rc)
		close(out[0]);
	return rc;
}

/* --- ending it ----------------------------------------------------------------------------- */

/* Whether it ends by then. It stays a zombie: its id is not given to another one. */
static bool ends(pid_t pid, uint64_t deadline_ns)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
			return errno == ECHILD; /* someone else has taken its status */
		if (info.si_pid == pid)
			return true;
		if (clock_ns() >= deadline_ns)
			return false;
		poll(NULL, 0, 1);
	}
}

/* With what it left behind. What the kernel holds fast is left to init. Returns its status. */
static int end(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	kill(-pid, SIGKILL);
	if (ends(pid, clock_deadline(clock_ns(), REAP_MS * NSEC_PER_MSEC)))
		waitpid(pid, &status, 0);
	return status;
}

/* --- listening to it ----------------------------------------------------------------------- */

/* Until its end. 0, or -errno. */
static int read_all(int fd, uint64_t deadline_ns, char *ret, size_t room)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	for (;;) {
		if (clock_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(&wait, 1, left_ms(deadline_ns)) <= 0)
			continue;
		n = read(fd, ret + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (ssize_t i = 0; i < n; i++)
			if (!ret[len + (size_t)i])
				ret[len + (size_t)i] = ' ';
		len += (size_t)n;
		ret[len] = '\0';
		if (!n)
			return 0;
		if (len == room - 1)
			return -ENOBUFS;
	}
}

static int late(const char *path, uint64_t timeout_ns)
{
	return err_set(-ETIMEDOUT, "%s did not end within %.3g s and was killed",
		       strrchr(path, '/') ? strrchr(path, '/') + 1 : path,
		       (double)timeout_ns / NSEC_PER_SEC);
}

int host_helper_run(char *const argv[], uint64_t timeout_ns, char *ret, size_t room,
		    int *ret_status)
{
	uint64_t deadline = clock_deadline(clock_ns(), timeout_ns);
	int out = -1, rc;
	pid_t pid = -1;

	*ret = '\0';
	rc = start(argv, deadline, &pid, &out);
	if (rc && pid > 0)
		end(pid);
	if (rc)
		return rc == -ETIMEDOUT ? late(argv[0], timeout_ns)
					: err_set(rc, "%s: %s", argv[0], strerror(-rc));
	rc = read_all(out, deadline, ret, room);
	if (!rc && !ends(pid, deadline))
		rc = -ETIMEDOUT;
	*ret_status = end(pid);
	close(out);
	if (rc == -ETIMEDOUT)
		return late(argv[0], timeout_ns);
	return rc ? err_set(rc, "%s: its answer cannot be taken: %s", argv[0], strerror(-rc)) : 0;
}
