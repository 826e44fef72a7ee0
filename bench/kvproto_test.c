/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kvproto.h"

struct answer {
	const struct kvproto *proto;
	const char *line;
	int rc;
	uint64_t len;
};

static const struct answer get_answers[] = {
	{ &kvproto_redis, "$5", 0, 5 },
	{ &kvproto_redis, "$0", 0, 0 },
	{ &kvproto_redis, "$16777216", 0, 16777216 },
	{ &kvproto_redis, "$-1", -ENOENT, 0 },
	{ &kvproto_redis, "$-2", -EPROTO, 0 },
	{ &kvproto_redis, "$5x", -EPROTO, 0 },
	{ &kvproto_redis, "$99999999999999999999", -EPROTO, 0 },
	{ &kvproto_redis, "-ERR no", -EPROTO, 0 },
	{ &kvproto_redis, "", -EPROTO, 0 },
	{ &kvproto_memcached, "VALUE key:00000001 0 64", 0, 64 },
	{ &kvproto_memcached, "END", -ENOENT, 0 },
	{ &kvproto_memcached, "VALUE", -EPROTO, 0 },
	{ &kvproto_memcached, "VALUE key 0 -1", -EPROTO, 0 },
	{ &kvproto_memcached, "SERVER_ERROR out of memory", -EPROTO, 0 },
};

static void answers_to_get_are_read(void **state)
{
	const struct answer *answer;
	uint64_t len;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(get_answers) / sizeof(*get_answers); i++) {
		answer = &get_answers[i];
		len = 0;
		assert_int_equal(answer->proto->get_answer(answer->line, &len), answer->rc);
		if (!answer->rc)
			assert_int_equal(len, answer->len);
	}
}

static void answers_to_put_are_read(void **state)
{
	(void)state;
	assert_int_equal(kvproto_redis.put_answer("+OK"), 0);
	assert_int_equal(kvproto_redis.put_answer("-OOM command not allowed"), -EPROTO);
	assert_int_equal(kvproto_memcached.put_answer("STORED"), 0);
	assert_int_equal(kvproto_memcached.put_answer("NOT_STORED"), -EPROTO);
}

static void requests_are_as_the_protocols_want_them(void **state)
{
	char out[KVPROTO_TEXT_MAX];
	size_t len;

	(void)state;
	len = kvproto_redis.put(out, "k1", 64);
	assert_int_equal(len, strlen(out));
	assert_string_equal(out, "*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$64\r\n");
	len = kvproto_redis.get(out, "k1");
	assert_int_equal(len, strlen(out));
	assert_string_equal(out, "*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n");
	len = kvproto_memcached.put(out, "k1", 64);
	assert_int_equal(len, strlen(out));
	assert_string_equal(out, "set k1 0 0 64\r\n");
	len = kvproto_memcached.get(out, "k1");
	assert_int_equal(len, strlen(out));
	assert_string_equal(out, "get k1\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_to_get_are_read),
		cmocka_unit_test(answers_to_put_are_read),
		cmocka_unit_test(requests_are_as_the_protocols_want_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
