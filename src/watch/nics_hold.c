/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/nics_hold.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRS      HOST_COUNTER_DIRS
#define SPARE_FDS 64 /* for connections, and files that are read in the ordinary way */

void nics_more_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The first of the directories that has a plain file of this name. -1: none. */
static int open_counter(const int dirs[DIRS], const char *name)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW;
	struct stat st;
	int fd = -1;

	for (size_t i = 0; i < DIRS && fd < 0; i++)
		if (dirs[i] >= 0)
			fd = openat(dirs[i], name, flags);
	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int hold_below(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)limit.rlim_cur - SPARE_FDS;
}

void nic_hold(struct nic_held *held, const struct sysroot *root, const struct nic_state *nic)
{
	int dirs[DIRS], below = hold_below();

	if (held->count || nic->error || nic->unread)
		return;
	for (size_t i = 0; i < DIRS; i++)
		dirs[i] = sysroot_fd(root, O_PATH | O_DIRECTORY, "/sys/class/infiniband/%s/%s",
				     nic->nic.name, host_counter_dirs[i]);
	for (uint32_t i = 0; i < nic->count; i++) {
		held->fds[i] = open_counter(dirs, nic->counters[i].name);
		if (held->fds[i] < 0 || held->fds[i] >= below) {
			held->count += held->fds[i] >= 0;
			nic_let_go(held);
			break;
		}
		held->count++;
	}
	for (size_t i = 0; i < DIRS; i++)
		if (dirs[i] >= 0)
			close(dirs[i]);
}

void nic_let_go(struct nic_held *held)
{
	while (held->count)
		close(held->fds[--held->count]);
}

/* One decimal number and a newline, as the kernel writes it. */
static bool read_number(int fd, uint64_t *ret)
{
	char text[32], *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0 || text[0] < '0' || text[0] > '9')
		return false;
	text[n] = '\0';
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && end[0] == '\n' && !end[1];
}

bool nic_read_held(const struct nic_held *held, const struct nic_state *before,
		   struct nic_state *now)
{
	if (!held->count || held->count != before->count)
		return false;
	now->error = 0;
	now->unread = 0;
	now->count = before->count;
	for (uint32_t i = 0; i < now->count; i++) {
		memcpy(now->counters[i].name, before->counters[i].name,
		       sizeof(now->counters[i].name));
		if (!read_number(held->fds[i], &now->counters[i].value))
			return false;
	}
	return true;
}
