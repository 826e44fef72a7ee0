/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back end of weft perf between two processes:
 *
 *   backend_test BACKEND PROVIDER WHAT [ARGUMENT]
 *
 * WHAT is a row of the table below. Exit status 77: the provider is not there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include <weft/weft.h>

#include "nics.h"
#include "perf/fabric.h"
#include "perf/weft.h"
#include "twins.h"

static struct perf_case basic(const struct perf_backend *backend, const char *provider)
{
	struct perf_case c = {
		.test = PERF_BW,
		.size = 64,
		.window = 32,
		.threads = 1,
		.eps = 1,
		.post_list = 1,
		.inline_bytes = UINT32_MAX,
		.validate = true,
		.seed = 7,
	};

	snprintf(c.backend, sizeof(c.backend), "%s", backend->name);
	snprintf(c.provider, sizeof(c.provider), "%s", provider);
	return c;
}

static void say(const struct perf_case *c, const struct twins *twins)
{
	if (!twins->target)
		printf("%s %s %s size %llu eps %u list %u%s%s\n", c->backend, c->provider,
		       perf_op_word(c->op), (unsigned long long)c->size, c->eps, c->post_list,
		       c->bidir ? " bidir" : "", c->inline_bytes == UINT32_MAX ? "" : " inline");
	fflush(stdout);
}

/* Runs a case that has to be right. */
static void right(struct twins *twins, const struct perf_case *c, uint64_t ops)
{
	const struct twins_run run = { .ops = ops };
	const bool initiates = !twins->target || c->bidir, hit = twins->target || c->bidir;
	struct twins_seen seen;
	uint64_t landed = 0;

	say(c, twins);
	twins_go(twins, c, &run, &seen);
	if (seen.wrong)
		fail("content is wrong: %s", weft_error_detail());
	if (initiates && seen.done != ops * c->eps)
		fail("%llu done", (unsigned long long)seen.done);
	if (c->op == PERF_READ && initiates)
		landed = ops * c->eps * c->size;
	if ((c->op == PERF_SEND || c->op == PERF_WRITE_IMM) && hit)
		landed = ops * c->eps * c->size;
	if (seen.here.bytes_landed != landed)
		fail("%llu bytes landed, not %llu", (unsigned long long)seen.here.bytes_landed,
		     (unsigned long long)landed);
	if (!strstr(seen.here.ways, c->provider))
		fail("ways are '%s'", seen.here.ways);
}

/* Around each edge, eight bytes, and a MiB. */
static void sizes(struct twins *twins, struct perf_case c, const struct perf_limits *limits)
{
	uint32_t i;

	for (i = 0; i < limits->edges; i++) {
		c.size = limits->edge[i];
		if (c.size > limits->max_size)
			fail("an edge at %llu, beyond the largest size",
			     (unsigned long long)c.size);
		right(twins, &c, 40);
		c.size++;
		if (c.size <= limits->max_size)
			right(twins, &c, 40);
	}
	c.size = 8;
	right(twins, &c, 40);
	c.size = 1 << 20;
	if (c.size <= limits->max_size)
		right(twins, &c, 40);
}

static void all(struct twins *twins, struct perf_case c, const char *argument)
{
	static const struct {
		uint32_t eps, post_list;
		bool bidir;
	} shapes[] = { { 1, 16, false }, { 4, 16, true } };
	struct perf_limits limits;
	size_t i;

	(void)argument;
	for (c.op = 0; c.op < PERF_OPS; c.op++) {
		if (twins->backend->limits(&c, &limits))
			fail("limits: %s", weft_error_detail());
		sizes(twins, c, &limits);
		for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			struct perf_case shaped = c;

			shaped.eps = shapes[i].eps;
			shaped.post_list = shapes[i].post_list;
			shaped.bidir = shapes[i].bidir;
			shaped.size = 3000;
			right(twins, &shaped, 200);
		}
		if (limits.max_inline) {
			struct perf_case shaped = c;

			shaped.size = shaped.inline_bytes =
				limits.max_inline < 1024 ? limits.max_inline : 1024;
			right(twins, &shaped, 200);
		}
	}
}

/* Each operation once, with all that can be had at a time, and once with many packets. */
static void few(struct twins *twins, struct perf_case c, const char *argument)
{
	struct perf_limits limits;

	(void)argument;
	c.eps = 2;
	c.bidir = true;
	for (c.op = 0; c.op < PERF_OPS; c.op++) {
		c.post_list = 16;
		c.size = 3000;
		right(twins, &c, 200);
		if (twins->backend->limits(&c, &limits))
			fail("limits: %s", weft_error_detail());
		c.post_list = 1;
		c.size = limits.max_size < 100000 ? limits.max_size : 100000;
		right(twins, &c, 40);
	}
}

/* A target that does not look for a while: what is sent meanwhile is bounded by its room, and all
 * of it arrives. */
static void slow(struct twins *twins, struct perf_case c, const char *argument)
{
	const struct twins_run run = { .ops = 5000, .lazy = true };
	const uint64_t room = 512; /* twice the largest window here */
	struct perf_limits limits;
	struct twins_seen seen;

	(void)argument;
	c.post_list = 16;
	for (c.op = PERF_SEND; c.op <= PERF_WRITE_IMM; c.op++) {
		if (twins->backend->limits(&c, &limits))
			fail("limits: %s", weft_error_detail());
		c.window = limits.max_window < 256 ? limits.max_window : 256;
		say(&c, twins);
		twins_go(twins, &c, &run, &seen);
		if (seen.wrong)
			fail("content is wrong: %s", weft_error_detail());
		if (!twins->target)
			printf("%llu ahead\n", (unsigned long long)seen.ahead);
		if (!twins->target && twins->backend == &perf_fabric && seen.ahead > room)
			fail("%llu were posted, the target has room for %llu",
			     (unsigned long long)seen.ahead, (unsigned long long)room);
	}
}

/* --- wrong content is noticed -------------------------------------------------------------- */

/* One bit of one source is turned over, at the side where bytes come from. */
static void plant(struct perf_port *port, const struct perf_case *c, bool target)
{
	const uint64_t at = 3 * ((c->size + 63) / 64 * 64) + c->size - 1;

	if (target != (c->op == PERF_READ))
		return;
	if (port->backend == &perf_fabric)
		((struct pfab_port *)(void *)port)->ep[0].sources[at] ^= 4;
	else
		((struct pweft_port *)(void *)port)->memory[at] ^= 4;
}

static void planted(struct twins *twins, struct perf_case c, const char *argument)
{
	const struct twins_run run = { .ops = 40, .before = plant };
	struct twins_seen seen;

	(void)argument;
	c.size = 5000;
	for (c.op = 0; c.op < PERF_OPS; c.op++) {
		say(&c, twins);
		twins_go(twins, &c, &run, &seen);
		if (!seen.wrong)
			fail("wrong content of %s was not noticed", perf_op_word(c.op));
	}
}

/* --- devices ------------------------------------------------------------------------------- */

static void refused(const struct perf_backend *backend, const struct perf_case *c, const char *why)
{
	struct perf_port *port;
	int rc = backend->open(&port, c, 0, false);

	if (rc >= 0)
		fail("opened: %s", why);
	printf("%s: %s\n", why, weft_error_detail());
	if (!strstr(weft_error_detail(), why))
		fail("refused with %d: '%s', which does not say '%s'", rc, weft_error_detail(),
		     why);
}

/* argument: a device that is there. */
static void bad(struct twins *twins, struct perf_case c, const char *argument)
{
	struct perf_case other;

	if (twins->target)
		return;
	other = c;
	snprintf(other.devices, sizeof(other.devices), "bogus0");
	refused(twins->backend, &other, "bogus0");
	snprintf(other.devices, sizeof(other.devices), "%s,bogus1", argument);
	refused(twins->backend, &other, "bogus1");
	refused(twins->backend, &other, argument); /* what there is instead */
	other = c;
	snprintf(other.provider, sizeof(other.provider), "nosuch");
	refused(twins->backend, &other, "nosuch");
	other = c;
	other.nics = 60;
	refused(twins->backend, &other, "60");
	if (strcmp(twins->backend->name, "fabric") != 0)
		return;
	other = c;
	other.inline_bytes = 1 << 30;
	refused(twins->backend, &other, "inline");
	other = c;
	other.window = PERF_WINDOW_MAX + 1;
	refused(twins->backend, &other, "window");
}

/* Each of two devices alone, then both: their own counters tell which carried the bytes. argument:
 * bytes per second that each device lets through. */
static void nics(struct twins *twins, struct perf_case c, const char *argument)
{
	const uint64_t rate = strtoull(argument, NULL, 10), ops = 100;
	const struct twins_run run = { .ops = ops };
	struct nics_bytes before, after;
	struct twins_seen seen;
	uint64_t bytes;
	int which;

	c.size = 65536;
	c.eps = 2;
	c.window = 8;
	for (which = 0; which < 3; which++) {
		nics_read(&before);
		if (before.count != 2)
			fail("%u devices", before.count);
		/* Names of libfabric's, and of the system's. */
		snprintf(c.devices, sizeof(c.devices), "%s%s", which < 2 ? before.name[which] : "",
			 which == 1 ? "-rdm" : "");
		say(&c, twins);
		twins_go(twins, &c, &run, &seen);
		nics_read(&after);
		bytes = c.eps * ops * c.size;
		nics_check(&before, &after, which, bytes, twins->target);
		/* A burst at the start is free. */
		if (!twins->target &&
		    seen.ns < (bytes / (which < 2 ? 1 : 2) - (1 << 20)) * 1e9 / rate)
			fail("%llu bytes in %llu ns: faster than the limit",
			     (unsigned long long)bytes, (unsigned long long)seen.ns);
		if (!twins->target)
			printf("%s: %.1f MB/s\n", seen.here.ways, bytes * 1e3 / seen.ns);
	}
}

/* Messages of the largest eager size are one packet each, and one byte more is two: the list of
 * edges says what the provider does. */
static void edges(struct twins *twins, struct perf_case c, const char *argument)
{
	const struct twins_run run = { .ops = 400 };
	struct nics_bytes before, after;
	struct perf_limits limits;
	struct twins_seen seen;
	uint64_t packets;
	int more, op;

	(void)argument;
	if (strcmp(weft_libfabric_version(), "1.17") != 0) {
		fprintf(stderr, "packets are counted with libfabric 1.17 only\n");
		exit(77);
	}
	for (op = 0; op < 2; op++) {
		c.op = op ? PERF_WRITE : PERF_SEND;
		if (twins->backend->limits(&c, &limits))
			fail("limits: %s", weft_error_detail());
		for (more = 0; more < 2; more++) {
			c.size = limits.edge[0] + (uint32_t)more;
			say(&c, twins);
			nics_read(&before);
			twins_go(twins, &c, &run, &seen);
			nics_read(&after);
			packets = after.tx_packets - before.tx_packets;
			if (!twins->target)
				printf("%llu packets\n", (unsigned long long)packets);
			/* Besides there are handshakes, counts and answers. */
			if (!twins->target && (packets < run.ops * (1 + (uint32_t)more) ||
					       (!more && packets >= run.ops * 7 / 4)))
				fail("%llu packets of %llu operations", (unsigned long long)packets,
				     (unsigned long long)run.ops);
		}
	}
}

/* Not a test: prints a rate. argument: OP,SIZE,WINDOW,EPS,OPS */
static void rate(struct twins *twins, struct perf_case c, const char *argument)
{
	struct twins_run run = { .ops = 0 };
	struct twins_seen seen;
	unsigned long long size, ops;
	char op[16];

	if (sscanf(argument, "%15[a-z],%llu,%u,%u,%llu", op, &size, &c.window, &c.eps, &ops) != 5)
		fail("OP,SIZE,WINDOW,EPS,OPS");
	for (c.op = 0; c.op < PERF_OPS && strcmp(perf_op_word(c.op), op) != 0; c.op++)
		;
	c.size = size;
	c.validate = false;
	run.ops = ops / c.eps;
	twins_go(twins, &c, &run, &seen);
	if (!twins->target)
		printf("%s %s %s %llu: %.1f MB/s\n", c.backend, c.provider, op, size,
		       run.ops * c.eps * size * 1e3 / seen.ns);
}

static const struct {
	const char *name;
	void (*go)(struct twins *twins, struct perf_case c, const char *argument);
} whats[] = {
	{ "all", all }, { "few", few },   { "slow", slow },   { "planted", planted },
	{ "bad", bad }, { "nics", nics }, { "edges", edges }, { "rate", rate },
};

int main(int argc, char **argv)
{
	const struct perf_backend *backend = argc > 3 ? perf_backend_find(argv[1]) : NULL;
	struct perf_limits limits;
	struct perf_case c;
	struct twins twins;
	size_t i;

	if (!backend)
		fail("backend_test BACKEND PROVIDER WHAT [ARGUMENT]");
	c = basic(backend, argv[2]);
	if (backend->limits(&c, &limits)) {
		fprintf(stderr, "%s\n", weft_error_detail());
		return 77;
	}
	for (i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		if (strcmp(whats[i].name, argv[3]) != 0)
			continue;
		twins_start(&twins, backend, argv);
		whats[i].go(&twins, c, argc > 4 ? argv[4] : "");
		twins_end(&twins);
		return 0;
	}
	fail("what is '%s'?", argv[3]);
}
