/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cpu.h"

int pair_open(struct pair *pair)
{
	int fds[2], rc;

	memset(pair, 0, sizeof(*pair));
	pair->shared = mmap(NULL, sizeof(*pair->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pair->shared == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		rc = -errno;
		goto unmap;
	}
	pair->child = fork();
	if (pair->child < 0) {
		rc = -errno;
		goto close_fds;
	}
	pair->target = pair->child == 0;
	if (pair->target)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	pair->fd = fds[pair->target];
	close(fds[!pair->target]);
	return 0;
close_fds:
	close(fds[0]);
	close(fds[1]);
unmap:
	munmap(pair->shared, sizeof(*pair->shared));
	return rc;
}

int pair_swap(struct pair *pair, const void *out, size_t out_len, void *in, size_t *in_len)
{
	ssize_t n;

	n = send(pair->fd, out, out_len, MSG_NOSIGNAL);
	if (n != (ssize_t)out_len)
		return n < 0 ? -errno : -EIO;
	n = recv(pair->fd, in, *in_len, MSG_TRUNC);
	if (n < 0)
		return -errno;
	if (n == 0 || (size_t)n > *in_len)
		return -EPIPE;
	*in_len = n;
	return 0;
}

void pair_saw(struct pair *pair, int phase)
{
	if (phase == PAIR_MEASURE)
		pair->cpu_start = cpu_self();
	if (phase >= PAIR_DRAIN && pair->seen < PAIR_DRAIN) {
		pair->cpu_s = cpu_self() - pair->cpu_start;
		if (pair->target)
			pair->shared->target_cpu_s = pair->cpu_s;
	}
	pair->seen = phase;
}

void pair_move(struct pair *pair, int phase)
{
	pair_saw(pair, phase);
	atomic_store_explicit(&pair->shared->phase, phase, memory_order_release);
}

static const struct timespec tick = { .tv_nsec = 1000000 };

void pair_await_stop(struct pair *pair)
{
	while (pair_phase(pair) != PAIR_STOP)
		nanosleep(&tick, NULL);
}

int pair_close(struct pair *pair, unsigned timeout_s)
{
	int status = 0, rc = -ETIMEDOUT;
	unsigned ms;
	pid_t pid;

	close(pair->fd);
	for (ms = 0; ms <= timeout_s * 1000; ms++) {
		pid = waitpid(pair->child, &status, WNOHANG);
		if (pid) {
			rc = pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
			break;
		}
		nanosleep(&tick, NULL);
	}
	if (rc == -ETIMEDOUT) {
		kill(pair->child, SIGKILL);
		waitpid(pair->child, &status, 0);
	}
	pair->target_cpu_s = pair->shared->target_cpu_s;
	munmap(pair->shared, sizeof(*pair->shared));
	return rc;
}
