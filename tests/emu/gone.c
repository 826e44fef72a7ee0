/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that die, stop, or have destroyed their queue pair: each ends with its status. */
#include <unistd.h>

#include "kit.h"

static const struct kit_target_options with_recvs = {
	.host = 1, .bytes = 1 << 20, .recvs = 64, .slot = 1024
};

static void post(struct kit_pair *p, enum kit_op op, uint64_t id, size_t size)
{
	struct kit_wr wr = kit_pair_wr(p, op, id, 0, size);

	check_int(kit_post(&p->ep, &wr), 0);
}

static void good(struct kit_pair *p, enum kit_op op)
{
	post(p, op, 99, 1000);
	kit_wait_ok(p->ep.send_cq, 99);
}

static void killed(uint32_t status)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_kill(&p.target.peer);
	post(&p, KIT_SEND, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, status);
	kit_pair_close_here(&p);
	kit_target_gone(&p.target);
}

static void killed_ring(void)
{
	killed(9);
}

static void killed_udp(void)
{
	killed(13);
}

/* It dies in the middle of a transfer, when it answers. */
static void killed_by_fault(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_fault("kill:src=h1,op=response");
	post(&p, KIT_READ, 1, 1 << 20);
	kit_wait_status(p.ep.send_cq, 1, 9);
	kit_killed(&p.target.peer);
	kit_pair_close_here(&p);
	kit_target_gone(&p.target);
}

static void killed_at_once(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_fault("kill:host=1");
	kit_killed(&p.target.peer); /* with no traffic to it */
	post(&p, KIT_WRITE, 1, 1 << 20);
	kit_wait_status(p.ep.send_cq, 1, 9);
	kit_pair_close_here(&p);
	kit_target_gone(&p.target);
}

/* A process that is stopped for a moment has not gone. */
static void stopped(void)
{
	struct kit_pair p;
	struct kit_wc wc;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_stop(&p.target.peer);
	post(&p, KIT_SEND, 1, 10);
	usleep(300000);
	check(!kit_poll(p.ep.send_cq, &wc));
	kit_continue(&p.target.peer);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_pair_close(&p);
}

/* One that stays stopped is as unresponsive as a dead link; what was sent meets it when it goes on,
 * or never. */
static void stopped_long(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_stop(&p.target.peer);
	post(&p, KIT_SEND, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, 13);
	kit_continue(&p.target.peer);
	good(&p, KIT_WRITE);
	kit_pair_close(&p);
}

/* As many packets as the stopped one has room for, all repeated meanwhile: the answers to the first
 * ones overtake the repetitions, which wait for room. */
static void stopped_with_no_room_left(void)
{
	const uint64_t count = 64 + 32; /* EMU_SMALL_CELLS, EMU_BIG_CELLS */
	struct kit_pair p;
	struct kit_wc wc;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	kit_stop(&p.target.peer);
	for (uint64_t id = 1; id <= count; id++)
		post(&p, KIT_WRITE, id, 10);
	until(kit_counter(&p.nic, "retrans_timeout_events") > 0);
	kit_continue(&p.target.peer);
	for (uint64_t id = 1; id <= count; id++) {
		kit_wait(p.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
	}
	good(&p, KIT_WRITE);
	kit_pair_close(&p);
}

static void queue_pair_gone(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_SEND);
	kit_target_destroy_qp(&p.target);
	post(&p, KIT_SEND, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, 9);
	post(&p, KIT_WRITE, 2, 10);
	kit_wait_status(p.ep.send_cq, 2, 9);
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "gone/killed", killed_ring },
	{ "gone/killed-udp", killed_udp, { .timeout_ms = 300, .udp = true } },
	{ "gone/killed-by-fault", killed_by_fault },
	{ "gone/killed-at-once", killed_at_once },
	{ "gone/stopped", stopped, { .timeout_ms = 20000 } },
	{ "gone/stopped-long", stopped_long, { .timeout_ms = 300 } },
	{ "gone/stopped-long-udp", stopped_long, { .timeout_ms = 300, .udp = true } },
	{ "gone/stopped-with-no-room-left", stopped_with_no_room_left, { .timeout_ms = 10000 } },
	{ "gone/queue-pair-gone", queue_pair_gone },
	{ "gone/queue-pair-gone-udp", queue_pair_gone, { .udp = true } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
