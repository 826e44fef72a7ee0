/* SPDX-License-Identifier: Apache-2.0 */
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "report.h"

#define RAW_PP_SLOTS 17
#define RAW_JOIN_S   20

#define ROW(field, type, min, max, help)                                       \
	{                                                                      \
#field, type, offsetof(struct raw_opts, field), min, max, help \
	}

static const struct arg raw_args[] = {
	ROW(provider, ARG_TEXT, 0, 0, "tcp, shm or a libfabric provider name"),
	ROW(mode, ARG_TEXT, 0, 0, "write, read, imm (write with immediate) or pingpong"),
	ROW(size, ARG_U64, 8, 1 << 30, "bytes of an operation"),
	ROW(window, ARG_U64, 1, 4096, "operations in flight"),
	ROW(delivery_complete, ARG_U64, 0, 1, "1: done means placed at the target"),
	ROW(virt_addr, ARG_U64, 0, 1, "1: accept FI_MR_VIRT_ADDR (shm then copies on its own)"),
	ROW(inject, ARG_U64, 0, 1, "pingpong: send by fi_inject()"),
	ROW(checksum, ARG_TEXT, 0, 0,
	    "none, receiver or both: XXH3 of each buffer (imm: at the target)"),
	ROW(seconds, ARG_DOUBLE, 0.01, 3600, "measured time"),
	ROW(warm, ARG_DOUBLE, 0, 60, "warm-up before it, seconds"),
	{ NULL },
};

struct raw_mode {
	const char *name;
	int (*initiator)(struct raw *raw);
	int (*target)(struct raw *raw);
};

static const struct raw_mode raw_modes[] = {
	{ "write", raw_rma_initiator, raw_rma_target },
	{ "read", raw_rma_initiator, raw_rma_target },
	{ "imm", raw_rma_initiator, raw_rma_target },
	{ "pingpong", raw_pingpong_initiator, raw_pingpong_target },
};

static const struct raw_mode *raw_find_mode(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(raw_modes) / sizeof(*raw_modes); i++) {
		if (!strcmp(raw_modes[i].name, name))
			return &raw_modes[i];
	}
	fprintf(stderr, "unknown mode %s\n", name);
	return NULL;
}

static void raw_report(struct raw *raw)
{
	char version[32];
	const struct report r = {
		.program = "raw",
		.provider = raw->fab.info->fabric_attr->prov_name,
		.mode = raw->opts.mode,
		.checksum = raw->opts.checksum,
		.version = version,
		.size = raw->opts.size,
		.window = raw->opts.mode[0] == 'p' ? 1 : raw->opts.window,
		.clients = 1,
		.delivery_complete = raw->opts.delivery_complete,
		.seconds = raw->meter.seconds,
		.ops = raw->meter.measured_ops,
		.cpu_initiator_s = raw->pair.cpu_s,
		.cpu_target_s = raw->pair.target_cpu_s,
	};

	snprintf(version, sizeof(version), "%u.%u", FI_MAJOR(fi_version()), FI_MINOR(fi_version()));
	report_print(&r, &raw->meter.latency);
}

static int raw_open(struct raw *raw)
{
	const bool source = raw->pair.target == (raw->opts.mode[0] == 'r');
	const bool pingpong = raw->opts.mode[0] == 'p';
	const struct fab_opts opts = { raw->opts.provider, raw->opts.delivery_complete,
				       raw->opts.virt_addr };
	const uint32_t n = pingpong ? RAW_PP_SLOTS : (uint32_t)raw->opts.window;
	int rc;

	rc = slots_open(&raw->slots, n, raw->opts.size);
	if (rc)
		return rc;
	rc = fab_open(&raw->fab, &opts, slots_bytes(n, raw->opts.size));
	if (rc)
		goto close_slots;
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
}

static int raw_target(struct raw *raw, const struct raw_mode *mode)
{
	int rc = raw_open(raw);

	if (rc)
		return rc;
	rc = mode->target(raw);
	raw_close(raw);
	return rc;
}

static int raw_initiator(struct raw *raw, const struct raw_mode *mode)
{
	int rc, ended;

	rc = raw_open(raw);
	if (rc)
		goto close_pair;
	rc = meter_open(&raw->meter, &raw->pair, raw->opts.warm, raw->opts.seconds);
	if (rc)
		goto close_raw;
	rc = mode->initiator(raw);
	ended = pair_close(&raw->pair, rc ? 0 : RAW_JOIN_S);
	if (!rc)
		rc = ended;
	if (!rc)
		raw_report(raw);
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
	struct raw raw = {
		.opts = { .provider = "tcp",
			  .mode = "write",
			  .checksum = "none",
			  .size = 65536,
			  .window = 64,
			  .delivery_complete = 1,
			  .virt_addr = 1,
			  .inject = 1,
			  .seconds = 1,
			  .warm = 0.2 },
	};
	const struct raw_mode *mode;
	int rc;

	if (args_parse(&raw.opts, raw_args, argc, argv))
		return 2;
	mode = raw_find_mode(raw.opts.mode);
	if (!mode)
		return 2;
	rc = pair_open(&raw.pair);
	if (!rc)
		rc = raw.pair.target ? raw_target(&raw, mode) : raw_initiator(&raw, mode);
	if (rc)
		fprintf(stderr, "%s %s: %s\n", argv[0], raw.pair.target ? "target" : "initiator",
			fi_strerror(-rc));
	return rc ? 1 : 0;
}
