/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers and segments between engines of one process. Between processes:
 * tests/cluster/test_segment.py. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "segment/pair.h"

static void all_and_one(struct pair *pair)
{
	struct weft_segment_info info = { .size = sizeof(info) };

	offer(pair, 0, WEFT_REMOTE_WRITE, "weights");
	offer(pair, 1, WEFT_REMOTE_READ, "a.read-only");
	assert_int_equal(try_open(pair, ""), 0);
	assert_int_equal(weft_segment_count(pair->segment), 2);
	assert_int_equal(weft_segment_info(pair->segment, 0, &info), 0);
	assert_string_equal(info.name, "a.read-only");
	assert_true(info.offset == 0 && info.length == LEN / 2);
	assert_true(info.access == WEFT_REMOTE_READ && info.status == 0);
	assert_int_equal(weft_segment_info(pair->segment, 1, &info), 0);
	assert_string_equal(info.name, "weights");
	assert_true(info.offset == LEN / 2 && info.length == LEN);
	assert_ptr_equal(info.remote, weft_segment_remote(pair->segment, "weights"));
	assert_int_equal(weft_segment_info(pair->segment, 2, &info), -ENOENT);
	assert_null(weft_segment_remote(pair->segment, "other"));
	check_reaches(pair, "weights", 0, 0x31);
	memset(pair->memory[1], 0x32, LEN / 2);
	assert_int_equal(weft_read(pair->local, 0,
				   weft_segment_remote(pair->segment, "a.read-only"), LEN / 2 - 100,
				   100, LIMIT_NS),
			 0);
	assert_memory_equal(pair->near, pair->memory[1], 100);
	/* No more than the region grants, and no further. */
	assert_int_equal(weft_write(pair->local, 0,
				    weft_segment_remote(pair->segment, "a.read-only"), 0, 100,
				    LIMIT_NS),
			 -WEFT_ERIGHTS);
	assert_int_equal(weft_read(pair->local, 0, weft_segment_remote(pair->segment, "weights"), 0,
				   100, LIMIT_NS),
			 -WEFT_ERIGHTS);
	assert_int_equal(weft_write(pair->local, 0, info.remote, LEN - 99, 100, LIMIT_NS),
			 -WEFT_EBOUNDS);
	assert_int_equal(weft_segment_close(pair->segment), 0);
	assert_int_equal(try_open(pair, "/weights"), 0);
	assert_int_equal(weft_segment_count(pair->segment), 1);
	check_reaches(pair, "weights", 0, 0x33);
	assert_int_equal(weft_segment_close(pair->segment), 0);
	assert_int_equal(try_open(pair, "/nothing"), -WEFT_ENONAME);
}

static void names_over_tcp(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);

	(void)state;
	all_and_one(pair);
	pair_close(pair);
}

static void an_opener_that_drives_itself(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_MANUAL);

	(void)state;
	all_and_one(pair);
	pair_close(pair);
}

static void names_come_and_go(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);

	(void)state;
	check_changes(pair);
	pair_close(pair);
}

static void a_failed_refresh_changes_nothing(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);
	struct weft_remote *remote;

	(void)state;
	offer(pair, 0, WEFT_REMOTE_WRITE, "x");
	assert_int_equal(try_open(pair, ""), 0);
	remote = weft_segment_remote(pair->segment, "x");
	assert_int_equal(weft_segment_refresh(pair->segment, 0), -WEFT_EDEADLINE);
	weft_publisher_close(pair->publisher);
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), -WEFT_EUNAVAILABLE);
	assert_int_equal(weft_segment_count(pair->segment), 1);
	assert_ptr_equal(weft_segment_remote(pair->segment, "x"), remote);
	check_reaches(pair, "x", 0, 9); /* the region outlives its publisher */
	pair_close(pair);
}

/* A transfer that never ends keeps its remote, through a refresh and a close, until the engine
 * goes. */
static void what_is_under_way_stays(void **state)
{
	struct weft_opts opts = { .size = sizeof(opts),
				  .provider = "loop",
				  .devices = "hang_every=1" };
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);
	struct weft_stats stats = { .size = sizeof(stats) };
	struct weft_region *local;
	struct weft_batch *batch;
	struct weft_remote *old;

	(void)state;
	weft_close(pair->opener);
	assert_int_equal(weft_open(&pair->opener, &opts), 0);
	assert_int_equal(weft_register(pair->opener, pair->near, LEN, WEFT_LOCAL, &local), 0);
	offer(pair, 0, WEFT_REMOTE_WRITE, "x");
	assert_int_equal(try_open(pair, ""), 0);
	old = weft_segment_remote(pair->segment, "x");
	assert_int_equal(weft_batch_open(pair->opener, NULL, &batch), 0);
	assert_int_equal(weft_batch_write(batch, local, 0, old, 0, 100, 0, 0), 0);
	assert_int_equal(weft_submit(batch, WEFT_FOREVER), 0);
	do {
		assert_int_equal(weft_stats(pair->opener, &stats), 0);
	} while (!stats.in_flight);
	assert_int_equal(weft_segment_close(pair->segment), -WEFT_ENOTQUIET);
	/* The owner cannot have it back either, and the name stays taken until it can. */
	assert_int_equal(weft_withdraw(pair->publisher, "x", 0), -WEFT_ENOTQUIET);
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), 0);
	assert_int_equal(weft_segment_count(pair->segment), 0);
	assert_int_equal(weft_segment_close(pair->segment), -WEFT_ENOTQUIET);
	pair_close(pair);
}

static void wrong_arguments(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);
	struct weft_publisher_opts opts = { .size = sizeof(opts), .connections = 4097 };
	struct weft_publisher *other;
	struct weft_region *region;

	(void)state;
	assert_int_equal(weft_register(pair->owner, pair->memory[0], 64, WEFT_LOCAL, &region), 0);
	assert_int_equal(weft_publish(pair->publisher, "local", region), -WEFT_ERIGHTS);
	assert_int_equal(weft_publish(pair->publisher, "local", pair->local), -EINVAL);
	assert_int_equal(weft_publish(pair->publisher, "a/b", region), -EINVAL);
	assert_int_equal(weft_publish(pair->publisher, NULL, region), -EINVAL);
	assert_int_equal(weft_withdraw(pair->publisher, "", 0), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, "127.0.0.1:0", &opts, &other), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, "127.0.0.1:0/x", NULL, &other), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, "127.0.0.1", NULL, &other), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, NULL, NULL, &other), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, "file:/", NULL, &other), -EINVAL);
	assert_int_equal(weft_publisher_open(pair->owner, "file:/not/there/", NULL, &other),
			 -ENOENT);
	assert_int_equal(weft_publisher_open(pair->owner, weft_publisher_address(pair->publisher),
					     NULL, &other),
			 -EADDRINUSE);
	assert_int_equal(weft_segment_open(pair->opener, "nowhere", LIMIT_NS, &pair->segment),
			 -EINVAL);
	assert_int_equal(weft_segment_open_in(pair->opener, NULL, "a", 0, &pair->segment), -EINVAL);
	assert_int_equal(weft_segment_close(NULL), 0);
	weft_publisher_close(NULL);
	pair_close(pair);
}

/* A port that takes connections and never says a word. */
static void silence_ends_by_the_deadline(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_MANUAL);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage at = { .ss_family = AF_INET };
	socklen_t len = sizeof(at);
	char address[64];

	(void)state;
	assert_int_equal(listen(fd, 8), 0); /* on any port */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
		 (unsigned)((uint8_t *)&at)[2] << 8 | ((uint8_t *)&at)[3]);
	assert_int_equal(
		weft_segment_open(pair->opener, address, 50 * NSEC_PER_MSEC, &pair->segment),
		-WEFT_EDEADLINE);
	assert_int_equal(weft_segment_open(pair->opener, address, 0, &pair->segment),
			 -WEFT_EDEADLINE);
	close(fd);
	pair_close(pair);
}

/* --- memory --- */

/* Every allocation of publish, open and refresh fails once. */
static void without_memory_nothing_is_lost(void **state)
{
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_MANUAL);
	struct weft_publisher *second = NULL;
	struct weft_region *region;
	int rc, n;

	(void)state;
	offer(pair, 1, WEFT_REMOTE_WRITE, "y");
	assert_int_equal(
		weft_register(pair->owner, pair->memory[0], LEN, WEFT_REMOTE_WRITE, &region), 0);
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = weft_publisher_open(pair->owner, "127.0.0.1:0", NULL, &second);
		if (!rc)
			rc = weft_publish(second, "x", region);
		if (!mem_failed())
			break;
		mem_fail_at(0);
		assert_int_equal(rc, -ENOMEM);
		weft_publisher_close(second);
		second = NULL;
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > 4);
	assert_int_equal(weft_withdraw(second, "x", LIMIT_NS), 0);
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = try_open(pair, "");
		if (!mem_failed())
			break;
		mem_fail_at(0);
		/* The publisher's thread allocates too: then its connection is what fails. */
		if (!rc)
			assert_int_equal(weft_segment_close(pair->segment), 0);
	}
	mem_fail_at(0);
	assert_int_equal(rc, 0);
	assert_true(n > 4);
	check_reaches(pair, "y", 1, 8);
	pair_close(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_over_tcp),
		cmocka_unit_test(an_opener_that_drives_itself),
		cmocka_unit_test(names_come_and_go),
		cmocka_unit_test(a_failed_refresh_changes_nothing),
		cmocka_unit_test(what_is_under_way_stays),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(silence_ends_by_the_deadline),
		cmocka_unit_test(without_memory_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
