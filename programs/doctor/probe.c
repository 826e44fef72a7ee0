/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Together; whoever asks waits for 5 s. */
#define LIMIT_MS   4000
#define ANSWER_MAX 32768 /* bytes of one library's */

struct asked {
	const char *name;
	void (*ask)(void);
	pid_t pid;
	int fd; /* -1: its answer has ended */
	size_t len;
	char answer[ANSWER_MAX];
};

static struct asked libraries[] = {
	{ .name = "libibverbs", .ask = probe_verbs },
	{ .name = "libfabric", .ask = probe_fabric },
	{ .name = "libcuda", .ask = probe_cuda },
};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

static int answer_fd; /* of the child */

/* --- for those who ask ---------------------------------------------------------------------- */

void probe_put(const char *format, ...)
{
	char line[PROBE_TEXT_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	(void)!write(answer_fd, line, (size_t)len);
}

void *probe_open(const char *key, const char *file)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const char *why = library ? NULL : dlerror();

	if (!library)
		probe_put("%s=absent: %s", key, why ? why : file);
	return library;
}

char *probe_path(void *function, char *ret, size_t room)
{
	char *real = NULL;
	Dl_info where;

	if (function && dladdr(function, &where) && where.dli_fname)
		real = realpath(where.dli_fname, NULL);
	snprintf(ret, room, "%s", real ? real : "");
	free(real);
	return ret;
}

char *probe_error(int error, char *ret, size_t room)
{
	const char *name = strerrorname_np(error);

	if (name)
		snprintf(ret, room, "%s %s", name, strerror(error));
	else
		snprintf(ret, room, "E%d %s", error, strerror(error));
	return ret;
}

/* --- the processes -------------------------------------------------------------------------- */

static void child(const struct asked *library, int fd)
{
	static const struct rlimit none;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	/* What libraries print is no answer. */
	for (int i = 0; null >= 0 && i <= STDERR_FILENO; i++)
		dup2(null, i);
	answer_fd = fd;
	library->ask();
	probe_put(".");
	/* Without what libraries do at exit, which may hang or crash. */
	_exit(0);
}

static void start(struct asked *library)
{
	int fds[2];

	library->fd = -1;
	library->pid = -1;
	if (pipe2(fds, O_CLOEXEC))
		return;
	library->pid = fork();
	if (!library->pid) {
		close(fds[0]);
		child(library, fds[1]);
	}
	close(fds[1]);
	library->fd = fds[0];
}

static int now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)(now.tv_sec % 1000000) * 1000 + (int)(now.tv_nsec / 1000000);
}

static bool complete(const struct asked *library)
{
	return library->len >= 3 && !memcmp(library->answer + library->len - 3, "\n.\n", 3);
}

static void take(struct asked *library)
{
	size_t room = sizeof(library->answer) - library->len;
	ssize_t n = room ? read(library->fd, library->answer + library->len, room) : 0;

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0)
		library->len += (size_t)n;
	if (n > 0 && !complete(library))
		return;
	close(library->fd);
	library->fd = -1;
}

/* Until all have ended, or it is late. */
static void take_all(void)
{
	int end = now_ms() + LIMIT_MS, left, n;
	struct pollfd fds[LIBRARIES];

	for (;;) {
		left = end - now_ms();
		for (size_t i = n = 0; i < LIBRARIES; i++) {
			fds[i] = (struct pollfd){ .fd = libraries[i].fd, .events = POLLIN };
			n += libraries[i].fd >= 0;
		}
		if (!n || left <= 0 || left > LIMIT_MS)
			return;
		poll(fds, LIBRARIES, left);
		for (size_t i = 0; i < LIBRARIES; i++)
			if (fds[i].revents)
				take(&libraries[i]);
	}
}

/* What it said, whole lines of it, and how it ended where it did not by itself. */
static void put(struct asked *library)
{
	bool late = library->fd >= 0, whole = complete(library);
	const char *name;
	int status = 0;

	if (whole)
		library->len -= 2;
	while (library->len && library->answer[library->len - 1] != '\n')
		library->len--;
	fwrite(library->answer, 1, library->len, stdout);
	if (library->pid <= 0) {
		printf("died=%s could not be asked\n", library->name);
		return;
	}
	if (late || whole)
		kill(library->pid, SIGKILL);
	if (whole)
		return;
	if (late) {
		printf("died=SIGKILL %s did not answer within %d s\n", library->name,
		       LIMIT_MS / 1000);
	} else if (waitpid(library->pid, &status, 0) == library->pid && WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		printf("died=SIG%s %s\n", name ? name : "?", library->name);
	} else {
		printf("died=EXIT %s ended the process with status %d\n", library->name,
		       WEXITSTATUS(status));
	}
}

int main(void)
{
	size_t i;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < LIBRARIES; i++)
		start(&libraries[i]);
	take_all();
	for (i = 0; i < LIBRARIES; i++)
		put(&libraries[i]);
	printf("end=ok\n");
	return fflush(stdout) ? 1 : 0;
}
