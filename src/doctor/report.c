/* SPDX-License-Identifier: Apache-2.0 */
/* What all forms of a report share. */
#include "doctor/report.h"

#include <string.h>
#include <time.h>

void report_begin(struct doctor_report *ret, const struct doctor *doctor,
		  const struct doctor_table *table, const struct doctor_result *results)
{
	time_t now = time(NULL);
	struct tm tm;

	*ret = (struct doctor_report){ .doctor = doctor, .table = table, .results = results };
	doctor_sum(table, results, &ret->summary);
	sysroot_read(&doctor->root, ret->host, sizeof(ret->host), "/proc/sys/kernel/hostname");
	sysroot_read(&doctor->root, ret->kernel, sizeof(ret->kernel), "/proc/sys/kernel/osrelease");
	doctor_clean(ret->host, sizeof(ret->host), false);
	doctor_clean(ret->kernel, sizeof(ret->kernel), false);
	doctor_instance_type(doctor, ret->instance, sizeof(ret->instance));
	gmtime_r(&now, &tm);
	strftime(ret->time, sizeof(ret->time), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

char *report_verdict(const struct doctor_report *report, char *ret, size_t room)
{
	static const char *const words[DOCTOR_VERDICTS] = {
		[DOCTOR_OK] = "nothing wrong was found on",
		[DOCTOR_SKIPPED] = "nothing was looked at on",
		[DOCTOR_UNKNOWN] = "it cannot be told whether EFA works on",
		[DOCTOR_WARN] = "nothing fatal was found, but warnings, on",
		[DOCTOR_FAIL] = "EFA does not work as it is set up on",
	};

	snprintf(ret, room, "%s %s%s%s%s", words[report->summary.worst],
		 *report->host ? report->host : "this host", *report->instance ? " (" : "",
		 report->instance, *report->instance ? ")" : "");
	return ret;
}

char *report_counts(const struct doctor_report *report, char *ret, size_t room)
{
	static const struct {
		enum doctor_verdict verdict;
		const char *one, *many;
	} words[] = {
		{ DOCTOR_FAIL, "fatal", "fatal" },
		{ DOCTOR_WARN, "warning", "warnings" },
		{ DOCTOR_UNKNOWN, "unknown", "unknown" },
		{ DOCTOR_SKIPPED, "skipped", "skipped" },
		{ DOCTOR_OK, "ok", "ok" },
	};
	const uint32_t *counts = report->summary.counts;
	size_t len = 0;

	*ret = '\0';
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && len < room; i++)
		if (counts[words[i].verdict])
			len += (size_t)snprintf(ret + len, room - len, "%s%u %s", len ? ", " : "",
						counts[words[i].verdict],
						counts[words[i].verdict] == 1 ? words[i].one
									      : words[i].many);
	return ret;
}

const char *report_word(const struct doctor_report *report)
{
	static const char *const words[DOCTOR_VERDICTS] = {
		[DOCTOR_OK] = "ok",         [DOCTOR_SKIPPED] = "ok", [DOCTOR_UNKNOWN] = "unknown",
		[DOCTOR_WARN] = "warnings", [DOCTOR_FAIL] = "fatal",
	};

	return words[report->summary.worst];
}

bool report_is_cause(const struct doctor_report *report, size_t check)
{
	for (uint32_t i = 0; i < report->summary.causes_n; i++)
		if (report->summary.causes[i] == check)
			return true;
	return false;
}
