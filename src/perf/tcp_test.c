/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "perf/tcp_kit.h"

#define EVENTS 64

/* Two ports of one process. mine: the initiator's. */
struct both {
	struct perf_case c;
	struct perf_port *mine, *twin;
	uint32_t eps_of[2]; /* of the next post */
	uint64_t posted[2], done[2], arrived[2];
	uint8_t *seen[2]; /* which numbers have ended */
};

static void open_both(struct both *b)
{
	uint8_t mine[1024], twin[1024];
	int mine_len, twin_len, one = -EAGAIN, other = -EAGAIN;

	assert_int_equal(perf_tcp.open(&b->mine, &b->c, 0, false), 0);
	assert_int_equal(perf_tcp.open(&b->twin, &b->c, 0, true), 0);
	mine_len = perf_tcp.address(b->mine, mine, sizeof(mine));
	twin_len = perf_tcp.address(b->twin, twin, sizeof(twin));
	assert_true(mine_len > 0 && twin_len > 0);
	while (one || other) {
		if (one == -EAGAIN)
			one = perf_tcp.connect(b->mine, twin, (size_t)twin_len);
		if (other == -EAGAIN)
			other = perf_tcp.connect(b->twin, mine, (size_t)mine_len);
		assert_true(one == 0 || one == -EAGAIN);
		assert_true(other == 0 || other == -EAGAIN);
	}
}

static void close_both(struct both *b)
{
	perf_tcp.close(b->mine);
	perf_tcp.close(b->twin);
	free(b->seen[0]);
	free(b->seen[1]);
}

static int poll_side(struct both *b, int side, uint32_t room)
{
	struct perf_port *port = side ? b->twin : b->mine;
	struct perf_event events[EVENTS];
	int n = perf_tcp.poll(port, events, room);

	for (int i = 0; i < n; i++) {
		assert_true(events[i].ep < b->c.eps);
		if (events[i].kind == PERF_ARRIVED) {
			assert_int_equal(events[i].number, b->arrived[side]++);
			continue;
		}
		assert_int_equal(events[i].kind, PERF_DONE);
		assert_true(events[i].number < b->posted[side]);
		assert_int_equal(b->seen[side][events[i].number]++, 0);
		b->done[side]++;
	}
	return n;
}

static void post_side(struct both *b, int side, uint64_t most)
{
	struct perf_port *port = side ? b->twin : b->mine;
	uint32_t ep = b->eps_of[side]++ % b->c.eps, count = b->c.post_list;
	int n;

	if (count > most - b->posted[side])
		count = (uint32_t)(most - b->posted[side]);
	n = perf_tcp.post(port, ep, b->posted[side], count);
	assert_true(n >= 0 && n <= (int)count);
	b->posted[side] += (uint64_t)n;
}

/* All operations of one or both sides, with so many events to a poll. */
static void carry(struct both *b, uint64_t most, uint32_t room)
{
	uint64_t want[2] = { most, b->c.bidir ? most : 0 };

	open_both(b);
	for (int side = 0; side < 2; side++)
		b->seen[side] = calloc(most, 1);
	while (b->done[0] < want[0] || b->done[1] < want[1])
		for (int side = 0; side < 2; side++) {
			if (b->posted[side] < want[side])
				post_side(b, side, want[side]);
			assert_true(poll_side(b, side, room) >= 0);
		}
}

static void check_counts(struct both *b, uint64_t most)
{
	bool tells = b->c.op == PERF_SEND || b->c.op == PERF_WRITE_IMM, reads;
	uint64_t want, told;

	for (int side = 0; side < 2; side++) {
		/* A read lands at its initiator, the others at the other side. */
		reads = b->c.op == PERF_READ;
		want = b->c.bidir || side == !reads ? most : 0;
		told = tells ? want : 0;
		while (b->arrived[side] < told ||
		       facts_of(side ? b->twin : b->mine).bytes_landed < want * b->c.size)
			assert_true(poll_side(b, side, EVENTS) >= 0);
		assert_int_equal(b->arrived[side], told);
		assert_int_equal(facts_of(side ? b->twin : b->mine).bytes_landed, want * b->c.size);
		assert_false(facts_of(side ? b->twin : b->mine).wrong);
		assert_int_equal(poll_side(b, side, EVENTS), 0);
	}
}

static void every_operation_ends_once(void **state)
{
	static const uint64_t sizes[] = { 1, 64, 4097, 300000 };
	struct both b;

	(void)state;
	for (uint32_t i = 0; i < PERF_OPS * 4 * 8; i++) {
		uint32_t ways = i / PERF_OPS / 4;

		b = (struct both){ .c = case_of(i % PERF_OPS, sizes[i / PERF_OPS % 4], 8,
						ways & 1 ? 3 : 1) };
		b.c.bidir = ways & 2;
		b.c.validate = ways & 4;
		b.c.post_list = ways & 1 ? 5 : 1;
		b.c.test = ways & 4 ? PERF_LAT : PERF_RATE;
		carry(&b, 50, ways & 2 ? 1 : EVENTS);
		check_counts(&b, 50);
		close_both(&b);
	}
}

/* Far more than the kernel holds, so that frames and messages are cut everywhere. */
static void messages_larger_than_the_sockets_hold(void **state)
{
	struct both b;

	(void)state;
	for (uint32_t op = 0; op < PERF_OPS; op++) {
		b = (struct both){ .c = case_of(op, (12 << 20) + 3, 2, 1) };
		b.c.validate = b.c.bidir = true;
		carry(&b, 3, EVENTS);
		check_counts(&b, 3);
		close_both(&b);
	}
}

static void a_window_takes_no_more(void **state)
{
	struct both b = { .c = case_of(PERF_WRITE, 100, 4, 1) };

	(void)state;
	open_both(&b);
	b.seen[0] = calloc(16, 1);
	assert_int_equal(perf_tcp.post(b.mine, 0, 0, 3), 3);
	assert_int_equal(perf_tcp.post(b.mine, 0, 3, 3), 1);
	assert_int_equal(perf_tcp.post(b.mine, 0, 4, 1), 0);
	b.posted[0] = 4;
	/* Nothing is done while the twin has read nothing, however long. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(poll_side(&b, 0, EVENTS), 0);
	while (b.done[0] < 4) {
		poll_side(&b, 1, EVENTS);
		poll_side(&b, 0, EVENTS);
	}
	assert_int_equal(perf_tcp.post(b.mine, 0, 4, 5), 4);
	close_both(&b);
}

static void a_send_is_done_when_the_kernel_has_it(void **state)
{
	struct both b = { .c = case_of(PERF_SEND, 100, 4, 1) };

	(void)state;
	open_both(&b);
	b.seen[0] = calloc(16, 1);
	b.posted[0] = 4;
	assert_int_equal(perf_tcp.post(b.mine, 0, 0, 4), 4);
	assert_int_equal(poll_side(&b, 0, EVENTS), 4);
	assert_int_equal(facts_of(b.twin).bytes_landed, 0);
	close_both(&b);
}

static void facts_come_from_the_kernel(void **state)
{
	struct both b = { .c = case_of(PERF_SEND, 5000, 8, 3) };
	struct perf_facts mine, twin;

	(void)state;
	carry(&b, 300, EVENTS);
	check_counts(&b, 300);
	mine = facts_of(b.mine);
	twin = facts_of(b.twin);
	assert_true(mine.is_tcp && twin.is_tcp);
	/* Heads and hellos are on the wire too. */
	assert_true(twin.wire_bytes > 300 * 5000);
	assert_true(twin.wire_bytes < 300 * 5000 + 300 * TCP_HEAD + 3 * 100);
	assert_memory_equal(mine.ways, "tcp 127.0.0.1:", 14);
	assert_non_null(strstr(mine.ways, " x3 "));
	assert_non_null(strstr(mine.ways, " mtu "));
	/* Both name the target's end. */
	assert_memory_equal(mine.ways, twin.ways, 19);
	close_both(&b);
}

static void an_idle_port_wakes_when_something_comes(void **state)
{
	struct both b = { .c = case_of(PERF_SEND, 100, 4, 1) };
	uint64_t soon;

	(void)state;
	b.c.test = PERF_OPEN;
	open_both(&b);
	b.seen[0] = calloc(1, 1);
	b.posted[0] = 1;
	assert_int_equal(perf_tcp.post(b.mine, 0, 0, 1), 1);
	/* Would never end if what has come were not seen. */
	perf_tcp.idle(b.twin, UINT64_MAX);
	while (b.arrived[1] < 1)
		assert_true(poll_side(&b, 1, EVENTS) >= 0);
	soon = clock_ns() + 2 * NSEC_PER_MSEC;
	perf_tcp.idle(b.twin, soon);
	close_both(&b);
}

static void a_twin_goes_while_it_owes_an_answer(void **state)
{
	struct both b = { .c = case_of(PERF_READ, 64, 4, 1) };

	(void)state;
	open_both(&b);
	assert_int_equal(perf_tcp.post(b.mine, 0, 0, 1), 1);
	perf_tcp.close(b.twin);
	assert_int_equal(poll_until(b.mine), -WEFT_EPEERGONE);
	perf_tcp.close(b.mine);
}

static void addresses_are_checked(void **state)
{
	struct perf_case c = case_of(PERF_SEND, 64, 4, 1), two = c;
	struct perf_port *mine, *twin;
	uint8_t address[1024], bad[1024];
	int len;

	(void)state;
	two.eps = 2;
	assert_int_equal(perf_tcp.open(&twin, &c, 0, true), 0);
	len = perf_tcp.address(twin, address, sizeof(address));
	assert_true(len > 0);
	assert_int_equal(perf_tcp.address(twin, bad, 20), -EINVAL);
	for (int cut = 0; cut < len; cut++) {
		assert_int_equal(perf_tcp.open(&mine, &c, 0, false), 0);
		assert_int_equal(perf_tcp.connect(mine, address, (size_t)cut), -WEFT_EPROTOCOL);
		perf_tcp.close(mine);
	}
	/* The other side's kind, another number of streams, a name instead of an address. */
	assert_int_equal(perf_tcp.connect(twin, address, (size_t)len), -WEFT_EPROTOCOL);
	assert_int_equal(perf_tcp.open(&mine, &two, 0, false), 0);
	assert_int_equal(perf_tcp.connect(mine, address, (size_t)len), -WEFT_EPROTOCOL);
	perf_tcp.close(mine);
	memcpy(bad, address, (size_t)len);
	bad[len - 4] = 'g'; /* "127.0.0g1" */
	assert_int_equal(perf_tcp.open(&mine, &c, 0, false), 0);
	assert_int_equal(perf_tcp.connect(mine, bad, (size_t)len), -EINVAL);
	perf_tcp.close(mine);
	perf_tcp.close(twin);
	/* Nobody listens there any more. */
	assert_int_equal(perf_tcp.open(&mine, &c, 0, false), 0);
	do {
		len = perf_tcp.connect(mine, address, 9 + 2 * TCP_TOKEN + 2 + 9 + 2);
	} while (len == -EAGAIN);
	assert_int_equal(len, -ECONNREFUSED);
	perf_tcp.close(mine);
}

static void an_impostor_is_not_the_twin(void **state)
{
	struct both b = { .c = case_of(PERF_SEND, 64, 4, 1) };
	uint8_t address[1024];
	int len, rc;

	(void)state;
	assert_int_equal(perf_tcp.open(&b.mine, &b.c, 0, false), 0);
	assert_int_equal(perf_tcp.open(&b.twin, &b.c, 0, true), 0);
	len = perf_tcp.address(b.twin, address, sizeof(address));
	assert_true(len > 0);
	/* It is given another answer to expect. */
	address[9 + TCP_TOKEN] ^= 1;
	do {
		rc = perf_tcp.connect(b.mine, address, (size_t)len);
		perf_tcp.connect(b.twin, "WPT1\1\0\0\0", 9);
	} while (rc == -EAGAIN);
	assert_int_equal(rc, -WEFT_EPROTOCOL);
	close_both(&b);
}

static void a_host_is_a_literal_address_of_this_machine(void **state)
{
	struct perf_case c = case_of(PERF_SEND, 64, 4, 1);
	struct perf_port *port = NULL;
	uint8_t address[1024];
	struct both b = { .c = c };

	(void)state;
	assert_int_equal(perf_tcp_bind("localhost"), -EINVAL);
	assert_int_equal(perf_tcp_bind("192.0.2.1"), 0);
	assert_int_equal(perf_tcp.open(&port, &c, 0, true), -EADDRNOTAVAIL);
	assert_non_null(strstr(weft_error_detail(), "192.0.2.1"));
	if (perf_tcp_bind("::1") == 0 && perf_tcp.open(&port, &c, 0, true) == 0) {
		assert_true(perf_tcp.address(port, address, sizeof(address)) > 0);
		perf_tcp.close(port);
		carry(&b, 5, EVENTS);
		assert_memory_equal(facts_of(b.mine).ways, "tcp [::1]:", 10);
		close_both(&b);
	}
	assert_int_equal(perf_tcp_bind(NULL), 0);
}

static void impossible_cases(void **state)
{
	struct perf_case c = case_of(PERF_SEND, 0, 4, 1);
	struct perf_limits limits;
	struct perf_port *port;

	(void)state;
	assert_int_equal(perf_tcp.limits(&c, &limits), 0);
	assert_int_equal(limits.max_size, PERF_SIZE_MAX);
	assert_int_equal(perf_tcp.open(&port, &c, 0, true), -EINVAL);
	c = case_of(PERF_SEND, PERF_SIZE_MAX + 1, 4, 1);
	assert_int_equal(perf_tcp.open(&port, &c, 0, true), -EINVAL);
	c = case_of(PERF_SEND, 1, PERF_WINDOW_MAX + 1, 1);
	assert_int_equal(perf_tcp.open(&port, &c, 0, true), -EINVAL);
	c = case_of(PERF_SEND, 1, 1, 0);
	assert_int_equal(perf_tcp.open(&port, &c, 0, true), -EINVAL);
	assert_ptr_equal(perf_backend_find("tcp"), &perf_tcp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_ends_once),
		cmocka_unit_test(messages_larger_than_the_sockets_hold),
		cmocka_unit_test(a_window_takes_no_more),
		cmocka_unit_test(a_send_is_done_when_the_kernel_has_it),
		cmocka_unit_test(facts_come_from_the_kernel),
		cmocka_unit_test(an_idle_port_wakes_when_something_comes),
		cmocka_unit_test(a_twin_goes_while_it_owes_an_answer),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(an_impostor_is_not_the_twin),
		cmocka_unit_test(a_host_is_a_literal_address_of_this_machine),
		cmocka_unit_test(impossible_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
