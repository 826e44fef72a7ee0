/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a KV cache: one batch of many, from and to places without order, beside one transfer of
 * as many bytes. An operation of the report is a whole batch; its content is checked after it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "bench.h"
#include "common/program.h"
#include "link.h"
#include "meter.h"
#include "order.h"
#include "report.h"

struct pages_opts {
#define OPT_FIELDS
#include "pages.def"
};

static const struct opt_row pages_rows[] = {
#define OPT_ROWS struct pages_opts
#include "pages.def"
};

static const struct opt_table pages_table = OPT_TABLE(pages_rows, struct pages_opts);

struct pages {
	struct pages_opts opts;
	struct pair pair;
	struct link link;
	struct meter meter;
	struct weft_batch *batch;
	uint32_t *near, *far; /* page i goes between near[i] and far[i] */
};

static void *page(const struct pages *pages, uint32_t i)
{
	return (char *)pages->link.mem + i * pages->opts.size;
}

/* Whoever the pages come from writes its number into the first bytes of each; the other waits. */
static int mark(struct pages *pages)
{
	char in[8];
	size_t in_len = sizeof(in);
	uint64_t i;

	if (pages->pair.target != (pages->opts.mode == BENCH_READ))
		return pair_swap(&pages->pair, "there", 5, in, &in_len);
	for (i = 0; i < pages->opts.pages; i++)
		memcpy(page(pages, i), &(uint64_t){ i + 1 }, sizeof(i));
	return pair_swap(&pages->pair, "there", 5, in, &in_len);
}

static int check(const struct pages *pages)
{
	uint64_t value;
	uint32_t i;

	for (i = 0; i < pages->opts.pages; i++) {
		memcpy(&value, page(pages, pages->near[i]), sizeof(value));
		if (value != pages->far[i] + 1ull)
			return err_set(-EBADMSG, "page %u holds page %llu", pages->near[i],
				       (unsigned long long)value);
	}
	return 0;
}

static int add(struct pages *pages, uint64_t near, uint64_t far, uint64_t len)
{
	struct link *link = &pages->link;

	if (pages->opts.mode == BENCH_READ)
		return weft_batch_read(pages->batch, link->region, near, link->remote, far, len);
	return weft_batch_write(pages->batch, link->region, near, link->remote, far, len, 0, 0);
}

static int move(struct pages *pages)
{
	const uint64_t size = pages->opts.size;
	uint32_t i;
	int rc = 0;

	if (pages->opts.scattered)
		for (i = 0; i < pages->opts.pages && rc >= 0; i++)
			rc = add(pages, pages->near[i] * size, pages->far[i] * size, size);
	else
		rc = add(pages, 0, 0, pages->link.len);
	if (rc >= 0)
		rc = weft_submit(pages->batch, 6 * BENCH_STALL_NS);
	if (!rc)
		rc = weft_batch_wait(pages->batch, UINT64_MAX);
	return rc ? rc : weft_batch_reset(pages->batch);
}

static int run(struct pages *pages)
{
	const struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = pages->opts.pages };
	uint64_t start_ns, now_ns;
	int rc;

	rc = weft_batch_open(pages->link.weft, &opts, &pages->batch);
	if (!rc)
		rc = meter_open(&pages->meter, &pages->pair, pages->opts.warm, pages->opts.seconds);
	if (rc)
		return rc;
	do {
		start_ns = clock_ns();
		rc = move(pages);
		now_ns = clock_ns();
		if (!rc)
			meter_done(&pages->meter, start_ns, now_ns, 1);
	} while (!rc && meter_goes_on(&pages->meter, now_ns));
	if (!rc && pages->opts.mode == BENCH_READ)
		rc = check(pages);
	weft_batch_close(pages->batch);
	return rc;
}

static int initiator(struct pages *pages)
{
	int rc = run(pages), ended;

	pair_move(&pages->pair, PAIR_STOP);
	ended = pair_close(&pages->pair, rc ? 0 : BENCH_JOIN_S);
	if (!rc && ended)
		return err_set(ended, "the target failed");
	if (!rc)
		rc = report_print(&(struct report){
			.program = "pages",
			.provider = pages->link.provider,
			.version = weft_libfabric_version(),
			.mode = pages->opts.scattered ? "scattered" : "contiguous",
			.checksum = "none",
			.size = pages->link.len,
			.window = pages->opts.window,
			.clients = 1,
			.delivery_complete = true,
			.elapsed_ns = pages->meter.measured_ns,
			.ops = pages->meter.measured_ops,
			.cpu_initiator_s = pages->pair.cpu_s,
			.cpu_target_s = pages->pair.target_cpu_s,
			.latency = pages->meter.latency,
		});
	meter_close(&pages->meter);
	return rc;
}

static int plan(struct pages *pages)
{
	const uint32_t n = pages->opts.pages;

	pages->near = calloc(n, sizeof(*pages->near));
	pages->far = calloc(n, sizeof(*pages->far));
	if (!pages->near || !pages->far)
		return err_set(-ENOMEM, "no memory for an order of %u pages", n);
	order_shuffle(pages->near, n, pages->opts.scattered ? 1 : 0);
	order_shuffle(pages->far, n, pages->opts.scattered ? 2 : 0);
	return 0;
}

int main(int argc, char **argv)
{
	struct pages pages = { .pair.fd = -1 };
	struct weft_opts opts = { .size = sizeof(opts), .bind_addr = "127.0.0.1" };
	struct opt_result result;
	int rc;

	rc = program_start(&pages_table, argc, argv, &pages.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	rc = plan(&pages);
	if (!rc)
		rc = pair_open(&pages.pair);
	if (!rc) {
		opts.provider = pages.opts.provider;
		opts.peer_window = pages.opts.window;
		rc = link_open(&pages.link, &pages.pair, &opts, pages.opts.pages * pages.opts.size);
	}
	if (!rc)
		rc = mark(&pages);
	if (!rc && pages.pair.target)
		pair_await_stop(&pages.pair);
	else if (!rc)
		rc = initiator(&pages);
	if (rc)
		return program_fail("bench-pages", rc, pages.pair.target ? "target" : "initiator");
	link_close(&pages.link);
	free(pages.near);
	free(pages.far);
	return program_finish("bench-pages", 0);
}
