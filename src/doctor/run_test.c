/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <weft/weft.h>

#include "doctor/planted.h"

#define SHORT_NS (50 * NSEC_PER_MSEC)

static void assert_is(const struct planted *planted, size_t check, enum doctor_verdict verdict,
		      const char *part)
{
	const struct finding *f = &planted->results[check].finding;

	assert_true(planted->results[check].wanted);
	if (!strstr(f->text, part))
		fail_msg("'%s' is not in '%s'", part, f->text);
	assert_int_equal(f->verdict, verdict);
}

static void a_check_that_crashes_costs_its_own_verdict(void **state)
{
	static const struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_FATAL, "", plant_ok),
		PLANT("A2", DOCTOR_FATAL, "", plant_crash),
		PLANT("A3", DOCTOR_FATAL, "", plant_leave),
		PLANT("A4", DOCTOR_FATAL, "", plant_silent),
		PLANT("A5", DOCTOR_FATAL, "", plant_garbage),
		PLANT("A6", DOCTOR_FATAL, "", plant_fail),
	};
	static const struct doctor_table table = PLANTED_TABLE(rows);
	struct planted *planted = plant(&table, NULL, DOCTOR_CHECK_NS);

	(void)state;
	assert_is(planted, 0, DOCTOR_OK, "all is well");
	assert_is(planted, 1, DOCTOR_UNKNOWN, "crashed (SIGABRT)");
	assert_is(planted, 2, DOCTOR_UNKNOWN, "without an answer (status 7)");
	assert_is(planted, 3, DOCTOR_UNKNOWN, "said nothing");
	assert_is(planted, 4, DOCTOR_UNKNOWN, "xxx");
	assert_int_equal(strlen(planted->results[4].finding.evidence), DOCTOR_EVIDENCE_MAX - 1);
	assert_is(planted, 5, DOCTOR_FAIL, "not loaded");
	assert_string_equal(planted->results[5].finding.fix, "sudo fix A6");
	assert_string_equal(planted->results[5].finding.consequence, "so what");
	unplant(planted);
}

/* More of them than run at a time: each has its own deadline. No other check is among them, since a
 * machine that is busy may be late with it. */
static void many_that_hang_end(void **state)
{
	struct doctor_check rows[2 * DOCTOR_RUNNING_MAX + 1];
	struct doctor_table table = PLANTED_TABLE(rows);
	char ids[2 * DOCTOR_RUNNING_MAX + 1][32];
	struct planted *planted;
	size_t i;

	(void)state;
	for (i = 0; i < table.count; i++) {
		snprintf(ids[i], sizeof(ids[i]), "A%zu", i + 1);
		rows[i] = (struct doctor_check)PLANT("A", DOCTOR_FATAL, "", plant_hang);
		rows[i].id = ids[i];
	}
	planted = plant(&table, NULL, SHORT_NS);
	for (i = 0; i < table.count; i++) {
		assert_is(planted, i, DOCTOR_UNKNOWN, "did not answer within 0.05 s");
		assert_true(planted->results[i].ns >= SHORT_NS);
	}
	unplant(planted);
}

static void what_needs_a_failed_check_is_skipped(void **state)
{
	static const struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_FATAL, "", plant_ok),
		PLANT("A2", DOCTOR_FATAL, "A1", plant_fail),
		PLANT("A3", DOCTOR_WARNING, "A1", plant_warn),
		PLANT("B1", DOCTOR_FATAL, "A1 A2", plant_ok),
		PLANT("B2", DOCTOR_FATAL, "B1", plant_ok),
		PLANT("B3", DOCTOR_FATAL, "A3", plant_ok),
		PLANT("B4", DOCTOR_FATAL, "", plant_unknown),
		PLANT("B5", DOCTOR_FATAL, "B4", plant_ok),
	};
	static const struct doctor_table table = PLANTED_TABLE(rows);
	static const bool wanted[8] = { [3] = true, [6] = true };
	struct planted *planted = plant(&table, NULL, DOCTOR_CHECK_NS);

	(void)state;
	assert_is(planted, 3, DOCTOR_SKIPPED, "because A2 failed");
	assert_is(planted, 4, DOCTOR_SKIPPED, "because B1 was skipped");
	assert_is(planted, 5, DOCTOR_OK, "all is well");
	assert_is(planted, 6, DOCTOR_UNKNOWN, "/dev/kmsg: Permission denied");
	assert_is(planted, 7, DOCTOR_SKIPPED, "because B4 could not tell");
	assert_int_equal(planted->report.summary.counts[DOCTOR_SKIPPED], 3);
	unplant(planted);

	planted = plant(&table, wanted, DOCTOR_CHECK_NS);
	assert_is(planted, 3, DOCTOR_OK, "all is well");
	assert_false(planted->results[0].wanted);
	assert_int_equal(planted->report.summary.counts[DOCTOR_OK], 1);
	assert_int_equal(planted->report.summary.worst, DOCTOR_UNKNOWN);
	unplant(planted);
}

static void a_row_bounds_how_bad_its_verdict_can_be(void **state)
{
	static const struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_INFO, "", plant_fail),
		PLANT("A2", DOCTOR_WARNING, "", plant_fail),
		PLANT("A3", DOCTOR_FATAL, "", plant_warn),
		PLANT("A4", DOCTOR_INFO, "", plant_unknown),
	};
	static const struct doctor_table table = PLANTED_TABLE(rows);
	struct planted *planted = plant(&table, NULL, DOCTOR_CHECK_NS);

	(void)state;
	assert_is(planted, 0, DOCTOR_OK, "not loaded");
	assert_is(planted, 1, DOCTOR_WARN, "not loaded");
	assert_is(planted, 2, DOCTOR_WARN, "slow [31m and more");
	assert_is(planted, 3, DOCTOR_UNKNOWN, "");
	assert_int_equal(doctor_exit_status(&planted->report.summary), 1);
	unplant(planted);
}

/* Root causes: what nothing that is as bad explains; two of them at most. */
static void causes_are_what_nothing_else_explains(void **state)
{
	static const struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_WARNING, "", plant_warn),
		PLANT("A2", DOCTOR_FATAL, "A1", plant_warn),
		PLANT("A3", DOCTOR_FATAL, "A2", plant_ok),
		PLANT("A4", DOCTOR_FATAL, "A3", plant_warn),
		PLANT("B1", DOCTOR_FATAL, "A1", plant_fail),
		PLANT("B2", DOCTOR_FATAL, "", plant_fail),
		PLANT("B3", DOCTOR_FATAL, "", plant_fail),
	};
	static const struct doctor_table table = PLANTED_TABLE(rows), few = { rows, 4 };
	struct planted *planted = plant(&few, NULL, DOCTOR_CHECK_NS);
	const struct doctor_summary *sum = &planted->report.summary;

	(void)state;
	assert_int_equal(sum->worst, DOCTOR_WARN);
	assert_int_equal(sum->causes_n, 1); /* A1 explains A2, and by way of A2 and A3 A4 */
	assert_int_equal(sum->causes[0], 0);
	unplant(planted);

	planted = plant(&table, NULL, DOCTOR_CHECK_NS);
	sum = &planted->report.summary;
	assert_int_equal(sum->worst, DOCTOR_FAIL);
	assert_int_equal(doctor_exit_status(sum), 2);
	assert_int_equal(sum->causes_n, 2); /* a warning explains no failure */
	assert_int_equal(sum->causes[0], 4);
	assert_int_equal(sum->causes[1], 5);
	assert_int_equal(sum->unexplained, 3);
	unplant(planted);
}

static void nothing_wrong_is_zero(void **state)
{
	static const struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_FATAL, "", plant_ok),
		PLANT("A2", DOCTOR_FATAL, "", plant_skipped),
		PLANT("A3", DOCTOR_WARNING, "", plant_unknown),
	};
	static const struct doctor_table table = PLANTED_TABLE(rows);
	struct planted *planted = plant(&table, NULL, DOCTOR_CHECK_NS);

	(void)state;
	assert_int_equal(planted->report.summary.worst, DOCTOR_OK);
	assert_int_equal(doctor_exit_status(&planted->report.summary), 0);
	assert_int_equal(planted->report.summary.causes_n, 0);
	unplant(planted);
}

static void tables_that_cannot_be_right_are_found(void **state)
{
	struct doctor_check rows[] = {
		PLANT("A1", DOCTOR_FATAL, "", plant_ok),
		PLANT("A2", DOCTOR_FATAL, "A1", plant_ok),
	};
	struct doctor_table table = PLANTED_TABLE(rows);
	struct doctor_table real = { doctor_checks, doctor_checks_count };

	(void)state;
	if (doctor_table_check(&real))
		fail_msg("%s", weft_error_detail());
	assert_int_equal(doctor_table_check(&table), 0);
	assert_int_equal(doctor_find(&table, "a2", 2), 1);
	assert_int_equal(doctor_find(&table, "A", 1), -1);
	rows[0].needs = "A2";
	assert_int_equal(doctor_table_check(&table), -EINVAL);
	rows[0].needs = "";
	rows[1].needs = "A1 A7";
	assert_int_equal(doctor_table_check(&table), -EINVAL);
	rows[1].needs = "";
	rows[1].id = "A1";
	assert_int_equal(doctor_table_check(&table), -EINVAL);
	rows[1].id = "A2";
	rows[1].consequence = "";
	assert_int_equal(doctor_table_check(&table), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_that_crashes_costs_its_own_verdict),
		cmocka_unit_test(many_that_hang_end),
		cmocka_unit_test(what_needs_a_failed_check_is_skipped),
		cmocka_unit_test(a_row_bounds_how_bad_its_verdict_can_be),
		cmocka_unit_test(causes_are_what_nothing_else_explains),
		cmocka_unit_test(nothing_wrong_is_zero),
		cmocka_unit_test(tables_that_cannot_be_right_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
