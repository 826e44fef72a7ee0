/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/hash.h"
#include "engine/engine.h"

/* One boot of one kernel, one /dev/shm, one set of process ids, one network namespace, one user:
 * with all equal two processes can share memory, watch and wake each other. */
uint64_t host_identity(void)
{
	struct {
		char boot[64];
		char pid_ns[64], net_ns[64];
		uint64_t device, inode, uid;
	} host;
	struct stat st;
	int fd;

	memset(&host, 0, sizeof(host));
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (read(fd, host.boot, sizeof(host.boot) - 1) < 0)
			host.boot[0] = '\0';
		close(fd);
	}
	if (readlink("/proc/self/ns/pid", host.pid_ns, sizeof(host.pid_ns) - 1) < 0)
		host.pid_ns[0] = '\0';
	if (readlink("/proc/self/ns/net", host.net_ns, sizeof(host.net_ns) - 1) < 0)
		host.net_ns[0] = '\0';
	if (stat("/dev/shm", &st) == 0) {
		host.device = st.st_dev;
		host.inode = st.st_ino;
	}
	host.uid = geteuid();
	return hash_content(&host, sizeof(host));
}

/* Address 0 is never mapped: a process that may copy gets EFAULT, another EPERM. */
bool host_may_copy(uint32_t pid)
{
	char byte;
	struct iovec local = { .iov_base = &byte, .iov_len = 1 };
	struct iovec remote = { .iov_base = NULL, .iov_len = 1 };

	return process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0) < 0 && errno == EFAULT;
}
