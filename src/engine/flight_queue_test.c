/* SPDX-License-Identifier: Apache-2.0 */
/* Groups in a peer's queue: what is taken out of one, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/engine.h"

#define COUNT 8

struct fixture {
	struct weft_peer peer;
	struct weft_remote remote;
	struct transfer transfers[COUNT];
};

/* One entry with all the others behind it. */
static void begin(struct fixture *f)
{
	uint32_t i;

	*f = (struct fixture){ .remote.peer = &f->peer };
	list_init(&f->peer.queue);
	list_init(&f->peer.flights);
	for (i = 0; i < COUNT; i++) {
		f->transfers[i].remote = &f->remote;
		f->transfers[i].len = 64;
	}
	f->transfers[0].queued = QUEUED_ENTRY;
	f->transfers[0].follow = COUNT - 1;
	list_add_tail(&f->peer.queue, &f->transfers[0].link);
}

/* Writes the indices in the order in which they would be posted. */
static uint32_t order(const struct fixture *f, uint32_t *ret)
{
	const struct transfer *entry;
	const struct list *link;
	uint32_t n = 0, i;

	list_for_each(link, &f->peer.queue)
	{
		entry = list_entry(link, const struct transfer, link);
		assert_int_equal(entry->queued, QUEUED_ENTRY);
		for (i = 0; i <= entry->follow; i++) {
			assert_true(n < COUNT);
			ret[n++] = (uint32_t)(entry - f->transfers) + i;
		}
	}
	return n;
}

static void expect(const struct fixture *f, const uint32_t *wanted, uint32_t count)
{
	uint32_t got[COUNT], n = order(f, got);

	assert_int_equal(n, count);
	assert_memory_equal(got, wanted, count * sizeof(*wanted));
}

static void who_is_taken_out_leaves_the_order(void **state)
{
	const uint32_t without_3[] = { 0, 1, 2, 4, 5, 6, 7 }, without_0[] = { 1, 2, 4, 5, 6, 7 };
	const uint32_t without_7[] = { 1, 2, 4, 5, 6 };
	struct fixture f;

	(void)state;
	begin(&f);
	flight_dequeue(&f.transfers[3]);
	expect(&f, without_3, 7);
	assert_int_equal(f.transfers[3].queued, QUEUED_NOT);
	flight_dequeue(&f.transfers[0]);
	expect(&f, without_0, 6);
	flight_dequeue(&f.transfers[7]);
	expect(&f, without_7, 5);
	flight_dequeue(&f.transfers[7]); /* it is not there any more */
	expect(&f, without_7, 5);
}

static void each_can_be_taken_out_in_any_order(void **state)
{
	static const uint32_t turns[] = { 5, 2, 0, 7, 1, 6, 3, 4 };
	uint32_t got[COUNT], i;
	struct fixture f;

	(void)state;
	begin(&f);
	for (i = 0; i < COUNT; i++) {
		flight_dequeue(&f.transfers[turns[i]]);
		assert_int_equal(order(&f, got), COUNT - 1 - i);
	}
	assert_true(list_empty(&f.peer.queue));
}

static void a_split_makes_two_entries(void **state)
{
	const uint32_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct fixture f;

	(void)state;
	begin(&f);
	flight_split(&f.transfers[0], 5);
	assert_int_equal(f.transfers[0].follow, 4);
	assert_int_equal(f.transfers[5].follow, 2);
	expect(&f, all, COUNT);
}

/* In flight it is not in the queue, whatever it says, and then the general way knows all of it. */
static void who_leaves_a_run_is_whole(void **state)
{
	struct flight flight = { .run = 9, .spent = true, .detached = true, .at = 7, .imm = true };
	const uint32_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct fixture f;
	struct transfer *transfer = &f.transfers[2];

	(void)state;
	begin(&f);
	flight.transfer = transfer;
	transfer->flight = &flight;
	flight_dequeue(transfer);
	expect(&f, all, COUNT);
	flight_leave_run(&flight);
	assert_null(transfer->flight);
	assert_int_equal(transfer->queued, QUEUED_NOT);
	assert_int_equal(transfer->posted, transfer->len);
	assert_int_equal(transfer->piece, transfer->len);
	assert_int_equal(atomic_load(&transfer->outstanding), 1);
	assert_int_equal(flight.run, 0);
	assert_int_equal(flight.at, 0);
	assert_int_equal(flight.len, transfer->len);
	assert_false(flight.spent || flight.detached || flight.imm);
	assert_ptr_equal(list_first(&f.peer.flights), &flight.link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_taken_out_leaves_the_order),
		cmocka_unit_test(each_can_be_taken_out_in_any_order),
		cmocka_unit_test(a_split_makes_two_entries),
		cmocka_unit_test(who_leaves_a_run_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
