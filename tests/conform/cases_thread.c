/* SPDX-License-Identifier: Apache-2.0 */
/* Thread mode: every call from many threads at once on the same two engines. */
#include <pthread.h>

#include "net.h"

#define WORKERS 6u
#define ROUNDS  150u
#define EACH    8u
#define SLICE   4096u
#define SPAN    (EACH * SLICE)

struct crowd {
	struct pair p;
	atomic_bool stop;
	atomic_uint messages;
};

struct worker {
	struct crowd *crowd;
	pthread_t thread;
	uint64_t number;
};

static void add_round(struct worker *w, struct weft_batch *batch, bool read)
{
	struct pair *p = &w->crowd->p;

	for (uint64_t i = 0; i < EACH; i++) {
		uint64_t at = w->number * SPAN + i * SLICE;
		struct move move = { read, p->region_a, at, p->to_b, at, SLICE, 0, 0 };

		check_int(net_add(batch, &move), i);
	}
}

static void end_round(struct weft_batch *batch)
{
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_ok(weft_batch_wait(batch, CONFORM_LIMIT_NS));
	net_check_done(batch, EACH);
	check_ok(weft_batch_reset(batch));
}

/* Writes its part, overwrites its own memory, reads it back. */
static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct area *mem = &w->crowd->p.mem_a;
	struct weft_batch *batch = net_batch(w->crowd->p.a, EACH);
	uint64_t at = w->number * SPAN;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		area_fill(mem, at, SPAN, w->number << 32 | round);
		add_round(w, batch, false);
		end_round(batch);
		area_fill(mem, at, SPAN, ~round);
		add_round(w, batch, true);
		end_round(batch);
		check_holds(mem, at, SPAN, w->number << 32 | round);
	}
	weft_batch_close(batch);
	return NULL;
}

/* Registers, exports, imports, uses, closes and unregisters at b, while all else goes on. */
static void *region_main(void *arg)
{
	struct crowd *crowd = arg;
	struct net *net = &crowd->p.net;
	struct area mem;

	area_open(&mem, 4096);
	while (!atomic_load(&crowd->stop)) {
		struct weft_region *region = net_register(crowd->p.b, &mem, WEFT_REMOTE_WRITE);
		struct weft_remote *remote = net_import(net, crowd->p.a, region);

		check_ok(weft_write(crowd->p.region_a, 0, remote, 0, 64, CONFORM_LIMIT_NS));
		check_ok(weft_unregister(region, CONFORM_LIMIT_NS));
		check_rc(weft_write(crowd->p.region_a, 0, remote, 0, 64, CONFORM_LIMIT_NS),
			 -WEFT_EREVOKED);
		check_ok(weft_remote_close(remote));
	}
	check_guards(&mem);
	area_close(&mem);
	return NULL;
}

static void *message_main(void *arg)
{
	struct crowd *crowd = arg;
	uint32_t number = 0;

	while (!atomic_load(&crowd->stop)) {
		net_notify(&crowd->p.net, weft_remote_peer(crowd->p.to_b), &number, sizeof(number));
		number++;
		atomic_store(&crowd->messages, number);
		net_turn(&crowd->p.net);
	}
	return NULL;
}

static void *observer_main(void *arg)
{
	struct crowd *crowd = arg;
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct weft_peer_info info = { .size = sizeof(info) };
	struct weft_arrival *arrival;

	while (!atomic_load(&crowd->stop)) {
		net_stats(crowd->p.a);
		check_ok(weft_rail(crowd->p.a, 0, &rail));
		check_ok(weft_peer_info(weft_remote_peer(crowd->p.to_b), &info));
		check_ok(weft_arrival_open(crowd->p.b, &arrival));
		check_int(weft_arrival_count(arrival), 0);
		weft_arrival_renew(arrival);
		weft_arrival_close(arrival);
		net_turn(&crowd->p.net);
	}
	return NULL;
}

static void receive_all(struct crowd *crowd)
{
	static bool seen[1 << 20];
	uint32_t number, got = 0;

	while (got < atomic_load(&crowd->messages)) {
		check_int(net_receive(&crowd->p.net, crowd->p.b, &number, sizeof(number), NULL),
			  sizeof(number));
		check(number < (1 << 20) && !seen[number]);
		seen[number] = true;
		got++;
	}
}

static void many_threads_at_once(const struct conform *c)
{
	static struct crowd crowd;
	struct worker workers[WORKERS];
	pthread_t others[3];

	pair_open(&crowd.p, c, WORKERS * SPAN);
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .crowd = &crowd, .number = i };
		check_int(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
	}
	check_int(pthread_create(&others[0], NULL, region_main, &crowd), 0);
	check_int(pthread_create(&others[1], NULL, message_main, &crowd), 0);
	check_int(pthread_create(&others[2], NULL, observer_main, &crowd), 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		check_int(pthread_join(workers[i].thread, NULL), 0);
	atomic_store(&crowd.stop, true);
	for (int i = 0; i < 3; i++)
		check_int(pthread_join(others[i], NULL), 0);
	receive_all(&crowd);
	pair_close(&crowd.p);
}

/* Batches made, used and thrown away by many threads; some cancelled, some left active. */
static void *churn_main(void *arg)
{
	struct worker *w = arg;

	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct weft_batch *batch = net_batch(w->crowd->p.a, EACH);

		add_round(w, batch, round % 2);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		if (round % 3 == 0)
			check_ok(weft_batch_cancel(batch));
		if (round % 3 == 1)
			check_ok(weft_batch_wait(batch, CONFORM_LIMIT_NS));
		weft_batch_close(batch);
	}
	return NULL;
}

static void many_threads_churn_batches(const struct conform *c)
{
	static struct crowd crowd;
	struct worker workers[WORKERS];

	pair_open(&crowd.p, c, WORKERS * SPAN);
	for (uint32_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .crowd = &crowd, .number = i };
		check_int(pthread_create(&workers[i].thread, NULL, churn_main, &workers[i]), 0);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		check_int(pthread_join(workers[i].thread, NULL), 0);
	pair_close(&crowd.p);
}

/* Callbacks may use the engine. */
struct relay {
	struct weft *weft;
	atomic_int ends;
};

static void relay_done(void *ctx, struct weft_batch *batch)
{
	struct relay *relay = ctx;
	struct weft_result result = { .size = sizeof(result) };

	check_ok(weft_batch_result(batch, 0, &result));
	check_int(result.state, WEFT_DONE);
	net_stats(relay->weft);
	atomic_fetch_add(&relay->ends, 1);
}

static void callbacks_may_call(const struct conform *c)
{
	struct relay relay = { 0 };
	struct weft_batch_opts opts = {
		.size = sizeof(opts), .capacity = 1, .on_done = relay_done, .ctx = &relay
	};
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	relay.weft = p.a;
	check_ok(weft_batch_open(p.a, &opts, &batch));
	for (int i = 1; i <= 50; i++) {
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		until(&p.net, atomic_load(&relay.ends) == i);
		net_finish(&p.net, batch);
		check_ok(weft_batch_reset(batch));
	}
	weft_batch_close(batch);
	pair_close(&p);
}

const struct conform_case cases_thread[] = {
	{ "many_threads_at_once", many_threads_at_once, ONLY_THREAD },
	{ "many_threads_churn_batches", many_threads_churn_batches, ONLY_THREAD },
	{ "callbacks_may_call", callbacks_may_call, 0 },
	{ 0 },
};
