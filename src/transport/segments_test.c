/* SPDX-License-Identifier: Apache-2.0 */
/* Several operations as one, between two ports of this process: what is moved, and how it ends. */
#include "transport/transport.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define PAGE     4096u
#define PAGES    (2u * PORT_SEGMENTS_MAX + 2u)
#define LIMIT_NS (20 * NSEC_PER_SEC)

struct end {
	struct port *port;
	struct pin pin;
	uint8_t *mem;
};

struct fixture {
	const struct transport *ops;
	struct end a, b;
	uint64_t dest; /* of b, at a */
	struct port_limits limits;
	struct op_ctx ctx[PORT_SEGMENTS_MAX];
	uint32_t told[PORT_SEGMENTS_MAX]; /* events of each */
	int error[PORT_SEGMENTS_MAX];
};

static void end_open(struct fixture *f, struct end *end, const struct port_opts *opts, int fill)
{
	assert_int_equal(f->ops->open(&end->port, opts), 0);
	end->mem = aligned_alloc(PAGE, PAGES * PAGE);
	assert_non_null(end->mem);
	memset(end->mem, fill, PAGES * PAGE);
	assert_int_equal(f->ops->pin(end->port, end->mem, PAGES * PAGE,
				     WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &end->pin),
			 0);
}

static void fixture_open(struct fixture *f, const char *provider, const char *device)
{
	const struct port_opts opts = {
		.provider = provider_find(provider),
		.device = device,
		.bind_addr = "127.0.0.1",
		.receive_buffers = 16,
	};
	uint8_t address[PORT_ADDRESS_MAX];
	size_t len = sizeof(address);

	*f = (struct fixture){ .ops = opts.provider->transport };
	end_open(f, &f->a, &opts, 'a');
	end_open(f, &f->b, &opts, 'b');
	assert_int_equal(f->ops->address(f->b.port, address, &len), 0);
	assert_int_equal(f->ops->connect(f->a.port, address, len, &f->dest), 0);
	f->ops->limits(f->a.port, &f->limits);
}

static void end_close(struct fixture *f, struct end *end)
{
	f->ops->unpin(end->port, &end->pin);
	f->ops->close(end->port);
	free(end->mem);
}

static void fixture_close(struct fixture *f)
{
	end_close(f, &f->a);
	end_close(f, &f->b);
}

/* Page i of a and page 2i + 1 of b; the lengths differ. */
static uint32_t segments_of(struct fixture *f, struct segment *segments)
{
	uint32_t i;

	for (i = 0; i < f->limits.segments; i++)
		segments[i] = (struct segment){
			.local = f->a.mem + i * PAGE,
			.len = PAGE - 7 * i,
			.remote = f->b.pin.base + (2 * i + 1) * PAGE,
			.ctx = &f->ctx[i],
		};
	return i;
}

static void note(struct fixture *f, const struct event *event)
{
	size_t i = (size_t)(event->ctx - f->ctx);

	assert_int_equal(event->kind, EVENT_DONE);
	assert_true(i < PORT_SEGMENTS_MAX);
	f->told[i]++;
	f->error[i] = event->error;
}

/* Posts them and polls both ends until as many events have come. */
static int move(struct fixture *f, uint8_t kind, uint64_t key, const struct segment *segments,
		uint32_t count)
{
	const struct op op = {
		.kind = kind,
		.flags = f->limits.direct   ? OP_DIRECT
			 : kind == OP_WRITE ? OP_PLACED
					    : 0,
		.desc = f->a.pin.desc,
		.dest = f->dest,
		.key = key,
	};
	uint64_t end_ns = clock_ns() + LIMIT_NS;
	struct event events[PORT_EVENTS_MAX];
	uint32_t came = 0;
	int rc, i, n;

	memset(f->told, 0, sizeof(f->told));
	while ((rc = f->ops->post_all(f->a.port, &op, segments, count)) == -EAGAIN) {
		assert_true(clock_ns() < end_ns);
		f->ops->poll(f->b.port, events);
		assert_int_equal(f->ops->poll(f->a.port, events), 0);
	}
	while (rc == 0 && came < count) {
		assert_true(clock_ns() < end_ns);
		f->ops->poll(f->b.port, events);
		n = f->ops->poll(f->a.port, events);
		for (i = 0; i < n; i++, came++)
			note(f, &events[i]);
	}
	return rc;
}

static void check_told(const struct fixture *f, uint32_t count, bool well)
{
	uint32_t i;

	for (i = 0; i < PORT_SEGMENTS_MAX; i++) {
		assert_int_equal(f->told[i], i < count);
		if (i < count)
			assert_int_equal(f->error[i] == 0, well);
		if (i < count)
			assert_int_equal(f->error[i], f->error[0]);
	}
}

static bool holds(const uint8_t *mem, int byte, size_t len)
{
	size_t i;

	for (i = 0; i < len && mem[i] == byte; i++)
		;
	return i == len;
}

static void check_moved(const struct fixture *f, uint8_t kind, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const uint8_t *near = f->a.mem + i * PAGE, *far = f->b.mem + (2 * i + 1) * PAGE;
		const uint8_t *to = kind == OP_WRITE ? far : near;
		size_t len = PAGE - 7 * i;

		assert_true(holds(to, kind == OP_WRITE ? 'a' : 'b', len));
		assert_true(holds(to + len, kind == OP_WRITE ? 'b' : 'a', 7 * i));
	}
	assert_true(holds(f->b.mem, 'b', PAGE)); /* and nothing beside them */
}

static void moves(const char *provider, const char *device)
{
	struct segment segments[PORT_SEGMENTS_MAX];
	struct fixture f;
	uint32_t count;
	uint8_t kind;

	for (kind = 0; kind < OP_KINDS; kind++) {
		fixture_open(&f, provider, device);
		assert_in_range(f.limits.segments, 2, PORT_SEGMENTS_MAX);
		count = segments_of(&f, segments);
		for (; count >= 2; count--) {
			assert_int_equal(move(&f, kind, f.b.pin.key, segments, count), 0);
			check_told(&f, count, true);
		}
		check_moved(&f, kind, f.limits.segments);
		fixture_close(&f);
	}
}

static void loop_moves(void **state)
{
	(void)state;
	moves("loop", "segments=5");
}

static void tcp_moves(void **state)
{
	(void)state;
	moves("tcp", NULL);
}

static void shm_moves(void **state)
{
	(void)state;
	moves("shm", NULL);
}

/* Nobody's key: the operation fails, and with it all that it stands for. */
static void fails_together(const char *provider, const char *device)
{
	struct segment segments[PORT_SEGMENTS_MAX];
	struct fixture f;
	uint32_t count;

	fixture_open(&f, provider, device);
	count = segments_of(&f, segments);
	assert_int_equal(move(&f, OP_WRITE, f.b.pin.key, segments, count), 0);
	check_told(&f, count, true);
	memset(f.b.mem, 'b', PAGES * PAGE);
	assert_int_equal(move(&f, OP_WRITE, f.b.pin.key ^ 0x5a5a, segments, count), 0);
	check_told(&f, count, false);
	assert_true(holds(f.b.mem, 'b', PAGES * PAGE));
	fixture_close(&f);
}

static void loop_fails_together(void **state)
{
	(void)state;
	fails_together("loop", "segments=5");
}

static void tcp_fails_together(void **state)
{
	(void)state;
	fails_together("tcp", NULL);
}

/* A direct copy that cannot be made whole is not taken: each is to be tried alone. */
static void shm_takes_none(void **state)
{
	struct segment segments[PORT_SEGMENTS_MAX];
	struct event events[PORT_EVENTS_MAX];
	struct fixture f;
	uint32_t count;

	(void)state;
	fixture_open(&f, "shm", NULL);
	if (!f.limits.direct) {
		fixture_close(&f);
		skip();
	}
	count = segments_of(&f, segments);
	segments[1].remote = 64;
	assert_true(move(&f, OP_READ, f.b.pin.key, segments, count) < 0);
	assert_int_equal(f.ops->poll(f.a.port, events), 0);
	fixture_close(&f);
}

/* Copies are whole when they are posted, the other end does nothing for them; and there is an end
 * to them between two polls. */
static void shm_copies_alone(void **state)
{
	struct event events[PORT_EVENTS_MAX];
	struct fixture f;
	struct op op;
	uint32_t i = 0;
	int rc;

	(void)state;
	fixture_open(&f, "shm", NULL);
	if (!f.limits.copies) {
		fixture_close(&f);
		skip();
	}
	op = (struct op){ .kind = OP_READ,
			  .flags = OP_DIRECT,
			  .desc = f.a.pin.desc,
			  .dest = f.dest,
			  .key = f.b.pin.key,
			  .local = f.a.mem,
			  .remote = f.b.pin.base,
			  .len = PAGES * PAGE,
			  .ctx = &f.ctx[0] };
	while ((rc = f.ops->post(f.a.port, &op)) == 0) {
		assert_true(holds(f.a.mem, 'b', PAGES * PAGE));
		assert_true(++i * op.len < 2 * f.limits.max_message);
	}
	assert_int_equal(rc, -EAGAIN);
	assert_true(i * op.len >= f.limits.max_message);
	assert_int_equal(f.ops->poll(f.a.port, events), i);
	assert_int_equal(f.ops->post(f.a.port, &op), 0);
	assert_int_equal(f.ops->poll(f.a.port, events), 1);
	assert_true(events[0].kind == EVENT_DONE && events[0].ctx == &f.ctx[0]);
	fixture_close(&f);
}

/* What a script does it does to the operation, however many pieces that has. */
static void loop_counts_operations(void **state)
{
	struct segment segments[PORT_SEGMENTS_MAX];
	struct fixture f;
	uint32_t count, i;

	(void)state;
	fixture_open(&f, "loop", "segments=8,fail_every=3,reorder=4");
	count = segments_of(&f, segments);
	for (i = 1; i <= 9; i++) {
		assert_int_equal(move(&f, OP_WRITE, f.b.pin.key, segments, count), 0);
		check_told(&f, count, i % 3 != 0);
	}
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loop_moves),
		cmocka_unit_test(loop_fails_together),
		cmocka_unit_test(loop_counts_operations),
		cmocka_unit_test(shm_moves),
		cmocka_unit_test(shm_takes_none),
		cmocka_unit_test(shm_copies_alone),
		cmocka_unit_test(tcp_moves),
		cmocka_unit_test(tcp_fails_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
