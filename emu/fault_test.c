/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fault.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/fault_row.h"
#include "emu/util.h"

static struct emu_fault good(const char *text)
{
	struct emu_fault fault;
	char why[512];

	if (emu_fault_parse(text, &fault, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	return fault;
}

/* --- rows ---------------------------------------------------------------------------------- */

static int new_world(void **state)
{
	struct emu_world_shared *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->id = 0x1234567 + (uintptr_t)world;
	world->seed = 42;
	*state = world;
	return 0;
}

static int free_world(void **state)
{
	free(*state);
	return 0;
}

static void test_add_and_clear(void **state)
{
	struct emu_world_shared *world = *state;
	struct emu_fault fault = good("loss:p=50%,after=1h,for=1h"), seen;
	uint64_t before = emu_now(), after;
	int i;

	assert_null(emu_fault_index(world));
	assert_false(emu_fault_get(world, 0, &seen));
	for (i = 0; i < EMU_FAULTS; i++)
		assert_int_equal(emu_fault_add(world, &fault), i + 1);
	after = emu_now();
	assert_int_equal(emu_fault_add(world, &fault), -ENOSPC);
	assert_true(emu_fault_get(world, 3, &seen));
	assert_int_equal(seen.number, 4);
	assert_string_equal(seen.text, fault.text);
	assert_true(seen.start >= before + 3600 * EMU_S && seen.start <= after + 3600 * EMU_S);
	assert_int_equal(seen.end - seen.start, 3600 * EMU_S);
	assert_non_null(emu_fault_index(world));
	assert_int_equal(emu_fault_index(world)->rows[EMU_FAULT_LOSS], UINT64_MAX);
	assert_int_equal(emu_fault_index(world)->rows[EMU_FAULT_DELAY], 0);

	assert_int_equal(emu_fault_clear(world, 4), 1);
	assert_int_equal(emu_fault_clear(world, 4), 0);
	assert_false(emu_fault_get(world, 3, &seen));
	assert_int_equal(emu_fault_index(world)->rows[EMU_FAULT_LOSS], ~(1ull << 3));
	/* A number is never given again. */
	assert_int_equal(emu_fault_add(world, &fault), EMU_FAULTS + 1);
	assert_int_equal(emu_fault_clear(world, 0), EMU_FAULTS);
	assert_int_equal(emu_fault_clear(world, 0), 0);
	assert_null(emu_fault_index(world));
	assert_false(emu_fault_get(world, EMU_FAULTS, &seen));
}

/* Two worlds at the same epoch, and one in the memory of another, are told apart. */
static void test_index_is_of_one_world(void **state)
{
	struct emu_world_shared *world = *state, *other = calloc(1, sizeof(*other));
	struct emu_fault loss = good("loss"), rnr = good("rnr");

	assert_non_null(other);
	other->id = 99;
	emu_fault_add(world, &loss);
	emu_fault_add(other, &rnr);
	assert_int_equal(world->fault_epoch, other->fault_epoch);
	assert_int_equal(emu_fault_index(world)->rows[EMU_FAULT_LOSS], 1);
	assert_int_equal(emu_fault_index(other)->rows[EMU_FAULT_LOSS], 0);
	assert_int_equal(emu_fault_index(other)->rows[EMU_FAULT_RNR], 1);
	memcpy(other, world, sizeof(*other));
	assert_int_equal(emu_fault_index(other)->rows[EMU_FAULT_LOSS], 1);
	free(other);
}

/* --- rows that change while they are read -------------------------------------------------- */

#define CHANGES 20000

struct race {
	struct emu_world_shared *world;
	struct emu_fault kinds[3];
	_Atomic bool stop;
	_Atomic uint64_t torn, failed;
};

static void *change(void *argument)
{
	struct race *race = argument;
	int i, number;

	for (i = 0; i < CHANGES; i++) {
		number = emu_fault_add(race->world, &race->kinds[i % 3]);
		if (number <= 0 || emu_fault_clear(race->world, (uint32_t)number) != 1)
			atomic_fetch_add(&race->failed, 1);
	}
	return NULL;
}

/* A row is all of one fault: what its text says is what its fields say. */
static void *watch(void *argument)
{
	struct race *race = argument;
	struct emu_fault seen, again;
	uint32_t i;

	while (!atomic_load(&race->stop)) {
		for (i = 0; i < EMU_FAULTS; i++) {
			if (!emu_fault_get(race->world, i, &seen))
				continue;
			if (emu_fault_parse(seen.text, &again, NULL, 0) ||
			    again.kind != seen.kind || again.delay != seen.delay ||
			    again.status != seen.status || again.ops != seen.ops)
				atomic_fetch_add(&race->torn, 1);
		}
		emu_fault_index(race->world);
	}
	return NULL;
}

static void test_change_while_read(void **state)
{
	struct race race = { .world = *state };
	pthread_t writers[2], readers[2];
	int i;

	race.kinds[0] = good("delay:us=7,op=send+write");
	race.kinds[1] = good("status:status=9,op=read");
	race.kinds[2] = good("slow-receiver:us=900");
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&readers[i], NULL, watch, &race), 0);
		assert_int_equal(pthread_create(&writers[i], NULL, change, &race), 0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&race.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(race.failed, 0);
	assert_int_equal(race.torn, 0);
	assert_int_equal(race.world->fault_number, 2 * CHANGES);
	assert_int_equal(emu_fault_clear(race.world, 0), 0);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_add_and_clear),
		WITH_WORLD(test_index_is_of_one_world),
		WITH_WORLD(test_change_while_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
