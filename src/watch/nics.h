/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RDMA devices and their counters, read again and again: what changed between two readings. A
 * counter is only ever compared with itself; one that went back, came or went counts nothing in
 * that interval, and there is a note that says so.
 *
 * Reading EFA's counters costs the device commands: whoever reads does so once a second at most
 * (NICS_PERIOD_NS).
 */
#ifndef WEFT_WATCH_NICS_H
#define WEFT_WATCH_NICS_H

#include "base/clock.h"
#include "host/nic.h"
#include "watch/metrics.h"

#define NICS_PERIOD_NS       NSEC_PER_SEC
#define NICS_FACTS_NS        (30 * NSEC_PER_SEC) /* what a device is is read again after so long */
#define NIC_COUNTERS_MAX     128                 /* of a device; further ones are not looked at */
#define NIC_COUNTER_NAME_MAX 48

enum nic_change {
	NIC_FIRST,   /* there was none before to compare with */
	NIC_COUNTED, /* delta holds */
	NIC_BACK,    /* it was larger before */
};

struct nic_counter {
	char name[NIC_COUNTER_NAME_MAX];
	int metric; /* of metrics[]; -1: none of its own */
	uint64_t value, before, delta;
	enum nic_change change;
};

struct nic_state {
	struct host_nic nic;
	bool fresh; /* not there at the reading before */
	int error;  /* of its counters as a whole; 0 */
	uint32_t count, back, unread;
	char unread_name[NIC_COUNTER_NAME_MAX]; /* the first that could not be read */
	struct nic_counter counters[NIC_COUNTERS_MAX];
};

struct nics {
	const struct sysroot *root;
	struct nic_state *now, *before; /* HOST_NICS_MAX each */
	struct nic_held *held;          /* nics_hold.h; NULL: nothing is held */
	uint32_t count, count_before;
	int error;                    /* of the list of devices; 0 */
	uint64_t now_ns, before_ns;   /* when; before_ns 0: this is the first reading */
	uint64_t facts_ns, taken_ns;  /* when the facts were read; how long the last reading took */
	uint64_t back[HOST_NICS_MAX]; /* of now[], since nics_open() */
};

/* root must stay until nics_close(). hold: to look every second costs less, and takes a descriptor
 * for each counter. -ENOMEM. */
int nics_open(struct nics **ret, const struct sysroot *root, bool hold);
/* For programs that hold: lets the process have as many files open as it may. */
void nics_more_files(void);
void nics_close(struct nics *nics); /* NULL is fine */
/* A reading; the one before stays in nics->before. A machine without devices, or with files that
 * cannot be read, is no failure: nics->error says it. */
void nics_read(struct nics *nics, uint64_t now_ns);

/* Fills change, before and delta of now's counters. before NULL: there was no such device. */
void nic_compare(const struct nic_state *before, struct nic_state *now);
/* Calls fn with one line for each thing to know about the last reading: a counter that went back,
 * one that cannot be read, devices that came or went. */
void nics_notes(const struct nics *nics, void (*fn)(void *ctx, const char *text), void *ctx);
/* How much of a role came in the last interval; false: the device has no counter of that role, or
 * none that can be compared. */
bool nic_role(const struct nic_state *nic, enum metric_role role, uint64_t *ret);
bool nic_is_up(const struct host_nic *nic); /* port 1 is active */

/* All metrics of NICs as Prometheus' text. */
void nics_metrics(const struct nics *nics, FILE *out);

#endif /* WEFT_WATCH_NICS_H */
