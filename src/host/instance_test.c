/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/instance.h"

static void rows_are_sorted_and_unique(void **state)
{
	(void)state;
	assert_true(host_instances_n > 100);
	for (uint32_t i = 1; i < host_instances_n; i++)
		assert_true(strcmp(host_instances[i - 1].type, host_instances[i].type) < 0);
	for (uint32_t i = 0; i < host_instances_n; i++)
		assert_ptr_equal(host_instance_find(host_instances[i].type), &host_instances[i]);
	assert_null(host_instance_find(""));
	assert_null(host_instance_find("p5.48xlarg"));
	assert_null(host_instance_find("zz.metal"));
}

static bool is_type(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && dot > name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name) &&
	       (strstr(dot, "xlarge") || strstr(dot, "metal"));
}

static bool is_day(const char *text)
{
	int year, month, day, end = 0;

	return sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 && end == 10 &&
	       !text[end] && year >= 2025 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static void rows_are_plausible(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < host_instances_n; i++) {
		const struct host_instance *row = &host_instances[i];

		if (!is_type(row->type) || row->gbits < 25 || row->gbits > 10000 || row->nics < 1 ||
		    row->nics > 64 || row->gbits / row->nics > 400 || row->gbits / row->nics < 25 ||
		    !*row->source || !is_day(row->date) || (row->rdma_write && !row->rdma_read) ||
		    (!row->rdma_known && row->rdma_read))
			fail_msg("%s is not plausible", row->type);
	}
}

/* What guides get wrong, or what the figures of the docs rest on. */
static void known_facts(void **state)
{
	static const struct {
		const char *type;
		double gbits;
		uint32_t nics;
		bool read, write;
	} facts[] = {
		{ "c5n.18xlarge", 100, 1, false, false },  { "hpc6a.48xlarge", 100, 1, true, true },
		{ "hpc7a.96xlarge", 300, 2, true, false }, { "m6i.metal", 50, 1, true, true },
		{ "p4d.24xlarge", 400, 4, true, false },   { "p5.48xlarge", 3200, 32, true, true },
		{ "p5en.48xlarge", 3200, 16, true, true }, { "trn1.32xlarge", 800, 8, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		const struct host_instance *row = host_instance_find(facts[i].type);

		assert_non_null(row);
		assert_true(fabs(row->gbits - facts[i].gbits) < 1e-9);
		assert_int_equal(row->nics, facts[i].nics);
		assert_true(row->rdma_known);
		assert_int_equal(row->rdma_read, facts[i].read);
		assert_int_equal(row->rdma_write, facts[i].write);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sorted_and_unique),
		cmocka_unit_test(rows_are_plausible),
		cmocka_unit_test(known_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
