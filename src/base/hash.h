/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes: content checksums that travel and are stored, and seeded hashes of keys. */
#ifndef WEFT_BASE_HASH_H
#define WEFT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 with seed 0: the same on every machine and in every version. Finds damage, not forgery.
 */
uint64_t hash_content(const void *data, size_t len);

/* The same value piece by piece: init, update any number of times, final. */
struct hash_stream {
	_Alignas(64) unsigned char state[576];
};
void hash_stream_init(struct hash_stream *stream);
void hash_stream_update(struct hash_stream *stream, const void *data, size_t len);
/* Of what was added so far; more may be added afterwards. */
uint64_t hash_stream_final(const struct hash_stream *stream);

/* A random seed, so that nobody outside can choose keys that collide. 0 or -errno. */
int hash_seed(uint64_t *ret);
/* XXH3-64 with a seed: for tables in memory, never stored or sent. */
uint64_t hash_key(const void *key, size_t len, uint64_t seed);

/* Seeded hash of an integer for tables in memory; every bit of the result depends on every bit of
 * key and seed. */
static inline uint64_t hash_u64(uint64_t key, uint64_t seed)
{
	unsigned __int128 product = (unsigned __int128)(key ^ seed) * 0x9e3779b97f4a7c15u;

	key = (uint64_t)product ^ (uint64_t)(product >> 64) ^ seed;
	key ^= key >> 32;
	key *= 0xd6e8feb86659fd93u;
	return key ^ key >> 32;
}

#endif /* WEFT_BASE_HASH_H */
