/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands under way. One command of somebody at a terminal stays in the terminal's process group:
 * what is typed there reaches it directly. All others get a group of their own, so that a signal
 * that is passed on reaches everything that the command started, and once.
 */
#include "emu/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (10 * EMU_S) /* from asking a command to end until it is killed */

static const int passed_on[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };

struct member {
	pid_t pid; /* 0: not started */
	uint32_t host;
	bool ended;
	struct stream streams[2]; /* with prefix: its output and errors */
};

struct crew {
	const struct crew_options *options;
	struct member members[EMU_HOSTS];
	uint32_t running;
	int status;       /* of the first that failed */
	uint64_t kill_at; /* EMU_NEVER: nobody was asked to end */
	int signals;      /* signalfd */
	struct sigaction old_pipe;
};

static sigset_t held, before; /* signals that are passed on; the mask that commands get back */

void crew_hold(void)
{
	size_t i;

	sigemptyset(&held);
	sigaddset(&held, SIGCHLD);
	for (i = 0; i < EMU_COUNT(passed_on); i++)
		sigaddset(&held, passed_on[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
}

/* --- in the process that becomes the command ----------------------------------------------- */

/* Only returns on failure, with the exit status. */
static int become(const struct crew_options *options, uint32_t host, pid_t parent)
{
	char **argv = options->request->values.command.values;
	struct place place = options->place;
	char why[WHY_MAX], quoted[OPT_QUOTE_MAX];
	int rc;

	place.host = host;
	rc = environment_set(&place);
	if (rc)
		return fail(RUN_FAILED, "setting the environment: %s", strerror(-rc));
	if (place.mount && mount_devices(&place, why, sizeof(why)))
		return fail(RUN_FAILED, "--mount: %s", why);
	/* Entering a user namespace takes this back: so it comes after. */
	if (parent && prctl(PR_SET_PDEATHSIG, SIGKILL))
		return fail(RUN_FAILED, "prctl: %s", strerror(errno));
	if (parent && getppid() != parent)
		return RUN_FAILED;
	sigprocmask(SIG_SETMASK, &before, NULL);
	execvp(argv[0], argv);
	rc = errno;
	return fail(rc == ENOENT ? RUN_NOT_FOUND : RUN_NO_EXEC, "cannot run %s: %s",
		    opt_quote(argv[0], quoted), strerror(rc));
}

int crew_become(const struct crew_options *options)
{
	return become(options, options->place.host, 0);
}

static int redirect(int pipes[2][2], bool prefix)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		return -errno;
	if (prefix &&
	    (dup2(pipes[0][1], STDOUT_FILENO) < 0 || dup2(pipes[1][1], STDERR_FILENO) < 0))
		return -errno;
	return 0;
}

static _Noreturn void run_member(const struct crew *crew, uint32_t host, int pipes[2][2],
				 pid_t parent)
{
	const struct crew_options *options = crew->options;

	if (options->group)
		setpgid(0, 0);
	if (options->place.hosts && redirect(pipes, options->prefix))
		_exit(fail(RUN_FAILED, "host %u: its input and output: %s", host, strerror(errno)));
	sigaction(SIGPIPE, &crew->old_pipe, NULL);
	_exit(become(options, host, parent));
}

/* --- in the launcher ----------------------------------------------------------------------- */

static void close_pair(int pair[2])
{
	if (pair[0] >= 0)
		close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
}

static int start_member(struct crew *crew, struct member *member)
{
	int pipes[2][2] = { { -1, -1 }, { -1, -1 } };
	pid_t parent = getpid();
	int i, rc = 0;

	if (crew->options->prefix)
		for (i = 0; i < 2 && !rc; i++)
			rc = pipe2(pipes[i], O_CLOEXEC) ? -errno : 0;
	if (!rc) {
		member->pid = fork();
		rc = member->pid < 0 ? -errno : 0;
	}
	if (rc) {
		close_pair(pipes[0]);
		close_pair(pipes[1]);
		member->pid = 0;
		return rc;
	}
	if (member->pid == 0)
		run_member(crew, member->host, pipes, parent);
	if (crew->options->group)
		setpgid(member->pid, member->pid);
	for (i = 0; i < 2 && crew->options->prefix; i++) {
		close(pipes[i][1]);
		fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
		stream_begin(&member->streams[i], pipes[i][0], STDOUT_FILENO + i, member->host);
	}
	crew->running++;
	return 0;
}

static void signal_member(const struct crew *crew, const struct member *member, int number)
{
	if (member->pid)
		kill(crew->options->group ? -member->pid : member->pid, number);
}

static void signal_running(const struct crew *crew, int number)
{
	uint32_t i;

	for (i = 0; i < crew->options->count; i++)
		if (!crew->members[i].ended)
			signal_member(crew, &crew->members[i], number);
}

static void ask_to_end(struct crew *crew)
{
	if (crew->kill_at != EMU_NEVER || !crew->running)
		return;
	crew->kill_at = emu_now() + GRACE_NS;
	signal_running(crew, SIGTERM);
}

static int status_of(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
}

/* The process stays as it is (WNOWAIT), so that its number, which is its group's, is not given to
 * another while it is needed. */
static void look_at_member(struct crew *crew, struct member *member)
{
	const struct crew_options *options = crew->options;
	siginfo_t info = { .si_pid = 0 };
	int status;

	if (member->ended || !member->pid ||
	    waitid(P_PID, (id_t)member->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return;
	member->ended = true;
	crew->running--;
	status = status_of(&info);
	if (!status || crew->status)
		return;
	crew->status = status;
	if (options->keep_going || !crew->running)
		return;
	notice(options->request, "host %u ended with status %d: ending the others", member->host,
	       status);
	ask_to_end(crew);
}

static void take_signal(struct crew *crew)
{
	struct signalfd_siginfo info;
	uint32_t i;

	while (read(crew->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		/* From the terminal (a code above 0) it went to the whole group. */
		if (crew->options->group || info.ssi_code <= 0)
			signal_running(crew, (int)info.ssi_signo);
	}
	for (i = 0; i < crew->options->count; i++)
		look_at_member(crew, &crew->members[i]);
}

static int wait_ms(struct crew *crew)
{
	uint64_t now = emu_now();

	if (crew->kill_at == EMU_NEVER)
		return -1;
	if (now < crew->kill_at)
		return (int)((crew->kill_at - now) / EMU_MS) + 1;
	signal_running(crew, SIGKILL);
	crew->kill_at = now + GRACE_NS;
	return (int)(GRACE_NS / EMU_MS);
}

/* Waits for a signal or output, and takes it. */
static void step(struct crew *crew)
{
	struct pollfd fds[1 + 2 * EMU_HOSTS];
	struct stream *streams[1 + 2 * EMU_HOSTS];
	nfds_t n = 1, i;

	fds[0] = (struct pollfd){ .fd = crew->signals, .events = POLLIN };
	for (i = 0; i < 2 * crew->options->count && crew->options->prefix; i++) {
		struct member *member = &crew->members[i / 2];

		if (!member->pid || member->streams[i % 2].from < 0)
			continue;
		streams[n] = &member->streams[i % 2];
		fds[n] = (struct pollfd){ .fd = streams[n]->from, .events = POLLIN };
		n++;
	}
	if (poll(fds, n, wait_ms(crew)) <= 0)
		return;
	for (i = 1; i < n; i++)
		if (fds[i].revents)
			stream_pump(streams[i]);
	if (fds[0].revents)
		take_signal(crew);
}

static int begin_signals(struct crew *crew)
{
	struct sigaction action = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &action, &crew->old_pipe);
	signal(SIGCHLD, SIG_DFL);
	crew->signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
	return crew->signals < 0 ? -errno : 0;
}

/* What is there now, not what processes that stay behind may write later. */
static void drain(struct stream *stream)
{
	struct pollfd fd = { .fd = stream->from, .events = POLLIN };

	while (stream->from >= 0 && poll(&fd, 1, 0) > 0)
		stream_pump(stream);
	stream_end(stream);
}

/* Passes on what is there still; ends what several commands left behind in their groups. */
static void finish(struct crew *crew)
{
	uint32_t i;
	int j;

	for (i = 0; i < crew->options->count; i++) {
		struct member *member = &crew->members[i];

		if (!member->pid)
			continue;
		for (j = 0; j < 2 && crew->options->prefix; j++)
			drain(&member->streams[j]);
		if (crew->options->place.hosts)
			signal_member(crew, member, SIGTERM);
		waitpid(member->pid, NULL, 0);
	}
	close(crew->signals);
}

int crew_run(const struct crew_options *options)
{
	static struct crew crew; /* large */
	uint32_t i;
	int rc;

	crew.options = options;
	crew.kill_at = EMU_NEVER;
	rc = begin_signals(&crew);
	for (i = 0; i < options->count && !rc; i++) {
		crew.members[i].host = options->place.host + i;
		rc = start_member(&crew, &crew.members[i]);
	}
	if (rc) {
		crew.status = fail(RUN_FAILED, "starting the command: %s", strerror(-rc));
		ask_to_end(&crew);
	}
	while (crew.running)
		step(&crew);
	finish(&crew);
	return crew.status;
}
