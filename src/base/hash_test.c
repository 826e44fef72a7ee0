/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Values that XXH3-64 gives for the sequence 0, 1, 2 ... (mod 251) of these lengths: stored
 * checksums depend on them. They cover each of the algorithm's ranges of length. */
static const struct {
	size_t len;
	uint64_t hash;
} vectors[] = {
	{ 0, 0x2d06800538d394c2 },     { 1, 0xc44bdff4074eecdb },
	{ 3, 0x5f4299fc161c9cbb },     { 4, 0x60dab036a58211f2 },
	{ 8, 0x3a1c2d7c85af88f8 },     { 9, 0xe9612598145bb9dc },
	{ 16, 0x8355e3a6f61770db },    { 17, 0x9ef341a99de37328 },
	{ 128, 0x85c6174c7ff4c46b },   { 129, 0xec7642b431ba3e5a },
	{ 240, 0x375a384d957fe865 },   { 241, 0x02e8cd95421c6d02 },
	{ 1024, 0xe5d78bafa45b2aa5 },  { 1025, 0xe95c42288f28186e },
	{ 65536, 0xaaae63800707a868 }, { 1000003, 0x3bd135bb217f309d },
};

static unsigned char *make_pattern(size_t len)
{
	unsigned char *data = malloc(len ? len : 1);
	size_t i;

	assert_non_null(data);
	for (i = 0; i < len; i++)
		data[i] = (unsigned char)(i % 251);
	return data;
}

static void content_checksums_never_change(void **state)
{
	unsigned char *data;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		data = make_pattern(vectors[i].len);
		assert_int_equal(hash_content(data, vectors[i].len), vectors[i].hash);
		free(data);
	}
	assert_int_equal(hash_content(NULL, 0), vectors[0].hash);
}

static void pieces_give_the_same_as_the_whole(void **state)
{
	static const size_t pieces[] = { 1, 3, 63, 64, 65, 255, 256, 257, 1000, 4096, 70000 };
	const size_t len = 150000;
	unsigned char *data = make_pattern(len);
	struct hash_stream stream;
	size_t i, at, n;

	(void)state;
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		hash_stream_init(&stream);
		for (at = 0; at < len; at += n) {
			n = len - at < pieces[i] ? len - at : pieces[i];
			hash_stream_update(&stream, data + at, n);
			hash_stream_update(&stream, NULL, 0);
			if (at % 37 == 0)
				assert_int_equal(hash_stream_final(&stream),
						 hash_content(data, at + n));
		}
		assert_int_equal(hash_stream_final(&stream), hash_content(data, len));
	}
	hash_stream_init(&stream);
	assert_int_equal(hash_stream_final(&stream), hash_content(NULL, 0));
	free(data);
}

static void one_flipped_bit_changes_the_checksum(void **state)
{
	const size_t len = 1500;
	unsigned char *data = make_pattern(len);
	uint64_t whole = hash_content(data, len);
	size_t bit;

	(void)state;
	for (bit = 0; bit < 8 * len; bit++) {
		data[bit / 8] ^= 1 << bit % 8;
		assert_int_not_equal(hash_content(data, len), whole);
		data[bit / 8] ^= 1 << bit % 8;
	}
	free(data);
}

static void the_seed_changes_the_hash_of_keys(void **state)
{
	uint64_t a = 0, b = 0;

	(void)state;
	assert_int_equal(hash_seed(&a), 0);
	assert_int_equal(hash_seed(&b), 0);
	assert_int_not_equal(a, b);
	assert_int_not_equal(hash_key("key", 3, a), hash_key("key", 3, b));
	assert_int_equal(hash_key("key", 3, a), hash_key("key", 3, a));
	assert_int_equal(hash_key("key", 3, 0), hash_content("key", 3));
	assert_int_not_equal(hash_u64(1, a), hash_u64(1, b));
}

/* Flipping any bit of key or seed flips each bit of the result in 35..65 % of the cases. */
static void integers_are_mixed_well(void **state)
{
	enum {
		ROUNDS = 4000
	};
	unsigned int flips[64];
	uint64_t key, seed, diff;
	int in, out, i;

	(void)state;
	for (in = 0; in < 128; in++) {
		memset(flips, 0, sizeof(flips));
		for (i = 0; i < ROUNDS; i++) {
			key = hash_u64((uint64_t)i, 1);
			seed = hash_u64((uint64_t)i, 2);
			diff = hash_u64(key, seed);
			diff ^= in < 64 ? hash_u64(key ^ (uint64_t)1 << in, seed)
					: hash_u64(key, seed ^ (uint64_t)1 << (in - 64));
			for (out = 0; out < 64; out++)
				flips[out] += diff >> out & 1;
		}
		for (out = 0; out < 64; out++)
			assert_in_range(flips[out], ROUNDS * 35 / 100, ROUNDS * 65 / 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_checksums_never_change),
		cmocka_unit_test(pieces_give_the_same_as_the_whole),
		cmocka_unit_test(one_flipped_bit_changes_the_checksum),
		cmocka_unit_test(the_seed_changes_the_hash_of_keys),
		cmocka_unit_test(integers_are_mixed_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
