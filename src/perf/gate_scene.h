/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the gates: a result without a flaw. */
#ifndef WEFT_PERF_GATE_SCENE_H
#define WEFT_PERF_GATE_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "perf/gate.h"

#define GB (1000000000ull)

/* Two repeats of one second on two hosts with a NIC each, without a flaw. */
struct scene {
	struct perf_result r;
	struct perf_run run[2];
	struct perf_env here, there;
	struct perf_fact fact[2][3];
	struct hist latency;
};

static struct scene s;

static inline void set_side(struct perf_side *side, bool sends)
{
	*side = (struct perf_side){
		.ops = sends ? 1000000 : 0,
		.bytes = sends ? 6 * GB : 0,
		.landed = sends ? 0 : 6 * GB,
		.ns = GB,
		.nics = 1,
		.ways = "efa rdmap0s6-rdm",
		.cpu = { .process = 1, .machine = 1.1, .foreign = 0.1 },
	};
	strcpy(side->nic[0].name, "rdmap0s6");
	if (sends)
		side->nic[0].tx_bytes = 6 * GB + 1000000 * 40;
	else
		side->nic[0].rx_bytes = 6 * GB + 1000000 * 40;
}

static inline void set_env(struct perf_env *env, struct perf_fact fact[3], const char *boot)
{
	strcpy(fact[0].name, "boot_id");
	strcpy(fact[0].value, boot);
	strcpy(fact[1].name, "hostname");
	strcpy(fact[1].value, "node");
	strcpy(fact[2].name, "x");
	*env = (struct perf_env){ fact, 3, 6.25e9 };
}

static inline void reset(void)
{
	memset(&s, 0, sizeof(s));
	s.r = (struct perf_result){
		.c = { .test = PERF_BW,
		       .op = PERF_SEND,
		       .backend = "fabric",
		       .provider = "efa",
		       .devices = "rdmap0s6-rdm",
		       .size = 6000,
		       .window = 64,
		       .threads = 1,
		       .eps = 1,
		       .warm_ns = GB },
		.run = s.run,
		.runs = 2,
		.rate = { 6e9, 5.9e9, 6.1e9, 0.01, 8 },
		.reached = true,
		.wanted = 0.02,
		.latency = &s.latency,
	};
	for (int i = 0; i < 2; i++) {
		s.run[i].warm_stable = true;
		set_side(&s.run[i].here, true);
		set_side(&s.run[i].there, false);
	}
	s.latency.count = 1000000;
	set_env(&s.here, s.fact[0], "aaaa");
	set_env(&s.there, s.fact[1], "bbbb");
}

static inline void reset_tcp(void)
{
	reset();
	strcpy(s.r.c.backend, "tcp");
	s.r.c.provider[0] = s.r.c.devices[0] = '\0';
	for (int i = 0; i < 2; i++)
		s.run[i].here.is_tcp = s.run[i].there.is_tcp = true;
}

static inline void look(void)
{
	perf_gates(&s.r, &s.here, &s.there);
}

/* No flag, or that one alone. */
static inline void expect(const char *gate)
{
	look();
	assert_int_equal(s.r.flags, gate ? 1 : 0);
	if (gate)
		assert_string_equal(s.r.flag[0].gate, gate);
}

#endif /* WEFT_PERF_GATE_SCENE_H */
