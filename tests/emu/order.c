/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order, of which the device promises none: that there is really none, what holds nevertheless, and
 * that the same seed gives the same disorder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"

#define MIB (1u << 20)

/* --- SENDs --------------------------------------------------------------------------------- */

#define BATCH   32
#define BATCHES 32

static const struct kit_target_options sink = { .host = 1,
						.bytes = BATCH * BATCHES * 64,
						.recvs = BATCH * BATCHES,
						.slot = 64,
						.ep = { .recvs = BATCH * BATCHES } };

/* Posts them in batches, so that many are under way at a time; place[n]: where message n came in
 * the order of arrival. */
static void send_all(struct kit_pair *p, uint32_t *place)
{
	static uint64_t ids[BATCH * BATCHES];
	struct ibv_sge sge = kit_sge(&p->area, 0, 8);
	struct kit_wc wc;
	uint32_t n = 0;

	for (int batch = 0; batch < BATCHES; batch++) {
		ibv_wr_start(p->ep.ex);
		for (int i = 0; i < BATCH; i++, n++) {
			memcpy(p->area.data + n * 64, &n, sizeof(n));
			sge.addr = (uintptr_t)p->area.data + n * 64;
			p->ep.ex->wr_id = n;
			p->ep.ex->wr_flags = IBV_SEND_SIGNALED;
			ibv_wr_send(p->ep.ex);
			ibv_wr_set_sge_list(p->ep.ex, 1, &sge);
			ibv_wr_set_ud_addr(p->ep.ex, p->ah, p->target.address.qpn,
					   p->target.address.qkey);
		}
		check_int(ibv_wr_complete(p->ep.ex), 0);
		for (int i = 0; i < BATCH; i++) {
			kit_wait(p->ep.send_cq, &wc);
			check_int(wc.status, IBV_WC_SUCCESS);
		}
	}
	kit_target_collect(&p->target, BATCH * BATCHES, ids);
	for (uint32_t i = 0; i < BATCH * BATCHES; i++) {
		check(ids[i] < BATCH * BATCHES);
		memcpy(&n, p->target.area.data + ids[i] * 64, sizeof(n));
		check(n < BATCH * BATCHES && place[n] == UINT32_MAX);
		place[n] = i;
	}
}

static uint32_t overtaken(struct kit_pair *p)
{
	static uint32_t place[BATCH * BATCHES];
	uint32_t count = 0;

	memset(place, 0xff, sizeof(place));
	send_all(p, place);
	for (uint32_t n = 0; n + 1 < BATCH * BATCHES; n++)
		count += place[n] > place[n + 1];
	return count;
}

/* A quarter of the packets is held back (efa.def, reorder): at least some of 1024 messages must
 * come behind their successors. */
static void shuffled(void)
{
	struct kit_pair p;
	uint32_t count;

	kit_pair_open(&p, &sink, sink.bytes);
	count = overtaken(&p);
	kit_note("%u of %u messages were overtaken", count, BATCH * BATCHES);
	check(count > BATCH * BATCHES / 50);
	kit_pair_close(&p);
}

/* --- traces -------------------------------------------------------------------------------- */

struct lines {
	char **line;
	size_t count;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* First attempts only: how often something is sent again may depend on how busy the machine is. */
static void lines_read(struct lines *lines, const char *path)
{
	size_t room = 0, size = 0;
	char *text = NULL;
	FILE *file = fopen(path, "re");

	check(file);
	*lines = (struct lines){ 0 };
	while (getline(&text, &size, file) > 0) {
		if (strncmp(text, "packet ", 7) != 0 || !strstr(text, " try 0"))
			continue;
		if (lines->count == room) {
			room = room ? room * 2 : 256;
			lines->line = realloc(lines->line, room * sizeof(*lines->line));
			check(lines->line);
		}
		lines->line[lines->count++] = strdup(text);
	}
	free(text);
	fclose(file);
	check(lines->count);
	qsort(lines->line, lines->count, sizeof(*lines->line), by_text);
}

static void lines_free(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->line[i]);
	free(lines->line);
}

static bool lines_same(const struct lines *a, const struct lines *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->line[i], b->line[i]) != 0)
			return false;
	return true;
}

static uint32_t lines_held(const struct lines *lines)
{
	uint32_t held = 0;

	for (size_t i = 0; i < lines->count; i++)
		held += strstr(lines->line[i], " hold ") && !strstr(lines->line[i], " hold 0 ");
	return held;
}

struct program {
	char dir[256], trace[300];
};

static void program_main(struct kit_peer *parent, void *arg)
{
	static const struct kit_ep_options plain = { 0 };
	struct program *program = arg;
	struct kit_bench b;
	struct kit_wr wr;
	struct ibv_sge sge;
	struct kit_wc wc;

	(void)parent;
	setenv("WEFT_EMU_WORLD", program->dir, 1);
	setenv("WEFT_EMU_TRACE", program->trace, 1);
	kit_bench_open(&b, &plain);
	sge = kit_sge(&b.area, 0, 1000);
	for (int i = 0; i < 200; i++) {
		check_int(kit_recv(&b.ep, 1, &sge, 1), 0);
		wr = kit_bench_wr(&b, KIT_SEND, 1 + i);
		check_int(kit_post(&b.ep, &wr), 0);
		for (int n = 0; n < 2; n++) {
			kit_wait(b.ep.send_cq, &wc);
			check_int(wc.status, IBV_WC_SUCCESS);
		}
	}
	for (int i = 0; i < 4; i++) {
		wr = kit_bench_wr(&b, i & 1 ? KIT_WRITE : KIT_READ, MIB / 2);
		wr.address += MIB / 2;
		check_int(kit_post(&b.ep, &wr), 0);
		kit_wait_ok(b.ep.send_cq, wr.id);
	}
	kit_bench_close(&b);
}

/* Runs the same program in a world of its own; its trace. */
static void trace_of(const struct kit_world *world, struct lines *lines)
{
	struct program program;
	struct kit_peer peer;

	kit_world_make(world, program.dir, sizeof(program.dir));
	snprintf(program.trace, sizeof(program.trace), "%s.trace", program.dir);
	unlink(program.trace);
	kit_fork(&peer, 0, program_main, &program);
	kit_join(&peer);
	kit_world_remove(program.dir);
	lines_read(lines, program.trace);
	unlink(program.trace);
}

static void same_seed(void)
{
	struct kit_world world = { .seed = 7 };
	struct lines first, again, other;

	trace_of(&world, &first);
	trace_of(&world, &again);
	check(lines_same(&first, &again));
	world.seed = 8;
	trace_of(&world, &other);
	check_int(other.count, first.count);
	check(!lines_same(&first, &other));
	lines_free(&first);
	lines_free(&again);
	lines_free(&other);
}

static void same_faults(void)
{
	struct kit_world world = { .seed = 7,
				   .faults = { "loss:p=0.2", "duplicate:p=0.2",
					       "delay:p=0.3,us=10,jitter=100us" } };
	struct lines first, again, other;

	trace_of(&world, &first);
	trace_of(&world, &again);
	check(lines_same(&first, &again));
	world.seed = 8;
	trace_of(&world, &other);
	check(!lines_same(&first, &other));
	lines_free(&first);
	lines_free(&again);
	lines_free(&other);
}

static void hold_backs(void)
{
	struct kit_world world = { .seed = 7 };
	struct lines lines;

	trace_of(&world, &lines);
	check(lines_held(&lines) > 50);
	lines_free(&lines);
	world.device = "reorder=0";
	trace_of(&world, &lines);
	check_int(lines_held(&lines), 0);
	lines_free(&lines);
}

/* --- large writes -------------------------------------------------------------------------- */

static const struct kit_target_options room = { .host = 1, .bytes = MIB };

/* Delays one packet of a write and waits for all others to land. False: it came before we could
 * look, which is no failure. */
static bool hole_seen(struct kit_pair *p, uint32_t delay_ms, bool imm)
{
	const size_t mtu = p->nic.mtu, hole = 3 * mtu;
	const uint8_t *data = p->target.area.data;
	struct kit_wr wr = kit_pair_wr(p, KIT_WRITE, 1, 0, MIB);
	uint32_t fault = kit_fault("delay:op=write,skip=3,count=1,us=%ums", delay_ms);
	bool hole_there, completed, told = false;
	struct kit_wc wc;

	memset(p->target.area.data, 0, MIB);
	memset(p->area.data, 0x33, MIB);
	wr.imm = imm;
	wr.imm_data = 5;
	check_int(kit_post(&p->ep, &wr), 0);
	until(kit_all(data, hole, 0x33) && kit_all(data + hole + mtu, MIB - hole - mtu, 0x33));
	/* In this order: what is not there at the end was not there before. */
	completed = kit_poll(p->ep.send_cq, &wc);
	if (imm)
		told = kit_target_poll(&p->target, &wc);
	hole_there = kit_all(data + hole, mtu, 0);
	check(!hole_there || (!completed && !told));
	if (!completed)
		kit_wait_ok(p->ep.send_cq, 1);
	if (imm && !told)
		kit_target_wait(&p->target, &wc);
	check(kit_all(data, MIB, 0x33));
	kit_fault_clear(fault);
	return hole_there;
}

static void out_of_order(bool imm)
{
	struct kit_pair p;
	bool seen = false;

	kit_pair_open(&p, &room, MIB);
	for (uint32_t delay_ms = 50; !seen && delay_ms <= 12800; delay_ms *= 4) {
		if (imm)
			kit_target_recv(&p.target, 0, 0, 0);
		seen = hole_seen(&p, delay_ms, imm);
	}
	check(seen);
	kit_pair_close(&p);
}

static void write_lands(void)
{
	out_of_order(false);
}

static void write_imm_lands(void)
{
	out_of_order(true);
}

/* The target looks at the bytes in the moment it is told. */
static void told_after_the_bytes(void)
{
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &room, MIB);
	for (uint32_t i = 0; i < 40; i++) {
		size_t size = 1 + i * 25000;

		kit_target_recv(&p.target, i, 0, 0);
		kit_fill(p.area.data, size, i);
		wr = kit_pair_wr(&p, KIT_WRITE, i, 0, size);
		wr.imm = true;
		wr.imm_data = i;
		check_int(kit_post(&p.ep, &wr), 0);
		kit_target_await_write(&p.target, i, 0, size);
		kit_wait_ok(p.ep.send_cq, i);
	}
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "order/shuffled", shuffled },
	{ "order/shuffled-udp", shuffled, { .udp = true } },
	{ "order/same-seed", same_seed },
	{ "order/same-faults", same_faults },
	{ "order/hold-backs", hold_backs },
	{ "order/write-lands", write_lands },
	{ "order/write-imm-lands", write_imm_lands },
	{ "order/write-imm-lands-udp", write_imm_lands, { .udp = true } },
	{ "order/told-after-the-bytes", told_after_the_bytes },
	{ "order/told-after-the-bytes-late",
	  told_after_the_bytes,
	  { .device = "reorder=100 reorder_depth=64",
	    .faults = { "delay:op=write,p=0.1,us=0,jitter=2ms", "loss:p=0.05", "duplicate:p=0.1" },
	    .timeout_ms = 20000 } },
	{ "order/told-after-the-bytes-udp",
	  told_after_the_bytes,
	  { .faults = { "reorder:p=0.9,depth=32", "loss:p=0.02" },
	    .timeout_ms = 20000,
	    .udp = true } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
