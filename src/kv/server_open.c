/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, draining and closing a server. */
#include "kv/server_int.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

/* --- opening
 */

static int check_opts(struct server_opts *opts, const struct server_opts *given)
{
	*opts = *given;
	if (!opts->pool_bytes)
		opts->pool_bytes = (uint64_t)1 << 30;
	if (!opts->credits)
		opts->credits = 64;
	if (!opts->session_limit)
		opts->session_limit = 4096;
	if (!opts->session_timeout_ns)
		opts->session_timeout_ns = 30 * NSEC_PER_SEC;
	if (!opts->transfer_timeout_ns)
		opts->transfer_timeout_ns = 60 * NSEC_PER_SEC;
	if (!opts->lease_ns)
		opts->lease_ns = 60 * NSEC_PER_SEC;
	if (!opts->rails)
		opts->rails = 1;
	if (opts->credits > SESSION_CREDITS_MAX)
		return err_set(-EINVAL, "%u credits, %u are allowed", opts->credits,
			       SESSION_CREDITS_MAX);
	if (opts->max_value > opts->pool_bytes)
		return err_set(-WEFT_ETOOLARGE,
			       "values of %" PRIu64 " bytes in a pool of %" PRIu64 " bytes",
			       opts->max_value, opts->pool_bytes);
	return 0;
}

/* Room for pool_bytes of values with the headers of their extents. */
static uint64_t pool_with_headers(uint64_t bytes)
{
	return bytes + bytes / 64 + ((uint64_t)1 << 20);
}

static int open_segments(struct server *server)
{
	uint64_t left = pool_with_headers(server->opts.pool_bytes), length;
	uint64_t available = segment_available();
	int rc;

	if (left > available)
		return err_set(-ENOMEM,
			       "a pool of %" PRIu64 " MiB, but only %" PRIu64
			       " MiB of memory are available",
			       server->opts.pool_bytes >> 20, available >> 20);
	while (left) {
		length = left < SERVER_SEGMENT_MAX ? left : SERVER_SEGMENT_MAX;
		if (server->segment_count == SERVER_SEGMENTS_MAX)
			return err_set(-ENOMEM,
				       "a pool of %" PRIu64 " MiB, at most %" PRIu64
				       " are possible",
				       server->opts.pool_bytes >> 20,
				       SERVER_SEGMENTS_MAX * SERVER_SEGMENT_MAX >> 20);
		rc = segment_open(&server->segments[server->segment_count], length);
		if (rc)
			return rc;
		server->segment_count++;
		left -= length;
	}
	return 0;
}

static void close_segments(struct server *server)
{
	uint32_t i;

	for (i = 0; i < server->segment_count; i++)
		segment_close(&server->segments[i]);
}

static int open_store(struct server *server)
{
	struct store_segment segments[SERVER_SEGMENTS_MAX];
	struct store_opts opts = { .segments = segments, .segment_count = server->segment_count };
	struct timespec now;
	uint32_t i;
	int rc;

	for (i = 0; i < server->segment_count; i++)
		segments[i] = (struct store_segment){ .base = server->segments[i].base,
						      .length = server->segments[i].length };
	clock_gettime(CLOCK_REALTIME, &now);
	opts.first_version = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	/* The room for headers is not for one more byte of value. */
	opts.value_max = server->opts.max_value ? server->opts.max_value : server->opts.pool_bytes;
	rc = hash_seed(&opts.hash_seed);
	if (rc)
		return rc;
	return store_open(&server->store, &opts);
}

static int open_engine(struct server *server)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = server->opts.provider,
		.devices = server->opts.devices,
		.device_rdma = server->opts.device_rdma,
		.nics = server->opts.nics,
		.bind_addr = server->opts.bind_addr,
		.rails = server->opts.rails,
		.peer_limit = server->opts.session_limit + 64,
		.on_message = request_message,
		.on_peer_gone = client_gone,
		.log = server->opts.log,
		.log_level = server->opts.log_level,
		.ctx = server,
	};

	return weft_open(&server->weft, &opts);
}

static int open_regions(struct server *server)
{
	uint32_t i;
	int rc;

	for (i = 0; i < server->segment_count; i++) {
		rc = weft_register(server->weft, server->segments[i].base,
				   server->segments[i].length, WEFT_LOCAL, &server->regions[i]);
		if (rc)
			return err_prefix(rc, "registering the pool");
	}
	return 0;
}

static int open_bell(struct server *server)
{
	struct weft_batch_opts opts = {
		.size = sizeof(opts), .capacity = 1, .on_done = server_bell_done, .ctx = server
	};

	return weft_batch_open(server->weft, &opts, &server->bell);
}

static int init_locks(struct server *server)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&server->wake, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

static int open_parts(struct server *server)
{
	int rc = open_segments(server);

	if (!rc)
		rc = open_store(server);
	if (!rc)
		rc = sessions_init(&server->sessions, server->opts.session_limit);
	/* Messages may come from here on; there is no session that they could belong to. */
	if (!rc)
		rc = open_engine(server);
	if (!rc)
		rc = open_regions(server);
	if (!rc)
		rc = open_bell(server);
	if (!rc)
		rc = works_init(server);
	if (!rc)
		rc = server_start_ticker(server);
	return rc;
}

int server_open(struct server **ret, const struct server_opts *opts)
{
	struct server *server = mem_zalloc(sizeof(*server));
	int rc;

	if (!server)
		return -ENOMEM;
	list_init(&server->tasks);
	list_init(&server->free_works);
	list_init(&server->parked);
	list_init(&server->free_uploads);
	server->tick.fn = server_tick;
	server->next_transfer = 1;
	server->started_ns = clock_ns();
	init_locks(server);
	rc = check_opts(&server->opts, opts);
	if (!rc)
		rc = open_parts(server);
	if (rc) {
		server_close(server);
		return rc;
	}
	*ret = server;
	return 0;
}

struct idle_check {
	bool idle;
};

static void check_idle(struct server *server, void *arg)
{
	struct idle_check *check = arg;

	check->idle = !atomic_load(&server->calls) && !atomic_load(&server->counters.transfers) &&
		      !atomic_load(&server->counters.quarantined) && !atomic_load(&server->hurry);
}

int server_drain(struct server *server, uint64_t timeout_ns)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	struct idle_check check = { false };

	atomic_store(&server->draining, true);
	for (;;) {
		server_run(server, check_idle, &check);
		if (check.idle)
			return 0;
		if (clock_ns() >= deadline_ns)
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
}

void server_close(struct server *server)
{
	struct owner_task *task;
	struct list *link;

	if (!server)
		return;
	atomic_store(&server->draining, true);
	atomic_store(&server->closing, true);
	server_stop_ticker(server);
	/* Nothing touches the pool and no callback runs any more afterwards. */
	weft_close(server->weft);
	server->weft = NULL;
	while ((link = list_pop(&server->tasks))) {
		task = list_entry(link, struct owner_task, link);
		task->fn(task);
	}
	while ((link = list_pop(&server->free_uploads)))
		mem_free(list_entry(link, struct upload, link));
	works_fini(server);
	clients_fini(server);
	store_close(server->store);
	close_segments(server);
	pthread_cond_destroy(&server->wake);
	pthread_mutex_destroy(&server->lock);
	mem_free(server);
}
