/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, times and rates as users write them; independent of the locale. */
#include <errno.h>
#include <string.h>

#include "emu/fault_table.h"
#include "emu/util.h"

#define FRACTION_DIGITS 18

int emu_decimal(const char *text, uint64_t scale, uint64_t *value, const char **end)
{
	unsigned __int128 whole = 0, part = 0, base = 1;
	int digits = 0, places = 0;

	for (; *text >= '0' && *text <= '9'; text++, digits++) {
		whole = whole * 10 + (unsigned int)(*text - '0');
		if (whole > UINT64_MAX)
			return -ERANGE;
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, digits++) {
			if (places++ >= FRACTION_DIGITS)
				continue;
			part = part * 10 + (unsigned int)(*text - '0');
			base *= 10;
		}
	}
	if (!digits)
		return -EINVAL;
	whole = whole * scale + part * scale / base;
	if (whole > UINT64_MAX)
		return -ERANGE;
	*value = (uint64_t)whole;
	*end = text;
	return 0;
}

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit time_units[] = {
	{ "", EMU_US }, { "ns", 1 },           { "us", EMU_US },      { "ms", EMU_MS },
	{ "s", EMU_S }, { "min", 60 * EMU_S }, { "h", 3600 * EMU_S },
};

/* The number at the start of text decides nothing but where the unit begins. */
static int with_unit(const char *text, const struct unit *units, size_t count, uint64_t *value)
{
	const char *unit;
	size_t i;
	int rc;

	rc = emu_decimal(text, 0, value, &unit);
	if (rc)
		return -EINVAL;
	for (i = 0; i < count; i++)
		if (!strcmp(units[i].name, unit))
			return emu_decimal(text, units[i].scale, value, &unit) ? -EINVAL : 0;
	return -EINVAL;
}

int emu_time_parse(const char *text, uint64_t *ns)
{
	uint64_t value;

	if (with_unit(text, time_units, EMU_COUNT(time_units), &value))
		return -EINVAL;
	*ns = value;
	return 0;
}

struct prefix {
	const char *name;
	uint64_t scale;
};

/* What may follow a prefix: of these, those with a "b" or "bit" count bits. */
static const char *const bit_units[] = { "bps", "bit", "bit/s", "b/s" };
static const char *const byte_units[] = { "B", "B/s", "Bps" };

static const struct prefix prefixes[] = {
	{ "Ki", 1ull << 10 },      { "Mi", 1ull << 20 },
	{ "Gi", 1ull << 30 },      { "Ti", 1ull << 40 },
	{ "k", 1000ull },          { "K", 1000ull },
	{ "M", 1000000ull },       { "G", 1000000000ull },
	{ "T", 1000000000000ull }, { "", 1 },
};

static bool one_of(const char *const *names, size_t count, const char *text)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(names[i], text))
			return true;
	return false;
}

int emu_rate_parse(const char *text, uint64_t *bytes_per_second)
{
	const struct prefix *prefix = prefixes;
	const char *unit, *end;
	uint64_t scale, value;
	bool bits;

	if (emu_decimal(text, 0, &value, &unit))
		return -EINVAL;
	while (strncmp(unit, prefix->name, strlen(prefix->name)) != 0)
		prefix++;
	scale = prefix->scale;
	unit += strlen(prefix->name);
	bits = one_of(bit_units, EMU_COUNT(bit_units), unit);
	/* A prefix without a unit ("10G") could mean either. */
	if (!bits && !one_of(byte_units, EMU_COUNT(byte_units), unit) && (*unit || scale > 1))
		return -EINVAL;
	if (emu_decimal(text, scale, &value, &end))
		return -EINVAL;
	if (bits)
		value /= 8;
	if (!value)
		return -EINVAL;
	*bytes_per_second = value;
	return 0;
}
