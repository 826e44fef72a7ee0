/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/shm_segment.h"

#include <fcntl.h>
#include <rdma/fabric.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/fabric.h"

#define MAPPED_BYTES 4096u

struct shm_segment *shm_segment_map(const char *file)
{
	struct shm_segment *segment = MAP_FAILED;
	char path[PORT_ADDRESS_MAX + 16];
	struct stat st;
	int fd;

	if (fi_version() >= FI_VERSION(1, 18) || strchr(file, '/'))
		return NULL;
	snprintf(path, sizeof(path), "/dev/shm/%s", file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)MAPPED_BYTES)
		segment = mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (segment == MAP_FAILED)
		return NULL;
	if (segment->pid != atoi(file) || segment->size != (uint64_t)st.st_size) {
		shm_segment_unmap(segment);
		return NULL;
	}
	return segment;
}

void shm_segment_unmap(struct shm_segment *segment)
{
	munmap(segment, MAPPED_BYTES);
}
