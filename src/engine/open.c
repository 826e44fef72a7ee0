/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an engine: which providers, which devices, how many rails. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/fork.h"
#include "engine/gpu.h"
#include "engine/near.h"
#include "engine/open.h"
#include "engine/plan.h"
#include "transport/loop_script.h"

#define DEVICES_MAX 64

struct plan_open {
	struct weft *weft;
	const struct weft_opts *opts;
	bool automatic;
	uint32_t asked_rails;
	int matched;       /* devices that the filter let through */
	bool has_nic;      /* a provider that reaches other hosts is open */
	char refused[400]; /* what "auto" left out for device_rdma; "": nothing */
	struct near near;
};

static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list;

	while (at && *at) {
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return false;
}

/* "tcp (eth0, lo), shm (shm)": what could be opened. */
static void available(char *text, size_t len)
{
	struct port_device devices[DEVICES_MAX];
	const struct provider *p;
	size_t used = 0;
	int n, i;

	text[0] = '\0';
	for (p = providers; p->name && used < len; p++) {
		n = p->transport->list(p, NULL, devices, DEVICES_MAX);
		for (i = 0; i < n && used < len; i++)
			used += (size_t)snprintf(text + used, len - used, "%s%s%s%s",
						 i      ? ", "
						 : used ? "), "
							: "",
						 i ? "" : p->name, i ? "" : " (",
						 devices[i].device);
	}
	if (used && used < len)
		snprintf(text + used, len - used, ")");
}

static int absent(int rc, const char *what)
{
	char cause[ERR_DETAIL_MAX], there[ERR_DETAIL_MAX / 2];

	snprintf(cause, sizeof(cause), "%.200s", weft_error_detail());
	available(there, sizeof(there));
	return err_set(rc, "%s: %s; available: %s", what, cause, there);
}

static bool by_software(uint32_t by)
{
	return by == WEFT_RDMA_UNKNOWN || by == WEFT_RDMA_SOFTWARE;
}

static const char *doer(uint32_t by)
{
	static const char *const texts[] = {
		[WEFT_RDMA_UNKNOWN] = "by what it does not tell",
		[WEFT_RDMA_DEVICE] = "by the device",
		[WEFT_RDMA_MEMORY] = "in this host's memory",
		[WEFT_RDMA_SOFTWARE] = "by the target's software",
	};

	return texts[by];
}

/* Whether a rail is such as weft_opts.device_rdma asks for. */
static int check_rdma(const struct plan_open *plan, const struct rail *rail)
{
	const struct port_limits *limits = &rail->limits;

	if (!plan->opts->device_rdma ||
	    (!by_software(limits->write_by) && !by_software(limits->read_by)))
		return 0;
	return err_set(-WEFT_ESOFTWARE, "%s on %s: with libfabric %s WRITE is done %s, READ %s",
		       rail->provider->name, limits->device, weft_libfabric_version(),
		       doer(limits->write_by), doer(limits->read_by));
}

static int open_rail(struct plan_open *plan, const struct provider *p, const char *device)
{
	struct weft *weft = plan->weft;
	struct rail *rail = &weft->rails[weft->rail_count];
	struct port_opts opts = {
		.provider = p,
		.device = device,
		.bind_addr = plan->opts->bind_addr,
		.receive_buffers = plan->opts->receive_buffers ? plan->opts->receive_buffers : 256,
		.gpus = gpu_wanted(weft),
		.log = weft->log,
		.log_ctx = weft->ctx,
		.log_level = weft->log_level,
	};
	int rc;

	if (weft->rail_count == ENGINE_RAILS_MAX)
		return err_set(-WEFT_ELIMIT, "%u rails in all", ENGINE_RAILS_MAX);
	memset(rail, 0, sizeof(*rail));
	list_init(&rail->spent);
	rc = p->transport->open(&rail->port, &opts);
	if (rc)
		return rc;
	rail->weft = weft;
	rail->provider = p;
	rail->ops = p->transport;
	rail->close_apart = p->close_waits;
	rail->index = weft->rail_count;
	rail->addr_len = sizeof(rail->addr);
	rail->ops->limits(rail->port, &rail->limits);
	rc = rail->ops->address(rail->port, rail->addr, &rail->addr_len);
	if (!rc)
		rc = check_rdma(plan, rail);
	if (rc) {
		rail->ops->close(rail->port);
		return rc;
	}
	rail->depth = rail->limits.depth;
	if (plan->opts->queue_depth && plan->opts->queue_depth < rail->depth)
		rail->depth = plan->opts->queue_depth;
	near_rail(&plan->near, rail);
	weft->rail_count++;
	return 0;
}

static void close_rails_from(struct weft *weft, uint32_t first)
{
	while (weft->rail_count > first) {
		weft->rail_count--;
		weft->rails[weft->rail_count].ops->close(weft->rails[weft->rail_count].port);
	}
}

static void add_way(struct plan_open *plan, const struct provider *p, uint32_t first)
{
	struct weft *weft = plan->weft;
	struct way *way = &weft->ways[weft->way_count++];
	uint64_t max = UINT64_MAX;
	uint32_t i;

	*way = (struct way){ .provider = p, .first = first, .count = weft->rail_count - first };
	for (i = 0; i < way->count; i++)
		if (way_rail(weft, way, i)->limits.max_message < max)
			max = way_rail(weft, way, i)->limits.max_message;
	way->whole = plan_whole(way->count, max);
	plan->has_nic |= !p->host_local;
}

/* Opens a way's rails over the devices that fit. */
static int open_rails(struct plan_open *plan, const struct provider *p, struct port_device *devices,
		      int count)
{
	struct weft *weft = plan->weft;
	uint32_t first = weft->rail_count, want = plan->asked_rails, i;
	int rc = 0;

	if (p->host_local && plan->automatic)
		want = 1;
	if (want > (uint32_t)count && !p->shares_device)
		return err_set(-WEFT_ENODEVICE, "%s: %u rails asked, %d devices%s", p->name, want,
			       count, plan->opts->nics == WEFT_NICS_NEAR ? " (nics: near)" : "");
	for (i = 0; i < want && rc == 0; i++)
		rc = open_rail(plan, p,
			       p->process_local ? loop_script_of(plan->opts->devices, i)
						: devices[i % (uint32_t)count].device);
	if (rc) {
		close_rails_from(weft, first);
		return rc;
	}
	add_way(plan, p, first);
	return 0;
}

static int filter_devices(const struct plan_open *plan, const struct provider *p,
			  struct port_device *devices, int count)
{
	int kept = 0, i;

	if (!plan->opts->devices || p->process_local || (p->host_local && plan->automatic))
		return count;
	for (i = 0; i < count; i++)
		if (listed(plan->opts->devices, devices[i].device))
			devices[kept++] = devices[i];
	return kept;
}

static int open_way(struct plan_open *plan, const struct provider *p)
{
	struct port_device *devices;
	int count, rc;

	devices = mem_array(DEVICES_MAX, sizeof(*devices));
	if (!devices)
		return err_set(-ENOMEM, "out of memory");
	count = p->transport->list(p, plan->opts->bind_addr, devices, DEVICES_MAX);
	rc = count < 0 ? count : 0;
	if (rc == 0) {
		count = filter_devices(plan, p, devices, count);
		if (!p->host_local)
			plan->matched += count;
		if (count && !p->host_local)
			count = near_filter(&plan->near, plan->weft, p, devices, count);
		rc = count ? open_rails(plan, p, devices, count)
			   : err_set(-WEFT_ENODEVICE, "%s has no device of '%s'", p->name,
				     plan->opts->devices);
	}
	mem_free(devices);
	return rc;
}

static bool is_fatal(int rc)
{
	return rc == -ENOMEM || rc == -WEFT_EENVIRONMENT || rc == -EINVAL;
}

/* A provider that "auto" goes without: why is told to whom it may concern. */
static void left_out(struct plan_open *plan, const struct provider *p, int rc)
{
	size_t used = strlen(plan->refused);

	engine_log(plan->weft, rc == -WEFT_ESOFTWARE ? WEFT_LOG_WARN : WEFT_LOG_DEBUG, "%s: %s",
		   p->name, weft_error_detail());
	if (rc == -WEFT_ESOFTWARE)
		snprintf(plan->refused + used, sizeof(plan->refused) - used, "%s%s",
			 used ? "; " : "", weft_error_detail());
}

static int open_auto(struct plan_open *plan)
{
	const struct provider *p;
	int rc;

	for (p = providers; p->name; p++) {
		if (!p->in_auto)
			continue;
		if (p->process_local && plan->opts->devices)
			rc = -WEFT_ENODEVICE; /* the filter is not a script */
		else
			rc = open_way(plan, p);
		if (rc && is_fatal(rc))
			return rc;
		if (rc)
			left_out(plan, p, rc);
	}
	if (plan->refused[0] && !plan->has_nic)
		return err_set(-WEFT_ESOFTWARE, "no device serves WRITE and READ: %s",
			       plan->refused);
	if (plan->opts->devices && plan->matched == 0) {
		err_set(-WEFT_ENODEVICE, "no provider has it");
		return absent(-WEFT_ENODEVICE, plan->opts->devices);
	}
	if (plan->weft->way_count == 0)
		return absent(-WEFT_ENOPROVIDER, "auto");
	return 0;
}

static int open_named(struct plan_open *plan, const char *name, size_t len)
{
	const struct provider *p;
	char text[32];
	int rc;

	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	p = len < sizeof(text) ? provider_find(text) : NULL;
	if (!p) {
		err_set(-WEFT_ENOPROVIDER, "weft has no provider of this name");
		return absent(-WEFT_ENOPROVIDER, text);
	}
	rc = open_way(plan, p);
	if (rc == -WEFT_ENOPROVIDER || rc == -WEFT_ENODEVICE)
		return absent(rc, text);
	return rc;
}

/* "auto", or names by comma. */
static int open_list(struct plan_open *plan, const char *at)
{
	const char *end;
	int rc = 0;

	plan->automatic = strcmp(at, "auto") == 0;
	if (plan->automatic)
		return open_auto(plan);
	for (; *at && rc == 0; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		rc = open_named(plan, at, (size_t)(end - at));
	}
	return rc;
}

int open_ways(struct weft *weft, const struct weft_opts *opts)
{
	struct plan_open plan = { .weft = weft,
				  .opts = opts,
				  .asked_rails = opts->rails ? opts->rails : 1 };
	int rc = near_begin(&plan.near, opts);

	if (rc)
		return rc;
	rc = open_list(&plan, opts->provider ? opts->provider : "auto");
	if (rc == 0)
		near_choose_cpus(&plan.near, weft);
	near_end(&plan.near);
	return rc;
}

static void fill_info(struct weft_provider_info *info, const struct provider *p,
		      const struct port_device *device)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	snprintf(info->provider, sizeof(info->provider), "%s", p->name);
	memcpy(info->libfabric, device->libfabric, sizeof(info->libfabric));
	memcpy(info->fabric, device->fabric, sizeof(info->fabric));
	memcpy(info->device, device->device, sizeof(info->device));
	memcpy(info->address, device->address, sizeof(info->address));
	info->speed_mbps = device->speed_mbps;
}

int weft_providers(struct weft_provider_info *infos, int max)
{
	struct port_device *devices = mem_array(DEVICES_MAX, sizeof(*devices));
	const struct provider *p;
	int total = 0, n, i;
	CANCEL_HELD;

	if (fork_refuses()) {
		mem_free(devices);
		return fork_refused();
	}
	if (!devices)
		return err_set(-ENOMEM, "out of memory");
	for (p = providers; p->name; p++) {
		n = p->transport->list(p, NULL, devices, DEVICES_MAX);
		for (i = 0; i < n; i++, total++)
			if (total < max)
				fill_info(&infos[total], p, &devices[i]);
	}
	mem_free(devices);
	return total;
}
