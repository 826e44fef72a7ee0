/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against a plain model: a table of what each key must hold. Random operations, sizes
 * over every allocation path, a clock that moves, readers that keep references for long.
 */
#include "kv/extent.h"
#include "kv/shard.h"
#include "kv/store_fixture.h"

#define KEYS  700u
#define PINS  40u
#define OPENS 20u
#define MAX   60000u

struct value {
	uint64_t seed; /* 0: none */
	uint64_t length, version, expires_ns;
};

struct model {
	struct fixture fixture;
	uint64_t seed, now_ns, version;
	struct value keys[KEYS];
	struct {
		struct item *item;
		struct value value;
	} pins[PINS];
	struct {
		struct item *item;
		uint32_t key;
		uint64_t seed, length, ttl_ns;
	} opens[OPENS];
	unsigned char data[MAX], copy[MAX];
	uint64_t full, scattered;
};

static size_t key_of(uint32_t number, unsigned char *key)
{
	size_t len = 4 + number * 13 % 97 + (number % 50 ? 0 : 3000);

	memset(key, 0, len);
	memcpy(key, &number, sizeof(number));
	return len;
}

static void content(unsigned char *data, uint64_t seed, uint64_t length)
{
	uint64_t i;

	for (i = 0; i < length; i++)
		data[i] = (unsigned char)(seed + i * (seed >> 8 | 1) + (i >> 8));
}

static bool alive(const struct model *model, const struct value *value)
{
	return value->seed && value->expires_ns > model->now_ns;
}

static void check_item(struct model *model, const struct item *item, const struct value *value)
{
	struct store_info info;

	store_info(item, &info);
	assert_int_equal(info.length, value->length);
	assert_int_equal(info.version, value->version);
	assert_int_equal(info.expires_ns, value->expires_ns);
	content(model->data, value->seed, value->length);
	assert_int_equal(store_copy(model->fixture.store, item, 0, model->copy, value->length), 0);
	assert_memory_equal(model->copy, model->data, value->length);
	assert_int_equal(info.checksum, hash_content(model->data, value->length));
	assert_int_equal(store_checksum(model->fixture.store, item), info.checksum);
	model->scattered += info.extents > 1;
}

static uint64_t random_length(struct model *model)
{
	static const uint32_t bounds[] = { 1, 65, 200, 1000, 5000, MAX };

	return random_below(&model->seed, bounds[random_below(&model->seed, 6)]);
}

static void reserve(struct model *model)
{
	unsigned char key[STORE_KEY_MAX];
	uint32_t slot = (uint32_t)random_below(&model->seed, OPENS);
	size_t len;
	int rc;

	if (model->opens[slot].item)
		return;
	model->opens[slot].key = (uint32_t)random_below(&model->seed, KEYS);
	model->opens[slot].length = random_length(model);
	model->opens[slot].seed = random_next(&model->seed) | 1;
	model->opens[slot].ttl_ns =
		random_below(&model->seed, 3) ? 0 : 1 + random_below(&model->seed, 3000);
	len = key_of(model->opens[slot].key, key);
	rc = store_reserve(model->fixture.store, key, len, model->opens[slot].length,
			   model->opens[slot].ttl_ns, model->now_ns, &model->opens[slot].item);
	if (rc) {
		assert_int_equal(rc, -WEFT_EPOOLFULL);
		model->opens[slot].item = NULL;
		model->full++;
		return;
	}
	content(model->data, model->opens[slot].seed, model->opens[slot].length);
	store_fill(model->fixture.store, model->opens[slot].item, 0, model->data,
		   model->opens[slot].length);
}

static void finish(struct model *model)
{
	uint32_t slot = (uint32_t)random_below(&model->seed, OPENS);
	struct item *item = model->opens[slot].item;
	struct value *value = &model->keys[model->opens[slot].key];
	uint64_t ttl_ns = model->opens[slot].ttl_ns;

	if (!item)
		return;
	model->opens[slot].item = NULL;
	if (random_below(&model->seed, 6) == 0) {
		store_abort(model->fixture.store, item);
		return;
	}
	content(model->data, model->opens[slot].seed, model->opens[slot].length);
	*value = (struct value){
		.seed = model->opens[slot].seed,
		.length = model->opens[slot].length,
		.version = store_commit(model->fixture.store, item,
					hash_content(model->data, model->opens[slot].length),
					model->now_ns),
		.expires_ns = ttl_ns ? model->now_ns + ttl_ns : UINT64_MAX,
	};
	assert_int_equal(value->version, ++model->version);
}

static void pin(struct model *model)
{
	uint32_t slot = (uint32_t)random_below(&model->seed, PINS);
	uint32_t number = (uint32_t)random_below(&model->seed, KEYS);
	unsigned char key[STORE_KEY_MAX];
	size_t len = key_of(number, key);
	int rc;

	if (model->pins[slot].item) {
		check_item(model, model->pins[slot].item, &model->pins[slot].value);
		store_put_ref(model->fixture.store, model->pins[slot].item);
		model->pins[slot].item = NULL;
	}
	rc = store_get(model->fixture.store, key, len, model->now_ns, &model->pins[slot].item);
	assert_int_equal(rc, alive(model, &model->keys[number]) ? 0 : -WEFT_ENOTFOUND);
	if (rc)
		return;
	model->pins[slot].value = model->keys[number];
	check_item(model, model->pins[slot].item, &model->keys[number]);
}

static void remove_key(struct model *model)
{
	uint32_t number = (uint32_t)random_below(&model->seed, KEYS);
	unsigned char key[STORE_KEY_MAX];
	size_t len = key_of(number, key);

	assert_int_equal(store_delete(model->fixture.store, key, len, model->now_ns),
			 alive(model, &model->keys[number]));
	model->keys[number].seed = 0;
}

/* What the store must hold when expired keys have been swept. */
static void check_stats(struct model *model)
{
	struct store_stats stats;
	uint64_t keys = 0, bytes = 0;
	uint32_t i;

	while (store_sweep(model->fixture.store, model->now_ns, 100000, NULL))
		;
	for (i = 0; i < KEYS; i++) {
		keys += alive(model, &model->keys[i]);
		bytes += alive(model, &model->keys[i]) ? model->keys[i].length : 0;
	}
	stats = fixture_stats(&model->fixture);
	assert_int_equal(stats.keys, keys);
	assert_int_equal(stats.value_bytes, bytes);
	assert_int_equal(stats.pool_used + stats.pool_free, stats.pool_size);
	assert_int_equal(stats.commits, model->version);
	assert_int_equal(stats.refused_full, model->full);
	assert_true(extent_pool_valid(model->fixture.store->pool));
}

static void step(struct model *model)
{
	switch (random_below(&model->seed, 8)) {
	case 0:
	case 1:
	case 2:
		reserve(model);
		break;
	case 3:
	case 4:
		finish(model);
		break;
	case 5:
		remove_key(model);
		break;
	default:
		pin(model);
	}
	model->now_ns += random_below(&model->seed, 4);
}

static void drain(struct model *model)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_stats stats;
	uint32_t i;

	for (i = 0; i < PINS; i++)
		if (model->pins[i].item)
			store_put_ref(model->fixture.store, model->pins[i].item);
	for (i = 0; i < OPENS; i++)
		if (model->opens[i].item)
			store_abort(model->fixture.store, model->opens[i].item);
	for (i = 0; i < KEYS; i++)
		store_delete(model->fixture.store, key, key_of(i, key), model->now_ns);
	stats = fixture_stats(&model->fixture);
	assert_int_equal(stats.keys + stats.pinned + stats.reserved + stats.detached, 0);
	assert_int_equal(stats.pool_used, 0);
	assert_int_equal(stats.free_runs, model->fixture.opts.segment_count);
	assert_int_equal(stats.largest_free, model->fixture.segments[0].length);
}

static void run(uint64_t seed, uint32_t segments, uint64_t length, uint32_t shards)
{
	struct model *model = calloc(1, sizeof(*model));
	uint32_t i;

	model->seed = seed;
	model->fixture.opts.shards = shards;
	fixture_open(&model->fixture, segments, length);
	for (i = 0; i < 60000; i++) {
		step(model);
		if (i % 2000 == 0)
			check_stats(model);
	}
	/* The pool was small enough to be full, fragmented enough to scatter values. */
	assert_true(model->full > 100);
	assert_true(model->scattered > 100);
	drain(model);
	fixture_close(&model->fixture);
	free(model);
}

static void one_segment_behaves_as_the_model(void **state)
{
	(void)state;
	run(1, 1, 1 << 20, 64);
}

static void many_segments_behave_as_the_model(void **state)
{
	(void)state;
	run(2, 16, 1 << 16, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_segment_behaves_as_the_model),
		cmocka_unit_test(many_segments_behave_as_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
