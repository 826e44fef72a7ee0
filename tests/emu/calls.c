/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of calls and of completion queues, completion channels, the bandwidth limit. */
#include <poll.h>
#include <string.h>

#include "kit.h"

#define MIB (1u << 20)

static const struct kit_ep_options plain = { 0 };

/* --- refused calls ------------------------------------------------------------------------- */

static void refuse_made(struct kit_bench *b, int error)
{
	struct ibv_ah_attr attr = { .is_global = 1, .port_num = 1 };
	struct ibv_device **list = ibv_get_device_list(NULL);

	check(list);
	attr.grh.dgid = b->nic.gid;
	check_refused(ibv_open_device(list[0]), error);
	check_refused(ibv_alloc_pd(b->nic.context), error);
	check_refused(ibv_reg_mr(b->nic.pd, b->area.data, 100, 0), error);
	check_refused(kit_cq(&b->nic, 16, NULL), error);
	check_refused(kit_qp(&b->nic, b->ep.send_cq, b->ep.recv_cq, &plain), error);
	check_refused(ibv_create_ah(b->nic.pd, &attr), error);
	ibv_free_device_list(list);
}

static void refuse(void)
{
	static const char *const calls[] = { "open", "pd", "mr", "cq", "qp", "ah" };
	static const struct {
		const char *name;
		int number;
	} errors[] = { { "", ENOMEM }, { ",errno=EAGAIN", EAGAIN }, { ",errno=EPERM", EPERM } };
	struct kit_bench b;
	struct kit_nic again;

	kit_bench_open(&b, &plain);
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
			kit_fault("refuse:call=%s%s", calls[c], errors[e].name);
		refuse_made(&b, errors[e].number);
		kit_fault_clear(0);
		kit_nic_open(&again, 0);
		kit_nic_close(&again);
	}
	/* Another NIC's and another host's calls. */
	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		kit_fault("refuse:call=%s,nic=1", calls[c]);
		kit_fault("refuse:call=%s,host=1", calls[c]);
	}
	kit_nic_open(&again, 0);
	kit_nic_close(&again);
	kit_bench_close(&b);
}

/* skip and count say which of the calls it is. */
static void refuse_some(void)
{
	struct kit_bench b;
	struct ibv_mr *mr;

	kit_bench_open(&b, &plain);
	kit_fault("refuse:call=mr,skip=3,count=2");
	for (int i = 0; i < 10; i++) {
		mr = ibv_reg_mr(b.nic.pd, b.area.data, 4096, 0);
		check_int(!mr, i == 3 || i == 4);
		if (mr)
			check_int(ibv_dereg_mr(mr), 0);
	}
	kit_bench_close(&b);
}

/* --- completion queues --------------------------------------------------------------------- */

static void wait_overflow(struct kit_nic *nic, struct ibv_cq_ex *cq)
{
	struct pollfd p = { .fd = nic->context->async_fd, .events = POLLIN };
	struct ibv_async_event event;

	check_int(poll(&p, 1, KIT_LIMIT_S * 1000), 1);
	check_int(ibv_get_async_event(nic->context, &event), 0);
	check_int(event.event_type, IBV_EVENT_CQ_ERR);
	check(event.element.cq == ibv_cq_ex_to_cq(cq));
	ibv_ack_async_event(&event);
}

static void cq_overflow_fault(void)
{
	struct kit_bench b;
	struct kit_wr wr;

	kit_bench_open(&b, &plain);
	kit_fault("cq-overflow:host=0,count=1");
	wr = kit_bench_wr(&b, KIT_WRITE, 100);
	wr.address += 50000;
	check_int(kit_post(&b.ep, &wr), 0);
	wait_overflow(&b.nic, b.ep.send_cq);
	kit_bench_close(&b);
}

/* More completions than the queue has entries. */
static void cq_overflow_real(void)
{
	static const struct kit_ep_options small = { .sends = 64, .recvs = 64, .cqes = 16 };
	struct kit_bench b;
	struct kit_wr wr;
	struct kit_wc wc;
	uint32_t n = 0;

	kit_bench_open(&b, &small);
	wr = kit_bench_wr(&b, KIT_WRITE, 100);
	wr.address += 50000;
	for (int i = 0; i < 40; i++)
		check_int(kit_post(&b.ep, &wr), 0);
	wait_overflow(&b.nic, b.ep.send_cq);
	while (kit_poll(b.ep.send_cq, &wc))
		n++;
	check(n >= 16 && n < 40);
	kit_bench_close(&b);
}

/* Asking to be told, being told, once, for what one asked. */
static void events(void)
{
	struct ibv_comp_channel *channel;
	struct kit_ep_options options = plain;
	struct pollfd p = { .events = POLLIN };
	struct ibv_cq *cq;
	struct kit_nic nic;
	struct kit_area area;
	struct kit_ep ep;
	struct kit_wr wr = { .op = KIT_WRITE, .sges = 1, .to = &ep.address };
	struct kit_wc wc;
	void *context;

	kit_nic_open(&nic, 0);
	channel = ibv_create_comp_channel(nic.context);
	check(channel);
	options.channel = channel;
	kit_ep_open(&ep, &nic, &options);
	kit_area_open(&area, 8192);
	kit_area_register(&area, &nic, KIT_ACCESS);
	wr.ah = kit_ah(&nic, &nic.gid);
	wr.sge[0] = kit_sge(&area, 0, 100);
	wr.address = (uintptr_t)area.data + 4096;
	wr.rkey = area.mr->rkey;
	p.fd = channel->fd;
	check_int(kit_post(&ep, &wr), 0); /* not armed: no event */
	kit_wait(ep.own_cq, &wc);
	check_int(poll(&p, 1, 0), 0);
	for (int i = 0; i < 20; i++) {
		check_int(ibv_req_notify_cq(ibv_cq_ex_to_cq(ep.own_cq), 0), 0);
		check(!kit_poll(ep.own_cq, &wc));
		check_int(kit_post(&ep, &wr), 0);
		check_int(poll(&p, 1, KIT_LIMIT_S * 1000), 1);
		check_int(ibv_get_cq_event(channel, &cq, &context), 0);
		check(cq == ibv_cq_ex_to_cq(ep.own_cq));
		ibv_ack_cq_events(cq, 1);
		kit_wait(ep.own_cq, &wc);
		check_int(wc.status, IBV_WC_SUCCESS);
		check_int(poll(&p, 1, 0), 0);
	}
	check_int(ibv_destroy_ah(wr.ah), 0);
	kit_ep_close(&ep);
	check_int(ibv_destroy_comp_channel(channel), 0);
	kit_area_close(&area);
	kit_nic_close(&nic);
}

/* --- bandwidth limit ----------------------------------------------------------------------- */

static const struct kit_target_options room = { .host = 1, .bytes = 8 * MIB };

/* Never faster than the limit by more than 2 %, but for a burst of at most 1 ms (fault.h). How much
 * slower depends on the machine; limit_test has the exact accuracy in virtual time. */
static void limited(const char *fault, enum kit_op op, uint64_t rate)
{
	struct kit_pair p;
	struct kit_wr wr;
	uint64_t begin, took, least;

	kit_pair_open(&p, &room, 8 * MIB);
	kit_fill(p.area.data, 8 * MIB, 1);
	kit_fill(p.target.area.data, 8 * MIB, 1);
	wr = kit_pair_wr(&p, op, 1, 0, 1000);
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_fault("%s", fault);
	wr = kit_pair_wr(&p, op, 2, 0, 8 * MIB);
	begin = kit_now();
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_ok(p.ep.send_cq, 2);
	took = kit_now() - begin;
	least = (uint64_t)(8.0 * MIB / (double)rate * 1e9 * 0.98) - 1000000;
	kit_note("8 MiB at %llu MB/s: %llu ms, at least %llu ms",
		 (unsigned long long)(rate / 1000000), (unsigned long long)(took / 1000000),
		 (unsigned long long)(least / 1000000));
	check(took >= least);
	check(kit_holds(p.area.data, 8 * MIB, 1) && kit_holds(p.target.area.data, 8 * MIB, 1));
	kit_pair_close(&p);
}

static void limit_writes(void)
{
	limited("limit:host=0,rate=20MB/s", KIT_WRITE, 20000000);
}

static void limit_reads(void)
{
	limited("limit:src=h1,nic=0,rate=160Mbps", KIT_READ, 20000000);
}

static void limit_lowest(void)
{
	/* The lowest counts; what is on another NIC does not. */
	kit_fault("limit:rate=1GB/s");
	kit_fault("limit:host=0,nic=1,rate=1000");
	limited("limit:rate=40MB/s", KIT_WRITE, 40000000);
}

static const struct kit_case cases[] = {
	{ "calls/refuse", refuse, { .nics = 2 } },
	{ "calls/refuse-some", refuse_some },
	{ "calls/cq-overflow-fault", cq_overflow_fault },
	{ "calls/cq-overflow-real", cq_overflow_real },
	{ "calls/events", events },
	{ "calls/limit-writes", limit_writes },
	{ "calls/limit-writes-udp", limit_writes, { .udp = true } },
	{ "calls/limit-reads", limit_reads },
	{ "calls/limit-lowest", limit_lowest },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
