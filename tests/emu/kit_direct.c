/* SPDX-License-Identifier: Apache-2.0 */
#include "kit_direct.h"

#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	META_BYTES = 32,
	BUF_BYTES = 16,
	RX_BYTES = 16,
	CQE_BYTES = 32,
};

static void put16(uint8_t *at, uint64_t value)
{
	uint16_t half = (uint16_t)value;

	memcpy(at, &half, sizeof(half));
}

static void put32(uint8_t *at, uint64_t value)
{
	uint32_t word = (uint32_t)value;

	memcpy(at, &word, sizeof(word));
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t half;

	memcpy(&half, at, sizeof(half));
	return half;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* --- asked for ----------------------------------------------------------------------------- */

/* Debian 12's libefa does not have them, so they are not linked with. */
static void *entry_point(const char *name)
{
	void *function = dlvsym(RTLD_DEFAULT, name, "EFA_1.4");

	if (!function)
		kit_fail(__FILE__, __LINE__, "no %s@EFA_1.4", name);
	return function;
}

int kit_query_wqs(struct ibv_qp *qp, struct kit_wq_attr *sq, struct kit_wq_attr *rq, uint32_t inlen)
{
	int (*call)(struct ibv_qp *, struct kit_wq_attr *, struct kit_wq_attr *, uint32_t);

	*(void **)&call = entry_point("efadv_query_qp_wqs");
	return call(qp, sq, rq, inlen);
}

int kit_query_cq(struct ibv_cq *cq, struct kit_cq_attr *attr, uint32_t inlen)
{
	int (*call)(struct ibv_cq *, struct kit_cq_attr *, uint32_t);

	*(void **)&call = entry_point("efadv_query_cq");
	return call(cq, attr, inlen);
}

void kit_direct_open(struct kit_direct *direct, struct kit_ep *ep)
{
	*direct = (struct kit_direct){ .ep = ep };
	check(ep->own_cq);
	check_int(kit_query_cq(ibv_cq_ex_to_cq(ep->own_cq), &direct->cq, sizeof(direct->cq)), 0);
	check_int(kit_query_wqs(ep->qp, &direct->sq, &direct->rq, sizeof(direct->sq)), 0);
	check_int(direct->cq.entry_size, CQE_BYTES);
	check_int(direct->rq.entry_size, RX_BYTES);
	check(direct->sq.entry_size == 64 || direct->sq.entry_size == 128);
	check(direct->sq.buffer && direct->rq.buffer && direct->cq.buffer);
	check(direct->sq.doorbell && direct->rq.doorbell);
	check(!direct->cq.doorbell == !ep->own_cq->channel);
	/* Rings are a power of two. */
	check_int(direct->sq.num_entries & (direct->sq.num_entries - 1), 0);
	check_int(direct->rq.num_entries & (direct->rq.num_entries - 1), 0);
	check_int(direct->cq.num_entries & (direct->cq.num_entries - 1), 0);
}

/* --- posting ------------------------------------------------------------------------------- */

static void put_buffer(uint8_t *at, uint64_t address, uint32_t key, uint32_t length)
{
	put32(at, length);
	put32(at + 4, key);
	put32(at + 8, address);
	put32(at + 12, address >> 32);
}

static uint32_t total(const struct kit_wr *wr)
{
	uint32_t bytes = wr->inline_bytes;

	for (uint32_t i = 0; i < wr->sges; i++)
		bytes += wr->sge[i].length;
	return bytes;
}

static void put_meta(const struct kit_direct *direct, const struct kit_wr *wr, uint8_t *wqe)
{
	struct efadv_ah_attr ah = { 0 };

	check_int(efadv_query_ah(wr->ah, &ah, sizeof(ah)), 0);
	put16(wqe, wr->id);
	wqe[2] = (uint8_t)(1 << 7 | (wr->inline_data ? 1 << 5 : 0) | (wr->imm ? 1 << 4 : 0) |
			   (wr->op == KIT_READ    ? 1
			    : wr->op == KIT_WRITE ? 2
						  : 0));
	wqe[3] = 1 << 2 | 1 << 3 | 1 << 4; /* first, last, completion wanted */
	put16(wqe + 4, wr->to->qpn);
	put16(wqe + 6, wr->inline_data ? wr->inline_bytes : wr->sges);
	put32(wqe + 8, wr->imm_data);
	put16(wqe + 12, ah.ahn);
	put32(wqe + 16, wr->to->qkey);
	if (!(direct->sq.caps & KIT_WQ_64_BIT_REQ_ID))
		return;
	for (uint32_t i = 0; i < 3; i++)
		put16(wqe + 26 + 2 * i, wr->id >> (16 + 16 * i));
}

void kit_wqe(const struct kit_direct *direct, const struct kit_wr *wr, uint8_t wqe[KIT_WQE_MAX])
{
	uint8_t *body = wqe + META_BYTES;

	memset(wqe, 0, KIT_WQE_MAX);
	put_meta(direct, wr, wqe);
	if (wr->op != KIT_SEND) {
		put_buffer(body, wr->address, wr->rkey, total(wr));
		body += BUF_BYTES;
	}
	if (wr->inline_data)
		memcpy(body, wr->inline_data, wr->inline_bytes);
	for (uint32_t i = 0; i < wr->sges; i++)
		put_buffer(body + i * BUF_BYTES, wr->sge[i].addr, wr->sge[i].lkey,
			   wr->sge[i].length);
}

void kit_direct_put(struct kit_direct *direct, uint8_t wqe[KIT_WQE_MAX])
{
	uint32_t slot = direct->sq_posted % direct->sq.num_entries;
	uint64_t *to = (uint64_t *)(void *)(direct->sq.buffer + slot * direct->sq.entry_size);
	uint64_t words[KIT_WQE_MAX / 8];

	wqe[3] |= direct->sq_posted / direct->sq.num_entries & 1;
	memcpy(words, wqe, sizeof(words));
	/* Words in ascending order, as write-combined memory is filled. */
	for (uint32_t i = 0; i < direct->sq.entry_size / 8; i++)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
	direct->sq_posted++;
}

static void bell(uint32_t *doorbell, uint32_t value)
{
	__atomic_store_n(doorbell, value, __ATOMIC_RELEASE);
}

void kit_direct_bell(struct kit_direct *direct)
{
	bell(direct->sq.doorbell, direct->sq_posted & 0xffff);
}

void kit_direct_post(struct kit_direct *direct, const struct kit_wr *wr)
{
	uint8_t wqe[KIT_WQE_MAX];

	kit_wqe(direct, wr, wqe);
	kit_direct_put(direct, wqe);
	kit_direct_bell(direct);
}

void kit_direct_recv(struct kit_direct *direct, uint16_t id, const struct ibv_sge *sge,
		     uint32_t sges)
{
	for (uint32_t i = 0; i < sges; i++) {
		uint8_t *desc =
			direct->rq.buffer + direct->rq_posted++ % direct->rq.num_entries * RX_BYTES;

		put32(desc, sge[i].addr);
		put32(desc + 4, sge[i].addr >> 32);
		put16(desc + 8, i ? 0 : id);
		put16(desc + 10, sge[i].length);
		put32(desc + 12, (sge[i].lkey & 0xffffff) | (i ? 0 : 1u << 30) |
					 (i + 1 == sges ? 1u << 31 : 0));
	}
}

void kit_direct_recv_bell(struct kit_direct *direct)
{
	bell(direct->rq.doorbell, direct->rq_posted & 0xffff);
}

/* --- completions --------------------------------------------------------------------------- */

static void read_cqe(const struct kit_direct *direct, const uint8_t *at, struct kit_cqe *cqe)
{
	*cqe = (struct kit_cqe){
		.id = get16(at),
		.status = at[2],
		.op = at[3] >> 4 & 7,
		.receive = (at[3] >> 1 & 3) == 2,
		.imm = at[3] >> 3 & 1,
		.unsolicited = at[3] >> 7,
		.qpn = get16(at + 4),
	};
	check_int(at[3] >> 1 & 3, cqe->receive ? 2 : 1);
	if (!cqe->receive) {
		for (uint32_t i = 0; i < 3; i++)
			cqe->id |= (uint64_t)get16(at + 6 + 2 * i) << (16 + 16 * i);
		if (!(direct->sq.caps & KIT_WQ_64_BIT_REQ_ID))
			check_int(cqe->id >> 16, 0);
		return;
	}
	cqe->bytes = get16(at + 6);
	cqe->ah = get16(at + 8);
	cqe->src_qpn = get16(at + 10);
	cqe->imm_data = get32(at + 12);
	if (cqe->op == 2)
		cqe->bytes |= (uint32_t)get16(at + 16) << 16;
	else
		memcpy(cqe->src_addr, at + 16, sizeof(cqe->src_addr));
}

bool kit_direct_poll(struct kit_direct *direct, struct kit_cqe *cqe)
{
	const uint8_t *at =
		direct->cq.buffer + direct->consumed % direct->cq.num_entries * CQE_BYTES;
	/* 1 the first time round. */
	uint8_t phase = !(direct->consumed / direct->cq.num_entries & 1);

	if ((__atomic_load_n(&at[3], __ATOMIC_ACQUIRE) & 1) != phase)
		return false;
	read_cqe(direct, at, cqe);
	check_int(cqe->qpn, direct->ep->address.qpn & 0xffff);
	direct->consumed++;
	return true;
}

void kit_direct_wait(struct kit_direct *direct, struct kit_cqe *cqe)
{
	until(kit_direct_poll(direct, cqe));
}

void kit_direct_ended(struct kit_direct *direct, uint64_t id, uint8_t status)
{
	struct kit_cqe cqe;

	kit_direct_wait(direct, &cqe);
	check(!cqe.receive);
	check_int(cqe.status, status);
	check_int(cqe.id, id);
}

static void command(struct kit_direct *direct, bool arm)
{
	__atomic_store_n(direct->cq.doorbell,
			 (direct->consumed & 0xffff) | (direct->command & 3) << 29 |
				 (arm ? 1u << 31 : 0),
			 __ATOMIC_RELAXED);
}

void kit_direct_read(struct kit_direct *direct)
{
	command(direct, false);
}

void kit_direct_arm(struct kit_direct *direct)
{
	command(direct, true);
}

bool kit_direct_has_event(const struct kit_direct *direct)
{
	struct pollfd p = { .fd = direct->ep->own_cq->channel->fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

void kit_direct_event(struct kit_direct *direct)
{
	struct pollfd p = { .fd = direct->ep->own_cq->channel->fd, .events = POLLIN };
	uint64_t handle = 0;

	check_int(poll(&p, 1, KIT_LIMIT_S * 1000), 1);
	check_int(read(p.fd, &handle, sizeof(handle)), sizeof(handle));
	check(handle == (uintptr_t)direct->ep->own_cq);
	direct->command++;
	ibv_ack_cq_events(ibv_cq_ex_to_cq(direct->ep->own_cq), 1);
}

/* --- one of two processes ------------------------------------------------------------------ */

void kit_side_open(struct kit_side *side, struct kit_peer *peer,
		   const struct kit_ep_options *options, size_t bytes, int flags)
{
	struct kit_ep_options own = *options;
	struct kit_hello here;

	memset(side, 0, sizeof(*side));
	side->peer = peer;
	kit_nic_open(&side->nic, 0);
	kit_area_open(&side->area, bytes);
	kit_area_register(&side->area, &side->nic, kit_access(&side->nic));
	if (flags & KIT_SIDE_CHANNEL) {
		own.channel = side->channel = ibv_create_comp_channel(side->nic.context);
		check(side->channel);
	}
	kit_ep_open(&side->ep, &side->nic, &own);
	kit_direct_open(&side->direct, &side->ep);
	here = (struct kit_hello){ .address = side->ep.address,
				   .rkey = side->area.mr->rkey,
				   .memory = (uintptr_t)side->area.data };
	kit_tell(peer, &here, sizeof(here));
	kit_hear(peer, &side->there, sizeof(side->there));
	if (flags & KIT_SIDE_AH)
		side->ah = kit_ah(&side->nic, &side->there.address.gid);
	kit_sync(peer);
}

void kit_side_close(struct kit_side *side)
{
	kit_sync(side->peer);
	kit_canaries(&side->area);
	kit_ep_close(&side->ep);
	if (side->ah)
		check_int(ibv_destroy_ah(side->ah), 0);
	if (side->channel)
		check_int(ibv_destroy_comp_channel(side->channel), 0);
	kit_area_close(&side->area);
	kit_nic_close(&side->nic);
}

struct kit_wr kit_side_wr(const struct kit_side *side, enum kit_op op, uint64_t id, size_t offset,
			  size_t size)
{
	return (struct kit_wr){
		.op = op,
		.id = id,
		.ah = side->ah,
		.to = &side->there.address,
		.sge = { kit_sge(&side->area, offset, size) },
		.sges = 1,
		.address = side->there.memory + offset,
		.rkey = side->there.rkey,
	};
}

void kit_side_settle(const struct kit_side *side)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	/* Takes and gives the queue pair's lock, as the device's thread does. */
	check_int(ibv_query_qp(side->ep.qp, &attr, IBV_QP_STATE, &init), 0);
}

void kit_side_recv(struct kit_side *side, uint16_t id, size_t offset, size_t size)
{
	struct ibv_sge sge = kit_sge(&side->area, offset, size);

	kit_direct_recv(&side->direct, id, &sge, 1);
	kit_direct_recv_bell(&side->direct);
}
