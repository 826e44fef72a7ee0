/* SPDX-License-Identifier: Apache-2.0 */
/* Processes on other hosts, made by fork. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "kit_own.h"

void kit_fork(struct kit_peer *peer, uint32_t host, void (*fn)(struct kit_peer *parent, void *arg),
	      void *arg)
{
	struct kit_peer parent = { .pid = getpid() };
	char number[16];
	int socks[2];

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	fflush(NULL);
	peer->pid = fork();
	check(peer->pid >= 0);
	if (peer->pid) {
		peer->sock = socks[0];
		close(socks[1]);
		return;
	}
	close(socks[0]);
	parent.sock = socks[1];
	kit_forked();
	if (getppid() != parent.pid)
		_exit(KIT_FAILED);
	snprintf(number, sizeof(number), "%u", host);
	setenv("WEFT_EMU_HOST", number, 1);
	fn(&parent, arg);
	close(parent.sock);
	exit(KIT_PASSED);
}

void kit_tell(const struct kit_peer *peer, const void *data, size_t size)
{
	check(send(peer->sock, data, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static bool readable(const struct kit_peer *peer, int timeout_ms)
{
	struct pollfd p = { .fd = peer->sock, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

void kit_hear(const struct kit_peer *peer, void *data, size_t size)
{
	ssize_t got;

	check(readable(peer, KIT_LIMIT_S * 1000));
	got = recv(peer->sock, data, size, 0);
	if (got == 0)
		_exit(KIT_FAILED); /* it has said why */
	check_int(got, size);
}

bool kit_heard(const struct kit_peer *peer)
{
	return readable(peer, 0);
}

void kit_sync(const struct kit_peer *peer)
{
	char token = 0;

	kit_tell(peer, &token, 1);
	kit_hear(peer, &token, 1);
}

static int reap(struct kit_peer *peer)
{
	int status = 0;
	pid_t pid = 0;

	until((pid = waitpid(peer->pid, &status, WNOHANG)) != 0);
	check_int(pid, peer->pid);
	close(peer->sock);
	peer->pid = 0;
	return status;
}

void kit_join(struct kit_peer *peer)
{
	int status = reap(peer);

	if (WIFSIGNALED(status))
		kit_fail(__FILE__, __LINE__, "a peer was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		kit_fail(__FILE__, __LINE__, "a peer ended with %d", WEXITSTATUS(status));
}

void kit_killed(struct kit_peer *peer)
{
	int status = reap(peer);

	check(WIFSIGNALED(status));
	check_int(WTERMSIG(status), SIGKILL);
}

void kit_kill(struct kit_peer *peer)
{
	check_int(kill(peer->pid, SIGKILL), 0);
	kit_killed(peer);
}

void kit_stop(const struct kit_peer *peer)
{
	int status;

	check_int(kill(peer->pid, SIGSTOP), 0);
	check_int(waitpid(peer->pid, &status, WUNTRACED), peer->pid);
	check(WIFSTOPPED(status));
}

void kit_continue(const struct kit_peer *peer)
{
	check_int(kill(peer->pid, SIGCONT), 0);
}
