/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "watch/request.h"

static struct request got;

static int parse(const char *text)
{
	memset(&got, 0xff, sizeof(got));
	return request_parse(text, strlen(text), &got);
}

static void what_prometheus_and_curl_send_is_understood(void **state)
{
	(void)state;
	assert_int_equal(parse("GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:9640\r\nUser-Agent: "
			       "Prometheus/2.42.0\r\nAccept: a;q=0.5,*/*\r\nAccept-Encoding: gzip"
			       "\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"),
			 200);
	assert_string_equal(got.path, "/metrics");
	assert_false(got.head_only);
	assert_int_equal(parse("HEAD /a?b=/c HTTP/1.0\r\n\r\n"), 200);
	assert_string_equal(got.path, "/a");
	assert_true(got.head_only);
	assert_int_equal(parse("GET / HTTP/1.1\r\nhOST:\tx\r\nContent-Length: 0\r\n\r\nmore"), 200);
}

static void each_mistake_has_its_status(void **state)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{ 405, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 405, "get / HTTP/1.1\r\nHost: x\r\n\r\n" },
		{ 505, "GET / HTTP/2.0\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\n\r\n" }, /* no host */
		{ 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" },
		{ 400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nno colon\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\nHost: a\n\n" }, /* no CR */
		{ 400, "GET / HTTP/1.1\rHost: a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1\r\nHost: a\001\r\n\r\n" },
		{ 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
		{ 400, "GET metrics HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n" },
		{ 400, "GET /\r\n\r\n" },
		{ 400, "\r\n\r\n" },
		{ 400, "\x16\x03\x01\x02" }, /* TLS: told at once */
	};
	char text[REQUEST_PATH_MAX + 64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (parse(rows[i].text) != rows[i].status)
			fail_msg("row %zu: %d, not %d", i, parse(rows[i].text), rows[i].status);
	snprintf(text, sizeof(text), "GET /%0*d HTTP/1.0\r\n\r\n", REQUEST_PATH_MAX, 0);
	assert_int_equal(parse(text), 414);
}

static void a_head_without_end_is_refused_at_the_limit(void **state)
{
	static char text[REQUEST_MAX];
	static const char begin[] = "GET / HTTP/1.0\r\nx: ";

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, begin, sizeof(begin) - 1);
	assert_int_equal(request_parse(text, sizeof(text) - 1, &got), 0);
	assert_int_equal(request_parse(text, sizeof(text), &got), 431);
}

/* However it is cut, a good request is only ever incomplete until it is good. */
static void parts_of_a_request_are_waited_for(void **state)
{
	static const char text[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(request_parse(text, len, &got), 0);
	assert_int_equal(request_parse(text, sizeof(text) - 1, &got), 200);
}

/* What a few random bytes make of a good one: any status, but nothing else (sanitizers look). */
static void spoilt_requests_get_some_status(void **state)
{
	static const char good[] = "GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = random_next(&seed) % sizeof(good);
		char *text = malloc(len + 1); /* so that reading beyond it is seen */
		int status;

		memcpy(text, good, len);
		for (int i = 0; i < round % 4 && len; i++)
			text[random_next(&seed) % len] = (char)random_next(&seed);
		status = request_parse(text, len, &got);
		assert_true(!status || (status >= 200 && status <= 505));
		if (status == 200)
			assert_non_null(memchr(got.path, 0, sizeof(got.path)));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_prometheus_and_curl_send_is_understood),
		cmocka_unit_test(each_mistake_has_its_status),
		cmocka_unit_test(a_head_without_end_is_refused_at_the_limit),
		cmocka_unit_test(parts_of_a_request_are_waited_for),
		cmocka_unit_test(spoilt_requests_get_some_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
