/* SPDX-License-Identifier: Apache-2.0 */
/* All that an engine knows of itself, as lines of text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fork.h"
#include "engine/gpu.h"

#define LINE_MAX_BYTES 256

struct dump {
	weft_dump_fn fn;
	void *ctx;
	char prefix[64]; /* of the object that is being told, with its dot */
};

static void say(const struct dump *dump, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct dump *dump, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	size_t used = (size_t)snprintf(line, sizeof(line), "%s", dump->prefix);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, sizeof(line) - used, format, args);
	va_end(args);
	dump->fn(dump->ctx, line);
}

static void say_text(const struct dump *dump, const char *name, const char *value)
{
	say(dump, "%s %s", name, *value ? value : "-");
}

static void say_number(const struct dump *dump, const char *name, uint64_t value)
{
	say(dump, "%s %llu", name, (unsigned long long)value);
}

static void say_latency(const struct dump *dump, const char *name,
			const struct weft_latency *latency)
{
#define SAY_LATENCY(field, text) \
	say(dump, "%s." #field " %llu", name, (unsigned long long)latency->field);
	WEFT_LATENCY_MAP(SAY_LATENCY)
#undef SAY_LATENCY
}

static void say_engine(struct dump *dump, struct weft *weft)
{
	struct weft_stats stats = { .size = sizeof(stats) };

	snprintf(dump->prefix, sizeof(dump->prefix), "engine.");
	say_text(dump, "version", WEFT_VERSION);
	say_text(dump, "libfabric", weft_libfabric_version());
	weft_stats(weft, &stats);
#define SAY_COUNTER(name, text) say_number(dump, #name, stats.name);
	WEFT_COUNTER_MAP(SAY_COUNTER)
#undef SAY_COUNTER
}

static void say_errors(struct dump *dump, struct weft *weft)
{
	struct weft_error_count counts[ERROR_ROWS];
	int n, i;

	for (i = 0; i < ERROR_ROWS; i++)
		counts[i].size = sizeof(counts[i]);
	n = weft_errors(weft, counts, ERROR_ROWS);
	for (i = 0; i < n; i++) {
		snprintf(dump->prefix, sizeof(dump->prefix), "error.%s.",
			 counts[i].code ? weft_error_name(counts[i].code) : "OTHER");
		say_number(dump, "transfers", counts[i].transfers);
		say_number(dump, "operations", counts[i].operations);
		say_number(dump, "refused", counts[i].refused);
	}
}

static void say_latencies(struct dump *dump, struct weft *weft)
{
	struct weft_latency latency = { .size = sizeof(latency) };

	snprintf(dump->prefix, sizeof(dump->prefix), "latency.");
	weft_latency(weft, WEFT_WRITE, &latency);
	say_latency(dump, "write", &latency);
	weft_latency(weft, WEFT_READ, &latency);
	say_latency(dump, "read", &latency);
}

static void say_nic(void *ctx, const char *name, uint64_t value)
{
	say(ctx, "nic.%s %llu", name, (unsigned long long)value);
}

static void say_rail(struct dump *dump, struct weft *weft, uint32_t index)
{
	struct weft_latency latency = { .size = sizeof(latency) };
	struct weft_rail_info info = { .size = sizeof(info) };

	if (weft_rail(weft, index, &info) || weft_rail_latency(weft, index, &latency))
		return;
	snprintf(dump->prefix, sizeof(dump->prefix), "rail.%u.", index);
	say_text(dump, "provider", info.provider);
	say_text(dump, "libfabric", info.libfabric);
	say_text(dump, "fabric", info.fabric);
	say_text(dump, "device", info.device);
	say_text(dump, "address", info.address);
	say_text(dump, "write_by", rdma_name(info.write_by));
	say_text(dump, "read_by", rdma_name(info.read_by));
	say_number(dump, "posted", info.posted);
	say_number(dump, "done", info.done);
	say_number(dump, "errors", info.errors);
	say_number(dump, "bytes", info.bytes);
	say_number(dump, "in_flight", info.in_flight);
	say_number(dump, "max_message", info.max_message);
	say_number(dump, "max_fetched", info.max_fetched);
	say_number(dump, "min_fetched", info.min_fetched);
	say_number(dump, "depth", info.depth);
	say_number(dump, "inject", info.inject);
	say_number(dump, "addresses", info.addresses);
	say_text(dump, "reason", info.reason ? weft_error_name(info.reason) : "");
	say_text(dump, "why", info.why);
	say_latency(dump, "latency", &latency);
	nic_counters(weft->rails[index].limits.nic, say_nic, dump);
}

/* The peer with the lowest slot that is not below next, as it is now. */
struct peer_state_now {
	uint64_t next;
	bool found, told; /* told: next is beyond one that was there */
	struct weft_peer_info info;
	struct weft_peer_stats stats;
	struct smallhist latency[OP_KINDS];
	struct weft_path_info paths[ENGINE_RAILS_MAX];
};

/* Peers stand in the list in the order of their slots. One that was told is found by its own; only
 * when it has gone meanwhile the list is walked. */
static struct weft_peer *find_next(const struct weft *weft, const struct peer_state_now *now)
{
	struct weft_peer *peer = now->told ? map_get_ptr(&weft->peer_by_slot, now->next - 1) : NULL;
	const struct list *link = peer ? peer->link.next : weft->peers.next;

	for (; link != &weft->peers; link = link->next) {
		peer = list_entry(link, struct weft_peer, link);
		if (peer->slot >= now->next)
			return peer;
	}
	return NULL;
}

static int get_next_peer(struct weft *weft, void *arg)
{
	struct peer_state_now *now = arg;
	struct weft_peer *peer = find_next(weft, now);
	uint32_t i;

	now->found = peer != NULL;
	now->told = true;
	if (!now->found)
		return 0;
	now->next = peer->slot;
	info_peer(peer, &now->info);
	info_peer_stats(peer, &now->stats);
	for (i = 0; i < OP_KINDS; i++)
		now->latency[i] = *smallruns_hist(&peer->latency[i]);
	for (i = 0; i < now->info.rails; i++)
		info_path(peer, i, &now->paths[i]);
	return 0;
}

static void say_path(struct dump *dump, uint64_t peer, uint32_t index,
		     const struct weft_path_info *path)
{
	snprintf(dump->prefix, sizeof(dump->prefix), "peer.%llu.path.%u.", (unsigned long long)peer,
		 index);
	say_text(dump, "device", path->device);
	say_number(dump, "usable", path->usable);
	say_text(dump, "reason", path->reason ? weft_error_name(path->reason) : "");
	say_number(dump, "failures", path->failures);
}

static void say_peer(struct dump *dump, const struct peer_state_now *now)
{
	static const char *const kinds[] = { "latency.write", "latency.read" };
	const struct weft_peer_info *info = &now->info;
	struct weft_latency latency;
	uint32_t i;

	snprintf(dump->prefix, sizeof(dump->prefix), "peer.%llu.", (unsigned long long)now->next);
	say_text(dump, "provider", info->provider);
	say_text(dump, "device", info->device);
	say_number(dump, "pid", (uint64_t)info->pid);
	say_number(dump, "connected", info->connected);
	say_text(dump, "write_by", rdma_name(info->write_by));
	say_text(dump, "read_by", rdma_name(info->read_by));
	say_number(dump, "rails", info->rails);
	say_number(dump, "rails_usable", info->rails_usable);
	say_number(dump, "in_flight", info->in_flight);
	say_number(dump, "quarantined", info->quarantined);
#define SAY_COUNTER(name, text) say_number(dump, #name, now->stats.name);
	WEFT_PEER_COUNTER_MAP(SAY_COUNTER)
#undef SAY_COUNTER
	for (i = 0; i < OP_KINDS; i++) {
		latency = latency_of(&now->latency[i]);
		say_latency(dump, kinds[i], &latency);
	}
	for (i = 0; i < info->rails; i++)
		say_path(dump, now->next, i, &now->paths[i]);
}

/* The region in a GPU's memory with the lowest slot that is not below next, as it is now. */
struct gpu_region_now {
	uint64_t next, len;
	bool found;
	int ordinal;
	uint32_t near;
	uint8_t reach[WIRE_WAYS_MAX];
};

/* They stand in the list in the order of their slots. */
static int get_next_gpu_region(struct weft *weft, void *arg)
{
	struct gpu_region_now *now = arg;
	const struct weft_region *region;
	const struct list *link;

	now->found = false;
	list_for_each(link, &weft->gpu->regions)
	{
		region = list_entry(link, struct gpu_region, link)->region;
		if (region->slot < now->next)
			continue;
		now->found = true;
		now->next = region->slot;
		now->len = region->len;
		now->ordinal = region->gpu->ordinal;
		now->near = region->near;
		memcpy(now->reach, region->gpu->reach, sizeof(now->reach));
		break;
	}
	return 0;
}

static void say_gpu_region(struct dump *dump, const struct weft *weft,
			   const struct gpu_region_now *now)
{
	uint32_t i;

	snprintf(dump->prefix, sizeof(dump->prefix), "region.%llu.", (unsigned long long)now->next);
	say_number(dump, "gpu", (uint64_t)now->ordinal);
	say_number(dump, "bytes", now->len);
	for (i = 0; i < weft->rail_count; i++)
		if (now->near >> i & 1)
			say(dump, "near_rail %u", i);
	for (i = 0; i < weft->way_count; i++)
		say(dump, "by.%s %s", weft->ways[i].provider->name, gpu_reach_name(now->reach[i]));
}

int weft_dump(struct weft *weft, weft_dump_fn fn, void *ctx)
{
	struct gpu_region_now region = { 0 };
	struct dump dump = { .fn = fn, .ctx = ctx };
	struct peer_state_now now = { 0 };
	uint32_t i;

	if (!weft || !fn)
		return err_set(-EINVAL, "engine or fn is NULL");
	if (fork_refuses())
		return fork_refused();
	say_engine(&dump, weft);
	say_errors(&dump, weft);
	say_latencies(&dump, weft);
	for (i = 0; i < weft->rail_count; i++)
		say_rail(&dump, weft, i);
	for (;; now.next++) {
		engine_run(weft, get_next_peer, &now);
		if (!now.found)
			break;
		say_peer(&dump, &now);
	}
	for (;; region.next++) {
		engine_run(weft, get_next_gpu_region, &region);
		if (!region.found)
			break;
		say_gpu_region(&dump, weft, &region);
	}
	return 0;
}
