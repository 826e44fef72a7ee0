/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/slab.h"

#include "base/alloc.h"
#include "kv/store_fixture.h"

#define LIVE 5000u

struct record {
	unsigned char *data;
	size_t size;
	unsigned char fill;
};

static void check_and_free(struct slab *slab, struct record *record)
{
	size_t i;

	for (i = 0; i < record->size; i++)
		assert_int_equal(record->data[i], record->fill);
	slab_free(slab, record->data, record->size);
	record->data = NULL;
}

/* Mostly few sizes, so that chunks fill up; else any, small and large. */
static size_t random_size(uint64_t *seed)
{
	static const size_t common[] = { 72, 200, 1000, SLAB_MAX };

	if (random_below(seed, 4))
		return common[random_below(seed, 4)];
	return random_below(seed, 3 * SLAB_MAX);
}

static void records_of_all_sizes_keep_their_content(void **state)
{
	struct record *live = calloc(LIVE, sizeof(*live)), *record;
	struct slab *slab;
	uint64_t seed = 3;
	void *data;
	uint32_t i;

	(void)state;
	assert_int_equal(slab_open(&slab, 0), 0);
	for (i = 0; i < 200000; i++) {
		record = &live[random_below(&seed, LIVE)];
		if (record->data) {
			check_and_free(slab, record);
			continue;
		}
		record->size = random_size(&seed);
		record->fill = (unsigned char)i;
		assert_int_equal(slab_alloc(slab, i % 3, record->size, &data), 0);
		assert_int_equal((uintptr_t)data % 8, 0);
		record->data = memset(data, record->fill, record->size);
	}
	for (i = 0; i < LIVE; i++)
		if (live[i].data && i % 2)
			check_and_free(slab, &live[i]);
	slab_close(slab); /* with half of the records, large ones among them, still there */
	free(live);
}

static void an_empty_chunk_serves_another_size(void **state)
{
	static void *records[10000];
	struct slab *slab;
	uint64_t bytes;
	uint32_t i;

	(void)state;
	assert_int_equal(slab_open(&slab, 0), 0);
	for (i = 0; i < 10000; i++)
		assert_int_equal(slab_alloc(slab, 0, 96, &records[i]), 0);
	bytes = slab_bytes(slab);
	assert_in_range(bytes, 10000 * 96, 10000 * 97 + 32768);
	for (i = 0; i < 10000; i++)
		slab_free(slab, records[i], 96);
	for (i = 0; i < 5000; i++)
		assert_int_equal(slab_alloc(slab, 1, 160, &records[i]), 0);
	assert_int_equal(slab_bytes(slab), bytes);
	slab_close(slab);
}

static void the_limit_holds_for_small_and_large_records(void **state)
{
	const uint64_t limit = 1 << 20;
	struct slab *slab;
	void *record = NULL, *last = NULL;
	uint32_t n = 0;
	int rc;

	(void)state;
	assert_int_equal(slab_open(&slab, limit), 0);
	while ((rc = slab_alloc(slab, 0, 1024, &record)) == 0) {
		last = record;
		n++;
	}
	assert_int_equal(rc, -WEFT_ELIMIT);
	assert_in_range(n, 900, 1024);
	assert_int_equal(slab_alloc(slab, 0, 1 << 20, &record), -WEFT_ELIMIT);
	slab_free(slab, last, 1024);
	assert_int_equal(slab_alloc(slab, 0, 1024, &record), 0);
	assert_true(slab_bytes(slab) <= limit);
	slab_close(slab);
}

static void missing_memory_is_reported_and_survived(void **state)
{
	struct slab *slab;
	void *record;

	(void)state;
	mem_fail_at(1);
	assert_int_equal(slab_open(&slab, 0), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(slab_open(&slab, 0), 0);
	mem_fail_at(1);
	assert_int_equal(slab_alloc(slab, 0, 100, &record), -ENOMEM);
	mem_fail_at(1);
	assert_int_equal(slab_alloc(slab, 0, 5000, &record), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(slab_bytes(slab), 0);
	assert_int_equal(slab_alloc(slab, 0, 100, &record), 0);
	assert_int_equal(slab_alloc(slab, 0, 5000, &record), 0);
	slab_close(slab);
	slab_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_all_sizes_keep_their_content),
		cmocka_unit_test(an_empty_chunk_serves_another_size),
		cmocka_unit_test(the_limit_holds_for_small_and_large_records),
		cmocka_unit_test(missing_memory_is_reported_and_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
