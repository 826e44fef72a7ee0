/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void start(struct json *json)
{
	memset(json, 0, sizeof(*json));
}

void json_begin_file(struct json *json, FILE *file)
{
	start(json);
	json->file = file;
}

void json_begin_buf(struct json *json, char *buf, size_t room)
{
	start(json);
	json->buf = buf;
	json->room = room;
	buf[0] = '\0';
}

int json_end(struct json *json)
{
	if (!json->error && (json->depth || !json->top))
		json->error = -EINVAL;
	if (!json->error && json->file && fflush(json->file))
		json->error = -EIO;
	return json->error;
}

static void put(struct json *json, const char *text, size_t len)
{
	if (json->error)
		return;
	if (json->file) {
		if (fwrite(text, 1, len, json->file) != len)
			json->error = -EIO;
		return;
	}
	if (len >= json->room - json->len) {
		json->error = -ENOSPC;
		return;
	}
	memcpy(json->buf + json->len, text, len);
	json->len += len;
	json->buf[json->len] = '\0';
}

static void put_text(struct json *json, const char *text)
{
	put(json, text, strlen(text));
}

/* Length of the UTF-8 character at text, 0 when it is none (also overlong, surrogate, too big). */
static size_t utf8_len(const unsigned char *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t value;
	size_t n, i;

	if (text[0] < 0x80)
		return 1;
	n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4 || n > left)
		return 0;
	value = text[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return n;
}

static void put_escape(struct json *json, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *at = strchr(from, c);
	char text[8];

	if (c && at)
		snprintf(text, sizeof(text), "\\%c", to[at - from]);
	else
		snprintf(text, sizeof(text), "\\u%04x", c);
	put_text(json, text);
}

static void put_string(struct json *json, const void *value, size_t len)
{
	const unsigned char *text = value;
	size_t i = 0, plain = 0, n;

	put_text(json, "\"");
	while (i < len && !json->error) {
		n = utf8_len(text + i, len - i);
		if (n && text[i] >= 0x20 && text[i] != '"' && text[i] != '\\' && text[i] != 0x7f) {
			i += n;
			continue;
		}
		put(json, (const char *)text + plain, i - plain);
		if (n)
			put_escape(json, text[i]);
		else
			put_text(json, "\xef\xbf\xbd");
		plain = ++i;
	}
	put(json, (const char *)text + plain, i - plain);
	put_text(json, "\"");
}

static bool in_object(const struct json *json)
{
	return json->depth && !(json->arrays >> (json->depth - 1) & 1);
}

/* Comma, key and colon in front of a value. */
static void before_value(struct json *json, const char *key)
{
	if (!json->error && (in_object(json) != !!key || (json->top && !json->depth)))
		json->error = -EINVAL;
	if (json->error)
		return;
	json->top = true;
	if (json->depth && json->filled >> (json->depth - 1) & 1)
		put_text(json, ",");
	if (json->depth)
		json->filled |= 1u << (json->depth - 1);
	if (key) {
		put_string(json, key, strlen(key));
		put_text(json, ":");
	}
}

static void open_level(struct json *json, const char *key, bool array)
{
	before_value(json, key);
	if (!json->error && json->depth == JSON_DEPTH_MAX)
		json->error = -EINVAL;
	if (json->error)
		return;
	json->depth++;
	json->filled &= ~(1u << (json->depth - 1));
	json->arrays &= ~(1u << (json->depth - 1));
	json->arrays |= (uint32_t)array << (json->depth - 1);
	put_text(json, array ? "[" : "{");
}

static void close_level(struct json *json, bool array)
{
	if (!json->error && (!json->depth || in_object(json) == array))
		json->error = -EINVAL;
	if (json->error)
		return;
	json->depth--;
	put_text(json, array ? "]" : "}");
}

void json_object(struct json *json, const char *key)
{
	open_level(json, key, false);
}

void json_object_end(struct json *json)
{
	close_level(json, false);
}

void json_array(struct json *json, const char *key)
{
	open_level(json, key, true);
}

void json_array_end(struct json *json)
{
	close_level(json, true);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	json_string_n(json, key, value, strlen(value));
}

void json_string_n(struct json *json, const char *key, const void *value, size_t len)
{
	before_value(json, key);
	put_string(json, value, len);
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	before_value(json, key);
	put_text(json, text);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	before_value(json, key);
	put_text(json, text);
}

void json_double(struct json *json, const char *key, double value)
{
	char text[32], *comma;

	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	comma = strchr(text, ','); /* the locale's decimal point */
	if (comma)
		*comma = '.';
	before_value(json, key);
	put_text(json, text);
}

void json_bool(struct json *json, const char *key, bool value)
{
	before_value(json, key);
	put_text(json, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
	before_value(json, key);
	put_text(json, "null");
}
