/* SPDX-License-Identifier: Apache-2.0 */
/* Sleep on a completion channel while the queues are driven without the library: the doorbell of
 * the completion queue asks for an event, and whoever asked is woken. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "kit_direct.h"

#define SLOT  64u
#define SLOTS 256u
#define FLAGS (KIT_SIDE_AH | KIT_SIDE_CHANNEL)

static const struct kit_ep_options options = { .sends = 64, .recvs = SLOTS, .recv_sges = 1 };

static void receive_all(struct kit_side *side)
{
	for (uint16_t i = 0; i < SLOTS; i++)
		kit_side_recv(side, i, i * SLOT, SLOT);
}

/* Reads what is there; receives are posted again. How many. */
static uint32_t drain(struct kit_side *side)
{
	struct kit_cqe cqe;
	uint32_t count = 0;

	while (kit_direct_poll(&side->direct, &cqe)) {
		check_int(cqe.status, 0);
		if (cqe.receive)
			kit_side_recv(side, (uint16_t)cqe.id, cqe.id * SLOT, SLOT);
		count++;
	}
	/* As libraries do. Not armed: this must not undo an earlier arming. */
	if (count)
		kit_direct_read(&side->direct);
	return count;
}

/* --- woken each time ----------------------------------------------------------------------- */

/* Sleeps for each message that is not there yet. The other side sends the next ones when it is told
 * how many have been read, so one event lost ends it all. */
static void sleeper(struct kit_peer *parent, void *arg)
{
	const uint32_t total = *(uint32_t *)arg;
	uint32_t received = 0, wanted = 0, sleeps = 0, empty = 0;
	struct kit_side side;

	kit_side_open(&side, parent, &options, SLOTS * SLOT, FLAGS);
	receive_all(&side);
	kit_sync(parent);
	while (received < total) {
		if (received == wanted) {
			wanted += 1 + received % 3;
			kit_tell(parent, &wanted, sizeof(wanted));
		}
		kit_direct_arm(&side.direct);
		received += drain(&side);
		while (received < wanted) {
			/* Armed above, although drain() may have stored since. */
			kit_direct_event(&side.direct);
			sleeps++;
			kit_direct_arm(&side.direct);
			uint32_t more = drain(&side);
			empty += !more;
			received += more;
		}
	}
	check(sleeps > 0);
	/* One event for an arming at most: as many as sleeps, which were awaited. */
	check(empty <= sleeps);
	wanted = 0;
	kit_tell(parent, &wanted, sizeof(wanted));
	kit_side_close(&side);
}

static void wake_ups(void)
{
	uint32_t total = (uint32_t)kit_scale(20000, 3000, 300), sent = 0, wanted = 0;
	struct kit_peer peer;
	struct kit_side side;
	struct kit_cqe cqe;
	struct kit_wr wr;

	kit_fork(&peer, 1, sleeper, &total);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	kit_sync(&peer);
	for (;;) {
		kit_hear(&peer, &wanted, sizeof(wanted));
		if (!wanted)
			break;
		/* Now and then so late that the other side really sleeps. */
		if (sent % 16 == 0)
			usleep(300);
		for (; sent < wanted; sent++) {
			wr = kit_side_wr(&side, KIT_SEND, sent % 64, 0, SLOT);
			kit_direct_post(&side.direct, &wr);
			kit_direct_wait(&side.direct, &cqe);
			check(!cqe.receive && !cqe.status);
		}
	}
	kit_side_close(&side);
	kit_join(&peer);
}

/* --- one at a time ------------------------------------------------------------------------- */

/* To itself: the send's completion and the receive's. */
static void to_itself(struct kit_side *side, uint32_t count)
{
	uint32_t before = side->direct.consumed;
	struct kit_wr wr = kit_side_wr(side, KIT_SEND, 1, 0, 8);
	struct ibv_ah *ah = kit_ah(&side->nic, &side->nic.gid);
	struct kit_direct look = side->direct;
	struct kit_cqe cqe;

	wr.ah = ah;
	wr.to = &side->ep.address;
	for (uint32_t i = 0; i < count; i++) {
		kit_direct_post(&side->direct, &wr);
		/* Looked for with another reader, so that they are still unread here. */
		look.sq_posted = side->direct.sq_posted;
		kit_direct_wait(&look, &cqe);
		kit_direct_wait(&look, &cqe);
	}
	check_int(side->direct.consumed, before);
	check_int(ibv_destroy_ah(ah), 0);
}

static bool soon_has_event(const struct kit_side *side)
{
	for (uint32_t i = 0; i < 100; i++) {
		if (kit_direct_has_event(&side->direct))
			return true;
		usleep(500);
	}
	return false;
}

static void alone_open(struct kit_side *side, struct kit_peer *peer)
{
	kit_side_open(side, peer, &options, SLOTS * SLOT, FLAGS);
	receive_all(side);
}

static void idle(struct kit_peer *parent, void *arg)
{
	struct kit_side side;

	(void)arg;
	kit_side_open(&side, parent, &options, SLOT, 0);
	kit_side_close(&side);
}

static void one_event(void)
{
	struct kit_peer peer;
	struct kit_side side;

	kit_fork(&peer, 1, idle, NULL);
	alone_open(&side, &peer);
	/* Nobody asked. */
	to_itself(&side, 2);
	check_int(drain(&side), 4);
	for (uint32_t i = 0; i < 10; i++) {
		while (kit_direct_has_event(&side.direct))
			kit_direct_event(&side.direct);
		kit_direct_arm(&side.direct);
		check(!kit_direct_has_event(&side.direct));
		/* What is stored later does not undo it. */
		kit_direct_read(&side.direct);
		to_itself(&side, 3);
		check(soon_has_event(&side));
		kit_direct_event(&side.direct);
		/* Six completions, one event. */
		check(!soon_has_event(&side));
		check_int(drain(&side), 6);
	}
	kit_side_close(&side);
	kit_join(&peer);
}

static void nobody_asked(void)
{
	struct kit_peer peer;
	struct kit_side side;
	struct kit_cqe cqe;

	kit_fork(&peer, 1, idle, NULL);
	alone_open(&side, &peer);
	to_itself(&side, 10);
	check(!soon_has_event(&side));
	for (uint32_t i = 0; i < 20; i++)
		check(kit_direct_poll(&side.direct, &cqe));
	kit_side_close(&side);
	kit_join(&peer);
}

/* The library's calls work on such a queue too; events that nobody fetched do not stop its end. */
static void by_library(void)
{
	struct ibv_cq *cq = NULL;
	void *context = NULL;
	struct kit_peer peer;
	struct kit_side side;

	kit_fork(&peer, 1, idle, NULL);
	alone_open(&side, &peer);
	for (uint32_t i = 0; i < 5; i++) {
		check_int(ibv_req_notify_cq(ibv_cq_ex_to_cq(side.ep.own_cq), 0), 0);
		to_itself(&side, 1);
		check(soon_has_event(&side));
		check_int(ibv_get_cq_event(side.channel, &cq, &context), 0);
		check(cq == ibv_cq_ex_to_cq(side.ep.own_cq));
		ibv_ack_cq_events(cq, 1);
		check(!kit_direct_has_event(&side.direct));
	}
	kit_direct_arm(&side.direct);
	to_itself(&side, 1);
	check(soon_has_event(&side));
	kit_side_close(&side);
	kit_join(&peer);
}

int main(int argc, char **argv)
{
	static const struct kit_case cases[] = {
		{ "woken for each message", wake_ups, { 0 } },
		{ "woken for each message, all overtaken", wake_ups, { .device = "reorder=100" } },
		{ "woken for each message, over UDP", wake_ups, { .udp = true } },
		{ "one event for one arming", one_event, { 0 } },
		{ "no event unasked", nobody_asked, { 0 } },
		{ "asked by the library", by_library, { 0 } },
		{ 0 },
	};

	return kit_main(argc, argv, cases);
}
