/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/session.h"

int perf_host_address(const char *text, char ret[PERF_HOST_MAX])
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	bool has_port =
		colon && (!bracket || colon > bracket) && (bracket || strchr(text, ':') == colon);
	bool bare_v6 = !bracket && colon && strchr(text, ':') != colon;
	struct address address;
	int n;

	if (has_port)
		n = snprintf(ret, PERF_HOST_MAX, "%s", text);
	else
		n = snprintf(ret, PERF_HOST_MAX, bare_v6 ? "[%s]:%d" : "%s:%d", text, PERF_PORT);
	if (n >= PERF_HOST_MAX)
		return err_set(-EINVAL, "'%.40s...' is too long for a host", text);
	return address_parse(&address, ret);
}

static int add_one(struct perf_hosts *hosts, const char *text)
{
	char address[PERF_HOST_MAX];
	int rc = perf_host_address(text, address);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < hosts->n; i++)
		if (!strcmp(hosts->address[i], address))
			return err_set(-EINVAL, "host %s is named twice", address);
	if (hosts->n == PERF_HOSTS_MAX)
		return err_set(-ENOSPC, "more than %d hosts", PERF_HOSTS_MAX);
	strcpy(hosts->address[hosts->n++], address);
	return 0;
}

static int add_text(struct perf_hosts *hosts, char *text, void (*junk)(const char *item, int error))
{
	char *rest = text, *line, *item;
	int rc = 0;

	while (!rc && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "#")] = '\0';
		while (!rc && (item = strsep(&line, ", \t\r"))) {
			if (!*item)
				continue;
			rc = add_one(hosts, item);
			if (rc == -EINVAL && junk) {
				junk(item, rc);
				rc = 0;
			}
		}
	}
	return rc;
}

static int add_file(struct perf_hosts *hosts, FILE *file, const char *path,
		    void (*junk)(const char *item, int error))
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n = getdelim(&text, &room, '\0', file);
	int rc = 0;

	if (n < 0 && ferror(file))
		rc = err_set(-errno, "%s: %s", path, strerror(errno));
	else if (n > 0)
		rc = add_text(hosts, text, junk);
	free(text);
	return rc;
}

int perf_hosts_add(struct perf_hosts *hosts, const char *text,
		   void (*junk)(const char *item, int error))
{
	FILE *file = strchr(text, ',') ? NULL : fopen(text, "r");
	char *copy;
	int rc;

	if (file) {
		rc = add_file(hosts, file, text, junk);
		fclose(file);
		return rc;
	}
	copy = strdup(text);
	if (!copy)
		return err_set(-ENOMEM, "no memory for hosts");
	rc = add_text(hosts, copy, junk);
	free(copy);
	return rc;
}

uint32_t perf_rounds(uint32_t hosts)
{
	return hosts < 2 ? 0 : hosts - !(hosts & 1);
}

/* The circle: one seat is fixed, the others move on by one with each round; with an odd number of
 * hosts who sits opposite of the empty seat waits. */
uint32_t perf_round(uint32_t hosts, uint32_t round, uint32_t (*ret)[2])
{
	uint32_t seats = hosts + (hosts & 1), n = 0, a, b;

	for (uint32_t i = 0; i < seats / 2; i++) {
		a = i ? (round + i) % (seats - 1) : seats - 1;
		b = (round + seats - 1 - i) % (seats - 1);
		if (a >= hosts || b >= hosts)
			continue;
		/* Who asks changes, so that the work does. */
		ret[n][0] = round & 1 ? b : a;
		ret[n++][1] = round & 1 ? a : b;
	}
	return n;
}
