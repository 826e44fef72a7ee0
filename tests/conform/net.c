/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Turns without a single event before net_turn() gives the processor away. */
#define NET_IDLE_TURNS 256
#define NET_NAP_NS     50000

struct weft_opts net_opts(const struct conform *c)
{
	return (struct weft_opts){
		.size = sizeof(struct weft_opts),
		.provider = c->row->name,
		.bind_addr = c->row->bind_addr,
		.progress = c->progress,
		.rails = c->rails,
		.connect_timeout_ns = CONFORM_CONNECT_NS,
	};
}

struct weft *net_open(struct net *net, const struct weft_opts *opts)
{
	struct weft_opts defaults = net_opts(net->conform);
	struct weft *weft;

	check(net->count < NET_MAX);
	check_ok(weft_open(&weft, opts ? opts : &defaults));
	net->engines[net->count++] = weft;
	return weft;
}

void net_close(struct net *net, struct weft *weft)
{
	int i = 0;

	while (i < net->count && net->engines[i] != weft)
		i++;
	check(i < net->count);
	net->engines[i] = net->engines[--net->count];
	conform_at(__FILE__, __LINE__);
	weft_close(weft);
}

struct weft_stats net_stats(struct weft *weft)
{
	struct weft_stats stats = { .size = sizeof(stats) };

	check_ok(weft_stats(weft, &stats));
	return stats;
}

static bool net_quiet(struct net *net)
{
	for (int i = 0; i < net->count; i++) {
		struct weft_stats stats = net_stats(net->engines[i]);

		if (stats.in_flight || stats.submitted || stats.quarantined)
			return false;
	}
	return true;
}

void net_end(struct net *net)
{
	until(net, net_quiet(net));
	net_drop(net);
}

void net_drop(struct net *net)
{
	while (net->count)
		net_close(net, net->engines[0]);
}

static void nap(void)
{
	struct timespec t = { .tv_nsec = NET_NAP_NS };

	nanosleep(&t, NULL);
}

void net_turn(struct net *net)
{
	int events = 0;

	if (net->conform->progress == WEFT_PROGRESS_THREAD) {
		nap();
		return;
	}
	for (int i = 0; i < net->count; i++) {
		int rc = weft_progress(net->engines[i], 0);

		check(rc >= 0);
		events += rc;
	}
	net->idle = events ? 0 : net->idle + 1;
	if (net->idle > NET_IDLE_TURNS)
		nap();
}

struct weft_peer_info net_peer_info(const struct weft_peer *peer)
{
	struct weft_peer_info info = { .size = sizeof(info) };

	check_ok(weft_peer_info(peer, &info));
	return info;
}

void net_run(struct net *net, uint64_t duration_ns)
{
	uint64_t end = clock_deadline(clock_ns(), duration_ns);

	while (clock_ns() < end)
		net_turn(net);
}

struct weft_region *net_register(struct weft *weft, struct area *area, uint32_t access)
{
	struct weft_region *region;

	check_ok(weft_register(weft, area->base, area->len, access, &region));
	return region;
}

struct weft_remote *net_import_bytes(struct net *net, struct weft *into, const void *descriptor,
				     size_t len)
{
	struct weft_remote *remote;

	check_ok(weft_import(into, descriptor, len, &remote));
	until(net, weft_remote_status(remote) != -EINPROGRESS);
	check_ok(weft_remote_status(remote));
	return remote;
}

struct weft_remote *net_import(struct net *net, struct weft *into, const struct weft_region *region)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);

	check_ok(weft_export(region, descriptor, &len));
	return net_import_bytes(net, into, descriptor, len);
}

static bool peer_connected(const struct weft_peer *peer)
{
	struct weft_peer_info info = net_peer_info(peer);

	check_ok(info.reason);
	return info.connected;
}

struct weft_peer *net_connect(struct net *net, struct weft *from, const struct weft *to)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_peer *peer;

	check_ok(weft_export_engine(to, descriptor, &len));
	check_ok(weft_connect(from, descriptor, len, 0, &peer));
	until(net, peer_connected(peer));
	return peer;
}

void net_unregister(struct net *net, struct weft_region *region)
{
	int rc = -WEFT_ENOTQUIET;

	until(net, (rc = weft_unregister(region, 0)) != -WEFT_ENOTQUIET);
	check_ok(rc);
}

struct weft_batch *net_batch(struct weft *weft, uint32_t capacity)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = capacity };
	struct weft_batch *batch;

	check_ok(weft_batch_open(weft, &opts, &batch));
	return batch;
}

void net_finish(struct net *net, struct weft_batch *batch)
{
	int rc = 0;

	until(net, (rc = weft_batch_poll(batch)) != 0);
	check_int(rc, 1);
}

struct weft_result net_result(const struct weft_batch *batch, uint32_t index)
{
	struct weft_result result = { .size = sizeof(result) };

	check_ok(weft_batch_result(batch, index, &result));
	return result;
}

void net_check_done(const struct weft_batch *batch, uint32_t count)
{
	check_ok(weft_batch_error(batch));
	for (uint32_t i = 0; i < count; i++) {
		struct weft_result result = net_result(batch, i);

		check_int(result.state, WEFT_DONE);
		check_ok(result.error);
		check_int(result.quiescent, 1);
	}
}

void net_complete(struct net *net, struct weft_batch *batch, uint32_t count)
{
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(net, batch);
	net_check_done(batch, count);
	check_ok(weft_batch_reset(batch));
}

int net_add(struct weft_batch *batch, const struct move *m)
{
	if (m->read)
		return weft_batch_read(batch, m->region, m->offset, m->remote, m->remote_offset,
				       m->len);
	return weft_batch_write(batch, m->region, m->offset, m->remote, m->remote_offset, m->len,
				m->flags, m->imm);
}

int net_move(struct net *net, struct weft *weft, const struct move *move, uint64_t timeout_ns)
{
	struct weft_batch *batch = net_batch(weft, 1);
	int rc = net_add(batch, move);

	if (rc < 0)
		goto close_batch;
	rc = weft_submit(batch, timeout_ns);
	if (rc)
		goto close_batch;
	net_finish(net, batch);
	rc = weft_batch_error(batch);
close_batch:
	weft_batch_close(batch);
	return rc;
}

void net_notify(struct net *net, struct weft_peer *peer, const void *data, size_t len)
{
	int rc = 0;

	until(net, (rc = weft_notify(peer, data, len)) != -WEFT_EQUEUEFULL);
	check_ok(rc);
}

void net_burst(struct net *net, struct weft_peer *peer, struct weft *to, uint32_t count,
	       uint32_t at_once)
{
	bool *seen = calloc(count, sizeof(*seen));
	uint32_t sent = 0, got = 0, number, i;
	int rc = 0;

	check(seen);
	while (got < count) {
		size_t len = sizeof(number);

		for (i = 0; i < at_once && sent < count; i++) {
			rc = weft_notify(peer, &sent, sizeof(sent));
			if (rc == -WEFT_EQUEUEFULL)
				break;
			check_ok(rc);
			sent++;
		}
		net_turn(net);
		while (weft_receive(to, &number, &len, NULL, 0) == 0) {
			check_int(len, sizeof(number));
			check(number < count && !seen[number]);
			seen[number] = true;
			got++;
		}
	}
	free(seen);
}

size_t net_receive(struct net *net, struct weft *weft, void *buf, size_t room,
		   struct weft_peer **ret)
{
	size_t len = room;
	int rc = 0;

	until(net, (len = room, rc = weft_receive(weft, buf, &len, ret, 0)) != -EAGAIN);
	check_ok(rc);
	return len;
}

static void *pump_main(void *arg)
{
	struct pump *pump = arg;

	while (!atomic_load(&pump->stop))
		check(weft_progress(pump->weft, NSEC_PER_MSEC) >= 0);
	return NULL;
}

void pump_start(struct pump *pump, const struct conform *c, struct weft *weft)
{
	pump->weft = weft;
	pump->running = c->progress == WEFT_PROGRESS_MANUAL;
	atomic_store(&pump->stop, false);
	if (pump->running)
		check_int(pthread_create(&pump->thread, NULL, pump_main, pump), 0);
}

void pump_stop(struct pump *pump)
{
	if (!pump->running)
		return;
	atomic_store(&pump->stop, true);
	check_int(pthread_join(pump->thread, NULL), 0);
	pump->running = false;
}

void pair_open_unmet(struct pair *p, const struct conform *c, size_t len, const struct weft_opts *a,
		     const struct weft_opts *b)
{
	uint32_t access = WEFT_REMOTE_READ | WEFT_REMOTE_WRITE;

	*p = (struct pair){ .net.conform = c };
	p->a = net_open(&p->net, a);
	p->b = net_open(&p->net, b);
	area_open(&p->mem_a, len);
	area_open(&p->mem_b, len);
	p->region_a = net_register(p->a, &p->mem_a, access);
	p->region_b = net_register(p->b, &p->mem_b, access);
}

void pair_open_opts(struct pair *p, const struct conform *c, size_t len, const struct weft_opts *a,
		    const struct weft_opts *b)
{
	pair_open_unmet(p, c, len, a, b);
	p->to_b = net_import(&p->net, p->a, p->region_b);
	p->to_a = net_import(&p->net, p->b, p->region_a);
}

void pair_open(struct pair *p, const struct conform *c, size_t len)
{
	pair_open_opts(p, c, len, NULL, NULL);
}

void pair_close(struct pair *p)
{
	check_guards(&p->mem_a);
	check_guards(&p->mem_b);
	net_end(&p->net);
	area_close(&p->mem_a);
	area_close(&p->mem_b);
}
