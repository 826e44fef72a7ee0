/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit under a virtual clock that several threads of several processes share: whoever has to
 * wait moves the clock on to when it may go, or a little later, as a timer would. So the rate that
 * comes out depends on no machine's load.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/fault_row.h"
#include "emu/util.h"

#define PROCESSES 3
#define THREADS   3
#define START     (1000 * EMU_S)

struct shared {
	struct emu_world_shared world;
	_Atomic uint64_t clock, bytes;
	_Atomic uint64_t at[PROCESSES * THREADS]; /* the time that each sender goes by */
	_Atomic uint32_t senders;
	uint64_t end;
	uint32_t size; /* of a packet; 0: of all sizes */
	uint64_t late; /* a sleeper wakes up to so much too late */
};

static int new_world(void **state)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	emu_random(&shared->world.id, sizeof(shared->world.id));
	atomic_store(&shared->clock, START);
	*state = shared;
	return 0;
}

static int free_world(void **state)
{
	munmap(*state, sizeof(struct shared));
	return 0;
}

/* Not further than half a second ahead of any sender: one that the machine holds up would go by a
 * time that no real clock gives it, and take the limit's time for stale. */
static void move_clock(struct shared *shared, uint64_t to)
{
	uint64_t now = atomic_load(&shared->clock), at;
	int i;

	for (i = 0; i < PROCESSES * THREADS; i++) {
		at = atomic_load(&shared->at[i]);
		if (at && at + EMU_S / 2 < to)
			to = at + EMU_S / 2;
	}
	if (to <= now)
		sched_yield();
	while (now < to && !atomic_compare_exchange_weak(&shared->clock, &now, to))
		;
}

/* Reads the clock for a sender. */
static uint64_t time_at(struct shared *shared, _Atomic uint64_t *at)
{
	uint64_t now;

	do {
		now = atomic_load(&shared->clock);
		atomic_store(at, now);
	} while (atomic_load(&shared->clock) - now > EMU_S / 2);
	return now;
}

static void *sender(void *argument)
{
	struct shared *shared = argument;
	uint64_t random = (uint64_t)gettid(), now, wait, size;
	_Atomic uint64_t *at = &shared->at[atomic_fetch_add(&shared->senders, 1)];

	while ((now = time_at(shared, at)) < shared->end) {
		random = emu_mix(random);
		size = shared->size ? shared->size : 100 + random % 8900;
		while ((wait = emu_limit(&shared->world, 1, 2, size, now))) {
			random = emu_mix(random);
			move_clock(shared, now + wait + (shared->late ? random % shared->late : 0));
			now = time_at(shared, at);
			if (now >= shared->end)
				break;
		}
		if (!wait)
			atomic_fetch_add(&shared->bytes, size);
	}
	atomic_store(at, 0);
	return NULL;
}

static void run_threads(struct shared *shared)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, sender, shared))
			abort();
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void run_processes(struct shared *shared)
{
	pid_t children[PROCESSES];
	int i, status;

	for (i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (!children[i]) {
			run_threads(shared);
			_exit(0);
		}
	}
	for (i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Bytes that all processes send in ns, and whether that is the rate within 2 %. */
static void check_rate(struct shared *shared, uint64_t rate, uint64_t ns)
{
	double wanted = (double)rate * (double)ns / (double)EMU_S, got;

	shared->end = atomic_load(&shared->clock) + ns;
	atomic_store(&shared->bytes, 0);
	atomic_store(&shared->senders, 0);
	run_processes(shared);
	got = (double)atomic_load(&shared->bytes);
	if (got < wanted * 0.98 || got > wanted * 1.02)
		fail_msg("%.0f bytes instead of %.0f (%+.2f %%)", got, wanted,
			 100 * (got - wanted) / wanted);
}

static void limit(struct shared *shared, uint64_t rate)
{
	atomic_store(&shared->world.host[1].nic[2].rate, rate);
}

static void test_no_limit(void **state)
{
	struct shared *shared = *state;
	int i;

	for (i = 0; i < 1000; i++)
		assert_int_equal(emu_limit(&shared->world, 1, 2, 1ull << 40, START), 0);
	assert_int_equal(shared->world.host[1].nic[2].next_free, 0);
	limit(shared, 1);
	assert_int_equal(emu_limit(&shared->world, 1, 1, 9000, START), 0);
	assert_int_equal(emu_limit(&shared->world, 1, 1, 9000, START), 0);
	assert_int_equal(emu_limit(&shared->world, EMU_ANY, 2, 9000, START), 0);
	assert_int_equal(emu_limit(&shared->world, 1, EMU_NICS, 9000, START), 0);
}

static void test_mixed_sizes(void **state)
{
	struct shared *shared = *state;

	limit(shared, 500000000);
	check_rate(shared, 500000000, EMU_S);
}

/* Timers that wake up to half of the burst too late cost nothing. */
static void test_late_timers(void **state)
{
	struct shared *shared = *state;

	limit(shared, 200000000);
	shared->late = EMU_LIMIT_BURST / 2;
	check_rate(shared, 200000000, EMU_S);
}

/* A limit's own burst: a process that is held up for most of it at a time loses nothing, and after
 * a pause no more than that goes at once. */
static void test_own_burst(void **state)
{
	struct shared *shared = *state;
	struct emu_fault fault;
	uint64_t sent = 0;
	char why[256];

	atomic_store(&shared->clock, emu_now() + EMU_S);
	assert_int_equal(emu_fault_parse("limit:rate=100MB/s,burst=50ms", &fault, why, sizeof(why)),
			 0);
	emu_fault_add(&shared->world, &fault);
	while (!emu_limit(&shared->world, 1, 2, 1000, atomic_load(&shared->clock)))
		sent += 1000;
	assert_in_range(sent, 5000000, 5002000);
	shared->late = 40 * EMU_MS;
	check_rate(shared, 100000000, 4 * EMU_S);
}

/* A packet takes 1.3 ns here: what is below a nanosecond must not get lost. */
static void test_small_packets_fast(void **state)
{
	struct shared *shared = *state;

	shared->size = 65;
	limit(shared, 50000000000);
	/* The burst would count for much in so short a time: it is used up first. */
	while (!emu_limit(&shared->world, 1, 2, 65, START))
		;
	check_rate(shared, 50000000000, 2 * EMU_MS);
}

/* A packet takes far longer than the burst is. */
static void test_slow(void **state)
{
	struct shared *shared = *state;

	shared->size = 9000;
	limit(shared, 1000000);
	check_rate(shared, 1000000, 2 * EMU_S);
}

/* Several limits: the lowest counts; a change of limits leaves no debt. */
static void test_faults(void **state)
{
	struct shared *shared = *state;
	struct emu_fault fault;
	char why[256];

	limit(shared, 400000000);
	atomic_store(&shared->clock, emu_now() + EMU_S);
	assert_int_equal(emu_fault_parse("limit:host=1,rate=300MB/s", &fault, why, sizeof(why)), 0);
	emu_fault_add(&shared->world, &fault);
	assert_int_equal(
		emu_fault_parse("limit:host=1,nic=2,rate=350MB/s", &fault, why, sizeof(why)), 0);
	emu_fault_add(&shared->world, &fault);
	assert_int_equal(emu_fault_parse("limit:host=1,nic=3,rate=1B/s", &fault, why, sizeof(why)),
			 0);
	emu_fault_add(&shared->world, &fault);
	check_rate(shared, 300000000, EMU_S / 2);
	assert_int_equal(emu_fault_clear(&shared->world, 1), 1);
	check_rate(shared, 350000000, EMU_S / 2);
	emu_fault_clear(&shared->world, 0);
	check_rate(shared, 400000000, EMU_S / 2);
}

/* The limit that holds a packet up is the one that counts it; the NIC's own is no fault. */
static void test_counts(void **state)
{
	struct shared *shared = *state;
	struct emu_fault fault, seen;
	char why[256];

	limit(shared, 1000000);
	atomic_store(&shared->clock, emu_now() + EMU_S);
	assert_int_equal(emu_fault_parse("limit:host=1,rate=100MB/s", &fault, why, sizeof(why)), 0);
	emu_fault_add(&shared->world, &fault);
	while (!emu_limit(&shared->world, 1, 2, 9000, atomic_load(&shared->clock)))
		;
	assert_true(emu_fault_get(&shared->world, 0, &seen));
	assert_int_equal(seen.hit, 0);
	assert_int_equal(emu_fault_parse("limit:host=1,rate=1kB/s", &fault, why, sizeof(why)), 0);
	emu_fault_add(&shared->world, &fault);
	assert_true(emu_limit(&shared->world, 1, 2, 9000, atomic_load(&shared->clock)));
	assert_true(emu_fault_get(&shared->world, 1, &seen));
	assert_int_equal(seen.hit, 1);
	assert_true(emu_fault_get(&shared->world, 0, &seen));
	assert_int_equal(seen.hit, 0);
}

/* What a low limit left in the future is forgotten. */
static void test_raise(void **state)
{
	struct shared *shared = *state;

	limit(shared, 1);
	assert_int_equal(emu_limit(&shared->world, 1, 2, 9000, START), 0);
	assert_int_equal(emu_limit(&shared->world, 1, 2, 9000, START), EMU_LIMIT_WAIT);
	assert_int_equal(emu_limit(&shared->world, 1, 2, 9000, START + 8000 * EMU_S),
			 EMU_LIMIT_WAIT);
	limit(shared, 1000000000);
	assert_int_equal(emu_limit(&shared->world, 1, 2, 9000, START), 0);
	check_rate(shared, 1000000000, EMU_S / 4);
}

/* No burst grows in a pause. */
static void test_idle(void **state)
{
	struct shared *shared = *state;
	uint64_t sent = 0;

	limit(shared, 1000000000);
	while (!emu_limit(&shared->world, 1, 2, 1000, START))
		sent += 1000;
	assert_in_range(sent, 1000000, 1002000);
	sent = 0;
	while (!emu_limit(&shared->world, 1, 2, 1000, START + 100 * EMU_S))
		sent += 1000;
	assert_in_range(sent, 1000000, 1002000);
}

/* On the real clock: however threads are scheduled, never more than the limit and its burst. */
static void test_real_time(void **state)
{
	struct shared *shared = *state;
	uint64_t start = emu_now(), wait, sent = 0, passed;

	limit(shared, 1000000000);
	while (emu_now() - start < 100 * EMU_MS) {
		wait = emu_limit(&shared->world, 1, 2, 9000, emu_now());
		if (wait)
			usleep((useconds_t)(wait / EMU_US));
		else
			sent += 9000;
	}
	passed = emu_now() - start;
	assert_true(sent > 0);
	assert_true(sent <= passed + EMU_LIMIT_BURST + 9000);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_no_limit),    WITH_WORLD(test_mixed_sizes),
		WITH_WORLD(test_late_timers), WITH_WORLD(test_own_burst),
		WITH_WORLD(test_slow),        WITH_WORLD(test_small_packets_fast),
		WITH_WORLD(test_faults),      WITH_WORLD(test_raise),
		WITH_WORLD(test_idle),        WITH_WORLD(test_real_time),
		WITH_WORLD(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
