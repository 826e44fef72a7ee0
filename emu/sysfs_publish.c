/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/sysfs_file.h"
#include "emu/util.h"

enum scope {
	PORT,
	DEVICE,
};

enum since {
	BASIC,
	NETWORK,
};

static const struct {
	const char *name;
	enum scope scope;
	enum since since;
} rows[EMU_COUNTERS] = {
#define EMU_COUNTER(id, scope, since, source) [EMU_COUNT_##id] = { #id, scope, since },
#include "emu/counter.def"
#undef EMU_COUNTER
};

bool emu_sysfs_counter_path(const struct emu_model *model, int counter, char *path, size_t size)
{
	if (rows[counter].since == NETWORK && !model->network_counters)
		return false;
	return !emu_format(path, size, "%shw_counters/%s",
			   rows[counter].scope == PORT ? "ports/1/" : "", rows[counter].name);
}

/*
 * In place, so that a reader that keeps the file open sees it (perftest does), and with no moment
 * in which it is empty. A text that gets shorter (port state) is cut after it is written.
 */
static bool text_write(int dir, const char *path, const char *text, bool shorter)
{
	size_t length = strlen(text);
	int fd = openat(dir, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = pwrite(fd, text, length, 0) == (ssize_t)length;
	if (done && shorter)
		done = !ftruncate(fd, (off_t)length);
	close(fd);
	return done;
}

static void counter_publish(int dir, const struct emu_model *model, struct emu_nic_shared *nic,
			    int counter)
{
	uint64_t next = atomic_load_explicit(&nic->counters[counter], memory_order_relaxed), value;
	char path[96], text[32];

	if (next == atomic_load_explicit(&nic->shown[counter], memory_order_relaxed) ||
	    !emu_sysfs_counter_path(model, counter, path, sizeof(path)))
		return;
	/* Two processes may write in either order; whoever wrote an older value sees that here,
	 * after it wrote. So the file ends up with what is counted. */
	do {
		value = next;
		snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
		if (!text_write(dir, path, text, false))
			return;
		atomic_store(&nic->shown[counter], value);
		next = atomic_load(&nic->counters[counter]);
	} while (next != value);
}

static void state_publish(int dir, struct emu_nic_shared *nic, uint32_t down)
{
	if (down == atomic_load(&nic->shown_down))
		return;
	if (text_write(dir, "ports/1/state", down ? EMU_SYSFS_STATE_DOWN : EMU_SYSFS_STATE_UP,
		       true) &&
	    text_write(dir, "ports/1/phys_state", down ? EMU_SYSFS_PHYS_DOWN : EMU_SYSFS_PHYS_UP,
		       true))
		atomic_store(&nic->shown_down, down);
}

static bool changed(struct emu_nic_shared *nic, uint32_t down)
{
	if (down != atomic_load_explicit(&nic->shown_down, memory_order_relaxed))
		return true;
	for (int i = 0; i < EMU_COUNTERS; i++) {
		if (atomic_load_explicit(&nic->counters[i], memory_order_relaxed) !=
		    atomic_load_explicit(&nic->shown[i], memory_order_relaxed))
			return true;
	}
	return false;
}

void emu_sysfs_publish(const char *dir, struct emu_world_shared *world, uint32_t host,
		       uint32_t index)
{
	struct emu_host_shared *shared = &world->host[host];
	struct emu_nic_shared *nic = &shared->nic[index];
	char path[400];
	uint32_t down;
	int fd;

	if (host >= EMU_HOSTS || index >= shared->nics)
		return;
	down = emu_fault_nic_down(world, host, index, emu_now());
	if (!changed(nic, down) ||
	    emu_format(path, sizeof(path), "%s/host%" PRIu32 "/sys/class/infiniband/%s", dir, host,
		       nic->name))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (int i = 0; i < EMU_COUNTERS; i++)
		counter_publish(fd, &shared->model, nic, i);
	state_publish(fd, nic, down);
	close(fd);
}
