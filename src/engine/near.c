/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/near.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"

int near_check(const struct weft_opts *opts)
{
	if (opts->nics > WEFT_NICS_NEAR)
		return err_set(-EINVAL, "nics is %u (enum weft_nics; names go into devices)",
			       opts->nics);
	if (opts->bind_thread > 1)
		return err_set(-EINVAL, "bind_thread is %u, want 0 or 1", opts->bind_thread);
	if (opts->bind_thread && opts->progress != WEFT_PROGRESS_THREAD)
		return err_set(-EINVAL, "bind_thread: in manual mode the engine has no thread");
	return 0;
}

int near_begin(struct near *near, const struct weft_opts *opts)
{
	int rc;

	memset(near, 0, sizeof(*near));
	near->nics = opts->nics == WEFT_NICS_NEAR;
	near->thread = opts->bind_thread;
	if (!near->nics && !near->thread)
		return 0;
	/* Fails on machines with more CPUs than the set holds: then nothing is known. */
	if (sched_getaffinity(0, sizeof(near->mask), &near->mask))
		CPU_ZERO(&near->mask);
	rc = topo_load(&near->topo, NULL);
	if (rc)
		return err_prefix(rc, "%s", near->nics ? "nics: near" : "bind_thread");
	if (CPU_COUNT(&near->mask))
		near->here = topo_here(near->topo, &near->mask, sched_getcpu());
	return 0;
}

void near_end(struct near *near)
{
	topo_free(near->topo);
	near->topo = NULL;
}

static uint64_t nodes_of(const struct near *near, const char *pci, const char *name)
{
	const struct topo_device *device = topo_find(near->topo, pci, name);

	return device ? device->nodes : 0;
}

int near_filter(const struct near *near, struct weft *weft, const struct provider *provider,
		struct port_device *devices, int count)
{
	bool known = false;
	int kept = 0, i;
	uint64_t nodes;

	if (!near->nics)
		return count;
	for (i = 0; i < count; i++) {
		nodes = nodes_of(near, devices[i].pci, devices[i].device);
		known |= nodes != 0;
		/* No device is lost while none was kept: then all stay as they are. */
		if (nodes & near->here)
			devices[kept++] = devices[i];
	}
	if (kept)
		return kept;
	engine_log(weft, WEFT_LOG_WARN, "nics: near: %s: %s; all %d are used", provider->name,
		   !near->here ? "the NUMA node of this thread is not known"
		   : known     ? "no device is in the NUMA node of this thread"
			       : "the NUMA node of no device is known",
		   count);
	return count;
}

void near_rail(struct near *near, struct rail *rail)
{
	uint64_t nodes = 0;

	rail->numa = -1;
	if (rail->provider->host_local)
		return;
	if (!near->topo) {
		rail->numa = nic_node(rail->limits.nic);
		return;
	}
	nodes = nodes_of(near, rail->limits.pci, rail->limits.device);
	rail->numa = topo_number(near->topo, nodes);
	near->rails |= nodes;
}

void near_choose_cpus(const struct near *near, struct weft *weft)
{
	if (!near->thread)
		return;
	weft->cpus = near->mask;
	weft->bound = near->rails && topo_narrow(near->topo, near->rails, &weft->cpus);
	if (!weft->bound)
		engine_log(weft, WEFT_LOG_WARN, "bind_thread: %s; the thread is not bound",
			   near->rails ? "no CPU that this thread may use is near the NICs"
				       : "the NUMA node of no NIC is known");
}

/* Where the page of an address is; -1: not known, or it is not there yet. */
static int memory_node(const void *base)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	void *address = (void *)((uintptr_t)base & ~(page - 1));
	int node = -1;

	/* Moves nothing: without a list of nodes it tells where the page is. */
	if (syscall(SYS_move_pages, 0, 1ul, &address, NULL, &node, 0))
		return -1;
	return node;
}

uint32_t near_rails(const struct weft *weft, const void *base)
{
	int node, first = -1;
	bool differ = false;
	uint32_t near = 0, i;

	for (i = 0; i < weft->rail_count; i++) {
		node = weft->rails[i].numa;
		differ |= first >= 0 && node >= 0 && node != first;
		first = first < 0 ? node : first;
	}
	if (!differ)
		return 0;
	node = memory_node(base);
	for (i = 0; node >= 0 && i < weft->rail_count; i++)
		if (weft->rails[i].numa == node)
			near |= 1u << i;
	return near;
}

int near_start(struct weft *weft)
{
	int rc = engine_thread_start(weft), err;

	if (rc || !weft->bound)
		return rc;
	err = pthread_setaffinity_np(weft->thread, sizeof(weft->cpus), &weft->cpus);
	if (err)
		engine_log(weft, WEFT_LOG_WARN, "bind_thread: %s; the thread is not bound",
			   strerror(err));
	return 0;
}
