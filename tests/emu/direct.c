/* SPDX-License-Identifier: Apache-2.0 */
/* Data through queues that programs drive themselves: every operation, both ways, in two processes
 * that never call the library to send, receive or look for completions. */
#include <stdlib.h>
#include <string.h>

#include "kit_direct.h"

#define SLOT  9216u
#define LARGE (3u << 20)

static void check_received(const struct kit_side *side, const struct kit_cqe *cqe, uint32_t bytes)
{
	struct efadv_ah_attr ah = { 0 };

	check_int(efadv_query_ah(side->ah, &ah, sizeof(ah)), 0);
	check(cqe->receive);
	check_int(cqe->status, 0);
	check_int(cqe->bytes, bytes);
	check_int(cqe->ah, ah.ahn);
	check_int(cqe->src_qpn, side->there.address.qpn & 0xffff);
}

/* --- SEND ---------------------------------------------------------------------------------- */

static const uint32_t sizes[] = { 0, 1, 31, 32, 33, 511, 512, 513, 4096, 8927, 8928 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void send_there(struct kit_peer *parent, void *arg)
{
	static const struct kit_ep_options options = { .recv_sges = 2 };
	struct kit_side side;
	struct kit_cqe cqe;

	(void)arg;
	kit_side_open(&side, parent, &options, SIZES * SLOT, KIT_SIDE_AH);
	for (uint32_t i = 0; i < SIZES; i++) {
		/* Two buffers each: 500 bytes, and the rest behind them. */
		struct ibv_sge sge[2] = { kit_sge(&side.area, i * SLOT, 500),
					  kit_sge(&side.area, i * SLOT + 500, SLOT - 500) };

		memset(side.area.data + i * SLOT, 0x77, SLOT);
		kit_direct_recv(&side.direct, (uint16_t)(1000 + i), sge, 2);
	}
	kit_direct_recv_bell(&side.direct);
	kit_sync(parent);
	for (uint32_t i = 0; i < SIZES; i++) {
		const uint8_t *data = side.area.data + i * SLOT;

		kit_direct_wait(&side.direct, &cqe);
		check_received(&side, &cqe, sizes[i]);
		check_int(cqe.id, 1000 + i);
		check_int(cqe.op, 0);
		check_int(cqe.imm, i & 1);
		check_int(cqe.imm_data, i & 1 ? 0xfedc0000 + i : 0);
		check(!cqe.unsolicited);
		check(kit_holds(data, sizes[i], i));
		check(kit_all(data + sizes[i], SLOT - sizes[i], 0x77));
		kit_sync(parent);
	}
	kit_side_close(&side);
}

static void send(void)
{
	static const struct kit_ep_options options = { 0 };
	struct kit_peer peer;
	struct kit_wr wr;
	struct kit_side side;

	kit_fork(&peer, 1, send_there, NULL);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	kit_sync(&peer);
	for (uint32_t i = 0; i < SIZES; i++) {
		kit_fill(side.area.data, SLOT, i);
		wr = kit_side_wr(&side, KIT_SEND, i, 0, sizes[i]);
		if (i % 3 == 0) {
			/* Out of two buffers. */
			wr.sge[0] = kit_sge(&side.area, 0, sizes[i] / 3);
			wr.sge[1] = kit_sge(&side.area, sizes[i] / 3, sizes[i] - sizes[i] / 3);
			wr.sges = 2;
		}
		wr.imm = i & 1;
		wr.imm_data = i & 1 ? 0xfedc0000 + i : 0;
		kit_direct_post(&side.direct, &wr);
		kit_direct_ended(&side.direct, i, 0);
		kit_sync(&peer);
	}
	kit_side_close(&side);
	kit_join(&peer);
}

/* Inline data, of which the descriptor itself is the only copy. */
static void inline_there(struct kit_peer *parent, void *arg)
{
	const uint32_t most = *(uint32_t *)arg;
	static const struct kit_ep_options options = { 0 };
	struct kit_cqe cqe;
	struct kit_side side;

	kit_side_open(&side, parent, &options, 81 * 128, KIT_SIDE_AH);
	for (uint32_t i = 0; i <= most; i++)
		kit_side_recv(&side, (uint16_t)i, i * 128, 128);
	kit_sync(parent);
	for (uint32_t i = 0; i <= most; i++) {
		kit_direct_wait(&side.direct, &cqe);
		check(cqe.receive && !cqe.status);
		/* In no order: the length tells which. */
		check(kit_holds(side.area.data + cqe.id * 128, cqe.bytes, cqe.bytes));
	}
	kit_side_settle(&side);
	kit_sync(parent);
	if (most > 32) {
		/* A write of inline data, without a completion here. */
		kit_sync(parent);
		kit_side_settle(&side);
		check(kit_all(side.area.data + 80 * 128, 80, 0x5a));
	}
	kit_side_close(&side);
}

static void send_inline(uint32_t most)
{
	const struct kit_ep_options options = { .inline_bytes = most };
	uint8_t bytes[KIT_WQE_MAX];
	struct kit_peer peer;
	struct kit_cqe cqe;
	struct kit_wr wr;
	struct kit_side side;
	uint64_t seen = 0;

	kit_fork(&peer, 1, inline_there, &most);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	check_int(side.direct.sq.entry_size, most > 32 ? 128 : 64);
	kit_sync(&peer);
	for (uint32_t i = 0; i <= most; i++) {
		kit_fill(bytes, sizeof(bytes), i);
		wr = kit_side_wr(&side, KIT_SEND, 0x123456789a0000 + i, 0, 0);
		if (!(side.direct.sq.caps & KIT_WQ_64_BIT_REQ_ID))
			wr.id = i;
		wr.sges = 0;
		wr.inline_data = bytes;
		wr.inline_bytes = i;
		kit_direct_post(&side.direct, &wr);
	}
	for (uint32_t i = 0; i <= most; i++) {
		kit_direct_wait(&side.direct, &cqe);
		check(!cqe.receive && !cqe.status);
		check_int(cqe.id >> 16, side.direct.sq.caps ? 0x123456789a : 0);
		seen += cqe.id & 0xffff;
	}
	check_int(seen, most * (most + 1) / 2);
	kit_sync(&peer);
	if (most > 32) {
		memset(bytes, 0x5a, sizeof(bytes));
		wr = kit_side_wr(&side, KIT_WRITE, 7, 0, 0);
		wr.sges = 0;
		wr.inline_data = bytes;
		wr.inline_bytes = 80;
		wr.address = side.there.memory + 80 * 128;
		kit_direct_post(&side.direct, &wr);
		kit_direct_ended(&side.direct, 7, 0);
		kit_sync(&peer);
	}
	kit_side_close(&side);
	kit_join(&peer);
}

static void inline_narrow(void)
{
	send_inline(32);
}

static void inline_wide(void)
{
	send_inline(80);
}

/* --- RDMA ---------------------------------------------------------------------------------- */

static void rdma_there(struct kit_peer *parent, void *arg)
{
	const struct kit_ep_options *options = arg;
	struct kit_cqe cqe;
	struct kit_side side;

	kit_side_open(&side, parent, options, LARGE, KIT_SIDE_AH);
	/* What the other side reads. */
	kit_fill(side.area.data, LARGE, 1);
	kit_side_settle(&side);
	kit_sync(parent);
	kit_sync(parent);
	kit_side_settle(&side);
	/* What it wrote, without a completion. */
	check(kit_holds(side.area.data, LARGE, 2));
	check(!kit_direct_poll(&side.direct, &cqe));
	if (!options->unsolicited)
		kit_side_recv(&side, 0x4321, 0, 16);
	kit_side_settle(&side);
	kit_sync(parent);
	kit_direct_wait(&side.direct, &cqe);
	check_received(&side, &cqe, LARGE);
	check_int(cqe.op, 2);
	check(cqe.imm);
	check_int(cqe.imm_data, 0x89abcdef);
	check_int(cqe.unsolicited, options->unsolicited);
	check_int(cqe.id, options->unsolicited ? 0 : 0x4321);
	/* In the moment of the completion all bytes are there. */
	check(kit_holds(side.area.data, LARGE, 3));
	kit_side_close(&side);
}

static void rdma(bool unsolicited)
{
	struct kit_ep_options options = { .unsolicited = unsolicited };
	struct kit_peer peer;
	struct kit_wr wr;
	struct kit_side side;

	kit_fork(&peer, 1, rdma_there, &options);
	kit_side_open(&side, &peer, &options, LARGE, KIT_SIDE_AH);
	kit_sync(&peer);
	wr = kit_side_wr(&side, KIT_READ, 1, 0, LARGE);
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 1, 0);
	check(kit_holds(side.area.data, LARGE, 1));
	kit_fill(side.area.data, LARGE, 2);
	wr = kit_side_wr(&side, KIT_WRITE, 2, 0, LARGE);
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 2, 0);
	kit_sync(&peer);
	kit_sync(&peer);
	kit_fill(side.area.data, LARGE, 3);
	wr = kit_side_wr(&side, KIT_WRITE, 3, 0, LARGE);
	wr.imm = true;
	wr.imm_data = 0x89abcdef;
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 3, 0);
	kit_side_close(&side);
	kit_join(&peer);
}

static void rdma_solicited(void)
{
	rdma(false);
}

static void rdma_unsolicited(void)
{
	rdma(true);
}

/* --- who is it? ---------------------------------------------------------------------------- */

/* Without an address handle for the sender its GID is in the completion. */
static void stranger_there(struct kit_peer *parent, void *arg)
{
	const struct kit_ep_options *options = arg;
	struct kit_cqe cqe;
	struct kit_side side;

	kit_side_open(&side, parent, options, SLOT, 0);
	kit_side_recv(&side, 1, 0, SLOT);
	kit_sync(parent);
	kit_direct_wait(&side.direct, &cqe);
	check(cqe.receive && !cqe.status);
	check_int(cqe.ah, 0xffff);
	check_int(cqe.src_qpn, side.there.address.qpn & 0xffff);
	check(!memcmp(cqe.src_addr, side.there.address.gid.raw, sizeof(cqe.src_addr)));
	kit_side_close(&side);
}

static void stranger(bool ud)
{
	struct kit_ep_options options = { .ud = ud };
	struct kit_peer peer;
	struct kit_wr wr;
	struct kit_side side;

	kit_fork(&peer, 1, stranger_there, &options);
	kit_side_open(&side, &peer, &options, SLOT, KIT_SIDE_AH);
	kit_sync(&peer);
	wr = kit_side_wr(&side, KIT_SEND, 5, 0, 100);
	kit_direct_post(&side.direct, &wr);
	kit_direct_ended(&side.direct, 5, 0);
	kit_side_close(&side);
	kit_join(&peer);
}

static void stranger_srd(void)
{
	stranger(false);
}

static void stranger_ud(void)
{
	stranger(true);
}

/* --- many ---------------------------------------------------------------------------------- */

#define BYTES 64u
#define SENDS 64u
#define RECVS 256u

struct stream {
	struct kit_side side;
	uint32_t total, received, sent, ended;
	uint8_t *seen;                   /* per message of the other side */
	uint16_t unused[SENDS], unuseds; /* places for messages that are being sent */
};

static uint8_t *place(struct stream *stream, size_t index)
{
	return stream->side.area.data + index * BYTES;
}

static void stream_receive(struct stream *stream, uint16_t index)
{
	struct ibv_sge sge = kit_sge(&stream->side.area, index * BYTES, BYTES);

	kit_direct_recv(&stream->side.direct, index, &sge, 1);
}

static void stream_send(struct stream *stream)
{
	uint16_t index = stream->unused[--stream->unuseds];
	size_t offset = (RECVS + index) * BYTES;
	struct kit_wr wr = kit_side_wr(&stream->side, KIT_SEND, index, offset, BYTES);
	uint8_t wqe[KIT_WQE_MAX];

	memcpy(place(stream, RECVS + index), &stream->sent, sizeof(stream->sent));
	kit_fill(place(stream, RECVS + index) + 8, BYTES - 8, stream->sent);
	kit_wqe(&stream->side.direct, &wr, wqe);
	kit_direct_put(&stream->side.direct, wqe);
	stream->sent++;
}

/* One completion: a message that came, or one of ours that has gone. */
static void stream_step(struct stream *stream, const struct kit_cqe *cqe)
{
	uint32_t number;

	check_int(cqe->status, 0);
	if (!cqe->receive) {
		stream->unused[stream->unuseds++] = (uint16_t)cqe->id;
		stream->ended++;
		return;
	}
	check_int(cqe->bytes, BYTES);
	memcpy(&number, place(stream, cqe->id), sizeof(number));
	check(number < stream->total && !stream->seen[number]);
	stream->seen[number] = 1;
	check(kit_holds(place(stream, cqe->id) + 8, BYTES - 8, number));
	stream->received++;
	stream_receive(stream, (uint16_t)cqe->id);
	kit_direct_recv_bell(&stream->side.direct);
}

/* Messages both ways at once through full queues, many times round each ring. */
static void stream_side(struct kit_peer *peer, void *arg)
{
	static const struct kit_ep_options options = {
		.sends = SENDS, .recvs = RECVS, .recv_sges = 1, .cqes = 512
	};
	struct stream stream = { .total = *(uint32_t *)arg, .unuseds = SENDS };
	struct kit_cqe cqe;

	stream.seen = calloc(stream.total, 1);
	check(stream.seen);
	kit_side_open(&stream.side, peer, &options, (RECVS + SENDS) * BYTES, KIT_SIDE_AH);
	check_int(stream.side.direct.sq.num_entries, SENDS);
	check_int(stream.side.direct.rq.num_entries, RECVS);
	for (uint16_t i = 0; i < SENDS; i++)
		stream.unused[i] = i;
	for (uint16_t i = 0; i < RECVS; i++)
		stream_receive(&stream, i);
	kit_direct_recv_bell(&stream.side.direct);
	kit_sync(peer);
	while (stream.ended < stream.total || stream.received < stream.total) {
		while (stream.unuseds && stream.sent < stream.total)
			stream_send(&stream);
		kit_direct_bell(&stream.side.direct);
		kit_direct_wait(&stream.side.direct, &cqe);
		stream_step(&stream, &cqe);
	}
	kit_side_close(&stream.side);
	free(stream.seen);
}

static void stream(void)
{
	uint32_t total = (uint32_t)kit_scale(300000, 70000, 3000);
	struct kit_peer peer;

	kit_fork(&peer, 1, stream_side, &total);
	stream_side(&peer, &total);
	kit_join(&peer);
}

/* --- cases --------------------------------------------------------------------------------- */

#define WIDE "inline_size_ex=80 req_id_64=1"

int main(int argc, char **argv)
{
	static const struct kit_case cases[] = {
		{ "send", send, { 0 } },
		{ "send, wide descriptors, 64-bit ids", send, { .device = WIDE } },
		{ "send, nothing overtaken", send, { .device = "reorder=0" } },
		{ "inline data", inline_narrow, { 0 } },
		{ "inline data, wide descriptors", inline_wide, { .device = WIDE } },
		{ "read, write, write with immediate", rdma_solicited, { 0 } },
		{ "write with immediate, unsolicited", rdma_unsolicited, { 0 } },
		{ "write with immediate, over UDP", rdma_unsolicited, { .udp = true } },
		{ "unknown sender", stranger_srd, { 0 } },
		{ "unknown sender, UD", stranger_ud, { 0 } },
		{ "stream both ways", stream, { 0 } },
		{ "stream both ways, all overtaken", stream, { .device = "reorder=100" } },
		{ 0 },
	};

	return kit_main(argc, argv, cases);
}
