/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON writer (base/json.h). Input: u8 room for the output in units of 4 bytes, then calls:
 * u8 operation, u8 length, so many bytes of text. Whatever the calls and texts are, a writer that
 * reports success has written one valid JSON text (RFC 8259), which a reader of its own checks.
 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"

enum {
	OPERATIONS = 11,
	TEXT_MAX = 255
};

static const unsigned char *read_value(const unsigned char *at);

/* One character of a string, escaped or not; NULL: none that may stand there. */
static const unsigned char *read_char(const unsigned char *at)
{
	static const unsigned char low[] = { 0xa0, 0x80, 0x90, 0x80 };
	static const unsigned char high[] = { 0xbf, 0x9f, 0xbf, 0x8f };
	int more, edge = -1, i;

	if (at[0] == '\\' && at[1] == 'u') {
		for (i = 2; i < 6; i++)
			if (!at[i] || !strchr("0123456789abcdefABCDEF", at[i]))
				return NULL;
		return at + 6;
	}
	if (at[0] == '\\')
		return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : NULL;
	if (at[0] < 0x20)
		return NULL;
	if (at[0] < 0x80)
		return at + 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return NULL;
	more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
	edge = at[0] == 0xe0 ? 0 : at[0] == 0xed ? 1 : at[0] == 0xf0 ? 2 : at[0] == 0xf4 ? 3 : -1;
	if (edge >= 0 && (at[1] < low[edge] || at[1] > high[edge]))
		return NULL;
	for (i = 1; i <= more; i++)
		if ((at[i] & 0xc0) != 0x80)
			return NULL;
	return at + more + 1;
}

static const unsigned char *read_string(const unsigned char *at)
{
	if (*at++ != '"')
		return NULL;
	while (at && *at != '"')
		at = read_char(at);
	return at ? at + 1 : NULL;
}

static const unsigned char *read_digits(const unsigned char *at)
{
	if (!at || *at < '0' || *at > '9')
		return NULL;
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

static const unsigned char *read_number(const unsigned char *at)
{
	if (*at == '-')
		at++;
	if (at[0] == '0' && at[1] >= '0' && at[1] <= '9')
		return NULL;
	at = read_digits(at);
	if (at && *at == '.')
		at = read_digits(at + 1);
	if (at && (*at == 'e' || *at == 'E')) {
		at++;
		at = read_digits(*at == '+' || *at == '-' ? at + 1 : at);
	}
	return at;
}

/* Members or elements up to the closing bracket. */
static const unsigned char *read_level(const unsigned char *at, char close)
{
	if (*++at == close)
		return at + 1;
	for (;; at++) {
		if (close == '}') {
			at = read_string(at);
			if (!at || *at++ != ':')
				return NULL;
		}
		at = read_value(at);
		if (!at || *at == close)
			return at ? at + 1 : NULL;
		if (*at != ',')
			return NULL;
	}
}

static const unsigned char *read_word(const unsigned char *at, const char *word)
{
	return strncmp((const char *)at, word, strlen(word)) ? NULL : at + strlen(word);
}

static const unsigned char *read_value(const unsigned char *at)
{
	switch (*at) {
	case '{':
		return read_level(at, '}');
	case '[':
		return read_level(at, ']');
	case '"':
		return read_string(at);
	case 't':
		return read_word(at, "true");
	case 'f':
		return read_word(at, "false");
	case 'n':
		return read_word(at, "null");
	default:
		return read_number(at);
	}
}

/* bytes: text of len bytes with a NUL behind. */
static void write_one(struct json *json, unsigned int operation, const char *key, const char *bytes,
		      size_t len)
{
	uint64_t number = 0;
	double real;

	memcpy(&number, bytes, len < sizeof(number) ? len : sizeof(number));
	memcpy(&real, &number, sizeof(real));
	switch (operation) {
	case 0:
		json_object(json, key);
		break;
	case 1:
		json_object_end(json);
		break;
	case 2:
		json_array(json, key);
		break;
	case 3:
		json_array_end(json);
		break;
	case 4:
		json_string(json, key, bytes);
		break;
	case 5:
		json_string_n(json, key, bytes, len);
		break;
	case 6:
		json_u64(json, key, number);
		break;
	case 7:
		json_i64(json, key, (int64_t)number);
		break;
	case 8:
		json_double(json, key, real);
		break;
	case 9:
		json_bool(json, key, len & 1);
		break;
	default:
		json_null(json, key);
		break;
	}
}

/* Returns what json_end() says. */
static int write_all(const uint8_t *data, size_t size, char *out, size_t room)
{
	char bytes[TEXT_MAX + 1];
	struct json json;
	size_t at, len;

	json_begin_buf(&json, out, room);
	for (at = 0; at + 2 <= size; at += 2 + len) {
		len = data[at + 1] <= size - at - 2 ? data[at + 1] : size - at - 2;
		memcpy(bytes, data + at + 2, len);
		bytes[len] = '\0';
		/* With the high bit the text is the key, too. */
		write_one(&json, (data[at] & 0x7f) % OPERATIONS, data[at] & 0x80 ? bytes : NULL,
			  bytes, len);
		FUZZ_CHECK(json.len < room && out[json.len] == '\0');
		FUZZ_CHECK(strlen(out) == json.len);
	}
	return json_end(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size ? data[0] * (size_t)4 + 1 : 1, roomy;
	char *out = malloc(room), *whole;
	const unsigned char *end;
	int rc, rc_whole;

	if (size) {
		data++;
		size--;
	}
	/* A text of n bytes takes 6n at most; a number 26, and each comes after 2 bytes of input.
	 */
	roomy = 64 + 32 * size;
	whole = malloc(roomy);
	FUZZ_CHECK(out && whole);
	rc = write_all(data, size, out, room);
	rc_whole = write_all(data, size, whole, roomy);
	FUZZ_CHECK(rc_whole == 0 || rc_whole == -EINVAL);
	FUZZ_CHECK(rc == rc_whole || rc == -ENOSPC);
	FUZZ_CHECK(rc || !strcmp(out, whole));
	if (!rc_whole) {
		end = read_value((const unsigned char *)whole);
		FUZZ_CHECK(end && !*end);
	}
	free(whole);
	free(out);
	return 0;
}
