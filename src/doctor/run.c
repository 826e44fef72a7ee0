/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long one is waited for that has answered, or was killed. */
#define REAP_MS 500

enum state {
	WAITING,
	RUNNING,
	DONE
};

struct running {
	size_t check;
	pid_t pid;
	int fd; /* what it writes its finding to */
	uint64_t start_ns, deadline_ns;
	struct finding answer;
	size_t got; /* bytes of it */
};

struct run {
	const struct doctor *doctor;
	const struct doctor_table *table;
	uint64_t check_ns;
	struct doctor_result *results;
	enum state state[DOCTOR_CHECKS_MAX];
	struct running running[DOCTOR_RUNNING_MAX];
	size_t running_n;
};

/* --- the child ------------------------------------------------------------------------------ */

static void child(const struct run *run, size_t check, int fd)
{
	static const struct rlimit none;
	struct finding finding = { .verdict = DOCTOR_UNKNOWN };
	const char *at = (const char *)&finding;
	size_t left = sizeof(finding);
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	run->table->checks[check].run(run->doctor, &finding);
	while (left) {
		n = write(fd, at, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		at += n;
		left -= (size_t)n;
	}
	_exit(0);
}

/* --- what becomes of it --------------------------------------------------------------------- */

void doctor_clean(char *text, size_t room, bool lines)
{
	text[room - 1] = '\0';
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];

		if ((c < 0x20 && !(lines && c == '\n')) || c == 0x7f) {
			*text = ' ';
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			/* U+0080 to U+009F: U+009B is what ESC [ is, to xterm and VTE */
			text[0] = text[1] = ' ';
		}
	}
}

static void finish(struct run *run, size_t check, const struct finding *answer, uint64_t ns)
{
	const struct doctor_check *row = &run->table->checks[check];
	struct doctor_result *result = &run->results[check];
	struct finding *f = &result->finding;

	*f = *answer;
	result->ns = ns;
	doctor_clean(f->text, sizeof(f->text), false);
	doctor_clean(f->consequence, sizeof(f->consequence), false);
	doctor_clean(f->fix, sizeof(f->fix), true);
	doctor_clean(f->evidence, sizeof(f->evidence), true);
	if ((unsigned int)f->verdict >= DOCTOR_VERDICTS)
		f->verdict = DOCTOR_UNKNOWN;
	if (f->verdict == DOCTOR_FAIL && row->severity == DOCTOR_WARNING)
		f->verdict = DOCTOR_WARN;
	if (f->verdict >= DOCTOR_WARN && row->severity == DOCTOR_INFO)
		f->verdict = DOCTOR_OK;
	if (!*f->text)
		snprintf(f->text, sizeof(f->text), "the check %s said nothing", row->id);
	if (f->verdict >= DOCTOR_UNKNOWN && !*f->consequence)
		snprintf(f->consequence, sizeof(f->consequence), "%s", row->consequence);
	if (f->verdict >= DOCTOR_WARN && !*f->fix)
		snprintf(f->fix, sizeof(f->fix), "%s", row->fix);
	run->state[check] = DONE;
}

static void __attribute__((format(printf, 5, 6)))
finish_without(struct run *run, size_t check, uint64_t ns, enum doctor_verdict verdict,
	       const char *format, ...)
{
	struct finding finding = { .verdict = verdict };
	va_list args;

	va_start(args, format);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	finish(run, check, &finding, ns);
}

/* Waits a little: what sleeps in the kernel does not end, killed or not. */
static bool reap(pid_t pid, int *status)
{
	for (int ms = 0; ms < REAP_MS; ms++) {
		pid_t done = waitpid(pid, status, WNOHANG);

		if (done == pid)
			return true;
		if (done < 0 && errno != EINTR)
			return false;
		poll(NULL, 0, 1);
	}
	return false;
}

static void ended(struct run *run, struct running *one)
{
	uint64_t ns = clock_ns() - one->start_ns;
	const char *name;
	int status = 0;

	if (!reap(one->pid, &status)) {
		kill(one->pid, SIGKILL);
		status = 0;
	}
	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		finish_without(run, one->check, ns, DOCTOR_UNKNOWN,
			       "the check itself crashed (SIG%s); please report it with what weft "
			       "doctor --bundle writes",
			       name ? name : "?");
	} else if (one->got != sizeof(one->answer)) {
		finish_without(run, one->check, ns, DOCTOR_UNKNOWN,
			       "the check ended without an answer (status %d)",
			       WEXITSTATUS(status));
	} else {
		finish(run, one->check, &one->answer, ns);
	}
}

static void late(struct run *run, struct running *one)
{
	double seconds = (double)run->check_ns / NSEC_PER_SEC;
	int status;

	kill(one->pid, SIGKILL);
	reap(one->pid, &status);
	finish_without(run, one->check, clock_ns() - one->start_ns, DOCTOR_UNKNOWN,
		       "did not answer within %g s: something that it reads hangs (%s)", seconds,
		       run->table->checks[one->check].detect);
}

/* --- the parent ----------------------------------------------------------------------------- */

static void start(struct run *run, size_t check)
{
	struct running *one = &run->running[run->running_n];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC)) {
		finish_without(run, check, 0, DOCTOR_UNKNOWN, "could not be started: pipe: %s",
			       strerror(errno));
		return;
	}
	memset(one, 0, sizeof(*one));
	one->check = check;
	one->start_ns = clock_ns();
	one->deadline_ns = clock_deadline(one->start_ns, run->check_ns);
	one->pid = fork();
	if (!one->pid) {
		close(fds[0]);
		child(run, check, fds[1]);
	}
	close(fds[1]);
	one->fd = fds[0];
	if (one->pid < 0) {
		finish_without(run, check, 0, DOCTOR_UNKNOWN, "could not be started: fork: %s",
			       strerror(errno));
		close(one->fd);
		return;
	}
	run->state[check] = RUNNING;
	run->running_n++;
}

/* Starts it, skips it, or leaves it where it is as long as what it needs has not answered. */
static void consider(struct run *run, size_t check)
{
	const char *text = run->table->checks[check].needs, *id;
	enum doctor_verdict verdict;
	size_t len;
	int need;

	while ((len = doctor_next_id(&text, &id))) {
		need = doctor_find(run->table, id, len);
		if (need < 0 || (size_t)need >= check || !run->results[need].wanted)
			continue;
		if (run->state[need] != DONE)
			return;
		verdict = run->results[need].finding.verdict;
		if (verdict == DOCTOR_OK || verdict == DOCTOR_WARN)
			continue;
		finish_without(run, check, 0, DOCTOR_SKIPPED, "because %.*s %s", (int)len, id,
			       verdict == DOCTOR_FAIL      ? "failed"
			       : verdict == DOCTOR_SKIPPED ? "was skipped"
							   : "could not tell");
		return;
	}
	if (run->running_n < DOCTOR_RUNNING_MAX)
		start(run, check);
}

/* Takes what it wrote; whether it is done with. */
static bool advance(struct run *run, struct running *one, bool readable)
{
	size_t room = sizeof(one->answer) - one->got;
	char more;
	ssize_t n;

	if (readable) {
		n = room ? read(one->fd, (char *)&one->answer + one->got, room)
			 : read(one->fd, &more, 1);
		if (n > 0 && room)
			one->got += (size_t)n;
		if (n == 0 || (n < 0 && errno != EINTR)) {
			ended(run, one);
			return true;
		}
	}
	if (clock_ns() < one->deadline_ns)
		return false;
	late(run, one);
	return true;
}

static void wait_some(struct run *run)
{
	struct pollfd fds[DOCTOR_RUNNING_MAX];
	uint64_t now = clock_ns(), first = UINT64_MAX;
	size_t i;

	for (i = 0; i < run->running_n; i++) {
		fds[i] = (struct pollfd){ .fd = run->running[i].fd, .events = POLLIN };
		if (run->running[i].deadline_ns < first)
			first = run->running[i].deadline_ns;
	}
	poll(fds, run->running_n, first > now ? (int)((first - now) / NSEC_PER_MSEC) + 1 : 0);
	for (i = run->running_n; i-- > 0;) {
		if (!advance(run, &run->running[i], fds[i].revents != 0))
			continue;
		close(run->running[i].fd);
		run->running[i] = run->running[--run->running_n];
	}
}

void doctor_run(const struct doctor *doctor, const struct doctor_table *table, const bool *wanted,
		uint64_t check_ns, struct doctor_result *ret)
{
	struct run run = { .doctor = doctor, .table = table, .check_ns = check_ns, .results = ret };
	size_t i;

	for (i = 0; i < table->count; i++) {
		ret[i] = (struct doctor_result){ .wanted = !wanted || wanted[i] };
		if (!ret[i].wanted)
			run.state[i] = DONE;
	}
	do {
		for (i = 0; i < table->count; i++)
			if (run.state[i] == WAITING)
				consider(&run, i);
		if (run.running_n)
			wait_some(&run);
		for (i = 0; i < table->count && run.state[i] == DONE;)
			i++;
	} while (i < table->count);
}
