/* SPDX-License-Identifier: Apache-2.0 */
#include "meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define SERIES_MAX 1000000u

int meter_open(struct meter *m, struct pair *pair, uint64_t warm_ns, uint64_t measure_ns)
{
	memset(m, 0, sizeof(*m));
	m->latency = calloc(1, sizeof(*m->latency));
	if (!m->latency)
		return -ENOMEM;
	m->pair = pair;
	m->warm_ns = warm_ns;
	m->measure_ns = measure_ns;
	m->start_ns = m->last_ns = clock_ns();
	return 0;
}

int meter_series(struct meter *m, uint64_t part_ns)
{
	const uint64_t n = (m->measure_ns + part_ns - 1) / part_ns;

	if (n > SERIES_MAX)
		return err_set(-EINVAL, "a series of %llu parts; %u is the most",
			       (unsigned long long)n, SERIES_MAX);
	m->series_n = (uint32_t)n;
	m->series_ns = part_ns;
	m->series = calloc(m->series_n, sizeof(*m->series));
	return m->series ? 0 : -ENOMEM;
}

void meter_series_done(struct meter *m, uint64_t now_ns, uint64_t n)
{
	const uint64_t part = (now_ns - m->start_ns) / m->series_ns;

	if (part < m->series_n)
		m->series[part] += n;
}

void meter_close(struct meter *m)
{
	free(m->latency);
	free(m->series);
	m->latency = NULL;
	m->series = NULL;
}

/* Ends a phase. The warm-up ends at a completion, so the first measured one is a whole one. */
bool meter_advance(struct meter *m, uint64_t now_ns)
{
	if (m->pair->seen == PAIR_WARM) {
		hist_reset(m->latency);
		m->ops = 0;
		m->start_ns = now_ns;
		pair_move(m->pair, PAIR_MEASURE);
		return true;
	}
	m->measured_ns = now_ns - m->start_ns;
	m->measured_ops = m->ops;
	pair_move(m->pair, PAIR_DRAIN);
	return false;
}
