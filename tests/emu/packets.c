/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of packets: whatever is lost, doubled, late or out of order, programs see none of it. */
#include <string.h>

#include "kit.h"

#define COUNT 200
#define EACH  2000
#define MIB   (1u << 20)

static const struct kit_target_options options = { .host = 1,
						   .bytes = COUNT * EACH + 2 * MIB,
						   .recvs = COUNT,
						   .slot = EACH,
						   .ep = { .recvs = COUNT + 8 } };

/* SENDs, a write, a read and a write with immediate, all under way together; everything must be
 * right, and nothing more may come. */
static void traffic(struct kit_pair *p)
{
	static uint64_t ids[COUNT];
	bool got[COUNT] = { false }, done[COUNT + 3] = { false };
	struct kit_wr wr;
	struct kit_wc wc;
	uint32_t n;

	kit_fill(p->area.data + COUNT * EACH, MIB, 1000);
	kit_fill(p->target.area.data + COUNT * EACH + MIB, MIB - 5, 2000);
	for (n = 0; n < COUNT + 2; n++) {
		wr = kit_pair_wr(p, KIT_SEND, n, n * EACH, 1 + n * 9);
		if (n < COUNT)
			kit_fill(p->area.data + n * EACH, 1 + n * 9, n);
		if (n >= COUNT) {
			wr = kit_pair_wr(p, n == COUNT ? KIT_WRITE : KIT_READ, n,
					 COUNT * EACH + (n - COUNT) * MIB, MIB - 5);
			wr.address += COUNT * EACH + (n - COUNT) * MIB;
		}
		wr.imm = n < COUNT;
		wr.imm_data = n;
		check_int(kit_post(&p->ep, &wr), 0);
	}
	for (n = 0; n < COUNT + 2; n++) {
		kit_wait(p->ep.send_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check(wc.id < COUNT + 2 && !done[wc.id]);
		done[wc.id] = true;
	}
	check(kit_holds(p->target.area.data + COUNT * EACH, MIB - 5, 1000));
	check(kit_holds(p->area.data + COUNT * EACH + MIB, MIB - 5, 2000));
	kit_target_collect(&p->target, COUNT, ids);
	for (n = 0; n < COUNT; n++) {
		check(ids[n] < COUNT && !got[ids[n]]);
		got[ids[n]] = true;
	}
	/* Which message went where: by its length; each exactly once. */
	memset(got, 0, sizeof(got));
	for (n = 0; n < COUNT; n++) {
		uint32_t which;

		for (which = 0; which < COUNT; which++)
			if (!got[which] &&
			    kit_holds(p->target.area.data + n * EACH, 1 + which * 9, which))
				break;
		check(which < COUNT);
		got[which] = true;
	}
	kit_target_recv(&p->target, 4000, 0, 0);
	wr = kit_pair_wr(p, KIT_WRITE, 9000, COUNT * EACH, MIB);
	wr.address += COUNT * EACH;
	kit_fill(p->area.data + COUNT * EACH, MIB, 77);
	wr.imm = true;
	wr.imm_data = 77;
	check_int(kit_post(&p->ep, &wr), 0);
	kit_target_await_write(&p->target, 77, COUNT * EACH, MIB);
	kit_wait_ok(p->ep.send_cq, 9000);
	check(!kit_target_poll(&p->target, &wc));
	check(!kit_poll(p->ep.send_cq, &wc));
}

static void all_right(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &options, options.bytes);
	traffic(&p);
	kit_pair_close(&p);
}

/* What was lost was sent again, and the device says so; without loss it was not. */
static void loss(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &options, options.bytes);
	traffic(&p);
	until(kit_counter(&p.nic, "retrans_pkts") > 0);
	until(kit_counter(&p.nic, "retrans_bytes") > 0);
	kit_pair_close(&p);
}

/* One packet, lost so many times: it comes in the end. */
static void lost_again(void)
{
	struct kit_pair p;
	struct kit_wr wr;
	uint64_t before;

	kit_pair_open(&p, &options, options.bytes);
	before = kit_counter(&p.nic, "retrans_pkts");
	kit_fault("loss:op=write,count=7");
	kit_fill(p.area.data, 100, 4);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, 100);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	check(kit_holds(p.target.area.data, 100, 4));
	until(kit_counter(&p.nic, "retrans_pkts") >= before + 7);
	kit_pair_close(&p);
}

/* All packets of a message lost: it never ends well, and with nobody's answer it is given up. */
static void lost_for_ever(void)
{
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &options, options.bytes);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, 100);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_fault("loss:src=h0,dst=h1");
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_status(p.ep.send_cq, 1, 13);
	kit_fault_clear(0);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_pair_close(&p);
}

/* A fault on one NIC, queue pair or direction leaves the others alone. */
static void elsewhere(void)
{
	struct kit_pair p;
	struct kit_wr wr;

	kit_pair_open(&p, &options, options.bytes);
	kit_fault("loss:nic=1");
	kit_fault("loss:src=h1n1");
	kit_fault("loss:dst=h0n1");
	kit_fault("loss:src=h2");
	kit_fault("loss:qp=%u", p.ep.address.qpn + 1);
	kit_fault("loss:op=read+response");
	kit_fault("loss:after=1000s");
	kit_fault("loss:p=0");
	kit_fill(p.area.data, MIB, 4);
	wr = kit_pair_wr(&p, KIT_WRITE, 1, 0, MIB);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	check(kit_holds(p.target.area.data, MIB, 4));
	check_int(kit_counter(&p.nic, "retrans_pkts"), 0);
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "packets/none", all_right },
	{ "packets/none-udp", all_right, { .udp = true } },
	{ "packets/loss", loss, { .faults = { "loss:p=0.2" }, .timeout_ms = 20000 } },
	{ "packets/loss-half",
	  loss,
	  { .faults = { "loss:p=50%" }, .timeout_ms = 20000, .seed = 5 } },
	{ "packets/loss-of-acks",
	  all_right,
	  { .faults = { "loss:op=ack,p=0.5" }, .timeout_ms = 20000 } },
	{ "packets/loss-udp",
	  loss,
	  { .faults = { "loss:p=0.1" }, .timeout_ms = 20000, .udp = true } },
	{ "packets/lost-again", lost_again, { .timeout_ms = 20000 } },
	{ "packets/lost-for-ever", lost_for_ever, { .timeout_ms = 300 } },
	{ "packets/elsewhere", elsewhere, { .nics = 2 } },
	{ "packets/duplicate", all_right, { .faults = { "duplicate" } } },
	{ "packets/duplicate-udp", all_right, { .faults = { "duplicate" }, .udp = true } },
	{ "packets/reorder", all_right, { .faults = { "reorder:depth=64" } } },
	{ "packets/delay", all_right, { .faults = { "delay:us=1ms,jitter=3ms,p=0.1" } } },
	{ "packets/slow-receiver",
	  all_right,
	  { .faults = { "slow-receiver:dst=h1,us=500us,jitter=1ms,p=0.2" } } },
	{ "packets/everything",
	  all_right,
	  { .faults = { "loss:p=0.05", "duplicate:p=0.2", "reorder:p=0.5,depth=16",
			"delay:us=0,jitter=1ms,p=0.2" },
	    .timeout_ms = 20000 } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
