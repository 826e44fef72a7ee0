/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	ITEMS = 12
};

struct item {
	int number;
	struct list link;
};

/* Both directions of the list hold exactly these numbers. */
static void check_order(const struct list *head, const int *numbers, int n)
{
	const struct list *link = head;
	int i;

	for (i = 0; i < n; i++) {
		link = link->next;
		assert_true(link != head);
		assert_int_equal(list_entry(link, struct item, link)->number, numbers[i]);
	}
	assert_ptr_equal(link->next, head);
	for (i = n; i-- > 0; link = link->prev)
		assert_int_equal(list_entry(link, struct item, link)->number, numbers[i]);
	assert_ptr_equal(link, head);
	assert_int_equal(list_empty(head), n == 0);
}

static int find(const int *numbers, int n, int number)
{
	int i;

	for (i = 0; i < n && numbers[i] != number; i++)
		;
	return i;
}

static void it_behaves_like_an_array(void **state)
{
	int model[ITEMS], n = 0, step, at, i;
	struct item items[ITEMS];
	struct list head;
	uint64_t seed = 5, x;

	(void)state;
	list_init(&head);
	for (i = 0; i < ITEMS; i++) {
		items[i].number = i;
		list_init(&items[i].link);
	}
	for (step = 0; step < 5000; step++) {
		x = random_next(&seed);
		i = (int)(x >> 8) % ITEMS;
		i = i < 0 ? -i : i;
		at = find(model, n, i);
		assert_int_equal(list_empty(&items[i].link), at == n);
		if (at < n) {
			list_del(&items[i].link);
			memmove(&model[at], &model[at + 1], (size_t)(--n - at) * sizeof(*model));
		}
		if (x % 3 == 0) {
			list_add_tail(&head, &items[i].link);
			model[n++] = i;
		} else if (x % 3 == 1) {
			list_add_head(&head, &items[i].link);
			memmove(&model[1], &model[0], (size_t)n++ * sizeof(*model));
			model[0] = i;
		} else {
			list_del(&items[i].link);
		}
		check_order(&head, model, n);
	}
}

static void entries_may_leave_while_it_is_walked(void **state)
{
	static const int odd[] = { 1, 3, 5, 7, 9, 11 };
	struct item items[ITEMS];
	struct list head, *link, *after;
	int i, seen = 0;

	(void)state;
	list_init(&head);
	list_for_each_safe(link, after, &head) seen++;
	assert_int_equal(seen, 0);
	for (i = 0; i < ITEMS; i++) {
		items[i].number = i;
		list_add_tail(&head, &items[i].link);
	}
	list_for_each_safe(link, after, &head)
	{
		if (list_entry(link, struct item, link)->number % 2)
			continue;
		list_del(link);
		memset(link, 0xff, sizeof(*link));
	}
	check_order(&head, odd, 6);
	list_for_each(link, &head) seen++;
	assert_int_equal(seen, 6);
}

static void moving_and_popping_keep_the_order(void **state)
{
	static const int all[] = { 1, 2, 3, 0 };
	struct item items[4];
	struct list a, b;
	int i;

	(void)state;
	list_init(&a);
	list_init(&b);
	for (i = 0; i < 4; i++) {
		items[i].number = i;
		list_add_tail(i < 2 ? &a : &b, &items[i].link);
	}
	list_splice_tail(&a, &b);
	assert_true(list_empty(&b));
	list_splice_tail(&a, &b);
	list_move_tail(&a, &items[0].link);
	check_order(&a, all, 4);
	list_splice_tail(&b, &a);
	check_order(&b, all, 4);
	check_order(&a, all, 0);
	for (i = 0; i < 4; i++) {
		assert_ptr_equal(list_first(&b), &items[all[i]].link);
		list_rotate(&b);
	}
	check_order(&b, all, 4);
	for (i = 0; i < 4; i++)
		assert_ptr_equal(list_pop(&b), &items[all[i]].link);
	assert_null(list_pop(&b));
	list_rotate(&b);
	assert_null(list_first(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_behaves_like_an_array),
		cmocka_unit_test(entries_may_leave_while_it_is_walked),
		cmocka_unit_test(moving_and_popping_keep_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
