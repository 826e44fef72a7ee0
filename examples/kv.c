/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the key-value cache: stores and fetches a value, then fetches many at a time straight
 * into registered memory.
 *
 *	make && ./kv 127.0.0.1:50051
 *
 * Without an address it opens a server of its own in this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/kv.h>

#define BLOCKS     16
#define BLOCK_SIZE (256u * 1024)

static int fail(const char *what, int rc)
{
	fprintf(stderr, "%s: %s: %s (%s)\n", what, weft_strerror(rc), weft_error_detail(),
		weft_remedy(rc));
	return weft_exit_status(rc);
}

/* One value there and back, in one call each. */
static int simple(struct weft_kv *kv)
{
	struct weft_kv_put_opts opts = { .size = sizeof(opts), .ttl_ns = 60000000000ull };
	char back[64];
	size_t len;
	int rc;

	rc = weft_kv_put(kv, "greeting", 8, "hello", 5, &opts);
	if (rc)
		return fail("put", rc);
	rc = weft_kv_get(kv, "greeting", 8, back, sizeof(back), &len);
	if (rc)
		return fail("get", rc);
	printf("greeting: %.*s\n", (int)len, back);
	return 0;
}

/* Starts all, then waits for all; nothing is copied on this side. */
static int fetch_blocks(struct weft_kv *kv, char *memory)
{
	struct weft_kv_op *ops[BLOCKS];
	int started = 0, rc = 0, i, one;
	char key[32];

	for (i = 0; !rc && i < BLOCKS; i++) {
		snprintf(key, sizeof(key), "block/%d", i);
		rc = weft_kv_get_start(kv, key, strlen(key), memory + (size_t)i * BLOCK_SIZE,
				       BLOCK_SIZE, 0, &ops[i]);
		if (!rc)
			started++;
	}
	for (i = 0; i < started; i++) {
		one = weft_kv_op_wait(ops[i], WEFT_FOREVER);
		if (one && !rc)
			rc = one;
		weft_kv_op_close(ops[i]);
	}
	return rc ? fail("get_start", rc) : 0;
}

static int blocks(struct weft_kv *kv, char *memory)
{
	char *block = malloc(BLOCK_SIZE), key[32];
	int rc = 0, i;

	for (i = 0; block && !rc && i < BLOCKS; i++) {
		memset(block, 'a' + i, BLOCK_SIZE);
		snprintf(key, sizeof(key), "block/%d", i);
		rc = weft_kv_put(kv, key, strlen(key), block, BLOCK_SIZE, NULL);
	}
	free(block);
	if (rc)
		return fail("put", rc);
	rc = fetch_blocks(kv, memory);
	for (i = 0; !rc && i < BLOCKS; i++)
		if (memory[(size_t)i * BLOCK_SIZE] != 'a' + i)
			rc = 1;
	if (!rc)
		printf("%d blocks of %u bytes fetched in place\n", BLOCKS, BLOCK_SIZE);
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_kv_opts opts = { .size = sizeof(opts),
				     .server_addr = argc > 1 ? argv[1] : "in-process" };
	char *memory = malloc((size_t)BLOCKS * BLOCK_SIZE);
	struct weft_kv_memory *registered;
	struct weft_kv *kv;
	int rc;

	if (!memory)
		return 1;
	rc = weft_kv_open(&kv, &opts);
	if (rc) {
		free(memory);
		return fail("open", rc);
	}
	rc = weft_kv_register(kv, memory, (size_t)BLOCKS * BLOCK_SIZE, &registered);
	if (rc)
		rc = fail("register", rc);
	if (!rc)
		rc = simple(kv);
	if (!rc)
		rc = blocks(kv, memory);
	weft_kv_close(kv); /* after it nothing touches the memory any more */
	free(memory);
	return rc;
}
