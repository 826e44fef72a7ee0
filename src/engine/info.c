/* SPDX-License-Identifier: Apache-2.0 */
/* What is going on: counters, rails, peers. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"

static int get_stats(struct weft *weft, void *arg)
{
	struct weft_stats *stats = arg;

	*stats = weft->stats;
	stats->size = sizeof(*stats);
	stats->peers = weft->peer_count;
	stats->peers_asleep = weft->asleep_count;
	stats->submitted = weft->submitted;
	stats->writes_done = weft->done[OP_WRITE].count;
	stats->bytes_written = weft->done[OP_WRITE].bytes;
	stats->reads_done = weft->done[OP_READ].count;
	stats->bytes_read = weft->done[OP_READ].bytes;
	stats->refused = atomic_load_explicit(&weft->refused, memory_order_relaxed);
	return 0;
}

int weft_stats(struct weft *weft, struct weft_stats *stats)
{
	struct weft_stats ours;
	int rc = engine_run(weft, get_stats, &ours);

	if (rc)
		return rc;
	return sized_out(stats, &ours, sizeof(ours), "weft_stats");
}

struct rail_query {
	uint32_t index;
	struct weft_rail_info *info;
};

static int get_rail(struct weft *weft, void *arg)
{
	struct rail_query *query = arg;
	struct weft_rail_info *info = query->info;
	const struct rail *rail = &weft->rails[query->index];

	if (query->index >= weft->rail_count)
		return err_set(-ENOENT, "the engine has %u rails", weft->rail_count);
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	snprintf(info->provider, sizeof(info->provider), "%s", rail->provider->name);
	memcpy(info->libfabric, rail->limits.libfabric, sizeof(info->libfabric));
	memcpy(info->fabric, rail->limits.fabric, sizeof(info->fabric));
	memcpy(info->device, rail->limits.device, sizeof(info->device));
	memcpy(info->address, rail->limits.address, sizeof(info->address));
	info->posted = rail->posted;
	info->done = rail->done;
	info->errors = rail->errors;
	info->bytes = rail->bytes;
	info->in_flight = rail->in_flight;
	info->max_message = rail->limits.max_message;
	info->max_fetched = rail->limits.fetch_max;
	info->min_fetched = rail->limits.fetch_min;
	info->depth = rail->depth;
	info->inject = rail->limits.inject;
	info->write_by = rail->limits.write_by;
	info->read_by = rail->limits.read_by;
	info->addresses = rail->port && rail->ops->addresses ? rail->ops->addresses(rail->port) : 0;
	info->reason = rail->broken;
	memcpy(info->why, rail->why, sizeof(info->why));
	info->numa_known = rail->numa >= 0;
	info->numa_node = rail->numa >= 0 ? (uint32_t)rail->numa : 0;
	return 0;
}

int weft_rail(struct weft *weft, uint32_t index, struct weft_rail_info *info)
{
	struct weft_rail_info ours;
	struct rail_query query = { .index = index, .info = &ours };
	int rc = engine_run(weft, get_rail, &query);

	return rc ? rc : sized_out(info, &ours, sizeof(ours), "weft_rail_info");
}

const char *rdma_name(uint32_t by)
{
	static const char *const names[] = {
		[WEFT_RDMA_UNKNOWN] = "unknown",
		[WEFT_RDMA_DEVICE] = "device",
		[WEFT_RDMA_MEMORY] = "memory",
		[WEFT_RDMA_SOFTWARE] = "software",
	};

	return names[by];
}

void info_peer(const struct weft_peer *peer, struct weft_peer_info *info)
{
	const struct rail *rail = way_rail(peer->weft, peer->way, 0);

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	snprintf(info->provider, sizeof(info->provider), "%s", peer->way->provider->name);
	memcpy(info->libfabric, rail->limits.libfabric, sizeof(info->libfabric));
	memcpy(info->device, rail->limits.device, sizeof(info->device));
	info->rails = peer->way->count;
	info->rails_usable = info->rails - peer->paths_down;
	info->connected = peer_state(peer) == PEER_CONNECTED;
	info->in_flight = peer->in_flight;
	info->quarantined = peer->quarantined;
	info->pid = (int32_t)peer->pid;
	info->reason = peer->reason;
	info->write_by = rail->limits.write_by;
	info->read_by = rail->limits.read_by;
	info->asleep = peer_state(peer) == PEER_ASLEEP;
}

struct peer_query {
	const struct weft_peer *peer;
	struct weft_peer_info *info;
};

static int get_peer(struct weft *weft, void *arg)
{
	struct peer_query *query = arg;

	(void)weft;
	info_peer(query->peer, query->info);
	return 0;
}

int weft_peer_info(const struct weft_peer *peer, struct weft_peer_info *info)
{
	struct weft_peer_info ours;
	struct peer_query query = { .peer = peer, .info = &ours };
	int rc = engine_run(peer->weft, get_peer, &query);

	return rc ? rc : sized_out(info, &ours, sizeof(ours), "weft_peer_info");
}

void info_peer_stats(struct weft_peer *peer, struct weft_peer_stats *stats)
{
	*stats = peer->stats;
	stats->size = sizeof(*stats);
	stats->writes_done = latency_count(peer, OP_WRITE);
	stats->bytes_written = peer->bytes[OP_WRITE];
	stats->reads_done = latency_count(peer, OP_READ);
	stats->bytes_read = peer->bytes[OP_READ];
}

struct peer_stats_query {
	struct weft_peer *peer;
	struct weft_peer_stats *stats;
};

static int get_peer_stats(struct weft *weft, void *arg)
{
	struct peer_stats_query *query = arg;

	(void)weft;
	info_peer_stats(query->peer, query->stats);
	return 0;
}

int weft_peer_stats(const struct weft_peer *peer, struct weft_peer_stats *stats)
{
	struct weft_peer_stats ours;
	/* As for latencies: the handle is const to the caller only. */
	struct peer_stats_query query = { .peer = (struct weft_peer *)peer, .stats = &ours };
	int rc = engine_run(peer->weft, get_peer_stats, &query);

	return rc ? rc : sized_out(stats, &ours, sizeof(ours), "weft_peer_stats");
}

void info_path(const struct weft_peer *peer, uint32_t index, struct weft_path_info *info)
{
	const struct path *path = &peer->paths[index];

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	memcpy(info->device, way_rail(peer->weft, peer->way, index)->limits.device,
	       sizeof(info->device));
	info->usable = path_usable(peer, index);
	info->reason = info->usable   ? 0
		       : path->reason ? path->reason
		       : peer->reason ? peer->reason
				      : -EINPROGRESS;
	info->failures = path->failures;
}

struct path_query {
	const struct weft_peer *peer;
	uint32_t index;
	struct weft_path_info *info;
};

static int get_path(struct weft *weft, void *arg)
{
	struct path_query *query = arg;

	(void)weft;
	if (query->index >= query->peer->way->count)
		return err_set(-ENOENT, "there are %u paths to the peer", query->peer->way->count);
	info_path(query->peer, query->index, query->info);
	return 0;
}

int weft_peer_path(const struct weft_peer *peer, uint32_t index, struct weft_path_info *info)
{
	struct weft_path_info ours;
	struct path_query query = { .peer = peer, .index = index, .info = &ours };
	int rc = engine_run(peer->weft, get_path, &query);

	return rc ? rc : sized_out(info, &ours, sizeof(ours), "weft_path_info");
}
