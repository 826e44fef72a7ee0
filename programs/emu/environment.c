/* SPDX-License-Identifier: Apache-2.0 */
/* What a command finds in its environment, and where the command and the stand-in libraries are. */
#include "emu/launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/sysfs.h"

#define LIBRARY      "libibverbs.so.1"
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* From the executable's folder: in the build tree, then installed. EMU_LIBDIR comes from
 * meson.build. */
static const char *const folders[] = { "../../emu/lib", EMU_LIBDIR_BESIDE, EMU_LIBDIR };

int library_folder(char folder[PATH_MAX], char *why, size_t size)
{
	char exe[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	size_t i;

	exe[n < 0 ? 0 : n] = '\0';
	if (strrchr(exe, '/'))
		*strrchr(exe, '/') = '\0';
	for (i = 0; i < EMU_COUNT(folders); i++) {
		if (folders[i][0] == '/')
			snprintf(path, sizeof(path), "%s/" LIBRARY, folders[i]);
		else
			snprintf(path, sizeof(path), "%s/%s/" LIBRARY, exe, folders[i]);
		if (access(path, R_OK))
			continue;
		*strrchr(path, '/') = '\0';
		if (realpath(path, folder))
			return 0;
	}
	snprintf(why, size,
		 "the emulator's " LIBRARY " is neither beside %s nor in " EMU_LIBDIR
		 ": install the whole of weft emu",
		 n < 0 ? "this program" : exe);
	return -ENOENT;
}

static int check_file(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == EACCES ? RUN_NO_EXEC : RUN_NOT_FOUND;
	if (S_ISDIR(st.st_mode) || access(path, X_OK))
		return RUN_NO_EXEC;
	return 0;
}

int find_program(const char *name)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];
	int rc, best = RUN_NOT_FOUND;
	size_t len;

	if (!*name)
		return RUN_NOT_FOUND;
	if (strchr(name, '/'))
		return check_file(name);
	for (path = path ? path : PATH_DEFAULT;; path += len + 1) {
		len = strcspn(path, ":");
		rc = emu_format(file, sizeof(file), "%.*s%s%s", (int)len, path, len ? "/" : "",
				name)
			     ? RUN_NOT_FOUND
			     : check_file(file);
		if (!rc)
			return 0;
		if (rc == RUN_NO_EXEC)
			best = rc;
		if (!path[len])
			return best;
	}
}

/* Puts path before the variable's value, or behind it, unless it stands there already. */
static int put_path(const char *name, const char *path, bool first)
{
	const char *old = getenv(name);
	size_t len = strlen(path), old_len = old ? strlen(old) : 0;
	char *text;
	int rc;

	if (!old_len)
		return setenv(name, path, 1) ? -errno : 0;
	if (first && !strncmp(old, path, len) && (!old[len] || old[len] == ':'))
		return 0;
	if (!first && old_len >= len && !strcmp(old + old_len - len, path))
		return 0;
	if (asprintf(&text, "%s:%s", first ? path : old, first ? old : path) < 0)
		return -ENOMEM;
	rc = setenv(name, text, 1) ? -errno : 0;
	free(text);
	return rc;
}

static int put_number(const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return setenv(name, text, 1) ? -errno : 0;
}

int environment_set(const struct place *place)
{
	char path[PATH_MAX];
	int rc;

	rc = emu_sysfs_path(place->world, place->host, path, sizeof(path));
	if (!rc)
		rc = setenv("SYSFS_PATH", path, 1) ? -errno : 0;
	if (!rc)
		rc = setenv("WEFT_EMU_WORLD", place->world, 1) ? -errno : 0;
	if (!rc)
		rc = put_number("WEFT_EMU_HOST", place->host);
	if (!rc && place->hosts)
		rc = put_number("WEFT_EMU_HOSTS", place->hosts);
	if (!rc && place->trace[0])
		rc = setenv("WEFT_EMU_TRACE", place->trace, 1) ? -errno : 0;
	if (!rc)
		rc = put_path("LD_LIBRARY_PATH", place->folder, true);
	if (!rc)
		rc = emu_format(path, sizeof(path), "%s/" LIBRARY, place->folder);
	/* Behind others: some, as a sanitizer's, insist on being the first. */
	if (!rc && place->preload)
		rc = put_path("LD_PRELOAD", path, false);
	return rc;
}
