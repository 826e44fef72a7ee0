/* SPDX-License-Identifier: Apache-2.0 */
#include "twins.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#include <weft/weft.h>

#define LOOK_AWAY_NS (100 * NSEC_PER_MSEC)
#define STALL_NS     (60 * NSEC_PER_SEC)
#define EVENTS       64u
#define TARGET_VAR   "TWINS_TARGET_FD"

static const char *side = "initiator";
static pid_t other;

_Noreturn void fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", side);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

static void check(int rc, const char *what)
{
	if (rc < 0)
		fail("%s: %s (%d): %s", what, weft_error_name(rc), rc, weft_error_detail());
}

static void apply_peer_env(void)
{
	char *list = getenv("WEFT_PEER_ENV"), *save, *item;

	if (!list)
		return;
	list = strdup(list);
	for (item = strtok_r(list, " ", &save); item; item = strtok_r(NULL, " ", &save))
		putenv(item);
}

void twins_start(struct twins *ret, const struct perf_backend *backend, char **argv)
{
	const char *fd = getenv(TARGET_VAR);
	int fds[2];
	char text[16];

	*ret = (struct twins){ .backend = backend, .target = fd != NULL };
	if (fd) {
		side = "target";
		ret->fd = atoi(fd);
		unsetenv(TARGET_VAR);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		fail("socketpair: %s", strerror(errno));
	other = fork();
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		snprintf(text, sizeof(text), "%d", fds[1]);
		apply_peer_env();
		setenv(TARGET_VAR, text, 1);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(fds[1]);
	ret->fd = fds[0];
}

void twins_end(struct twins *twins)
{
	int status;

	if (twins->target)
		return;
	close(twins->fd);
	if (waitpid(other, &status, 0) != other || status)
		fail("the target ended with status %#x", status);
}

static void put(int fd, const void *p, size_t len)
{
	if (send(fd, p, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail("the other side is gone: %s", strerror(errno));
}

static void get(int fd, void *p, size_t len)
{
	if (recv(fd, p, len, MSG_WAITALL) != (ssize_t)len)
		fail("the other side has gone");
}

struct running {
	struct twins *twins;
	const struct perf_case *c;
	struct perf_port *port;
	uint64_t ops, number, done, arrived;
	uint64_t posted[PERF_EPS_MAX], ended[PERF_EPS_MAX];
};

static void poll_once(struct running *r)
{
	struct perf_event events[EVENTS];
	int n = r->twins->backend->poll(r->port, events, EVENTS), i;

	check(n, "poll");
	if (n == 0)
		sched_yield(); /* the other one may need this processor */
	for (i = 0; i < n; i++) {
		if (events[i].ep >= r->c->eps)
			fail("an event of endpoint %u", events[i].ep);
		if (events[i].kind == PERF_ARRIVED && events[i].number != r->arrived++)
			fail("arrival %llu is not the next one",
			     (unsigned long long)events[i].number);
		if (events[i].kind == PERF_DONE) {
			if (events[i].number >= r->number)
				fail("end of operation %llu, which was not posted",
				     (unsigned long long)events[i].number);
			r->ended[events[i].ep]++;
			r->done++;
		}
	}
}

/* Both come here, each polling until the other does. */
static void meet(struct running *r, char where)
{
	const uint64_t deadline_ns = clock_ns() + STALL_NS;
	char there;

	put(r->twins->fd, &where, 1);
	while (recv(r->twins->fd, &there, 1, MSG_DONTWAIT) != 1) {
		if (errno != EAGAIN)
			fail("the other side has gone");
		poll_once(r);
		if (clock_ns() > deadline_ns)
			fail("alone at %c", where);
	}
	if (there != where)
		fail("at %c, the other side at %c", where, there);
}

static void connect_port(struct running *r)
{
	static unsigned char mine[PERF_ADDRESS_MAX], theirs[PERF_ADDRESS_MAX];
	const struct perf_backend *b = r->twins->backend;
	const uint64_t deadline_ns = clock_ns() + STALL_NS;
	int len = b->address(r->port, mine, sizeof(mine)), rc;

	check(len, "address");
	put(r->twins->fd, &len, sizeof(len));
	put(r->twins->fd, mine, (size_t)len);
	get(r->twins->fd, &len, sizeof(len));
	get(r->twins->fd, theirs, (size_t)len);
	while ((rc = b->connect(r->port, theirs, (size_t)len)) == -EAGAIN) {
		sched_yield();
		if (clock_ns() > deadline_ns)
			fail("not connected");
	}
	check(rc, "connect");
	meet(r, 'c');
}

static void post_some(struct running *r, uint32_t ep)
{
	uint64_t left = r->ops - r->posted[ep];
	const uint64_t room = r->c->window - (r->posted[ep] - r->ended[ep]);
	uint32_t count = r->c->post_list;
	int n;

	if (count > left)
		count = (uint32_t)left;
	if (!count || room < count)
		return;
	n = r->twins->backend->post(r->port, ep, r->number, count);
	check(n, "post");
	if ((uint32_t)n > count)
		fail("%d taken of %u", n, count);
	r->number += (uint32_t)n;
	r->posted[ep] += (uint32_t)n;
}

static void run_all(struct running *r, bool initiate, uint64_t expected)
{
	const uint64_t all = initiate ? r->ops * r->c->eps : 0;
	uint64_t deadline_ns = clock_ns() + STALL_NS;
	uint32_t ep;

	while (r->done < all || r->arrived < expected) {
		for (ep = 0; ep < r->c->eps && initiate; ep++)
			post_some(r, ep);
		poll_once(r);
		if (clock_ns() > deadline_ns)
			fail("%llu of %llu done, %llu of %llu arrived", (unsigned long long)r->done,
			     (unsigned long long)all, (unsigned long long)r->arrived,
			     (unsigned long long)expected);
	}
}

/* The initiator posts until nothing more is taken; the target looks away until then. */
static uint64_t run_ahead(struct running *r)
{
	uint64_t since_ns = clock_ns(), number = 0;
	char now = 'n';

	if (r->twins->target) {
		get(r->twins->fd, &now, 1);
		return 0;
	}
	while (clock_ns() - since_ns < LOOK_AWAY_NS) {
		post_some(r, 0);
		poll_once(r);
		if (r->number != number)
			since_ns = clock_ns();
		number = r->number;
	}
	put(r->twins->fd, &now, 1);
	return number;
}

void twins_go(struct twins *twins, const struct perf_case *c, const struct twins_run *run,
	      struct twins_seen *ret)
{
	const bool told = c->op == PERF_SEND || c->op == PERF_WRITE_IMM;
	const bool initiate = !twins->target || c->bidir, hit = twins->target || c->bidir;
	struct running r = { .twins = twins, .c = c, .ops = run->ops };
	uint64_t start_ns;
	char wrong;

	memset(ret, 0, sizeof(*ret));
	check(twins->backend->open(&r.port, c, 0, twins->target), "open");
	connect_port(&r);
	if (run->before)
		run->before(r.port, c, twins->target);
	meet(&r, 'b');
	if (run->lazy)
		ret->ahead = run_ahead(&r);
	start_ns = clock_ns();
	run_all(&r, initiate, told && hit ? run->ops * c->eps : 0);
	ret->ns = clock_ns() - start_ns;
	meet(&r, 'd');
	twins->backend->facts(r.port, &ret->here);
	wrong = ret->here.wrong ? 'w' : 'r';
	put(twins->fd, &wrong, 1);
	get(twins->fd, &wrong, 1);
	ret->wrong = ret->here.wrong || wrong == 'w';
	ret->done = r.done;
	ret->arrived = r.arrived;
	meet(&r, 'e');
	twins->backend->close(r.port);
	put(twins->fd, "z", 1);
	get(twins->fd, &wrong, 1);
}
