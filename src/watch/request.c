/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/request.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct line {
	const char *text;
	size_t len;
};

/* RFC 9110 5.6.2. */
static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return len && !memchr(text, 0, len);
}

static bool is(const struct line *line, const char *text)
{
	return line->len == strlen(text) && !strncasecmp(line->text, text, line->len);
}

/* The next line up to its CRLF; false: there is none. */
static bool next_line(const char **at, const char *end, struct line *ret)
{
	const char *cr = memmem(*at, (size_t)(end - *at), "\r\n", 2);

	if (!cr)
		return false;
	*ret = (struct line){ *at, (size_t)(cr - *at) };
	*at = cr + 2;
	return true;
}

/* "METHOD TARGET HTTP/1.x" */
static int parse_first(const struct line *line, struct request *ret, bool *needs_host)
{
	const char *end = line->text + line->len, *target, *version;
	size_t len;

	target = memchr(line->text, ' ', line->len);
	version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
	if (!version || !is_token(line->text, (size_t)(target - line->text)))
		return 400;
	len = (size_t)(version - ++target);
	version++;
	if (end - version != 8 || memcmp(version, "HTTP/", 5) || !isdigit(version[5]) ||
	    version[6] != '.' || !isdigit(version[7]))
		return 400;
	if (version[5] != '1')
		return 505;
	*needs_host = version[7] != '0';
	if (!strncmp(line->text, "GET ", 4))
		ret->head_only = false;
	else if (!strncmp(line->text, "HEAD ", 5))
		ret->head_only = true;
	else
		return 405;
	if (*target != '/')
		return 400;
	if (memchr(target, '?', len))
		len = (size_t)((const char *)memchr(target, '?', len) - target);
	if (len >= sizeof(ret->path))
		return 414;
	memcpy(ret->path, target, len);
	ret->path[len] = '\0';
	return 200;
}

/* Of the headers only those count that could make it another request than it seems. */
static int parse_header(const struct line *line, uint32_t *hosts)
{
	const char *colon = memchr(line->text, ':', line->len);
	struct line name, value;

	if (!colon)
		return 400;
	name = (struct line){ line->text, (size_t)(colon - line->text) };
	value = (struct line){ colon + 1, line->len - name.len - 1 };
	while (value.len && (*value.text == ' ' || *value.text == '\t')) {
		value.text++;
		value.len--;
	}
	if (!is_token(name.text, name.len))
		return 400;
	if (is(&name, "host"))
		++*hosts;
	if (is(&name, "transfer-encoding") || is(&name, "expect"))
		return 400;
	if (is(&name, "content-length") && !is(&value, "0"))
		return 400;
	return 200;
}

static bool is_clean(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n' && (!i || data[i - 1] != '\r'))
			return false;
		if (c == '\r' && i + 1 < len && data[i + 1] != '\n')
			return false;
		if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

int request_parse(const char *data, size_t len, struct request *ret)
{
	const char *stop = memmem(data, len, "\r\n\r\n", 4), *at = data;
	bool needs_host = false;
	uint32_t hosts = 0;
	struct line line;
	int status;

	if (!is_clean(data, stop ? (size_t)(stop - data) + 4 : len))
		return 400;
	if (!stop)
		return len >= REQUEST_MAX ? 431 : 0;
	stop += 2; /* the CRLF of the last line */
	if (!next_line(&at, stop, &line))
		return 400;
	status = parse_first(&line, ret, &needs_host);
	while (status == 200 && at < stop && next_line(&at, stop, &line))
		status = parse_header(&line, &hosts);
	if (status == 200 && (hosts > 1 || (needs_host && !hosts)))
		status = 400;
	return status;
}
