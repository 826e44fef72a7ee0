/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/measure_clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <weft/weft.h>

/* A counter of 2 GHz, from tick 1000 on, when it was 5 s. */
static const struct measure_clock two_ghz = { .scale = 1ull << 31,
					      .tick0 = 1000,
					      .ns0 = 5 * NSEC_PER_SEC };

static void ticks_become_nanoseconds(void **state)
{
	(void)state;
	assert_int_equal(measure_ticks_ns(&two_ghz, 1000), 5 * NSEC_PER_SEC);
	assert_int_equal(measure_ticks_ns(&two_ghz, 3000), 5 * NSEC_PER_SEC + 1000);
	assert_int_equal(measure_ticks_ns(&two_ghz, 0), 5 * NSEC_PER_SEC - 500);
	/* A year of it does not overflow. */
	assert_int_equal(measure_ticks_ns(&two_ghz, 1000 + 365ull * 86400 * 2000000000),
			 5 * NSEC_PER_SEC + 365ull * 86400 * NSEC_PER_SEC);
}

static void drift_above_the_bound_is_an_error(void **state)
{
	uint64_t hour = 3600 * NSEC_PER_SEC, tick = 1000 + 2 * hour;

	(void)state;
	assert_int_equal(measure_clock_judge(&two_ghz, tick, two_ghz.ns0 + hour), 0);
	/* 49 and 51 millionths of an hour, to both sides. */
	assert_int_equal(measure_clock_judge(&two_ghz, tick, two_ghz.ns0 + hour + 176400000), 0);
	assert_int_equal(measure_clock_judge(&two_ghz, tick, two_ghz.ns0 + hour - 176400000), 0);
	assert_int_equal(measure_clock_judge(&two_ghz, tick, two_ghz.ns0 + hour + 183600000), -EIO);
	assert_non_null(strstr(weft_error_detail(), "-51 ppm"));
	assert_int_equal(measure_clock_judge(&two_ghz, tick, two_ghz.ns0 + hour - 183600000), -EIO);
	assert_non_null(strstr(weft_error_detail(), "drifted by 51 ppm"));
	assert_non_null(strstr(weft_error_detail(), "measure again"));
}

static void the_clock_of_this_machine_goes_on(void **state)
{
	struct measure_clock clock;
	uint64_t last, now;

	(void)state;
	measure_clock_get(&clock);
	last = measure_clock_ns(&clock);
	for (int i = 0; i < 100000; i++, last = now) {
		now = measure_clock_ns(&clock);
		assert_true(now >= last);
	}
	assert_int_equal(measure_clock_check(&clock), 0);
}

static void a_drifted_counter_is_not_used_again(void **state)
{
	struct measure_clock clock, after;

	(void)state;
	measure_clock_get(&clock);
	if (!clock.scale)
		skip(); /* this machine's counter is not used anyway */
	clock.scale += clock.scale / 1000;
	assert_int_equal(measure_clock_check(&clock), -EIO);
	measure_clock_get(&after);
	assert_int_equal(after.scale, 0);
	assert_true(measure_clock_ns(&after) >= clock_ns() - NSEC_PER_SEC);
	assert_int_equal(measure_clock_check(&after), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_become_nanoseconds),
		cmocka_unit_test(drift_above_the_bound_is_an_error),
		cmocka_unit_test(the_clock_of_this_machine_goes_on),
		cmocka_unit_test(a_drifted_counter_is_not_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
