/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers and segments between engines of one process. Between processes:
 * tests/cluster/test_segment.py. */
#include <weft/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"

#define LEN      65536u
#define LIMIT_NS (60 * NSEC_PER_SEC) /* only guards against hanging */

/* Two engines; the first publishes. */
struct pair {
	struct weft *owner, *opener;
	struct weft_publisher *publisher;
	struct weft_segment *segment;
	struct weft_region *local;
	uint8_t memory[3][LEN], near[LEN];
};

static struct weft *open_engine(uint32_t progress)
{
	struct weft_opts opts = { .size = sizeof(opts), .provider = "loop", .progress = progress };
	struct weft *weft;

	assert_int_equal(weft_open(&weft, &opts), 0);
	return weft;
}

static struct pair *pair_open(const char *address, uint32_t progress)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->owner = open_engine(WEFT_PROGRESS_THREAD);
	pair->opener = open_engine(progress);
	assert_int_equal(weft_publisher_open(pair->owner, address, NULL, &pair->publisher), 0);
	assert_int_equal(weft_register(pair->opener, pair->near, LEN, WEFT_LOCAL, &pair->local), 0);
	return pair;
}

static void pair_close(struct pair *pair)
{
	weft_close(pair->opener);
	weft_close(pair->owner);
	free(pair);
}

static struct weft_region *offer(struct pair *pair, int i, uint32_t access, const char *name)
{
	struct weft_region *region;

	assert_int_equal(weft_register(pair->owner, pair->memory[i], LEN >> i, access, &region), 0);
	assert_int_equal(weft_publish(pair->publisher, name, region), 0);
	return region;
}

static int try_open(struct pair *pair, const char *suffix)
{
	char address[512];

	snprintf(address, sizeof(address), "%s%s", weft_publisher_address(pair->publisher), suffix);
	return weft_segment_open(pair->opener, address, LIMIT_NS, &pair->segment);
}

/* Writes through a name and looks at the owner's memory. */
static void check_reaches(struct pair *pair, const char *name, int i, uint8_t value)
{
	struct weft_remote *remote = weft_segment_remote(pair->segment, name);

	assert_non_null(remote);
	memset(pair->near, value, 100);
	assert_int_equal(weft_write(pair->local, 0, remote, 1000, 100, LIMIT_NS), 0);
	assert_memory_equal(pair->memory[i] + 1000, pair->near, 100);
}

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

/* Takes names back and publishes them anew; refresh keeps what is as before. */
static void check_changes(struct pair *pair)
{
	struct weft_region *region = offer(pair, 0, WEFT_REMOTE_WRITE, "x");
	struct weft_remote *kept, *old;

	offer(pair, 1, WEFT_REMOTE_WRITE, "y");
	assert_int_equal(weft_publish(pair->publisher, "x", region), -EEXIST);
	assert_int_equal(weft_publish(pair->publisher, "z", region), -EEXIST);
	assert_int_equal(try_open(pair, ""), 0);
	kept = weft_segment_remote(pair->segment, "y");
	old = weft_segment_remote(pair->segment, "x");
	check_reaches(pair, "x", 0, 1);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), 0);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), -WEFT_ENONAME);
	assert_int_equal(weft_write(pair->local, 0, old, 0, 1, LIMIT_NS), -WEFT_EREVOKED);
	offer(pair, 2, WEFT_REMOTE_WRITE, "x");
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), 0);
	assert_ptr_equal(weft_segment_remote(pair->segment, "y"), kept);
	assert_int_equal(weft_remote_length(weft_segment_remote(pair->segment, "x")), LEN / 4);
	check_reaches(pair, "x", 2, 2);
	check_reaches(pair, "y", 1, 3);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), 0);
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), 0);
	assert_int_equal(weft_segment_count(pair->segment), 1);
	check_reaches(pair, "y", 1, 4);
	assert_int_equal(weft_segment_close(pair->segment), 0);
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

/* --- other directories --- */

static char folder[] = "/tmp/weft-names-XXXXXX";

static void put_file(const char *name, const void *bytes, size_t len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static int remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return unlink(path);
}

static struct pair *pair_of_files(uint32_t progress)
{
	char address[128];

	snprintf(address, sizeof(address), "file:%s/", folder);
	return pair_open(address, progress);
}

static void check_files(struct pair *pair)
{
	char path[256];

	offer(pair, 0, WEFT_REMOTE_WRITE, "x");
	put_file(".hidden", "?", 1);
	assert_int_equal(try_open(pair, ""), 0);
	assert_int_equal(weft_segment_count(pair->segment), 1);
	check_reaches(pair, "x", 0, 5);
	assert_int_equal(weft_segment_close(pair->segment), 0);
	assert_int_equal(try_open(pair, "nothing"), -WEFT_ENONAME);
	put_file("garbage", "garbage", 7);
	assert_int_equal(try_open(pair, "garbage"), -WEFT_EPROTOCOL);
	put_file("garbage", "WEFN", 4);
	assert_int_equal(try_open(pair, "garbage"), -WEFT_EMESSAGE);
	put_file("garbage", "", 0);
	assert_int_equal(try_open(pair, "garbage"), -WEFT_EMESSAGE);
	assert_int_equal(remove_file("garbage"), 0);
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try_open(pair, "pipe"), -WEFT_EMESSAGE);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(remove_file(".hidden"), 0);
	/* What another process has put in its place by now is not ours to remove. */
	put_file("x", "another's", 9);
	assert_int_equal(weft_withdraw(pair->publisher, "x", LIMIT_NS), 0);
	assert_int_equal(remove_file("x"), 0);
}

static void names_as_files(void **state)
{
	struct pair *pair = pair_of_files(WEFT_PROGRESS_THREAD);

	(void)state;
	check_files(pair);
	check_changes(pair);
	pair_close(pair);
	/* Closing took the files along. */
	assert_int_equal(rmdir(folder), 0);
	assert_non_null(mkdtemp(strcpy(folder, "/tmp/weft-names-XXXXXX")));
}

/* A directory of the caller's: one name in memory. */
struct shelf {
	char name[WEFT_NAME_MAX + 1], place[64];
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len;
	int times; /* that the name is told in a lookup */
	int rc;    /* of publish and withdraw */
	bool open;
};

static int shelf_lookup(void *ctx, const char *place, const char *name, uint64_t timeout_ns,
			weft_entry_fn found, void *arg)
{
	struct shelf *shelf = ctx;
	int rc = 0;

	if (!timeout_ns || strcmp(place, shelf->place) != 0)
		return -EINVAL;
	if (!shelf->len)
		return *name ? -WEFT_ENONAME : 0;
	for (int i = 0; !rc && i < shelf->times; i++)
		rc = found(arg, shelf->name, shelf->bytes, shelf->len);
	return rc;
}

static int shelf_open(void *ctx, const char *place, void **ret)
{
	struct shelf *shelf = ctx;

	snprintf(shelf->place, sizeof(shelf->place), "%s", place);
	shelf->open = true;
	*ret = shelf;
	return 0;
}

static void shelf_close(void *publisher)
{
	((struct shelf *)publisher)->open = false;
}

static const char *shelf_address(void *publisher)
{
	return ((struct shelf *)publisher)->place;
}

static int shelf_publish(void *publisher, const char *name, const void *bytes, size_t len)
{
	struct shelf *shelf = publisher;

	if (shelf->rc)
		return shelf->rc;
	strcpy(shelf->name, name);
	memcpy(shelf->bytes, bytes, len);
	shelf->len = len;
	return 0;
}

static int shelf_withdraw(void *publisher, const char *name)
{
	struct shelf *shelf = publisher;

	(void)name;
	if (!shelf->rc)
		shelf->len = 0;
	return shelf->rc;
}

static void names_in_a_directory_of_the_callers(void **state)
{
	static struct shelf shelf;
	struct weft_directory directory = { .size = sizeof(directory),
					    .ctx = &shelf,
					    .lookup = shelf_lookup,
					    .open = shelf_open,
					    .close = shelf_close,
					    .address = shelf_address,
					    .publish = shelf_publish };
	struct weft_publisher_opts opts = { .size = sizeof(opts), .directory = &directory };
	struct pair *pair = pair_open("127.0.0.1:0", WEFT_PROGRESS_THREAD);
	struct weft_publisher *other;
	struct weft_region *region;

	(void)state;
	assert_int_equal(weft_publisher_open(pair->owner, "etcd:/cluster/", &opts, &other),
			 -EINVAL);
	directory.withdraw = shelf_withdraw;
	assert_int_equal(weft_publisher_open(pair->owner, "etcd:/cluster/", &opts, &other), 0);
	assert_string_equal(weft_publisher_address(other), "etcd:/cluster");
	assert_int_equal(
		weft_register(pair->owner, pair->memory[0], LEN, WEFT_REMOTE_WRITE, &region), 0);
	shelf = (struct shelf){ .place = "etcd:/cluster", .times = 1, .rc = -EIO, .open = true };
	assert_int_equal(weft_publish(other, "x", region), -EIO);
	shelf.rc = 0;
	assert_int_equal(weft_publish(other, "x", region), 0);
	assert_int_equal(weft_segment_open_in(pair->opener, &directory, "etcd:/cluster/x", LIMIT_NS,
					      &pair->segment),
			 0);
	check_reaches(pair, "x", 0, 6);
	shelf.times = 2;
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), -WEFT_EMESSAGE);
	shelf.times = 1;
	shelf.bytes[30]++;
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), -WEFT_EDESCRIPTOR);
	/* The directory does not let it go: nothing has changed, and it can be asked again. */
	shelf.rc = -EIO;
	assert_int_equal(weft_withdraw(other, "x", LIMIT_NS), -EIO);
	check_reaches(pair, "x", 0, 7);
	shelf.rc = 0;
	assert_int_equal(weft_withdraw(other, "x", LIMIT_NS), 0);
	assert_int_equal(weft_segment_refresh(pair->segment, LIMIT_NS), -WEFT_ENONAME);
	pair_close(pair);
	assert_false(shelf.open);
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
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(silence_ends_by_the_deadline),
		cmocka_unit_test(names_as_files),
		cmocka_unit_test(names_in_a_directory_of_the_callers),
		cmocka_unit_test(without_memory_nothing_is_lost),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
