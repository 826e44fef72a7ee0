/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out at every point: -ENOMEM, nothing left behind, and the engine goes on. Leaks
 * show in the address sanitizer's build, in the counters, and in open files.
 */
#include <string.h>

#include "base/alloc.h"
#include "net.h"

/* More points of failure than any call has. */
#define POINTS_MAX 2000

struct trial {
	struct pair *p;
	const struct conform *c;
	struct weft *weft;
	struct area *mem;
	const uint8_t *descriptor;
	size_t len;
	struct weft_region *region;
	struct weft_remote *remote;
	struct weft_peer *peer;
	struct weft_batch *batch;
	struct weft_arrival *arrival;
};

struct step {
	const char *name;
	int (*run)(struct trial *t);
	void (*undo)(struct trial *t);
};

static int open_run(struct trial *t)
{
	struct weft_opts opts = net_opts(t->c);

	return weft_open(&t->weft, &opts);
}

static void open_undo(struct trial *t)
{
	weft_close(t->weft);
}

static int register_run(struct trial *t)
{
	return weft_register(t->p->a, t->mem->base, t->mem->len, WEFT_REMOTE_WRITE, &t->region);
}

static int register_local_run(struct trial *t)
{
	return weft_register(t->p->a, t->mem->base, t->mem->len, WEFT_LOCAL, &t->region);
}

static void register_undo(struct trial *t)
{
	net_unregister(&t->p->net, t->region);
}

static int export_run(struct trial *t)
{
	uint8_t buf[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(buf);

	return weft_export(t->p->region_a, buf, &len);
}

static int import_run(struct trial *t)
{
	return weft_import(t->p->a, t->descriptor, t->len, &t->remote);
}

static void import_undo(struct trial *t)
{
	until(&t->p->net, weft_remote_status(t->remote) == 0);
	weft_disconnect(weft_remote_peer(t->remote));
	check_ok(weft_remote_close(t->remote));
	until(&t->p->net, net_stats(t->p->a).peers == 1);
}

static int connect_run(struct trial *t)
{
	return weft_connect(t->p->a, t->descriptor, t->len, 0, &t->peer);
}

static void connect_undo(struct trial *t)
{
	weft_disconnect(t->peer);
	until(&t->p->net, net_stats(t->p->a).peers == 1);
}

static int batch_run(struct trial *t)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = 100 };

	return weft_batch_open(t->p->a, &opts, &t->batch);
}

static void batch_undo(struct trial *t)
{
	weft_batch_close(t->batch);
}

/* The batch is there already: filling and submitting it. */
static int submit_run(struct trial *t)
{
	for (int i = 0; i < 100; i++) {
		int rc = weft_batch_write(t->batch, t->p->region_a, 0, t->p->to_b, 0, 64, 0, 0);

		if (rc < 0)
			return rc;
	}
	return weft_submit(t->batch, CONFORM_LIMIT_NS);
}

static void submit_undo(struct trial *t)
{
	net_finish(&t->p->net, t->batch);
	net_check_done(t->batch, 100);
	check_ok(weft_batch_reset(t->batch));
}

static int arrival_run(struct trial *t)
{
	return weft_arrival_open(t->p->a, &t->arrival);
}

static void arrival_undo(struct trial *t)
{
	weft_arrival_close(t->arrival);
}

static int notify_run(struct trial *t)
{
	return weft_notify(weft_remote_peer(t->p->to_b), "hello", 5);
}

static void notify_undo(struct trial *t)
{
	char text[5];

	check_int(net_receive(&t->p->net, t->p->b, text, sizeof(text), NULL), 5);
}

static int helper_run(struct trial *t)
{
	return weft_write(t->p->region_a, 0, t->p->to_b, 4096, 1, 0);
}

/* One call with its n-th allocation failing, for every n that it gets to. */
static void every_point(struct trial *t, const struct step *step)
{
	int n, rc;

	for (n = 1; n < POINTS_MAX; n++) {
		mem_fail_at(n);
		rc = step->run(t);
		if (!mem_failed())
			break;
		mem_fail_at(0);
		if (rc != -ENOMEM)
			conform_fail(__FILE__, __LINE__, "%s: allocation %d: %s, not ENOMEM: %s",
				     step->name, n, weft_error_name(rc), weft_error_detail());
	}
	mem_fail_at(0);
	check(n < POINTS_MAX);
	conform_note("%s: %d allocations", step->name, n - 1);
	if (step->undo) {
		check_ok(rc);
		step->undo(t);
	}
}

static void calls_survive_no_memory(const struct conform *c)
{
	static const struct step steps[] = {
		{ "register", register_run, register_undo },
		{ "register for local use", register_local_run, register_undo },
		{ "export", export_run, NULL },
		{ "batch_open", batch_run, batch_undo },
		{ "arrival_open", arrival_run, arrival_undo },
		{ "notify", notify_run, notify_undo },
		{ "write", helper_run, NULL },
	};
	struct trial t = { .c = c };
	struct area mem;
	struct pair p;

	pair_open(&p, c, 4096);
	area_open(&mem, 4096);
	t.p = &p;
	t.mem = &mem;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		every_point(&t, &steps[i]);
	check_ok(batch_run(&t));
	every_point(&t, &(struct step){ "submit", submit_run, submit_undo });
	weft_batch_close(t.batch);
	check_int(net_stats(p.a).regions, 1);
	pair_close(&p);
	area_close(&mem);
}

/* Twice: what the libraries keep for good is there after the first time. */
static void open_survives_no_memory(const struct conform *c)
{
	struct trial t = { .c = c };
	struct step step = { "open", open_run, open_undo };
	int fds;

	every_point(&t, &step);
	fds = conform_descriptors();
	every_point(&t, &step);
	check_int(conform_descriptors(), fds);
}

static void import_survives_no_memory(const struct conform *c)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	struct trial t = { .c = c, .descriptor = descriptor, .len = sizeof(descriptor) };
	struct weft *third;
	struct area mem;
	struct pair p;

	pair_open(&p, c, 4096);
	area_open(&mem, 4096);
	third = net_open(&p.net, NULL);
	check_ok(weft_export(net_register(third, &mem, WEFT_REMOTE_WRITE), descriptor, &t.len));
	t.p = &p;
	every_point(&t, &(struct step){ "import", import_run, import_undo });
	every_point(&t, &(struct step){ "connect", connect_run, connect_undo });
	pair_close(&p);
	area_close(&mem);
}

/* Failures inside progress: a transfer ends, well or not, and the next one is fine. */
static void progress_survives_no_memory(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, 4096);
	batch = net_batch(p.a, 2);
	for (int n = 1; n < 40; n++) {
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
		check_int(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, 100), 1);
		mem_fail_at(n);
		if (!weft_submit(batch, NSEC_PER_SEC / 2))
			net_finish(&p.net, batch);
		mem_fail_at(0);
		until(&p.net, weft_batch_quiesce(batch, 0) == 0);
		check_ok(weft_batch_reset(batch));
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
		net_complete(&p.net, batch, 1);
	}
	weft_batch_close(batch);
	pair_close(&p);
}

/* Failures on either side of a handshake: it succeeds, or ends by its timeout with a reason. */
static void handshake_survives_no_memory(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	struct weft_remote *remote;

	opts.connect_timeout_ns = 300 * NSEC_PER_MSEC;
	for (int n = 1, rc; n < 24; n++) {
		struct net net = { .conform = c };
		struct weft *a = net_open(&net, &opts), *b = net_open(&net, &opts);
		size_t len = sizeof(descriptor);
		struct area mem;

		area_open(&mem, 4096);
		check_ok(weft_export(net_register(b, &mem, WEFT_REMOTE_WRITE), descriptor, &len));
		mem_fail_at(n);
		rc = weft_import(a, descriptor, len, &remote);
		if (!rc)
			until(&net, (rc = weft_remote_status(remote)) != -EINPROGRESS);
		mem_fail_at(0);
		check(rc <= 0);
		if (rc)
			check(strlen(weft_strerror(rc)) > 0);
		net_drop(&net);
		area_close(&mem);
	}
}

const struct conform_case cases_alloc[] = {
	{ "calls_survive_no_memory", calls_survive_no_memory, ONLY_MANUAL },
	{ "open_survives_no_memory", open_survives_no_memory, 0 },
	{ "import_survives_no_memory", import_survives_no_memory, ONLY_MANUAL },
	{ "progress_survives_no_memory", progress_survives_no_memory, ONLY_MANUAL },
	{ "handshake_survives_no_memory", handshake_survives_no_memory, ONLY_MANUAL },
	{ 0 },
};
