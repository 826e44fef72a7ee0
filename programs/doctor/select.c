/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "common/program.h"
#include "doctor/cli.h"

/* A letter stands for its group. How many there are of it. */
static size_t select_one(const struct doctor_table *table, const char *id, size_t len, bool *wanted)
{
	int at = doctor_find(table, id, len);
	size_t found = 0, i;

	if (at >= 0) {
		wanted[at] = true;
		return 1;
	}
	for (i = 0; len == 1 && i < table->count; i++) {
		if (*table->checks[i].id != toupper((unsigned char)*id))
			continue;
		wanted[i] = true;
		found++;
	}
	return found;
}

int cli_select(const struct doctor_table *table, const char *ids, bool *wanted)
{
	const char *text = ids, *id;
	char one[OPT_NAME_MAX];
	bool any = false;
	size_t len;

	memset(wanted, 0, table->count * sizeof(*wanted));
	while ((len = doctor_next_id(&text, &id))) {
		snprintf(one, sizeof(one), "%.*s", (int)len, id);
		if (!select_one(table, id, len, wanted))
			return program_usage(CLI_NAME,
					     "no check is called '%s' (weft doctor --list)", one);
		any = true;
	}
	return any ? PROGRAM_GO : program_usage(CLI_NAME, "--only names no check");
}
