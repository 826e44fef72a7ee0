/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/secrets.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"

#define VALUE_MIN 6

static bool holds(const char *text, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	for (size_t i = 0; i + word_len <= len; i++)
		if (!strncasecmp(text + i, word, word_len))
			return true;
	return false;
}

bool secret_name(const char *name, size_t len)
{
	static const char *const words[] = { "KEY",   "SECRET", "TOKEN",  "PASS",   "CRED",
					     "_AUTH", "AUTH_",  "COOKIE", "PRIVATE" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (holds(name, len, words[i]))
			return true;
	/* MYSQL_PWD, DB_PWD; the shell's own are directories. */
	if (holds(name, len, "PWD"))
		return !(len == 3 || (len == 6 && !strncmp(name, "OLDPWD", 6)));
	return len >= 4 && !strncasecmp(name, "AWS_", 4);
}

bool secret_file(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (!strcmp(name, "environ") || strstr(path, "shadow") || strstr(path, "/secrets/"))
		return true;
	if (!strcmp(name, "cmdline") && strcmp(path, "/proc/cmdline") != 0)
		return true;
	return !strncmp(path, "/proc/", 6) || !strncmp(path, "/sys/", 5)
		       ? false
		       : secret_name(path, strlen(path));
}

/* The "@" behind user and password of the address at text, if it has them. */
static const char *user_end(const char *text)
{
	const char *end = text + strcspn(text, "/ \n\t\"'"), *at = NULL;

	for (; text < end; text++)
		if (*text == '@')
			at = text;
	return at;
}

/* Appends a variable; what it takes is never longer than the variable and SECRET_REMOVEDs. */
static char *put_variable(char *to, const char *variable)
{
	const char *equals = strchr(variable, '='), *at, *user;

	if (!equals)
		return to;
	if (secret_name(variable, (size_t)(equals - variable))) {
		to = mempcpy(to, variable, (size_t)(equals - variable) + 1);
		return stpcpy(stpcpy(to, equals[1] ? SECRET_REMOVED : ""), "\n");
	}
	for (at = variable; *at; at++) {
		*to++ = *at == '\n' ? ' ' : *at;
		user = at >= variable + 2 && !strncmp(at - 2, "://", 3) ? user_end(at + 1) : NULL;
		if (!user)
			continue;
		to = stpcpy(to, SECRET_REMOVED);
		at = user - 1;
	}
	return stpcpy(to, "\n");
}

/* Addresses, each of which may grow. */
static size_t addresses(const char *text)
{
	size_t n = 0;

	for (; (text = strstr(text, "://")); text += 3)
		n++;
	return n;
}

char *secret_environ(char **environ)
{
	size_t room = 1;
	char *text, *to;

	for (char **at = environ; at && *at; at++)
		room += strlen(*at) + (1 + addresses(*at)) * sizeof(SECRET_REMOVED) + 1;
	text = mem_alloc(room);
	if (!text)
		return NULL;
	to = text;
	*to = '\0';
	for (char **at = environ; at && *at; at++)
		to = put_variable(to, *at);
	return text;
}

void secret_scrub(char *text, size_t len, char **environ)
{
	const char *equals;
	size_t value_len;
	char *found;

	for (char **at = environ; at && *at; at++) {
		equals = strchr(*at, '=');
		if (!equals || !secret_name(*at, (size_t)(equals - *at)))
			continue;
		value_len = strlen(equals + 1);
		if (value_len < VALUE_MIN)
			continue;
		found = text;
		while ((found = memmem(found, len - (size_t)(found - text), equals + 1, value_len)))
			memset(found, '*', value_len);
	}
}
