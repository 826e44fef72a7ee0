/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher's thread: accepts, reads one lookup of each connection, answers it. Nothing waits
 * for anybody: every connection moves when it can, and has a deadline.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "segment/tcp.h"

#define ACCEPTS_PER_ROUND 16u /* then those that are there get their turn */
#define DRAIN_PER_ROUND   (256u * 1024)
#define ACCEPT_PAUSE_NS   (100 * NSEC_PER_MSEC) /* when no descriptor is free */

static void count(_Atomic uint64_t *counter, int by)
{
	atomic_fetch_add_explicit(counter, (uint64_t)by, memory_order_relaxed);
}

static void drop(struct tcp_publisher *publisher, uint32_t i)
{
	struct tcp_connection *connection = publisher->connections[i];

	publisher->connections[i] = publisher->connections[--publisher->connection_count];
	count(&publisher->counters.open, -1);
	close(connection->fd);
	mem_free(connection);
}

/* False: there is none. */
static bool drop_oldest(struct tcp_publisher *publisher)
{
	struct tcp_connection **all = publisher->connections;
	uint32_t oldest = 0, i;

	if (!publisher->connection_count)
		return false;
	for (i = 1; i < publisher->connection_count; i++)
		if (all[i]->number < all[oldest]->number)
			oldest = i;
	if (all[oldest]->state != TCP_DRAINING)
		count(&publisher->counters.displaced, 1);
	drop(publisher, oldest);
	return true;
}

/* --- answers --- */

static void put(struct tcp_connection *connection, const struct frame *frame)
{
	connection->at = 0;
	connection->have = sizeof(connection->buf);
	if (frame_put(frame, connection->buf, &connection->have))
		connection->have = 0; /* cannot be: the buffer is for the largest frame */
	connection->state = TCP_ANSWERING;
}

static void put_last(struct tcp_connection *connection, const struct frame *frame)
{
	put(connection, frame);
	connection->last = true;
}

static void put_failure(struct tcp_connection *connection, int code, const char *text)
{
	struct frame frame = { .kind = FRAME_FAIL, .code = code };

	snprintf(frame.text, sizeof(frame.text), "%s", text);
	put_last(connection, &frame);
}

/* The next entry, or the end. */
static void put_next(struct tcp_publisher *publisher, struct tcp_connection *connection)
{
	struct frame entry = { .kind = FRAME_ENTRY };
	struct frame end = { .kind = FRAME_END, .count = connection->entries };
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];

	if (connection->all && connection->entries < WEFT_SEGMENT_MAX &&
	    tcp_find(publisher, connection->name, false, &entry, bytes)) {
		memcpy(connection->name, entry.name, sizeof(connection->name));
		connection->entries++;
		put(connection, &entry);
		return;
	}
	connection->ends_well = true;
	put_last(connection, &end);
}

static void answer(struct tcp_publisher *publisher, struct tcp_connection *connection,
		   const struct frame *ask)
{
	struct frame entry = { .kind = FRAME_ENTRY };
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	char text[FRAME_TEXT];

	memcpy(connection->name, ask->name, sizeof(connection->name));
	connection->all = !ask->name[0];
	if (connection->all) {
		put_next(publisher, connection);
		return;
	}
	if (tcp_find(publisher, ask->name, true, &entry, bytes)) {
		connection->entries = 1;
		put(connection, &entry);
		return;
	}
	count(&publisher->counters.unknown, 1);
	snprintf(text, sizeof(text), "'%s' is not published", ask->name);
	put_failure(connection, -WEFT_ENONAME, text);
}

/* --- one connection: each returns false when it is to be dropped --- */

static bool broke(struct tcp_publisher *publisher)
{
	count(&publisher->counters.broken, 1);
	return false;
}

static bool read_ask(struct tcp_publisher *publisher, struct tcp_connection *connection)
{
	struct frame ask;
	size_t used;
	ssize_t n;
	int rc;

	n = recv(connection->fd, connection->buf + connection->have,
		 FRAME_ASK_MAX - connection->have, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return broke(publisher);
	connection->have += (size_t)n;
	rc = frame_get(&ask, connection->buf, connection->have, &used);
	if (rc == -EAGAIN && connection->have < FRAME_ASK_MAX)
		return true;
	if (rc == -EAGAIN || (!rc && (ask.kind != FRAME_LOOKUP || used != connection->have)))
		rc = err_set(-WEFT_EMESSAGE, "this is no lookup, or more than one");
	if (!rc) {
		answer(publisher, connection, &ask);
		return true;
	}
	count(&publisher->counters.refused, 1);
	put_failure(connection, rc, weft_error_detail());
	return true;
}

static bool write_answer(struct tcp_publisher *publisher, struct tcp_connection *connection,
			 uint64_t now_ns)
{
	ssize_t n;

	for (;;) {
		n = send(connection->fd, connection->buf + connection->at,
			 connection->have - connection->at, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? true : broke(publisher);
		connection->moved_ns = now_ns;
		connection->at += (size_t)n;
		if (connection->at < connection->have)
			continue;
		if (connection->last)
			break;
		put_next(publisher, connection);
	}
	if (connection->ends_well)
		count(&publisher->counters.answered, 1);
	connection->state = TCP_DRAINING;
	return shutdown(connection->fd, SHUT_WR) == 0;
}

static bool drain(struct tcp_connection *connection)
{
	uint32_t done = 0;
	ssize_t n;

	while (done < DRAIN_PER_ROUND) {
		n = recv(connection->fd, connection->buf, sizeof(connection->buf), 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		done += (uint32_t)n;
	}
	return true;
}

static bool move(struct tcp_publisher *publisher, struct tcp_connection *connection,
		 uint64_t now_ns)
{
	if (connection->state == TCP_ASKING && !read_ask(publisher, connection))
		return false;
	if (connection->state == TCP_ANSWERING && !write_answer(publisher, connection, now_ns))
		return false;
	return connection->state != TCP_DRAINING || drain(connection);
}

static uint64_t deadline_of(const struct tcp_publisher *publisher,
			    const struct tcp_connection *connection)
{
	uint64_t stall_ns = publisher->settings.stall_ns;
	uint64_t life_ns =
		stall_ns > UINT64_MAX / TCP_LIFE_STALLS ? UINT64_MAX : stall_ns * TCP_LIFE_STALLS;
	uint64_t stalls = clock_deadline(connection->moved_ns, stall_ns);
	uint64_t ends = clock_deadline(connection->born_ns, life_ns);

	return stalls < ends ? stalls : ends;
}

/* --- all of them --- */

static void adopt(struct tcp_publisher *publisher, int fd, uint64_t now_ns)
{
	struct tcp_connection *connection;

	count(&publisher->counters.accepted, 1);
	if (publisher->connection_count == publisher->settings.connections)
		drop_oldest(publisher);
	connection = mem_zalloc(sizeof(*connection));
	if (!connection) {
		count(&publisher->counters.displaced, 1);
		close(fd);
		return;
	}
	connection->fd = fd;
	connection->born_ns = connection->moved_ns = now_ns;
	connection->number = ++publisher->next_number;
	publisher->connections[publisher->connection_count++] = connection;
	count(&publisher->counters.open, 1);
	/* Who has asked already is answered before anybody can displace it. */
	if (!move(publisher, connection, now_ns))
		drop(publisher, publisher->connection_count - 1);
}

/* Without a free descriptor accept4() does not even look whether somebody is there. */
static bool somebody_waits(const struct tcp_publisher *publisher)
{
	struct pollfd fd = { .fd = publisher->listen_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static bool is_scarcity(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void accept_some(struct tcp_publisher *publisher, uint64_t now_ns)
{
	uint32_t i;
	int fd;

	for (i = 0; i < ACCEPTS_PER_ROUND; i++) {
		fd = accept4(publisher->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			adopt(publisher, fd, now_ns);
		else if (errno == EAGAIN || (is_scarcity(errno) && !somebody_waits(publisher)))
			return;
		else if (is_scarcity(errno) && !drop_oldest(publisher)) {
			/* The listener stays readable: no reason to spin. */
			publisher->resume_ns = now_ns + ACCEPT_PAUSE_NS;
			return;
		}
	}
}

/* fds[0]: wakes; fds[1]: listens, unless paused; then the connections in their order. */
static uint64_t fill(struct tcp_publisher *publisher, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX, at_ns;
	struct tcp_connection *connection;
	bool paused = now_ns < publisher->resume_ns;
	uint32_t i;

	publisher->fds[0] = (struct pollfd){ .fd = publisher->wake_fd, .events = POLLIN };
	publisher->fds[1] =
		(struct pollfd){ .fd = paused ? -1 : publisher->listen_fd, .events = POLLIN };
	if (paused)
		next_ns = publisher->resume_ns;
	for (i = 0; i < publisher->connection_count; i++) {
		connection = publisher->connections[i];
		publisher->fds[i + 2] = (struct pollfd){
			.fd = connection->fd,
			.events = connection->state == TCP_ANSWERING ? POLLOUT : POLLIN,
		};
		at_ns = deadline_of(publisher, connection);
		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

/* Backwards: the last one takes the place of one that is dropped. */
static void move_all(struct tcp_publisher *publisher, uint64_t now_ns)
{
	struct tcp_connection *connection;
	uint32_t i;

	for (i = publisher->connection_count; i-- > 0;) {
		connection = publisher->connections[i];
		if (publisher->fds[i + 2].revents && !move(publisher, connection, now_ns)) {
			drop(publisher, i);
		} else if (now_ns >= deadline_of(publisher, connection)) {
			if (connection->state != TCP_DRAINING)
				count(&publisher->counters.stalled, 1);
			drop(publisher, i);
		}
	}
}

static void wait_for_some(struct tcp_publisher *publisher)
{
	uint64_t now = clock_ns(), next = fill(publisher, now);
	struct timespec ts, *limit = NULL;

	if (next != UINT64_MAX) {
		next = next > now ? next - now : 0;
		ts = (struct timespec){ .tv_sec = (time_t)(next / NSEC_PER_SEC),
					.tv_nsec = (long)(next % NSEC_PER_SEC) };
		limit = &ts;
	}
	if (ppoll(publisher->fds, publisher->connection_count + 2, limit, NULL) >= 0)
		return;
	/* Nothing is known of any of them. */
	for (uint32_t i = 0; i < publisher->connection_count + 2; i++)
		publisher->fds[i].revents = 0;
}

void *tcp_main(void *arg)
{
	struct tcp_publisher *publisher = arg;
	uint64_t now;

	prctl(PR_SET_NAME, "weft-names", 0ul, 0ul, 0ul);
	while (!atomic_load(&publisher->stop)) {
		wait_for_some(publisher);
		now = clock_ns();
		move_all(publisher, now);
		if (publisher->fds[1].revents)
			accept_some(publisher, now);
	}
	while (publisher->connection_count)
		drop(publisher, publisher->connection_count - 1);
	return NULL;
}
