/* SPDX-License-Identifier: Apache-2.0 */
/* Many: threads, queue pairs, NICs, processes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

static const struct kit_ep_options plain = { 0 };

/* --- threads ------------------------------------------------------------------------------- */

#define THREADS 4
#define EACH    4096

struct worker {
	struct kit_pair *pair;
	struct kit_ep *ep;
	pthread_t thread;
	uint32_t index, count;
	bool polls;
};

/* Writes `count` blocks to places of its own. Several may share a queue pair, then one polls. */
static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct kit_wr wr;
	struct kit_wc wc;
	int rc;

	for (uint32_t i = 0; i < w->count; i++) {
		size_t at = ((size_t)w->index * w->count + i) * EACH;

		wr = kit_pair_wr(w->pair, KIT_WRITE, w->index * w->count + i, at, EACH);
		wr.address += at;
		/* A full queue is polled by its poller; who has his own polls himself. */
		while ((rc = kit_post(w->ep, &wr)) == ENOMEM) {
			if (w->polls) {
				kit_wait(w->ep->send_cq, &wc);
				check_int(wc.status, IBV_WC_SUCCESS);
				check_int(wc.id / w->count, w->index);
			} else {
				sched_yield();
			}
		}
		check_int(rc, 0);
	}
	return NULL;
}

static void threads_run(struct worker *workers)
{
	for (int i = 0; i < THREADS; i++)
		check_int(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
}

static const struct kit_target_options threads_target = { .host = 1,
							  .bytes = THREADS * 300 * EACH };

static void threads_one_qp(void)
{
	uint32_t count = (uint32_t)kit_scale(300, 300, 100), ended = 0;
	bool *done = calloc(THREADS * count, sizeof(*done));
	struct worker workers[THREADS];
	struct kit_pair p;
	struct kit_wc wc;

	check(done);
	kit_pair_open(&p, &threads_target, threads_target.bytes);
	kit_fill(p.area.data, p.area.size, 1);
	for (uint32_t i = 0; i < THREADS; i++)
		workers[i] = (struct worker){ &p, &p.ep, .index = i, .count = count };
	threads_run(workers);
	for (; ended < THREADS * count; ended++) {
		kit_wait(p.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check(wc.id < THREADS * count && !done[wc.id]);
		done[wc.id] = true;
	}
	for (int i = 0; i < THREADS; i++)
		check_int(pthread_join(workers[i].thread, NULL), 0);
	check(!memcmp(p.area.data, p.target.area.data, (size_t)THREADS * count * EACH));
	check(!kit_poll(p.ep.send_cq, &wc));
	kit_pair_close(&p);
	free(done);
}

/* Each with a queue pair of its own, on one completion queue or on many. */
static void threads_own_qps(void)
{
	uint32_t count = (uint32_t)kit_scale(300, 300, 100);
	struct kit_ep eps[THREADS];
	struct worker workers[THREADS];
	struct kit_pair p;
	struct kit_wc wc;

	kit_pair_open(&p, &threads_target, threads_target.bytes);
	kit_fill(p.area.data, p.area.size, 2);
	for (uint32_t i = 0; i < THREADS; i++) {
		kit_ep_open(&eps[i], &p.nic, &plain);
		workers[i] =
			(struct worker){ &p, &eps[i], .index = i, .count = count, .polls = true };
	}
	threads_run(workers);
	for (int i = 0; i < THREADS; i++)
		check_int(pthread_join(workers[i].thread, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		/* What is left in the queue: a write to the same place comes behind nothing, so the
		 * contents are compared when all have ended. */
		for (uint32_t left = count < 256 ? count : 256; left; left--)
			kit_wait(eps[i].send_cq, &wc);
		check(!kit_poll(eps[i].send_cq, &wc));
		kit_ep_close(&eps[i]);
	}
	check(!memcmp(p.area.data, p.target.area.data, (size_t)THREADS * count * EACH));
	kit_pair_close(&p);
}

/* Threads that make and destroy everything while others do, and while one sends. */
static void *maker_main(void *arg)
{
	struct worker *w = arg;
	struct kit_wr wr;
	struct kit_area area;
	struct kit_ep ep;
	struct ibv_ah *ah;

	kit_area_open(&area, EACH);
	for (uint32_t i = 0; i < w->count; i++) {
		kit_ep_open(&ep, &w->pair->nic, &plain);
		kit_area_register(&area, &w->pair->nic, KIT_ACCESS);
		ah = kit_ah(&w->pair->nic, &w->pair->target.address.gid);
		wr = kit_pair_wr(w->pair, KIT_WRITE, 1, 0, EACH);
		wr.sge[0] = kit_sge(&area, 0, EACH);
		wr.address += (w->index + 1) * EACH;
		wr.ah = ah;
		check_int(kit_post(&ep, &wr), 0);
		if (i & 1)
			kit_wait_ok(ep.send_cq, 1);
		kit_ep_close(&ep);
		check_int(ibv_destroy_ah(ah), 0);
		check_int(ibv_dereg_mr(area.mr), 0);
		area.mr = NULL;
	}
	kit_area_close(&area);
	return NULL;
}

static void threads_make(void)
{
	struct worker workers[THREADS];
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &threads_target, threads_target.bytes);
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .pair = &p,
					      .index = i,
					      .count = (uint32_t)kit_scale(5000, 500, 100) };
		check_int(pthread_create(&workers[i].thread, NULL, maker_main, &workers[i]), 0);
	}
	for (uint32_t i = 0; i < 200; i++) {
		kit_fill(p.area.data, EACH, i);
		wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, EACH);
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, 1);
		check(kit_holds(p.target.area.data, EACH, i));
	}
	for (int i = 0; i < THREADS; i++)
		check_int(pthread_join(workers[i].thread, NULL), 0);
	kit_pair_close(&p);
}

/* --- queue pairs --------------------------------------------------------------------------- */

static void hundreds_of_qps(void)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 16 };
	uint32_t count = (uint32_t)kit_scale(500, 500, 100);
	struct kit_ep *eps = calloc(count, sizeof(*eps));
	struct kit_bench b;
	struct ibv_sge sge;
	struct kit_wr wr;
	struct kit_wc wc;

	check(eps);
	kit_bench_open(&b, &plain);
	for (uint32_t i = 0; i < count; i++) {
		kit_ep_open(&eps[i], &b.nic, &small);
		for (uint32_t other = 0; other < i; other += 37)
			check(eps[other].address.qpn != eps[i].address.qpn);
		sge = kit_sge(&b.area, i * 64, 64);
		for (uint64_t n = 0; n < 3; n++)
			check_int(kit_recv(&eps[i], 1000 + n, &sge, 1), 0);
	}
	/* Each to three others, all at once. */
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t n = 0; n < 3; n++) {
			wr = kit_bench_wr(&b, KIT_SEND, 64);
			wr.id = n;
			wr.sge[0].addr += 500000 + i * 64;
			wr.to = &eps[(i + 1 + n * 7) % count].address;
			check_int(kit_post(&eps[i], &wr), 0);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t seen = 0;

		for (uint32_t n = 0; n < 6; n++) {
			kit_wait(eps[i].own_cq, &wc);
			check_int(wc.status, IBV_WC_SUCCESS);
			check_int(wc.qpn, eps[i].address.qpn);
			seen += wc.id >= 1000;
		}
		check_int(seen, 3);
	}
	for (uint32_t i = 0; i < count; i++)
		kit_ep_close(&eps[i]);
	kit_bench_close(&b);
	free(eps);
}

/* --- NICs ---------------------------------------------------------------------------------- */

static void nics_32(void)
{
	enum {
		NICS = 32
	};
	static struct kit_nic nics[NICS];
	static struct kit_ep eps[NICS];
	static struct kit_area areas[NICS];
	struct kit_wr wr;

	for (uint32_t i = 0; i < NICS; i++) {
		kit_nic_open(&nics[i], i);
		kit_ep_open(&eps[i], &nics[i], &plain);
		kit_area_open(&areas[i], 40000);
		kit_area_register(&areas[i], &nics[i], KIT_ACCESS);
	}
	for (uint32_t i = 0; i < NICS; i++) {
		uint32_t to = (i * 5 + 3) % NICS;

		check(i == 0 || strcmp(nics[i].name, nics[i - 1].name) != 0);
		wr = (struct kit_wr){ .op = KIT_WRITE,
				      .id = i,
				      .ah = kit_ah(&nics[i], &nics[to].gid),
				      .to = &eps[to].address,
				      .sge = { kit_sge(&areas[i], 0, 20000) },
				      .sges = 1,
				      .address = (uintptr_t)areas[to].data + 20000,
				      .rkey = areas[to].mr->rkey };
		kit_fill(areas[i].data, 20000, i);
		check_int(kit_post(&eps[i], &wr), 0);
		kit_wait_ok(eps[i].send_cq, i);
		check(kit_holds(areas[to].data + 20000, 20000, i));
		check_int(ibv_destroy_ah(wr.ah), 0);
	}
	for (uint32_t i = 0; i < NICS; i++) {
		kit_ep_close(&eps[i]);
		kit_area_close(&areas[i]);
		kit_nic_close(&nics[i]);
	}
}

/* --- processes ----------------------------------------------------------------------------- */

#define CROWD_MAX 64

struct crowd {
	uint32_t count, index;
	struct kit_area shared; /* of all: count x count blocks of 256 bytes */
};

struct member {
	struct kit_address address;
	uint64_t place;
	uint32_t rkey;
};

/* Writes its block into everyone's memory and sends everyone a message. */
static void crowd_main(struct kit_peer *parent, void *arg)
{
	struct crowd *crowd = arg;
	static struct member members[CROWD_MAX];
	struct kit_ep_options options = { .sends = 256, .recvs = 128 };
	uint32_t me = crowd->index, n = crowd->count, sent = 0, received = 0;
	struct kit_bench b;
	struct ibv_mr *mr;
	struct ibv_sge sge;
	struct kit_wc wc;

	kit_bench_open(&b, &options);
	mr = ibv_reg_mr(b.nic.pd, crowd->shared.data + (size_t)me * n * 256, n * 256, KIT_ACCESS);
	check(mr);
	sge = kit_sge(&b.area, 1000, 8);
	for (uint32_t i = 0; i < n; i++)
		check_int(kit_recv(&b.ep, 1000, &sge, 1), 0);
	members[me] = (struct member){ b.ep.address, (uintptr_t)mr->addr, mr->rkey };
	kit_tell(parent, &members[me], sizeof(members[me]));
	kit_hear(parent, members, sizeof(members[0]) * n);
	kit_fill(b.area.data, 256, me);
	for (uint32_t i = 0; i < n; i++) {
		struct kit_wr wr = kit_bench_wr(&b, KIT_WRITE, 256);

		wr.ah = kit_ah(&b.nic, &members[i].address.gid);
		wr.to = &members[i].address;
		wr.address = members[i].place + (uint64_t)me * 256;
		wr.rkey = members[i].rkey;
		check_int(kit_post(&b.ep, &wr), 0);
		wr.op = KIT_SEND;
		wr.sge[0].length = 8;
		check_int(kit_post(&b.ep, &wr), 0);
		check_int(ibv_destroy_ah(wr.ah), 0);
	}
	while (sent < 2 * n || received < n) {
		kit_wait(b.ep.own_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		if (wc.id == 1000)
			received++;
		else
			sent++;
	}
	kit_sync(parent);
	for (uint32_t i = 0; i < n; i++)
		check(kit_holds(crowd->shared.data + ((size_t)me * n + i) * 256, 256, i));
	check_int(ibv_dereg_mr(mr), 0);
	kit_bench_close(&b);
}

static void processes(void)
{
	static struct member members[CROWD_MAX];
	struct kit_peer peers[CROWD_MAX];
	struct crowd crowd = { .count = (uint32_t)kit_scale(64, 64, 16) };

	kit_area_open(&crowd.shared, (size_t)crowd.count * crowd.count * 256);
	for (crowd.index = 0; crowd.index < crowd.count; crowd.index++)
		kit_fork(&peers[crowd.index], crowd.index % 4, crowd_main, &crowd);
	for (uint32_t i = 0; i < crowd.count; i++)
		kit_hear(&peers[i], &members[i], sizeof(members[i]));
	for (uint32_t i = 0; i < crowd.count; i++)
		kit_tell(&peers[i], members, sizeof(members[0]) * crowd.count);
	/* Nobody looks at his memory before all have written. */
	for (uint32_t i = 0; i < crowd.count; i++) {
		char token;

		kit_hear(&peers[i], &token, 1);
	}
	for (uint32_t i = 0; i < crowd.count; i++)
		kit_tell(&peers[i], "", 1);
	for (uint32_t i = 0; i < crowd.count; i++)
		kit_join(&peers[i]);
	kit_area_close(&crowd.shared);
}

static const struct kit_case cases[] = {
	{ "scale/threads-one-qp", threads_one_qp },
	{ "scale/threads-one-qp-udp", threads_one_qp, { .udp = true } },
	{ "scale/threads-own-qps", threads_own_qps },
	{ "scale/threads-make", threads_make },
	{ "scale/hundreds-of-qps", hundreds_of_qps },
	{ "scale/hundreds-of-qps-udp", hundreds_of_qps, { .udp = true } },
	{ "scale/nics-32", nics_32, { .nics = 32 } },
	{ "scale/nics-32-udp", nics_32, { .nics = 32, .udp = true } },
	/* So many share two cores for seconds: who has not had its turn is not silent. */
	{ "scale/processes", processes, { .hosts = 4, .timeout_ms = 30000 } },
	{ "scale/processes-udp", processes, { .hosts = 4, .udp = true, .timeout_ms = 30000 } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
