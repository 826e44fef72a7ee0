/* SPDX-License-Identifier: Apache-2.0 */
/* perf_tcp: operations, events, and when to sleep. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/tcp_port.h"

#define SLEEP_NS   (100 * NSEC_PER_USEC)
#define LOOK_EVERY 16
/* A sleep ends late by about this: idle wakes so much earlier and polls on. */
#define AWAKE_NS (150 * NSEC_PER_USEC)

int tcp_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count)
{
	struct tcp_port *p = (struct tcp_port *)port;
	struct tcp_stream *s = &p->stream[ep];
	int rc;

	if (s->way != TCP_OPEN || s->ended)
		return tcp_gone(s, "it is closed");
	if (count > p->c.window - s->flying)
		count = p->c.window - s->flying;
	for (uint32_t i = 0; i < count; i++)
		s->number[(s->first + s->flying++) % p->c.window] = number + i;
	if (p->c.op == PERF_READ)
		s->ask += count;
	else
		s->todo += count;
	rc = tcp_send(p, s);
	return rc ? rc : (int)count;
}

static uint32_t tell_done(struct tcp_port *p, struct tcp_stream *s, struct perf_event *events,
			  uint32_t room)
{
	uint32_t n;

	for (n = 0; s->done && n < room; n++, s->done--, s->flying--) {
		events[n] = (struct perf_event){ s->number[s->first], s->index, PERF_DONE };
		s->first = (s->first + 1) % p->c.window;
	}
	return n;
}

static uint32_t tell_arrived(struct tcp_port *p, struct tcp_stream *s, struct perf_event *events,
			     uint32_t room)
{
	uint32_t n;

	for (n = 0; s->arrived && n < room; n++, s->arrived--)
		events[n] = (struct perf_event){ p->arrived++, s->index, PERF_ARRIVED };
	return n;
}

static uint32_t tell(struct tcp_port *p, struct perf_event *events, uint32_t room)
{
	bool arrived_first = p->tells++ & 1;
	struct tcp_stream *s;
	uint32_t n = 0, i;

	for (i = 0; i < p->c.eps && n < room; i++) {
		s = &p->stream[(p->next + i) % p->c.eps];
		if (arrived_first)
			n += tell_arrived(p, s, events + n, room - n);
		n += tell_done(p, s, events + n, room - n);
		n += tell_arrived(p, s, events + n, room - n);
	}
	if (n == room)
		p->next = (p->next + 1) % p->c.eps;
	return n;
}

static bool untold(const struct tcp_port *p)
{
	for (uint32_t i = 0; i < p->c.eps; i++)
		if (p->stream[i].done || p->stream[i].arrived)
			return true;
	return false;
}

/* What epoll knows of new since it was last asked. */
static void look(struct tcp_port *p)
{
	struct epoll_event event[PERF_EPS_MAX];
	int n = epoll_wait(p->epoll, event, PERF_EPS_MAX, 0);

	for (int i = 0; i < n; i++) {
		struct tcp_stream *s = &p->stream[event[i].data.u32];

		if (event[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			s->readable = !s->ended;
		if (event[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			s->ending = true;
		if (event[i].events & EPOLLOUT)
			s->writable = true;
	}
}

/* Until something happens; a wake from a signal is as good. */
static void doze(struct tcp_port *p, uint64_t ns)
{
	struct pollfd at = { .fd = p->epoll, .events = POLLIN };
	struct timespec time = { .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				 .tv_nsec = (long)(ns % NSEC_PER_SEC) };

	ppoll(&at, 1, &time, NULL);
}

static bool has_work(const struct tcp_stream *s)
{
	return s->readable || (s->writable && tcp_unsent(s));
}

/* Is it the twin's turn on every stream that has something to do? */
static bool waits(const struct tcp_port *p)
{
	bool mine = p->target && !p->c.bidir;

	for (uint32_t i = 0; i < p->c.eps; i++) {
		if (has_work(&p->stream[i]))
			return false;
		mine = mine || p->stream[i].flying;
	}
	return mine;
}

static int progress(struct tcp_port *p)
{
	struct tcp_stream *s;
	int rc = 0;

	for (uint32_t i = 0; i < p->c.eps && !rc; i++) {
		s = &p->stream[i];
		if (s->way != TCP_OPEN)
			continue;
		if (p->spin) {
			s->readable = !s->ended;
			s->writable = true;
		}
		if (s->readable)
			rc = tcp_receive(p, s);
		if (!rc && s->writable && tcp_unsent(s))
			rc = tcp_send(p, s);
	}
	return rc;
}

int tcp_poll(struct perf_port *port, struct perf_event *events, uint32_t room)
{
	struct tcp_port *p = (struct tcp_port *)port;
	bool news = untold(p);
	int rc;

	/* While there is something to tell, the kernel is asked for more only now and then. */
	if (!p->spin && (!news || ++p->polls % LOOK_EVERY == 0))
		look(p);
	if (!news && p->sleeps && waits(p)) {
		doze(p, SLEEP_NS);
		look(p);
	}
	rc = progress(p);
	return rc ? rc : (int)tell(p, events, room);
}

void tcp_idle(struct perf_port *port, uint64_t at_ns)
{
	struct tcp_port *p = (struct tcp_port *)port;
	uint64_t now = clock_ns();

	if (now + AWAKE_NS >= at_ns)
		return;
	look(p);
	for (uint32_t i = 0; i < p->c.eps; i++)
		if (has_work(&p->stream[i]))
			return;
	doze(p, at_ns - now - AWAKE_NS);
}
