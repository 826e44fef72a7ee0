/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes of remote memory: bytes, bounds, completions at both ends. */
#include <string.h>

#include "kit.h"

#define MIB (1u << 20)

static const size_t sizes[] = { 1,     7,     63,     64,      65,   511,    512,   513,
				4095,  4096,  4097,   8927,    8928, 8929,   17855, 17856,
				17857, 65536, 100003, MIB - 1, MIB,  MIB + 1 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define ROOM  (2 * MIB)

static const struct kit_target_options two_mib = { .host = 1, .bytes = ROOM };

static void run(struct kit_pair *p, struct kit_wr *wr)
{
	check_int(kit_post(&p->ep, wr), 0);
	kit_wait_ok(p->ep.send_cq, wr->id);
}

/* [at, at + size) of data holds the content of seed, and all around it is 0x55. */
static void check_around(const struct kit_area *area, size_t at, size_t size, uint64_t seed)
{
	check(kit_holds(area->data + at, size, seed));
	check(kit_all(area->data, at, 0x55));
	check(kit_all(area->data + at + size, area->size - at - size, 0x55));
	kit_canaries(area);
}

static void write_sizes(void)
{
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &two_mib, ROOM);
	for (uint32_t i = 0; i < SIZES; i++) {
		size_t from = i % 5, at = i * 3 % 7;

		memset(p.target.area.data, 0x55, ROOM);
		kit_fill(p.area.data + from, sizes[i], i);
		wr = kit_pair_wr(&p, KIT_WRITE, i, from, sizes[i]);
		wr.address += at;
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait(p.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(wc.opcode, IBV_WC_RDMA_WRITE);
		check_around(&p.target.area, at, sizes[i], i);
	}
	check(!kit_target_poll(&p.target, &wc)); /* one-sided */
	kit_pair_close(&p);
}

static void read_sizes(void)
{
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &two_mib, ROOM);
	for (uint32_t i = 0; i < SIZES; i++) {
		size_t from = i % 5, at = i * 3 % 7;

		memset(p.area.data, 0x55, ROOM);
		kit_fill(p.target.area.data + from, sizes[i], i);
		wr = kit_pair_wr(&p, KIT_READ, i, at, sizes[i]);
		wr.address += from;
		check_int(kit_post(&p.ep, &wr), 0);
		kit_wait(p.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(wc.opcode, IBV_WC_SEND); /* as libefa has it */
		check_around(&p.area, at, sizes[i], i);
	}
	check(!kit_target_poll(&p.target, &wc));
	kit_pair_close(&p);
}

static void large(size_t bytes)
{
	struct kit_target_options options = { .host = 1, .bytes = bytes + 4096 };
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &options, bytes + 4096);
	kit_fill(p.area.data + 9, bytes, 1);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 9, bytes);
	wr.address += 100;
	run(&p, &wr);
	check(kit_all(p.target.area.data, 100, 0));
	check(kit_holds(p.target.area.data + 100, bytes, 1));
	check(kit_all(p.target.area.data + 100 + bytes, 4096 - 100, 0));
	memset(p.area.data, 0, bytes + 4096);
	wr = kit_pair_wr(&p, KIT_READ, 2, 33, bytes);
	wr.address += 100;
	run(&p, &wr);
	check(kit_all(p.area.data, 33, 0));
	check(kit_holds(p.area.data + 33, bytes, 1));
	check(kit_all(p.area.data + 33 + bytes, 4096 - 33, 0));
	kit_pair_close(&p);
}

static void large_64(void)
{
	large(kit_scale(64, 64, 16) * MIB);
}

static void large_1024(void)
{
	large(1024ull * MIB);
}

/* Many at a time, in both directions, each to a place of its own. */
static void many(void)
{
	enum {
		COUNT = 128,
		EACH = 20000
	};
	static const struct kit_target_options options = { .host = 1, .bytes = 2 * COUNT * EACH };
	bool done[COUNT * 2] = { false };
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &options, 2 * COUNT * EACH);
	for (uint32_t i = 0; i < COUNT; i++) {
		kit_fill(p.area.data + i * EACH, EACH, i);
		kit_fill(p.target.area.data + (COUNT + i) * EACH, EACH, COUNT + i);
	}
	for (uint32_t i = 0; i < 2 * COUNT; i++) {
		wr = kit_pair_wr(&p, i < COUNT ? KIT_WRITE : KIT_READ, i, i * EACH, EACH);
		wr.address += i * EACH;
		check_int(kit_post(&p.ep, &wr), 0);
	}
	for (uint32_t i = 0; i < 2 * COUNT; i++) {
		kit_wait(p.ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check(wc.id < 2 * COUNT && !done[wc.id]);
		done[wc.id] = true;
	}
	for (uint32_t i = 0; i < 2 * COUNT; i++) {
		check(kit_holds(p.area.data + i * EACH, EACH, i));
		check(kit_holds(p.target.area.data + i * EACH, EACH, i));
	}
	kit_pair_close(&p);
}

/* --- write with immediate ------------------------------------------------------------------ */

static void write_imm_all(struct kit_pair *p, bool unsolicited)
{
	static const size_t imm_sizes[] = { 0, 1, 512, 8928, 8929, 300000, MIB };
	struct kit_wr wr;
	struct kit_wc wc;

	for (uint32_t i = 0; i < sizeof(imm_sizes) / sizeof(imm_sizes[0]); i++) {
		if (!unsolicited)
			kit_target_recv(&p->target, 100 + i, 0, 0);
		memset(p->target.area.data, 0x55, ROOM);
		kit_fill(p->area.data, imm_sizes[i], i);
		wr = kit_pair_wr(p, KIT_WRITE, i, 0, imm_sizes[i]);
		wr.address += 11;
		wr.imm = true;
		wr.imm_data = 0xabcd0000u + i;
		run(p, &wr);
		kit_target_wait(&p->target, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(wc.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
		check(wc.flags & IBV_WC_WITH_IMM);
		check_int(wc.imm, 0xabcd0000u + i);
		check_int(wc.bytes, imm_sizes[i]);
		check_int(wc.src_qpn, p->ep.address.qpn);
		check_int(wc.unsolicited, unsolicited);
		if (!unsolicited)
			check_int(wc.id, 100 + i);
		check_around(&p->target.area, 11, imm_sizes[i], i);
	}
	check(!kit_target_poll(&p->target, &wc));
}

static void write_imm(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &two_mib, ROOM);
	write_imm_all(&p, false);
	kit_pair_close(&p);
}

/* A queue pair that takes them without a receive: those that are posted stay for SENDs. */
static void write_imm_unsolicited(void)
{
	static const struct kit_target_options options = {
		.host = 1, .bytes = ROOM, .recvs = 1, .slot = 64, .ep.unsolicited = true
	};
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	kit_pair_open(&p, &options, ROOM);
	write_imm_all(&p, true);
	kit_fill(p.area.data, 64, 5);
	wr = kit_pair_wr(&p, KIT_SEND, 9, 0, 64);
	run(&p, &wr);
	kit_target_wait(&p.target, &wc);
	check_int(wc.opcode, IBV_WC_RECV);
	check_int(wc.id, 0);
	check(!wc.unsolicited);
	check(kit_holds(p.target.area.data, 64, 5));
	kit_pair_close(&p);
}

/* --- who with whom ------------------------------------------------------------------------- */

/* One SEND, one write and one read over each way from `from` to `to`, which both lie here. */
static void exchange(struct kit_ep *from, struct kit_area *near, struct kit_ep *to,
		     struct kit_area *far, uint64_t seed)
{
	struct kit_wr wr = { .id = seed, .to = &to->address, .sges = 1 };
	struct ibv_sge slot = kit_sge(far, 0, 4096);
	struct kit_wc wc;
	bool sent = false, received = false;

	wr.ah = kit_ah(from->nic, &to->address.gid);
	kit_fill(near->data, 4096, seed);
	check_int(kit_recv(to, seed + 1, &slot, 1), 0);
	wr.sge[0] = kit_sge(near, 0, 4096);
	check_int(kit_post(from, &wr), 0);
	/* Both may end in the same queue, in any order. */
	while (!sent || !received) {
		kit_wait(sent ? to->recv_cq : from->send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		sent |= wc.id == seed;
		received |= wc.id == seed + 1;
	}
	check(kit_holds(far->data, 4096, seed));
	wr.op = KIT_WRITE;
	wr.rkey = far->mr->rkey;
	wr.address = (uintptr_t)far->data + 5000;
	wr.sge[0] = kit_sge(near, 0, 30000);
	kit_fill(near->data, 30000, seed + 2);
	check_int(kit_post(from, &wr), 0);
	kit_wait_ok(from->send_cq, seed);
	check(kit_holds(far->data + 5000, 30000, seed + 2));
	wr.op = KIT_READ;
	wr.sge[0] = kit_sge(near, 40000, 30000);
	check_int(kit_post(from, &wr), 0);
	kit_wait_ok(from->send_cq, seed);
	check(kit_holds(near->data + 40000, 30000, seed + 2));
	check_int(ibv_destroy_ah(wr.ah), 0);
}

static void loopback(void)
{
	static const struct kit_ep_options plain = { 0 };
	struct kit_nic nic, second;
	struct kit_ep one, two, other;
	struct kit_area near, far, there;

	kit_nic_open(&nic, 0);
	kit_nic_open(&second, 1);
	kit_ep_open(&one, &nic, &plain);
	kit_ep_open(&two, &nic, &plain);
	kit_ep_open(&other, &second, &plain);
	kit_area_open(&near, 100000);
	kit_area_open(&far, 100000);
	kit_area_open(&there, 100000);
	kit_area_register(&near, &nic, KIT_ACCESS);
	kit_area_register(&far, &nic, KIT_ACCESS);
	kit_area_register(&there, &second, KIT_ACCESS);
	exchange(&one, &near, &one, &far, 10);     /* a queue pair with itself */
	exchange(&one, &near, &two, &far, 20);     /* two of one NIC */
	exchange(&one, &near, &other, &there, 30); /* two NICs of one host */
	kit_ep_close(&one);
	kit_ep_close(&two);
	kit_ep_close(&other);
	kit_area_close(&near);
	kit_area_close(&far);
	kit_area_close(&there);
	kit_nic_close(&second);
	kit_nic_close(&nic);
}

/* A process of the same host; its NIC is ours too. */
static void same_host(void)
{
	static const struct kit_target_options options = { .host = 0, .bytes = MIB };
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &options, MIB);
	check(!memcmp(&p.target.address.gid, &p.nic.gid, sizeof(p.nic.gid)));
	kit_fill(p.area.data, MIB, 3);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, MIB);
	run(&p, &wr);
	check(kit_holds(p.target.area.data, MIB, 3));
	kit_pair_close(&p);
}

/* Every NIC here with every NIC there, each with keys, queues and a GID of its own. */
static void four_nics(void)
{
	static const struct kit_target_options options[4] = {
		{ .host = 1, .nic = 0, .bytes = MIB },
		{ .host = 1, .nic = 1, .bytes = MIB },
		{ .host = 1, .nic = 2, .bytes = MIB },
		{ .host = 1, .nic = 3, .bytes = MIB },
	};
	static const struct kit_ep_options plain = { 0 };
	struct kit_target targets[4];
	struct kit_nic nics[4];
	struct kit_area area;
	struct kit_ep ep;

	for (uint32_t i = 0; i < 4; i++)
		kit_target_open(&targets[i], &options[i]);
	for (uint32_t i = 0; i < 4; i++)
		kit_nic_open(&nics[i], i);
	for (uint32_t i = 0; i < 16; i++) {
		struct kit_target *target = &targets[i % 4];
		struct kit_nic *nic = &nics[i / 4];
		struct kit_wr wr = { .op = KIT_WRITE, .id = i, .sges = 1 };

		check(i % 4 == i / 4 || memcmp(&nics[i % 4].gid, &nic->gid, sizeof(nic->gid)));
		check(memcmp(&target->address.gid, &nic->gid, sizeof(nic->gid)));
		kit_ep_open(&ep, nic, &plain);
		kit_area_open(&area, MIB);
		kit_area_register(&area, nic, 0);
		kit_fill(area.data, MIB, i);
		wr.ah = kit_ah(nic, &target->address.gid);
		wr.to = &target->address;
		wr.sge[0] = kit_sge(&area, 0, MIB);
		wr.address = (uintptr_t)target->area.data;
		wr.rkey = target->rkey;
		check_int(kit_post(&ep, &wr), 0);
		kit_wait_ok(ep.send_cq, i);
		check(kit_holds(target->area.data, MIB, i));
		check_int(ibv_destroy_ah(wr.ah), 0);
		kit_ep_close(&ep);
		kit_area_close(&area);
	}
	for (uint32_t i = 0; i < 4; i++) {
		kit_nic_close(&nics[i]);
		kit_target_end(&targets[i]);
	}
}

static const struct kit_case cases[] = {
	{ "rdma/write", write_sizes },
	{ "rdma/write-udp", write_sizes, { .udp = true } },
	{ "rdma/write-in-order", write_sizes, { .device = "reorder=0" } },
	{ "rdma/write-mtu", write_sizes, { .device = "mtu=1024" } },
	{ "rdma/read", read_sizes },
	{ "rdma/read-udp", read_sizes, { .udp = true } },
	{ "rdma/large", large_64 },
	{ "rdma/large-udp", large_64, { .udp = true } },
	{ "rdma/huge", large_1024, .nightly = true },
	{ "rdma/many", many },
	{ "rdma/many-udp", many, { .udp = true } },
	{ "rdma/write-imm", write_imm },
	{ "rdma/write-imm-udp", write_imm, { .udp = true } },
	{ "rdma/write-imm-unsolicited", write_imm_unsolicited },
	{ "rdma/loopback", loopback, { .nics = 2 } },
	{ "rdma/loopback-udp", loopback, { .nics = 2, .udp = true } },
	{ "rdma/same-host", same_host },
	{ "rdma/same-host-udp", same_host, { .udp = true } },
	{ "rdma/four-nics", four_nics, { .nics = 4 } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
