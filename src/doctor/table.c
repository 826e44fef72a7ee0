/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/table.h"

/* Tests have checks of their own. */
#ifndef CHECKS_DEF
#define CHECKS_DEF "doctor/checks.def"
#endif

#define GROUP(letter, title)
#define CHECK(id, ...) void check_##id(const struct doctor *doctor, struct finding *f);
#include CHECKS_DEF
#undef CHECK

#define INFO    DOCTOR_INFO
#define WARN    DOCTOR_WARNING
#define WARNING DOCTOR_WARNING
#define FATAL   DOCTOR_FATAL

#define CHECK(id, name, severity, needs, what, consequence, detect, fix, source) \
	{ #id, name, severity, needs, what, consequence, detect, fix, source, check_##id },
const struct doctor_check doctor_checks[] = {
#include CHECKS_DEF
};
#undef CHECK
#undef GROUP

const size_t doctor_checks_count = sizeof(doctor_checks) / sizeof(struct doctor_check);

#define CHECK(...)
#define GROUP(letter, title) { letter, title },
const struct doctor_group doctor_groups[] = {
#include CHECKS_DEF
};
const size_t doctor_groups_count = sizeof(doctor_groups) / sizeof(doctor_groups[0]);
