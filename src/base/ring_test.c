/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"
#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void it_behaves_like_a_bounded_queue(void **state)
{
	uint64_t seed, round, step, x, value, in, out;
	struct ring ring;
	uint32_t size;

	(void)state;
	for (round = 0; round < 6; round++) {
		size = 2u << round;
		seed = round;
		in = out = 0;
		assert_int_equal(ring_init(&ring, size), 0);
		for (step = 0; step < 5000; step++) {
			x = random_next(&seed);
			/* Phases that fill and phases that drain. */
			if (x % 4 < (step / 100 % 2 ? 1 : 3)) {
				assert_int_equal(ring_push(&ring, in), in - out < size);
				in += in - out < size;
			} else {
				value = 99999999;
				assert_int_equal(ring_pop(&ring, &value), in != out);
				assert_int_equal(value, in != out ? out : 99999999);
				out += in != out;
			}
			assert_int_equal(ring_empty(&ring), in == out);
		}
		ring_fini(&ring);
	}
}

static void positions_may_wrap_around(void **state)
{
	struct ring ring;
	uint64_t value = 0, i, k;

	(void)state;
	assert_int_equal(ring_init(&ring, 4), 0);
	ring.tail = (uint64_t)-6;
	atomic_store(&ring.head, ring.tail);
	for (i = ring.tail; i != ring.tail + 4; i++)
		atomic_store(&ring.cells[i & ring.mask].seq, i);
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 6; k++)
			assert_int_equal(ring_push(&ring, 10 * i + k), k < 4);
		/* Full also with the head past the end of the numbers and the tail before it. */
		for (k = 0; k < 4; k++)
			assert_true(ring_pop(&ring, &value) && value == 10 * i + k);
		assert_true(ring_empty(&ring));
	}
	ring_fini(&ring);
}

static void impossible_sizes_are_refused(void **state)
{
	static const uint32_t sizes[] = {
		0, 1, 3, 6, 1000, RING_MAX + 1, RING_MAX * 2, UINT32_MAX
	};
	struct ring ring;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(ring_init(&ring, sizes[i]), -EINVAL);
	mem_fail_at(1);
	assert_int_equal(ring_init(&ring, 8), -ENOMEM);
	mem_fail_at(0);
	memset(&ring, 0, sizeof(ring));
	ring_fini(&ring);
}

static void pointers_go_through(void **state)
{
	struct ring ring;
	int thing;

	(void)state;
	assert_int_equal(ring_init(&ring, 2), 0);
	assert_null(ring_pop_ptr(&ring));
	assert_true(ring_push_ptr(&ring, &thing));
	assert_ptr_equal(ring_pop_ptr(&ring), &thing);
	ring_fini(&ring);
}

enum {
	PRODUCERS = 4,
	PER_PRODUCER = 50000
};

struct message {
	uint64_t producer, number, check;
};

struct producer {
	pthread_t thread;
	struct ring *ring;
	uint64_t id;
	struct message *messages; /* PER_PRODUCER, filled just before each is pushed */
};

static void *produce(void *arg)
{
	struct producer *producer = arg;
	struct message *message;
	uint64_t i;

	for (i = 0; i < PER_PRODUCER; i++) {
		message = &producer->messages[i];
		message->producer = producer->id;
		message->number = i;
		message->check = ~(producer->id << 32 | i);
		while (!ring_push_ptr(producer->ring, message))
			sched_yield();
	}
	return NULL;
}

/* Plain memory is handed over by the ring alone: the thread sanitizer sees a missing barrier, and
 * the check value sees it where the processor reorders. */
static void nothing_is_lost_doubled_or_reordered(struct ring *ring, struct producer *producers)
{
	uint64_t next[PRODUCERS] = { 0 }, taken = 0;
	const struct message *message;

	while (taken < (uint64_t)PRODUCERS * PER_PRODUCER) {
		message = ring_pop_ptr(ring);
		if (!message) {
			sched_yield();
			continue;
		}
		assert_in_range(message->producer, 0, PRODUCERS - 1);
		assert_int_equal(message->number, next[message->producer]);
		assert_int_equal(message->check, ~(message->producer << 32 | message->number));
		assert_ptr_equal(message, &producers[message->producer].messages[message->number]);
		next[message->producer]++;
		taken++;
	}
	assert_true(ring_empty(ring));
}

static void many_producers_one_consumer(uint32_t size)
{
	struct producer producers[PRODUCERS];
	struct ring ring;
	uint64_t i;

	assert_int_equal(ring_init(&ring, size), 0);
	for (i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ .ring = &ring, .id = i };
		producers[i].messages = mem_array(PER_PRODUCER, sizeof(struct message));
		assert_non_null(producers[i].messages);
	}
	for (i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]),
				 0);
	nothing_is_lost_doubled_or_reordered(&ring, producers);
	for (i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i].thread, NULL);
		mem_free(producers[i].messages);
	}
	ring_fini(&ring);
}

static void threads_over_a_ring_that_is_always_full(void **state)
{
	(void)state;
	many_producers_one_consumer(2);
}

static void threads_over_a_roomy_ring(void **state)
{
	(void)state;
	many_producers_one_consumer(1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_behaves_like_a_bounded_queue),
		cmocka_unit_test(positions_may_wrap_around),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(pointers_go_through),
		cmocka_unit_test(threads_over_a_ring_that_is_always_full),
		cmocka_unit_test(threads_over_a_roomy_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
