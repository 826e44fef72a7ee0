/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How late transfers end. Each round submits a batch with a deadline and waits for its end; what
 * counts is the time from the deadline to that end, 0 when it ended before. Whether a transfer was
 * done, failed or ended by its deadline is counted beside it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hist.h"
#include "base/json.h"
#include "bench.h"
#include "common/program.h"
#include "link.h"

/* Past its deadline by so much a batch is taken for one that never ends. */
#define NEVER_NS 10000000000ull
/* Into the last round, so that operations are under way. */
#define KILL_AFTER_NS 5000000

enum late_fault {
	LATE_NONE,
	LATE_STOPPED,
	LATE_KILLED,
};

struct late_opts {
#define OPT_FIELDS
#include "late.def"
};

static const struct opt_row late_rows[] = {
#define OPT_ROWS struct late_opts
#include "late.def"
};

static const struct opt_table late_table = OPT_TABLE(late_rows, struct late_opts);

static const char *const fault_names[] = { "none", "stopped", "killed" };

struct late {
	struct late_opts opts;
	struct pair pair;
	struct link link;
	struct weft_batch *batch;
	struct hist *late; /* of batches, ns */
	uint64_t states[WEFT_DEADLINE + 1];
	uint32_t rounds; /* made: with a peer that is gone there are no more */
};

static int fill(struct late *late)
{
	struct link *link = &late->link;
	uint64_t offset;
	uint32_t i;
	int rc;

	for (i = 0; i < late->opts.count; i++) {
		offset = i * late->opts.size;
		rc = i % 2 ? weft_batch_read(late->batch, link->region, offset, link->remote,
					     offset, late->opts.size)
			   : weft_batch_write(late->batch, link->region, offset, link->remote,
					      offset, late->opts.size, 0, 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void kill_soon(const struct late *late)
{
	const struct timespec moment = { .tv_nsec = KILL_AFTER_NS };

	nanosleep(&moment, NULL);
	kill(late->pair.child, SIGKILL);
}

static int count_states(struct late *late)
{
	struct weft_result result = { .size = sizeof(result) };
	uint32_t i;
	int rc = 0;

	for (i = 0; i < late->opts.count && rc == 0; i++) {
		rc = weft_batch_result(late->batch, i, &result);
		if (rc == 0 && result.state >= 0 && result.state <= WEFT_DEADLINE)
			late->states[result.state]++;
	}
	return rc;
}

static int make_round(struct late *late, bool last)
{
	uint64_t end_ns, now_ns;
	int rc = fill(late);

	if (rc)
		return rc;
	if (late->opts.fault == LATE_STOPPED)
		kill(late->pair.child, SIGSTOP);
	end_ns = clock_deadline(clock_ns(), late->opts.deadline);
	rc = weft_submit(late->batch, late->opts.deadline);
	if (rc)
		return rc;
	if (late->opts.fault == LATE_KILLED && last)
		kill_soon(late);
	weft_batch_wait(late->batch, late->opts.deadline + NEVER_NS);
	if (weft_batch_poll(late->batch) == 0)
		return err_set(-ETIMEDOUT, "a batch did not end");
	now_ns = clock_ns();
	hist_record_n(late->late, now_ns > end_ns ? now_ns - end_ns : 0, 1);
	rc = count_states(late);
	if (late->opts.fault == LATE_STOPPED)
		kill(late->pair.child, SIGCONT);
	late->rounds++;
	if (!rc && weft_batch_quiesce(late->batch, NEVER_NS))
		return err_set(-EBUSY, "the memory of an ended batch does not get quiet");
	return rc ? rc : weft_batch_reset(late->batch);
}

static int report(const struct late *late)
{
	struct json json;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "provider", late->link.provider);
	json_string(&json, "version", weft_libfabric_version());
	json_string(&json, "fault", fault_names[late->opts.fault]);
	json_string(&json, "progress", late->opts.manual ? "manual" : "thread");
	json_double(&json, "deadline_ms", late->opts.deadline / 1e6);
	json_u64(&json, "rounds", late->rounds);
	json_u64(&json, "done", late->states[WEFT_DONE]);
	json_u64(&json, "failed", late->states[WEFT_FAILED]);
	json_u64(&json, "deadline", late->states[WEFT_DEADLINE]);
	json_double(&json, "late_p50_ms", hist_percentile(late->late, 50) / 1e6);
	json_double(&json, "late_max_ms", late->late->max / 1e6);
	json_object_end(&json);
	putchar('\n');
	return json_end(&json);
}

static int initiator(struct late *late)
{
	const struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = late->opts.count };
	uint32_t i;
	int rc;

	late->late = calloc(1, sizeof(*late->late));
	if (!late->late)
		return err_set(-ENOMEM, "no memory for a histogram");
	rc = weft_batch_open(late->link.weft, &opts, &late->batch);
	for (i = 0; i < late->opts.rounds && !rc; i++) {
		if (weft_remote_status(late->link.remote) && late->rounds)
			break;
		rc = make_round(late, i + 1 == late->opts.rounds);
	}
	pair_move(&late->pair, PAIR_STOP);
	if (pair_close(&late->pair, BENCH_JOIN_S) && !rc && late->opts.fault != LATE_KILLED)
		return err_set(-ECHILD, "the target failed");
	if (!rc)
		rc = report(late);
	weft_batch_close(late->batch);
	free(late->late);
	return rc;
}

int main(int argc, char **argv)
{
	struct late late = { .pair.fd = -1 };
	struct weft_opts opts = { .size = sizeof(opts), .bind_addr = "127.0.0.1" };
	struct opt_result result;
	int rc;

	rc = program_start(&late_table, argc, argv, &late.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	rc = pair_open(&late.pair);
	if (!rc) {
		opts.provider = late.opts.provider;
		if (late.opts.manual && !late.pair.target)
			opts.progress = WEFT_PROGRESS_MANUAL;
		rc = link_open(&late.link, &late.pair, &opts, late.opts.count * late.opts.size);
	}
	if (!rc && late.pair.target)
		pair_await_stop(&late.pair);
	else if (!rc)
		rc = initiator(&late);
	if (rc)
		return program_fail("bench-late", rc, late.pair.target ? "target" : "initiator");
	link_close(&late.link);
	return program_finish("bench-late", 0);
}
