/* SPDX-License-Identifier: Apache-2.0 */
/* A target and a socket in our own hands: strays, and twins that do wrong. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/err.h"
#include "perf/tcp_kit.h"

struct stray {
	struct perf_port *target;
	uint8_t address[1024];
	int len;
	struct sockaddr_in at;
	const uint8_t *ask, *answer;
};

static void open_target(struct stray *s, const struct perf_case *c)
{
	const struct tcp_port *p;
	socklen_t len = sizeof(s->at);

	assert_int_equal(perf_tcp.open(&s->target, c, 0, true), 0);
	p = (const struct tcp_port *)s->target;
	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&s->at, &len), 0);
	s->ask = p->ask;
	s->answer = p->answer;
}

static int call(const struct stray *s)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)), 0);
	return fd;
}

static void say(int fd, const struct stray *s, uint32_t magic, uint32_t index, bool right)
{
	uint8_t hello[TCP_HELLO];

	memcpy(hello, &magic, 4);
	memcpy(hello + 4, &index, 4);
	memcpy(hello + 8, s->ask, TCP_TOKEN);
	hello[TCP_HELLO - 1] ^= !right;
	assert_int_equal(send(fd, hello, TCP_HELLO, MSG_NOSIGNAL), TCP_HELLO);
}

static void drain(int fd, uint32_t bytes)
{
	uint8_t buf[64];

	assert_int_equal(recv(fd, buf, bytes, MSG_WAITALL), bytes);
}

/* With the address of an initiator that has as many streams. */
static int greet(struct stray *s)
{
	uint8_t initiator[] = { 'W', 'P', 'T', '1', 0, 0, 0, 0, 0 };

	initiator[4] = (uint8_t)((const struct tcp_port *)s->target)->c.eps;
	return perf_tcp.connect(s->target, initiator, sizeof(initiator));
}

static int join(struct stray *s)
{
	int fd = call(s), rc;

	say(fd, s, 0x31545057, 0, true);
	do {
		rc = greet(s);
	} while (rc == -EAGAIN);
	assert_int_equal(rc, 0);
	drain(fd, TCP_TOKEN);
	return fd;
}

static void hang_up(int fd)
{
	uint8_t byte;

	/* The target closed it: the end, or a reset if it had not read all. */
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

/* All connections are there before the first hello; the last stream speaks first. */
static void many_streams_may_be_slow(void **state)
{
	struct perf_case c = case_of(PERF_WRITE, 64, 4, 2 * TCP_GUESTS);
	int fd[2 * TCP_GUESTS];
	struct stray s;

	(void)state;
	open_target(&s, &c);
	for (int i = 0; i < 2 * TCP_GUESTS; i++)
		fd[i] = call(&s);
	for (int i = 0; i < 20; i++)
		assert_int_equal(greet(&s), -EAGAIN);
	for (int i = 2 * TCP_GUESTS - 1; i >= 0; i--)
		say(fd[i], &s, 0x31545057, (uint32_t)i, true);
	while (greet(&s) == -EAGAIN)
		;
	for (int i = 0; i < 2 * TCP_GUESTS; i++) {
		drain(fd[i], TCP_TOKEN);
		close(fd[i]);
	}
	perf_tcp.close(s.target);
}

static void strays_are_turned_away(void **state)
{
	struct perf_case c = case_of(PERF_WRITE, 64, 4, 1);
	int silent[3 * TCP_GUESTS], wrong[3], fd;
	struct stray s;

	(void)state;
	open_target(&s, &c);
	for (int i = 0; i < 3 * TCP_GUESTS; i++) {
		silent[i] = call(&s);
		assert_int_equal(greet(&s), -EAGAIN);
	}
	for (int i = 0; i < 3; i++)
		wrong[i] = call(&s);
	say(wrong[0], &s, 0x31545057, 0, false);
	say(wrong[1], &s, 0x31545057, 1, true);
	say(wrong[2], &s, 0x20544547, 0, true);
	for (int i = 0; i < 20; i++)
		assert_int_equal(greet(&s), -EAGAIN);
	for (int i = 0; i < 3; i++)
		hang_up(wrong[i]);
	fd = join(&s);
	for (int i = 0; i < 3 * TCP_GUESTS; i++)
		hang_up(silent[i]);
	close(fd);
	perf_tcp.close(s.target);
}

static void tell_frame(int fd, uint32_t kind, uint32_t count, uint32_t payload)
{
	uint8_t bytes[TCP_HEAD + 256] = { 0 };

	memcpy(bytes, &kind, 4);
	memcpy(bytes + 4, &count, 4);
	assert_int_equal(send(fd, bytes, TCP_HEAD + payload, 0), TCP_HEAD + payload);
}

static void frames_are_checked(void **state)
{
	static const struct {
		enum perf_op op;
		uint32_t kind, count;
		const char *why;
	} rows[] = {
		{ PERF_SEND, 0x12345678, 1, "not a frame" },
		{ PERF_SEND, TCP_DATA, 0, "no messages" },
		{ PERF_SEND, TCP_CONFIRM, 1, "not a frame" },
		{ PERF_SEND, TCP_ASK, 1, "not a frame" },
		{ PERF_READ, TCP_CONFIRM, 1, "not a frame" },
		{ PERF_WRITE, TCP_ASK, 1, "not a frame" },
		{ PERF_WRITE, TCP_CONFIRM, 1, "more confirmed" },
		{ PERF_WRITE_IMM, TCP_CONFIRM, UINT32_MAX, "more confirmed" },
		{ PERF_READ, TCP_DATA, 1, "more answers" },
		{ PERF_READ, TCP_ASK, 5, "more asked for" },
		{ PERF_READ, TCP_ASK, UINT32_MAX, "more asked for" },
	};
	struct perf_case c;
	struct stray s;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		c = case_of(rows[i].op, 64, 4, 1);
		open_target(&s, &c);
		fd = join(&s);
		tell_frame(fd, rows[i].kind, rows[i].count, 0);
		assert_int_equal(poll_until(s.target), -WEFT_EPROTOCOL);
		assert_non_null(strstr(weft_error_detail(), rows[i].why));
		close(fd);
		perf_tcp.close(s.target);
	}
}

static void wrong_content_is_found(void **state)
{
	struct perf_case c = case_of(PERF_SEND, 64, 4, 1);
	struct perf_event event;
	struct stray s;
	int fd;

	(void)state;
	for (int validate = 0; validate < 2; validate++) {
		c.validate = validate;
		open_target(&s, &c);
		fd = join(&s);
		tell_frame(fd, TCP_DATA, 1, 64);
		while (perf_tcp.poll(s.target, &event, 1) == 0)
			;
		assert_int_equal(event.kind, PERF_ARRIVED);
		assert_int_equal(facts_of(s.target).wrong, validate);
		close(fd);
		perf_tcp.close(s.target);
	}
}

static void a_twin_that_goes_away(void **state)
{
	struct perf_case c = case_of(PERF_SEND, 64, 4, 1);
	struct perf_event event;
	struct stray s;
	int fd;

	(void)state;
	/* Within a message: an error that names it. */
	open_target(&s, &c);
	fd = join(&s);
	tell_frame(fd, TCP_DATA, 1, 63);
	close(fd);
	assert_int_equal(poll_until(s.target), -WEFT_EPEERGONE);
	assert_non_null(strstr(weft_error_detail(), "127.0.0.1"));
	perf_tcp.close(s.target);

	/* With nothing under way: no error until something is posted. */
	open_target(&s, &c);
	fd = join(&s);
	tell_frame(fd, TCP_DATA, 1, 64);
	close(fd);
	while (perf_tcp.poll(s.target, &event, 1) == 0)
		;
	while (!((struct tcp_port *)s.target)->stream[0].ended)
		assert_int_equal(perf_tcp.poll(s.target, &event, 1), 0);
	assert_int_equal(perf_tcp.poll(s.target, &event, 1), 0);
	assert_int_equal(perf_tcp.post(s.target, 0, 0, 1), -WEFT_EPEERGONE);
	perf_tcp.close(s.target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_streams_may_be_slow),
		cmocka_unit_test(strays_are_turned_away),
		cmocka_unit_test(frames_are_checked),
		cmocka_unit_test(wrong_content_is_found),
		cmocka_unit_test(a_twin_that_goes_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
