/* SPDX-License-Identifier: Apache-2.0 */
/* A peer process that is killed: what was under way ends, and the others go on. */
#include <stdio.h>

#include "child.h"
#include "engine/engine.h"
#include "verdict.h"

#define EACH  (256u * 1024)
#define COUNT 4096u
#define LEN   (16u * EACH)

static const uint64_t deadline_ns = 4 * NSEC_PER_SEC;

static void on_peer_gone(void *ctx, struct weft_peer *peer, int reason)
{
	(void)peer;
	check(reason < 0);
	atomic_fetch_add((atomic_int *)ctx, 1);
}

struct killing {
	struct net net;
	struct child victim, other;
	struct weft *a;
	struct area mem;
	struct weft_region *region;
	struct weft_remote *to_victim, *to_other;
	atomic_int gone;
};

static void killing_open(struct killing *k, const struct conform *c)
{
	uint32_t access = WEFT_REMOTE_READ | WEFT_REMOTE_WRITE;
	struct weft_opts opts = net_opts(c);

	*k = (struct killing){ .net.conform = c };
	child_spawn(&k->victim, c, LEN);
	child_spawn(&k->other, c, LEN);
	area_open(&k->mem, LEN);
	opts.on_peer_gone = on_peer_gone;
	opts.ctx = &k->gone;
	k->a = net_open(&k->net, &opts);
	k->region = net_register(k->a, &k->mem, WEFT_LOCAL);
	child_open(&k->victim, &k->net, access);
	child_open(&k->other, &k->net, access);
	k->to_victim =
		net_import_bytes(&k->net, k->a, k->victim.descriptor, k->victim.descriptor_len);
	k->to_other = net_import_bytes(&k->net, k->a, k->other.descriptor, k->other.descriptor_len);
}

static void killing_close(struct killing *k)
{
	check_guards(&k->mem);
	net_end(&k->net);
	child_end(&k->victim);
	child_end(&k->other);
	area_close(&k->mem);
}

static int killing_write(struct killing *k, struct weft_remote *remote, uint64_t timeout_ns)
{
	struct move move = { false, k->region, 0, remote, 0, EACH, 0, 0 };

	return net_move(&k->net, k->a, &move, timeout_ns);
}

/* Where software does RDMA (efa of libfabric 1.17), the failure of a packet to the victim may be
 * told of an operation to the other, if acknowledgements are late: docs/design.md, "What providers
 * guard". That one is given up as well then, aloud, and met again. Returns whether it was. */
static bool write_to_other(struct killing *k)
{
	int rc = killing_write(k, k->to_other, CONFORM_LIMIT_NS);

	if (rc != -WEFT_EPEERGONE || !k->a->rails[0].limits.emulated) {
		check_ok(rc);
		return false;
	}
	conform_note("the other was given up too");
	check_rc(weft_remote_status(k->to_other), -WEFT_EPEERGONE);
	check_ok(weft_remote_close(k->to_other));
	k->to_other = net_import_bytes(&k->net, k->a, k->other.descriptor, k->other.descriptor_len);
	return true;
}

static struct weft_batch *killing_batch(struct killing *k, bool read)
{
	struct weft_batch *batch = net_batch(k->a, COUNT);

	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t at = i * EACH % LEN;
		struct move move = { read, k->region, at, k->to_victim, at, EACH, 0, 0 };

		check_int(net_add(batch, &move), i);
	}
	return batch;
}

static void check_ended(const struct weft_batch *batch)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		struct weft_result result = net_result(batch, i);

		if (result.state == WEFT_DONE) {
			done++;
			continue;
		}
		check(result.state == WEFT_FAILED || result.state == WEFT_DEADLINE);
		check(result.error < 0);
	}
	check(done < COUNT);
}

/* The victim dies with transfers under way; the other peer is written to all the while. */
static void kill_in_mid_transfer(const struct conform *c, bool read)
{
	struct weft_batch *batch;
	uint64_t until_ns, other_ns, longest_ns = 0;
	int lost = 0; /* the other, with the victim */
	struct killing k;
	pid_t pid;

	killing_open(&k, c);
	batch = killing_batch(&k, read);
	until_ns = clock_deadline(clock_ns(), deadline_ns);
	check_ok(weft_submit(batch, deadline_ns));
	until(&k.net, net_stats(k.a).writes_done + net_stats(k.a).reads_done > 8);
	pid = k.victim.pid;
	child_kill(&k.victim);
	/* Its end lasts while the kernel takes its queues apart; in manual mode nothing goes on
	 * here. */
	if (clock_ns() > until_ns)
		until_ns = clock_ns();
	while (weft_batch_poll(batch) == 0) {
		check(clock_ns() < until_ns + CONFORM_SLACK_NS);
		other_ns = clock_ns();
		lost += write_to_other(&k);
		other_ns = clock_ns() - other_ns;
		longest_ns = other_ns > longest_ns ? other_ns : longest_ns;
	}
	conform_note("the longest write to the other took %llu ms",
		     (unsigned long long)(longest_ns / NSEC_PER_MSEC));
	check_ended(batch);
	check(lost <= 1);
	until(&k.net, atomic_load(&k.gone) == 1 + lost);
	check_int(net_stats(k.a).peers_gone, 1 + lost);
	check_rc(weft_remote_status(k.to_victim), -WEFT_EPEERGONE);
	check_rc(killing_write(&k, k.to_victim, deadline_ns), -WEFT_EPEERGONE);
	/* Nobody is left who could touch the memory. */
	until(&k.net, weft_batch_quiesce(batch, 0) == 0);
	weft_batch_close(batch);
	check_ok(weft_remote_close(k.to_victim));
	check_ok(killing_write(&k, k.to_other, CONFORM_LIMIT_NS));
	net_unregister(&k.net, k.region);
	/* It could not remove its shared memory itself. */
	check(!verdict_leftover(pid));
	killing_close(&k);
}

static void peer_killed_under_writes(const struct conform *c)
{
	kill_in_mid_transfer(c, false);
}

static void peer_killed_under_reads(const struct conform *c)
{
	kill_in_mid_transfer(c, true);
}

/* The initiator dies: its target goes on and gets its memory back. */
static void initiator_killed(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_region *region, *other_region;
	struct child victim, other;
	struct area mem, other_mem;
	struct weft *a;

	child_spawn(&victim, c, LEN);
	child_spawn(&other, c, LEN);
	area_open(&mem, LEN);
	area_open(&other_mem, LEN);
	a = net_open(&net, NULL);
	child_open(&victim, &net, WEFT_LOCAL);
	child_open(&other, &net, WEFT_LOCAL);
	region = net_register(a, &mem, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	other_region = net_register(a, &other_mem, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	child_storm(&victim, &net, region, false, 65536);
	child_storm(&other, &net, other_region, true, 65536);
	until(&net, child_storm_done(&victim, &net) > 100);
	child_kill(&victim);
	if (c->row->watches_peers)
		until(&net, net_stats(a).peers_gone == 1);
	net_unregister(&net, region);
	check_int(net_stats(a).peers_gone, 1);
	area_fill(&mem, 0, LEN, 8);
	until(&net, child_storm_done(&other, &net) > 500);
	check_holds(&mem, 0, LEN, 8);
	check_guards(&mem);
	child_close(&other, &net);
	until(&net, net_stats(a).peers == 0);
	net_unregister(&net, other_region);
	check_guards(&other_mem);
	net_end(&net);
	child_end(&victim);
	child_end(&other);
	area_close(&mem);
	area_close(&other_mem);
}

/* A process that was never met and is no more. */
static void descriptor_of_the_dead(const struct conform *c)
{
	const uint64_t timeout_ns = NSEC_PER_SEC;
	struct net net = { .conform = c };
	struct weft_remote *remote;
	struct weft_region *region;
	struct child child;
	struct area mem;
	struct move move;
	uint64_t start_ns;
	struct weft *a;
	int rc;

	child_spawn(&child, c, 4096);
	area_open(&mem, 4096);
	a = net_open(&net, NULL);
	region = net_register(a, &mem, WEFT_LOCAL);
	child_open(&child, &net, WEFT_REMOTE_WRITE);
	child_kill(&child);
	start_ns = clock_ns();
	rc = weft_import(a, child.descriptor, child.descriptor_len, &remote);
	if (!rc) {
		move = (struct move){ false, region, 0, remote, 0, 4096, 0, 0 };
		rc = net_move(&net, a, &move, timeout_ns);
	}
	check(clock_ns() - start_ns < timeout_ns + CONFORM_SLACK_NS);
	conform_note("ended as %s after %llu ms", weft_error_name(rc),
		     (unsigned long long)((clock_ns() - start_ns) / NSEC_PER_MSEC));
	check(rc == -WEFT_EPEERGONE || rc == -WEFT_EDEADLINE || rc == -WEFT_EUNREACHABLE);
	net_end(&net);
	child_end(&child);
	area_close(&mem);
}

const struct conform_case cases_gone[] = {
	{ "peer_killed_under_writes", peer_killed_under_writes, NEEDS_PROCESSES },
	{ "peer_killed_under_reads", peer_killed_under_reads, NEEDS_PROCESSES },
	{ "initiator_killed", initiator_killed, NEEDS_PROCESSES },
	{ "descriptor_of_the_dead", descriptor_of_the_dead, NEEDS_PROCESSES },
	{ 0 },
};
