/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress: one round over rails, queues and timers; waiting; the owner thread and the calls that
 * other threads make to it.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "engine/stage.h"

#define CALLS_PER_STEP 64
#define TIMER_STEPS    32u  /* the clock is read at least once in so many rounds */
#define QUIET_POLLS    512u /* polls without event after which a rail counts as quiet */
#define QUIET_STEPS    32u  /* and is polled only once in so many rounds */
#define SLEEP_MIN_NS   NSEC_PER_USEC
#define SLEEP_COPY_NS  (20 * NSEC_PER_USEC) /* the same while a GPU copies */
#define SLEEP_MAX_NS   NSEC_PER_MSEC        /* longest sleep with a rail that cannot wake us */
#define SLEEP_BELL_NS  (8 * NSEC_PER_MSEC)  /* the same when its peers ring: a net, not a way */
#define SLEEP_FD_NS    (50 * NSEC_PER_MSEC) /* longest sleep when every rail can wake us */

struct engine_call {
	int (*fn)(struct weft *weft, void *arg);
	void *arg;
	int rc;
	_Atomic uint32_t done;
	char detail[ERR_DETAIL_MAX];
};

/* The engine whose owner this thread is. */
static _Thread_local const struct weft *owned;

static void futex_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / NSEC_PER_SEC),
			       .tv_nsec = (long)(timeout_ns % NSEC_PER_SEC) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &ts, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool engine_owns(const struct weft *weft)
{
	return owned == weft;
}

static void wake_owner(struct weft *weft)
{
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&weft->sleeping, memory_order_relaxed))
		if (write(weft->wake_fd, &one, sizeof(one)) < 0)
			return; /* the counter is full: it is awake */
}

int engine_call_run(struct weft *weft, int (*fn)(struct weft *weft, void *arg), void *arg)
{
	struct engine_call call = { .fn = fn, .arg = arg };

	if (engine_is_owner(weft))
		return fn(weft, arg);
	while (!ring_push(&weft->calls, (uintptr_t)&call))
		sched_yield();
	wake_owner(weft);
	while (!atomic_load_explicit(&call.done, memory_order_acquire))
		futex_wait(&call.done, 0, NSEC_PER_SEC);
	/* The owner's last touch of call is its wake, which comes after done. */
	while (atomic_load_explicit(&call.done, memory_order_acquire) != 2)
		sched_yield();
	if (call.rc < 0)
		err_set(call.rc, "%s", call.detail);
	return call.rc;
}

int engine_push_batch(struct weft *weft, struct weft_batch *batch)
{
	if (!ring_push(&weft->calls, (uintptr_t)batch | 1)) {
		batch_takes(batch);
		atomic_store_explicit(&batch->state, BATCH_IDLE, memory_order_relaxed);
		atomic_fetch_sub_explicit(&weft->reserved, batch->count, memory_order_relaxed);
		return err_set(-WEFT_EQUEUEFULL, "%u submissions wait for the engine's thread",
			       ENGINE_CALLS);
	}
	wake_owner(weft);
	return 0;
}

static void run_call(struct weft *weft, struct engine_call *call)
{
	err_clear();
	call->rc = call->fn(weft, call->arg);
	snprintf(call->detail, sizeof(call->detail), "%s", weft_error_detail());
	atomic_store_explicit(&call->done, 1, memory_order_release);
	futex_wake(&call->done);
	atomic_store_explicit(&call->done, 2, memory_order_release);
}

static int run_calls(struct weft *weft)
{
	uint64_t value;
	int n = 0;

	while (n < CALLS_PER_STEP && ring_pop(&weft->calls, &value)) {
		if (value & 1)
			batch_start((struct weft_batch *)(uintptr_t)(value & ~1ull), clock_ns());
		else
			run_call(weft, (struct engine_call *)(uintptr_t)value);
		n++;
	}
	return n;
}

void engine_signal(struct weft *weft)
{
	uint64_t one = 1;

	if (!weft->thread_mode)
		return;
	atomic_fetch_add_explicit(&weft->sequence, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&weft->waiters, memory_order_seq_cst))
		futex_wake(&weft->sequence);
	if (atomic_load_explicit(&weft->fd_used, memory_order_relaxed))
		if (write(weft->event_fd, &one, sizeof(one)) < 0)
			return; /* the counter is full: readable anyway */
}

static int poll_rail(struct weft *weft, struct rail *rail)
{
	struct event events[PORT_EVENTS_MAX];
	int n;

	n = rail->ops->poll(rail->port, events);
	if (n > 0)
		flight_events(weft, rail, events, n);
	if (rail->broken) {
		rail_retire(rail);
		return n;
	}
	rail->quiet_polls = n ? 0 : rail->quiet_polls + 1;
	if (!n && rail->in_flight && rail->weft->bell_fd >= 0)
		bell_waiting(rail);
	return n;
}

/* A rail on which nothing is expected and nothing has come for long is polled less often: others
 * must not pay for it. */
static bool skips(const struct weft *weft, const struct rail *rail)
{
	return rail->broken || (weft->rail_count > 1 && rail->quiet_polls > QUIET_POLLS &&
				rail->in_flight == 0 && weft->steps % QUIET_STEPS != 0);
}

static void run_timers(struct weft *weft)
{
	uint64_t now = engine_now(weft);

	if (now < weft->next_deadline_ns)
		return;
	weft->next_deadline_ns = UINT64_MAX;
	if (weft->haunted_ns && now >= weft->haunted_ns) {
		weft->haunted_ns = 0;
		engine_signal(weft);
	}
	batch_expire(weft, now);
	peer_expire(weft, now);
	peer_check_pids(weft, now);
	flight_reclaim(weft, now);
	rail_expire(weft, now);
	idle_expire(weft, now);
}

int engine_step(struct weft *weft, bool all_rails)
{
	uint32_t i;
	int n = 0;

	weft->in_progress = true;
	weft->steps++;
	if (weft->thread_mode)
		n = run_calls(weft);
	weft->timed = false; /* the calls may have taken long */
	for (i = 0; i < weft->rail_count; i++)
		if (all_rails ? !weft->rails[i].broken : !skips(weft, &weft->rails[i]))
			n += poll_rail(weft, &weft->rails[i]);
	n += stage_poll(weft);
	if (!list_empty(&weft->ready))
		flight_pump(weft);
	if (n == 0 || weft->steps % TIMER_STEPS == 0)
		weft->drained_ns = engine_now(weft);
	if (weft->timed)
		run_timers(weft);
	if (!list_empty(&weft->ended))
		batch_run_callbacks(weft);
	if (weft->gone_pending)
		peer_run_callbacks(weft);
	weft->in_progress = false;
	return n;
}

/* --- idling --- */

struct idle {
	uint64_t since_ns; /* of the first empty round; 0: busy */
	uint64_t step_ns;
};

/* Collects what can wake us. Returns how many, or -EAGAIN when something is ready already. */
static int wake_fds(struct weft *weft, struct pollfd *fds, bool *deaf)
{
	int n = 0, fd, rc;
	uint32_t i;

	*deaf = false;
	if (weft->thread_mode)
		fds[n++] = (struct pollfd){ .fd = weft->wake_fd, .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = weft->pid_epoll, .events = POLLIN };
	if (weft->bell_fd >= 0)
		fds[n++] = (struct pollfd){ .fd = weft->bell_fd, .events = POLLIN };
	for (i = 0; i < weft->rail_count; i++) {
		if (weft->rails[i].broken)
			continue;
		rc = weft->rails[i].ops->wait_fd(weft->rails[i].port, &fd);
		if (rc == -EAGAIN)
			return rc;
		if (rc)
			*deaf = true;
		else
			fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	return n;
}

static uint64_t sleep_time(const struct weft *weft, const struct idle *idle, bool deaf,
			   uint64_t now_ns, uint64_t until_ns)
{
	uint64_t wait_ns = weft->gpu->copies ? SLEEP_COPY_NS : deaf ? idle->step_ns : SLEEP_FD_NS;

	if (weft->next_deadline_ns < until_ns)
		until_ns = weft->next_deadline_ns;
	if (until_ns <= now_ns)
		return 0;
	return wait_ns < until_ns - now_ns ? wait_ns : until_ns - now_ns;
}

static int sleep_on(struct weft *weft, struct pollfd *fds, int n, const struct timespec *ts)
{
	uint64_t drained;
	int woken = 0;

	if (!weft->thread_mode)
		return ppoll(fds, (nfds_t)n, ts, NULL);
	atomic_store_explicit(&weft->sleeping, true, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (ring_empty(&weft->calls) && !atomic_load(&weft->stop))
		woken = ppoll(fds, (nfds_t)n, ts, NULL);
	atomic_store_explicit(&weft->sleeping, false, memory_order_relaxed);
	if (woken > 0 && fds[0].revents & POLLIN)
		while (read(weft->wake_fd, &drained, sizeof(drained)) > 0)
			;
	return woken;
}

/* Being woken counts as work to come: what peers do to our memory shows no event. */
static void engine_sleep(struct weft *weft, struct idle *idle, uint64_t until_ns)
{
	struct pollfd fds[ENGINE_RAILS_MAX + 3];
	uint64_t now = clock_ns(), wait_ns;
	struct timespec ts;
	bool deaf;
	int n, i;

	n = wake_fds(weft, fds, &deaf);
	wait_ns = n < 0 ? 0 : sleep_time(weft, idle, deaf, now, until_ns);
	if (!wait_ns)
		return;
	ts = (struct timespec){ .tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
				.tv_nsec = (long)(wait_ns % NSEC_PER_SEC) };
	if (idle->step_ns < (weft->bell_fd >= 0 ? SLEEP_BELL_NS : SLEEP_MAX_NS))
		idle->step_ns *= 2;
	if (sleep_on(weft, fds, n, &ts) <= 0)
		return;
	idle->since_ns = 0;
	for (i = 0; i < n; i++) {
		if (!(fds[i].revents & POLLIN))
			continue;
		if (fds[i].fd == weft->bell_fd)
			bell_heard(weft, clock_ns());
		if (fds[i].fd == weft->pid_epoll)
			weft->next_deadline_ns = weft->next_pid_check_ns = 0;
	}
}

/* After an empty round: spins, then yields, then sleeps with a doubling step. */
static void idle_round(struct weft *weft, struct idle *idle, uint64_t until_ns)
{
	uint64_t now = clock_ns();

	if (!idle->since_ns) {
		idle->since_ns = now;
		idle->step_ns = SLEEP_MIN_NS;
	}
	if (now - idle->since_ns < weft->spin_ns || now < weft->awake_until_ns)
		return;
	if (now - idle->since_ns < 2 * weft->spin_ns)
		sched_yield();
	else
		engine_sleep(weft, idle, until_ns);
}

static int wait_manual(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	struct idle idle = { 0 };

	for (;;) {
		if (engine_step(weft, false))
			idle.since_ns = 0;
		if (ready(arg))
			return 0;
		if (clock_ns() >= deadline_ns)
			return -EAGAIN;
		idle_round(weft, &idle, deadline_ns);
	}
}

static int wait_thread(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	uint64_t now = clock_ns(), spin_until = clock_deadline(now, weft->spin_ns), left;
	uint32_t seen;

	for (;;) {
		seen = atomic_load_explicit(&weft->sequence, memory_order_seq_cst);
		if (ready(arg))
			return 0;
		now = clock_ns();
		if (now >= deadline_ns)
			return -EAGAIN;
		if (now < spin_until) {
			sched_yield();
			continue;
		}
		left = deadline_ns - now;
		if (left > NSEC_PER_SEC)
			left = NSEC_PER_SEC;
		atomic_fetch_add_explicit(&weft->waiters, 1, memory_order_seq_cst);
		futex_wait(&weft->sequence, seen, left);
		atomic_fetch_sub_explicit(&weft->waiters, 1, memory_order_seq_cst);
	}
}

int engine_wait_for(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	if (!engine_is_owner(weft))
		return wait_thread(weft, ready, arg, deadline_ns);
	if (weft->in_progress)
		return err_set(-EDEADLK, "waiting inside a callback would stop all progress");
	return wait_manual(weft, ready, arg, deadline_ns);
}

static bool sequence_moved(void *arg)
{
	struct {
		struct weft *weft;
		uint32_t seen;
	} *wait = arg;

	return atomic_load_explicit(&wait->weft->sequence, memory_order_acquire) != wait->seen;
}

int engine_progress(struct weft *weft, uint64_t timeout_ns)
{
	struct {
		struct weft *weft;
		uint32_t seen;
	} wait = { .weft = weft };
	struct idle idle = { 0 };
	uint64_t deadline;
	int n;

	if (!engine_is_owner(weft)) {
		wait.seen = atomic_load_explicit(&weft->sequence, memory_order_acquire);
		return engine_wait_for(weft, sequence_moved, &wait,
				       clock_deadline(clock_ns(), timeout_ns)) == 0;
	}
	if (weft->in_progress)
		return err_set(-EDEADLK, "progress inside a callback");
	n = engine_step(weft, false);
	if (n || !timeout_ns)
		return n;
	deadline = clock_deadline(clock_ns(), timeout_ns);
	while (!n && clock_ns() < deadline) {
		idle_round(weft, &idle, deadline);
		n = engine_step(weft, false);
	}
	return n;
}

/* --- the owner thread --- */

static void *owner_main(void *arg)
{
	struct weft *weft = arg;
	struct idle idle = { 0 };

	owned = weft;
	prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
	prctl(PR_SET_NAME, "weft-engine", 0ul, 0ul, 0ul);
	while (!atomic_load_explicit(&weft->stop, memory_order_relaxed)) {
		if (engine_step(weft, false))
			idle.since_ns = 0;
		else
			idle_round(weft, &idle, UINT64_MAX);
	}
	run_calls(weft);
	return NULL;
}

int engine_thread_start(struct weft *weft)
{
	int rc = thread_create(&weft->thread, NULL, owner_main, weft);

	return rc ? err_set(-rc, "cannot start the engine's thread: %s", strerror(rc)) : 0;
}

void engine_thread_stop(struct weft *weft)
{
	atomic_store(&weft->stop, true);
	wake_owner(weft);
	pthread_join(weft->thread, NULL);
	weft->thread_mode = false;
}
