/* SPDX-License-Identifier: Apache-2.0 */
#include "meter.h"

#include <string.h>

#define METER_SAMPLES (1u << 18)

int meter_open(struct meter *m, struct pair *pair, double warm_s, double measure_s)
{
	memset(m, 0, sizeof(*m));
	m->pair = pair;
	m->warm_ns = (uint64_t)(warm_s * 1e9);
	m->measure_ns = (uint64_t)(measure_s * 1e9);
	m->start_ns = m->last_ns = meter_now();
	return samples_init(&m->latency, METER_SAMPLES);
}

void meter_close(struct meter *m)
{
	samples_fini(&m->latency);
}

/* Ends a phase. The warm-up ends at a completion, so the first measured one is a whole one. */
bool meter_advance(struct meter *m, uint64_t now_ns)
{
	if (m->pair->seen == PAIR_WARM) {
		samples_reset(&m->latency);
		m->ops = 0;
		m->start_ns = now_ns;
		pair_move(m->pair, PAIR_MEASURE);
		return true;
	}
	m->seconds = (now_ns - m->start_ns) / 1e9;
	m->measured_ops = m->ops;
	pair_move(m->pair, PAIR_DRAIN);
	return false;
}
