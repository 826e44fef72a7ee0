/* SPDX-License-Identifier: Apache-2.0 */
/* F7: whether NCCL finds its plugin for libfabric. */
#include <stdio.h>
#include <string.h>

#include "doctor/gpu.h"

#define CONFS_MAX 256 /* files of /etc/ld.so.conf.d */

void check_F7(const struct doctor *doctor, struct finding *f);

struct search {
	const struct doctor *doctor;
	const char *own;  /* the file's name after NCCL_NET_PLUGIN; "" */
	char found[1024]; /* the first plugin found; "" */
};

static bool try_file(struct search *s, const char *dir, size_t len, const char *name)
{
	if (sysroot_exists(&s->doctor->root, "%.*s/%s", (int)len, dir, name))
		return false;
	snprintf(s->found, sizeof(s->found), "%.*s/%s", (int)len, dir, name);
	return true;
}

/* Looks into a directory; true: there it is. */
static bool look(struct search *s, const char *dir, size_t len)
{
	static const char *const names[] = { "libnccl-net.so", "libnccl-net-ofi.so",
					     "libnccl-net-aws-ofi.so" };

	if (*s->found || !len || *dir != '/' || len > 512)
		return *s->found;
	if (*s->own)
		return try_file(s, dir, len, s->own);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (try_file(s, dir, len, names[i]))
			return true;
	return false;
}

/* Directories separated by any of these characters. */
static bool look_each(struct search *s, const char *dirs, const char *between)
{
	size_t len;

	for (; *dirs; dirs += len + (dirs[len] != '\0')) {
		len = strcspn(dirs, between);
		if (look(s, dirs, len))
			return true;
	}
	return false;
}

static int look_conf(void *ctx, const char *name)
{
	struct search *s = ctx;
	char text[4096];

	if (sysroot_read(&s->doctor->root, text, sizeof(text), "/etc/ld.so.conf.d/%s", name) >= 0)
		look_each(s, text, "\n \t");
	return *s->found;
}

/* Where the dynamic linker looks. */
static bool on_the_path(struct search *s)
{
	const char *path = doctor_getenv(s->doctor, "LD_LIBRARY_PATH");

	if (path && look_each(s, path, ":;"))
		return true;
	sysroot_each(&s->doctor->root, CONFS_MAX, look_conf, s, "/etc/ld.so.conf.d");
	return look_each(s,
			 "/lib:/usr/lib:/lib64:/usr/lib64:/usr/local/lib:/usr/lib/x86_64-linux-gnu:"
			 "/usr/lib/aarch64-linux-gnu",
			 ":");
}

/* Where installers and images put it. */
static bool elsewhere(struct search *s)
{
	return look_each(s,
			 "/opt/amazon/ofi-nccl/lib:/opt/amazon/ofi-nccl/lib64:"
			 "/opt/amazon/ofi-nccl/lib/x86_64-linux-gnu:"
			 "/opt/amazon/ofi-nccl/lib/aarch64-linux-gnu:/opt/aws-ofi-nccl/lib:"
			 "/opt/amazon/aws-ofi-nccl/lib:/opt/aws-ofi-nccl/install/lib",
			 ":");
}

static bool by_its_path(const struct doctor *doctor, struct finding *f, const char *path)
{
	if (*path != '/')
		return false;
	if (sysroot_exists(&doctor->root, "%s", path)) {
		finding_say(f, DOCTOR_WARN, "NCCL_NET_PLUGIN names %s, which is not there", path);
		finding_fix(f, "unset NCCL_NET_PLUGIN");
	} else {
		finding_say(f, DOCTOR_OK, "NCCL uses the plugin %s (NCCL_NET_PLUGIN)", path);
	}
	return true;
}

void check_F7(const struct doctor *doctor, struct finding *f)
{
	const char *plugin = doctor_getenv(doctor, "NCCL_NET_PLUGIN");
	struct search s = { .doctor = doctor, .own = "" };
	char own[256];

	if (!gpu_nvidia(doctor, f))
		return;
	if (plugin && *plugin) {
		finding_evidence(f, "NCCL_NET_PLUGIN=%s", plugin);
		if (by_its_path(doctor, f, plugin))
			return;
		if (!strcmp(plugin, "none")) {
			finding_say(f, DOCTOR_WARN,
				    "NCCL_NET_PLUGIN=none switches NCCL's plugins off: "
				    "it cannot use EFA");
			finding_fix(f, "unset NCCL_NET_PLUGIN");
			return;
		}
		snprintf(own, sizeof(own), strstr(plugin, ".so") ? "%s" : "libnccl-net-%s.so",
			 plugin);
		s.own = own;
	}
	if (on_the_path(&s)) {
		finding_evidence(f, "%s: there", s.found);
		finding_say(f, DOCTOR_OK, "NCCL finds its plugin %s", s.found);
	} else if (elsewhere(&s)) {
		finding_evidence(f, "%s: there, but not searched", s.found);
		finding_say(f, DOCTOR_WARN,
			    "NCCL's plugin %s is not where the dynamic linker looks", s.found);
		finding_fix(f, "export LD_LIBRARY_PATH=%.*s:$LD_LIBRARY_PATH",
			    (int)(strrchr(s.found, '/') - s.found), s.found);
	} else {
		finding_evidence(f, "%s: nowhere", *s.own ? s.own : "libnccl-net*.so");
		finding_say(f, DOCTOR_WARN,
			    "NCCL has no plugin for libfabric here: it will use "
			    "sockets");
	}
}
