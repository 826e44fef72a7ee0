/* SPDX-License-Identifier: Apache-2.0 */
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "base/err.h"
#include "common/program.h"
#include "order.h"
#include "report.h"

#define RAW_PP_SLOTS 17

static const struct opt_row raw_rows[] = {
#define OPT_ROWS struct raw_opts
#include "raw.def"
};

static const struct opt_table raw_table = OPT_TABLE(raw_rows, struct raw_opts);

static const char *const checksum_names[] = { "none", "receiver", "both" };

struct raw_mode {
	const char *name;
	int (*initiator)(struct raw *raw);
	int (*target)(struct raw *raw);
};

static const struct raw_mode raw_modes[] = {
	[BENCH_WRITE] = { "write", raw_rma_initiator, raw_rma_target },
	[BENCH_READ] = { "read", raw_rma_initiator, raw_rma_target },
	[BENCH_IMM] = { "imm", raw_rma_initiator, raw_rma_target },
	[BENCH_PINGPONG] = { "pingpong", raw_pingpong_initiator, raw_pingpong_target },
};

const char *weft_version(void)
{
	return "bench-raw " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	static char text[32];

	snprintf(text, sizeof(text), "%u.%u", FI_MAJOR(fi_version()), FI_MINOR(fi_version()));
	return text;
}

static int raw_report(const struct raw *raw)
{
	const struct report r = {
		.program = "raw",
		.provider = raw->fab.info->fabric_attr->prov_name,
		.version = weft_libfabric_version(),
		.mode = raw_modes[raw->opts.mode].name,
		.checksum = checksum_names[raw->opts.checksum],
		.size = raw->opts.size,
		.window = raw->opts.mode == BENCH_PINGPONG ? 1 : raw->opts.window,
		.clients = 1,
		.delivery_complete = !raw->opts.no_delivery,
		.elapsed_ns = raw->meter.measured_ns,
		.ops = raw->meter.measured_ops,
		.cpu_initiator_s = raw->pair.cpu_s,
		.cpu_target_s = raw->pair.target_cpu_s,
		.latency = raw->meter.latency,
	};

	return report_print(&r);
}

/* Where segments stand that are without order, the same in each run. */
static int raw_order(struct raw *raw, uint32_t buffers)
{
	const struct raw_opts *opts = &raw->opts;
	uint32_t n = buffers * opts->segments;

	if (opts->segments > 1 && (opts->size % (8 * opts->segments) || opts->mode > BENCH_READ))
		return err_set(-EINVAL, "no %u segments of such operations", opts->segments);
	if (!opts->scattered)
		return 0;
	if (opts->checksum != BENCH_CHECKSUM_NONE || opts->mode > BENCH_READ || opts->size % 64)
		return err_set(-EINVAL, "scattered: only write and read of multiples of 64 bytes, "
					"without checksums");
	raw->order = calloc(n, sizeof(*raw->order));
	if (!raw->order)
		return err_set(-ENOMEM, "no memory for an order of %u segments", n);
	order_shuffle(raw->order, n, 1);
	return 0;
}

static int raw_open(struct raw *raw)
{
	const bool source = raw->pair.target == (raw->opts.mode == BENCH_READ);
	const bool pingpong = raw->opts.mode == BENCH_PINGPONG;
	const struct fab_opts opts = {
		.provider = raw->opts.provider,
		.delivery_complete = !raw->opts.no_delivery,
		.virt_addr = !raw->opts.no_virt_addr,
	};
	uint32_t n = pingpong ? RAW_PP_SLOTS : (uint32_t)raw->opts.window;
	int rc;

	if (!pingpong && raw->opts.buffers > n)
		n = raw->opts.buffers;
	rc = raw_order(raw, n);
	if (rc)
		return rc;
	rc = slots_open(&raw->slots, n, raw->opts.size);
	if (rc)
		return rc;
	rc = fab_open(&raw->fab, &opts, slots_bytes(n, raw->opts.size));
	if (rc)
		goto close_slots;
	raw->inject = !raw->opts.no_inject && raw->opts.size <= raw->fab.info->tx_attr->inject_size;
	slots_attach(&raw->slots, raw->fab.buf, source);
	rc = fab_connect(&raw->fab, &raw->pair);
	if (rc)
		goto close_fab;
	return 0;
close_fab:
	fab_close(&raw->fab);
close_slots:
	slots_close(&raw->slots);
	return rc;
}

static void raw_close(struct raw *raw)
{
	fab_close(&raw->fab);
	slots_close(&raw->slots);
	free(raw->order);
}

static int raw_target(struct raw *raw)
{
	int rc = raw_open(raw);

	if (rc)
		return rc;
	rc = raw_modes[raw->opts.mode].target(raw);
	raw_close(raw);
	return rc;
}

static int raw_initiator(struct raw *raw)
{
	int rc, ended;

	rc = raw_open(raw);
	if (rc)
		goto close_pair;
	rc = meter_open(&raw->meter, &raw->pair, raw->opts.warm, raw->opts.seconds);
	if (rc)
		goto close_raw;
	rc = raw_modes[raw->opts.mode].initiator(raw);
	ended = pair_close(&raw->pair, rc ? 0 : BENCH_JOIN_S);
	if (!rc && ended)
		rc = err_set(ended, "the target failed");
	if (!rc)
		rc = raw_report(raw);
	meter_close(&raw->meter);
	raw_close(raw);
	return rc;
close_raw:
	raw_close(raw);
close_pair:
	pair_close(&raw->pair, 0);
	return rc;
}

int main(int argc, char **argv)
{
	struct raw raw = { .pair.fd = -1 };
	struct opt_result result;
	int rc;

	rc = program_start(&raw_table, argc, argv, &raw.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	rc = pair_open(&raw.pair);
	if (!rc)
		rc = raw.pair.target ? raw_target(&raw) : raw_initiator(&raw);
	if (rc)
		return program_fail("bench-raw", rc, raw.pair.target ? "target" : "initiator");
	return program_finish("bench-raw", 0);
}
