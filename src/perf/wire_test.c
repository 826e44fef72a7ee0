/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/wire.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/clock.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define MOST  16
#define SOON  (clock_ns() + NSEC_PER_MSEC)
#define LATER (clock_ns() + 60 * NSEC_PER_SEC)

struct pair {
	struct perf_wire wire;
	int fd; /* the other side */
};

static struct pair make_pair(size_t most)
{
	struct pair pair;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	perf_wire_init(&pair.wire, fds[0], most);
	pair.fd = fds[1];
	return pair;
}

static void end_pair(struct pair *pair)
{
	perf_wire_close(&pair->wire);
	close(pair->fd);
}

static void put(struct pair *pair, const char *text, size_t len)
{
	assert_int_equal(write(pair->fd, text, len), len);
}

static void assert_line(struct pair *pair, const char *wanted)
{
	char *line;
	size_t len;

	assert_int_equal(perf_wire_next(&pair->wire, &line, &len), 0);
	assert_string_equal(line, wanted);
	assert_int_equal(len, strlen(wanted));
}

static void assert_none(struct pair *pair, int code)
{
	char *line;
	size_t len;

	assert_int_equal(perf_wire_next(&pair->wire, &line, &len), code);
}

static void lines_come_in_pieces_and_together(void **state)
{
	struct pair pair = make_pair(MOST);

	(void)state;
	assert_none(&pair, -EAGAIN);
	put(&pair, "on", 2);
	assert_none(&pair, -EAGAIN);
	put(&pair, "e\n\ntwo\nth", 9);
	assert_line(&pair, "one");
	assert_line(&pair, "");
	assert_line(&pair, "two");
	assert_none(&pair, -EAGAIN);
	put(&pair, "ree\n", 4);
	assert_line(&pair, "three");
	end_pair(&pair);
}

static void a_line_may_be_as_long_as_allowed_and_not_longer(void **state)
{
	struct pair pair = make_pair(MOST);

	(void)state;
	put(&pair, "0123456789abcdef\n0123456789abcdefg\n", 35);
	assert_line(&pair, "0123456789abcdef");
	assert_none(&pair, -WEFT_EMESSAGE);
	assert_true(pair.wire.room <= MOST + 2);
	end_pair(&pair);
	pair = make_pair(MOST);
	put(&pair, "0123456789abcdefg", 17);
	assert_none(&pair, -WEFT_EMESSAGE);
	end_pair(&pair);
}

static void a_nul_is_no_text(void **state)
{
	struct pair pair = make_pair(MOST);

	(void)state;
	put(&pair, "a\0b\n", 4);
	assert_none(&pair, -WEFT_EMESSAGE);
	end_pair(&pair);
}

static void an_end_is_told_after_the_lines_before(void **state)
{
	struct pair pair = make_pair(MOST);

	(void)state;
	assert_false(perf_wire_is_gone(&pair.wire));
	put(&pair, "last\nhalf", 9);
	close(pair.fd);
	assert_true(perf_wire_is_gone(&pair.wire));
	assert_line(&pair, "last");
	assert_none(&pair, -WEFT_EPEERGONE);
	assert_none(&pair, -WEFT_EPEERGONE);
	perf_wire_close(&pair.wire);
}

static void waiting_has_an_end(void **state)
{
	struct pair pair = make_pair(MOST);
	volatile int stop = 1;
	char *line;
	size_t len;

	(void)state;
	assert_int_equal(perf_wire_read(&pair.wire, SOON, NULL, &line, &len), -WEFT_EDEADLINE);
	assert_int_equal(perf_wire_read(&pair.wire, LATER, &stop, &line, &len), -WEFT_ECANCELLED);
	put(&pair, "x\n", 2);
	assert_int_equal(perf_wire_read(&pair.wire, SOON, &stop, &line, &len), 0);
	end_pair(&pair);
}

static void who_does_not_read_holds_nobody_up(void **state)
{
	struct pair pair = make_pair(MOST);
	size_t len = (size_t)64 << 20;
	char *line = malloc(len);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', len);
	assert_int_equal(perf_wire_write(&pair.wire, line, len, SOON), -WEFT_EDEADLINE);
	free(line);
	close(pair.fd);
	assert_int_equal(perf_wire_write(&pair.wire, "y", 1, LATER), -WEFT_EPEERGONE);
	perf_wire_close(&pair.wire);
}

#define LONG ((size_t)1 << 20)

static void *write_long(void *arg)
{
	struct perf_wire wire;
	char *line = malloc(LONG);

	perf_wire_init(&wire, *(int *)arg, MOST);
	memset(line, 'z', LONG);
	assert_int_equal(perf_wire_write(&wire, line, LONG, LATER), 0);
	free(line);
	perf_wire_close(&wire);
	return NULL;
}

static void a_long_line_comes_whole(void **state)
{
	struct pair pair = make_pair(LONG);
	pthread_t thread;
	char *line;
	size_t len;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_long, &pair.fd), 0);
	assert_int_equal(perf_wire_read(&pair.wire, LATER, NULL, &line, &len), 0);
	assert_int_equal(len, LONG);
	assert_int_equal(strspn(line, "z"), LONG);
	pthread_join(thread, NULL);
	perf_wire_close(&pair.wire);
}

static void only_messages_are_parsed(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"1",
		"null",
		"{}",
		"{\"type\":1}",
		"{\"type\":\"x\"",
		"{\"type\":\"x\",\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]"
		"]]]]]]]]}",
	};
	cJSON *message = NULL;
	uint64_t number = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(perf_wire_parse(bad[i], strlen(bad[i]), &message), -WEFT_EMESSAGE);
	assert_null(message);
	static const char good[] =
		"{\"type\":\"x\",\"a\":3,\"b\":-1,\"c\":1.5,\"d\":1e300,\"e\":\"[[\\\"\"}";

	assert_int_equal(perf_wire_parse(good, strlen(good), &message), 0);
	assert_string_equal(perf_wire_text(message, "type"), "x");
	assert_string_equal(perf_wire_text(message, "e"), "[[\"");
	assert_null(perf_wire_text(message, "a"));
	assert_true(perf_wire_number(message, "a", 3, &number));
	assert_int_equal(number, 3);
	for (const char *name = "bcdef"; *name; name++)
		assert_false(perf_wire_number(message, (char[]){ *name, 0 }, UINT64_MAX, &number));
	assert_false(perf_wire_number(message, "a", 2, &number));
	assert_int_equal(number, 3);
	cJSON_Delete(message);
}

static void bytes_go_by_hexadecimal(void **state)
{
	uint8_t bytes[4] = { 0, 0x7f, 0x80, 0xff }, back[4];
	char text[9];

	(void)state;
	perf_wire_hex(text, bytes, sizeof(bytes));
	assert_string_equal(text, "007f80ff");
	assert_int_equal(perf_wire_from_hex(text, back, sizeof(back)), 4);
	assert_memory_equal(bytes, back, 4);
	assert_int_equal(perf_wire_from_hex("", back, sizeof(back)), 0);
	assert_int_equal(perf_wire_from_hex("0", back, sizeof(back)), -WEFT_EMESSAGE);
	assert_int_equal(perf_wire_from_hex("0g", back, sizeof(back)), -WEFT_EMESSAGE);
	assert_int_equal(perf_wire_from_hex("0011223344", back, sizeof(back)), -WEFT_EMESSAGE);
}

static void servers_are_found_by_address(void **state)
{
	char where[PERF_WIRE_NAME_MAX], peer[PERF_WIRE_NAME_MAX];
	volatile int stop = 0;
	int fd, other;

	(void)state;
	fd = perf_wire_listen("127.0.0.1:0", where);
	assert_true(fd >= 0);
	other = perf_wire_dial(where, LATER, &stop);
	assert_true(other >= 0);
	perf_wire_name(other, peer);
	assert_string_equal(peer, where);
	close(other);
	close(fd);
	assert_int_equal(perf_wire_dial(where, LATER, &stop), -WEFT_EUNAVAILABLE);
	assert_non_null(strstr(weft_error_detail(), where));
	assert_int_equal(perf_wire_dial("no port", LATER, &stop), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_pieces_and_together),
		cmocka_unit_test(a_line_may_be_as_long_as_allowed_and_not_longer),
		cmocka_unit_test(a_nul_is_no_text),
		cmocka_unit_test(an_end_is_told_after_the_lines_before),
		cmocka_unit_test(waiting_has_an_end),
		cmocka_unit_test(who_does_not_read_holds_nobody_up),
		cmocka_unit_test(a_long_line_comes_whole),
		cmocka_unit_test(only_messages_are_parsed),
		cmocka_unit_test(bytes_go_by_hexadecimal),
		cmocka_unit_test(servers_are_found_by_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
