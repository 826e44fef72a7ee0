/* SPDX-License-Identifier: Apache-2.0 */
/* What an opener takes from a server that is none. */
#include "segment/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"

#define LIMIT_NS (60 * NSEC_PER_SEC) /* only guards against hanging */

static int ignore(void *arg, const char *name, const void *bytes, size_t len)
{
	(void)arg;
	(void)name;
	(void)bytes;
	(void)len;
	return 0;
}

struct fake {
	int fd;
	pthread_t thread;
	const uint8_t *bytes;
	size_t len;
	bool stays; /* does not close */
	char address[32];
};

static void *fake_main(void *arg)
{
	struct fake *fake = arg;
	int fd = accept(fake->fd, NULL, NULL);
	uint8_t buf[FRAME_MAX];

	/* Assertions belong to the main thread: what goes wrong here is seen by what it gets. */
	if (recv(fd, buf, sizeof(buf), 0) <= 0 ||
	    send(fd, fake->bytes, fake->len, MSG_NOSIGNAL) < 0)
		fake->len = 0;
	if (fake->stays)
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
	close(fd);
	return NULL;
}

static int look_at_fake(const void *bytes, size_t len, bool stays, const char *name)
{
	struct fake fake = { .bytes = bytes, .len = len, .stays = stays };
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t at_len = sizeof(at);
	int rc;

	fake.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fake.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fake.fd, 1), 0);
	assert_int_equal(getsockname(fake.fd, (struct sockaddr *)&at, &at_len), 0);
	sprintf(fake.address, "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&fake.thread, NULL, fake_main, &fake), 0);
	err_clear();
	rc = tcp_lookup(NULL, fake.address, name, stays ? NSEC_PER_SEC : LIMIT_NS, ignore, NULL);
	assert_true(!rc || weft_error_detail()[0]);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	return rc;
}

static int look_at_frames(const struct frame *frames, int count, const char *name)
{
	uint8_t buf[8 * 256];
	size_t len = 0, room;

	for (int i = 0; i < count; i++) {
		room = sizeof(buf) - len;
		assert_int_equal(frame_put(&frames[i], buf + len, &room), 0);
		len += room;
	}
	return look_at_fake(buf, len, false, name);
}

#define ENTRY(text)                                                       \
	{                                                                 \
		.kind = FRAME_ENTRY, .name = text, .bytes = "d", .len = 1 \
	}
#define END(n)                                \
	{                                     \
		.kind = FRAME_END, .count = n \
	}

static void bad_answers_are_refused(void **state)
{
	static const struct frame good[] = { ENTRY("a"), ENTRY("b"), END(2) };
	static const struct frame order[] = { ENTRY("b"), ENTRY("a"), END(2) };
	static const struct frame twice[] = { ENTRY("a"), ENTRY("a"), END(2) };
	static const struct frame fewer[] = { ENTRY("a"), END(2) };
	static const struct frame none[] = { END(0) };
	static const struct frame ask[] = { { .kind = FRAME_LOOKUP } };
	static const struct frame failure[] = {
		{ .kind = FRAME_FAIL, .code = -WEFT_ELIMIT, .text = "why" }
	};

	(void)state;
	assert_int_equal(look_at_frames(good, 3, ""), 0);
	assert_int_equal(look_at_frames(good, 3, "a"), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(fewer, 1, "b"), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(order, 3, ""), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(twice, 3, ""), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(fewer, 2, ""), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(none, 1, "a"), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(ask, 1, ""), -WEFT_EMESSAGE);
	assert_int_equal(look_at_frames(good, 2, ""), -WEFT_EUNAVAILABLE);
	assert_int_equal(look_at_frames(failure, 1, ""), -WEFT_ELIMIT);
	assert_int_equal(look_at_fake("HTTP/1.1 400", 12, false, ""), -WEFT_EPROTOCOL);
	assert_int_equal(look_at_fake("WEFN\x02\x00", 6, false, ""), -WEFT_EVERSION);
	assert_int_equal(look_at_fake("WEF", 3, false, ""), -WEFT_EUNAVAILABLE);
	assert_int_equal(look_at_fake("WEF", 3, true, ""), -WEFT_EDEADLINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
