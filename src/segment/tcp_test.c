/* SPDX-License-Identifier: Apache-2.0 */
/* The TCP directory: publishers, and what they take from connections. Openers: tcp_lookup_test.c.
 */
#include "segment/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"

#define LIMIT_NS (60 * NSEC_PER_SEC) /* only guards against hanging */

static void *begin(const char *place, uint32_t connections, uint64_t stall_ns)
{
	struct tcp_settings settings = { .connections = connections, .stall_ns = stall_ns };
	void *publisher;

	assert_int_equal(tcp_directory.open(&settings, place, &publisher), 0);
	return publisher;
}

static void *begin_default(void)
{
	return begin("127.0.0.1:0", 8, LIMIT_NS);
}

static struct weft_publisher_stats stats_of(void *publisher)
{
	struct weft_publisher_stats stats = { 0 };

	tcp_stats(publisher, &stats);
	return stats;
}

/* Until a counter of the publisher's thread has this value. */
#define until_counted(publisher, counter, value)                 \
	do {                                                     \
		uint64_t end_ns = clock_ns() + LIMIT_NS;         \
		while (stats_of(publisher).counter != (value)) { \
			assert_true(clock_ns() < end_ns);        \
			poll(NULL, 0, 1);                        \
		}                                                \
	} while (0)

struct seen {
	uint32_t count;
	char names[2048]; /* each with a blank behind it */
	uint8_t first_byte;
	size_t len;
};

static int note(void *arg, const char *name, const void *bytes, size_t len)
{
	struct seen *seen = arg;
	size_t at = strlen(seen->names);

	seen->count++;
	if (at + strlen(name) + 2 < sizeof(seen->names))
		sprintf(seen->names + at, "%s ", name);
	seen->first_byte = *(const uint8_t *)bytes;
	seen->len = len;
	return 0;
}

static int look(const char *place, const char *name, struct seen *seen)
{
	*seen = (struct seen){ 0 };
	err_clear();
	return tcp_lookup(NULL, place, name, LIMIT_NS, note, seen);
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 60 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

/* All that comes until the other side ends. */
static size_t read_all(int fd, uint8_t *buf, size_t room)
{
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, buf + have, room - have, 0)) > 0)
		have += (size_t)n;
	assert_int_equal(n, 0);
	return have;
}

/* Sends bytes and expects them to be refused with code, and nothing else. */
static void expect_refusal(void *publisher, const void *bytes, size_t len, int code)
{
	int fd = connect_to(tcp_directory.address(publisher));
	uint8_t buf[FRAME_MAX];
	struct frame frame;
	size_t have, used;

	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	have = read_all(fd, buf, sizeof(buf));
	assert_int_equal(frame_get(&frame, buf, have, &used), 0);
	assert_int_equal(used, have);
	assert_int_equal(frame.kind, FRAME_FAIL);
	assert_int_equal(frame.code, code);
	assert_true(frame.text[0]);
	close(fd);
}

static size_t put(uint8_t *buf, const struct frame *frame)
{
	size_t len = FRAME_MAX;

	assert_int_equal(frame_put(frame, buf, &len), 0);
	return len;
}

static void names_are_found(void **state)
{
	void *publisher = begin_default();
	const char *address = tcp_directory.address(publisher);
	struct seen seen;

	(void)state;
	assert_int_equal(look(address, "", &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(tcp_directory.publish(publisher, "b", "1", 1), 0);
	assert_int_equal(tcp_directory.publish(publisher, "c", "3", 1), 0);
	assert_int_equal(tcp_directory.publish(publisher, "a", "22", 2), 0);
	assert_int_equal(look(address, "", &seen), 0);
	assert_string_equal(seen.names, "a b c ");
	assert_int_equal(look(address, "a", &seen), 0);
	assert_int_equal(seen.len, 2);
	assert_int_equal(tcp_directory.publish(publisher, "a", "4", 1), 0);
	assert_int_equal(look(address, "a", &seen), 0);
	assert_int_equal(seen.first_byte, '4');
	assert_int_equal(look(address, "aa", &seen), -WEFT_ENONAME);
	assert_non_null(strstr(weft_error_detail(), "'aa' is not published"));
	assert_int_equal(tcp_directory.withdraw(publisher, "b"), 0);
	assert_int_equal(tcp_directory.withdraw(publisher, "b"), -WEFT_ENONAME);
	assert_int_equal(look(address, "b", &seen), -WEFT_ENONAME);
	assert_int_equal(look(address, "", &seen), 0);
	assert_string_equal(seen.names, "a c ");
	until_counted(publisher, open, 0);
	assert_int_equal(stats_of(publisher).unknown, 2);
	assert_int_equal(stats_of(publisher).accepted, 7);
	assert_int_equal(stats_of(publisher).answered, 5);
	tcp_directory.close(publisher);
	assert_int_equal(look("127.0.0.1:1", "", &seen), -WEFT_EUNAVAILABLE);
}

static void as_many_as_fit(void **state)
{
	static uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	void *publisher = begin_default();
	char name[16];
	struct seen seen;
	uint32_t i;

	(void)state;
	for (i = 0; i < WEFT_SEGMENT_MAX; i++) {
		sprintf(name, "n%u", i);
		assert_int_equal(tcp_directory.publish(publisher, name, bytes, sizeof(bytes)), 0);
	}
	assert_int_equal(tcp_directory.publish(publisher, "more", bytes, 1), -WEFT_ELIMIT);
	assert_int_equal(tcp_directory.publish(publisher, "n7", "x", 1), 0);
	assert_int_equal(look(tcp_directory.address(publisher), "", &seen), 0);
	assert_int_equal(seen.count, WEFT_SEGMENT_MAX);
	assert_int_equal(seen.len, sizeof(bytes));
	tcp_directory.close(publisher);
}

static void bad_requests_are_told_why(void **state)
{
	static const struct frame ask = { .kind = FRAME_LOOKUP, .name = "x" },
				  end = { .kind = FRAME_END, .count = 1 },
				  entry = {
					  .kind = FRAME_ENTRY, .name = "x", .bytes = "abc", .len = 3
				  };
	static const char http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	void *publisher = begin_default();
	uint8_t buf[2 * FRAME_MAX];
	struct seen seen;
	size_t len;

	(void)state;
	expect_refusal(publisher, http, sizeof(http), -WEFT_EPROTOCOL);
	memset(buf, 0xff, sizeof(buf));
	expect_refusal(publisher, buf, sizeof(buf), -WEFT_EPROTOCOL);
	len = put(buf, &ask);
	buf[4]++;
	expect_refusal(publisher, buf, len, -WEFT_EVERSION);
	len = put(buf, &ask);
	buf[len - 1]++;
	expect_refusal(publisher, buf, len, -WEFT_EMESSAGE);
	len = put(buf, &ask);
	len += put(buf + len, &ask);
	expect_refusal(publisher, buf, len, -WEFT_EMESSAGE);
	expect_refusal(publisher, buf, put(buf, &end), -WEFT_EMESSAGE);
	expect_refusal(publisher, buf, put(buf, &entry), -WEFT_EMESSAGE);
	/* An entry that would be larger than any request. */
	len = put(buf, &entry);
	buf[9] = 0x10;
	memset(buf + len, 0, FRAME_ASK_MAX);
	expect_refusal(publisher, buf, FRAME_ASK_MAX, -WEFT_EMESSAGE);
	assert_int_equal(stats_of(publisher).refused, 8);
	assert_int_equal(look(tcp_directory.address(publisher), "", &seen), 0);
	tcp_directory.close(publisher);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const struct frame ask = { .kind = FRAME_LOOKUP };
	void *publisher = begin_default();
	int fd = connect_to(tcp_directory.address(publisher));
	uint8_t buf[FRAME_MAX];
	size_t len = put(buf, &ask), i;
	struct frame frame;

	(void)state;
	for (i = 0; i < len; i++) {
		assert_int_equal(send(fd, buf + i, 1, MSG_NOSIGNAL), 1);
		poll(NULL, 0, 1);
	}
	len = read_all(fd, buf, sizeof(buf));
	assert_int_equal(frame_get(&frame, buf, len, &i), 0);
	assert_int_equal(frame.kind, FRAME_END);
	close(fd);
	until_counted(publisher, open, 0);
	tcp_directory.close(publisher);
}

static void a_silent_connection_is_dropped(void **state)
{
	void *publisher = begin("127.0.0.1:0", 8, 20 * NSEC_PER_MSEC);
	int silent = connect_to(tcp_directory.address(publisher));
	int half = connect_to(tcp_directory.address(publisher));
	uint8_t buf[16];

	(void)state;
	assert_int_equal(send(half, "WEFN", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(recv(silent, buf, sizeof(buf), 0), 0);
	assert_true(recv(half, buf, sizeof(buf), 0) <= 0);
	assert_int_equal(stats_of(publisher).stalled, 2);
	assert_int_equal(stats_of(publisher).open, 0);
	close(silent);
	close(half);
	tcp_directory.close(publisher);
}

/* It asks, and then does not read what is more than all buffers between hold. */
static void who_does_not_read_is_dropped(void **state)
{
	static const struct frame ask = { .kind = FRAME_LOOKUP };
	static uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	void *publisher = begin("127.0.0.1:0", 8, 100 * NSEC_PER_MSEC);
	uint8_t buf[FRAME_MAX];
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd, small = 4096;
	char name[16];
	uint32_t i;
	size_t len;

	(void)state;
	for (i = 0; i < WEFT_SEGMENT_MAX; i++) {
		sprintf(name, "n%u", i);
		assert_int_equal(tcp_directory.publish(publisher, name, bytes, sizeof(bytes)), 0);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(tcp_directory.address(publisher), ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	len = put(buf, &ask);
	assert_int_equal(send(fd, buf, len, MSG_NOSIGNAL), len);
	until_counted(publisher, stalled, 1);
	assert_int_equal(stats_of(publisher).answered, 0);
	close(fd);
	tcp_directory.close(publisher);
}

static void the_oldest_gives_way(void **state)
{
	void *publisher = begin("127.0.0.1:0", 4, LIMIT_NS);
	int fds[6];
	uint8_t byte;
	struct seen seen;

	(void)state;
	assert_int_equal(tcp_directory.publish(publisher, "x", "1", 1), 0);
	for (int i = 0; i < 6; i++) {
		fds[i] = connect_to(tcp_directory.address(publisher));
		until_counted(publisher, accepted, (uint64_t)i + 1);
	}
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	assert_int_equal(recv(fds[1], &byte, 1, 0), 0);
	assert_int_equal(stats_of(publisher).displaced, 2);
	assert_int_equal(stats_of(publisher).open, 4);
	/* And so nobody is held up by them. */
	assert_int_equal(look(tcp_directory.address(publisher), "x", &seen), 0);
	assert_int_equal(recv(fds[2], &byte, 1, 0), 0);
	assert_int_equal(recv(fds[5], &byte, 1, MSG_DONTWAIT), -1);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	until_counted(publisher, open, 0);
	tcp_directory.close(publisher);
}

/* Closing with connections open, in each state. */
static void closes_with_connections_open(void **state)
{
	void *publisher = begin_default();
	int silent = connect_to(tcp_directory.address(publisher));
	int refused = connect_to(tcp_directory.address(publisher));

	(void)state;
	assert_int_equal(send(refused, "none", 4, MSG_NOSIGNAL), 4);
	until_counted(publisher, refused, 1);
	until_counted(publisher, open, 2);
	tcp_directory.close(publisher);
	close(silent);
	close(refused);
}

static void without_descriptors_it_waits(void **state)
{
	void *publisher = begin_default();
	const char *address = tcp_directory.address(publisher);
	struct rlimit old, few;
	struct seen seen;
	int fds[4], last;

	(void)state;
	for (int i = 0; i < 4; i++)
		fds[i] = connect_to(address);
	until_counted(publisher, accepted, 4);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	last = dup(0);
	close(last);
	few = (struct rlimit){ .rlim_cur = (rlim_t)last + 1, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	/* Ours takes the last one, so that the publisher has none for its side. */
	last = connect_to(address);
	until_counted(publisher, accepted, 5);
	assert_int_equal(stats_of(publisher).displaced, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(look(address, "", &seen), 0);
	close(last);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	tcp_directory.close(publisher);
}

static void over_ipv6(void **state)
{
	struct tcp_settings settings = { .connections = 1, .stall_ns = LIMIT_NS };
	struct seen seen;
	void *publisher;
	int rc;

	(void)state;
	rc = tcp_directory.open(&settings, "[::1]:0", &publisher);
	if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
		skip(); /* this host has no IPv6 */
	assert_int_equal(rc, 0);
	assert_memory_equal(tcp_directory.address(publisher), "[::1]:", 6);
	assert_int_equal(tcp_directory.publish(publisher, "six", "6", 1), 0);
	assert_int_equal(look(tcp_directory.address(publisher), "", &seen), 0);
	assert_string_equal(seen.names, "six ");
	tcp_directory.close(publisher);
}

static void addresses(void **state)
{
	static const char *const bad[] = {
		"", ":1", "h", "127.0.0.1:x", "127.0.0.1:65536", "[::1]", "no such host:1"
	};
	struct tcp_settings settings = { .connections = 1, .stall_ns = LIMIT_NS };
	void *publisher = begin_default(), *other;
	struct seen seen;
	char name[64];
	size_t i;

	(void)state;
	assert_int_equal(tcp_directory.open(&settings, tcp_directory.address(publisher), &other),
			 -EADDRINUSE);
	tcp_directory.close(publisher);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(tcp_directory.open(&settings, bad[i], &other), -EINVAL);
		assert_int_equal(look(bad[i], "", &seen), -EINVAL);
	}
	assert_int_equal(tcp_directory.open(&settings, "192.0.2.1:0", &other), -EADDRNOTAVAIL);
	/* A host name: both families are tried. */
	publisher = begin_default();
	sprintf(name, "localhost:%s", strrchr(tcp_directory.address(publisher), ':') + 1);
	assert_int_equal(look(name, "", &seen), 0);
	tcp_directory.close(publisher);
	assert_int_equal(look("never.invalid:1", "", &seen), -WEFT_EUNAVAILABLE);
	assert_non_null(strstr(weft_error_detail(), "does not resolve"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(as_many_as_fit),
		cmocka_unit_test(bad_requests_are_told_why),
		cmocka_unit_test(a_request_may_come_byte_by_byte),
		cmocka_unit_test(a_silent_connection_is_dropped),
		cmocka_unit_test(who_does_not_read_is_dropped),
		cmocka_unit_test(the_oldest_gives_way),
		cmocka_unit_test(closes_with_connections_open),
		cmocka_unit_test(without_descriptors_it_waits),
		cmocka_unit_test(over_ipv6),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
