/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/efa_variables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/version.h"

#define BEGIN      EFA_RELEASE(1, 8, 0)
#define STILL      0
#define V(...)     EFA_RELEASE(__VA_ARGS__)
#define SAFE       EFA_SAFE
#define IF_SET     EFA_ABORTS_IF_SET
#define IF_BELOW_1 EFA_ABORTS_IF_BELOW_1
#define IF_EMPTY   EFA_ABORTS_IF_EMPTY
#define IF_NO_RDMA EFA_ABORTS_IF_NO_RDMA
#define IF_ODD     EFA_ABORTS_IF_ODD

#define MISNOMER(wrong, right)
#define VARIABLE(name, type, since, until, danger, what) \
	{ name, EFA_TYPE_##type, since, until, danger, what },
const struct efa_variable efa_variables[] = {
#include "doctor/efa_variables.def"
};
#undef MISNOMER
#undef VARIABLE
const size_t efa_variables_count = sizeof(efa_variables) / sizeof(efa_variables[0]);

#define VARIABLE(...)
#define MISNOMER(wrong, right) { wrong, right },
static const struct {
	const char *wrong, *right;
} misnomers[] = {
#include "doctor/efa_variables.def"
};

#define NAME_MAX_LEN 64 /* longer names are near to none */

uint32_t efa_release_parse(const char *text)
{
	struct doctor_version v;

	if (!isdigit((unsigned char)*text) || !doctor_version_parse(&v, text) || v.major > 999 ||
	    v.minor > 999 || v.patch > 999)
		return 0;
	return EFA_RELEASE(v.major, v.minor, v.patch);
}

const char *efa_release_text(uint32_t release, char *ret, size_t room)
{
	snprintf(ret, room, "%u.%u", release / 1000000, release / 1000 % 1000);
	if (release % 1000)
		snprintf(ret + strlen(ret), room - strlen(ret), ".%u", release % 1000);
	return ret;
}

const struct efa_variable *efa_variable_find(const char *name, uint32_t release)
{
	for (size_t i = efa_variables_count; i-- > 0;) {
		const struct efa_variable *row = &efa_variables[i];

		if (strcmp(row->name, name) != 0)
			continue;
		if (!release || (row->since <= release && (!row->until || release < row->until)))
			return row;
	}
	return NULL;
}

const struct efa_variable *efa_variable_first(const char *name)
{
	for (size_t i = 0; i < efa_variables_count; i++)
		if (!strcmp(efa_variables[i].name, name))
			return &efa_variables[i];
	return NULL;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Letters to put in, take out, change, or swap with their neighbour. Both shorter than
 * NAME_MAX_LEN. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LEN], *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		above[j] = j;
	for (size_t i = 1; i <= la; i++) {
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			row[j] = smaller(above[j - 1] + (a[i - 1] != b[j - 1]),
					 1 + smaller(above[j], row[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[lb];
}

const char *efa_variable_nearest(const char *name)
{
	size_t len = strlen(name), best, limit = len / 4 + 1, found = limit + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < sizeof(misnomers) / sizeof(misnomers[0]); i++)
		if (!strcasecmp(misnomers[i].wrong, name))
			return misnomers[i].right;
	if (len < 2 || len >= NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < efa_variables_count; i++) {
		const char *known = efa_variables[i].name;

		best = distance(name, known);
		/* A part left out or put in front: SHM_TRANSFER, EFA_USE_SM2. */
		if (best > 1 && len > 4 && (strstr(known, name) || strstr(name, known)))
			best = 1;
		if (best < found) {
			found = best;
			nearest = known;
		}
	}
	return nearest;
}

int efa_bool(const char *value)
{
	static const char *const no[] = { "0", "false", "no", "off" };
	static const char *const yes[] = { "1", "true", "yes", "on" };

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (!strcasecmp(value, no[i]))
			return 0;
		if (!strcasecmp(value, yes[i]))
			return 1;
	}
	return -1;
}

static bool is_number(const char *value)
{
	char *end;

	strtol(value, &end, 0);
	return end != value && !*end;
}

bool efa_value_fits(const struct efa_variable *row, const char *value)
{
	switch (row->type) {
	case EFA_TYPE_BOOL:
		return efa_bool(value) >= 0;
	case EFA_TYPE_INT:
	case EFA_TYPE_SIZE:
		return is_number(value);
	case EFA_TYPE_STRING:
	case EFA_TYPE_GONE:
		break;
	}
	return true;
}

bool efa_value_aborts(const struct efa_variable *row, const char *value, int rdma)
{
	switch (row->danger) {
	case EFA_SAFE:
		return false;
	case EFA_ABORTS_IF_SET:
		return true;
	case EFA_ABORTS_IF_BELOW_1:
		return (int)strtol(value, NULL, 0) <= 0;
	case EFA_ABORTS_IF_EMPTY:
		return !*value;
	case EFA_ABORTS_IF_NO_RDMA:
		return rdma == 0 && (int)strtol(value, NULL, 0) != 0;
	case EFA_ABORTS_IF_ODD:
		return efa_bool(value) < 0 || (rdma == 0 && efa_bool(value) == 1);
	}
	return false;
}
