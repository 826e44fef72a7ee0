/* SPDX-License-Identifier: Apache-2.0 */
/* D6: which copy of the libraries a program gets. */
#include <stdio.h>
#include <string.h>

#include "doctor/efa.h"
#include "doctor/machine.h"

#define DIRS_MAX 64 /* of LD_LIBRARY_PATH that are looked at */
#define AWS      "/opt/amazon/efa/"

enum lib {
	LIBFABRIC,
	LIBIBVERBS,
	LIBEFA,
	LIBS,
};

static const char *const names[LIBS] = {
	[LIBFABRIC] = "libfabric.so.1",
	[LIBIBVERBS] = "libibverbs.so.1",
	[LIBEFA] = "libefa.so.1",
};

struct found {
	char dir[LIBS][SYSROOT_PATH_MAX / 4]; /* the first directory that has it; "" */
	bool aws;                             /* AWS' libfabric is that one, by links or not */
};

static void look_in(const struct doctor *doctor, struct found *found, const char *dir, size_t len)
{
	char path[SYSROOT_PATH_MAX], real[SYSROOT_PATH_MAX];

	if (!len || *dir != '/' || len >= sizeof(found->dir[0]))
		return;
	for (int i = 0; i < LIBS; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, names[i]);
		if (*found->dir[i] || sysroot_exists(&doctor->root, "%s", path))
			continue;
		snprintf(found->dir[i], sizeof(found->dir[i]), "%.*s", (int)len, dir);
		if (i == LIBFABRIC && !sysroot_real(&doctor->root, real, sizeof(real), "%s", path))
			found->aws = !strncmp(real, AWS, strlen(AWS));
	}
}

static void look_along(const struct doctor *doctor, struct found *found, const char *dirs)
{
	size_t len, n = 0;

	for (const char *at = dirs; *at && n < DIRS_MAX; at += len, at += *at != '\0', n++) {
		len = strcspn(at, ":;");
		look_in(doctor, found, at, len);
	}
}

/* Where AWS' installer put libfabric; NULL: nowhere. */
static const char *aws_libfabric(const struct doctor *doctor)
{
	static const char *const dirs[] = { AWS "lib64", AWS "lib" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (!sysroot_exists(&doctor->root, "%s/%s", dirs[i], names[LIBFABRIC]))
			return dirs[i];
	return NULL;
}

static void note_probe(const struct doctor *doctor, struct finding *f)
{
	static const char *const keys[] = { "libfabric_path", "ibverbs_path" };
	char text[SYSROOT_PATH_MAX];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (doctor_probe(doctor, keys[i], text, sizeof(text)))
			finding_evidence(f, "weft-doctor-probe: %s=%s", keys[i], text);
}

static bool preloads(const char *list)
{
	return strstr(list, "libfabric") || strstr(list, "libibverbs") || strstr(list, "libefa");
}

void check_D6(const struct doctor *doctor, struct finding *f)
{
	const char *dirs = doctor_getenv(doctor, "LD_LIBRARY_PATH");
	const char *preload = doctor_getenv(doctor, "LD_PRELOAD"), *aws = aws_libfabric(doctor);
	struct found found = { .aws = false };

	note_probe(doctor, f);
	if (preload && preloads(preload)) {
		finding_evidence(f, "LD_PRELOAD=%.300s", preload);
		finding_say(f, DOCTOR_WARN,
			    "LD_PRELOAD puts a library of its own before the system's: %.200s",
			    preload);
		finding_fix(f, "unset LD_PRELOAD");
		return;
	}
	if (!dirs || !*dirs) {
		finding_say(f, DOCTOR_OK,
			    "LD_LIBRARY_PATH is not set: the system's libraries are used");
		return;
	}
	finding_evidence(f, "LD_LIBRARY_PATH=%.400s", dirs);
	look_along(doctor, &found, dirs);
	for (int i = 0; i < LIBS; i++)
		if (*found.dir[i])
			finding_evidence(f, "%s: in %s", names[i], found.dir[i]);
	if (*found.dir[LIBFABRIC] && !found.aws && aws)
		finding_say(f, DOCTOR_WARN, "LD_LIBRARY_PATH puts %s/%s before AWS' own in %s",
			    found.dir[LIBFABRIC], names[LIBFABRIC], aws);
	else if (strcmp(found.dir[LIBIBVERBS], found.dir[LIBEFA]) != 0)
		finding_say(f, DOCTOR_WARN,
			    "LD_LIBRARY_PATH gives %s from %s and %s from %s: they belong to one "
			    "release",
			    names[LIBIBVERBS],
			    *found.dir[LIBIBVERBS] ? found.dir[LIBIBVERBS] : "the system",
			    names[LIBEFA], *found.dir[LIBEFA] ? found.dir[LIBEFA] : "the system");
	else if (*found.dir[LIBFABRIC] || *found.dir[LIBIBVERBS])
		finding_say(f, DOCTOR_OK,
			    "LD_LIBRARY_PATH gives %s from %s, and nothing better is there",
			    names[*found.dir[LIBFABRIC] ? LIBFABRIC : LIBIBVERBS],
			    found.dir[*found.dir[LIBFABRIC] ? LIBFABRIC : LIBIBVERBS]);
	else
		finding_say(
			f, DOCTOR_OK,
			"LD_LIBRARY_PATH has no libfabric or libibverbs: the system's are used");
}
