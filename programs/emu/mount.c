/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --mount: a mount namespace in which /sys shows the emulated devices beside all that it showed
 * before, and /dev/infiniband has their nodes. Only this process and what it starts see it, and
 * nothing of it stays.
 */
#include "emu/launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/sysfs.h"

/* Directories that show the emulated host's alone; all others keep the machine's own entries too.
 */
static bool keeps_entries(const char *path)
{
	static const char *const alone[] = { "/sys/class/infiniband", "/sys/class/infiniband_verbs",
					     "/sys/bus/pci/drivers/efa", "/sys/module/efa" };
	static const char root[] = "/sys/devices/pci";
	size_t i;

	for (i = 0; i < EMU_COUNT(alone); i++)
		if (!strcmp(path, alone[i]))
			return false;
	/* A device below a root of the PCI tree. */
	return strncmp(path, root, strlen(root)) != 0 || !strchr(path + strlen(root), '/');
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -errno : 0;
}

/* The user stays who he is. */
static int enter_user_namespace(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	char map[64];
	int rc;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	rc = write_file("/proc/self/uid_map", map);
	if (!rc)
		rc = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	if (!rc || rc == -ENOENT)
		rc = write_file("/proc/self/gid_map", map);
	return rc;
}

/* From here on mounts stay in this namespace. The root of a chroot may be no mount of its own; then
 * what is mounted on must be. */
static int keep_mounts_here(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (mount(NULL, "/sys", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(NULL, "/dev", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return 0;
}

static int enter_namespace(char *why, size_t size)
{
	int rc = unshare(CLONE_NEWNS) ? -errno : 0;

	if (rc == -EPERM)
		rc = enter_user_namespace();
	if (!rc) {
		rc = keep_mounts_here();
		if (rc == -EINVAL) {
			snprintf(why, size,
				 "the root directory, /sys and /dev must be mounts, as in a chroot "
				 "that has a sysfs and a /dev");
			return rc;
		}
	}
	if (rc)
		snprintf(why, size,
			 "no mount namespace can be had here (%s): run as root, give the container "
			 "CAP_SYS_ADMIN, or allow user namespaces (sysctl "
			 "user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)",
			 strerror(-rc));
	return rc;
}

/* A directory for the nodes that is this namespace's own. */
static int open_up_dev(char *why, size_t size)
{
	int rc;

	if (access("/dev/infiniband", F_OK) == 0) {
		if (mount("weft-emu", "/dev/infiniband", "tmpfs", MS_NOSUID | MS_NOEXEC,
			  "mode=0755") == 0)
			return 0;
		snprintf(why, size, "mounting a tmpfs on /dev/infiniband: %s", strerror(errno));
		return -errno;
	}
	rc = mount_open_up("/dev", NULL, NULL, why, size);
	if (!rc && mkdir("/dev/infiniband", 0755)) {
		snprintf(why, size, "making /dev/infiniband: %s", strerror(errno));
		rc = -errno;
	}
	return rc;
}

/* Nodes that can be opened and do nothing: the stand-in library opens none. */
static int add_nodes(const char *sysfs, char *why, size_t size)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	int rc = open_up_dev(why, size);
	DIR *dir;

	if (rc)
		return rc;
	if (emu_format(path, sizeof(path), "%s/class/infiniband_verbs", sysfs))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir) {
		snprintf(why, size, "reading %s: %s", path, strerror(errno));
		return -errno;
	}
	while (!rc && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "uverbs", strlen("uverbs")))
			continue;
		snprintf(path, sizeof(path), "/dev/infiniband/%s", entry->d_name);
		rc = mount_bind("/dev/null", path, why, size);
	}
	closedir(dir);
	return rc;
}

int mount_devices(const struct place *place, char *why, size_t size)
{
	char sysfs[PATH_MAX];
	int rc = emu_sysfs_path(place->world, place->host, sysfs, sizeof(sysfs));

	if (rc)
		snprintf(why, size, "the path of the world is too long");
	if (!rc)
		rc = enter_namespace(why, size);
	if (!rc)
		rc = mount_merge("/sys", sysfs, keeps_entries, why, size);
	if (!rc)
		rc = add_nodes(sysfs, why, size);
	return rc;
}
