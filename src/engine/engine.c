/* SPDX-License-Identifier: Apache-2.0 */
/* Life of an engine. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fork.h"
#include "engine/attach.h"
#include "engine/engine.h"
#include "engine/gpu.h"
#include "engine/near.h"
#include "engine/open.h"
#include "engine/stage.h"

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

void engine_log(struct weft *weft, int level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!weft->log || level > weft->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	weft->log(weft->ctx, level, text);
}

int engine_refuse(struct weft *weft, int code)
{
	atomic_fetch_add_explicit(&weft->refused, 1, memory_order_relaxed);
	errors_refused(&weft->errors, code);
	return code;
}

static int check_opts(const struct weft_opts *opts)
{
	int rc = gpu_check(opts);

	if (rc)
		return rc;
	if (opts->rails > ENGINE_RAILS_MAX)
		return err_set(-EINVAL, "rails is %u, at most %u", opts->rails, ENGINE_RAILS_MAX);
	if (opts->queue_depth && (opts->queue_depth < 16 || opts->queue_depth > 65536))
		return err_set(-EINVAL, "queue_depth is %u, want 16..65536", opts->queue_depth);
	if (opts->receive_buffers > 65536)
		return err_set(-EINVAL, "receive_buffers is %u, at most 65536",
			       opts->receive_buffers);
	if (opts->provider && !*opts->provider)
		return err_set(-EINVAL, "provider is empty; leave it NULL for auto");
	if (opts->device_rdma > 1)
		return err_set(-EINVAL, "device_rdma is %u, want 0 or 1", opts->device_rdma);
	if (opts->max_registration && opts->max_registration < 1u << WIRE_PART_MIN)
		return err_set(-EINVAL, "max_registration is %llu, want %u or more",
			       (unsigned long long)opts->max_registration, 1u << WIRE_PART_MIN);
	if (opts->progress > WEFT_PROGRESS_MANUAL)
		return err_set(-EINVAL, "progress is %u", opts->progress);
	return near_check(opts);
}

static void apply_opts(struct weft *weft, const struct weft_opts *opts)
{
	weft->thread_mode = opts->progress == WEFT_PROGRESS_THREAD;
	weft->peer_window = opts->peer_window ? opts->peer_window : 256;
	weft->peer_limit = opts->peer_limit ? opts->peer_limit : 4096;
	weft->idle_peers = opts->idle_peers;
	weft->submit_limit = opts->submit_limit ? opts->submit_limit : 1048576;
	weft->spin_ns = (opts->spin_us ? opts->spin_us : 50) * 1000ull;
	weft->max_registration = opts->max_registration ? opts->max_registration : UINT64_MAX;
	weft->connect_timeout_ns =
		opts->connect_timeout_ns ? opts->connect_timeout_ns : 10000000000ull;
	weft->on_message = opts->on_message;
	weft->on_peer_gone = opts->on_peer_gone;
	weft->log = opts->log;
	weft->ctx = opts->ctx;
	weft->log_level = opts->log_level;
}

static void init_lists(struct weft *weft)
{
	list_init(&weft->peers);
	list_init(&weft->dead_peers);
	list_init(&weft->awake);
	list_init(&weft->asleep);
	list_init(&weft->ready);
	list_init(&weft->active);
	list_init(&weft->idle_batches);
	list_init(&weft->ended);
	list_init(&weft->received);
	list_init(&weft->attached);
	weft->wake_fd = weft->event_fd = weft->pid_epoll = weft->bell_fd = -1;
	weft->next_deadline_ns = UINT64_MAX;
}

static int open_fds(struct weft *weft)
{
	weft->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	weft->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	weft->pid_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (weft->wake_fd < 0 || weft->event_fd < 0 || weft->pid_epoll < 0)
		return err_set(-errno, "no descriptors: %s", strerror(errno));
	if (getrandom(weft->id, sizeof(weft->id), 0) != sizeof(weft->id))
		return err_set(-EIO, "getrandom failed");
	weft->host = host_identity();
	weft->pid = (uint32_t)getpid();
	return 0;
}

static int open_tables(struct weft *weft)
{
	int rc;

	rc = map_init(&weft->peer_by_id, weft->peer_limit);
	if (!rc)
		rc = map_init(&weft->peer_by_slot, weft->peer_limit);
	if (!rc)
		rc = map_init(&weft->regions, SIZE_MAX);
	if (!rc)
		rc = map_init(&weft->remotes, SIZE_MAX);
	if (!rc)
		rc = map_init(&weft->holdings, SIZE_MAX);
	if (!rc)
		rc = ring_init(&weft->calls, ENGINE_CALLS);
	if (!rc)
		weft->rails = mem_array(ENGINE_RAILS_MAX, sizeof(*weft->rails));
	if (!rc && !weft->rails)
		rc = -ENOMEM;
	return rc ? err_set(rc, "out of memory") : 0;
}

static int open_flights(struct weft *weft)
{
	uint32_t depth = 0, i;
	int rc;

	for (i = 0; i < weft->rail_count; i++)
		/* Twice where records rest after a failure. */
		depth += weft->rails[i].depth << flight_rests(&weft->rails[i]);
	rc = pool_init(&weft->flights, sizeof(struct flight), depth);
	weft->turns = mem_array(depth, sizeof(*weft->turns));
	weft->spare = mem_array(depth, sizeof(struct flight *));
	if (!rc && (!weft->turns || !weft->spare))
		rc = -ENOMEM;
	for (i = 0; !rc && i < depth; i++)
		flight_give(weft, pool_get(&weft->flights));
	return rc ? err_set(rc, "out of memory for %u operations", depth) : 0;
}

static void close_rails(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++)
		weft->rails[i].ops->close(weft->rails[i].port);
	weft->rail_count = 0;
}

static void shut_rails(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->rail_count; i++)
		if (weft->rails[i].port && weft->rails[i].ops->shut)
			weft->rails[i].ops->shut(weft->rails[i].port);
}

static void free_engine(struct weft *weft)
{
	close_rails(weft);
	gpu_close(weft);
	mem_free(weft->turns);
	mem_free(weft->spare);
	pool_fini(&weft->flights);
	mem_free(weft->rails);
	ring_fini(&weft->calls);
	map_fini(&weft->regions);
	map_fini(&weft->remotes);
	map_fini(&weft->holdings);
	pin_table_free(&weft->pins);
	map_fini(&weft->peer_by_slot);
	map_fini(&weft->peer_by_id);
	mem_free(weft->arrivals);
	mem_free(weft->arrival_generations);
	if (weft->wake_fd >= 0)
		close(weft->wake_fd);
	if (weft->event_fd >= 0)
		close(weft->event_fd);
	if (weft->pid_epoll >= 0)
		close(weft->pid_epoll);
	if (weft->bell_fd >= 0)
		close(weft->bell_fd);
	mem_free(weft);
	fork_close();
}

static int new_engine(struct weft **ret, const struct weft_opts *opts)
{
	struct weft *weft;
	int rc = fork_open();

	if (rc)
		return rc;
	weft = mem_aligned(64, sizeof(*weft));
	if (!weft) {
		fork_close();
		return err_set(-ENOMEM, "out of memory");
	}
	memset(weft, 0, sizeof(*weft));
	init_lists(weft);
	apply_opts(weft, opts);
	*ret = weft;
	return 0;
}

int weft_open(struct weft **ret, const struct weft_opts *opts)
{
	struct weft_opts known = { .size = sizeof(known) };
	struct weft *weft = NULL;
	int rc = 0;
	CANCEL_HELD;

	if (!ret)
		return err_set(-EINVAL, "ret is NULL");
	if (opts)
		rc = sized_in(&known, sizeof(known), opts, "weft_opts");
	opts = &known;
	if (!rc)
		rc = check_opts(opts);
	if (!rc)
		rc = new_engine(&weft, opts);
	if (rc)
		return rc;
	rc = open_tables(weft);
	if (!rc)
		rc = open_fds(weft);
	if (!rc)
		rc = gpu_open(weft, opts);
	if (!rc)
		rc = open_ways(weft, opts);
	if (!rc)
		rc = bell_open(weft);
	if (!rc)
		rc = open_flights(weft);
	if (!rc && weft->thread_mode)
		rc = near_start(weft);
	if (rc) {
		free_engine(weft);
		return rc;
	}
	*ret = weft;
	return 0;
}

static void say_goodbye(struct weft *weft)
{
	struct list *link, *after;
	struct weft_peer *peer;

	list_for_each_safe(link, after, &weft->peers) /* one that is gone leaves the list */
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer_state(peer) == PEER_CONNECTED)
			peer_send(peer, WIRE_BYE, NULL, 0);
	}
}

static bool peers_unmet(const struct weft *weft)
{
	const struct weft_peer *peer;
	const struct list *link;

	list_for_each(link, &weft->peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->way->provider->host_local && peer->remote_slot == WIRE_NO_SLOT)
			return true;
	}
	return false;
}

/* Messages to them have not left yet. */
static bool peers_sending(const struct weft *weft)
{
	const struct list *link;

	list_for_each(link, &weft->peers)
	{
		if (list_entry(link, struct weft_peer, link)->sends)
			return true;
	}
	return false;
}

/* A moment for goodbyes to come and leave; nothing depends on them. */
static void linger(struct weft *weft)
{
	uint64_t until_ns = clock_ns() + 100 * NSEC_PER_MSEC;
	uint32_t i;

	for (i = 0; i < 100 || peers_unmet(weft) || peers_sending(weft); i++) {
		if (i >= 100 && clock_ns() >= until_ns)
			break;
		engine_step(weft, true);
		if (i >= 100)
			sched_yield();
	}
}

static void free_remotes(struct weft_peer *peer)
{
	struct list *link;

	while ((link = list_first(&peer->remotes)))
		remote_drop(list_entry(link, struct weft_remote, link));
}

static void free_peers(struct list *peers)
{
	struct list *link;

	while ((link = list_first(peers))) {
		struct weft_peer *peer = list_entry(link, struct weft_peer, link);
		struct list *holding, *after;

		list_for_each_safe(holding, after, &peer->holdings)
			holding_drop(list_entry(holding, struct holding, peer_link));
		free_remotes(peer);
		peer_free(peer);
	}
}

static void free_batches(struct list *batches)
{
	struct list *link;

	while ((link = list_first(batches)))
		batch_free(list_entry(link, struct weft_batch, link));
}

static void free_regions(struct weft *weft)
{
	uint64_t key, value;
	size_t cursor = 0;

	while (map_count(&weft->regions) &&
	       (cursor = 0, map_next(&weft->regions, &cursor, &key, &value)))
		region_free((struct weft_region *)(uintptr_t)value);
}

static void free_arrivals(struct weft *weft)
{
	uint32_t i;

	for (i = 0; i < weft->arrival_room; i++)
		mem_free(weft->arrivals[i]);
}

/* 1.17's tcp crashes at times when an endpoint closes with operations in flight: those whose peers
 * still answer get a moment to end. */
static void drain(struct weft *weft)
{
	uint64_t until_ns = clock_ns() + 100 * NSEC_PER_MSEC;

	while (weft->stats.in_flight && clock_ns() < until_ns)
		engine_step(weft, true);
}

void weft_close(struct weft *weft)
{
	struct list *link, *after;
	CANCEL_HELD;

	if (!weft || fork_refuses()) /* in a child all of it is the parent's */
		return;
	engine_close_attached(weft);
	if (weft->thread_mode)
		engine_thread_stop(weft);
	weft->on_message = NULL;
	weft->on_peer_gone = NULL;
	linger(weft); /* hears the goodbyes of others */
	say_goodbye(weft);
	linger(weft);
	list_for_each_safe(link, after, &weft->active) batch_abort(
		list_entry(link, struct weft_batch, link), WEFT_CANCELLED, -WEFT_ECANCELLED);
	batch_run_callbacks(weft);
	drain(weft);
	rail_close_wait(weft);
	gpu_quiet(weft);
	free_peers(&weft->peers);
	free_peers(&weft->asleep);
	free_peers(&weft->dead_peers);
	shut_rails(weft);
	free_regions(weft);
	stage_unpin_pool(weft);
	free_batches(&weft->active);
	free_batches(&weft->ended);
	free_batches(&weft->idle_batches);
	free_arrivals(weft);
	free_engine(weft);
}
