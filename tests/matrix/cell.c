/* SPDX-License-Identifier: Apache-2.0 */
/* One cell: open, meet, fault, operations, no fault, again, close. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matrix.h"

static const struct conform_row row_efa = { .name = "efa", .processes = true, .nic = true };

static bool documented(int error)
{
	return weft_remedy(error)[0] || error == -ENOMEM || error == -EINVAL;
}

/* An operation that failed: by its code. */
static void count_failure(struct run *r, int error)
{
	struct outcome *out = r->cell->out;
	int i = 0;

	if (!documented(error))
		conform_fail(__FILE__, __LINE__, "%s is no documented reason: %s",
			     weft_error_name(error), weft_error_detail());
	while (i < CODES && out->failed[i].error && out->failed[i].error != error)
		i++;
	check(i < CODES);
	out->failed[i].error = error;
	out->failed[i].count++;
}

/* Only messages are kept in order, so only they can be cut off. */
static enum then then_of(const struct cell *cell)
{
	return cell->row->then == THEN_CUT && cell->op != OP_NOTIFY ? THEN_WORKS : cell->row->then;
}

/* How long what comes after the fault may take. */
static uint64_t recovery_ns(const struct run *r)
{
	return then_of(r->cell) == THEN_CUT ? CONFORM_LIMIT_NS / 2 : CONFORM_LIMIT_NS;
}

static void spawn(struct run *r)
{
	const struct cell *cell = r->cell;

	for (uint32_t i = 0; i < r->peers; i++) {
		host_peers(cell, i ? i + 1 : 0);
		child_spawn(&r->child[i], &r->conform, i ? 64 : ops_room(cell->op, cell->size));
	}
}

/* A process finds no device, and says why: libfabric looks once in a process's life. */
static void start_in_vain(struct run *r)
{
	struct weft_opts opts = net_opts(&r->conform);
	int status, rc;
	pid_t pid;

	host_fault(r->cell);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		rc = weft_open(&r->weft, &opts);
		check(rc);
		check(documented(rc));
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	check_int(status, 0);
	r->cell->out->struck = host_fault_clear(r->cell);
}

/* What stays open in a process that has had an engine is not the next one's. */
static void warm_up(struct run *r)
{
	struct weft_opts opts = net_opts(&r->conform);

	opts.rails = 1;
	net_close(&r->net, net_open(&r->net, &opts));
	r->files = conform_descriptors();
}

/* Opens engine and region; with a fault in the way it may fail, and succeeds when that has gone. */
static void open_engine(struct run *r)
{
	struct weft_opts opts = net_opts(&r->conform);
	int rc;

	opts.connect_timeout_ns = recovery_ns(r);
	area_open(&r->area, ops_room(r->cell->op, r->cell->size));
	if (r->cell->row->act == ACT_OPENING) {
		host_fault(r->cell);
		rc = weft_open(&r->weft, &opts);
		if (!rc) {
			rc = weft_register(r->weft, r->area.base, r->area.len, WEFT_LOCAL,
					   &r->region);
			weft_close(r->weft);
		}
		r->cell->out->struck = host_fault_clear(r->cell);
		check(!rc || documented(rc));
		check_int(conform_descriptors(), r->files);
	}
	r->weft = net_open(&r->net, &opts);
	r->region = net_register(r->weft, &r->area, WEFT_LOCAL);
}

/* Meets a peer; -errno: why not. */
static int meet(struct run *r, uint32_t i)
{
	int rc = weft_import(r->weft, r->child[i].descriptor, r->child[i].descriptor_len,
			     &r->remote[i]);

	if (rc) {
		r->remote[i] = NULL;
		return rc;
	}
	until(&r->net, weft_remote_status(r->remote[i]) != -EINPROGRESS);
	rc = weft_remote_status(r->remote[i]);
	if (rc) {
		check_ok(weft_remote_close(r->remote[i]));
		r->remote[i] = NULL;
	}
	return rc;
}

static void meet_all(struct run *r)
{
	int rc = 0;

	for (uint32_t i = 0; i < r->peers; i++)
		child_open(&r->child[i], &r->net, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	if (r->cell->row->act == ACT_MEETING) {
		host_fault(r->cell);
		rc = meet(r, 0);
		r->cell->out->struck = host_fault_clear(r->cell);
		check(!rc || documented(rc));
	}
	for (uint32_t i = 0; i < r->peers; i++)
		if (!r->remote[i])
			check_ok(meet(r, i));
}

static void fault_begin(struct run *r)
{
	const struct row *row = r->cell->row;

	if (row->fault[0] && (row->act == ACT_FAULT || row->act == ACT_REVOKE))
		host_fault(r->cell);
	if (row->act == ACT_STOP) {
		child_stop(&r->child[0]);
		r->cell->out->struck = 1;
	}
}

static void fault_end(struct run *r)
{
	const struct row *row = r->cell->row;
	uint64_t hits = 0;

	if (row->act == ACT_STOP)
		child_resume(&r->child[0]);
	if (row->act == ACT_FAULT || row->act == ACT_REVOKE)
		hits = host_fault_clear(r->cell);
	if (row->act == ACT_FAULT)
		r->cell->out->struck = hits;
}

/* The target, unless its fault kills it, and then whether it has. */
static bool target_lives(struct run *r)
{
	struct child *target = &r->child[0];
	int status;

	if (!r->killed && waitpid(target->pid, &status, WNOHANG) == target->pid) {
		check_int(r->cell->row->kind, EMU_FAULT_KILL);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		r->killed = true;
		target->pid = 0;
	}
	return !r->killed;
}

/* The other peers have nothing to do with the fault. */
static void start_others(struct run *r, struct weft_batch *batch)
{
	for (uint32_t i = 1; i < r->peers; i++)
		check_int(weft_batch_write(batch, r->region, 0, r->remote[i], 0, 64, 0, 0), i - 1);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
}

static void count_outcome(struct run *r)
{
	struct outcome *out = r->cell->out;
	struct ops *ops = &r->ops;

	out->count = ops->count;
	for (uint32_t i = 0; i < ops->count; i++) {
		if (ops->error[i])
			count_failure(r, ops->error[i]);
		else
			out->done++;
		if (ops->lasted_ns[i] > out->slowest_ns)
			out->slowest_ns = ops->lasted_ns[i];
	}
}

static bool settled(struct run *r)
{
	struct weft_stats stats = net_stats(r->weft);

	return !stats.in_flight && !stats.quarantined && !stats.submitted;
}

/* Those that come when the region has been taken back are refused at once, without the target. */
static void start_refused(struct run *r, uint32_t first)
{
	struct ops *ops = &r->ops;

	ops_start(r, first, ops->count);
	until(&r->net, ops_poll(r));
	for (uint32_t i = first; i < ops->count; i++) {
		check_rc(ops->error[i], -WEFT_EREVOKED);
		check(ops->lasted_ns[i] < CONFORM_SLACK_NS);
	}
}

/* Half of the operations, the region taken back under them, and the other half. Messages need no
 * region: all go at once. */
static void operate_revoked(struct run *r)
{
	uint32_t all = r->ops.count, first = r->ops.op == OP_NOTIFY ? all : (all + 1) / 2;
	int rc = -EINPROGRESS;

	ops_start(r, 0, first);
	r->cell->out->struck = ops_open(r);
	child_unregister_start(&r->child[0], CONFORM_LIMIT_NS);
	until_in(&r->net, (ops_poll(r), child_unregister_ended(&r->child[0], &rc)),
		 2 * CONFORM_LIMIT_NS);
	check_ok(rc);
	ops_seal(r);
	if (first < all)
		start_refused(r, first);
}

static void note_transport(struct run *r)
{
	struct weft_peer_info info = net_peer_info(weft_remote_peer(r->remote[0]));

	r->cell->out->by_device = r->cell->op == OP_READ ? info.read_by != WEFT_RDMA_SOFTWARE
							 : info.write_by == WEFT_RDMA_DEVICE;
}

/* With the fault there. */
static void operate(struct run *r)
{
	uint64_t deadline_ns = r->cell->row->deadline_ms * NSEC_PER_MSEC * CONFORM_SLOWER;
	struct weft_batch *others = net_batch(r->weft, HOSTS);

	note_transport(r);
	ops_prepare(r, 1000, OPS_MAX, deadline_ns);
	r->cell->out->bytes = r->ops.count * r->ops.each;
	fault_begin(r);
	if (r->cell->row->act == ACT_REVOKE)
		operate_revoked(r);
	else
		ops_start(r, 0, r->ops.count);
	start_others(r, others);
	until_in(&r->net, ops_poll(r), deadline_ns + CONFORM_LIMIT_NS);
	count_outcome(r);
	net_finish(&r->net, others);
	net_check_done(others, r->peers - 1);
	fault_end(r);
	weft_batch_close(others);
}

/* One operation that nothing hinders: 0 or why it failed. */
static int once(struct run *r)
{
	int error;

	ops_prepare(r, 2000, 1, recovery_ns(r));
	r->ops.late = then_of(r->cell) == THEN_CUT;
	ops_start(r, 0, 1);
	until_in(&r->net, ops_poll(r), 2 * CONFORM_LIMIT_NS);
	error = r->ops.error[0];
	if (!error)
		ops_check_arrived(r);
	r->cell->out->wrong_bytes += ops_wrong(r);
	ops_finish(r);
	return error;
}

/* The target's process goes on, and its peer was given up: it is met again. */
static int meet_again(struct run *r)
{
	int rc = 0;

	check_ok(weft_remote_close(r->remote[0]));
	r->remote[0] = NULL;
	until(&r->net, (rc = meet(r, 0)) != -WEFT_EPEERGONE);
	return rc ? rc : once(r);
}

static const char *recover(struct run *r)
{
	enum then then = then_of(r->cell);
	int rc = weft_remote_status(r->remote[0]);

	if (!rc)
		rc = once(r);
	if (!rc && !r->killed)
		return "works";
	if (then == THEN_REVOKED) {
		check_rc(rc, -WEFT_EREVOKED);
		return "revoked";
	}
	if (!target_lives(r)) {
		check_int(then, THEN_DEAD);
		check_rc(rc, -WEFT_EPEERGONE);
		return "gone";
	}
	if (rc != -WEFT_EDEADLINE) {
		check_rc(weft_remote_status(r->remote[0]), rc);
		rc = meet_again(r);
	}
	if (!rc)
		return "met again";
	check_int(then, THEN_CUT);
	check_rc(rc, -WEFT_EDEADLINE);
	return "cut off";
}

static uint64_t left_over(struct run *r)
{
	struct weft_stats stats = net_stats(r->weft);
	uint64_t left =
		stats.in_flight + stats.quarantined + stats.submitted + stats.regions + stats.peers;

	if (left)
		conform_note("left: %llu in flight, %llu quarantined, %llu submitted, %llu "
			     "regions, %llu peers",
			     (unsigned long long)stats.in_flight,
			     (unsigned long long)stats.quarantined,
			     (unsigned long long)stats.submitted, (unsigned long long)stats.regions,
			     (unsigned long long)stats.peers);
	return left;
}

/* Descriptors that the engine has left open. The emulator's thread, which goes on, has its own open
 * for moments, to publish counters: what is there once is not left. */
static uint64_t descriptors_left(struct run *r)
{
	uint64_t until_ns = clock_deadline(clock_ns(), CONFORM_SLACK_NS);
	int files;

	while ((files = conform_descriptors()) > r->files && clock_ns() < until_ns)
		net_turn(&r->net);
	if (files <= r->files)
		return 0;
	conform_note("left: %d descriptors, of these:", files - r->files);
	conform_note_descriptors();
	return (uint64_t)(files - r->files);
}

/* Everything is given back, the engine last; then the targets end. */
static void close_all(struct run *r)
{
	net_unregister(&r->net, r->region);
	for (uint32_t i = 0; i < r->peers; i++) {
		struct weft_peer *peer;

		if (!r->remote[i])
			continue;
		peer = weft_remote_peer(r->remote[i]);
		if (net_peer_info(peer).reason)
			peer = NULL;
		check_ok(weft_remote_close(r->remote[i]));
		if (peer)
			weft_disconnect(peer);
	}
	until(&r->net, net_stats(r->weft).peers == 0);
	r->cell->out->leaks = left_over(r);
	net_close(&r->net, r->weft);
	r->cell->out->leaks += descriptors_left(r);
	for (uint32_t i = 0; i < r->peers; i++) {
		if (i || target_lives(r))
			child_close(&r->child[i], &r->net);
		child_end(&r->child[i]);
	}
	area_close(&r->area);
}

void cell_run(const struct cell *cell)
{
	static struct run run;
	struct run *r = &run;

	r->cell = cell;
	r->conform = (struct conform){ .row = &row_efa,
				       .progress = WEFT_PROGRESS_THREAD,
				       .rails = cell->size == SIZE_STRIPED ? 4 : 1 };
	r->net.conform = &r->conform;
	r->peers = cell->hosts - 1;
	host_here(cell, 1);
	spawn(r);
	if (cell->row->act == ACT_STARTING)
		start_in_vain(r);
	warm_up(r);
	open_engine(r);
	meet_all(r);
	operate(r);
	if (then_of(cell) == THEN_DEAD && cell->out->struck) /* its death may take a moment */
		until(&r->net, !target_lives(r));
	if (cell->row->then == THEN_LOST) {
		cell->out->wrong_bytes += ops_wrong(r);
		cell->out->after = "not closed";
		return;
	}
	if (then_of(cell) != THEN_CUT)
		until(&r->net, ops_delivered(r));
	until(&r->net, settled(r));
	if (target_lives(r))
		ops_check_arrived(r);
	cell->out->wrong_bytes += ops_wrong(r);
	ops_finish(r);
	cell->out->after = recover(r);
	until(&r->net, settled(r));
	close_all(r);
}
