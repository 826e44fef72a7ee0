/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/util.h"
#include "emu/why.h"
#include "emu/world_file.h"

/* How long others may take to make the host. */
#define WAIT_NS  (10 * EMU_S)
#define PAUSE_NS EMU_MS

/* A lock that ends with its holder, however that ends. */
static int host_lock(const struct emu_world *world, uint32_t host, int *ret)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t end = emu_now() + WAIT_NS;
	char path[300];
	int fd;

	emu_format(path, sizeof(path), "%s/host%u.lock", world->dir, host);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, EMU_FILE_MODE);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		int error = -errno;

		if (error == -EWOULDBLOCK && emu_now() < end) {
			nanosleep(&pause, NULL);
			continue;
		}
		close(fd);
		return error;
	}
	*ret = fd;
	return 0;
}

static void nic_fill(struct emu_world_shared *world, uint32_t host, uint32_t index,
		     const struct emu_host_options *options, uint32_t nics)
{
	struct emu_nic_shared *nic = &world->host[host].nic[index];
	uint32_t nodes = options->profile->numa_nodes, bus, device;

	memset(nic, 0, sizeof(*nic));
	emu_gid_make(world, host, index, nic->gid);
	emu_profile_pci(options->profile, index, &bus, &device);
	/* As udev names RDMA devices by their place (NAME_PCI of rdma-core). */
	snprintf(nic->name, sizeof(nic->name), "rdmap%us%u", bus, device);
	snprintf(nic->pci, sizeof(nic->pci), "0000:%02x:%02x.0", bus, device);
	nic->numa = nodes ? (int32_t)(index * nodes / nics) : -1;
	atomic_store(&nic->rate, options->rate);
}

static int host_fill(struct emu_world *world, uint32_t number,
		     const struct emu_host_options *options, char *why, size_t size)
{
	struct emu_host_shared *host = &world->shared->host[number];
	uint32_t nics = options->nics ? options->nics : options->profile->nics;
	int error;

	host->nics = nics;
	snprintf(host->profile, sizeof(host->profile), "%s", options->profile->name);
	memcpy(host->udp_address, options->udp_address, sizeof(host->udp_address));
	host->udp_port = options->udp_port;
	host->model = options->model;
	for (uint32_t i = 0; i < nics; i++)
		nic_fill(world->shared, number, i, options, nics);
	error = emu_sysfs_build(world->dir, world->shared, number, why, size);
	if (!error)
		atomic_store(&host->ready, 1);
	return error;
}

static int options_check(const struct emu_world *world, uint32_t host,
			 const struct emu_host_options *options, char *why, size_t size)
{
	if (host >= EMU_HOSTS)
		return emu_why(why, size, -ERANGE, "host %u: a world has hosts 0 to %u", host,
			       EMU_HOSTS - 1);
	if (options->nics > EMU_NICS)
		return emu_why(why, size, -ERANGE, "%u NICs: a host has 1 to %u", options->nics,
			       EMU_NICS);
	if (world->shared->carrier == EMU_CARRIER_UDP &&
	    (!options->udp_port || options->udp_port > UINT16_MAX - EMU_SLOTS))
		return emu_why(
			why, size, -ERANGE,
			"UDP port %u: host %u needs a port from 1 to %u, and the %u after it",
			options->udp_port, host, UINT16_MAX - EMU_SLOTS, EMU_SLOTS);
	return 0;
}

int emu_world_host(struct emu_world *world, uint32_t host, const struct emu_host_options *options,
		   char *why, size_t size)
{
	int fd, error = options_check(world, host, options, why, size);

	if (error || atomic_load(&world->shared->host[host].ready))
		return error;
	error = host_lock(world, host, &fd);
	if (error)
		return emu_why(why, size, error, "cannot lock %s/host%u.lock: %s%s", world->dir,
			       host, strerror(-error),
			       error == -EWOULDBLOCK ? "; another process has been making the host "
						       "for 10 s"
						     : "");
	if (!atomic_load(&world->shared->host[host].ready))
		error = host_fill(world, host, options, why, size);
	close(fd);
	return error;
}
