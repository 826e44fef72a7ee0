/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which row each word belongs to. Values are opt_value.c's, help opt_help.c's. */
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

const char opt_required[] = "";

/* A walk over argv. argv[1..kept] are the positional arguments found so far. */
struct opt_walk {
	const struct opt_table *table;
	int argc;
	char **argv;
	int next;
	int kept;
	bool ended; /* "--" was seen */
	char *values;
	struct opt_result *result;
};

const char *opt_program(const struct opt_table *table)
{
	return table->rows[0].name;
}

const struct opt_row *opt_next(const struct opt_table *table, int command, enum opt_kind kind,
			       int *index)
{
	int owner = -1;
	uint32_t i;

	for (i = 0; i < table->count; i++) {
		const struct opt_row *row = &table->rows[i];

		if (row->kind == OPT_KIND_COMMAND)
			owner++;
		if ((int)i <= *index || row->kind != kind)
			continue;
		if (kind == OPT_KIND_COMMAND || owner == command) {
			*index = (int)i;
			return row;
		}
	}
	return NULL;
}

const struct opt_row *opt_command(const struct opt_table *table, int index)
{
	const struct opt_row *row;
	int at = -1;

	for (row = opt_next(table, -1, OPT_KIND_COMMAND, &at); row && index > 0; index--)
		row = opt_next(table, -1, OPT_KIND_COMMAND, &at);
	return index < 0 ? NULL : row;
}

/* Edit distance with insert, delete, replace; words longer than OPT_NAME_MAX are far. */
static uint32_t edit_distance(const char *a, const char *b)
{
	uint32_t row[OPT_NAME_MAX + 1], diagonal, above, i, j;
	size_t la = strlen(a), lb = strlen(b);

	if (la > OPT_NAME_MAX || lb > OPT_NAME_MAX)
		return UINT32_MAX;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			above = row[j];
			row[j] = diagonal + (a[i - 1] != b[j - 1]);
			if (row[j] > above + 1)
				row[j] = above + 1;
			if (row[j] > row[j - 1] + 1)
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[lb];
}

const char *opt_nearest(const char *text, const char *candidate, const char *best,
			uint32_t *distance)
{
	uint32_t d = edit_distance(text, candidate), limit = (uint32_t)strlen(candidate) / 3;

	if (limit > 3)
		limit = 3;
	if (strlen(text) >= 3 && !strncmp(text, candidate, strlen(text)))
		d = 1;
	if (d > (limit ? limit : 1) || (best && d >= *distance))
		return best;
	*distance = d;
	return candidate;
}

static const struct opt_row *find_in(const struct opt_table *table, int command, const char *name,
				     size_t len)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(table, command, OPT_KIND_OPTION, &at)))
		if (strlen(row->name) == len && !memcmp(row->name, name, len))
			return row;
	return NULL;
}

static const struct opt_row *find_long(const struct opt_walk *walk, const char *name, size_t len)
{
	const struct opt_row *row = find_in(walk->table, -1, name, len);

	if (!row && walk->result->command)
		row = find_in(walk->table, walk->result->command_index, name, len);
	return row;
}

static const struct opt_row *find_short(const struct opt_walk *walk, char name)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(walk->table, -1, OPT_KIND_OPTION, &at)))
		if (row->short_name == name)
			return row;
	at = -1;
	while (walk->result->command &&
	       (row = opt_next(walk->table, walk->result->command_index, OPT_KIND_OPTION, &at)))
		if (row->short_name == name)
			return row;
	return NULL;
}

/* Name and length of the command that owns an option of that name, NULL: none does. */
static const char *owner_of(const struct opt_table *table, const char *name, size_t len)
{
	const struct opt_row *row;
	int i;

	for (i = 0; (row = opt_command(table, i)); i++)
		if (find_in(table, i, name, len))
			return row->name;
	return NULL;
}

static int unknown_option(const struct opt_walk *walk, const char *word)
{
	const struct opt_table *table = walk->table;
	const char *near = NULL, *owner;
	char name[OPT_NAME_MAX + 1], quoted[OPT_QUOTE_MAX];
	size_t len = strcspn(word + 2, "=");
	const struct opt_row *row;
	uint32_t distance = 0;
	int at = -1;

	opt_quote(word, quoted);
	if (word[1] != '-' || len > OPT_NAME_MAX)
		return err_set(-EINVAL, "unknown option %s (see --help)", quoted);
	memcpy(name, word + 2, len);
	name[len] = '\0';
	owner = owner_of(table, name, len);
	if (owner)
		return err_set(-EINVAL, "option --%s belongs %s '%s'", name,
			       walk->result->command ? "to the command" : "after the command",
			       owner);
	while ((row = opt_next(table, -1, OPT_KIND_OPTION, &at)))
		near = opt_nearest(name, row->name, near, &distance);
	at = -1;
	while (walk->result->command &&
	       (row = opt_next(table, walk->result->command_index, OPT_KIND_OPTION, &at)))
		near = opt_nearest(name, row->name, near, &distance);
	if (near)
		return err_set(-EINVAL, "unknown option %s; did you mean --%s?", quoted, near);
	return err_set(-EINVAL, "unknown option %s (see --help)", quoted);
}

static int store(struct opt_walk *walk, const struct opt_row *row, const char *text)
{
	size_t index = (size_t)(row - walk->table->rows);
	void *field = walk->values + row->offset;
	int rc;

	/* The first value of a list takes the place of its default. */
	if (!walk->result->given[index] && row->type == OPT_TYPE_sizes)
		((struct opt_sizes *)field)->count = 0;
	if (!walk->result->given[index] && row->type == OPT_TYPE_strings)
		((struct opt_strings *)field)->count = 0;
	walk->result->given[index] = true;
	rc = opt_value(row, text, field);
	return rc ? err_prefix(rc, "--%s", row->name) : 0;
}

static int needs_value(const struct opt_row *row)
{
	char allowed[160];

	opt_allowed(row, allowed, sizeof(allowed));
	if (row->type == OPT_TYPE_choice || !*allowed)
		return err_set(-EINVAL, "--%s: needs a value (%s)", row->name, row->metavar);
	return err_set(-EINVAL, "--%s: needs a value (%s, %s)", row->name, row->metavar, allowed);
}

/* An option's value: what is attached to it, else the next word. */
static int take_value(struct opt_walk *walk, const struct opt_row *row, const char *attached)
{
	if (row->type == OPT_TYPE_flag) {
		if (attached)
			return err_set(-EINVAL, "--%s: takes no value", row->name);
		return store(walk, row, NULL);
	}
	if (attached)
		return store(walk, row, attached);
	if (walk->next >= walk->argc)
		return needs_value(row);
	return store(walk, row, walk->argv[walk->next++]);
}

static int take_long(struct opt_walk *walk, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct opt_row *row = find_long(walk, word + 2, len);

	if (!row)
		return unknown_option(walk, word);
	return take_value(walk, row, word[2 + len] ? word + 2 + len + 1 : NULL);
}

/* -x, -xVALUE, or several flags -xyz. */
static int take_short(struct opt_walk *walk, const char *word)
{
	const struct opt_row *row;
	size_t i;
	int rc;

	for (i = 1; word[i]; i++) {
		row = find_short(walk, word[i]);
		if (!row)
			return unknown_option(walk, word);
		if (row->type != OPT_TYPE_flag)
			return take_value(walk, row, word[i + 1] ? word + i + 1 : NULL);
		rc = store(walk, row, NULL);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_defaults(struct opt_walk *walk, int command)
{
	const struct opt_row *row;
	int at = -1, rc;

	while ((row = opt_next(walk->table, command, OPT_KIND_OPTION, &at))) {
		if (!row->fallback || row->fallback == OPT_REQUIRED)
			continue;
		rc = opt_value(row, row->fallback, walk->values + row->offset);
		if (rc)
			return err_prefix(rc, "--%s: default", row->name);
	}
	return 0;
}

static int unknown_command(const struct opt_table *table, const char *word)
{
	const char *near = NULL;
	char quoted[OPT_QUOTE_MAX];
	const struct opt_row *row;
	uint32_t distance = 0;
	int at = -1;

	opt_quote(word, quoted);
	while ((row = opt_next(table, -1, OPT_KIND_COMMAND, &at)))
		near = opt_nearest(word, row->name, near, &distance);
	if (near)
		return err_set(-EINVAL, "unknown command %s; did you mean %s?", quoted, near);
	return err_set(-EINVAL, "unknown command %s (see --help)", quoted);
}

static int choose_command(struct opt_walk *walk, const char *word)
{
	const struct opt_row *row;
	int i;

	for (i = 0; (row = opt_command(walk->table, i)); i++) {
		if (strcmp(row->name, word))
			continue;
		walk->result->command = row->name;
		walk->result->command_index = i;
		return set_defaults(walk, i);
	}
	return unknown_command(walk->table, word);
}

/* Type of the index'th positional argument; none past the last, the last itself when it repeats. */
static const struct opt_row *argument_at(const struct opt_table *table, int command, int index)
{
	const struct opt_row *row, *last = NULL;
	int at = -1;

	while ((row = opt_next(table, command, OPT_KIND_ARGUMENT, &at))) {
		last = row;
		if (index-- == 0)
			return row;
	}
	return last && last->type >= OPT_TYPE_rest ? last : NULL;
}

static int take_positional(struct opt_walk *walk, char *word)
{
	int command = walk->result->command_index;
	const struct opt_row *row;
	char quoted[OPT_QUOTE_MAX];

	if (command < 0 && opt_command(walk->table, 0))
		return choose_command(walk, word);
	row = argument_at(walk->table, command, walk->kept);
	if (!row)
		return err_set(-EINVAL, "%s is one argument too many (see --help)",
			       opt_quote(word, quoted));
	walk->argv[++walk->kept] = word;
	if (row->type == OPT_TYPE_command)
		while (walk->next < walk->argc)
			walk->argv[++walk->kept] = walk->argv[walk->next++];
	return 0;
}

static int take_word(struct opt_walk *walk)
{
	char *word = walk->argv[walk->next++];

	if (walk->ended || word[0] != '-' || !word[1])
		return take_positional(walk, word);
	if (!strcmp(word, "--")) {
		walk->ended = true;
		return 0;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		walk->result->help = true;
		return 0;
	}
	if (!strcmp(word, "--version")) {
		walk->result->version = true;
		return 0;
	}
	return word[1] == '-' ? take_long(walk, word) : take_short(walk, word);
}

/* Hands argv[1..kept] to the argument rows in order. */
static int set_arguments(struct opt_walk *walk)
{
	const struct opt_row *row;
	int at = -1, used = 0, rc;

	while ((row = opt_next(walk->table, walk->result->command_index, OPT_KIND_ARGUMENT, &at))) {
		void *field = walk->values + row->offset;
		char **words = walk->argv + 1 + used;
		int left = walk->kept - used;

		walk->result->given[at] = left > 0;
		if (!left && row->type != OPT_TYPE_maybe && row->type != OPT_TYPE_rest)
			return err_set(-EINVAL, "%s is missing (see --help)", row->name);
		if (row->type >= OPT_TYPE_rest) {
			*(struct opt_rest *)field = (struct opt_rest){ words, (uint32_t)left };
			used += left;
		} else if (left) {
			rc = opt_value(row, words[0], field);
			if (rc)
				return err_prefix(rc, "%s", row->name);
			used++;
		}
	}
	if (walk->kept < walk->argc)
		walk->argv[1 + walk->kept] = NULL;
	return 0;
}

static int check_required(const struct opt_walk *walk, int command)
{
	const struct opt_row *row;
	int at = -1;

	while ((row = opt_next(walk->table, command, OPT_KIND_OPTION, &at)))
		if (row->fallback == OPT_REQUIRED && !walk->result->given[at])
			return err_set(-EINVAL, "--%s %s is missing: %s", row->name, row->metavar,
				       row->help);
	return 0;
}

int opt_parse(const struct opt_table *table, int argc, char **argv, void *values,
	      struct opt_result *result)
{
	struct opt_walk walk = { .table = table,
				 .argc = argc,
				 .argv = argv,
				 .next = 1,
				 .values = values,
				 .result = result };
	int rc;

	memset(values, 0, table->size);
	memset(result, 0, sizeof(*result));
	result->command_index = -1;
	rc = set_defaults(&walk, -1);
	while (!rc && walk.next < argc) {
		rc = take_word(&walk);
		if (result->help || result->version)
			return 0;
	}
	if (rc)
		return rc;
	if (!result->command && opt_command(table, 0))
		return err_set(-EINVAL, "a command is missing (see --help)");
	rc = set_arguments(&walk);
	if (!rc)
		rc = check_required(&walk, -1);
	if (!rc && result->command)
		rc = check_required(&walk, result->command_index);
	return rc;
}

bool opt_given(const struct opt_table *table, const struct opt_result *result, const char *name)
{
	uint32_t i;

	for (i = 0; i < table->count; i++)
		if (result->given[i] && !strcmp(table->rows[i].name, name))
			return true;
	return false;
}
