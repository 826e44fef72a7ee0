/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same parameters to N receivers, as a trainer gives new weights to its workers: one batch with
 * a write to each, one deadline for all. Who is late or gone is named; the others have theirs.
 *
 *	./broadcast receive DESCRIPTOR BYTES &		(N times, each with a file of its own)
 *	./broadcast send BYTES DESCRIPTOR...
 */
#include <stdlib.h>
#include <string.h>

#include "carry.h"

static unsigned char value_at(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

static int check(const unsigned char *memory, size_t len)
{
	size_t i;

	for (i = 0; i < len && memory[i] == value_at(i); i++)
		;
	if (i == len)
		return 0;
	fprintf(stderr, "byte %zu is wrong\n", i);
	return 1;
}

/* Waits for the sender's word that all is placed. */
static int receive(struct weft *weft, const char *path, size_t len, unsigned char *memory)
{
	struct weft_region *region;
	char word[8];
	size_t room = sizeof(word);
	int rc = weft_register(weft, memory, len, WEFT_REMOTE_WRITE, &region);

	if (rc)
		return fail("register", rc);
	rc = descriptor_save(path, region);
	if (rc)
		return rc;
	rc = weft_receive(weft, word, &room, NULL, 60 * SECOND);
	return rc ? fail("receive", rc) : check(memory, len);
}

/* How many receivers have not got it. */
static int report(const struct weft_batch *batch, struct weft_remote **remotes, char **paths, int n)
{
	struct weft_result result = { .size = sizeof(result) };
	int i, lost = 0;

	for (i = 0; i < n; i++) {
		weft_batch_result(batch, (uint32_t)i, &result);
		if (result.state == WEFT_DONE) {
			weft_notify(weft_remote_peer(remotes[i]), "go", 2);
			continue;
		}
		fprintf(stderr, "%s: %s\n", paths[i], weft_strerror(result.error));
		lost++;
	}
	return lost;
}

static int send_all(struct weft *weft, unsigned char *memory, size_t len, char **paths, int n)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = (uint32_t)n };
	struct weft_remote **remotes = calloc((size_t)n, sizeof(struct weft_remote *));
	unsigned long long start;
	struct weft_region *region;
	struct weft_batch *batch;
	int i, rc;

	if (!remotes)
		return 1;
	rc = weft_register(weft, memory, len, WEFT_LOCAL, &region);
	if (!rc)
		rc = weft_batch_open(weft, &opts, &batch);
	for (i = 0; !rc && i < n; i++) {
		rc = descriptor_load(weft, paths[i], &remotes[i]);
		if (rc)
			goto out;
		rc = weft_batch_write(batch, region, 0, remotes[i], 0, len, 0, 0);
		rc = rc < 0 ? rc : 0;
	}
	start = now_ns();
	if (!rc)
		rc = weft_submit(batch, 10 * SECOND);
	if (!rc)
		rc = weft_batch_wait(batch, WEFT_FOREVER);
	if (rc) {
		rc = fail("send", rc);
		goto out;
	}
	printf("%zu bytes to %d receivers in %.1f ms\n", len, n, (double)(now_ns() - start) / 1e6);
	rc = report(batch, remotes, paths, n) ? 1 : 0;
out:
	free(remotes);
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_opts opts = { .size = sizeof(opts), .bind_addr = getenv("BIND") };
	int sends = argc >= 4 && !strcmp(argv[1], "send");
	unsigned char *memory;
	struct weft *weft;
	size_t len, i;
	int rc;

	if (!sends && !(argc == 4 && !strcmp(argv[1], "receive"))) {
		fprintf(stderr, "usage: broadcast receive DESCRIPTOR BYTES\n"
				"       broadcast send BYTES DESCRIPTOR...\n");
		return 2;
	}
	len = strtoull(argv[sends ? 2 : 3], NULL, 10);
	memory = calloc(1, len ? len : 1);
	if (!len || !memory)
		return 2;
	for (i = 0; sends && i < len; i++)
		memory[i] = value_at(i);
	rc = weft_open(&weft, &opts);
	if (rc)
		return fail("open", rc);
	rc = sends ? send_all(weft, memory, len, argv + 3, argc - 3)
		   : receive(weft, argv[2], len, memory);
	weft_close(weft); /* before the memory goes */
	free(memory);
	return rc;
}
