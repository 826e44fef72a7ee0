/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that programs see: each gives the status, the errno or the event that it should. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"

static const struct kit_target_options with_recvs = {
	.host = 1, .bytes = 1 << 20, .recvs = 64, .slot = 1024
};
static const struct kit_target_options without_recvs = { .host = 1, .bytes = 1 << 20 };

static void post(struct kit_pair *p, enum kit_op op, uint64_t id, size_t size)
{
	struct kit_wr wr = kit_pair_wr(p, op, id, 0, size);

	check_int(kit_post(&p->ep, &wr), 0);
}

static void good(struct kit_pair *p, enum kit_op op)
{
	post(p, op, 99, 1000);
	kit_wait_ok(p->ep.send_cq, 99);
}

/* --- links --------------------------------------------------------------------------------- */

static void cut(const char *fault, bool met_before, uint32_t status)
{
	static const enum kit_op ops[] = { KIT_WRITE, KIT_READ, KIT_SEND };
	struct kit_pair p;
	struct kit_wc wc;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	if (met_before)
		good(&p, KIT_WRITE);
	kit_fault("%s", fault);
	for (int i = 0; i < 3; i++) {
		post(&p, ops[i], i, 1000);
		check(!kit_poll(p.ep.send_cq, &wc));
		kit_wait_status(p.ep.send_cq, i, status);
		/* What has been given up once has been met before no more. */
		status = status == 13 && met_before ? 15 : status;
	}
	kit_fault_clear(0);
	for (int i = 0; i < 3; i++)
		good(&p, ops[i]);
	kit_pair_close(&p);
}

static void link_down_met(void)
{
	cut("link-down:src=h0,dst=h1", true, 13);
}

static void link_down_first(void)
{
	cut("link-down:src=h1,dst=h0", false, 15);
}

static void link_down_always_13(void)
{
	cut("link-down:src=h0,dst=h1", false, 13);
}

static void remote_nic_down(void)
{
	cut("nic-down:host=1", true, 13);
}

static void own_nic_down(void)
{
	cut("nic-down:host=0,nic=0", true, 13);
}

static void flap_long(void)
{
	cut("flap:host=1,period=100s,down=99s", true, 13);
}

/* While a link is down nothing arrives; what comes back in time was worth waiting for. */
static void short_outage(const char *fault)
{
	struct kit_pair p;
	struct kit_wc wc;
	uint32_t number;
	uint64_t end;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	number = kit_fault("%s", fault);
	memset(p.target.area.data, 0, 1000);
	kit_fill(p.area.data, 1000, 1);
	post(&p, KIT_WRITE, 1, 1000);
	for (end = kit_now() + 100000000; kit_now() < end; kit_pause(100))
		check(!kit_poll(p.ep.send_cq, &wc));
	check(kit_all(p.target.area.data, 1000, 0));
	kit_fault_clear(number);
	kit_wait_ok(p.ep.send_cq, 1);
	check(kit_holds(p.target.area.data, 1000, 1));
	kit_pair_close(&p);
}

static void short_link_down(void)
{
	short_outage("link-down:src=h0,dst=h1");
}

static void short_nic_down(void)
{
	short_outage("nic-down:host=1");
}

static void flaps(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	for (int i = 0; i < 60; i++) {
		good(&p, i & 1 ? KIT_WRITE : KIT_READ);
		usleep(10000);
	}
	kit_pair_close(&p);
}

static void wait_event(struct kit_nic *nic, enum ibv_event_type wanted)
{
	struct pollfd p = { .fd = nic->context->async_fd, .events = POLLIN };
	struct ibv_async_event event;

	check_int(poll(&p, 1, KIT_LIMIT_S * 1000), 1);
	check_int(ibv_get_async_event(nic->context, &event), 0);
	check_int(event.event_type, wanted);
	if (wanted == IBV_EVENT_PORT_ERR || wanted == IBV_EVENT_PORT_ACTIVE)
		check_int(event.element.port_num, 1);
	ibv_ack_async_event(&event);
}

/* Programs hear of their own NIC's port, and see its state. */
static void port_events(void)
{
	static const struct kit_ep_options plain = { 0 };
	struct ibv_port_attr port;
	struct kit_bench b;
	char text[64];

	kit_bench_open(&b, &plain);
	kit_fault("nic-down:host=0,nic=0");
	wait_event(&b.nic, IBV_EVENT_PORT_ERR);
	check_int(ibv_query_port(b.nic.context, 1, &port), 0);
	check_int(port.state, IBV_PORT_DOWN);
	until(kit_sysfs(&b.nic, "ports/1/state", text, sizeof(text)) && strstr(text, "DOWN"));
	kit_fault_clear(0);
	wait_event(&b.nic, IBV_EVENT_PORT_ACTIVE);
	check_int(ibv_query_port(b.nic.context, 1, &port), 0);
	check_int(port.state, IBV_PORT_ACTIVE);
	until(kit_sysfs(&b.nic, "ports/1/state", text, sizeof(text)) && strstr(text, "ACTIVE"));
	kit_bench_close(&b);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void revoked(void)
{
	struct kit_pair p;
	uint32_t old;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	good(&p, KIT_WRITE);
	old = p.target.rkey;
	kit_target_revoke(&p.target);
	for (enum kit_op op = KIT_READ; op <= KIT_WRITE; op++) {
		post(&p, op, op, 200000);
		kit_wait_status(p.ep.send_cq, op, 7);
	}
	kit_target_reregister(&p.target);
	check(p.target.rkey != old);
	good(&p, KIT_WRITE);
	good(&p, KIT_READ);
	p.target.rkey = old;
	post(&p, KIT_READ, 5, 10);
	kit_wait_status(p.ep.send_cq, 5, 7);
	kit_pair_close(&p);
}

static void bad_key_fault(void)
{
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	kit_fault("bad-key:count=2");
	post(&p, KIT_WRITE, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, 7);
	good(&p, KIT_SEND); /* no key */
	post(&p, KIT_READ, 2, 10);
	kit_wait_status(p.ep.send_cq, 2, 7);
	good(&p, KIT_READ);
	kit_fault_clear(0);
	kit_fault("revoked-key");
	good(&p, KIT_WRITE);
	post(&p, KIT_WRITE, 3, 10);
	kit_wait_status(p.ep.send_cq, 3, 7);
	kit_fault_clear(0);
	good(&p, KIT_WRITE);
	kit_pair_close(&p);
}

/* Each is drawn for itself: one that is refused is followed by others that are not. */
static void bad_key_by_chance(void)
{
	unsigned int refused = 0, after = 0;
	struct ibv_wc wc;
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	kit_fault("bad-key:p=50%%");
	for (unsigned int i = 0; i < 100; i++) {
		post(&p, KIT_READ, i, 10);
		until(ibv_poll_cq(ibv_cq_ex_to_cq(p.ep.send_cq), 1, &wc) == 1);
		after += refused && wc.status == IBV_WC_SUCCESS;
		refused += wc.status != IBV_WC_SUCCESS;
	}
	check(refused >= 20 && after >= 20);
	kit_pair_close(&p);
}

/* Any status can be had, and comes as libefa shows it. */
static void any_status(void)
{
	static const uint32_t statuses[] = { 7, 8, 9, 11, 12, 14, 18 };
	struct kit_pair p;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		for (enum kit_op op = KIT_SEND; op <= KIT_WRITE; op++) {
			kit_fault("status:status=%u,count=1", statuses[i]);
			post(&p, op, 1, 1000);
			kit_wait_status(p.ep.send_cq, 1, statuses[i]);
			good(&p, op);
		}
	kit_pair_close(&p);
}

/* Where the device says so, RDMA needs an address handle at the target. */
static void unknown_peer(void)
{
	struct kit_pair p;
	uint16_t number;

	kit_pair_open(&p, &with_recvs, 1 << 20);
	post(&p, KIT_WRITE, 1, 1000);
	kit_wait_status(p.ep.send_cq, 1, 14);
	post(&p, KIT_READ, 2, 1000);
	kit_wait_status(p.ep.send_cq, 2, 14);
	good(&p, KIT_SEND);
	kit_target_ah(&p.target, &p.nic.gid, &number);
	good(&p, KIT_WRITE);
	good(&p, KIT_READ);
	kit_pair_close(&p);
}

/* --- receivers that are not ready ---------------------------------------------------------- */

static void rnr_count(int retries)
{
	struct kit_target_options options = with_recvs;
	struct kit_pair p;

	options.ep.rnr_retry = 1 + retries;
	kit_pair_open(&p, &options, 1 << 20);
	/* As often as it tries again, it may be refused. */
	if (retries)
		kit_fault("rnr:dst=h1,count=%d", retries);
	good(&p, KIT_SEND);
	kit_fault_clear(0);
	kit_fault("rnr:dst=h1,count=%d", retries + 1);
	post(&p, KIT_SEND, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, 10);
	good(&p, KIT_SEND);
	kit_pair_close(&p);
}

static void rnr_counts(void)
{
	rnr_count(3);
}

static void rnr_none(void)
{
	rnr_count(0);
}

static void rnr_real(void)
{
	struct kit_target_options options = without_recvs;
	struct kit_pair p;
	struct kit_wr wr;
	struct kit_wc wc;

	options.ep.rnr_retry = 1 + 2;
	kit_pair_open(&p, &options, 1 << 20);
	post(&p, KIT_SEND, 1, 10);
	kit_wait_status(p.ep.send_cq, 1, 10);
	wr = kit_pair_wr(&p, KIT_WRITE, 2, 0, 50000);
	wr.imm = true;
	check_int(kit_post(&p.ep, &wr), 0);
	kit_wait_status(p.ep.send_cq, 2, 10);
	check(!kit_target_poll(&p.target, &wc));
	good(&p, KIT_WRITE); /* needs no receive */
	kit_target_recv(&p.target, 5, 0, 1000);
	good(&p, KIT_SEND);
	kit_target_wait(&p.target, &wc);
	check_int(wc.id, 5);
	kit_pair_close(&p);
}

/* Seven means for ever. */
static void rnr_for_ever(void)
{
	struct kit_target_options options = without_recvs;
	struct kit_pair p;
	struct kit_wc wc;

	options.ep.rnr_retry = 1 + 7;
	kit_pair_open(&p, &options, 1 << 20);
	kit_fill(p.area.data, 100, 1);
	post(&p, KIT_SEND, 1, 100);
	usleep(100000); /* hundreds of tries */
	check(!kit_poll(p.ep.send_cq, &wc));
	kit_target_recv(&p.target, 5, 0, 1000);
	kit_wait_ok(p.ep.send_cq, 1);
	kit_target_wait(&p.target, &wc);
	check(kit_holds(p.target.area.data, 100, 1));
	kit_pair_close(&p);
}

static const struct kit_case cases[] = {
	{ "faults/link-down-met", link_down_met, { .timeout_ms = 300 } },
	{ "faults/link-down-met-udp", link_down_met, { .timeout_ms = 300, .udp = true } },
	{ "faults/link-down-first", link_down_first, { .timeout_ms = 300 } },
	{ "faults/link-down-first-udp", link_down_first, { .timeout_ms = 300, .udp = true } },
	{ "faults/link-down-always-13",
	  link_down_always_13,
	  { .device = "unreachable=0", .timeout_ms = 300 } },
	{ "faults/remote-nic-down", remote_nic_down, { .timeout_ms = 300 } },
	{ "faults/own-nic-down", own_nic_down, { .timeout_ms = 300 } },
	{ "faults/flap-long", flap_long, { .timeout_ms = 300 } },
	{ "faults/short-link-down", short_link_down, { .timeout_ms = 20000 } },
	{ "faults/short-link-down-udp", short_link_down, { .timeout_ms = 20000, .udp = true } },
	{ "faults/short-nic-down", short_nic_down, { .timeout_ms = 20000 } },
	{ "faults/flaps",
	  flaps,
	  { .faults = { "flap:host=1,period=100ms,down=30ms" }, .timeout_ms = 20000 } },
	{ "faults/port-events", port_events },
	{ "faults/revoked", revoked },
	{ "faults/bad-key", bad_key_fault },
	{ "faults/bad-key-by-chance", bad_key_by_chance },
	{ "faults/any-status", any_status },
	{ "faults/unknown-peer", unknown_peer, { .device = "unknown_peer=1" } },
	{ "faults/rnr-counts", rnr_counts, { .device = "rnr_timer=100" } },
	{ "faults/rnr-none", rnr_none },
	{ "faults/rnr-real", rnr_real, { .device = "rnr_timer=100" } },
	{ "faults/rnr-for-ever", rnr_for_ever, { .device = "rnr_timer=100" } },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
