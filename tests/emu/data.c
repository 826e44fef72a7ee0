/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes: every kind of operation moves exactly what it should, nothing beside it, both ways. */
#include <string.h>

#include "kit.h"

/* --- SEND ---------------------------------------------------------------------------------- */

static const uint32_t sizes[] = { 0,    1,    2,    31,   32,   33,   63,   64,   65,   255,
				  256,  257,  511,  512,  513,  1023, 1024, 1025, 2047, 2048,
				  4095, 4096, 4097, 8191, 8192, 8193, 8900, 8926, 8927, 8928 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define SLOT  9216u

static void check_receive(const struct kit_pair *p, const struct kit_wc *wc, uint32_t bytes)
{
	check_int(wc->status, IBV_WC_SUCCESS);
	check_int(wc->opcode, IBV_WC_RECV);
	check_int(wc->bytes, bytes);
	check_int(wc->src_qpn, p->ep.address.qpn);
	check_int(wc->qpn, p->target.address.qpn);
	check(!wc->unsolicited);
}

static void send_sizes(bool legacy)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = SIZES * SLOT, .recvs = SIZES, .slot = SLOT
	};
	struct kit_pair p;
	struct kit_wc wc;
	struct kit_wr wr;

	kit_pair_open(&p, &options, SLOT);
	memset(p.target.area.data, 0x77, options.bytes);
	for (uint32_t i = 0; i < SIZES; i++) {
		kit_fill(p.area.data, SLOT, i);
		wr = kit_pair_wr(&p, KIT_SEND, i, 0, sizes[i]);
		wr.legacy = legacy;
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, i);
		/* One at a time, so in the order of the receives. */
		kit_target_wait(&p.target, &wc);
		check_receive(&p, &wc, sizes[i]);
		check_int(wc.id, i);
		check(!(wc.flags & IBV_WC_WITH_IMM));
		check(kit_holds(p.target.area.data + i * SLOT, sizes[i], i));
		check(kit_all(p.target.area.data + i * SLOT + sizes[i], SLOT - sizes[i], 0x77));
	}
	kit_pair_close(&p);
}

static void send_new(void)
{
	send_sizes(false);
}

static void send_legacy(void)
{
	send_sizes(true);
}

static void send_imm(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = 4 * SLOT, .recvs = 4, .slot = SLOT
	};
	static const uint32_t imm[] = { 0, 1, 0x80000000u, 0xfedcba98u };
	struct kit_pair p;
	struct kit_wc wc;
	struct kit_wr wr;

	kit_pair_open(&p, &options, SLOT);
	for (uint32_t i = 0; i < 4; i++) {
		wr = kit_pair_wr(&p, KIT_SEND, i, 0, i * 100);
		wr.legacy = i & 1;
		wr.imm = true;
		wr.imm_data = imm[i];
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, i);
		kit_target_wait(&p.target, &wc);
		check_receive(&p, &wc, i * 100);
		check(wc.flags & IBV_WC_WITH_IMM);
		check_int(wc.imm, imm[i]);
	}
	kit_pair_close(&p);
}

/* Inline data is taken when it is posted: no key, and the buffer may change at once. */
static void send_inline(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = 33 * 64, .recvs = 33, .slot = 64
	};
	uint8_t bytes[32];
	struct kit_pair p;
	struct kit_wc wc;
	struct kit_wr wr;

	kit_pair_open(&p, &options, 64);
	check(p.nic.efa.inline_buf_size == 32);
	for (uint32_t i = 0; i <= 32; i++) {
		kit_fill(bytes, sizeof(bytes), i);
		wr = kit_pair_wr(&p, KIT_SEND, i, 0, 0);
		wr.inline_data = bytes;
		wr.inline_bytes = i;
		wr.legacy = i & 1;
		check_int(kit_post(&p.ep, &wr), 0);
		memset(bytes, 0xee, sizeof(bytes));
		kit_wait_ok(p.ep.send_cq, i);
		kit_target_wait(&p.target, &wc);
		check_receive(&p, &wc, i);
		check(kit_holds(p.target.area.data + i * 64, i, i));
		check(kit_all(p.target.area.data + i * 64 + i, 64 - i, 0));
	}
	kit_pair_close(&p);
}

/* Two buffers, from two regions, are gathered into one message; two of the receiver take it apart
 * elsewhere. */
static void send_two_sges(void)
{
	static const struct kit_ep_options plain = { 0 };
	static const uint32_t cuts[][3] = { /* first part of the sender, total, first part there */
					    { 0, 100, 50 },    { 100, 100, 1 }, { 1, 8928, 8927 },
					    { 4096, 8192, 1 }, { 50, 100, 50 }, { 3000, 7001, 5000 }
	};
	struct kit_nic nic;
	struct kit_ep from, to;
	struct kit_area a, b, there;
	struct ibv_sge sge[2];
	struct kit_wc wc;
	struct kit_wr wr = { .op = KIT_SEND, .to = &to.address, .sges = 2 };

	kit_nic_open(&nic, 0);
	kit_ep_open(&from, &nic, &plain);
	kit_ep_open(&to, &nic, &plain);
	kit_area_open(&a, SLOT);
	kit_area_open(&b, SLOT);
	kit_area_open(&there, 4 * SLOT);
	kit_area_register(&a, &nic, 0); /* read only by this device: no rights needed */
	kit_area_register(&b, &nic, 0);
	kit_area_register(&there, &nic, IBV_ACCESS_LOCAL_WRITE);
	wr.ah = kit_ah(&nic, &nic.gid);
	for (uint32_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		uint32_t first = cuts[i][0], total = cuts[i][1], split = cuts[i][2];
		uint8_t whole[SLOT];

		kit_fill(whole, total, i);
		memcpy(a.data + 7, whole, first);
		memcpy(b.data + 3, whole + first, total - first);
		memset(there.data, 0, there.size);
		sge[0] = kit_sge(&there, 5, split);
		sge[1] = kit_sge(&there, 2 * SLOT + 1, SLOT);
		check_int(kit_recv(&to, i, sge, 2), 0);
		wr.id = i;
		wr.sge[0] = kit_sge(&a, 7, first);
		wr.sge[1] = kit_sge(&b, 3, total - first);
		check_int(kit_post(&from, &wr), 0);
		kit_wait_ok(from.send_cq, i);
		kit_wait(to.recv_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(wc.bytes, total);
		check(!memcmp(there.data + 5, whole, split));
		check(!memcmp(there.data + 2 * SLOT + 1, whole + split, total - split));
		check(kit_all(there.data + 5 + split, 2 * SLOT - 4 - split, 0));
		check(kit_all(there.data + 2 * SLOT + 1 + total - split,
			      there.size - (2 * SLOT + 1 + total - split), 0));
	}
	check_int(ibv_destroy_ah(wr.ah), 0);
	kit_ep_close(&from);
	kit_ep_close(&to);
	kit_area_close(&a);
	kit_area_close(&b);
	kit_area_close(&there);
	kit_nic_close(&nic);
}

/* The receiver knows the sender by its GID, and by number once it has an address handle for it. */
static void send_who(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = 2 * SLOT, .recvs = 2, .slot = SLOT
	};
	struct kit_pair p;
	struct kit_wc wc;
	struct kit_wr wr;
	uint16_t number;

	kit_pair_open(&p, &options, SLOT);
	wr = kit_pair_wr(&p, KIT_SEND, 1, 0, 10);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_target_wait(&p.target, &wc);
	check_int(wc.slid, 0xffff);
	check(wc.has_sgid);
	check(!memcmp(&wc.sgid, &p.nic.gid, sizeof(wc.sgid)));
	kit_target_ah(&p.target, &p.nic.gid, &number);
	check(number != 0xffff);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_target_wait(&p.target, &wc);
	check_int(wc.slid, number);
	check(!wc.has_sgid);
	kit_pair_close(&p);
}

/* A datagram comes behind 40 bytes for a header. */
static void datagrams(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = SIZES * SLOT, .recvs = SIZES, .slot = SLOT, .ep.ud = true
	};
	struct kit_pair p;
	struct kit_wc wc;
	struct kit_wr wr;

	kit_pair_open(&p, &options, SLOT);
	memset(p.target.area.data, 0x77, options.bytes);
	for (uint32_t i = 0; i < SIZES; i++) {
		kit_fill(p.area.data, SLOT, i);
		wr = kit_pair_wr(&p, KIT_SEND, i, 0, sizes[i]);
		wr.legacy = i & 1;
		wr.imm = i & 2;
		wr.imm_data = i;
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait_ok(p.ep.send_cq, i);
		kit_target_wait(&p.target, &wc);
		check_receive(&p, &wc, sizes[i] + 40);
		check_int(wc.id, i);
		check_int(!!(wc.flags & IBV_WC_WITH_IMM), !!(i & 2));
		check_int(wc.imm, i & 2 ? i : 0);
		check(kit_holds(p.target.area.data + i * SLOT + 40, sizes[i], i));
		check(kit_all(p.target.area.data + i * SLOT + 40 + sizes[i], SLOT - 40 - sizes[i],
			      0x77));
	}
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "data/send", send_new },
	{ "data/send-udp", send_new, { .udp = true } },
	{ "data/send-in-order", send_new, { .device = "reorder=0" } },
	{ "data/send-legacy", send_legacy },
	{ "data/send-imm", send_imm },
	{ "data/send-inline", send_inline },
	{ "data/send-two-sges", send_two_sges },
	{ "data/send-who", send_who },
	{ "data/datagrams", datagrams },
	{ "data/datagrams-udp", datagrams, { .udp = true } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
