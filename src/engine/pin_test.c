/* SPDX-License-Identifier: Apache-2.0 */
/* The table of registrations, over rails that only count. */
#include "engine/pin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"

#define PAGES 64u

struct port {
	int open;   /* registrations */
	int refuse; /* a code that pin() answers */
	size_t len; /* of the last one */
	size_t max; /* a longer one is refused with -EINVAL; 0: none is */
	int tries;
	uintptr_t next; /* where the one after the last would begin */
};

static int fake_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	(void)access;
	port->tries++;
	if (port->refuse)
		return port->refuse;
	if (port->max && len > port->max)
		return -EINVAL;
	port->next = (uintptr_t)base + len;
	port->open++;
	port->len = len;
	ret->handle = base;
	return 0;
}

static void fake_unpin(struct port *port, struct pin *pin)
{
	assert_non_null(pin->handle);
	pin->handle = NULL;
	port->open--;
}

static const struct transport fake = { .pin = fake_pin, .unpin = fake_unpin };

struct fixture {
	struct weft weft;
	struct rail rails[2];
	struct port ports[2];
	uintptr_t page;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	assert_non_null(f);
	f->page = (uintptr_t)sysconf(_SC_PAGESIZE);
	f->weft.rails = f->rails;
	f->weft.rail_count = 2;
	f->weft.max_registration = UINT64_MAX;
	for (i = 0; i < 2; i++) {
		f->rails[i].ops = &fake;
		f->rails[i].port = &f->ports[i];
	}
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->ports[0].open, 0);
	assert_int_equal(f->ports[1].open, 0);
	assert_int_equal(f->weft.stats.pins, 0);
	assert_int_equal(f->weft.stats.bytes_pinned, 0);
	assert_int_equal(f->weft.pins.count, 0);
	pin_table_free(&f->weft.pins);
	free(f);
	return 0;
}

/* A range of pages, by number. */
struct taken {
	struct pinned *pinned;
	void *base;
	size_t len;
};

static struct taken take_bytes(struct fixture *f, uintptr_t base, size_t len, uint32_t access)
{
	struct taken taken = { .base = (void *)base, .len = len };

	assert_int_equal(pin_take(&f->weft, taken.base, len, access, &taken.pinned), 0);
	assert_true(taken.pinned->first <= base && taken.pinned->end >= base + len);
	return taken;
}

static struct taken take(struct fixture *f, uintptr_t first, uintptr_t count)
{
	return take_bytes(f, (1000 + first) * f->page, count * f->page, WEFT_LOCAL);
}

static void give(struct fixture *f, const struct taken *taken)
{
	pin_give(&f->weft, taken->pinned, taken->base, taken->len);
}

static void local_use_covers_pages(void **state)
{
	struct fixture *f = *state;
	struct taken a = take_bytes(f, 1000 * f->page + 10, 20, WEFT_LOCAL);
	struct taken b = take_bytes(f, 1000 * f->page + 100, f->page - 100, WEFT_LOCAL);
	struct taken c = take_bytes(f, 1001 * f->page - 1, 2, WEFT_LOCAL);

	assert_ptr_equal(a.pinned, b.pinned);
	assert_ptr_not_equal(a.pinned, c.pinned);
	assert_int_equal(f->ports[0].len, 2 * f->page);
	assert_int_equal(f->weft.stats.bytes_pinned, 3 * f->page);
	give(f, &a);
	give(f, &b);
	give(f, &c);
}

static void what_grants_is_exact_and_alone(void **state)
{
	struct fixture *f = *state;
	struct taken whole = take(f, 0, 1);
	struct taken a = take_bytes(f, 1000 * f->page, f->page, WEFT_REMOTE_READ);
	struct taken b = take_bytes(f, 1000 * f->page + 3, 5, WEFT_REMOTE_READ);
	struct taken c = take_bytes(f, 1000 * f->page, f->page, WEFT_REMOTE_READ);

	assert_int_equal(b.pinned->end - b.pinned->first, 5);
	assert_int_equal(f->weft.stats.pins, 4);
	assert_int_equal(f->weft.stats.pins_shared, 0);
	give(f, &whole);
	whole = take(f, 0, 1);
	assert_int_equal(f->weft.stats.pins, 4);
	give(f, &a);
	give(f, &c);
	give(f, &b);
	give(f, &whole);
}

/* The rest may be other memory by now: it must not be handed to anybody. */
static void a_part_does_not_vouch_for_the_whole(void **state)
{
	struct fixture *f = *state;
	struct taken whole = take(f, 0, 8), part = take(f, 2, 2), other, same;

	assert_ptr_equal(whole.pinned, part.pinned);
	give(f, &whole);
	assert_int_equal(f->ports[1].open, 1);
	other = take(f, 5, 1);
	assert_ptr_not_equal(other.pinned, part.pinned);
	same = take(f, 2, 2);
	assert_ptr_not_equal(same.pinned, part.pinned);
	give(f, &part);
	give(f, &other);
	give(f, &same);
}

static void another_that_covers_the_whole_vouches(void **state)
{
	struct fixture *f = *state;
	struct taken a = take(f, 0, 8), b = take(f, 0, 8), c;

	give(f, &a);
	c = take(f, 7, 1);
	assert_ptr_equal(b.pinned, c.pinned);
	give(f, &b);
	give(f, &c);
}

static void a_larger_one_takes_over(void **state)
{
	struct fixture *f = *state;
	struct taken a = take(f, 2, 2), b = take(f, 6, 1), c = take(f, 9, 3);
	struct taken big = take(f, 2, 8), inner = take(f, 2, 2), later;

	assert_int_equal(f->weft.pins.count, 2);
	assert_ptr_equal(inner.pinned, big.pinned);
	later = take(f, 10, 2);
	assert_ptr_equal(later.pinned, c.pinned);
	give(f, &a);
	give(f, &big);
	give(f, &inner);
	give(f, &b);
	give(f, &c);
	give(f, &later);
}

static void a_rail_that_refuses_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct pinned *pinned = NULL;

	f->ports[1].refuse = -ENOMEM;
	assert_int_equal(pin_take(&f->weft, (void *)f->page, 1, WEFT_LOCAL, &pinned), -ENOMEM);
	assert_null(pinned);
	assert_int_equal(f->ports[0].open, 0);
}

/* --- parts --- */

#define GIB (1ull << 30)

static void what_is_known_to_be_too_long_is_cut(void **state)
{
	struct fixture *f = *state;
	struct taken a, b;

	f->weft.max_registration = 3 * f->page;
	a = take_bytes(f, 1000 * f->page + 5, 9 * f->page, WEFT_REMOTE_READ);
	assert_int_equal(a.pinned->parts, 5);
	assert_true(1ull << a.pinned->shift == 2 * f->page);
	assert_int_equal(f->ports[0].open, 5);
	assert_int_equal(f->ports[1].open, 5);
	assert_int_equal(f->ports[1].len, f->page);
	assert_int_equal(f->ports[1].next, 1009 * f->page + 5);
	assert_int_equal(f->weft.stats.pins, 5);
	assert_int_equal(f->weft.stats.bytes_pinned, 9 * f->page);
	b = take_bytes(f, 1000 * f->page, 3 * f->page, WEFT_REMOTE_READ);
	assert_int_equal(b.pinned->parts, 1);
	assert_int_equal(b.pinned->shift, PLAN_WHOLE);
	give(f, &a);
	assert_int_equal(f->weft.stats.pins, 1);
	give(f, &b);
}

/* The rail with the lowest bound decides for all. */
static void a_devices_bound_counts_for_all_rails(void **state)
{
	struct fixture *f = *state;
	struct taken a;

	f->rails[0].longest = 100 * GIB;
	f->rails[1].longest = 96 * GIB;
	a = take_bytes(f, f->page, 97 * GIB, WEFT_REMOTE_READ);
	assert_int_equal(a.pinned->parts, 2);
	assert_int_equal(f->ports[0].tries, 2);
	assert_int_equal(f->ports[0].len, 33 * GIB);
	give(f, &a);
	a = take_bytes(f, f->page, 96 * GIB, WEFT_REMOTE_READ);
	assert_int_equal(a.pinned->parts, 1);
	give(f, &a);
}

/* Only one of the rails refuses, and none says what it takes. */
static void what_is_refused_is_halved(void **state)
{
	struct fixture *f = *state;
	struct taken a, b;

	f->ports[1].max = 3 * GIB;
	a = take_bytes(f, f->page, 16 * GIB, WEFT_LOCAL);
	assert_true(1ull << a.pinned->shift == 2 * GIB);
	assert_int_equal(a.pinned->parts, 8);
	assert_int_equal(f->ports[0].open, 8);
	assert_int_equal(f->ports[1].open, 8);
	/* Whole, halves, quarters, eighths. */
	assert_int_equal(f->ports[1].tries, 3 + 8);
	b = take_bytes(f, f->page + 5 * GIB, GIB, WEFT_LOCAL);
	assert_ptr_equal(a.pinned, b.pinned);
	give(f, &a);
	assert_int_equal(f->weft.stats.pins, 8);
	give(f, &b);
}

static void halving_ends(void **state)
{
	struct pinned *pinned = NULL;
	struct fixture *f = *state;

	f->ports[0].refuse = -EINVAL;
	assert_int_equal(pin_take(&f->weft, (void *)f->page, 16 * GIB, WEFT_REMOTE_READ, &pinned),
			 -WEFT_EPROVIDER);
	assert_int_equal(f->ports[0].tries, 1 + 8); /* down to 256 parts */
	f->ports[0].tries = 0;
	assert_int_equal(
		pin_take(&f->weft, (void *)f->page, 4u << PIN_FOUND_MIN, WEFT_REMOTE_READ, &pinned),
		-WEFT_EPROVIDER);
	assert_int_equal(f->ports[0].tries, 1 + 2);
	f->ports[0].tries = 0;
	assert_int_equal(pin_take(&f->weft, (void *)f->page, 1, WEFT_REMOTE_READ, &pinned),
			 -WEFT_EPROVIDER);
	assert_int_equal(f->ports[0].tries, 1);
	/* Other refusals are not for the length. */
	f->ports[0].tries = 0;
	f->ports[0].refuse = -ENOMEM;
	assert_true(pin_take(&f->weft, (void *)f->page, 16 * GIB, WEFT_REMOTE_READ, &pinned) < 0);
	assert_int_equal(f->ports[0].tries, 1);
	assert_null(pinned);
}

/* A part in the middle fails: those before it, on both rails, are given back. */
static void a_part_that_fails_leaves_nothing(void **state)
{
	struct pinned *pinned = NULL;
	struct fixture *f = *state;

	f->weft.max_registration = f->page;
	f->ports[1].max = f->page - 1;
	assert_int_equal(pin_take(&f->weft, (void *)f->page, 5 * f->page, WEFT_LOCAL, &pinned),
			 -WEFT_EPROVIDER);
	assert_int_equal(f->ports[0].tries, 5);
	assert_int_equal(f->ports[1].tries, 1);
	assert_int_equal(f->ports[0].open, 0);
	assert_null(pinned);
}

static void too_many_parts_say_so(void **state)
{
	struct pinned *pinned = NULL;
	struct fixture *f = *state;
	struct taken a;

	f->weft.max_registration = f->page;
	a = take(f, 0, WIRE_PARTS_MAX);
	assert_int_equal(a.pinned->parts, WIRE_PARTS_MAX);
	give(f, &a);
	f->ports[0].tries = 0;
	assert_int_equal(pin_take(&f->weft, (void *)f->page, (WIRE_PARTS_MAX + 1) * f->page,
				  WEFT_LOCAL, &pinned),
			 -WEFT_ELIMIT);
	assert_int_equal(f->ports[0].tries, 0);
	assert_non_null(strstr(weft_error_detail(), "257 parts would be needed, at most 256"));
	assert_non_null(strstr(weft_error_detail(), "max_registration"));
	assert_non_null(strstr(weft_error_detail(), "register several regions"));
	f->weft.max_registration = UINT64_MAX;
	f->rails[1].longest = f->page;
	strcpy(f->rails[1].limits.device, "rdmap7");
	assert_int_equal(pin_take(&f->weft, (void *)f->page, 2u << 30, WEFT_LOCAL, &pinned),
			 -WEFT_ELIMIT);
	assert_non_null(strstr(weft_error_detail(), "rdmap7"));
}

/* P2 and P3 hold whatever comes in whatever order, and what could be shared is. */
static void check_table(const struct fixture *f, const struct taken *taken, size_t count)
{
	const struct pin_table *table = &f->weft.pins;
	size_t i, j;

	for (i = 1; i < table->count; i++)
		assert_true(table->at[i - 1]->first < table->at[i]->first &&
			    table->at[i - 1]->end < table->at[i]->end);
	for (i = 0; i < table->count; i++) {
		for (j = 0; j < count; j++)
			if (taken[j].pinned == table->at[i] &&
			    (uintptr_t)taken[j].base == table->at[i]->first &&
			    (uintptr_t)taken[j].base + taken[j].len == table->at[i]->end)
				break;
		assert_true(j < count);
	}
}

static void any_order(void **state)
{
	struct taken taken[40] = { 0 };
	struct fixture *f = *state;
	unsigned random = 7, n, first;
	size_t i;

	for (n = 0; n < 20000; n++) {
		random = random * 1664525u + 1013904223u;
		i = (random >> 8) % 40;
		if (taken[i].pinned) {
			give(f, &taken[i]);
			taken[i].pinned = NULL;
		} else {
			first = (random >> 16) % PAGES;
			taken[i] = take(f, first, 1 + (random >> 24) % (PAGES - first));
		}
		check_table(f, taken, 40);
	}
	assert_true(f->weft.stats.pins_shared > 1000);
	for (i = 0; i < 40; i++)
		if (taken[i].pinned)
			give(f, &taken[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(local_use_covers_pages, begin, end),
		cmocka_unit_test_setup_teardown(what_grants_is_exact_and_alone, begin, end),
		cmocka_unit_test_setup_teardown(a_part_does_not_vouch_for_the_whole, begin, end),
		cmocka_unit_test_setup_teardown(another_that_covers_the_whole_vouches, begin, end),
		cmocka_unit_test_setup_teardown(a_larger_one_takes_over, begin, end),
		cmocka_unit_test_setup_teardown(a_rail_that_refuses_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(what_is_known_to_be_too_long_is_cut, begin, end),
		cmocka_unit_test_setup_teardown(a_devices_bound_counts_for_all_rails, begin, end),
		cmocka_unit_test_setup_teardown(what_is_refused_is_halved, begin, end),
		cmocka_unit_test_setup_teardown(halving_ends, begin, end),
		cmocka_unit_test_setup_teardown(a_part_that_fails_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(too_many_parts_say_so, begin, end),
		cmocka_unit_test_setup_teardown(any_order, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
