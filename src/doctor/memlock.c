/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/memlock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number or "unlimited"; behind it, or NULL. */
static const char *take(const char *at, uint64_t *ret)
{
	char *end;

	at += strspn(at, " \t");
	if (!strncmp(at, "unlimited", 9)) {
		*ret = MEMLOCK_UNLIMITED;
		return at + 9;
	}
	if (*at < '0' || *at > '9')
		return NULL;
	errno = 0;
	*ret = strtoull(at, &end, 10);
	return errno ? NULL : end;
}

int memlock_read(const struct doctor *doctor, const char *path, uint64_t *soft, uint64_t *hard)
{
	static const char line[] = "Max locked memory";
	char text[4096];
	const char *at;
	int rc = sysroot_read(&doctor->root, text, sizeof(text), "%s", path);

	if (rc < 0)
		return rc;
	at = strstr(text, line);
	at = at ? take(at + strlen(line), soft) : NULL;
	return at && take(at, hard) ? 0 : -EBADMSG;
}

const char *memlock_text(uint64_t bytes, char *ret, size_t room)
{
	if (bytes == MEMLOCK_UNLIMITED)
		snprintf(ret, room, "unlimited");
	else if (bytes >= 1ull << 30)
		snprintf(ret, room, "%.4g GiB", (double)bytes / (double)(1ull << 30));
	else
		snprintf(ret, room, "%" PRIu64 " KiB", bytes >> 10);
	return ret;
}
