/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Only for the texts of their fields. */
#include <weft/kv.h>
#include <weft/stats.h>

enum kv_field {
#define FIELD(name, text) KV_FIELD_##name,
	WEFT_KV_COUNTER_MAP(FIELD)
#undef FIELD
	KV_FIELDS
};

enum engine_field {
#define FIELD(name, text) ENGINE_FIELD_##name,
	WEFT_COUNTER_MAP(FIELD)
#undef FIELD
	ENGINE_FIELDS
};

static const char *const kv_texts[] = {
#define TEXT(name, text) text,
	WEFT_KV_COUNTER_MAP(TEXT)
#undef TEXT
};

static const char *const engine_texts[] = {
#define TEXT(name, text) text,
	WEFT_COUNTER_MAP(TEXT)
#undef TEXT
};

#define COUNT_ROW(...) +1
enum {
	KV_ROWS = 0
#define METRIC_KV COUNT_ROW
#include "watch/metrics.def"
		,
	ENGINE_ROWS = 0
#define METRIC_ENGINE COUNT_ROW
#include "watch/metrics.def"
};
_Static_assert((int)KV_ROWS == (int)KV_FIELDS, "each counter of the cache has a metric");
_Static_assert((int)ENGINE_ROWS == (int)ENGINE_FIELDS, "each counter of an engine has a metric");

#define LITERAL(text)               (&(const char *const){ text })
#define HELP_OR(literal, of_header) (sizeof(literal) > 1 ? LITERAL(literal) : &(of_header))

const struct metric metrics[METRICS] = {
#define METRIC_NIC(counter_, name_, type_, role_, scale_, help_)                       \
	[METRIC_NIC_##counter_] = { #counter_, name_,    METRIC_##type_, ROLE_##role_, \
				    scale_,    "device", LITERAL(help_) },
#define METRIC_KV(field_, name_, type_, scale_, help_) \
	[METRIC_KV_##field_] = { NULL,                 \
				 name_,                \
				 METRIC_##type_,       \
				 ROLE_NONE,            \
				 scale_,               \
				 "",                   \
				 HELP_OR(help_, kv_texts[KV_FIELD_##field_]) },
#define METRIC_ENGINE(field_, name_, type_, help_)   \
	[METRIC_ENGINE_##field_] = { NULL,           \
				     name_,          \
				     METRIC_##type_, \
				     ROLE_NONE,      \
				     1,              \
				     "",             \
				     HELP_OR(help_, engine_texts[ENGINE_FIELD_##field_]) },
#define METRIC(id_, name_, type_, labels_, help_) \
	[METRIC_##id_] = { NULL, name_, METRIC_##type_, ROLE_NONE, 1, labels_, LITERAL(help_) },
#include "watch/metrics.def"
};

int metric_of_counter(const char *counter)
{
	for (int i = 0; i < METRICS; i++)
		if (metrics[i].counter && !strcmp(metrics[i].counter, counter))
			return i;
	return -1;
}

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = {
		[METRIC_counter] = "counter",
		[METRIC_gauge] = "gauge",
		[METRIC_summary] = "summary",
	};

	return names[type];
}

/* Backslash and newline, and in a label's value the quote, are written with a backslash; what is
 * no printable ASCII as '?', so that the text is UTF-8 whatever a file held. */
static void put_escaped(FILE *out, const char *text, bool label)
{
	for (; *text; text++) {
		if (*text == '\\' || (label && *text == '"'))
			fprintf(out, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
	}
}

void metric_head(FILE *out, enum metric_id id)
{
	fprintf(out, "# HELP %s ", metrics[id].name);
	put_escaped(out, *metrics[id].help, false);
	fprintf(out, "\n# TYPE %s %s\n", metrics[id].name, metric_type_name(metrics[id].type));
}

static void put_name(FILE *out, enum metric_id id, const char *const *values, const char *suffix,
		     const char *quantile)
{
	const char *label = metrics[id].labels, *end;
	char open = '{';

	fprintf(out, "%s%s", metrics[id].name, suffix);
	for (uint32_t i = 0; *label; i++, label = *end ? end + 1 : end) {
		end = strchrnul(label, ',');
		fprintf(out, "%c%.*s=\"", open, (int)(end - label), label);
		put_escaped(out, values[i], true);
		fputc('"', out);
		open = ',';
	}
	if (quantile)
		fprintf(out, "%cquantile=\"%s\"", open, quantile);
	fputs(quantile || *metrics[id].labels ? "} " : " ", out);
}

static void put_real(FILE *out, double value)
{
	if (isnan(value))
		fputs("NaN\n", out);
	else if (isinf(value))
		fputs(value > 0 ? "+Inf\n" : "-Inf\n", out);
	else
		fprintf(out, "%.12g\n", value);
}

void metric_real(FILE *out, enum metric_id id, const char *const *values, double value)
{
	put_name(out, id, values, "", NULL);
	put_real(out, value * metrics[id].scale);
}

void metric_u64(FILE *out, enum metric_id id, const char *const *values, uint64_t value)
{
	const double scale = metrics[id].scale;

	if (scale < 1) {
		metric_real(out, id, values, (double)value);
		return;
	}
	put_name(out, id, values, "", NULL);
	fprintf(out, "%" PRIu64 "\n", value * (uint64_t)scale);
}

void metric_part(FILE *out, enum metric_id id, const char *const *values, const char *suffix,
		 const char *quantile, double value)
{
	put_name(out, id, values, suffix, quantile);
	put_real(out, value);
}
