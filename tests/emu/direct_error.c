/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that programs drive themselves, used wrongly: each descriptor that is no good ends with
 * its status and stops no other; a doorbell that makes no sense ends the queue pair alone. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit_direct.h"

#define SLOT 9216u

/* Statuses of the device: rdma-core providers/efa/efa_io_defs.h. */
enum {
	FLUSHED = 1,
	QP_INTERNAL = 2,
	UNSUPPORTED_OP = 3,
	INVALID_AH = 4,
	INVALID_LKEY = 5,
	LOCAL_LENGTH = 6,
	REMOTE_ADDRESS = 7,
	REMOTE_QPN = 9,
	RNR = 10,
	REMOTE_LENGTH = 11,
};

/* --- descriptors --------------------------------------------------------------------------- */

/* The other side: memory, and one receive at a time of as many bytes as it is told. */
static void served(struct kit_peer *parent, void *arg)
{
	struct kit_ep_options options = { .recv_sges = 1 };
	struct kit_side side;
	struct kit_cqe cqe;
	uint32_t size;

	(void)arg;
	kit_side_open(&side, parent, &options, SLOT, KIT_SIDE_AH);
	for (;;) {
		kit_hear(parent, &size, sizeof(size));
		if (!size)
			break;
		kit_side_recv(&side, 1, 0, size);
		kit_tell(parent, &size, sizeof(size));
		kit_direct_wait(&side.direct, &cqe);
		kit_tell(parent, &cqe, sizeof(cqe));
	}
	kit_side_close(&side);
}

static void post_there(struct kit_peer *peer, uint32_t size)
{
	kit_tell(peer, &size, sizeof(size));
	kit_hear(peer, &size, sizeof(size));
}

struct spoilt {
	const char *what;
	uint8_t status;
	enum kit_op op;
	/* One byte of the descriptor is changed: bits cleared, then set. */
	uint8_t at, clear, set;
};

static const struct spoilt spoilts[] = {
	{ "operation 3", UNSUPPORTED_OP, KIT_SEND, 2, 0x0f, 3 },
	{ "extended metadata", UNSUPPORTED_OP, KIT_SEND, 2, 0, 1 << 6 },
	{ "no metadata", QP_INTERNAL, KIT_SEND, 2, 1 << 7, 0 },
	{ "not first", QP_INTERNAL, KIT_WRITE, 3, 1 << 2, 0 },
	{ "not last", QP_INTERNAL, KIT_READ, 3, 1 << 3, 0 },
	{ "reserved bit", QP_INTERNAL, KIT_SEND, 3, 0, 1 << 5 },
	{ "unknown address handle", INVALID_AH, KIT_SEND, 13, 0, 0x40 },
	{ "200 buffers", LOCAL_LENGTH, KIT_SEND, 6, 0xff, 200 },
	{ "two local buffers", LOCAL_LENGTH, KIT_READ, 6, 0xff, 2 },
	{ "longer than a message can be", LOCAL_LENGTH, KIT_SEND, 32 + 1, 0xff, 0x80 },
	{ "two lengths", LOCAL_LENGTH, KIT_WRITE, 32, 0xff, 1 },
	{ "unknown local key, send", INVALID_LKEY, KIT_SEND, 32 + 6, 0, 0xfe },
	{ "unknown local key, write", INVALID_LKEY, KIT_WRITE, 48 + 6, 0, 0xfe },
	{ "unknown remote key, write", REMOTE_ADDRESS, KIT_WRITE, 32 + 7, 0, 0xfe },
	{ "unknown remote key, read", REMOTE_ADDRESS, KIT_READ, 32 + 7, 0, 0xfe },
	{ "no such address there", REMOTE_ADDRESS, KIT_READ, 32 + 14, 0, 0x10 },
	{ "no such queue pair", REMOTE_QPN, KIT_SEND, 4, 0, 0xff },
};

/* Each, and then one that is as good as ever. */
static uint32_t spoil_each(struct kit_side *side)
{
	uint8_t wqe[KIT_WQE_MAX];
	struct kit_cqe cqe;
	struct kit_wr wr;
	uint32_t id = 0;

	for (size_t i = 0; i < sizeof(spoilts) / sizeof(spoilts[0]); i++) {
		const struct spoilt *spoilt = &spoilts[i];

		wr = kit_side_wr(side, spoilt->op, ++id, 0, 64);
		kit_wqe(&side->direct, &wr, wqe);
		wqe[spoilt->at] = (uint8_t)((wqe[spoilt->at] & ~spoilt->clear) | spoilt->set);
		kit_direct_put(&side->direct, wqe);
		kit_direct_bell(&side->direct);
		kit_direct_wait(&side->direct, &cqe);
		if (cqe.status != spoilt->status || cqe.id != id || cqe.receive)
			kit_fail(__FILE__, __LINE__, "%s: status %u of %u, not %u", spoilt->what,
				 cqe.status, (unsigned int)cqe.id, spoilt->status);
		wr = kit_side_wr(side, KIT_READ, ++id, 0, 64);
		kit_direct_post(&side->direct, &wr);
		kit_direct_ended(&side->direct, id, 0);
	}
	/* A wrong phase: the descriptor was not written in this round. */
	wr = kit_side_wr(side, KIT_READ, ++id, 0, 64);
	kit_wqe(&side->direct, &wr, wqe);
	wqe[3] |= 1;
	kit_direct_put(&side->direct, wqe);
	kit_direct_bell(&side->direct);
	kit_direct_ended(&side->direct, id, QP_INTERNAL);
	return id;
}

static void send_64(struct kit_side *side, uint32_t id, uint8_t status)
{
	struct kit_wr wr = kit_side_wr(side, KIT_SEND, id, 0, 64);

	kit_direct_post(&side->direct, &wr);
	kit_direct_ended(&side->direct, id, status);
}

static void statuses(void)
{
	static const struct kit_ep_options options = { .rnr_retry = 1 };
	struct kit_peer peer;
	struct kit_side side;
	struct kit_cqe cqe;
	uint32_t id, end = 0;

	kit_fork(&peer, 1, served, NULL);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	id = spoil_each(&side);
	/* Nothing posted there; too little; enough. */
	send_64(&side, ++id, RNR);
	post_there(&peer, 63);
	send_64(&side, ++id, REMOTE_LENGTH);
	kit_hear(&peer, &cqe, sizeof(cqe));
	check(cqe.receive && cqe.status);
	post_there(&peer, 64);
	send_64(&side, ++id, 0);
	kit_hear(&peer, &cqe, sizeof(cqe));
	check(cqe.receive && !cqe.status);
	check_int(cqe.bytes, 64);
	kit_tell(&peer, &end, sizeof(end));
	kit_side_close(&side);
	kit_join(&peer);
}

/* Abilities that the device does not have. */
static void unable(void)
{
	static const struct kit_ep_options options = { 0 };
	struct kit_peer peer;
	struct kit_side side;
	struct kit_wr wr;
	uint32_t end = 0;

	kit_fork(&peer, 1, served, NULL);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	wr = kit_side_wr(&side, KIT_READ, 1, 0, 64);
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 1, UNSUPPORTED_OP);
	wr = kit_side_wr(&side, KIT_WRITE, 2, 0, 64);
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 2, UNSUPPORTED_OP);
	kit_tell(&peer, &end, sizeof(end));
	kit_side_close(&side);
	kit_join(&peer);
}

/* --- doorbells ----------------------------------------------------------------------------- */

struct alone {
	struct kit_nic nic;
	struct kit_ep ep, other; /* other: not to be hurt */
	struct kit_direct direct, other_direct;
	struct kit_area area;
	struct ibv_ah *ah;
};

static void alone_open(struct alone *alone)
{
	static const struct kit_ep_options options = { .recv_sges = 1 };

	kit_nic_open(&alone->nic, 0);
	kit_area_open(&alone->area, SLOT);
	kit_area_register(&alone->area, &alone->nic, KIT_ACCESS);
	kit_ep_open(&alone->ep, &alone->nic, &options);
	kit_ep_open(&alone->other, &alone->nic, &options);
	kit_direct_open(&alone->direct, &alone->ep);
	kit_direct_open(&alone->other_direct, &alone->other);
	alone->ah = kit_ah(&alone->nic, &alone->nic.gid);
}

static void alone_close(struct alone *alone)
{
	kit_ep_close(&alone->ep);
	kit_ep_close(&alone->other);
	check_int(ibv_destroy_ah(alone->ah), 0);
	kit_area_close(&alone->area);
	kit_nic_close(&alone->nic);
}

/* A message from one queue pair of this process to another; at the same one both ends appear. */
static void message(struct alone *alone, struct kit_direct *from, struct kit_direct *to)
{
	struct ibv_sge sge = kit_sge(&alone->area, 0, 64);
	struct kit_wr wr = { .op = KIT_SEND,
			     .id = 77,
			     .ah = alone->ah,
			     .to = &to->ep->address,
			     .sge = { kit_sge(&alone->area, 128, 64) },
			     .sges = 1 };
	struct kit_cqe cqe;

	kit_direct_recv(to, 78, &sge, 1);
	kit_direct_recv_bell(to);
	kit_direct_post(from, &wr);
	kit_direct_wait(from, &cqe);
	check_int(cqe.status, 0);
	kit_direct_wait(to, &cqe);
	check_int(cqe.status, 0);
}

static enum ibv_qp_state state_of(const struct kit_ep *ep)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	check_int(ibv_query_qp(ep->qp, &attr, IBV_QP_STATE, &init), 0);
	return attr.qp_state;
}

static void nonsense(bool receive, uint32_t value)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RESET };
	static const struct kit_ep_options options = { 0 };
	struct kit_direct *direct;
	struct alone alone;
	struct ibv_sge sge;
	struct kit_cqe cqe;

	alone_open(&alone);
	direct = &alone.direct;
	message(&alone, direct, direct);
	sge = kit_sge(&alone.area, 0, 64);
	kit_direct_recv(direct, 5, &sge, 1);
	kit_direct_recv_bell(direct);
	/* Seen, before the doorbell goes wrong. */
	message(&alone, &alone.other_direct, &alone.other_direct);
	usleep(20000);
	__atomic_store_n(receive ? direct->rq.doorbell : direct->sq.doorbell, value,
			 __ATOMIC_RELEASE);
	kit_direct_wait(direct, &cqe);
	check(cqe.receive);
	check_int(cqe.id, 5);
	check_int(cqe.status, FLUSHED);
	until(state_of(&alone.ep) == IBV_QPS_ERR);
	message(&alone, &alone.other_direct, &alone.other_direct);
	/* A reset makes it new. */
	check_int(ibv_modify_qp(alone.ep.qp, &attr, IBV_QP_STATE), 0);
	direct->sq_posted = direct->rq_posted = 0;
	check_int(kit_ready(alone.ep.qp, &options), 0);
	message(&alone, direct, direct);
	message(&alone, direct, &alone.other_direct);
	alone_close(&alone);
}

static void sends_back(void)
{
	nonsense(false, 0);
}

static void sends_ahead(void)
{
	nonsense(false, 1 + 257);
}

static void sends_high(void)
{
	nonsense(false, 0x10002);
}

static void receives_back(void)
{
	nonsense(true, 1);
}

static void receives_ahead(void)
{
	nonsense(true, 2000);
}

/* All that can be stored in the rings, for a while. */
static void garbage(void)
{
	uint32_t rounds = (uint32_t)kit_scale(2000, 300, 30);
	static const struct kit_ep_options options = { .recv_sges = 1 };
	struct kit_direct direct;
	struct alone alone;
	struct kit_ep ep;

	alone_open(&alone);
	srandom(7);
	for (uint32_t i = 0; i < rounds; i++) {
		kit_ep_open(&ep, &alone.nic, &options);
		kit_direct_open(&direct, &ep);
		for (uint32_t at = 0; at < direct.sq.num_entries * direct.sq.entry_size; at++)
			direct.sq.buffer[at] = (uint8_t)random();
		for (uint32_t at = 0; at < direct.rq.num_entries * direct.rq.entry_size; at++)
			direct.rq.buffer[at] = (uint8_t)random();
		__atomic_store_n(direct.rq.doorbell, random() % 300, __ATOMIC_RELEASE);
		__atomic_store_n(direct.sq.doorbell, random() % 300, __ATOMIC_RELEASE);
		if (i % 3)
			usleep(500);
		if (i % 2)
			message(&alone, &alone.other_direct, &alone.other_direct);
		kit_ep_close(&ep);
	}
	message(&alone, &alone.other_direct, &alone.other_direct);
	alone_close(&alone);
}

/* --- the calls ----------------------------------------------------------------------------- */

static void off(void)
{
	static const struct kit_ep_options options = { 0 };
	struct kit_wq_attr sq, rq;
	struct kit_cq_attr cq;
	struct kit_nic nic;
	struct kit_ep ep;

	kit_nic_open(&nic, 0);
	kit_ep_open(&ep, &nic, &options);
	check_int(kit_query_cq(ibv_cq_ex_to_cq(ep.own_cq), &cq, sizeof(cq)), EOPNOTSUPP);
	check_int(kit_query_wqs(ep.qp, &sq, &rq, sizeof(sq)), EOPNOTSUPP);
	kit_ep_close(&ep);
	kit_nic_close(&nic);
}

/* Structs of older and of newer headers: no byte beyond what the program knows is written. */
static void sizes(void)
{
	static const struct kit_ep_options options = { 0 };
	struct {
		struct kit_wq_attr attr;
		uint8_t after[16];
	} sq, rq;
	struct kit_cq_attr cq;
	struct kit_nic nic;
	struct kit_ep ep;

	kit_nic_open(&nic, 0);
	kit_ep_open(&ep, &nic, &options);
	memset(&cq, 0xee, sizeof(cq));
	check_int(kit_query_cq(ibv_cq_ex_to_cq(ep.own_cq), &cq, 16), EINVAL);
	check_int(kit_query_cq(ibv_cq_ex_to_cq(ep.own_cq), &cq,
			       offsetof(struct kit_cq_attr, doorbell)),
		  0);
	check_int(cq.num_entries, 512);
	check(kit_all((uint8_t *)&cq.doorbell, sizeof(cq.doorbell), 0xee));
	memset(&sq, 0xee, sizeof(sq));
	memset(&rq, 0xee, sizeof(rq));
	check_int(kit_query_wqs(ep.qp, &sq.attr, &rq.attr, 32), EINVAL);
	check_int(kit_query_wqs(ep.qp, &sq.attr, &rq.attr, offsetof(struct kit_wq_attr, caps)), 0);
	check_int(sq.attr.num_entries, 256);
	check_int(rq.attr.num_entries, 512);
	check_int(sq.attr.caps, 0xeeee);
	check_int(kit_query_wqs(ep.qp, &sq.attr, &rq.attr, sizeof(sq.attr)), 0);
	check_int(sq.attr.caps, 0);
	check_int(rq.attr.caps, 0);
	check_int(kit_query_wqs(ep.qp, &sq.attr, &rq.attr, sizeof(sq)), 0);
	check(sq.attr.max_batch >= 1 && sq.attr.max_batch <= UINT16_MAX);
	kit_ep_close(&ep);
	kit_nic_close(&nic);
}

/* To be told of the queues is not to have to use them. */
static void asked_only(void)
{
	static const struct kit_ep_options options = { .sends = 8, .recvs = 8, .cqes = 16 };
	struct kit_direct direct;
	struct kit_bench bench;
	struct ibv_sge sge;
	struct kit_cqe cqe;
	struct kit_wc wc;
	struct kit_wr wr;

	kit_bench_open(&bench, &options);
	for (uint32_t i = 0; i < 200; i++) {
		/* From some time on, with two completions not yet polled. */
		if (i == 10)
			kit_direct_open(&direct, &bench.ep);
		sge = kit_sge(&bench.area, 0, 64);
		check_int(kit_recv(&bench.ep, i, &sge, 1), 0);
		wr = kit_bench_wr(&bench, KIT_SEND, 64);
		wr.id = 1000 + i;
		check_int(kit_post(&bench.ep, &wr), 0);
		if (i == 9)
			continue;
		for (uint32_t end = 0; end < (i == 10 ? 4 : 2); end++) {
			if (i & 1)
				until(kit_poll_plain(bench.ep.own_cq, &wc));
			else
				kit_wait(bench.ep.own_cq, &wc);
			check_int(wc.status, 0);
			if (i >= 10)
				kit_direct_wait(&direct, &cqe);
		}
	}
	check(!kit_poll(bench.ep.own_cq, &wc));
	check(!kit_direct_poll(&direct, &cqe));
	kit_bench_close(&bench);
}

int main(int argc, char **argv)
{
	static const struct kit_case cases[] = {
		{ "statuses", statuses, { 0 } },
		{ "statuses, wide descriptors", statuses, { .device = "inline_size_ex=80" } },
		{ "no RDMA", unable, { .device = "rdma_read=0 rdma_write=0 unsolicited=0" } },
		{ "doorbell of sends goes back", sends_back, { .hosts = 1 } },
		{ "doorbell of sends goes too far", sends_ahead, { .hosts = 1 } },
		{ "doorbell of sends beyond 16 bits", sends_high, { .hosts = 1 } },
		{ "doorbell of receives goes back", receives_back, { .hosts = 1 } },
		{ "doorbell of receives goes too far", receives_ahead, { .hosts = 1 } },
		{ "garbage in the rings", garbage, { .hosts = 1 } },
		{ "not supported", off, { .hosts = 1, .device = "direct=0" } },
		{ "asked for, not used", asked_only, { .hosts = 1 } },
		{ "structs of other versions", sizes, { .hosts = 1 } },
		{ 0 },
	};

	return kit_main(argc, argv, cases);
}
