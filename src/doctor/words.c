/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, words and the soundness of a table of checks, whichever it is. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "doctor/table.h"

int doctor_find(const struct doctor_table *table, const char *id, size_t len)
{
	for (size_t i = 0; i < table->count; i++)
		if (strlen(table->checks[i].id) == len &&
		    !strncasecmp(table->checks[i].id, id, len))
			return (int)i;
	return -1;
}

size_t doctor_next_id(const char **text, const char **id)
{
	size_t len;

	*id = *text + strspn(*text, " ,\t\n");
	len = strcspn(*id, " ,\t\n");
	*text = *id + len;
	return len;
}

static int check_needs(const struct doctor_table *table, size_t at)
{
	const char *text = table->checks[at].needs, *id;
	size_t len;
	int need;

	while ((len = doctor_next_id(&text, &id))) {
		need = doctor_find(table, id, len);
		if (need < 0 || (size_t)need >= at)
			return err_set(-EINVAL, "%s needs %.*s, which does not stand above it",
				       table->checks[at].id, (int)len, id);
	}
	return 0;
}

static int check_row(const struct doctor_table *table, size_t at)
{
	const struct doctor_check *row = &table->checks[at];
	const char *texts[] = { row->name, row->what, row->consequence, row->detect, row->source };

	if (strlen(row->id) < 2 || strlen(row->id) >= DOCTOR_ID_MAX ||
	    !isupper((unsigned char)*row->id))
		return err_set(-EINVAL, "'%s' is no id", row->id);
	if (doctor_find(table, row->id, strlen(row->id)) != (int)at)
		return err_set(-EINVAL, "%s stands there twice", row->id);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!texts[i] || !*texts[i])
			return err_set(-EINVAL, "%s: text %zu of the row is empty", row->id, i);
	if (row->severity != DOCTOR_INFO && !*row->fix)
		return err_set(-EINVAL, "%s: no fix", row->id);
	if (strlen(row->consequence) >= DOCTOR_TEXT_MAX || strlen(row->fix) >= DOCTOR_TEXT_MAX)
		return err_set(-EINVAL, "%s: consequence or fix is too long", row->id);
	return check_needs(table, at);
}

int doctor_table_check(const struct doctor_table *table)
{
	int rc = 0;

	if (table->count > DOCTOR_CHECKS_MAX)
		return err_set(-EINVAL, "%zu checks, at most %d", table->count, DOCTOR_CHECKS_MAX);
	for (size_t i = 0; i < table->count && !rc; i++)
		rc = check_row(table, i);
	return rc;
}

const char *doctor_verdict_word(enum doctor_verdict verdict)
{
	static const char *const words[DOCTOR_VERDICTS] = {
		[DOCTOR_OK] = "ok",     [DOCTOR_SKIPPED] = "skipped", [DOCTOR_UNKNOWN] = "unknown",
		[DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail",
	};

	return words[verdict];
}

const char *doctor_severity_word(enum doctor_severity severity)
{
	static const char *const words[] = {
		[DOCTOR_INFO] = "info",
		[DOCTOR_WARNING] = "warning",
		[DOCTOR_FATAL] = "fatal",
	};

	return words[severity];
}
