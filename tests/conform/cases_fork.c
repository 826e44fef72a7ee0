/* SPDX-License-Identifier: Apache-2.0 */
/* Forks with an engine open and transfers under way, and threads that are cancelled inside weft. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fork.h"
#include "net.h"
#include "verdict.h"

#define FORKS   4u
#define EACH    16u
#define PIECE   65536u
#define SPAN    (EACH * PIECE)
#define GIVE_UP (NSEC_PER_SEC / 4) /* of a wait for what does not come */

#ifdef __SANITIZE_ADDRESS__
/* The child's memory that only its parent's other threads point to is no leak. */
static bool in_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return in_child;
}
#define CHILD_BEGINS() (in_child = true)
#else
#define CHILD_BEGINS() ((void)0)
#endif

struct forked {
	struct pair p;
	struct weft_batch *batch;
	uint64_t rounds;
};

static void open_forked(struct forked *f, const struct conform *c)
{
	pair_open(&f->p, c, SPAN);
	f->batch = net_batch(f->p.a, EACH);
	f->rounds = 0;
}

/* Writes and reads back take turns; submits what is not waited for here. */
static void start_round(struct forked *f, bool read)
{
	struct pair *p = &f->p;

	if (read)
		area_fill(&p->mem_a, 0, SPAN, ~f->rounds);
	else
		area_fill(&p->mem_a, 0, SPAN, ++f->rounds);
	for (uint64_t i = 0; i < EACH; i++) {
		struct move move = {
			read, p->region_a, i * PIECE, p->to_b, i * PIECE, PIECE, 0, 0
		};

		check_int(net_add(f->batch, &move), i);
	}
	check_ok(weft_submit(f->batch, CONFORM_LIMIT_NS));
}

static void end_round(struct forked *f)
{
	net_finish(&f->p.net, f->batch);
	net_check_done(f->batch, EACH);
	check_ok(weft_batch_reset(f->batch));
	check_holds(&f->p.mem_a, 0, SPAN, f->rounds);
	check_holds(&f->p.mem_b, 0, SPAN, f->rounds);
}

static void close_forked(struct forked *f)
{
	uint32_t number = 7, got = 0;

	/* Whoever comes new finds it too. */
	struct weft *late = net_open(&f->p.net, NULL);
	struct weft_remote *remote = net_import(&f->p.net, late, f->p.region_b);

	check_ok(weft_remote_close(remote));
	net_notify(&f->p.net, weft_remote_peer(f->p.to_b), &number, sizeof(number));
	check_int(net_receive(&f->p.net, f->p.b, &got, sizeof(got), NULL), sizeof(got));
	check_int(got, number);
	weft_batch_close(f->batch);
	pair_close(&f->p);
}

/* A batch may have ended before the fork: that can be read. */
static bool refused_or(int rc, int ended)
{
	return rc == -WEFT_EFORKED || rc == ended;
}

/* What a child does with the picture of its parent's engine. */
static void use_in_child(struct forked *f)
{
	struct weft_opts opts = net_opts(f->p.net.conform);
	struct weft_stats stats = { .size = sizeof(stats) };
	struct weft_remote *remote;
	struct weft_region *region;
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct pair *p = &f->p;
	struct weft *weft;

	check_ok(weft_export(p->region_a, bytes, &len)); /* reads memory only */
	check_rc(weft_import(p->a, bytes, len, &remote), -WEFT_EFORKED);
	check(strstr(weft_error_detail(), "forked"));
	check_rc(weft_open(&weft, &opts), -WEFT_EFORKED);
	check_rc(weft_providers(NULL, 0), -WEFT_EFORKED);
	check_rc(weft_progress(p->a, NSEC_PER_SEC), -WEFT_EFORKED);
	check(refused_or(weft_batch_poll(f->batch), 1));
	check(refused_or(weft_batch_wait(f->batch, WEFT_FOREVER), 0));
	check(refused_or(weft_batch_quiesce(f->batch, WEFT_FOREVER), 0));
	check_rc(weft_batch_cancel(f->batch), -WEFT_EFORKED);
	check_rc(weft_batch_open(p->a, NULL, &batch), -WEFT_EFORKED);
	check_rc(weft_write(p->region_a, 0, p->to_b, 0, 1, WEFT_FOREVER), -WEFT_EFORKED);
	check_rc(weft_register(p->a, bytes, len, WEFT_LOCAL, &region), -WEFT_EFORKED);
	check_rc(weft_unregister(p->region_b, NSEC_PER_SEC), -WEFT_EFORKED);
	check_rc(weft_unregister(p->region_b, 0), -WEFT_EFORKED);
	check_rc(weft_remote_close(p->to_b), -WEFT_EFORKED);
	check_rc(weft_notify(weft_remote_peer(p->to_b), bytes, 1), -WEFT_EFORKED);
	check_rc(weft_receive(p->a, bytes, &len, NULL, WEFT_FOREVER), -WEFT_EFORKED);
	check_rc(weft_arrival_open(p->a, &arrival), -WEFT_EFORKED);
	check_rc(weft_stats(p->a, &stats), -WEFT_EFORKED);
	check_rc(weft_errors(p->a, NULL, 0), -WEFT_EFORKED);
	check_rc(weft_fd(p->a), -WEFT_EFORKED);
	weft_disconnect(weft_remote_peer(p->to_b));
	weft_batch_close(f->batch);
	weft_close(p->a);
	weft_close(p->b);
}

/* Forks in the middle of transfers; the engines go on while child() runs and when it has ended. */
static void fork_again_and_again(const struct conform *c, void (*child)(struct forked *f))
{
	struct forked f;
	int status = -1;
	pid_t pid;

	open_forked(&f, c);
	for (uint32_t i = 0; i < FORKS; i++) {
		start_round(&f, i % 2);
		fflush(stdout);
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			CHILD_BEGINS();
			child(&f);
			_exit(127);
		}
		verdict_started((int)pid);
		if (i % 3)
			end_round(&f);
		until(&f.p.net, waitpid(pid, &status, WNOHANG) == pid);
		check_int(status, 0);
		if (i % 3 == 0)
			end_round(&f);
	}
	close_forked(&f);
}

static void leave(struct forked *f)
{
	use_in_child(f);
	_exit(0);
}

static void leave_in_order(struct forked *f)
{
	use_in_child(f);
	exit(0);
}

static void be_another(struct forked *f)
{
	(void)f;
	execl("/proc/self/exe", "conform", DESCRIPTORS_FLAG, (char *)NULL);
}

static void child_that_exits_at_once_harms_nothing(const struct conform *c)
{
	fork_again_and_again(c, leave);
}

static void child_that_exits_in_order_harms_nothing(const struct conform *c)
{
	fork_again_and_again(c, leave_in_order);
}

static void child_that_executes_harms_nothing(const struct conform *c)
{
	struct forked f = { .p.net.conform = c };
	int status = -1;
	pid_t pid;

	open_forked(&f, c);
	start_round(&f, false);
	end_round(&f);
	/* Connections are marked soon after they were made. */
	until(&f.p.net, (status = fork_descriptors()) == 0);
	for (uint32_t i = 0; i < FORKS; i++) {
		start_round(&f, i % 2);
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			be_another(&f);
			_exit(127);
		}
		verdict_started((int)pid);
		end_round(&f);
		until(&f.p.net, waitpid(pid, &status, WNOHANG) == pid);
		check_int(status, 0);
	}
	close_forked(&f);
}

/* --- cancellation --- */

struct cancelled {
	struct pair p;
	void (*fn)(struct cancelled *x);
	atomic_bool sent;
	atomic_int passed; /* calls that have come to their end */
};

static void await_cancel(struct cancelled *x)
{
	while (!atomic_load(&x->sent))
		;
}

/* A cancellation is pending during each of these calls. */
static void call_all(struct cancelled *x)
{
	struct pair *p = &x->p;
	struct weft_opts opts = net_opts(p->net.conform);
	struct weft_region *region;
	struct weft_arrival *arrival;
	struct weft_batch *batch;
	struct weft *weft;
	struct area mem;

	area_open(&mem, PIECE);
	await_cancel(x);
	check(weft_providers(NULL, 0) > 0);
	check_ok(weft_open(&weft, &opts));
	weft_close(weft);
	check_ok(weft_register(p->a, mem.base, PIECE, WEFT_LOCAL, &region));
	check_ok(weft_arrival_open(p->a, &arrival));
	check_rc(weft_arrival_wait(arrival, 1, GIVE_UP), -EAGAIN);
	weft_arrival_close(arrival);
	batch = net_batch(p->a, 1);
	area_fill(&mem, 0, PIECE, 1);
	check_int(weft_batch_write(batch, region, 0, p->to_b, 0, PIECE, 0, 0), 0);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_ok(weft_batch_wait(batch, CONFORM_LIMIT_NS));
	net_check_done(batch, 1);
	weft_batch_close(batch);
	check_ok(weft_unregister(region, CONFORM_LIMIT_NS));
	check_guards(&mem);
	area_close(&mem);
	atomic_store(&x->passed, 1);
}

/* It is cancelled while it waits. */
static void wait_long(struct cancelled *x)
{
	uint32_t number;
	size_t len = sizeof(number);

	atomic_store(&x->sent, true);
	check_rc(weft_receive(x->p.a, &number, &len, NULL, GIVE_UP), -EAGAIN);
	atomic_store(&x->passed, 1);
}

/* AddressSanitizer does not see that frames are left by a cancellation: none of its own is there.
 */
__attribute__((no_sanitize("address"))) static void *cancelled_main(void *arg)
{
	struct cancelled *x = arg;

	x->fn(x);
	pthread_testcancel();
	return NULL;
}

static void cancel_thread(const struct conform *c, void (*fn)(struct cancelled *x), bool pending)
{
	static struct cancelled x;
	struct move move;
	pthread_t thread;
	struct pump pump;
	void *result;
	int fds;

	x.fn = fn;
	pair_open(&x.p, c, PIECE);
	net_run(&x.p.net, NSEC_PER_SEC / 20);
	fds = conform_descriptors();
	pump_start(&pump, c, x.p.b);
	check_int(pthread_create(&thread, NULL, cancelled_main, &x), 0);
	if (!pending)
		while (!atomic_load(&x.sent))
			;
	check_int(pthread_cancel(thread), 0);
	atomic_store(&x.sent, true);
	check_int(pthread_join(thread, &result), 0);
	pump_stop(&pump);
	check_int(atomic_load(&x.passed), 1);
	check(result == PTHREAD_CANCELED);
	check(conform_descriptors() <= fds);
	area_fill(&x.p.mem_a, 0, PIECE, 2);
	move = (struct move){ .region = x.p.region_a, .remote = x.p.to_b, .len = PIECE };
	check_ok(net_move(&x.p.net, x.p.a, &move, CONFORM_LIMIT_NS));
	check_holds(&x.p.mem_b, 0, PIECE, 2);
	pair_close(&x.p);
}

static void calls_end_before_a_cancellation(const struct conform *c)
{
	cancel_thread(c, call_all, true);
}

static void waits_end_before_a_cancellation(const struct conform *c)
{
	cancel_thread(c, wait_long, false);
}

const struct conform_case cases_fork[] = {
	{ "child_that_exits_at_once_harms_nothing", child_that_exits_at_once_harms_nothing, 0 },
	{ "child_that_exits_in_order_harms_nothing", child_that_exits_in_order_harms_nothing, 0 },
	{ "child_that_executes_harms_nothing", child_that_executes_harms_nothing, 0 },
	{ "calls_end_before_a_cancellation", calls_end_before_a_cancellation, 0 },
	{ "waits_end_before_a_cancellation", waits_end_before_a_cancellation, 0 },
	{ 0 },
};
