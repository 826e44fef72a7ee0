/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are counted by kind: what is refused, what ends badly, and what fails on a rail. */
#include <string.h>

#include "net.h"

#define LEN   8192u
#define KINDS 64

struct kinds {
	struct weft_error_count rows[KINDS];
	int count;
};

static void look(struct weft *weft, struct kinds *kinds)
{
	for (int i = 0; i < KINDS; i++)
		kinds->rows[i].size = sizeof(kinds->rows[i]);
	kinds->count = weft_errors(weft, kinds->rows, KINDS);
	check(kinds->count >= 0 && kinds->count <= KINDS);
}

/* The row of a code, zeroes where it did not come up. */
static struct weft_error_count kind(struct weft *weft, int code)
{
	struct weft_error_count none = { 0 };
	struct kinds kinds;

	look(weft, &kinds);
	for (int i = 0; i < kinds.count; i++)
		if (kinds.rows[i].code == code)
			return kinds.rows[i];
	return none;
}

/* Every error has one kind: the table and the counters agree. */
static void check_sums(struct weft *weft)
{
	struct weft_stats stats = net_stats(weft);
	uint64_t transfers = 0, refused = 0, operations = 0, errors = 0;
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct kinds kinds;

	look(weft, &kinds);
	for (int i = 0; i < kinds.count; i++) {
		transfers += kinds.rows[i].transfers;
		refused += kinds.rows[i].refused;
		operations += kinds.rows[i].operations;
	}
	for (uint32_t i = 0; !weft_rail(weft, i, &rail); i++)
		errors += rail.errors;
	check_int(transfers, stats.failed + stats.cancelled + stats.deadline);
	check_int(refused, stats.refused);
	check(operations >= errors);
}

static void refusals_are_counted_by_kind(const struct conform *c)
{
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 4);
	check_int(weft_errors(p.a, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		check_rc(weft_batch_write(batch, p.region_a, 1, p.to_b, 0, LEN, 0, 0),
			 -WEFT_EBOUNDS);
	net_unregister(&p.net, p.region_b);
	until(&p.net, weft_remote_status(p.to_b) == -WEFT_EREVOKED);
	for (int i = 0; i < 2; i++)
		check_rc(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, LEN), -WEFT_EREVOKED);
	check_int(kind(p.a, -WEFT_EBOUNDS).refused, 3);
	check_int(kind(p.a, -WEFT_EBOUNDS).transfers, 0);
	check_int(kind(p.a, -WEFT_EREVOKED).refused, 2);
	check_int(weft_errors(p.a, NULL, 0), 2);
	check_int(weft_errors(p.b, NULL, 0), 0);
	check_sums(p.a);
	weft_batch_close(batch);
	pair_close(&p);
}

/* What was cancelled in time is known from the results. */
static void ends_are_counted_by_kind(const struct conform *c)
{
	uint64_t cancelled = 0;
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 64);
	for (int i = 0; i < 64; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, LEN, 0, 0), i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_ok(weft_batch_cancel(batch));
	net_finish(&p.net, batch);
	for (uint32_t i = 0; i < 64; i++)
		cancelled += net_result(batch, i).state == WEFT_CANCELLED;
	conform_note("%d of 64 were cancelled", (int)cancelled);
	check_int(kind(p.a, -WEFT_ECANCELLED).transfers, cancelled);
	check_int(kind(p.a, -WEFT_ECANCELLED).operations, 0);
	check_sums(p.a);
	until(&p.net, weft_batch_quiesce(batch, 0) == 0);
	weft_batch_close(batch);
	pair_close(&p);
}

static void deadlines_are_counted(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct pair p;

	opts.devices = "hang_every=1";
	pair_open_opts(&p, c, LEN, &opts, NULL);
	batch = net_batch(p.a, 5);
	for (int i = 0; i < 5; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, LEN, 0, 0), i);
	check_ok(weft_submit(batch, 20 * NSEC_PER_MSEC));
	net_finish(&p.net, batch);
	check_int(kind(p.a, -WEFT_EDEADLINE).transfers, 5);
	check_sums(p.a);
	net_drop(&p.net);
	area_close(&p.mem_a);
	area_close(&p.mem_b);
}

static void failures_of_rails_are_counted(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_error_count row;
	struct weft_batch *batch;
	struct pair p;
	int error;

	opts.devices = "fail_every=3";
	pair_open_opts(&p, c, LEN, &opts, NULL);
	batch = net_batch(p.a, 30);
	for (int i = 0; i < 30; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0), i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	error = weft_batch_error(batch);
	row = kind(p.a, error);
	check_int(row.transfers, 10);
	check_int(row.operations, 10);
	check_int(row.refused, 0);
	check_sums(p.a);
	weft_batch_close(batch);
	pair_close(&p);
}

/* Room for fewer than there are, and structures of another release's size. */
static void the_list_has_the_callers_size(const struct conform *c)
{
	struct weft_error_count counts[2] = { { .size = sizeof(counts[0]) } };
	struct {
		size_t size;
		int32_t code;
		uint64_t transfers, operations, refused, unknown;
	} newer[2];
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 1);
	check_rc(weft_batch_write(batch, p.region_a, 1, p.to_b, 0, LEN, 0, 0), -WEFT_EBOUNDS);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, LEN, 0, 0), 0);
	check_rc(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, LEN, 0, 0), -WEFT_ELIMIT);
	check_int(weft_errors(p.a, counts, 1), 2);
	check_int(counts[0].code, -WEFT_EBOUNDS);
	check_int(counts[1].code, 0);
	check_rc(weft_errors(p.a, counts, 2), -EINVAL); /* the second has no size */
	memset(newer, 0xff, sizeof(newer));
	newer[0].size = newer[1].size = sizeof(newer[0]);
	check_int(weft_errors(p.a, (struct weft_error_count *)newer, 2), 2);
	check_int(newer[0].code, -WEFT_EBOUNDS);
	check_int(newer[1].code, -WEFT_ELIMIT);
	check_int(newer[1].refused, 1);
	check_int(newer[1].unknown, 0);
	check_rc(weft_errors(p.a, NULL, 1), -EINVAL);
	weft_batch_close(batch);
	pair_close(&p);
}

const struct conform_case cases_errors[] = {
	{ "refusals_are_counted_by_kind", refusals_are_counted_by_kind, 0 },
	{ "ends_are_counted_by_kind", ends_are_counted_by_kind, 0 },
	{ "deadlines_are_counted", deadlines_are_counted, NEEDS_SCRIPT },
	{ "failures_of_rails_are_counted", failures_of_rails_are_counted, NEEDS_SCRIPT },
	{ "the_list_has_the_callers_size", the_list_has_the_callers_size, ONLY_MANUAL },
	{ 0 },
};
