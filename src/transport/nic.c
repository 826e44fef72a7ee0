/* SPDX-License-Identifier: Apache-2.0 */
/* What sysfs knows of RDMA devices: the counters that they keep, and where they are. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/fabric.h"

bool nic_read_counter(int dir, const char *name, uint64_t *ret)
{
	char text[32], *end;
	ssize_t n;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || text[0] < '0' || text[0] > '9')
		return false;
	text[n] = '\0';
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && (*end == '\n' || end == text + n);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int only_files(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int nic_counters(const char *nic, void (*fn)(void *ctx, const char *name, uint64_t value),
		 void *ctx)
{
	struct dirent **entries;
	int dir, count, found = 0, i;
	char path[512];
	uint64_t value;

	if (!*nic || strchr(nic, '/'))
		return 0;
	snprintf(path, sizeof(path), "%s/class/infiniband/%s/ports/1/hw_counters", fabric_sysfs(),
		 nic);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0;
	count = scandirat(dir, ".", &entries, only_files, by_name);
	for (i = 0; i < count; i++) {
		/* "lifespan" says how long the kernel keeps the values. */
		if (strcmp(entries[i]->d_name, "lifespan") != 0 &&
		    nic_read_counter(dir, entries[i]->d_name, &value)) {
			fn(ctx, entries[i]->d_name, value);
			found++;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	close(dir);
	return found;
}

int nic_node(const char *nic)
{
	char path[512], *end;
	char text[32] = "";
	long node;
	ssize_t n;
	int fd;

	if (!*nic || strchr(nic, '/'))
		return -1;
	snprintf(path, sizeof(path), "%s/class/infiniband/%s/device/numa_node", fabric_sysfs(),
		 nic);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	node = strtol(text, &end, 10);
	return n > 0 && end != text && node >= 0 && node < INT_MAX ? (int)node : -1;
}
