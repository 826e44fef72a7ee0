/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"

struct ends {
	struct conn conn;
	int fd; /* the other end */
};

static int open_ends(void **state)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	int fds[2];

	if (!ends || socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -1;
	ends->conn.fd = fds[0];
	ends->fd = fds[1];
	*state = ends;
	return 0;
}

static int close_ends(void **state)
{
	struct ends *ends = *state;

	conn_close(&ends->conn);
	close(ends->fd);
	free(ends);
	return 0;
}

static void say(const struct ends *ends, const char *text)
{
	assert_int_equal(write(ends->fd, text, strlen(text)), strlen(text));
}

static void lines_and_data_alternate(void **state)
{
	struct ends *ends = *state;
	char line[64], data[5];

	say(ends, "$5\r\nhe\r\no\r\n+OK\r\n");
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), 0);
	assert_string_equal(line, "$5");
	assert_int_equal(conn_take(&ends->conn, data, 5), 0);
	assert_memory_equal(data, "he\r\no", 5);
	assert_int_equal(conn_take(&ends->conn, data, 2), 0);
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), 0);
	assert_string_equal(line, "+OK");
}

static void a_line_that_never_ends_is_refused(void **state)
{
	struct ends *ends = *state;
	char line[16];

	say(ends, "0123456789012345678901234567890123456789");
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), -EPROTO);
}

static void a_line_too_long_for_the_room_is_refused(void **state)
{
	struct ends *ends = *state;
	char line[4];

	say(ends, "abcdefgh\r\n");
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), -EPROTO);
}

static void a_closed_connection_is_an_error(void **state)
{
	struct ends *ends = *state;
	char line[16];

	say(ends, "half");
	assert_int_equal(shutdown(ends->fd, SHUT_WR), 0);
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), -EPIPE);
}

static void requests_wait_until_an_answer_is_waited_for(void **state)
{
	struct ends *ends = *state;
	char got[16], line[16];

	assert_int_equal(conn_put(&ends->conn, "ab", 2), 0);
	assert_int_equal(conn_put(&ends->conn, "cd", 2), 0);
	assert_int_equal(recv(ends->fd, got, sizeof(got), MSG_DONTWAIT), -1);
	say(ends, "x\r\n");
	assert_int_equal(conn_line(&ends->conn, line, sizeof(line)), 0);
	assert_int_equal(recv(ends->fd, got, sizeof(got), MSG_DONTWAIT), 4);
	assert_memory_equal(got, "abcd", 4);
}

/* Larger than both buffers, so that it goes past them, behind data that waits in them. */
static void large_data_keeps_its_order(void **state)
{
	const size_t len = 3 * CONN_BUFFER, half = CONN_BUFFER / 2;
	struct ends *ends = *state;
	unsigned char *out = malloc(len), *in = malloc(len);
	size_t i, n;
	ssize_t got;

	assert_non_null(out);
	assert_non_null(in);
	for (i = 0; i < len; i++)
		out[i] = (unsigned char)(i * 7 + i / 251);
	assert_int_equal(conn_put(&ends->conn, out, 3), 0);
	assert_int_equal(conn_put(&ends->conn, out + 3, half - 3), 0);
	assert_int_equal(conn_flush(&ends->conn), 0);
	assert_int_equal(conn_put(&ends->conn, out + half, CONN_BUFFER + 1), 0);
	for (n = 0; n < half + CONN_BUFFER + 1; n += got) {
		got = recv(ends->fd, in + n, len - n, 0);
		assert_true(got > 0);
	}
	assert_memory_equal(in, out, n);

	assert_int_equal(send(ends->fd, out, CONN_BUFFER + 7, 0), CONN_BUFFER + 7);
	assert_int_equal(conn_take(&ends->conn, in, 1), 0);
	assert_int_equal(conn_take(&ends->conn, in + 1, CONN_BUFFER + 6), 0);
	assert_memory_equal(in, out, CONN_BUFFER + 7);
	free(out);
	free(in);
}

static void bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "nonsense:1", ":1",
					   "1234567890123456789012345:1" };
	struct conn *conn = malloc(sizeof(*conn));
	size_t i;

	(void)state;
	assert_non_null(conn);
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(conn_open(conn, bad[i]), -EINVAL);
	assert_int_equal(conn_open(conn, "/nonexistent/socket"), -ENOENT);
	free(conn);
}

#define WITH_ENDS(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENDS(lines_and_data_alternate),
		WITH_ENDS(a_line_that_never_ends_is_refused),
		WITH_ENDS(a_line_too_long_for_the_room_is_refused),
		WITH_ENDS(a_closed_connection_is_an_error),
		WITH_ENDS(requests_wait_until_an_answer_is_waited_for),
		WITH_ENDS(large_data_keeps_its_order),
		cmocka_unit_test(bad_addresses_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
