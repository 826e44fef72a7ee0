/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/fault_parse.h"
#include "emu/fault_table.h"
#include "emu/util.h"

#define OPS(op) (1u << EMU_OP_##op)

static char why[512];

static struct emu_fault good(const char *text)
{
	struct emu_fault fault;

	if (emu_fault_parse(text, &fault, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	assert_string_equal(fault.text, text);
	return fault;
}

static uint32_t kind_of(const char *text)
{
	struct emu_fault fault = good(text);

	return atomic_load(&fault.kind);
}

/* --- text ---------------------------------------------------------------------------------- */

static void test_every_kind(void **state)
{
	char text[64];
	int kind;

	(void)state;
	for (kind = EMU_FAULT_NONE + 1; kind < EMU_FAULT_KINDS; kind++) {
		const char *needed = kind == EMU_FAULT_LIMIT           ? ":rate=1GB/s"
				     : kind == EMU_FAULT_REFUSE        ? ":call=mr"
				     : kind == EMU_FAULT_STATUS        ? ":status=9"
				     : kind == EMU_FAULT_DELAY         ? ":us=5"
				     : kind == EMU_FAULT_SLOW_RECEIVER ? ":jitter=5"
								       : "";

		snprintf(text, sizeof(text), "%s%s", emu_fault_kinds[kind].name, needed);
		assert_int_equal(kind_of(text), kind);
		assert_int_equal(good(text).src_host, EMU_ANY);
		assert_int_equal(good(text).count, UINT64_MAX);
		assert_true(good(text).probability >= 1);
	}
}

static void test_keys(void **state)
{
	struct emu_fault fault;

	(void)state;
	fault = good("delay:src=h1n2,dst=h63n31,qp=0513,op=send+write+imm,p=25%,skip=3,count=4,"
		     "after=2ms,for=1.5s,delay=40,jitter=10ns");
	assert_int_equal(fault.src_host, 1);
	assert_int_equal(fault.src_nic, 2);
	assert_int_equal(fault.dst_host, 63);
	assert_int_equal(fault.dst_nic, 31);
	assert_int_equal(fault.qpn, 513);
	assert_int_equal(fault.ops, OPS(SEND) | OPS(WRITE) | OPS(IMM));
	assert_true(fault.probability == 0.25);
	assert_int_equal(fault.skip, 3);
	assert_int_equal(fault.count, 4);
	assert_int_equal(fault.start, 2 * EMU_MS);
	assert_int_equal(fault.end, 1502 * EMU_MS);
	assert_int_equal(fault.delay, 40 * EMU_US);
	assert_int_equal(fault.jitter, 10);
	fault = good("loss:src=*,dst=h0,nic=5,p=.5");
	assert_int_equal(fault.src_host, EMU_ANY);
	assert_int_equal(fault.src_nic, 5);
	assert_int_equal(fault.dst_host, 0);
	assert_int_equal(fault.dst_nic, EMU_ANY);
	fault = good("refuse:host=7,nic=1,call=qp,errno=EAGAIN");
	assert_int_equal(fault.src_host, 7);
	assert_int_equal(fault.src_nic, 1);
	assert_int_equal(fault.call, EMU_CALL_QP);
	assert_int_equal(fault.error, EAGAIN);
	assert_int_equal(good("refuse:call=ah,errno=28").error, ENOSPC);
	assert_int_equal(good("limit:src=h2,rate=10Gbps").rate, 1250000000);
	assert_int_equal(good("status:status=REMOTE_ABORT").status, 8);
	assert_int_equal(good("status:status=unresponsive").status, 13);
	assert_int_equal(good("loss:for=0").end, 0);
	assert_int_equal(kind_of("LOSS:P=1"), EMU_FAULT_LOSS);
}

/* What the text leaves out. */
static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(good("refuse:call=open").error, ENOMEM);
	assert_int_equal(good("reorder").depth, 8);
	assert_int_equal(good("reorder:depth=64").depth, 64);
	assert_int_equal(good("flap").period, EMU_S);
	assert_int_equal(good("flap").delay, 100 * EMU_MS);
	assert_int_equal(good("flap:period=5ms,down=0").delay, 0);
	assert_int_equal(good("limit:rate=1").delay, EMU_LIMIT_BURST);
	assert_int_equal(good("limit:rate=1,burst=50ms").delay, 50 * EMU_MS);
	assert_int_equal(good("limit:rate=1,burst=0").delay, 0);
	assert_int_equal(good("bad-key").status, 7);
	assert_int_equal(good("bad-key").ops, OPS(READ) | OPS(WRITE));
	assert_int_equal(good("bad-key:op=write").ops, OPS(WRITE));
	assert_int_equal(good("bad-key").skip, 0);
	assert_int_equal(good("revoked-key").status, 7);
	assert_int_equal(good("revoked-key").skip, 1);
	assert_int_equal(good("revoked-key:after=1s").skip, 0);
	assert_int_equal(good("rnr").status, 10);
	assert_int_equal(good("rnr").ops, OPS(SEND) | OPS(IMM));
	assert_int_equal(good("loss").ops, 0);
	assert_int_equal(good("loss").end, EMU_NEVER);
	/* The receiver is the own side of these. */
	assert_int_equal(good("rnr:nic=3").dst_nic, 3);
	assert_int_equal(good("rnr:nic=3").src_nic, EMU_ANY);
	assert_int_equal(good("slow-receiver:nic=3,us=1").dst_nic, 3);
	assert_int_equal(good("loss:nic=3").src_nic, 3);
}

static const struct {
	const char *text, *message;
} bad[] = {
	{ "", "no fault ''; there are: delay, reorder, duplicate, loss, nic-down," },
	{ "losss", "no fault 'losss'; did you mean loss? There are: delay, reorder," },
	{ "slow", "did you mean slow-receiver?" },
	{ "nicdown:nic=1", "no fault 'nicdown'; did you mean nic-down?" },
	{ "x\nloss", "no fault 'x?loss'" },
	{ "loss:rate=3", "no key of loss 'rate'; " },
	{ "loss:coutn=3", "no key of loss 'coutn'; did you mean count? There are: src, dst, nic," },
	{ "nic-down:p=1", "no key of nic-down 'p'" },
	{ "kill:down=1", "no key of kill 'down'" },
	{ "loss:p", "loss: 'p' is not key=value" },
	{ "loss:p=1,", "loss: '' is not key=value" },
	{ "loss:,p=1", "loss: '' is not key=value" },
	{ "loss:=1", "no key of loss ''" },
	{ "loss:p=1,p=1", "loss: p= is given twice" },
	{ "loss:p=1.5", "loss: p: '1.5' is no probability (0 to 1, or 0% to 100%)" },
	{ "loss:p=101%", "is no probability" },
	{ "loss:p=", "is no probability" },
	{ "loss:p=-1", "is no probability" },
	{ "loss:p=1x", "is no probability" },
	{ "loss:p=nan", "is no probability" },
	{ "loss:count=0", "loss: count: '0' is not a number from 1 to 18446744073709551615" },
	{ "loss:count=18446744073709551616", "is not a number" },
	{ "loss:count=1e3", "is not a number" },
	{ "loss:skip=1.5", "is not a number" },
	{ "loss:skip=+1", "is not a number" },
	{ "loss:qp=65536", "is not a number from 0 to 65535" },
	{ "loss:src=h64",
	  "loss: src: 'h64' is no host (h0..h63), NIC of a host (h0n0..h63n31) or *" },
	{ "loss:src=h1n32", "is no host" },
	{ "loss:src=h1n", "is no host" },
	{ "loss:src=h1n2x", "is no host" },
	{ "loss:src=h.5", "is no host" },
	{ "loss:src=h1.", "is no host" },
	{ "loss:src=1", "is no host" },
	{ "loss:src=", "is no host" },
	{ "loss:dst=h", "is no host" },
	{ "loss:nic=32", "loss: nic: '32' is not a number from 0 to 31" },
	{ "loss:src=h0n1,nic=1", "loss: nic= and src= both name the NIC" },
	{ "rnr:dst=h0n1,nic=1", "rnr: nic= and dst= both name the NIC" },
	{ "kill:src=h0,host=0", "kill: host= and src= both name the host" },
	{ "kill:skip=5", "kill: p, skip, qp, dst and nic choose packets: give op= too" },
	{ "loss:op=sned", "loss: op: no op 'sned'; did you mean send? There are: send, read," },
	{ "loss:op=send+", "no op ''" },
	{ "loss:op=", "no op ''" },
	{ "status:status=0", "is not a number from 1 to 255" },
	{ "status:status=256", "is not a number" },
	{ "status:status=OK", "no status 'OK'" },
	{ "status:status=UNRESPONSIV", "did you mean UNRESPONSIVE?" },
	{ "status", "status: status= is missing (1..255 or name)" },
	{ "status:status=9,op=ack", "op=response and op=ack are answers" },
	{ "rnr:op=response", "op=response and op=ack are answers" },
	{ "limit", "limit: rate= is missing" },
	{ "limit:rate=10G", "limit: rate: '10G' is no rate (10Gbps, 500Mbit, 1.25GB/s;" },
	{ "limit:rate=0", "is no rate" },
	{ "refuse", "refuse: call= is missing (open, pd, mr, cq, qp or ah)" },
	{ "refuse:call=mrr", "did you mean mr? There are: open, pd, mr, cq, qp, ah" },
	{ "refuse:call=mr,errno=EWHAT", "refuse: errno: 'EWHAT' is no errno (ENOMEM, EAGAIN," },
	{ "refuse:call=mr,errno=0", "is no errno" },
	{ "refuse:call=mr,errno=134", "is no errno" },
	{ "delay", "delay: how long? Give us= or jitter=" },
	{ "delay:us=0", "delay: how long?" },
	{ "delay:us=1,delay=1", "us= and delay= are the same" },
	{ "delay:us=5parsec", "delay: us: '5parsec' is no time (150us, 2ms, 1.5s, 3min;" },
	{ "delay:us=99999999999999999999", "is no time" },
	{ "slow-receiver", "slow-receiver: how long?" },
	{ "reorder:depth=0", "is not a number from 1 to 64" },
	{ "reorder:depth=65", "is not a number from 1 to 64" },
	{ "flap:period=0,down=0", "flap: period= must be above 0" },
	{ "flap:period=50ms", "down= at most period=" },
};

static void test_refused(void **state)
{
	struct emu_fault fault;
	char small[8];
	size_t i;

	(void)state;
	for (i = 0; i < EMU_COUNT(bad); i++) {
		why[0] = '\0';
		assert_int_equal(emu_fault_parse(bad[i].text, &fault, why, sizeof(why)), -EINVAL);
		if (!strstr(why, bad[i].message))
			fail_msg("'%s' says: %s", bad[i].text, why);
		assert_null(strchr(why, '\n'));
		assert_true(strlen(why) < sizeof(why) - 1);
		assert_int_equal(emu_fault_parse(bad[i].text, &fault, small, sizeof(small)),
				 -EINVAL);
		assert_true(strlen(small) < sizeof(small));
		assert_int_equal(emu_fault_parse(bad[i].text, &fault, NULL, 0), -EINVAL);
	}
}

static void test_length(void **state)
{
	char text[256] = "loss:p=0.";
	struct emu_fault fault;
	size_t room = sizeof(fault.text);

	(void)state;
	memset(text + strlen(text), '1', sizeof(text) - strlen(text) - 1);
	text[room - 1] = '\0';
	good(text);
	text[room - 1] = '1';
	text[room] = '\0';
	assert_int_equal(emu_fault_parse(text, &fault, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "a fault has at most 127 characters, this has 128");
}

/* Every key that a row of a kind names is a row itself. */
static void test_table(void **state)
{
	char keys[256], *key, *next;
	int kind, i;

	(void)state;
	for (kind = EMU_FAULT_NONE + 1; kind < EMU_FAULT_KINDS; kind++) {
		snprintf(keys, sizeof(keys), "%s", emu_fault_kinds[kind].keys);
		for (key = strtok_r(keys, " !", &next); key; key = strtok_r(NULL, " !", &next)) {
			for (i = 0; i < EMU_FAULT_KEYS; i++)
				if (!strcmp(emu_fault_keys[i].name, key))
					break;
			if (i == EMU_FAULT_KEYS)
				fail_msg("%s has no key %s", emu_fault_kinds[kind].name, key);
			assert_int_not_equal(
				emu_fault_key_use((enum emu_fault_kind)kind, (enum emu_fault_key)i),
				EMU_KEY_UNUSED);
		}
	}
	assert_int_equal(emu_fault_key_use(EMU_FAULT_LIMIT, EMU_KEY_rate), EMU_KEY_REQUIRED);
	assert_int_equal(emu_fault_key_use(EMU_FAULT_LIMIT, EMU_KEY_p), EMU_KEY_UNUSED);
	assert_int_equal(emu_fault_key_use(EMU_FAULT_NONE, EMU_KEY_p), EMU_KEY_UNUSED);
}

/* --- numbers ------------------------------------------------------------------------------- */

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		uint64_t rate; /* 0: refused */
	} rates[] = {
		{ "10Gbps", 1250000000 },
		{ "10Gbit", 1250000000 },
		{ "10Gb/s", 1250000000 },
		{ "500Mbit/s", 62500000 },
		{ "1.25GB/s", 1250000000 },
		{ "3MB", 3000000 },
		{ "3MiB/s", 3145728 },
		{ "1KiB", 1024 },
		{ "1kB", 1000 },
		{ "2TB/s", 2000000000000 },
		{ "12345", 12345 },
		{ "7B/s", 7 },
		{ "8bps", 1 },
		{ "0.5kBps", 500 },
		{ "7bps", 0 },
		{ "0", 0 },
		{ "0Gbps", 0 },
		{ "", 0 },
		{ "10G", 0 },
		{ "10Gb", 0 },
		{ "10 Gbps", 0 },
		{ "Gbps", 0 },
		{ "-1", 0 },
		{ "1e9", 0 },
		{ "0x10", 0 },
		{ "99999999999999999999", 0 },
		{ "18446744073709551615TB", 0 },
		{ "1GB/s!", 0 },
	};
	uint64_t rate;
	size_t i;

	(void)state;
	for (i = 0; i < EMU_COUNT(rates); i++) {
		rate = 77;
		assert_int_equal(emu_rate_parse(rates[i].text, &rate), rates[i].rate ? 0 : -EINVAL);
		assert_int_equal(rate, rates[i].rate ? rates[i].rate : 77);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns; /* EMU_NEVER: refused */
	} times[] = {
		{ "150us", 150000 },
		{ "150", 150000 },
		{ "2ms", 2000000 },
		{ "1.5s", 1500000000 },
		{ "0.0000000015s", 1 },
		{ "7ns", 7 },
		{ "2min", 120 * EMU_S },
		{ "1h", 3600 * EMU_S },
		{ "0", 0 },
		{ ".5", 500 },
		{ "5.", 5000 },
		{ "", EMU_NEVER },
		{ ".", EMU_NEVER },
		{ "s", EMU_NEVER },
		{ "-1s", EMU_NEVER },
		{ "1 s", EMU_NEVER },
		{ "1sec", EMU_NEVER },
		{ "1S", EMU_NEVER },
		{ "6000000h", EMU_NEVER },
	};
	uint64_t ns;
	size_t i;

	(void)state;
	for (i = 0; i < EMU_COUNT(times); i++) {
		ns = 77;
		assert_int_equal(emu_time_parse(times[i].text, &ns),
				 times[i].ns == EMU_NEVER ? -EINVAL : 0);
		assert_int_equal(ns, times[i].ns == EMU_NEVER ? 77 : times[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_length),     cmocka_unit_test(test_table),
		cmocka_unit_test(test_rates),      cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
