/* SPDX-License-Identifier: Apache-2.0 */
/* hw_counters agree with what was moved, at the right NIC of the right host. */
#include <string.h>

#include "kit.h"

#define MIB (1u << 20)

static const struct kit_target_options options = {
	.host = 1, .bytes = 2 * MIB, .recvs = 64, .slot = 8192
};

static void run(struct kit_pair *p, enum kit_op op, size_t size, uint32_t status)
{
	struct kit_wr wr = kit_pair_wr(p, op, 1, 0, size);

	if (status == 7)
		wr.rkey ^= 0x155;
	check_int(kit_post(&p->ep, &wr), 0);
	kit_wait_status(p->ep.send_cq, 1, status);
}

#define MINE(which)   kit_counter(&p.nic, which)
#define THEIRS(which) kit_host_counter(1, p.nic.name, which)

/* Counter files are written while traffic flows: until they are right, and never more than right.
 */
#define settles(counter, wanted)                        \
	do {                                            \
		until((counter) >= (uint64_t)(wanted)); \
		check_int((counter), (wanted));         \
	} while (0)

static void sends_counted(bool lossless)
{
	struct kit_pair p;
	uint64_t bytes = 0;

	kit_pair_open(&p, &options, 2 * MIB);
	for (uint32_t i = 0; i < 50; i++) {
		run(&p, KIT_SEND, i * 100, 0);
		bytes += i * 100;
	}
	settles(MINE("send_wrs"), 50);
	settles(MINE("send_bytes"), bytes);
	settles(THEIRS("recv_wrs"), 50);
	settles(THEIRS("recv_bytes"), bytes);
	until(MINE("tx_bytes") >= bytes && THEIRS("rx_bytes") >= bytes);
	until(MINE("tx_pkts") >= 50 && THEIRS("rx_pkts") >= 50);
	check_int(MINE("recv_wrs"), 0);
	check_int(THEIRS("send_wrs"), 0);
	check_int(MINE("rdma_write_wrs"), 0);
	if (lossless)
		check_int(MINE("retrans_pkts"), 0);
	kit_pair_close(&p);
}

static void sends(void)
{
	sends_counted(true);
}

/* Over UDP an acknowledgement that is late, because its sender was not on a processor, counts as
 * lost. */
static void sends_udp(void)
{
	sends_counted(false);
}

static void rdma(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &options, 2 * MIB);
	for (int i = 0; i < 10; i++)
		run(&p, KIT_WRITE, 100000 + i, 0);
	for (int i = 0; i < 7; i++)
		run(&p, KIT_READ, 200000 + i, 0);
	settles(MINE("rdma_write_wrs"), 10);
	settles(MINE("rdma_write_bytes"), 1000045);
	settles(THEIRS("rdma_write_recv_bytes"), 1000045);
	settles(MINE("rdma_read_wrs"), 7);
	settles(MINE("rdma_read_bytes"), 1400021);
	settles(THEIRS("rdma_read_resp_bytes"), 1400021);
	check_int(MINE("rdma_write_wr_err"), 0);
	check_int(MINE("rdma_read_wr_err"), 0);
	run(&p, KIT_WRITE, 1000, 7);
	run(&p, KIT_READ, 1000, 7);
	run(&p, KIT_READ, 1000, 7);
	settles(MINE("rdma_write_wr_err"), 1);
	settles(MINE("rdma_read_wr_err"), 2);
	kit_pair_close(&p);
}

/* Bytes are counted at the NIC that carried them. */
static void nics(void)
{
	static const struct kit_target_options on[3] = {
		{ .host = 1, .nic = 0, .bytes = MIB },
		{ .host = 1, .nic = 1, .bytes = MIB },
		{ .host = 1, .nic = 2, .bytes = MIB },
	};
	static const struct kit_ep_options plain = { 0 };
	struct kit_target target[3];
	struct kit_area area;
	struct kit_nic nic[3];
	struct kit_ep ep;

	for (uint32_t i = 0; i < 3; i++)
		kit_target_open(&target[i], &on[i]);
	for (uint32_t i = 0; i < 3; i++) {
		struct kit_wr wr = { .op = KIT_WRITE, .sges = 1, .to = &target[2 - i].address };

		kit_nic_open(&nic[i], i);
		kit_ep_open(&ep, &nic[i], &plain);
		kit_area_open(&area, MIB);
		kit_area_register(&area, &nic[i], 0);
		wr.ah = kit_ah(&nic[i], &target[2 - i].address.gid);
		wr.sge[0] = kit_sge(&area, 0, 100000 * (i + 1));
		wr.address = (uintptr_t)target[2 - i].area.data;
		wr.rkey = target[2 - i].rkey;
		check_int(kit_post(&ep, &wr), 0);
		kit_wait_ok(ep.send_cq, 0);
		check_int(ibv_destroy_ah(wr.ah), 0);
		kit_ep_close(&ep);
		kit_area_close(&area);
	}
	for (uint32_t i = 0; i < 3; i++) {
		settles(kit_counter(&nic[i], "rdma_write_bytes"), 100000 * (i + 1));
		settles(kit_host_counter(1, nic[2 - i].name, "rdma_write_recv_bytes"),
			100000 * (i + 1));
	}
	for (uint32_t i = 0; i < 3; i++) {
		kit_nic_close(&nic[i]);
		kit_target_end(&target[i]);
	}
}

/* What the device was asked to make, and refused. */
static void commands(void)
{
	static const struct kit_ep_options plain = { 0 };
	struct kit_bench b;
	uint64_t submitted;

	kit_bench_open(&b, &plain);
	until(kit_counter(&b.nic, "submitted_cmds") >= 5);
	submitted = kit_counter(&b.nic, "submitted_cmds");
	check_int(kit_counter(&b.nic, "cmds_err"), 0);
	kit_fault("refuse:call=qp,count=1");
	kit_fault("refuse:call=cq,count=2");
	kit_fault("refuse:call=mr,count=3");
	check(!kit_qp(&b.nic, b.ep.send_cq, b.ep.recv_cq, &plain));
	check(!kit_cq(&b.nic, 16, NULL) && !kit_cq(&b.nic, 16, NULL));
	for (int i = 0; i < 3; i++)
		check(!ibv_reg_mr(b.nic.pd, b.area.data, 100, 0));
	settles(kit_counter(&b.nic, "create_qp_err"), 1);
	settles(kit_counter(&b.nic, "create_cq_err"), 2);
	settles(kit_counter(&b.nic, "reg_mr_err"), 3);
	settles(kit_counter(&b.nic, "cmds_err"), 6);
	until(kit_counter(&b.nic, "submitted_cmds") >= submitted + 6);
	kit_bench_close(&b);
}

/* Cards before Nitro v4 have no counters of retransmissions. */
static void old_cards(void)
{
	static const struct kit_ep_options plain = { 0 };
	struct kit_bench b;
	char text[64];

	kit_bench_open(&b, &plain);
	check(kit_sysfs(&b.nic, "ports/1/hw_counters/tx_bytes", text, sizeof(text)));
	check(!kit_sysfs(&b.nic, "ports/1/hw_counters/retrans_pkts", text, sizeof(text)));
	kit_bench_close(&b);
}

static const struct kit_case cases[] = {
	{ "counters/sends", sends },
	{ "counters/sends-udp", sends_udp, { .udp = true } },
	{ "counters/rdma", rdma },
	{ "counters/nics", nics, { .nics = 3 } },
	{ "counters/commands", commands },
	{ "counters/old-cards", old_cards, { .device = "network_counters=0" } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
