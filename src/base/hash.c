/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"

/* The layout of XXH3_state_t and the dispatching functions; both are stable since 0.8.0. */
#define XXH_STATIC_LINKING_ONLY
#ifdef HASH_HAVE_DISPATCH
/* Chooses AVX2 or AVX-512 by what the processor has; the plain functions of a distribution's build
 * are SSE2. On other architectures there is one best version (NEON on arm64). */
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

static_assert(sizeof(XXH3_state_t) <= sizeof(struct hash_stream), "raise hash_stream.state");
static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct hash_stream), "align hash_stream.state");

#ifdef HASH_HAVE_DISPATCH
/* The library makes its choice at the first long input, without a lock. Made before there are
 * threads, it is no race. */
__attribute__((constructor)) static void hash_choose(void)
{
	static const unsigned char input[1024];

	(void)hash_content(input, sizeof(input));
}
#endif

static XXH3_state_t *hash_state(struct hash_stream *stream)
{
	return (XXH3_state_t *)(void *)stream->state;
}

uint64_t hash_content(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

void hash_stream_init(struct hash_stream *stream)
{
	XXH3_INITSTATE(hash_state(stream));
	XXH3_64bits_reset(hash_state(stream));
}

void hash_stream_update(struct hash_stream *stream, const void *data, size_t len)
{
	if (len)
		XXH3_64bits_update(hash_state(stream), data, len);
}

uint64_t hash_stream_final(const struct hash_stream *stream)
{
	return XXH3_64bits_digest((const XXH3_state_t *)(const void *)stream->state);
}

int hash_seed(uint64_t *ret)
{
	uint64_t seed;
	ssize_t n;

	do
		n = getrandom(&seed, sizeof(seed), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(-errno, "no random numbers from the kernel: %s", strerror(errno));
	if (n != sizeof(seed))
		return err_set(-EIO, "too few random bytes from the kernel");
	*ret = seed;
	return 0;
}

uint64_t hash_key(const void *key, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(key, len, seed);
}
