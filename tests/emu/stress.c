/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once: processes that write, read and send to one another while they replace their
 * queue pairs and regions, and are stopped and killed at random. Nothing may hang or crash, no
 * status may come that has no reason, and what was written must be read back.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"

#define WORKERS 6
#define LIVES   8 /* a worker that follows a killed one writes to other cells than that one did */
#define CELL    65536u
#define CELLS   (WORKERS * LIVES)
#define WINDOW  24

/* What a worker tells the others; odd while it changes. */
struct notice {
	_Atomic uint32_t version;
	struct kit_address address;
	uint64_t place;
	uint32_t rkey;
};

struct board {
	_Atomic uint32_t stop;
	_Atomic uint64_t good[WORKERS], bad[WORKERS], verified[WORKERS];
	struct notice notice[WORKERS];
};

struct stress {
	struct board *board;
	struct kit_area area; /* of all workers: WORKERS x CELLS cells */
	uint32_t index, life;
};

struct worker {
	const struct stress *stress;
	struct board *board;
	struct kit_nic nic;
	struct kit_ep ep;
	struct kit_area area; /* two cells of its own: from here, to here */
	struct ibv_mr *cells;
	uint64_t random;
	uint32_t flying;
};

static uint64_t draw(struct worker *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % below;
}

/* --- what others know of a worker ---------------------------------------------------------- */

static void publish(struct worker *w)
{
	struct notice *notice = &w->board->notice[w->stress->index];

	atomic_fetch_or(&notice->version, 1);
	atomic_thread_fence(memory_order_seq_cst);
	notice->address = w->ep.address;
	notice->place = (uintptr_t)w->cells->addr;
	notice->rkey = w->cells->rkey;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&notice->version, 1);
}

/* 0: it has none that is whole, perhaps for ever. */
static uint32_t look(struct worker *w, uint32_t whom, struct notice *ret)
{
	struct notice *notice = &w->board->notice[whom];
	uint32_t version = atomic_load(&notice->version);

	if (version & 1)
		return 0;
	atomic_thread_fence(memory_order_seq_cst);
	memcpy(&ret->address, &notice->address, sizeof(*ret) - offsetof(struct notice, address));
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&notice->version) == version ? version : 0;
}

/* --- its life ------------------------------------------------------------------------------ */

static void open_queue(struct worker *w)
{
	static const struct kit_ep_options options = { .sends = 64, .recvs = 64, .rnr_retry = 3 };
	struct ibv_sge sge = kit_sge(&w->area, 2 * CELL, 256);

	kit_ep_open(&w->ep, &w->nic, &options);
	for (int i = 0; i < 64; i++)
		check_int(kit_recv(&w->ep, 1ull << 32, &sge, 1), 0);
	w->flying = 0;
}

static void open_cells(struct worker *w)
{
	uint8_t *mine = w->stress->area.data + (size_t)w->stress->index * CELLS * CELL;

	w->cells = ibv_reg_mr(w->nic.pd, mine, (size_t)CELLS * CELL, KIT_ACCESS);
	check(w->cells);
}

/* Statuses with which the end of a peer, of its queue pair or of its region may show. */
static bool reasonable(uint32_t vendor)
{
	return vendor == 0 || vendor == 7 || vendor == 9 || vendor == 10 || vendor == 13 ||
	       vendor == 15;
}

/* Takes one completion. True: it was that of id, whose status is in *vendor. */
static bool take(struct worker *w, uint64_t id, uint32_t *vendor)
{
	struct ibv_sge sge = kit_sge(&w->area, 2 * CELL, 256);
	uint32_t me = w->stress->index;
	struct kit_wc wc;

	if (!kit_poll(w->ep.own_cq, &wc))
		return false;
	if (wc.id == 1ull << 32) {
		check(wc.vendor == 0 || wc.vendor == 11);
		check_int(kit_recv(&w->ep, 1ull << 32, &sge, 1), 0);
		return false;
	}
	w->flying--;
	if (!reasonable(wc.vendor))
		kit_fail(__FILE__, __LINE__, "status %u", wc.vendor);
	atomic_fetch_add(wc.vendor ? &w->board->bad[me] : &w->board->good[me], 1);
	*vendor = wc.vendor;
	return wc.id == id;
}

static struct kit_wr request(struct worker *w, const struct notice *to, struct ibv_ah *ah,
			     enum kit_op op, size_t size)
{
	uint32_t cell = w->stress->index * LIVES + w->stress->life % LIVES;

	return (struct kit_wr){ .op = op,
				.ah = ah,
				.to = &to->address,
				.sge = { kit_sge(&w->area, op == KIT_READ ? CELL : 0, size) },
				.sges = 1,
				.address = to->place + (uint64_t)cell * CELL,
				.rkey = to->rkey };
}

static void post(struct worker *w, const struct kit_wr *wr)
{
	check_int(kit_post(&w->ep, wr), 0);
	w->flying++;
}

/* Any operation to anybody, without waiting for it. */
static void random_operation(struct worker *w)
{
	struct notice to;
	struct ibv_ah *ah;
	struct kit_wr wr;

	if (!look(w, (uint32_t)draw(w, WORKERS), &to))
		return;
	ah = kit_ah(&w->nic, &to.address.gid);
	/* Cells of its own only are written, and those are compared: what is read may be anything.
	 */
	wr = request(w, &to, ah, draw(w, 2) ? KIT_READ : KIT_SEND, 1 + draw(w, 256));
	if (wr.op == KIT_READ)
		wr.sge[0].length = (uint32_t)(1 + draw(w, CELL));
	post(w, &wr);
	check_int(ibv_destroy_ah(ah), 0);
}

/* What was read is not what was written: where, and is it so in the memory of the other? */
static void tell_difference(const struct worker *w, uint32_t whom, const struct notice *to,
			    size_t size, uint64_t seed)
{
	uint32_t cell = w->stress->index * LIVES + w->stress->life % LIVES;
	const uint8_t *there = w->stress->area.data + ((size_t)whom * CELLS + cell) * CELL;
	static uint8_t wanted[CELL];
	size_t first = 0, last = size - 1;

	kit_fill(wanted, size, seed);
	while (first < size && w->area.data[CELL + first] == wanted[first])
		first++;
	while (last > first && w->area.data[CELL + last] == wanted[last])
		last--;
	kit_fail(
		__FILE__, __LINE__,
		"write %llu of %zu bytes from qp %u to qp %u (worker %u): bytes %zu to %zu differ; "
		"it is %s where it was written",
		(unsigned long long)seed, size, w->ep.address.qpn, to->address.qpn, whom, first,
		last, memcmp(there, wanted, size) ? "also wrong" : "right");
}

/* Writes, then reads back. */
static void verified_write(struct worker *w, uint64_t seed)
{
	uint32_t vendor = 0, whom = (uint32_t)draw(w, WORKERS), version;
	size_t size = 1 + draw(w, CELL);
	struct notice to;
	struct ibv_ah *ah;
	struct kit_wr wr;

	version = look(w, whom, &to);
	if (!version)
		return;
	ah = kit_ah(&w->nic, &to.address.gid);
	while (w->flying)
		take(w, 0, &vendor);
	kit_fill(w->area.data, size, seed);
	wr = request(w, &to, ah, KIT_WRITE, size);
	wr.id = 1;
	post(w, &wr);
	until(take(w, 1, &vendor) || atomic_load(&w->board->stop));
	if (!vendor && !atomic_load(&w->board->stop)) {
		wr = request(w, &to, ah, KIT_READ, size);
		wr.id = 2;
		post(w, &wr);
		until(take(w, 2, &vendor) || atomic_load(&w->board->stop));
		if (!vendor && !atomic_load(&w->board->stop)) {
			if (!kit_holds(w->area.data + CELL, size, seed))
				tell_difference(w, whom, &to, size, seed);
			atomic_fetch_add(&w->board->verified[w->stress->index], 1);
		}
	}
	check_int(ibv_destroy_ah(ah), 0);
}

static void renew(struct worker *w)
{
	if (draw(w, 2)) {
		kit_ep_close(&w->ep);
		open_queue(w);
	} else {
		check_int(ibv_dereg_mr(w->cells), 0);
		open_cells(w);
	}
	publish(w);
}

static void worker_main(struct kit_peer *parent, void *arg)
{
	const struct stress *stress = arg;
	struct worker w = { .stress = stress,
			    .board = stress->board,
			    .random = 88172645463325252ull + stress->index * 77 + stress->life };
	uint32_t vendor;

	(void)parent;
	kit_nic_open(&w.nic, 0);
	kit_area_open(&w.area, 2 * CELL + 256);
	kit_area_register(&w.area, &w.nic, KIT_ACCESS);
	open_cells(&w);
	open_queue(&w);
	publish(&w);
	for (uint64_t i = 1; !atomic_load(&w.board->stop); i++) {
		while (w.flying < WINDOW && draw(&w, 4))
			random_operation(&w);
		for (int n = 0; n < 8; n++)
			take(&w, 0, &vendor);
		if (i % 8 == 0)
			verified_write(&w, i);
		if (i % 64 == 0)
			renew(&w);
		if (w.flying >= WINDOW)
			usleep(50);
	}
	/* With all that is under way. */
	kit_ep_close(&w.ep);
	check_int(ibv_dereg_mr(w.cells), 0);
	kit_area_close(&w.area);
	kit_nic_close(&w.nic);
}

/* --- the parent ---------------------------------------------------------------------------- */

static void disturb(struct stress *stress, struct kit_peer *peers, uint32_t *lives, uint64_t dice)
{
	uint32_t whom = (uint32_t)(dice / 16 % WORKERS);

	if (dice % 16 < 4) {
		kit_stop(&peers[whom]);
		usleep(20000);
		kit_continue(&peers[whom]);
	} else if (dice % 16 < 8) {
		kit_kill(&peers[whom]);
		stress->index = whom;
		stress->life = ++lives[whom];
		kit_fork(&peers[whom], whom % 2, worker_main, stress);
	}
}

static void stress_run(void)
{
	struct stress stress = { 0 };
	uint32_t lives[WORKERS] = { 0 }, count = (uint32_t)kit_scale(5000, 150, 60);
	struct kit_peer peers[WORKERS];
	struct kit_area board;
	uint64_t good = 0, bad = 0, verified = 0, random = 12345;

	kit_area_open(&board, sizeof(struct board));
	stress.board = (struct board *)board.data;
	kit_area_open(&stress.area, (size_t)WORKERS * CELLS * CELL);
	for (; stress.index < WORKERS; stress.index++)
		kit_fork(&peers[stress.index], stress.index % 2, worker_main, &stress);
	for (uint32_t i = 0; i < count; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		usleep((useconds_t)(random >> 33) % 20000);
		disturb(&stress, peers, lives, random >> 40);
	}
	/* All that are left get somewhere. */
	for (uint32_t i = 0; i < WORKERS; i++) {
		uint64_t before = atomic_load(&stress.board->verified[i]);

		until(atomic_load(&stress.board->verified[i]) > before);
	}
	atomic_store(&stress.board->stop, 1);
	for (uint32_t i = 0; i < WORKERS; i++) {
		kit_join(&peers[i]);
		good += atomic_load(&stress.board->good[i]);
		bad += atomic_load(&stress.board->bad[i]);
		verified += atomic_load(&stress.board->verified[i]);
	}
	kit_note("%llu well, %llu failed, %llu read back", (unsigned long long)good,
		 (unsigned long long)bad, (unsigned long long)verified);
	kit_area_close(&stress.area);
	kit_area_close(&board);
}

static const struct kit_case cases[] = {
	{ "stress/rings", stress_run, { .timeout_ms = 300 } },
	{ "stress/udp", stress_run, { .timeout_ms = 300, .udp = true } },
	{ "stress/rings-faults",
	  stress_run,
	  { .timeout_ms = 300,
	    .faults = { "loss:p=0.02", "duplicate:p=0.05", "delay:p=0.05,us=0,jitter=1ms",
			"flap:host=1,period=300ms,down=50ms" } } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
