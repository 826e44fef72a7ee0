/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"
#include "emu/why.h"

/* One row of efa.def; at: where its field lies in struct emu_model. */
static const struct row {
	const char *name;
	size_t at;
	uint64_t value, low, high;
	const char *unit, *source, *help;
} rows[] = {
#define EMU_MODEL(id, name, value, low, high, unit, source, help) \
	{ name, offsetof(struct emu_model, id), value, low, high, unit, source, help },
#include "emu/efa.def"
#undef EMU_MODEL
};

#define SWITCH "on/off"
#define BLANKS " ,\t\n"

static uint64_t *field(struct emu_model *model, const struct row *row)
{
	return (uint64_t *)((char *)model + row->at);
}

void emu_model_defaults(struct emu_model *model)
{
	for (size_t i = 0; i < EMU_COUNT(rows); i++)
		*field(model, &rows[i]) = rows[i].value;
}

static const struct row *row_find(const char *name, size_t length)
{
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		if (strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length))
			return &rows[i];
	}
	return NULL;
}

static bool number_parse(const char *text, uint64_t *ret)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	/* strtoull() would take signs and blanks, and a leading 0 for octal. */
	if (!strchr("0123456789", text[0]) || !text[0])
		return false;
	errno = 0;
	*ret = strtoull(text, &end, hex ? 16 : 10);
	return !errno && !*end && end != text + (hex ? 2 : 0);
}

static bool value_parse(const struct row *row, const char *text, uint64_t *ret)
{
	if (strcmp(row->unit, SWITCH))
		return number_parse(text, ret);
	if (!strcmp(text, "on") || !strcmp(text, "yes"))
		*ret = 1;
	else if (!strcmp(text, "off") || !strcmp(text, "no"))
		*ret = 0;
	else
		return number_parse(text, ret);
	return true;
}

/* The bounds as they would be written: ids in hexadecimal. */
static void bounds_format(const struct row *row, char text[64])
{
	if (!strcmp(row->unit, SWITCH))
		snprintf(text, 64, "on or off");
	else if (!strcmp(row->unit, "PCI id"))
		snprintf(text, 64, "0x%" PRIx64 " to 0x%" PRIx64, row->low, row->high);
	else
		snprintf(text, 64, "%" PRIu64 " to %" PRIu64 " %s", row->low, row->high, row->unit);
}

int emu_model_set(struct emu_model *model, const char *name, size_t name_length, const char *text,
		  char *why, size_t size)
{
	const struct row *row = row_find(name, name_length);
	char bounds[64];
	uint64_t value;

	if (!row)
		return emu_why(
			why, size, -ENOENT,
			"the device has no property \"%.*s\"; weft emu --list-device shows all",
			(int)name_length, name);
	bounds_format(row, bounds);
	if (!value_parse(row, text, &value))
		return emu_why(why, size, -EINVAL, "%s: \"%s\" is no number; it takes %s",
			       row->name, text, bounds);
	if (value < row->low || value > row->high)
		return emu_why(why, size, -ERANGE, "%s: %s is out of bounds; it takes %s",
			       row->name, text, bounds);
	*field(model, row) = value;
	return 0;
}

static int pair_apply(struct emu_model *model, const char *pair, size_t length, char *why,
		      size_t size)
{
	const char *equals = memchr(pair, '=', length);
	char text[64];

	if (!equals)
		return emu_why(why, size, -EINVAL, "\"%.*s\" is not of the form name=value",
			       (int)length, pair);
	if (emu_format(text, sizeof(text), "%.*s", (int)(pair + length - equals - 1), equals + 1))
		return emu_why(why, size, -EINVAL, "%.*s: the value is too long",
			       (int)(equals - pair), pair);
	return emu_model_set(model, pair, (size_t)(equals - pair), text, why, size);
}

int emu_model_apply(struct emu_model *model, const char *settings, char *why, size_t size)
{
	struct emu_model changed = *model;
	int error;

	for (;;) {
		size_t length;

		settings += strspn(settings, BLANKS);
		length = strcspn(settings, BLANKS);
		if (!length)
			break;
		error = pair_apply(&changed, settings, length, why, size);
		if (error)
			return error;
		settings += length;
	}
	*model = changed;
	return 0;
}

void emu_model_print(const struct emu_model *model, FILE *out)
{
	for (size_t i = 0; i < EMU_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		uint64_t value = *field((struct emu_model *)(uintptr_t)model, row);
		char text[32], bounds[64];

		if (!strcmp(row->unit, SWITCH))
			snprintf(text, sizeof(text), "%s", value ? "on" : "off");
		else
			snprintf(text, sizeof(text),
				 strcmp(row->unit, "PCI id") ? "%" PRIu64 : "0x%" PRIx64, value);
		bounds_format(row, bounds);
		fprintf(out, "%s=%s\n    %s; %s\n    source: %s\n", row->name, text, row->help,
			bounds, row->source);
	}
}
