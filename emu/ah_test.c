/* SPDX-License-Identifier: Apache-2.0 */
/* Address handles: their numbers, against a plain list that says which GID has which. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/verbs.h"
#include "emu/world.h"

static struct ibv_device **devices;
static struct ibv_context *context;
static struct ibv_pd *pd;
static struct emu_nic *nic;

enum {
	HOSTS = 13
};

/* Hosts that are there by name only: enough for GIDs to be valid. */
static void add_hosts(struct emu_world_shared *world)
{
	for (uint32_t i = 0; i < HOSTS; i++) {
		world->host[i].nics = EMU_NICS;
		atomic_store(&world->host[i].ready, 1);
	}
}

static int setup(void **state)
{
	(void)state;
	devices = ibv_get_device_list(NULL);
	assert_non_null(devices);
	context = ibv_open_device(devices[0]);
	assert_non_null(context);
	nic = emu_nic_of(context);
	add_hosts(nic->world->shared);
	pd = ibv_alloc_pd(context);
	assert_non_null(pd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(ibv_dealloc_pd(pd), 0);
	assert_int_equal(ibv_close_device(context), 0);
	ibv_free_device_list(devices);
	return 0;
}

/* Destination number i. */
static struct ibv_ah_attr attr_of(uint32_t i)
{
	struct ibv_ah_attr attr = { .is_global = 1, .port_num = 1 };

	emu_gid_make(nic->world->shared, i / EMU_NICS, i % EMU_NICS, attr.grh.dgid.raw);
	return attr;
}

static struct ibv_ah *create(uint32_t i)
{
	struct ibv_ah_attr attr = attr_of(i);

	return ibv_create_ah(pd, &attr);
}

static uint16_t find(uint32_t i)
{
	struct ibv_ah_attr attr = attr_of(i);

	return emu_ah_find(nic, attr.grh.dgid.raw);
}

static uint16_t number(const struct ibv_ah *ah)
{
	return ((const struct emu_ah *)(const void *)ah)->number;
}

static void shared_by_gid(void **state)
{
	struct ibv_ah *one = create(0), *other = create(1), *again = create(0);
	uint32_t epoch = atomic_load(&nic->ah_epoch);

	(void)state;
	assert_non_null(one);
	assert_non_null(other);
	assert_non_null(again);
	assert_int_equal(number(one), number(again));
	assert_int_not_equal(number(one), number(other));
	assert_int_equal(find(0), number(one));
	assert_int_equal(ibv_dealloc_pd(pd), EBUSY);
	assert_int_equal(ibv_destroy_ah(one), 0);
	assert_int_equal(find(0), number(again));
	assert_int_equal(atomic_load(&nic->ah_epoch), epoch);
	assert_int_equal(ibv_destroy_ah(again), 0);
	assert_int_equal(atomic_load(&nic->ah_epoch), epoch + 1);
	assert_int_equal(find(0), EMU_AH_UNKNOWN);
	assert_int_equal(ibv_destroy_ah(other), 0);
	assert_int_equal(nic->ah_count, 0);
}

/* Random handles come and go; after each step the table says what the list says. */
static void random_walk(void **state)
{
	enum {
		DESTINATIONS = 400,
		STEPS = 20000
	};
	struct ibv_ah *live[DESTINATIONS] = { NULL };
	bool taken[DESTINATIONS];
	uint64_t seed = 1;
	uint32_t count = 0;

	(void)state;
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = (uint32_t)((seed = emu_mix(seed)) % DESTINATIONS);

		if (live[i]) {
			assert_int_equal(find(i), number(live[i]));
			assert_int_equal(ibv_destroy_ah(live[i]), 0);
			live[i] = NULL;
			count--;
		} else {
			assert_int_equal(find(i), EMU_AH_UNKNOWN);
			live[i] = create(i);
			assert_non_null(live[i]);
			count++;
		}
		assert_int_equal(nic->ah_count, count);
		if (step % 500)
			continue;
		memset(taken, 0, sizeof(taken));
		for (uint32_t j = 0; j < DESTINATIONS; j++) {
			assert_int_equal(find(j), live[j] ? number(live[j]) : EMU_AH_UNKNOWN);
			if (!live[j])
				continue;
			assert_true(number(live[j]) < DESTINATIONS);
			assert_false(taken[number(live[j])]);
			taken[number(live[j])] = true;
		}
	}
	for (uint32_t i = 0; i < DESTINATIONS; i++)
		if (live[i])
			assert_int_equal(ibv_destroy_ah(live[i]), 0);
}

static void limit(void **state)
{
	const struct emu_model *full = nic->model;
	struct emu_model small = *full;
	struct ibv_ah *one, *two, *again;

	(void)state;
	small.max_ah = 2;
	nic->model = &small;
	one = create(10);
	two = create(11);
	again = create(10); /* no new number */
	assert_non_null(again);
	errno = 0;
	assert_null(create(12));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(ibv_destroy_ah(one), 0);
	assert_int_equal(ibv_destroy_ah(two), 0);
	assert_int_equal(ibv_destroy_ah(again), 0);
	nic->model = full;
}

static void refused(struct ibv_ah_attr attr)
{
	uint64_t errors = atomic_load(&nic->shared->counters[EMU_COUNT_create_ah_err]);

	errno = 0;
	assert_null(ibv_create_ah(pd, &attr));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(atomic_load(&nic->shared->counters[EMU_COUNT_create_ah_err]), errors + 1);
}

static void bad_attributes(void **state)
{
	struct ibv_ah_attr attr = attr_of(0);

	(void)state;
	attr.is_global = 0;
	refused(attr);
	attr = attr_of(0);
	attr.port_num = 2;
	refused(attr);
	attr = attr_of(0);
	attr.grh.sgid_index = 1;
	refused(attr);
	attr = attr_of(0);
	memset(&attr.grh.dgid, 0, sizeof(attr.grh.dgid));
	refused(attr);
	refused(attr_of(HOSTS * EMU_NICS));
	attr = attr_of(0);
	for (int i = 0; i < 8; i++)
		attr.grh.dgid.raw[8 + i] ^= 0x5a; /* of another world */
	refused(attr);
}

static void way_back(void **state)
{
	struct ibv_ah_attr peer = attr_of(40);
	struct ibv_wc wc = { .wc_flags = IBV_WC_GRH };
	struct ibv_grh grh = { .version_tclass_flow = htobe32(6u << 28), .hop_limit = 255 };
	struct ibv_ah *ah;

	(void)state;
	grh.sgid = peer.grh.dgid;
	memcpy(grh.dgid.raw, nic->shared->gid, EMU_GID_BYTES);
	ah = ibv_create_ah_from_wc(pd, &wc, &grh, 1);
	assert_non_null(ah);
	assert_int_equal(find(40), number(ah));
	assert_int_equal(ibv_destroy_ah(ah), 0);
	wc.wc_flags = 0; /* no header, no way back */
	assert_null(ibv_create_ah_from_wc(pd, &wc, &grh, 1));
	wc.wc_flags = IBV_WC_GRH;
	grh.dgid = peer.grh.dgid; /* was not for us */
	assert_null(ibv_create_ah_from_wc(pd, &wc, &grh, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_by_gid), cmocka_unit_test(random_walk),
		cmocka_unit_test(limit),         cmocka_unit_test(bad_attributes),
		cmocka_unit_test(way_back),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
