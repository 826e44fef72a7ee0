/* SPDX-License-Identifier: Apache-2.0 */
/* What all findings together mean: root causes, counts, exit status. */
#include <string.h>

#include "doctor/run.h"

static bool is_wrong(const struct doctor_result *result, enum doctor_verdict verdict)
{
	return result->wanted && result->finding.verdict >= verdict;
}

/* Whether something that it needs, or that this needs in turn, is as bad. Needs stand above. */
static bool explained(const struct doctor_table *table, const struct doctor_result *results,
		      size_t check, enum doctor_verdict verdict)
{
	bool needed[DOCTOR_CHECKS_MAX] = { false };
	const char *text, *id;
	size_t i, len;
	int need;

	needed[check] = true;
	for (i = check + 1; i-- > 0;) {
		if (!needed[i])
			continue;
		if (i != check && is_wrong(&results[i], verdict))
			return true;
		text = table->checks[i].needs;
		while ((len = doctor_next_id(&text, &id))) {
			need = doctor_find(table, id, len);
			if (need >= 0 && (size_t)need < i)
				needed[need] = true;
		}
	}
	return false;
}

static void find_causes(const struct doctor_table *table, const struct doctor_result *results,
			struct doctor_summary *ret)
{
	for (size_t i = 0; i < table->count; i++) {
		if (!is_wrong(&results[i], ret->worst) || explained(table, results, i, ret->worst))
			continue;
		ret->unexplained++;
		if (ret->causes_n < DOCTOR_CAUSES_MAX)
			ret->causes[ret->causes_n++] = (uint32_t)i;
	}
}

void doctor_sum(const struct doctor_table *table, const struct doctor_result *results,
		struct doctor_summary *ret)
{
	bool dark = false;

	*ret = (struct doctor_summary){ .worst = DOCTOR_OK };
	for (size_t i = 0; i < table->count; i++) {
		if (!results[i].wanted)
			continue;
		ret->counts[results[i].finding.verdict]++;
		dark |= results[i].finding.verdict == DOCTOR_UNKNOWN &&
			table->checks[i].severity == DOCTOR_FATAL;
	}
	if (ret->counts[DOCTOR_FAIL])
		ret->worst = DOCTOR_FAIL;
	else if (ret->counts[DOCTOR_WARN])
		ret->worst = DOCTOR_WARN;
	else if (dark)
		ret->worst = DOCTOR_UNKNOWN;
	if (ret->worst >= DOCTOR_WARN)
		find_causes(table, results, ret);
}

int doctor_exit_status(const struct doctor_summary *summary)
{
	if (summary->worst == DOCTOR_FAIL)
		return 2;
	return summary->worst == DOCTOR_OK ? 0 : 1;
}
