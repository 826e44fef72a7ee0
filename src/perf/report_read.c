/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/report.h"
#include "perf/report_fields.h"
#include "perf/report_read.h"

#define U64_DIGITS 20
#define DIGITS_MAX 39 /* of an unsigned 128-bit number */

__attribute__((format(printf, 2, 3))) static int wrong(struct perf_in *in, const char *format, ...)
{
	char text[PERF_PLACE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(-EINVAL, "%s: %s%s%s; it is damaged, or no report of weft perf", in->path,
		       in->place, *in->place ? " " : "", text);
}

/* Steps down to a member or element; returns what leave() needs. */
static size_t enter(struct perf_in *in, const char *name, uint32_t index)
{
	size_t len = strlen(in->place);

	if (name)
		snprintf(in->place + len, sizeof(in->place) - len, "%s%s", len ? "." : "", name);
	else
		snprintf(in->place + len, sizeof(in->place) - len, "[%u]", index);
	return len;
}

static void leave(struct perf_in *in, size_t len)
{
	in->place[len] = '\0';
}

/* A whole number of at most limit, or decimal digits in a string. */
static int read_digits(struct perf_in *in, const char *text, size_t most, unsigned __int128 limit,
		       unsigned __int128 *ret)
{
	unsigned __int128 value = 0;

	if (!*text || strlen(text) > most)
		return wrong(in, "is not a whole number");
	for (; *text; text++) {
		uint32_t digit = (uint32_t)(*text - '0');

		if (digit > 9)
			return wrong(in, "is not a whole number");
		if (value > (limit - digit) / 10)
			return wrong(in, "is too large");
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}

static int read_u64(struct perf_in *in, const cJSON *item, uint64_t most, uint64_t *ret)
{
	unsigned __int128 value;
	double number = cJSON_IsNumber(item) ? item->valuedouble : 0;
	int rc;

	if (cJSON_IsString(item)) {
		rc = read_digits(in, item->valuestring, U64_DIGITS, most, &value);
		if (!rc)
			*ret = (uint64_t)value;
		return rc;
	}
	if (!cJSON_IsNumber(item) || !(number >= 0) || number > 0x1p53 || number != floor(number))
		return wrong(in, "is not a whole number");
	if ((uint64_t)number > most)
		return wrong(in, "is more than %llu", (unsigned long long)most);
	*ret = (uint64_t)number;
	return 0;
}

static int read_double(struct perf_in *in, const cJSON *item, double *ret)
{
	if (cJSON_IsNull(item))
		*ret = NAN;
	else if (cJSON_IsNumber(item))
		*ret = item->valuedouble;
	else
		return wrong(in, "is not a number");
	return 0;
}

static int read_code(struct perf_in *in, const cJSON *item, int *ret)
{
	double number = cJSON_IsNumber(item) ? item->valuedouble : 1;

	if (!(number <= 0 && number > -1e6 && number == floor(number)))
		return wrong(in, "is not a code of weft/error.h");
	*ret = (int)number;
	return 0;
}

/* Cut after a whole character: U+FFFD, which stands for a byte that is no UTF-8, needs more room.
 */
static int read_text(struct perf_in *in, const cJSON *item, char *ret, size_t room)
{
	size_t len;

	if (!cJSON_IsString(item))
		return wrong(in, "is not a string");
	len = strlen(item->valuestring);
	if (len >= room)
		for (len = room - 1; len && (item->valuestring[len] & 0xc0) == 0x80;)
			len--;
	memcpy(ret, item->valuestring, len);
	ret[len] = '\0';
	return 0;
}

static int read_string(struct perf_in *in, const cJSON *item, const char **ret)
{
	if (!cJSON_IsString(item))
		return wrong(in, "is not a string");
	*ret = in->texts;
	in->texts = stpcpy(in->texts, item->valuestring) + 1;
	return 0;
}

static int read_word(struct perf_in *in, const struct perf_field *field, const cJSON *item,
		     void *at)
{
	for (uint32_t i = 0; cJSON_IsString(item) && i < field->max; i++)
		if (!strcmp(field->word(i), item->valuestring)) {
			memcpy(at, &i, sizeof(i));
			return 0;
		}
	return wrong(in, "is '%.40s', which this program does not know",
		     cJSON_IsString(item) ? item->valuestring : "no string");
}

static int read_bool(struct perf_in *in, const cJSON *item, bool *ret)
{
	if (!cJSON_IsBool(item))
		return wrong(in, "is neither true nor false");
	*ret = cJSON_IsTrue(item);
	return 0;
}

static int get(struct perf_in *in, const cJSON *object, const char *name, const cJSON **ret)
{
	*ret = cJSON_GetObjectItemCaseSensitive(object, name);
	return *ret ? 0 : wrong(in, "has no \"%s\"", name);
}

int perf_in_u64(struct perf_in *in, const cJSON *object, const char *name, uint64_t *ret)
{
	const cJSON *item;
	size_t back;
	int rc = get(in, object, name, &item);

	if (rc)
		return rc;
	back = enter(in, name, 0);
	rc = read_u64(in, item, UINT64_MAX, ret);
	leave(in, back);
	return rc;
}

/* The buckets, of which each must be one of ours, in order, and all together count. */
static int read_buckets(struct perf_in *in, const cJSON *object, struct hist *hist)
{
	const cJSON *lows, *counts, *low, *count;
	uint64_t value = 0, n = 0, left = hist->count;
	uint32_t bucket = 0, seen = 0;
	int rc = get(in, object, "lows_ns", &lows);

	rc = rc ? rc : get(in, object, "counts", &counts);
	if (rc)
		return rc;
	if (!cJSON_IsArray(lows) || !cJSON_IsArray(counts))
		return wrong(in, "has buckets that are no list");
	count = counts->child;
	for (low = lows->child; low && count; low = low->next, count = count->next) {
		rc = read_u64(in, low, HIST_MAX_NS, &value);
		rc = rc ? rc : read_u64(in, count, UINT64_MAX, &n);
		if (rc)
			return rc;
		if (hist_bucket_low(hist_bucket(value)) != value)
			return wrong(in, "has a bucket that begins amiss");
		if (seen && hist_bucket(value) <= bucket)
			return wrong(in, "has buckets out of order");
		bucket = hist_bucket(value);
		if (!n || n > left)
			return wrong(in, "has counts that do not add up");
		if (!seen++ && bucket != hist_bucket(hist->min))
			return wrong(in, "has a minimum outside its buckets");
		hist->buckets[bucket] = n;
		left -= n;
	}
	if (low || count || left)
		return wrong(in, "has counts that do not add up");
	if (seen ? bucket != hist_bucket(hist->max) : hist->min || hist->max)
		return wrong(in, "has a maximum outside its buckets");
	return 0;
}

static int read_sum(struct perf_in *in, const cJSON *object, struct hist *hist)
{
	const cJSON *item;
	int rc = get(in, object, "sum_ns", &item);

	if (rc)
		return rc;
	if (!cJSON_IsString(item))
		return wrong(in, "has a sum_ns that is no string");
	rc = read_digits(in, item->valuestring, DIGITS_MAX, ~(unsigned __int128)0, &hist->sum);
	if (!rc && (hist->sum < (unsigned __int128)hist->min * hist->count ||
		    hist->sum > (unsigned __int128)hist->max * hist->count))
		return wrong(in, "has a sum_ns that cannot be");
	return rc;
}

static int read_hist(struct perf_in *in, const cJSON *item, struct hist **ret)
{
	struct hist *hist;
	int rc;

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsObject(item))
		return wrong(in, "is no histogram");
	if (in->hists++ == PERF_READ_HISTS_MAX)
		return wrong(in, "is one histogram too many (%d)", PERF_READ_HISTS_MAX);
	hist = calloc(1, sizeof(*hist));
	if (!hist)
		return err_set(-ENOMEM, "%s: no memory for its histograms", in->path);
	*ret = hist;
	rc = perf_in_u64(in, item, "count", &hist->count);
	rc = rc ? rc : perf_in_u64(in, item, "min_ns", &hist->min);
	rc = rc ? rc : perf_in_u64(in, item, "max_ns", &hist->max);
	rc = rc ? rc : read_sum(in, item, hist);
	return rc ? rc : read_buckets(in, item, hist);
}

static int read_numbers(struct perf_in *in, const struct perf_field *field, const cJSON *item,
			uint64_t **ret, uint32_t *count)
{
	uint32_t n, i = 0;
	int rc = 0;

	if (cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsArray(item))
		return wrong(in, "is no list");
	n = (uint32_t)cJSON_GetArraySize(item);
	if (n > field->max)
		return wrong(in, "has more than %u elements", field->max);
	*ret = calloc(n ? n : 1, sizeof(**ret));
	if (!*ret)
		return err_set(-ENOMEM, "%s: no memory for it", in->path);
	*count = n;
	for (const cJSON *one = item->child; one && !rc; one = one->next)
		rc = read_u64(in, one, UINT64_MAX, &(*ret)[i++]);
	return rc;
}

/* The count grows with the elements that are there, so that perf_report_free() frees them all. */
static int read_list(struct perf_in *in, const struct perf_field *field, const cJSON *item,
		     char *first, uint32_t *count)
{
	uint32_t n = 0;
	int rc = 0;

	for (const cJSON *one = item->child; one && !rc; one = one->next, n++) {
		size_t back = enter(in, NULL, n);

		*count = n + 1;
		rc = perf_in_object(in, field->of, one, first + n * field->size);
		leave(in, back);
	}
	return rc;
}

static int read_array(struct perf_in *in, const struct perf_field *field, const cJSON *item,
		      void *at, uint32_t *count)
{
	char *first = at;
	int n = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : -1;

	if (n < 0)
		return wrong(in, "is no list");
	if ((uint32_t)n > field->max)
		return wrong(in, "has more than %u elements", field->max);
	if (field->kind == FIELD_LIST) {
		first = calloc(n ? (size_t)n : 1, field->size);
		if (!first)
			return err_set(-ENOMEM, "%s: no memory for it", in->path);
		memcpy(at, &first, sizeof(first));
	}
	return read_list(in, field, item, first, count);
}

static int read_u32(struct perf_in *in, const cJSON *item, uint32_t *ret)
{
	uint64_t value = 0;
	int rc = read_u64(in, item, UINT32_MAX, &value);

	*ret = (uint32_t)value;
	return rc;
}

static int read_value(struct perf_in *in, const struct perf_field *field, const cJSON *item,
		      char *base)
{
	void *at = base + field->at, *count = base + field->count_at;

	switch (field->kind) {
	case FIELD_U64:
		return read_u64(in, item, UINT64_MAX, at);
	case FIELD_U32:
		return read_u32(in, item, at);
	case FIELD_CODE:
		return read_code(in, item, at);
	case FIELD_DOUBLE:
		return read_double(in, item, at);
	case FIELD_BOOL:
		return read_bool(in, item, at);
	case FIELD_TEXT:
		return read_text(in, item, at, field->size);
	case FIELD_STRING:
		return read_string(in, item, at);
	case FIELD_WORD:
		return read_word(in, field, item, at);
	case FIELD_OBJECT:
		return perf_in_object(in, field->of, item, at);
	case FIELD_LIST:
	case FIELD_INSIDE:
		return read_array(in, field, item, at, count);
	case FIELD_NUMBERS:
		return read_numbers(in, field, item, at, count);
	case FIELD_HIST:
		return read_hist(in, item, at);
	}
	return 0;
}

int perf_in_object(struct perf_in *in, const struct perf_object *object, const cJSON *item,
		   char *base)
{
	if (!cJSON_IsObject(item))
		return wrong(in, "is no object");
	for (uint32_t i = 0; i < object->fields; i++) {
		const cJSON *value;
		int rc = get(in, item, object->field[i].name, &value);
		size_t back;

		if (rc)
			return rc;
		back = enter(in, object->field[i].name, 0);
		rc = read_value(in, &object->field[i], value, base);
		leave(in, back);
		if (rc)
			return rc;
	}
	return 0;
}
