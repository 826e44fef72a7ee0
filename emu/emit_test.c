/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Whoever has looked leaves the timer at the time when the soonest of the packets that wait is due:
 * who takes a timer that has run out clears it before (engine.c). */
static void packets_that_wait_set_the_timer(void **state)
{
	struct emu_srd srd = { .timer = EMU_NEVER };
	struct emu_flow *flow = calloc(1, sizeof(*flow));

	(void)state;
	assert_non_null(flow);
	emit_again(&srd, flow, 0, 700);
	emit_again(&srd, flow, 1, 500);
	assert_true(srd.timer == 500);
	for (uint64_t now = 100; now < 500; now += 100) {
		srd.timer = EMU_NEVER;
		emit_pump(&srd, now);
		assert_true(srd.timer == 500);
	}
	assert_int_equal(srd.held_count, 2);
	free(srd.held);
	free(flow);
}

/* So, too, while some wait for others to overtake them. */
static void those_that_others_overtake_too(void **state)
{
	struct emu_srd srd = { .timer = EMU_NEVER };
	struct emu_flow *flow = calloc(1, sizeof(*flow));

	(void)state;
	assert_non_null(flow);
	emit_again(&srd, flow, 0, 500);
	flow->record[0].overtake = 3;
	srd.overtaken = 1;
	srd.timer = EMU_NEVER;
	emit_pump(&srd, 100);
	assert_true(srd.timer == 500);
	free(srd.held);
	free(flow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_that_wait_set_the_timer),
		cmocka_unit_test(those_that_others_overtake_too),
	};

	return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
