/* SPDX-License-Identifier: Apache-2.0 */
/* Ends: what goes leaves nothing behind, in the process, in the world or at its peers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"

static const struct kit_ep_options plain = { 0 };

/* --- completions of what has gone ---------------------------------------------------------- */

/* Two queue pairs share a queue; one goes with completions in it. */
static void completions_vanish(void)
{
	struct kit_ep_options options = plain;
	struct kit_bench b;
	struct kit_ep gone;
	struct kit_wr wr;
	struct kit_wc wc;
	uint32_t left;

	kit_bench_open(&b, &plain);
	options.send_cq = options.recv_cq = b.ep.own_cq;
	for (int round = 0; round < 50; round++) {
		kit_ep_open(&gone, &b.nic, &options);
		wr = kit_bench_wr(&b, KIT_WRITE, 1000);
		wr.address += 100000;
		for (int i = 0; i < 20; i++) {
			wr.id = 1000 + i;
			check_int(kit_post(&gone, &wr), 0);
			wr.id = i;
			check_int(kit_post(&b.ep, &wr), 0);
		}
		left = 20;
		/* Some rounds before any has come, some after. */
		for (int i = 0; i < round % 20; i++) {
			kit_wait(b.ep.own_cq, &wc);
			check_int(wc.status, IBV_WC_SUCCESS);
			left -= wc.qpn == b.ep.qp->qp_num;
		}
		kit_ep_close(&gone);
		for (; left; left--) {
			kit_wait(b.ep.own_cq, &wc);
			check_int(wc.qpn, b.ep.qp->qp_num);
			check(wc.id < 20);
		}
		check(!kit_poll(b.ep.own_cq, &wc));
	}
	kit_bench_close(&b);
}

/* What is in use stays. */
static void busy(void)
{
	struct ibv_comp_channel *channel;
	struct kit_ep_options options = plain;
	struct kit_ep ep;
	struct kit_bench b;

	kit_bench_open(&b, &plain);
	channel = ibv_create_comp_channel(b.nic.context);
	check(channel);
	options.channel = channel;
	kit_ep_open(&ep, &b.nic, &options);
	check_int(ibv_destroy_cq(ibv_cq_ex_to_cq(b.ep.own_cq)), EBUSY);
	check_int(ibv_dealloc_pd(b.nic.pd), EBUSY);
	check_int(ibv_destroy_comp_channel(channel), EBUSY);
	kit_ep_close(&ep);
	check_int(ibv_destroy_comp_channel(channel), 0);
	kit_bench_close(&b);
}

/* From the end of ibv_dereg_mr() on nothing writes there, whatever is under way. */
static void revoked_is_quiet(void)
{
	enum {
		SIZE = 1 << 20,
		ROUNDS = 10,
		DEPTH = 32
	};
	static const struct kit_target_options options = { .host = 1, .bytes = SIZE };
	uint8_t *copy = malloc(SIZE);
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;
	uint32_t failed;

	check(copy);
	kit_pair_open(&p, &options, SIZE);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < DEPTH; i++) {
			wr = kit_pair_wr(&p, KIT_WRITE, i, 0, SIZE);
			check_int(kit_post(&p.ep, &wr), 0);
		}
		for (int i = 0; i < round % 4; i++)
			kit_wait(p.ep.send_cq, &wc);
		kit_target_revoke(&p.target);
		memcpy(copy, p.target.area.data, SIZE);
		memset(p.area.data, round + 1, SIZE);
		failed = 0;
		for (int i = round % 4; i < DEPTH; i++) {
			kit_wait(p.ep.send_cq, &wc);
			check(wc.status == IBV_WC_SUCCESS || wc.vendor == 7);
			failed += wc.vendor == 7;
		}
		check(!memcmp(copy, p.target.area.data, SIZE));
		kit_target_reregister(&p.target);
		wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, SIZE);
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, 1);
		check(kit_all(p.target.area.data, SIZE, (uint8_t)(round + 1)));
		kit_note("round %d: %u of %d refused", round, failed, DEPTH);
	}
	kit_pair_close(&p);
	free(copy);
}

/* A region that is unmapped as soon as it is given back, while a peer goes on writing. */
static void unmapped(struct kit_peer *parent, void *arg)
{
	struct kit_address *addresses = arg;
	struct kit_area area;
	struct kit_nic nic;
	struct kit_ep ep;
	uint64_t place[2];

	(void)addresses;
	kit_nic_open(&nic, 0);
	kit_ep_open(&ep, &nic, &plain);
	kit_tell(parent, &ep.address, sizeof(ep.address));
	for (int round = 0; round < 30; round++) {
		kit_area_open(&area, 1 << 20);
		kit_area_register(&area, &nic, KIT_ACCESS);
		place[0] = (uintptr_t)area.data;
		place[1] = area.mr->rkey;
		kit_tell(parent, place, sizeof(place));
		kit_sync(parent);
		check_int(ibv_dereg_mr(area.mr), 0);
		area.mr = NULL;
		kit_area_close(&area); /* unmaps */
		kit_sync(parent);      /* what it has under way has ended */
	}
	kit_ep_close(&ep);
	kit_nic_close(&nic);
}

static void unmapped_at_once(void)
{
	struct kit_address address;
	struct kit_peer peer;
	struct kit_bench b;
	struct kit_wr wr;
	struct kit_wc wc;
	uint64_t place[2];

	kit_fork(&peer, 1, unmapped, NULL);
	kit_hear(&peer, &address, sizeof(address));
	kit_bench_open(&b, &plain);
	check_int(ibv_destroy_ah(b.ah), 0);
	b.ah = kit_ah(&b.nic, &address.gid);
	for (int round = 0; round < 30; round++) {
		kit_hear(&peer, place, sizeof(place));
		for (int i = 0; i < 20; i++) {
			wr = kit_bench_wr(&b, i & 1 ? KIT_READ : KIT_WRITE, 1 << 20);
			wr.to = &address;
			wr.address = place[0];
			wr.rkey = (uint32_t)place[1];
			check_int(kit_post(&b.ep, &wr), 0);
		}
		kit_sync(&peer);
		for (int i = 0; i < 20; i++) {
			kit_wait(b.ep.send_cq, &wc);
			check(wc.status == IBV_WC_SUCCESS || wc.vendor == 7);
		}
		kit_sync(&peer);
	}
	kit_join(&peer);
	kit_bench_close(&b);
}

/* --- processes ----------------------------------------------------------------------------- */

static void visitor(struct kit_peer *parent, void *arg)
{
	const struct kit_address *to = arg;
	struct kit_wr wr;
	struct kit_bench b;
	char how;

	kit_hear(parent, &how, 1);
	kit_bench_open(&b, &plain);
	wr = kit_bench_wr(&b, KIT_SEND, 8);
	wr.ah = kit_ah(&b.nic, &to->gid);
	wr.to = to;
	check_int(kit_post(&b.ep, &wr), 0);
	kit_wait_ok(b.ep.send_cq, 1);
	kit_sync(parent);
	if (how == 'k')
		raise(SIGKILL);
	if (how == '_')
		_exit(0);
	check_int(ibv_destroy_ah(wr.ah), 0);
	if (how == 'c')
		kit_bench_close(&b);
}

/* More processes than the world has slots, which end in every way. Forked one by one by a process
 * that has no device, for one that has. */
static void nursery(struct kit_peer *parent, void *arg)
{
	static const char ways[] = { 'c', '_', 'k', 'e' };
	int count = (int)kit_scale(1000, 200, KIT_SANITIZED ? 40 : 140);
	struct kit_peer peer;
	struct kit_address to;

	(void)arg;
	kit_hear(parent, &to, sizeof(to));
	for (int i = 0; i < count; i++) {
		char how = ways[i % (KIT_SANITIZED ? 3 : 4)]; /* leaks are reported at exit() */

		kit_fork(&peer, 1, visitor, &to);
		kit_tell(&peer, &how, 1);
		kit_sync(&peer);
		if (how == 'k')
			kit_killed(&peer);
		else
			kit_join(&peer);
	}
	kit_sync(parent);
}

static void many_visitors(void)
{
	int count = (int)kit_scale(1000, 200, KIT_SANITIZED ? 40 : 140);
	struct kit_peer peer;
	struct kit_bench b;
	struct ibv_sge sge;
	struct kit_wc wc;

	kit_fork(&peer, 1, nursery, NULL);
	kit_bench_open(&b, &plain);
	sge = kit_sge(&b.area, 0, 8);
	for (int i = 0; i < 100; i++)
		check_int(kit_recv(&b.ep, i, &sge, 1), 0);
	kit_tell(&peer, &b.ep.address, sizeof(b.ep.address));
	for (int i = 0; i < count; i++) {
		kit_wait(b.ep.recv_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(kit_recv(&b.ep, i, &sge, 1), 0);
	}
	kit_sync(&peer);
	kit_join(&peer);
	kit_bench_close(&b);
}

/* Children of a process that has devices: they end, its traffic does not. */
static void forks_after_use(void)
{
	static const struct kit_target_options options = { .host = 1, .bytes = 4096 };
	struct kit_pair p;
	struct kit_wr wr;
	int status;
	pid_t pid;

	check_int(ibv_fork_init(), 0);
	check_int(ibv_is_fork_initialized(), IBV_FORK_UNNEEDED);
	kit_pair_open(&p, &options, 4096);
	for (int i = 0; i < 30; i++) {
		fflush(NULL);
		pid = fork();
		check(pid >= 0);
		if (!pid && i % 3 == 0)
			_exit(0);
		if (!pid && i % 3 == 1)
			quick_exit(0);
		if (!pid) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		wr = kit_pair_wr(&p, i & 1 ? KIT_WRITE : KIT_READ, i, 0, 4096);
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, i);
		check_int(waitpid(pid, &status, 0), pid);
		check_int(status, 0);
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, i);
	}
	/* One that runs the destructors of the library. */
	fflush(NULL);
	pid = fork();
	if (!pid)
		exit(0);
	check_int(waitpid(pid, &status, 0), pid);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, 4096);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "teardown/completions-vanish", completions_vanish },
	{ "teardown/busy", busy },
	{ "teardown/revoked-is-quiet", revoked_is_quiet },
	{ "teardown/revoked-is-quiet-udp", revoked_is_quiet, { .udp = true } },
	{ "teardown/unmapped-at-once", unmapped_at_once },
	{ "teardown/many-visitors", many_visitors },
	{ "teardown/forks-after-use", forks_after_use },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
