/* SPDX-License-Identifier: Apache-2.0 */
/* What checks write their findings with. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor/doctor.h"

#define FORMAT_INTO(buf, room, format)               \
	do {                                         \
		va_list args_;                       \
		va_start(args_, format);             \
		vsnprintf(buf, room, format, args_); \
		va_end(args_);                       \
	} while (0)

void finding_say(struct finding *f, enum doctor_verdict verdict, const char *format, ...)
{
	f->verdict = verdict;
	FORMAT_INTO(f->text, sizeof(f->text), format);
}

void finding_fix(struct finding *f, const char *format, ...)
{
	FORMAT_INTO(f->fix, sizeof(f->fix), format);
}

void finding_consequence(struct finding *f, const char *format, ...)
{
	FORMAT_INTO(f->consequence, sizeof(f->consequence), format);
}

/* A line that does not fit whole is left out: half a value would be a wrong one. */
void finding_evidence(struct finding *f, const char *format, ...)
{
	size_t used = strlen(f->evidence);
	char line[DOCTOR_EVIDENCE_MAX];

	FORMAT_INTO(line, sizeof(line), format);
	for (char *at = line; *at; at++)
		if (*at == '\n')
			*at = ' ';
	if (used + strlen(line) + 2 > sizeof(f->evidence))
		return;
	snprintf(f->evidence + used, sizeof(f->evidence) - used, "%s\n", line);
}

void finding_unread(struct finding *f, int error, const char *path)
{
	const char *why = strerror(error < 0 ? -error : error);

	finding_evidence(f, "%s: %s", path, why);
	finding_say(f, DOCTOR_UNKNOWN, "cannot be told: %s: %s", path, why);
	if (error == -EACCES || error == -EPERM || error == EACCES || error == EPERM)
		finding_fix(f, "sudo weft doctor");
}
