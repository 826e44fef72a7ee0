/* SPDX-License-Identifier: Apache-2.0 */
#include "kv/server_int.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

#define TICK_NS       (100 * NSEC_PER_MSEC)
#define TICK_HURRY_NS (1 * NSEC_PER_MSEC)
#define SWEEP_KEYS    4096u /* looked at per tick for expiry */

void server_log(struct server *server, int level, const char *format, ...)
{
	char text[320];
	va_list args;

	if (!server->opts.log || level > server->opts.log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	server->opts.log(server->opts.log_ctx, level, text);
}

/* --- tasks for the owner thread ----------------------------------------------------------------
 */

static void ring(struct server *server)
{
	int rc = weft_submit(server->bell, WEFT_FOREVER);

	if (rc)
		server_log(server, WEFT_LOG_ERROR, "the owner thread cannot be reached: %s",
			   weft_strerror(rc));
}

void server_post(struct server *server, struct owner_task *task)
{
	bool rung;

	pthread_mutex_lock(&server->lock);
	list_init(&task->link);
	list_add_tail(&server->tasks, &task->link);
	rung = server->rung;
	server->rung = true;
	pthread_mutex_unlock(&server->lock);
	if (!rung)
		ring(server);
}

/* The bell has ended: this is the owner thread. */
void server_bell_done(void *ctx, struct weft_batch *bell)
{
	struct server *server = ctx;
	struct owner_task *task;
	struct list tasks, *link;

	list_init(&tasks);
	weft_batch_reset(bell);
	pthread_mutex_lock(&server->lock);
	list_splice_tail(&tasks, &server->tasks);
	server->rung = false;
	pthread_mutex_unlock(&server->lock);
	while ((link = list_pop(&tasks))) {
		task = list_entry(link, struct owner_task, link);
		task->fn(task);
	}
}

struct run {
	struct owner_task task;
	struct server *server;
	void (*fn)(struct server *server, void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	bool done;
};

static void run_task(struct owner_task *task)
{
	struct run *run = container_of(task, struct run, task);

	run->fn(run->server, run->arg);
	pthread_mutex_lock(&run->lock);
	run->done = true;
	pthread_cond_signal(&run->done_cond);
	pthread_mutex_unlock(&run->lock);
}

void server_run(struct server *server, void (*fn)(struct server *server, void *arg), void *arg)
{
	struct run run = { .task.fn = run_task, .server = server, .fn = fn, .arg = arg };

	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.done_cond, NULL);
	server_post(server, &run.task);
	pthread_mutex_lock(&run.lock);
	while (!run.done)
		pthread_cond_wait(&run.done_cond, &run.lock);
	pthread_mutex_unlock(&run.lock);
	pthread_cond_destroy(&run.done_cond);
	pthread_mutex_destroy(&run.lock);
}

/* --- ticks ---------------------------------------------------------------------------------------
 */

void server_tick(struct owner_task *task)
{
	struct server *server = container_of(task, struct server, tick);
	uint64_t now_ns = clock_ns();

	if (atomic_load(&server->closing))
		return;
	atomic_store(&server->tick_posted, false);
	works_tick(server);
	clients_tick(server, now_ns);
}

void server_hurry(struct server *server, int change)
{
	if (atomic_fetch_add(&server->hurry, (uint32_t)change) || change < 0)
		return;
	pthread_mutex_lock(&server->lock);
	pthread_cond_signal(&server->wake);
	pthread_mutex_unlock(&server->lock);
}

static struct timespec at(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NSEC_PER_SEC),
				  .tv_nsec = (long)(ns % NSEC_PER_SEC) };
}

static void *ticker_main(void *arg)
{
	struct server *server = arg;
	struct timespec until;
	bool stop;

	for (;;) {
		pthread_mutex_lock(&server->lock);
		until = at(clock_ns() + (atomic_load(&server->hurry) ? TICK_HURRY_NS : TICK_NS));
		if (!server->stop)
			pthread_cond_timedwait(&server->wake, &server->lock, &until);
		stop = server->stop;
		pthread_mutex_unlock(&server->lock);
		if (stop)
			return NULL;
		store_sweep(server->store, clock_ns(), SWEEP_KEYS, NULL);
		if (!atomic_exchange(&server->tick_posted, true))
			server_post(server, &server->tick);
	}
}

int server_start_ticker(struct server *server)
{
	int rc = pthread_create(&server->ticker, NULL, ticker_main, server);

	if (rc)
		return err_set(-rc, "starting a thread: %s", strerror(rc));
	pthread_setname_np(server->ticker, "weft-kv-tick");
	server->ticking = true;
	return 0;
}

void server_stop_ticker(struct server *server)
{
	if (!server->ticking)
		return;
	pthread_mutex_lock(&server->lock);
	server->stop = true;
	pthread_cond_signal(&server->wake);
	pthread_mutex_unlock(&server->lock);
	pthread_join(server->ticker, NULL);
	server->ticking = false;
}

/* --- what is going on ----------------------------------------------------------------------------
 */

static uint64_t counter(_Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

void server_stats(struct server *server, struct weft_kv_stats *ret)
{
	struct server_counters *counters = &server->counters;
	struct store_stats store;

	store_stats(server->store, &store);
	*ret = (struct weft_kv_stats){
		.size = sizeof(*ret),
		.keys = store.keys,
		.value_bytes = store.value_bytes,
		.pool_size = store.pool_size,
		.pool_used = store.pool_used,
		.largest_free = store.largest_free,
		.index_bytes = store.index_bytes,
		.pinned = store.pinned,
		.deletes = store.deleted,
		.expired = store.expired,
		.refused_full = store.refused_full,
		.uptime_ms = (clock_ns() - server->started_ns) / NSEC_PER_MSEC,
#define FROM(name) .name = counter(&counters->name)
		FROM(sessions),
		FROM(sessions_forgotten),
		FROM(sessions_dropped),
		FROM(gets),
		FROM(hits),
		FROM(misses),
		FROM(puts),
		FROM(bytes_in),
		FROM(bytes_out),
		FROM(checksum_errors),
		FROM(requests_fabric),
		FROM(requests_grpc),
		FROM(requests_bad),
		FROM(cancelled),
		FROM(transfers),
		FROM(quarantined),
		FROM(uploads),
#undef FROM
	};
}

int server_descriptor(struct server *server, void *buf, size_t *len)
{
	return weft_export_engine(server->weft, buf, len);
}

void server_ways(struct server *server, char *buf, size_t size)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	size_t used = 0;
	uint32_t i;
	int n;

	buf[0] = '\0';
	for (i = 0; !weft_rail(server->weft, i, &rail) && used < size; i++) {
		n = snprintf(buf + used, size - used, "%s%s%s%s", used ? ", " : "", rail.provider,
			     rail.device[0] ? " " : "", rail.device);
		used += n > 0 ? (size_t)n : 0;
	}
}

struct weft *server_engine(struct server *server)
{
	return server->weft;
}

int server_dump(struct server *server, weft_dump_fn fn, void *ctx)
{
	return weft_dump(server->weft, fn, ctx);
}
