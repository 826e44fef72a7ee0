/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The soak's client of the key-value cache: soak-kv HOST:PORT SEED. Puts, gets and deletes until
 * its standard input ends. Exit status 1: a value that was got is none that was put, or the client
 * does not work when it is left alone. Only this client writes, so what a key may hold is known:
 * the value that was put last and, after a put that failed, the one before.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/kv.h>

#include "base/random.h"

#define KEYS    64u
#define LEN_MAX (3u << 20)
#define FEW     8u /* values that a key may hold, after puts that failed */

struct key {
	uint64_t may[FEW]; /* seeds; 0: no value */
	uint32_t count;
};

static struct key keys[KEYS];
static uint8_t *out, *in;
static uint64_t state, next_seed = 1;
static uint64_t put_count, get_count, delete_count, failed;

static uint64_t draw(uint64_t below)
{
	return random_next(&state) % below;
}

static size_t len_of(uint64_t seed)
{
	return seed % 3 == 0 ? seed * 7919 % LEN_MAX : seed * 131 % 8192;
}

static void fill(uint8_t *data, uint64_t seed)
{
	size_t len = len_of(seed);

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((seed * 0x9e3779b97f4a7c15u >> 32) + i * (seed | 1) + i / 251);
}

static int name_of(uint32_t number, char name[16])
{
	return snprintf(name, 16, "soak-%u", number);
}

static void only(struct key *key, uint64_t seed)
{
	key->may[0] = seed;
	key->count = 1;
}

/* It may hold that one too. */
static void perhaps(struct key *key, uint64_t seed)
{
	failed++;
	if (key->count < FEW)
		key->may[key->count++] = seed;
}

static void put(struct weft_kv *kv, uint32_t number)
{
	struct key *key = &keys[number];
	uint64_t seed = next_seed;
	char name[16];
	int len = name_of(number, name);

	if (key->count == FEW)
		return;
	next_seed++;
	fill(out, seed);
	put_count++;
	if (weft_kv_put(kv, name, (size_t)len, out, len_of(seed), NULL))
		perhaps(key, seed);
	else
		only(key, seed);
}

static void drop(struct weft_kv *kv, uint32_t number)
{
	char name[16];
	int len = name_of(number, name), rc;

	if (keys[number].count == FEW)
		return;
	rc = weft_kv_delete(kv, name, (size_t)len);
	delete_count++;
	if (rc && rc != -WEFT_ENOTFOUND)
		perhaps(&keys[number], 0);
	else
		only(&keys[number], 0);
}

/* False: it is none of those that the key may hold. A put whose answer was lost may be done later
 * than the next one, so nothing is learnt from what is found. */
static bool get(struct weft_kv *kv, uint32_t number)
{
	const struct key *key = &keys[number];
	size_t got = 0;
	char name[16];
	int len = name_of(number, name), rc;

	rc = weft_kv_get(kv, name, (size_t)len, in, LEN_MAX, &got);
	get_count++;
	if (rc && rc != -WEFT_ENOTFOUND) {
		failed++;
		if (rc != -WEFT_ECHECKSUM)
			return true;
	}
	for (uint32_t i = 0; i < key->count; i++) {
		uint64_t seed = key->may[i];

		if (!seed || rc) {
			if (!seed && rc == -WEFT_ENOTFOUND)
				return true;
			continue;
		}
		fill(out, seed);
		if (got == len_of(seed) && !memcmp(out, in, got))
			return true;
	}
	printf("soak-kv: %s: %s, %zu bytes: none of %u that it may hold\n", name,
	       weft_error_name(rc), got, key->count);
	return false;
}

static bool told_to_end(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Without faults all works, and each key can be brought into a known state. */
static bool settle(struct weft_kv *kv)
{
	for (uint32_t i = 0; i < KEYS; i++) {
		char name[16];
		int len = name_of(i, name), rc = 0, tries;

		for (tries = 0; tries < 5; tries++) {
			rc = weft_kv_delete(kv, name, (size_t)len);
			if (!rc || rc == -WEFT_ENOTFOUND)
				break;
		}
		if (tries == 5) {
			printf("soak-kv: %s cannot be deleted: %s: %s\n", name, weft_error_name(rc),
			       weft_error_detail());
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct weft_kv_opts opts = { .size = sizeof(opts),
				     .provider = "efa",
				     .timeout_ns = 5000000000,
				     .connect_timeout_ns = 5000000000 };
	struct weft_kv *kv;
	bool good = true;
	int rc;

	if (argc != 3)
		return 2;
	opts.server_addr = argv[1];
	state = strtoull(argv[2], NULL, 10);
	out = malloc(LEN_MAX);
	in = malloc(LEN_MAX);
	/* As any other call it may fail while a fault stands. */
	do
		rc = out && in ? weft_kv_open(&kv, &opts) : -ENOMEM;
	while (rc == -WEFT_EDEADLINE && !told_to_end());
	if (rc) {
		printf("soak-kv: %s: %s\n", weft_error_name(rc), weft_error_detail());
		return 1;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		only(&keys[i], 0);
	while (good && !told_to_end()) {
		uint32_t number = (uint32_t)draw(KEYS), what = (uint32_t)draw(16);

		if (what < 6)
			put(kv, number);
		else if (what == 6)
			drop(kv, number);
		else
			good = get(kv, number);
	}
	good = good && settle(kv);
	weft_kv_close(kv);
	printf("#   cache: %" PRIu64 " puts, %" PRIu64 " gets, %" PRIu64 " deletes, %" PRIu64
	       " failed\n",
	       put_count, get_count, delete_count, failed);
	free(out);
	free(in);
	return good ? 0 : 1;
}
