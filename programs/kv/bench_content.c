/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "kv/bench.h"

#define STEP 0x9e3779b97f4a7c15u

/*
 * Word i of a value (8 bytes, little endian hosts) is base + i * STEP, with a base that depends on
 * key and version, so that a piece of another key, version or place is seen. The first two words
 * are the key and the version themselves.
 */
static uint64_t content_base(uint64_t key, uint64_t version)
{
	return hash_u64(key, hash_u64(version, STEP));
}

void content_fill(void *data, size_t len, uint64_t key, uint64_t version)
{
	uint64_t base, word, i = 0, words = len / 8;
	uint8_t *bytes = data;

	if (len < CONTENT_HEADER)
		version = 0;
	base = content_base(key, version);
	if (len >= CONTENT_HEADER) {
		memcpy(bytes, &key, 8);
		memcpy(bytes + 8, &version, 8);
		i = 2;
	}
	for (; i < words; i++) {
		word = base + i * STEP;
		memcpy(bytes + 8 * i, &word, 8);
	}
	word = base + words * STEP;
	memcpy(bytes + 8 * words, &word, len % 8);
}

bool content_check(const void *data, size_t len, uint64_t key, uint64_t *version_ret)
{
	uint64_t base, word, wrong = 0, version = 0, found = key, i = 0, words = len / 8;
	const uint8_t *bytes = data;

	if (len >= CONTENT_HEADER) {
		memcpy(&found, bytes, 8);
		memcpy(&version, bytes + 8, 8);
		i = 2;
	}
	base = content_base(key, version);
	for (; i < words; i++) {
		memcpy(&word, bytes + 8 * i, 8);
		wrong |= word ^ (base + i * STEP);
	}
	word = base + words * STEP;
	*version_ret = version;
	return found == key && !wrong && !memcmp(bytes + 8 * words, &word, len % 8);
}

/* --- choice --------------------------------------------------------------------------------------
 */

uint64_t chooser_random(struct chooser *chooser)
{
	uint64_t x = chooser->state += STEP;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994. */
void chooser_init(struct chooser *chooser, uint64_t count, double theta, uint64_t seed)
{
	uint64_t i;
	double zeta2;

	*chooser = (struct chooser){ .state = seed, .count = count, .theta = theta };
	if (theta <= 0)
		return;
	for (i = 1; i <= count; i++)
		chooser->zeta += 1 / pow((double)i, theta);
	zeta2 = 1 + 1 / pow(2, theta);
	chooser->alpha = 1 / (1 - theta);
	chooser->eta = (1 - pow(2.0 / (double)count, 1 - theta)) / (1 - zeta2 / chooser->zeta);
}

uint64_t chooser_next(struct chooser *chooser)
{
	uint64_t random = chooser_random(chooser), rank;
	double u, uz;

	if (chooser->theta <= 0)
		return (uint64_t)((unsigned __int128)random * chooser->count >> 64);
	u = (double)(random >> 11) / 9007199254740992.0;
	uz = u * chooser->zeta;
	if (uz < 1)
		return 0;
	if (uz < 1 + pow(0.5, chooser->theta))
		return chooser->count > 1;
	rank = (uint64_t)((double)chooser->count *
			  pow(chooser->eta * u - chooser->eta + 1, chooser->alpha));
	return rank < chooser->count ? rank : chooser->count - 1;
}
