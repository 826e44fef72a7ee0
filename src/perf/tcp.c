/* SPDX-License-Identifier: Apache-2.0 */
/* perf_tcp: ports, their memory, and what the kernel says of their streams. */
#include <errno.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"
#include "perf/tcp_port.h"

/* From how many streams on a port asks epoll which are ready, in tests that never sleep. */
#define SPIN_STREAMS 2

static bool never_sleeps(const struct perf_case *c)
{
	return c->test != PERF_BW && c->test != PERF_RATE;
}

static int limits(const struct perf_case *c, struct perf_limits *ret)
{
	(void)c;
	*ret = (struct perf_limits){
		.max_size = PERF_SIZE_MAX,
		.max_window = PERF_WINDOW_MAX,
		.edges = 0, /* a stream has no protocol that changes with the size */
	};
	return 0;
}

static int check(const struct perf_case *c)
{
	if (!c->size || c->size > PERF_SIZE_MAX)
		return err_set(-EINVAL, "tcp: messages of %llu bytes: from 1 to %llu are possible",
			       (unsigned long long)c->size, (unsigned long long)PERF_SIZE_MAX);
	if (!c->eps || c->eps > PERF_EPS_MAX || !c->window || c->window > PERF_WINDOW_MAX)
		return err_set(-EINVAL,
			       "tcp: %u streams with a window of %u: 1 to %u streams with 1 to %u",
			       c->eps, c->window, PERF_EPS_MAX, PERF_WINDOW_MAX);
	return 0;
}

static int fill_content(struct tcp_port *p)
{
	p->content_len = p->c.validate ? TCP_PERIOD : TCP_REPEAT;
	p->content = malloc(p->content_len);
	p->buf = malloc(TCP_READ);
	if (!p->content || !p->buf)
		return err_set(-ENOMEM, "tcp: no memory for content");
	for (uint32_t i = 0; i < p->content_len; i++)
		p->content[i] = (uint8_t)hash_u64(i, p->c.seed);
	return 0;
}

static int open_streams(struct tcp_port *p)
{
	p->guest = calloc(p->c.eps + TCP_GUESTS, sizeof(*p->guest));
	for (uint32_t i = 0; p->guest && i < p->c.eps + TCP_GUESTS; i++)
		p->guest[i].fd = -1;
	p->stream = calloc(p->c.eps, sizeof(*p->stream));
	if (!p->guest || !p->stream)
		return err_set(-ENOMEM, "tcp: no memory for %u streams", p->c.eps);
	for (uint32_t i = 0; i < p->c.eps; i++) {
		p->stream[i].fd = -1;
		p->stream[i].index = i;
	}
	for (uint32_t i = 0; i < p->c.eps; i++) {
		p->stream[i].number = calloc(p->c.window, sizeof(uint64_t));
		if (!p->stream[i].number)
			return err_set(-ENOMEM, "tcp: no memory for a window of %u", p->c.window);
	}
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0)
		return err_set(-errno, "tcp: epoll_create1: %s", strerror(errno));
	return 0;
}

static void close_port(struct perf_port *port)
{
	struct tcp_port *p = (struct tcp_port *)port;

	for (uint32_t i = 0; p->stream && i < p->c.eps; i++) {
		if (p->stream[i].fd >= 0)
			close(p->stream[i].fd);
		free(p->stream[i].number);
	}
	for (uint32_t i = 0; p->guest && i < p->c.eps + TCP_GUESTS; i++)
		if (p->guest[i].fd >= 0)
			close(p->guest[i].fd);
	free(p->guest);
	if (p->listener >= 0)
		close(p->listener);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p->stream);
	free(p->content);
	free(p->buf);
	free(p);
}

static int open_port(struct perf_port **ret, const struct perf_case *c, uint32_t index, bool target)
{
	struct tcp_port *p;
	int rc = check(c);

	(void)index;
	if (rc)
		return rc;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(-ENOMEM, "tcp: no memory for a port");
	p->port.backend = &perf_tcp;
	p->c = *c;
	p->target = target;
	p->spin = never_sleeps(c) && c->eps <= SPIN_STREAMS;
	p->sleeps = !never_sleeps(c);
	p->epoll = p->listener = -1;
	rc = open_streams(p);
	if (!rc)
		rc = fill_content(p);
	if (!rc && target)
		rc = tcp_listen(p);
	if (rc) {
		close_port(&p->port);
		return rc;
	}
	*ret = &p->port;
	return 0;
}

const uint8_t *tcp_content(const struct tcp_port *p, const struct tcp_stream *s, bool mine,
			   uint64_t at, uint64_t *len)
{
	uint64_t start = 0;

	/* Each direction of each stream begins elsewhere, so that none is taken for another. */
	if (p->c.validate)
		start = (at + 7919 * (2ull * s->index + (mine == p->target))) % TCP_PERIOD;
	if (*len > p->content_len - start)
		*len = p->content_len - start;
	return p->content + start;
}

static bool ask_kernel(const struct tcp_stream *s, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return s->fd >= 0 && !getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, info, &len) &&
	       len >= offsetof(struct tcp_info, tcpi_bytes_received) +
			       sizeof(info->tcpi_bytes_received);
}

static void name_ways(const struct tcp_port *p, const struct tcp_info *info, char *ret, size_t room)
{
	char name[TCP_NAME_MAX] = "", control[32] = "";
	socklen_t len = sizeof(control) - 1;

	if (p->stream[0].fd >= 0) {
		tcp_name(p->stream[0].fd, p->target, name, sizeof(name));
		getsockopt(p->stream[0].fd, IPPROTO_TCP, TCP_CONGESTION, control, &len);
	}
	snprintf(ret, room, "tcp %s x%u %s mtu %u", name, p->c.eps, control, info->tcpi_pmtu);
}

static void facts(struct perf_port *port, struct perf_facts *ret)
{
	const struct tcp_port *p = (const struct tcp_port *)port;
	struct tcp_info info, first = { 0 };
	uint64_t received = 0, acked = 0;

	*ret = (struct perf_facts){ .bytes_landed = p->landed, .wrong = p->wrong, .is_tcp = true };
	for (uint32_t i = 0; i < p->c.eps; i++) {
		if (!ask_kernel(&p->stream[i], &info))
			ret->is_tcp = false;
		if (!i)
			first = info;
		ret->retransmits += info.tcpi_total_retrans;
		received += info.tcpi_bytes_received;
		acked += info.tcpi_bytes_acked;
	}
	/* A socket that only looks like TCP carries the bytes past it. What is still under way was
	 * not acknowledged: sending alone proves nothing. */
	if (received < p->landed)
		ret->is_tcp = false;
	ret->wire_bytes = received + acked;
	name_ways(p, &first, ret->ways, sizeof(ret->ways));
}

const struct perf_backend perf_tcp = {
	.name = "tcp",
	.summary = "TCP sockets of the kernel",
	.layer = "TCP sockets",
	.tests = 1u << PERF_BW | 1u << PERF_RATE | 1u << PERF_LAT | 1u << PERF_OPEN |
		 1u << PERF_SETUP,
	.ops = 1u << PERF_WRITE | 1u << PERF_READ | 1u << PERF_SEND | 1u << PERF_WRITE_IMM,
	.limits = limits,
	.open = open_port,
	.address = tcp_address,
	.connect = tcp_connect,
	.post = tcp_post,
	.poll = tcp_poll,
	.idle = tcp_idle,
	.facts = facts,
	.close = close_port,
};
