/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/container.h"

#include <stdio.h>
#include <string.h>

/* PATH has a file, TEXT a file with that in it, ENV a variable. */
enum how {
	PATH,
	TEXT,
	ENV
};

/* Kubernetes first: its pods look like other containers too. A node's kubelet has none of these. */
static const struct sign {
	enum container kind;
	enum how how;
	const char *where, *text;
} signs[] = {
	{ CONTAINER_POD, PATH, "/run/secrets/kubernetes.io/serviceaccount", NULL },
	{ CONTAINER_POD, PATH, "/var/run/secrets/kubernetes.io/serviceaccount", NULL },
	{ CONTAINER_POD, ENV, "KUBERNETES_SERVICE_HOST", NULL },
	{ CONTAINER_POD, TEXT, "/proc/self/cgroup", "kubepods" },
	{ CONTAINER_PLAIN, PATH, "/.dockerenv", NULL },
	{ CONTAINER_PLAIN, PATH, "/run/.containerenv", NULL },
	{ CONTAINER_PLAIN, ENV, "container", NULL },
	{ CONTAINER_PLAIN, TEXT, "/proc/self/cgroup", "docker" },
	{ CONTAINER_PLAIN, TEXT, "/proc/self/cgroup", "libpod" },
	{ CONTAINER_PLAIN, TEXT, "/proc/self/cgroup", "containerd" },
};

static bool seen(const struct doctor *doctor, const struct sign *sign, char *evidence, size_t room)
{
	const char *value;
	char text[8192];

	switch (sign->how) {
	case PATH:
		snprintf(evidence, room, "%s: there", sign->where);
		return !sysroot_exists(&doctor->root, "%s", sign->where);
	case TEXT:
		snprintf(evidence, room, "%s: %s", sign->where, sign->text);
		return sysroot_read(&doctor->root, text, sizeof(text), "%s", sign->where) >= 0 &&
		       strstr(text, sign->text);
	case ENV:
		value = doctor_getenv(doctor, sign->where);
		snprintf(evidence, room, "%s=%s", sign->where, value ? value : "");
		return value && *value;
	}
	return false;
}

enum container container_kind(const struct doctor *doctor, struct finding *f)
{
	char evidence[256];

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		if (!seen(doctor, &signs[i], evidence, sizeof(evidence)))
			continue;
		if (f)
			finding_evidence(f, "%s", evidence);
		return signs[i].kind;
	}
	return CONTAINER_NONE;
}
