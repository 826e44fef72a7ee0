/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "common/program.h"
#include "report.h"

static const struct opt_row engine_rows[] = {
#define OPT_ROWS struct engine_opts
#include "engine.def"
};

static const struct opt_table engine_table = OPT_TABLE(engine_rows, struct engine_opts);

static const char *const checksum_names[] = { "none", "receiver", "both" };

struct engine_mode {
	const char *name;
	int (*initiator)(struct engine *engine);
	int (*target)(struct engine *engine);
};

static const struct engine_mode engine_modes[] = {
	[BENCH_WRITE] = { "write", engine_rma_initiator, engine_rma_target },
	[BENCH_READ] = { "read", engine_rma_initiator, engine_rma_target },
	[BENCH_IMM] = { "imm", engine_rma_initiator, engine_rma_target },
	[BENCH_PINGPONG] = { "pingpong", engine_pingpong_initiator, engine_pingpong_target },
};

/* What the target tells the initiator. */
struct engine_hello {
	uint32_t imm;
	unsigned char descriptor[WEFT_DESCRIPTOR_MAX];
};

static int engine_report(const struct engine *engine)
{
	const struct report r = {
		.program = "engine",
		.provider = engine->provider,
		.version = weft_libfabric_version(),
		.mode = engine_modes[engine->opts.mode].name,
		.checksum = checksum_names[engine->opts.checksum],
		.size = engine->opts.size,
		.window = engine->opts.mode == BENCH_PINGPONG ? 1 : engine->opts.window,
		.clients = 1,
		.delivery_complete = !engine->opts.no_delivery,
		.elapsed_ns = engine->meter.measured_ns,
		.ops = engine->meter.measured_ops,
		.cpu_initiator_s = engine->pair.cpu_s,
		.cpu_target_s = engine->pair.target_cpu_s,
		.latency = engine->meter.latency,
		.series = engine->meter.series,
		.series_ns = engine->meter.series_ns,
		.series_n = engine->meter.series_n,
		.start_ns = engine->meter.start_ns,
	};

	return report_print(&r);
}

static int engine_buffer(struct engine *engine)
{
	const bool source = engine->pair.target == (engine->opts.mode == BENCH_READ);
	const uint64_t used = (uint64_t)engine->opts.batches * engine->opts.batch;
	const uint32_t n = used < engine->opts.window ? (uint32_t)used : engine->opts.window;
	const uint64_t len = slots_bytes(n, engine->opts.size);
	const uint32_t access =
		engine->pair.target ? WEFT_REMOTE_READ | WEFT_REMOTE_WRITE : WEFT_LOCAL;
	void *buf;
	int rc;

	rc = slots_open(&engine->slots, n, engine->opts.size);
	if (rc)
		return rc;
	buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		   -1, 0);
	if (buf == MAP_FAILED)
		return err_set(-errno, "%llu bytes of buffer", (unsigned long long)len);
	slots_attach(&engine->slots, buf, source);
	return weft_register(engine->weft, buf, len, access, &engine->region);
}

static int engine_open(struct engine *engine)
{
	const struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = engine->opts.provider,
		.bind_addr = "127.0.0.1",
		.progress = WEFT_PROGRESS_MANUAL,
		.peer_window = engine->opts.window,
		.rails = engine->opts.rails,
		.on_message = engine_pingpong_message,
		.ctx = engine,
	};
	int rc;

	rc = weft_open(&engine->weft, &opts);
	if (rc)
		return rc;
	rc = engine_buffer(engine);
	if (!rc && engine->pair.target)
		rc = weft_arrival_open(engine->weft, &engine->arrival);
	return rc;
}

/* Sound after a failed open, too. */
static void engine_close(struct engine *engine)
{
	weft_close(engine->weft);
	if (engine->slots.buf)
		munmap(engine->slots.buf, slots_bytes(engine->slots.n, engine->opts.size));
	slots_close(&engine->slots);
}

static int engine_offer(struct engine *engine)
{
	struct engine_hello hello = { .imm = weft_arrival_imm(engine->arrival) };
	size_t len = sizeof(hello.descriptor), ignored_len;
	char ignored[8];
	int rc;

	rc = weft_export(engine->region, hello.descriptor, &len);
	if (rc)
		return rc;
	ignored_len = sizeof(ignored);
	return pair_swap(&engine->pair, &hello, offsetof(struct engine_hello, descriptor) + len,
			 ignored, &ignored_len);
}

static int engine_reach(struct engine *engine)
{
	struct weft_peer_info info = { .size = sizeof(info) };
	struct engine_hello hello;
	size_t len = sizeof(hello);
	int rc;

	rc = pair_swap(&engine->pair, "ready", 5, &hello, &len);
	if (rc)
		return rc;
	len -= offsetof(struct engine_hello, descriptor);
	engine->imm = hello.imm;
	rc = weft_connect(engine->weft, hello.descriptor, len, ENGINE_TIMEOUT_NS, &engine->peer);
	if (rc)
		return rc;
	rc = weft_import(engine->weft, hello.descriptor, len, &engine->remote);
	if (rc)
		return rc;
	rc = weft_peer_info(engine->peer, &info);
	if (!rc)
		snprintf(engine->provider, sizeof(engine->provider), "%s", info.libfabric);
	return rc;
}

static int engine_target(struct engine *engine)
{
	int rc;

	rc = engine_open(engine);
	if (!rc)
		rc = engine_offer(engine);
	if (!rc)
		rc = engine_modes[engine->opts.mode].target(engine);
	if (!rc)
		engine_close(engine);
	return rc;
}

static int engine_initiator(struct engine *engine)
{
	int rc, ended;

	rc = engine_open(engine);
	if (!rc)
		rc = engine_reach(engine);
	if (!rc)
		rc = meter_open(&engine->meter, &engine->pair, engine->opts.warm,
				engine->opts.seconds);
	if (!rc && engine->opts.series)
		rc = meter_series(&engine->meter, engine->opts.series);
	if (!rc)
		rc = engine_modes[engine->opts.mode].initiator(engine);
	ended = pair_close(&engine->pair, rc ? 0 : BENCH_JOIN_S);
	if (rc) /* the text of the failure is kept for the caller */
		return rc;
	if (ended)
		return err_set(ended, "the target failed");
	rc = engine_report(engine);
	meter_close(&engine->meter);
	engine_close(engine);
	return rc;
}

int main(int argc, char **argv)
{
	struct engine engine = { .pair.fd = -1 };
	struct opt_result result;
	int rc;

	rc = program_start(&engine_table, argc, argv, &engine.opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	engine_batches(&engine.opts);
	rc = pair_open(&engine.pair);
	if (!rc)
		rc = engine.pair.target ? engine_target(&engine) : engine_initiator(&engine);
	if (rc)
		return program_fail("bench-engine", rc,
				    engine.pair.target ? "target" : "initiator");
	return program_finish("bench-engine", 0);
}
