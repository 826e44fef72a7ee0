/* SPDX-License-Identifier: Apache-2.0 */
#include "weft/find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_BYTES 32

bool find_name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* len bytes of dir, then sub, then weft-NAME. */
static int try_dir(const char *dir, size_t len, const char *sub, const char *name, char *buf,
		   size_t room)
{
	int n = snprintf(buf, room, "%.*s%s/weft-%s", (int)len, dir, sub, name);

	if (n < 0 || (size_t)n >= room)
		return -ENAMETOOLONG;
	return is_program(buf) ? 0 : -ENOENT;
}

static int try_path(const char *path, const char *name, char *buf, size_t room)
{
	size_t len;

	for (; path; path = path[len] ? path + len + 1 : NULL) {
		len = strcspn(path, ":");
		/* An empty entry would mean the working directory: not for a dispatcher. */
		if (len > 0 && try_dir(path, len, "", name, buf, room) == 0)
			return 0;
	}
	return -ENOENT;
}

int find_command(const char *dir, const char *search_path, const char *name, char *buf, size_t room)
{
	char sibling[NAME_MAX_BYTES + 8];
	size_t len = strlen(dir);
	int rc;

	if (!find_name_is_good(name))
		return -ENOENT;
	snprintf(sibling, sizeof(sibling), "/../%s", name);
	rc = try_dir(dir, len, "", name, buf, room);
	if (rc == -ENOENT)
		rc = try_dir(dir, len, "/../libexec/weft", name, buf, room);
	if (rc == -ENOENT)
		rc = try_dir(dir, len, sibling, name, buf, room);
	if (rc == -ENOENT)
		rc = try_path(search_path, name, buf, room);
	return rc;
}
