/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "doctor/container.h"
#include "doctor/efa.h"

bool efa_in_container(const struct doctor *doctor)
{
	return container_kind(doctor, NULL) != CONTAINER_NONE;
}

/* The number that sysfs gives the device; false: not told. */
static bool device_number(const struct doctor *doctor, const char *uverbs, dev_t *ret)
{
	unsigned int major_part, minor_part;
	char text[64];

	if (sysroot_read(&doctor->root, text, sizeof(text), "/sys/class/infiniband_verbs/%s/dev",
			 uverbs) <= 0 ||
	    sscanf(text, "%9u:%9u", &major_part, &minor_part) != 2)
		return false;
	*ret = makedev(major_part, minor_part);
	return true;
}

static int judge_copy(const struct stat *st)
{
	bool all = (st->st_mode & 0222) && (st->st_mode & 0444);

	return all ? 0 : -EACCES;
}

static int judge_node(const struct doctor *doctor, const char *uverbs, const struct stat *st)
{
	dev_t number;

	if (!S_ISCHR(st->st_mode))
		return -ENXIO;
	return device_number(doctor, uverbs, &number) && number != st->st_rdev ? -ENXIO : 0;
}

int efa_try_node(const struct doctor *doctor, const char *uverbs)
{
	int flags = doctor->sysroot_given ? O_PATH : O_RDWR;
	int fd = sysroot_fd(&doctor->root, flags, "/dev/infiniband/%s", uverbs), rc = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		rc = -errno;
	else
		rc = doctor->sysroot_given ? judge_copy(&st) : judge_node(doctor, uverbs, &st);
	close(fd);
	return rc;
}
