/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a table whose checks behave in every way there is. Groups A and B, so that reports
 * show them. */
#ifndef WEFT_DOCTOR_PLANTED_H
#define WEFT_DOCTOR_PLANTED_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "doctor/report.h"

static inline void plant_ok(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_say(f, DOCTOR_OK, "all is well");
}

static inline void plant_fail(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_evidence(f, "/sys/module/%s: not there", "efa");
	finding_evidence(f, "/etc/os-release: Debian");
	finding_say(f, DOCTOR_FAIL, "the driver | `efa` is not loaded");
}

static inline void plant_warn(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_say(f, DOCTOR_WARN, "slow\033[31m and\nmore");
	finding_fix(f, "sudo sysctl -w 'vm.nr_hugepages = 1024' && echo \"a long command that does "
		       "not fit "
		       "one line\" && sudo systemctl restart something-with-a-long-name.service");
	finding_consequence(
		f, "registration of memory takes longer than it has to, since each page of it is "
		   "told to the device for itself");
}

static inline void plant_unknown(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_unread(f, -EACCES, "/dev/kmsg");
}

static inline void plant_skipped(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_say(f, DOCTOR_SKIPPED, "there is no GPU");
}

static inline void plant_crash(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_say(f, DOCTOR_OK, "never seen");
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
}

static inline void plant_hang(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	finding_say(f, DOCTOR_OK, "never seen");
	for (;;)
		pause();
}

static inline void plant_leave(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	(void)f;
	_exit(7);
}

static inline void plant_silent(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	(void)f;
}

static inline void plant_garbage(const struct doctor *doctor, struct finding *f)
{
	(void)doctor;
	memset(f, 'x', sizeof(*f));
}

#define PLANT(id, severity, needs, run)                                                 \
	{                                                                               \
		id, "name of " id, severity, needs, "it is as it should be", "so what", \
			"/proc/files", "sudo fix " id, "a source", run                  \
	}

#define PLANTED_TABLE(rows)                            \
	{                                              \
		rows, sizeof(rows) / sizeof((rows)[0]) \
	}

struct planted {
	struct doctor doctor;
	struct doctor_result results[DOCTOR_CHECKS_MAX];
	struct doctor_report report;
};

/* Runs a table on an empty environment and this machine's files. */
static inline struct planted *plant(const struct doctor_table *table, const bool *wanted,
				    uint64_t check_ns)
{
	static char *empty[1];
	struct planted *planted = mem_zalloc(sizeof(*planted));

	assert_non_null(planted);
	assert_int_equal(sysroot_open(&planted->doctor.root, NULL, NULL), 0);
	planted->doctor.environ = empty;
	planted->doctor.probe = planted->doctor.probe_why = "";
	doctor_run(&planted->doctor, table, wanted, check_ns, planted->results);
	report_begin(&planted->report, &planted->doctor, table, planted->results);
	return planted;
}

static inline void unplant(struct planted *planted)
{
	sysroot_close(&planted->doctor.root);
	mem_free(planted);
}

#endif /* WEFT_DOCTOR_PLANTED_H */
