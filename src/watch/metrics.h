/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of metrics, and Prometheus' text format 0.0.4 made of it: a metric's head (HELP and
 * TYPE), then its samples, all of one metric together.
 */
#ifndef WEFT_WATCH_METRICS_H
#define WEFT_WATCH_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum metric_type {
	METRIC_counter,
	METRIC_gauge,
	METRIC_summary,
};

/* What a counter of a NIC is a part of, for who wants few figures. Of those that say how much was
 * moved the first that a NIC has counts; the others are added up. */
enum metric_role {
	ROLE_NONE,
	ROLE_TX_BYTES,
	ROLE_RX_BYTES,
	ROLE_TX_PACKETS,
	ROLE_RX_PACKETS,
	ROLE_RETRANSMITS,
	ROLE_DROPS,
	ROLE_ERRORS,
	ROLES,
};

/* Indexes of metrics[]. */
enum metric_id {
#define METRIC_NIC(counter, ...)  METRIC_NIC_##counter,
#define METRIC_KV(field, ...)     METRIC_KV_##field,
#define METRIC_ENGINE(field, ...) METRIC_ENGINE_##field,
#define METRIC(id, ...)           METRIC_##id,
#include "watch/metrics.def"
	METRICS,
};

struct metric {
	const char *counter; /* of a NIC: its file's name; NULL: no such */
	const char *name;
	enum metric_type type;
	enum metric_role role;
	double scale;
	const char *labels; /* by comma; "" */
	const char *const *help;
};

extern const struct metric metrics[METRICS];

/* The metric of a NIC's counter; -1: it has none of its own. */
int metric_of_counter(const char *counter);
const char *metric_type_name(enum metric_type type);

/* # HELP and # TYPE. */
void metric_head(FILE *out, enum metric_id id);
/* One sample. values: of the labels, in the order of the row, as many; NULL where it has none.
 * value is multiplied by the row's scale. */
void metric_u64(FILE *out, enum metric_id id, const char *const *values, uint64_t value);
void metric_real(FILE *out, enum metric_id id, const char *const *values, double value);
/* Of a summary: a quantile (0.5), or with suffix "_sum" or "_count" and quantile NULL these. */
void metric_part(FILE *out, enum metric_id id, const char *const *values, const char *suffix,
		 const char *quantile, double value);

#endif /* WEFT_WATCH_METRICS_H */
