/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "watch/local.h"

#define SOON (100 * NSEC_PER_MSEC)

/* Answers one connection with these bytes; "": closes it. */
struct answerer {
	int fd;
	const char *answer;
	size_t len;
};

static void *answer_one(void *arg)
{
	const struct answerer *answerer = arg;
	int fd, flags = MSG_NOSIGNAL;
	char head[256];

	while ((fd = accept(answerer->fd, NULL, NULL)) < 0)
		;
	if (recv(fd, head, sizeof(head), 0) > 0)
		for (size_t sent = 0, n = 0; sent < answerer->len; sent += n) {
			n = (size_t)send(fd, answerer->answer + sent, answerer->len - sent, flags);
			if (n == (size_t)-1)
				break;
		}
	close(fd);
	return NULL;
}

static int ask(int fd, const char *name, const char *answer, size_t answer_len, char **ret)
{
	struct answerer answerer = { fd, answer, answer_len };
	struct ucred who;
	pthread_t thread;
	size_t len = 0;
	int rc;

	assert_int_equal(pthread_create(&thread, NULL, answer_one, &answerer), 0);
	rc = local_ask(name, "/stats", 10 * NSEC_PER_SEC, ret, &len, &who);
	pthread_join(thread, NULL);
	assert_int_equal(who.pid, getpid());
	return rc;
}

static bool is_listed(const char *name)
{
	static char names[4096][LOCAL_NAME_MAX];
	int n = local_list(names, 4096);

	assert_true(n >= 0);
	while (n--)
		if (!strcmp(names[n], name))
			return true;
	return false;
}

static void a_process_can_be_found_and_asked(void **state)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
	char name[LOCAL_NAME_MAX], wanted[LOCAL_NAME_MAX], *text = NULL;
	int fd = local_listen(name);

	(void)state;
	assert_true(fd >= 0);
	snprintf(wanted, sizeof(wanted), "weft-stats-%d-0", (int)getpid());
	assert_string_equal(name, wanted);
	assert_true(is_listed(name));
	assert_int_equal(ask(fd, name, good, sizeof(good) - 1, &text), 0);
	assert_string_equal(text, "yes");
	mem_free(text);
	close(fd);
	assert_false(is_listed(name));
}

static void a_second_one_gets_another_name(void **state)
{
	char first[LOCAL_NAME_MAX], second[LOCAL_NAME_MAX];
	int a = local_listen(first), b = local_listen(second);

	(void)state;
	assert_true(a >= 0 && b >= 0);
	assert_string_not_equal(first, second);
	assert_true(is_listed(first) && is_listed(second));
	close(a);
	close(b);
}

static void strange_answers_are_errors(void **state)
{
	char name[LOCAL_NAME_MAX], *text = NULL;
	char *endless = calloc(1, LOCAL_ANSWER_MAX + 10);
	int fd = local_listen(name);

	(void)state;
	memset(endless, 'x', LOCAL_ANSWER_MAX + 10);
#define ANSWER(bytes) ask(fd, name, bytes, sizeof(bytes) - 1, &text)
	assert_int_equal(ANSWER(""), -EBADMSG);
	assert_int_equal(ANSWER("\0\0\0"), -EBADMSG);
	assert_int_equal(ANSWER("SSH-2.0\r\n\r\n"), -EBADMSG);
	assert_int_equal(ANSWER("HTTP/1.1 200 OK\r\n"), -EBADMSG);
	assert_int_equal(ANSWER("HTTP/1.1 503 x\r\n\r\n"), -EBADMSG);
	assert_int_equal(ANSWER("HTTP/1.1 403 x\r\n\r\n"), -EACCES);
	assert_int_equal(ask(fd, name, endless, LOCAL_ANSWER_MAX + 10, &text), -EMSGSIZE);
	free(endless);
	close(fd);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
	char name[LOCAL_NAME_MAX], *text = NULL;
	int fd = local_listen(name);
	struct ucred who;
	size_t len = 0;

	(void)state;
	/* More of them than its queue has room for. */
	for (int i = 0; i < 12; i++)
		assert_int_equal(local_ask(name, "/stats", SOON / 10, &text, &len, &who),
				 -ETIMEDOUT);
	close(fd);
	assert_int_equal(local_ask(name, "/stats", SOON, &text, &len, &who), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_can_be_found_and_asked),
		cmocka_unit_test(a_second_one_gets_another_name),
		cmocka_unit_test(strange_answers_are_errors),
		cmocka_unit_test(who_does_not_answer_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
