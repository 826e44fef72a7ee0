/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pick.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *blanks(const char *at)
{
	/* No strspn(): sanitizers look at all that follows, in each call. */
	while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
		at++;
	return at;
}

/* at: its first quote. Behind its last one, or NULL. */
static const char *skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && !*++at)
			return NULL;
	return *at ? at + 1 : NULL;
}

/* Behind a value, or NULL. Which bracket closes which is not looked at. */
static const char *skip_value(const char *at)
{
	size_t depth = 0;

	do {
		at = blanks(at);
		if (*at == '"') {
			at = skip_string(at);
			if (!at)
				return NULL;
		} else if (*at == '{' || *at == '[') {
			depth++;
			at++;
		} else if (*at == '}' || *at == ']') {
			if (!depth)
				return NULL;
			depth--;
			at++;
		} else if (depth && (*at == ',' || *at == ':')) {
			at++;
		} else if (isalnum((unsigned char)*at) || *at == '-') {
			at += strspn(at, "+-.0123456789abcdefghijklmnopqrstuvwxyz"
					 "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		} else {
			return NULL;
		}
	} while (depth);
	return at;
}

/* One character of a string; *at moves behind it. */
static char unescape(const char **at)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *name;
	char hex[5] = "";
	long code;

	if (**at != '\\')
		return *(*at)++;
	++*at;
	if (**at != 'u') {
		name = strchr(from, **at);
		char c = *(*at)++;

		return name && *name ? to[name - from] : c;
	}
	++*at;
	strncpy(hex, *at, 4);
	*at += strspn(hex, "0123456789abcdefABCDEF");
	code = strtol(hex, NULL, 16);
	return code > 0 && code < 0x80 ? (char)code : '?';
}

bool pick_text(const char *value, char *ret, size_t room)
{
	const char *end = value ? skip_value(value) : NULL;
	bool quoted;
	size_t len = 0;

	*ret = '\0';
	if (!end)
		return false;
	value = blanks(value);
	if (*value == '{' || *value == '[')
		return false;
	quoted = *value == '"';
	value += quoted;
	end -= quoted;
	while (value < end) {
		if (len + 1 >= room) {
			*ret = '\0';
			return false;
		}
		ret[len++] = unescape(&value);
	}
	ret[len] = '\0';
	return true;
}

bool pick_true(const char *value)
{
	char text[8];

	return pick_text(value, text, sizeof(text)) && !strcmp(text, "true");
}

size_t pick_each(const char *value, bool (*fn)(void *ctx, const char *key, const char *value),
		 void *ctx)
{
	char key[PICK_KEY_MAX] = "", close;
	const char *at = value ? blanks(value) : "";
	size_t calls = 0;
	bool fits = true;

	if (*at != '{' && *at != '[')
		return 0;
	close = *at == '{' ? '}' : ']';
	for (at = blanks(at + 1); *at && *at != close; at = blanks(at + 1)) {
		if (close == '}') {
			if (*at != '"')
				return calls;
			fits = pick_text(at, key, sizeof(key));
			at = skip_string(at);
			at = at ? blanks(at) : "";
			if (*at != ':')
				return calls;
			at++;
		}
		value = blanks(at);
		at = skip_value(value);
		if (!at)
			return calls;
		calls += fits;
		if (fits && !fn(ctx, key, value))
			return calls;
		at = blanks(at);
		if (*at != ',')
			return calls;
	}
	return calls;
}

struct wanted {
	const char *key;
	size_t len;
	const char *found;
};

static bool match(void *ctx, const char *key, const char *value)
{
	struct wanted *w = ctx;

	if (strlen(key) == w->len && !strncmp(key, w->key, w->len))
		w->found = value;
	return !w->found;
}

static const char *member(const char *value, const char *key, size_t len)
{
	struct wanted w = { .key = key, .len = len };

	if (value && *blanks(value) == '{')
		pick_each(value, match, &w);
	return w.found;
}

const char *pick_member(const char *value, const char *key)
{
	return member(value, key, strlen(key));
}

const char *pick_path(const char *value, const char *path)
{
	size_t len;

	for (; value && *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		value = member(value, path, len);
	}
	return value;
}
