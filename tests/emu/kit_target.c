/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that does as it is told, by messages over its socket. */
#include <string.h>
#include <unistd.h>

#include "kit.h"

enum command {
	POLL,
	WAIT,
	COLLECT,
	RECV,
	AH,
	REVOKE,
	REREGISTER,
	DESTROY_QP,
	SEND,
	AWAIT_WRITE,
	END,
};

#define COLLECT_MAX 4096

struct request {
	enum command command;
	uint64_t id;
	size_t offset, size;
	uint32_t count;
	struct kit_address address;
};

struct reply {
	struct kit_address address;
	uint32_t rkey, number;
	bool found;
	struct kit_wc wc;
};

/* --- there --------------------------------------------------------------------------------- */

struct there {
	const struct kit_target_options *options;
	struct kit_peer *parent;
	struct kit_area area;
	struct kit_nic nic;
	struct kit_ep ep;
	struct ibv_ah *ah;
	bool destroyed;
};

static void there_register(struct there *t)
{
	kit_area_register(&t->area, &t->nic,
			  t->options->access ? t->options->access : kit_access(&t->nic));
}

static void there_collect(struct there *t, uint32_t count)
{
	static uint64_t ids[COLLECT_MAX];
	struct kit_wc wc;

	check(count <= COLLECT_MAX);
	for (uint32_t i = 0; i < count; i++) {
		kit_wait(t->ep.recv_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		ids[i] = wc.id;
	}
	for (uint32_t i = 0; i < count; i += 512)
		kit_tell(t->parent, ids + i, (count - i < 512 ? count - i : 512) * sizeof(ids[0]));
}

static void there_send(struct there *t, const struct request *request)
{
	struct kit_wr wr = { .op = KIT_SEND,
			     .id = request->id,
			     .to = &request->address,
			     .sge = { kit_sge(&t->area, request->offset, request->size) },
			     .sges = 1 };

	wr.ah = kit_ah(&t->nic, &request->address.gid);
	check_int(kit_post(&t->ep, &wr), 0);
	kit_wait_ok(t->ep.send_cq, request->id);
	check_int(ibv_destroy_ah(wr.ah), 0);
}

static void there_await_write(struct there *t, const struct request *request)
{
	struct kit_wc wc;

	kit_wait(t->ep.recv_cq, &wc);
	/* At once: bytes that are not there now came too late. */
	check(kit_holds(t->area.data + request->offset, request->size, request->count));
	check_int(wc.status, IBV_WC_SUCCESS);
	check_int(wc.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
	check_int(wc.imm, request->count);
	check_int(wc.bytes, request->size);
}

static void there_carry_out(struct there *t, const struct request *request, struct reply *reply)
{
	struct efadv_ah_attr ah;
	struct ibv_sge sge;

	switch (request->command) {
	case POLL:
		reply->found = kit_poll(t->ep.recv_cq, &reply->wc);
		break;
	case WAIT:
		kit_wait(t->ep.recv_cq, &reply->wc);
		break;
	case RECV:
		sge = kit_sge(&t->area, request->offset, request->size);
		check_int(kit_recv(&t->ep, request->id, &sge, 1), 0);
		break;
	case AH:
		t->ah = kit_ah(&t->nic, &request->address.gid);
		check_int(efadv_query_ah(t->ah, &ah, sizeof(ah)), 0);
		reply->number = ah.ahn;
		break;
	case REVOKE:
		check_int(ibv_dereg_mr(t->area.mr), 0);
		t->area.mr = NULL;
		break;
	case REREGISTER:
		there_register(t);
		reply->rkey = t->area.mr->rkey;
		break;
	case DESTROY_QP:
		check_int(ibv_destroy_qp(t->ep.qp), 0);
		t->destroyed = true;
		break;
	case SEND:
		there_send(t, request);
		break;
	case AWAIT_WRITE:
		there_await_write(t, request);
		break;
	case COLLECT:
	case END:
		break;
	}
}

static void there_close(struct there *t)
{
	if (t->ah)
		check_int(ibv_destroy_ah(t->ah), 0);
	if (!t->destroyed)
		check_int(ibv_destroy_qp(t->ep.qp), 0);
	check_int(ibv_destroy_cq(ibv_cq_ex_to_cq(t->ep.own_cq)), 0);
	kit_area_close(&t->area);
	kit_nic_close(&t->nic);
}

static void there_serve(struct there *t)
{
	struct request request;
	struct reply reply;

	for (;;) {
		reply = (struct reply){ 0 };
		kit_hear(t->parent, &request, sizeof(request));
		if (request.command == COLLECT) {
			there_collect(t, request.count);
			continue;
		}
		if (request.command == END)
			there_close(t);
		else
			there_carry_out(t, &request, &reply);
		kit_tell(t->parent, &reply, sizeof(reply));
		if (request.command == END)
			return;
	}
}

static void there_main(struct kit_peer *parent, void *arg)
{
	struct kit_target *target = arg;
	struct there t = { .options = target->options, .parent = parent, .area = target->area };
	struct reply reply = { 0 };
	struct ibv_sge sge;

	kit_nic_open(&t.nic, t.options->nic);
	kit_ep_open(&t.ep, &t.nic, &t.options->ep);
	there_register(&t);
	for (uint32_t i = 0; i < t.options->recvs; i++) {
		sge = kit_sge(&t.area, i * t.options->slot, t.options->slot);
		check_int(kit_recv(&t.ep, i, &sge, 1), 0);
	}
	reply.address = t.ep.address;
	reply.rkey = t.area.mr->rkey;
	kit_tell(parent, &reply, sizeof(reply));
	there_serve(&t);
}

/* --- here ---------------------------------------------------------------------------------- */

static void ask(struct kit_target *target, const struct request *request, struct reply *reply)
{
	kit_tell(&target->peer, request, sizeof(*request));
	kit_hear(&target->peer, reply, sizeof(*reply));
}

void kit_target_open(struct kit_target *target, const struct kit_target_options *options)
{
	struct reply reply;

	*target = (struct kit_target){ .options = options };
	kit_area_open(&target->area, options->bytes);
	kit_fork(&target->peer, options->host, there_main, target);
	kit_hear(&target->peer, &reply, sizeof(reply));
	target->address = reply.address;
	target->rkey = reply.rkey;
}

void kit_target_end(struct kit_target *target)
{
	struct request request = { .command = END };
	struct reply reply;

	ask(target, &request, &reply);
	kit_join(&target->peer);
	kit_area_close(&target->area);
}

void kit_target_gone(struct kit_target *target)
{
	kit_area_close(&target->area);
}

void kit_target_wait(struct kit_target *target, struct kit_wc *wc)
{
	struct request request = { .command = WAIT };
	struct reply reply;

	ask(target, &request, &reply);
	*wc = reply.wc;
}

bool kit_target_poll(struct kit_target *target, struct kit_wc *wc)
{
	struct request request = { .command = POLL };
	struct reply reply;

	ask(target, &request, &reply);
	*wc = reply.wc;
	return reply.found;
}

void kit_target_collect(struct kit_target *target, uint32_t count, uint64_t *ids)
{
	struct request request = { .command = COLLECT, .count = count };

	kit_tell(&target->peer, &request, sizeof(request));
	for (uint32_t i = 0; i < count; i += 512)
		kit_hear(&target->peer, ids + i,
			 (count - i < 512 ? count - i : 512) * sizeof(ids[0]));
}

void kit_target_recv(struct kit_target *target, uint64_t id, size_t offset, size_t size)
{
	struct request request = { .command = RECV, .id = id, .offset = offset, .size = size };
	struct reply reply;

	ask(target, &request, &reply);
}

void kit_target_ah(struct kit_target *target, const union ibv_gid *gid, uint16_t *number)
{
	struct request request = { .command = AH, .address = { .gid = *gid } };
	struct reply reply;

	ask(target, &request, &reply);
	*number = (uint16_t)reply.number;
}

void kit_target_revoke(struct kit_target *target)
{
	struct request request = { .command = REVOKE };
	struct reply reply;

	ask(target, &request, &reply);
}

void kit_target_reregister(struct kit_target *target)
{
	struct request request = { .command = REREGISTER };
	struct reply reply;

	ask(target, &request, &reply);
	target->rkey = reply.rkey;
}

void kit_target_destroy_qp(struct kit_target *target)
{
	struct request request = { .command = DESTROY_QP };
	struct reply reply;

	ask(target, &request, &reply);
}

void kit_target_send(struct kit_target *target, const struct kit_address *to, size_t offset,
		     size_t size)
{
	struct request request = {
		.command = SEND, .id = 1, .offset = offset, .size = size, .address = *to
	};
	struct reply reply;

	ask(target, &request, &reply);
}

void kit_target_await_write(struct kit_target *target, uint32_t seed, size_t offset, size_t size)
{
	struct request request = {
		.command = AWAIT_WRITE, .count = seed, .offset = offset, .size = size
	};
	struct reply reply;

	ask(target, &request, &reply);
}
