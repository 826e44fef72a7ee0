/* SPDX-License-Identifier: Apache-2.0 */
/* Names as files, and in a directory of the caller's. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment/pair.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_as_files),
		cmocka_unit_test(names_in_a_directory_of_the_callers),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
