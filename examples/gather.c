/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of one sequence out of another process's paged KV cache: the page table says where they
 * lie, one batch of reads brings them home, side by side.
 *
 *	./gather own DESCRIPTOR PAGES &			holds a pool of pages until it is told to go
 *	./gather fetch DESCRIPTOR PAGES COUNT		fetches COUNT pages from all over the pool
 */
#include <stdlib.h>
#include <string.h>

#include "carry.h"

#define PAGE 65536u

/* Each page begins with its number and ends with it. */
static void mark(unsigned char *page, uint64_t number)
{
	memcpy(page, &number, sizeof(number));
	memcpy(page + PAGE - sizeof(number), &number, sizeof(number));
}

static int is_marked(const unsigned char *page, uint64_t number)
{
	return !memcmp(page, &number, sizeof(number)) &&
	       !memcmp(page + PAGE - sizeof(number), &number, sizeof(number));
}

/* The page table of a sequence: the i-th of its pages lies there. 7919 is prime to any smaller
 * pool, so that no page comes twice. */
static uint64_t place_of(uint64_t i, uint64_t pages)
{
	return i * 7919 % pages;
}

static int own(struct weft *weft, const char *path, uint64_t pages, unsigned char *pool)
{
	struct weft_region *region;
	char word[8];
	size_t room = sizeof(word);
	uint64_t i;
	int rc = weft_register(weft, pool, pages * PAGE, WEFT_REMOTE_READ, &region);

	if (rc)
		return fail("register", rc);
	for (i = 0; i < pages; i++)
		mark(pool + i * PAGE, i);
	rc = descriptor_save(path, region);
	if (rc)
		return rc;
	rc = weft_receive(weft, word, &room, NULL, 60 * SECOND);
	return rc ? fail("receive", rc) : 0;
}

static int fetch(struct weft *weft, const char *path, uint64_t pages, uint64_t count,
		 unsigned char *home)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = (uint32_t)count };
	struct weft_remote *remote;
	struct weft_region *region;
	struct weft_batch *batch;
	unsigned long long start;
	uint64_t i;
	int rc = descriptor_load(weft, path, &remote);

	if (rc)
		return rc;
	rc = weft_register(weft, home, count * PAGE, WEFT_LOCAL, &region);
	if (!rc)
		rc = weft_batch_open(weft, &opts, &batch);
	for (i = 0; rc >= 0 && i < count; i++)
		rc = weft_batch_read(batch, region, i * PAGE, remote, place_of(i, pages) * PAGE,
				     PAGE);
	start = now_ns();
	if (rc >= 0)
		rc = batch_run(batch, 10 * SECOND);
	if (rc)
		return fail("fetch", rc);
	for (i = 0; i < count; i++) {
		if (is_marked(home + i * PAGE, place_of(i, pages)))
			continue;
		fprintf(stderr, "page %llu is wrong\n", (unsigned long long)i);
		return 1;
	}
	printf("%llu pages of %u KiB in %.1f ms\n", (unsigned long long)count, PAGE / 1024,
	       (double)(now_ns() - start) / 1e6);
	rc = weft_notify(weft_remote_peer(remote), "done", 4);
	return rc ? fail("notify", rc) : 0;
}

int main(int argc, char **argv)
{
	struct weft_opts opts = { .size = sizeof(opts), .bind_addr = getenv("BIND") };
	int owns = argc == 4 && !strcmp(argv[1], "own");
	uint64_t pages, count;
	unsigned char *memory;
	struct weft *weft;
	int rc;

	if (!owns && !(argc == 5 && !strcmp(argv[1], "fetch"))) {
		fprintf(stderr, "usage: gather own DESCRIPTOR PAGES\n"
				"       gather fetch DESCRIPTOR PAGES COUNT\n");
		return 2;
	}
	pages = strtoull(argv[3], NULL, 10);
	count = owns ? pages : strtoull(argv[4], NULL, 10);
	if (!count || count > pages || pages >= 7919) {
		fprintf(stderr, "gather: 1 to 7918 pages, and no more to fetch than there are\n");
		return 2;
	}
	memory = calloc(count, PAGE);
	if (!memory)
		return 1;
	rc = weft_open(&weft, &opts);
	if (rc)
		return fail("open", rc);
	rc = owns ? own(weft, argv[2], pages, memory) : fetch(weft, argv[2], pages, count, memory);
	weft_close(weft); /* before the memory goes */
	free(memory);
	return rc;
}
