/* SPDX-License-Identifier: Apache-2.0 */
#include "host/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

#define PATH_BYTES 4096
#define REAP_MS    200 /* a killed helper is gone by then, or held by the kernel */
#define DIED_BYTES 32  /* of the line "died=SIGNAL" */

/* --- starting it --------------------------------------------------------------------------- */

/* In this program's directory, or where each program has one of its own, as in a build tree. */
static int beside_this_program(char *ret, size_t room)
{
	char dir[PATH_BYTES];
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (len < 0)
		return err_set(-errno, "/proc/self/exe: %s", strerror(errno));
	dir[len] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	snprintf(ret, room, "%s/../doctor/" HOST_PROBE_NAME, dir);
	if (access(ret, X_OK))
		snprintf(ret, room, "%s/" HOST_PROBE_NAME, dir);
	return 0;
}

/* Only what may be called between fork() and exec. error: a pipe that exec closes. */
static void become_helper(const char *path, int out, int error, pid_t parent)
{
	char *const argv[] = { (char *)path, NULL };
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
		execv(path, argv);
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
static int start(const char *path, uint64_t deadline_ns, pid_t *ret_pid, int *ret_out)
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
		become_helper(path, out[1], error[1], parent);
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

static bool answer_ended(const char *answer)
{
	char end[8];

	return host_probe_value(answer, "end", end, sizeof(end));
}

static int judge(int status, char *answer)
{
	size_t len = strlen(answer);
	const char *name;
	char died[DIED_BYTES / 2];

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		snprintf(died, sizeof(died), "SIG%s", name ? name : "?");
		snprintf(answer + len, DIED_BYTES, "%sdied=%s\n",
			 len && answer[len - 1] != '\n' ? "\n" : "", died);
		return err_set(-EIO, HOST_PROBE_NAME " was ended by %s", died);
	}
	if (!answer_ended(answer))
		return err_set(-EIO,
			       HOST_PROBE_NAME " ended with status %d in the middle of its answer",
			       WEXITSTATUS(status));
	return 0;
}

static int late(uint64_t timeout_ns)
{
	return err_set(-ETIMEDOUT, HOST_PROBE_NAME " did not end within %.3g s and was killed",
		       (double)timeout_ns / NSEC_PER_SEC);
}

int host_probe_run(const char *path, uint64_t timeout_ns, char *ret, size_t room)
{
	uint64_t deadline = clock_deadline(clock_ns(), timeout_ns);
	char beside[PATH_BYTES + 64];
	int out = -1, rc, status;
	pid_t pid;

	*ret = '\0';
	if (room <= DIED_BYTES)
		return err_set(-ENOBUFS, "there is no room for an answer");
	if (!path || !*path) {
		rc = beside_this_program(beside, sizeof(beside));
		if (rc)
			return rc;
		path = beside;
	}
	pid = -1;
	rc = start(path, deadline, &pid, &out);
	if (rc && pid > 0)
		end(pid);
	if (rc)
		return rc == -ETIMEDOUT ? late(timeout_ns)
					: err_set(rc, "%s: %s", path, strerror(-rc));
	rc = read_all(out, deadline, ret, room - DIED_BYTES);
	if (!rc && !ends(pid, deadline))
		rc = -ETIMEDOUT;
	status = end(pid);
	close(out);
	if (rc == -ETIMEDOUT)
		return late(timeout_ns);
	if (rc)
		return err_set(rc, HOST_PROBE_NAME ": its answer cannot be taken: %s",
			       strerror(-rc));
	return judge(status, ret);
}

bool host_probe_value(const char *answer, const char *key, char *ret, size_t room)
{
	size_t key_len = strlen(key), len;

	for (; *answer; answer += len + (answer[len] == '\n')) {
		len = strcspn(answer, "\n");
		if (len <= key_len || strncmp(answer, key, key_len) || answer[key_len] != '=')
			continue;
		len -= key_len + 1;
		if (len >= room)
			len = room - 1;
		memcpy(ret, answer + key_len + 1, len);
		ret[len] = '\0';
		return true;
	}
	return false;
}
