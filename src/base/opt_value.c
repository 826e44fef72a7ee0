/* SPDX-License-Identifier: Apache-2.0 */
/* One option's value: text to field, and what a row accepts as text. */
#include "base/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

struct opt_unit {
	const char *name;
	uint64_t scale;
};

/* The name that is printed comes first among those of one scale. */
static const struct opt_unit size_units[] = {
	{ "B", 1 },          { "KiB", 1ull << 10 }, { "KB", 1ull << 10 },
	{ "K", 1ull << 10 }, { "MiB", 1ull << 20 }, { "MB", 1ull << 20 },
	{ "M", 1ull << 20 }, { "GiB", 1ull << 30 }, { "GB", 1ull << 30 },
	{ "G", 1ull << 30 }, { "TiB", 1ull << 40 }, { "TB", 1ull << 40 },
	{ "T", 1ull << 40 }, { NULL, 0 },
};

static const struct opt_unit duration_units[] = {
	{ "ns", 1 },           { "us", NSEC_PER_USEC },    { "ms", NSEC_PER_MSEC },
	{ "s", NSEC_PER_SEC }, { "m", 60 * NSEC_PER_SEC }, { "h", 3600 * NSEC_PER_SEC },
	{ NULL, 0 },
};

static const struct opt_unit *units_of(enum opt_type type)
{
	return type == OPT_TYPE_duration ? duration_units : size_units;
}

char *opt_quote(const char *text, char buf[OPT_QUOTE_MAX])
{
	size_t len = strlen(text), keep = len, i;
	const size_t max = OPT_QUOTE_MAX - 6; /* quotes, dots, terminator */

	if (keep > max) {
		keep = max;
		while (keep > 0 && ((unsigned char)text[keep] & 0xc0) == 0x80)
			keep--; /* not inside a UTF-8 character */
	}
	buf[0] = '\'';
	for (i = 0; i < keep; i++) {
		unsigned char c = (unsigned char)text[i];

		buf[1 + i] = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	strcpy(buf + 1 + keep, keep < len ? "...'" : "'");
	return buf;
}

/* Decimal digits only, as strtoull() also takes signs and spaces. */
static int parse_u64(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret = value;
	return 0;
}

static int parse_real(const char *text, double *ret)
{
	const char *rest = text + strspn(text, "0123456789");

	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (*rest || text[strcspn(text, "0123456789")] == '\0' || strlen(text) > 40)
		return -EINVAL;
	*ret = strtod(text, NULL);
	return 0;
}

/* The digits behind a point as a fraction of 1e9; more than nine digits are not looked at. */
static const char *parse_fraction(const char *text, uint64_t *billionths)
{
	uint64_t scale = 100000000;

	*billionths = 0;
	if (*text != '.')
		return text;
	for (text++; *text >= '0' && *text <= '9'; text++) {
		*billionths += (uint64_t)(*text - '0') * scale;
		scale /= 10;
	}
	return text;
}

static uint64_t unit_scale(enum opt_type type, const char *name)
{
	const struct opt_unit *unit;

	if (!*name)
		return type == OPT_TYPE_duration ? NSEC_PER_SEC : 1;
	for (unit = units_of(type); unit->name; unit++) {
		if (!strcmp(name, unit->name))
			return unit->scale;
		if (type != OPT_TYPE_duration && !strcasecmp(name, unit->name))
			return unit->scale;
	}
	return 0;
}

int opt_scaled(enum opt_type type, const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	unsigned __int128 value;
	uint64_t whole, billionths, scale;
	char number[24];
	int rc;

	if (digits == 0)
		return -EINVAL;
	if (digits >= sizeof(number))
		return -ERANGE;
	memcpy(number, text, digits);
	number[digits] = '\0';
	rc = parse_u64(number, &whole);
	if (rc)
		return rc;
	text = parse_fraction(text + digits, &billionths);
	scale = unit_scale(type, text);
	if (!scale)
		return -EINVAL;
	value = (unsigned __int128)whole * scale +
		(unsigned __int128)billionths * scale / 1000000000u;
	if (value > UINT64_MAX)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

char *opt_scaled_text(enum opt_type type, uint64_t value, char buf[OPT_NAME_MAX])
{
	const struct opt_unit *unit, *best = units_of(type);

	for (unit = best; unit->name && value; unit++)
		if (value % unit->scale == 0 && unit->scale > best->scale)
			best = unit;
	snprintf(buf, OPT_NAME_MAX, "%" PRIu64 "%s", value / best->scale, best->name);
	return buf;
}

static void bound_text(const struct opt_row *row, uint64_t value, char buf[OPT_NAME_MAX])
{
	if (row->type == OPT_TYPE_size || row->type == OPT_TYPE_sizes)
		opt_scaled_text(OPT_TYPE_size, value, buf);
	else if (row->type == OPT_TYPE_duration)
		opt_scaled_text(OPT_TYPE_duration, value, buf);
	else
		snprintf(buf, OPT_NAME_MAX, "%" PRIu64, value);
}

static bool is_text(const struct opt_row *row)
{
	return row->type == OPT_TYPE_string || row->type == OPT_TYPE_strings ||
	       row->kind == OPT_KIND_ARGUMENT;
}

char *opt_allowed(const struct opt_row *row, char *buf, size_t room)
{
	char low[OPT_NAME_MAX], high[OPT_NAME_MAX];

	buf[0] = '\0';
	if (row->type == OPT_TYPE_choice) {
		snprintf(buf, room, "%s", row->metavar);
	} else if (row->type != OPT_TYPE_flag && (row->min || row->max)) {
		bound_text(row, row->min, low);
		bound_text(row, row->max, high);
		if (row->max)
			snprintf(buf, room, "%s..%s%s", low, high, is_text(row) ? " bytes" : "");
		else
			snprintf(buf, room, "at least %s%s", low, is_text(row) ? " bytes" : "");
	}
	return buf;
}

static const char *type_noun(const struct opt_row *row)
{
	if (row->type == OPT_TYPE_size || row->type == OPT_TYPE_sizes)
		return "a size like 64KiB or 1.5G";
	if (row->type == OPT_TYPE_duration)
		return "a duration like 500ms or 10s";
	return "a number";
}

static int refuse(const struct opt_row *row, const char *text, const char *why)
{
	char quoted[OPT_QUOTE_MAX], allowed[160];

	opt_quote(text, quoted);
	opt_allowed(row, allowed, sizeof(allowed));
	if (!*allowed)
		return err_set(-EINVAL, "%s %s", quoted, why);
	return err_set(-EINVAL, "%s %s (%s)", quoted, why, allowed);
}

static int refuse_type(const struct opt_row *row, const char *text, int code)
{
	char why[64];

	if (code == -ERANGE)
		return refuse(row, text, "is too large");
	snprintf(why, sizeof(why), "is not %s", type_noun(row));
	return refuse(row, text, why);
}

static int check_bounds(const struct opt_row *row, const char *text, uint64_t value)
{
	if (value < row->min)
		return refuse(row, text, "is too small");
	if (row->max && value > row->max)
		return refuse(row, text, "is too large");
	return 0;
}

static int value_string(const struct opt_row *row, const char *text)
{
	size_t len = strlen(text);

	if (len < row->min)
		return len ? refuse(row, text, "is too short")
			   : refuse(row, text, "must not be empty");
	if (row->max && len > row->max)
		return refuse(row, text, "is too long");
	return 0;
}

static int value_number(const struct opt_row *row, const char *text, uint64_t *ret)
{
	uint64_t value;
	int rc;

	if (row->type == OPT_TYPE_u32 || row->type == OPT_TYPE_u64)
		rc = parse_u64(text, &value);
	else
		rc = opt_scaled(row->type, text, &value);
	if (rc)
		return refuse_type(row, text, rc);
	rc = check_bounds(row, text, value);
	if (rc)
		return rc;
	if (row->type == OPT_TYPE_u32 && value > UINT32_MAX)
		return refuse(row, text, "is too large");
	*ret = value;
	return 0;
}

static int value_real(const struct opt_row *row, const char *text, double *ret)
{
	double value;

	if (parse_real(text, &value))
		return refuse(row, text, "is not a number");
	if (value < (double)row->min)
		return refuse(row, text, "is too small");
	if (row->max && value > (double)row->max)
		return refuse(row, text, "is too large");
	*ret = value;
	return 0;
}

static int value_choice(const struct opt_row *row, const char *text, uint32_t *ret)
{
	const char *word = row->metavar;
	size_t len = strlen(text), n;
	uint32_t index;

	for (index = 0; word; index++) {
		n = strcspn(word, "|");
		if (n == len && len > 0 && !strncmp(word, text, n)) {
			*ret = index;
			return 0;
		}
		word = word[n] ? word + n + 1 : NULL;
	}
	return refuse(row, text, "is not one of the choices");
}

/* Appends a comma list to sizes. */
static int value_sizes(const struct opt_row *row, const char *text, struct opt_sizes *sizes)
{
	char item[OPT_NAME_MAX];
	uint64_t value;
	size_t n;
	int rc;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		if (n >= sizeof(item))
			return refuse(row, text, "is not a list of sizes");
		memcpy(item, text, n);
		item[n] = '\0';
		rc = value_number(row, item, &value);
		if (rc)
			return rc;
		if (sizes->count == OPT_LIST_MAX)
			return err_set(-EINVAL, "more than %d values", OPT_LIST_MAX);
		sizes->values[sizes->count++] = value;
		if (!text[n])
			return 0;
	}
}

static int value_strings(const struct opt_row *row, const char *text, struct opt_strings *strings)
{
	int rc = value_string(row, text);

	if (rc)
		return rc;
	if (strings->count == OPT_LIST_MAX)
		return err_set(-EINVAL, "given more than %d times", OPT_LIST_MAX);
	strings->values[strings->count++] = text;
	return 0;
}

int opt_value(const struct opt_row *row, const char *text, void *field)
{
	uint64_t number;
	int rc;

	switch (row->type) {
	case OPT_TYPE_flag:
		*(bool *)field = true;
		return 0;
	case OPT_TYPE_string:
	case OPT_TYPE_one:
	case OPT_TYPE_maybe:
		rc = value_string(row, text);
		if (!rc)
			*(const char **)field = text;
		return rc;
	case OPT_TYPE_u32:
		rc = value_number(row, text, &number);
		if (!rc)
			*(uint32_t *)field = (uint32_t)number;
		return rc;
	case OPT_TYPE_u64:
	case OPT_TYPE_size:
	case OPT_TYPE_duration:
		return value_number(row, text, field);
	case OPT_TYPE_real:
		return value_real(row, text, field);
	case OPT_TYPE_choice:
		return value_choice(row, text, field);
	case OPT_TYPE_sizes:
		return value_sizes(row, text, field);
	case OPT_TYPE_strings:
		return value_strings(row, text, field);
	case OPT_TYPE_none:
	case OPT_TYPE_rest:
	case OPT_TYPE_some:
	case OPT_TYPE_command:
		break;
	}
	return err_set(-EINVAL, "a row of this type takes no value");
}
