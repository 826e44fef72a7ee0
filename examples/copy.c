/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file from one host to another by one-sided writes. The receiver publishes memory under a name
 *at ADDRESS ("10.0.0.2:7070"; the other examples carry descriptors in files instead); the sender
 * opens that, writes into the memory and says when it is done.
 *
 *	./copy receive ADDRESS OUTPUT BYTES &
 *	./copy send ADDRESS INPUT
 */
#include <stdlib.h>
#include <string.h>
#include <weft/segment.h>

#include "carry.h"

#define PIECE (1024u * 1024)
#define NAME  "copy"

/* A whole file under its final name only, so that a reader never sees a part. */
static int save(const char *path, const void *data, size_t len)
{
	char temp[4096];
	FILE *file;
	int ok;

	snprintf(temp, sizeof(temp), "%s.new", path);
	file = fopen(temp, "wb");
	if (!file)
		return -1;
	ok = fwrite(data, 1, len, file) == len;
	ok = !fclose(file) && ok;
	return ok && !rename(temp, path) ? 0 : -1;
}

static void *load(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	char *data = NULL;
	long size;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET)) {
		data = malloc((size_t)size + 1);
		*len = data ? fread(data, 1, (size_t)size, file) : 0;
	}
	fclose(file);
	return data;
}

/* The sender says how many bytes it has placed. */
static int wait_for_sender(struct weft *weft, unsigned long long *placed)
{
	char text[32];
	size_t len = sizeof(text) - 1;
	int rc = weft_receive(weft, text, &len, NULL, 60 * SECOND);

	if (rc)
		return fail("receive", rc);
	text[len] = '\0';
	*placed = strtoull(text, NULL, 10);
	return 0;
}

static int receive(struct weft *weft, const char *address, const char *path, size_t size)
{
	char *memory = calloc(1, size + 1);
	unsigned long long placed = 0;
	struct weft_publisher *publisher;
	struct weft_region *region;
	int rc;

	if (!memory)
		return 1;
	rc = weft_register(weft, memory, size, WEFT_REMOTE_WRITE, &region);
	if (!rc)
		rc = weft_publisher_open(weft, address, NULL, &publisher);
	if (!rc)
		rc = weft_publish(publisher, NAME, region);
	if (rc) {
		rc = fail("publish", rc);
	} else {
		printf("%s\n", weft_publisher_address(publisher));
		fflush(stdout);
		rc = wait_for_sender(weft, &placed);
	}
	if (!rc && (placed > size || save(path, memory, placed)))
		rc = 1;
	weft_close(weft); /* before the memory goes */
	free(memory);
	return rc;
}

/* One batch of writes, a piece each. */
static int write_all(struct weft *weft, struct weft_region *region, struct weft_remote *remote,
		     size_t len)
{
	struct weft_batch_opts opts = { .size = sizeof(opts),
					.capacity = (uint32_t)(len / PIECE + 1) };
	struct weft_batch *batch;
	size_t offset, piece;
	int rc = weft_batch_open(weft, &opts, &batch);

	if (rc)
		return rc;
	for (offset = 0; rc >= 0 && offset < len; offset += piece) {
		piece = len - offset < PIECE ? len - offset : PIECE;
		rc = weft_batch_write(batch, region, offset, remote, offset, piece, 0, 0);
	}
	if (rc >= 0)
		rc = batch_run(batch, 30 * SECOND);
	weft_batch_close(batch);
	return rc;
}

static int send_file(struct weft *weft, const char *address, void *data, size_t len)
{
	struct weft_segment *segment;
	struct weft_region *region;
	struct weft_remote *remote = NULL;
	char text[32];
	int rc, n;

	rc = weft_register(weft, data, len ? len : 1, WEFT_LOCAL, &region);
	if (!rc)
		rc = weft_segment_open(weft, address, 10 * SECOND, &segment);
	if (!rc)
		remote = weft_segment_remote(segment, NAME);
	if (!rc)
		rc = remote ? write_all(weft, region, remote, len) : -WEFT_ENONAME;
	n = snprintf(text, sizeof(text), "%zu", len);
	if (!rc)
		rc = weft_notify(weft_remote_peer(remote), text, (size_t)n);
	return rc ? fail("send", rc) : 0;
}

static int send_path(struct weft *weft, const char *address, const char *path)
{
	size_t len = 0;
	void *data = load(path, &len);
	int rc = 1;

	if (data)
		rc = send_file(weft, address, data, len);
	else
		perror(path);
	weft_close(weft); /* sends what is left, then lets the memory go */
	free(data);
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_opts opts = { .size = sizeof(opts) };
	struct weft *weft;
	int rc;

	if (!(argc == 5 && !strcmp(argv[1], "receive")) &&
	    !(argc == 4 && !strcmp(argv[1], "send"))) {
		fprintf(stderr, "usage: copy receive ADDRESS OUTPUT BYTES\n"
				"       copy send ADDRESS INPUT\n");
		return 2;
	}
	if (!strncmp(argv[2], "127.", 4)) /* both on one host, which may have no other address */
		opts.bind_addr = "127.0.0.1";
	rc = weft_open(&weft, &opts);
	if (rc)
		return fail("open", rc);
	if (argc == 5)
		return receive(weft, argv[2], argv[3], strtoull(argv[4], NULL, 10));
	return send_path(weft, argv[2], argv[3]);
}
