/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a back end gives to the measuring loops: ports. A port is one thread's way to its twin at
 * the other side: endpoints, a registered buffer, operations by number. All calls on a port come
 * from one thread at a time. Calls return 0 or more, or a negative code of weft/error.h with
 * err_set() telling what failed, on which device, why, and what to do.
 */
#ifndef WEFT_PERF_BACKEND_H
#define WEFT_PERF_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perf/case.h"

#define PERF_ADDRESS_MAX 65536 /* bytes that two twins swap */
#define PERF_EDGES_MAX   16

/* A port of a back end: its first member in the back end's own struct. */
struct perf_port {
	const struct perf_backend *backend;
};

/* What a back end can do for a case on this machine, asked before anything is opened. */
struct perf_limits {
	uint64_t max_size;             /* of the case's operation, bytes */
	uint32_t max_window;           /* operations in flight of an endpoint */
	uint32_t max_inline;           /* bytes */
	uint32_t edges;                /* sizes at which the protocol changes, ascending */
	uint64_t edge[PERF_EDGES_MAX]; /* largest size of the protocol before */
};

enum perf_event_kind {
	PERF_DONE,    /* an operation of this port has ended */
	PERF_ARRIVED, /* a message or write with immediate of the twin has landed here */
};

struct perf_event {
	uint64_t number; /* DONE: of the operation; ARRIVED: how many so far on this port, from 0 */
	uint32_t ep;
	uint8_t kind; /* enum perf_event_kind */
};

/* What a port knows of itself when a run is over. */
struct perf_facts {
	char ways[256]; /* device and provider of each endpoint, for people: "efa rdmap0s6-rdm" */
	uint64_t bytes_landed; /* counted at this side, payload: messages, immediates, reads */
	uint64_t retransmits;  /* tcp: segments sent again; else 0 */
	uint64_t wire_bytes;   /* tcp: TCP_INFO bytes sent and received; else 0 */
	bool is_tcp;           /* TCP_INFO answered on every stream */
	bool wrong;            /* validate: some content was not what it had to be */
};

struct perf_backend {
	const char *name;    /* on the command line */
	const char *summary; /* for help and man page */
	const char *layer;   /* what is measured, for the report: "libfabric", "weft engine", ... */
	uint32_t tests;      /* bit 1 << enum perf_test */
	uint32_t ops;        /* bit 1 << enum perf_op */
	bool one_process;    /* both ends are made by pair() in this process; no server */

	int (*limits)(const struct perf_case *c, struct perf_limits *ret);
	/*
	 * Opens the port of one thread. index: of the thread. target: the side that the other one's
	 * operations go to; with bidir both initiate all the same.
	 */
	int (*open)(struct perf_port **ret, const struct perf_case *c, uint32_t index, bool target);
	/* one_process: a port and its twin. */
	int (*pair)(struct perf_port **ret, struct perf_port **twin, const struct perf_case *c,
		    uint32_t index);
	/* What the twin must know. Returns its length, at most PERF_ADDRESS_MAX. */
	int (*address)(struct perf_port *port, void *buf, size_t room);
	/* Takes the twin's address, as bytes from the network: checked. Calls never block:
	 * -EAGAIN: call again, with the same bytes; the twin does the same. The caller keeps the
	 * deadline. 0: connected; whoever posts may still be before the twin's first poll. */
	int (*connect)(struct perf_port *port, const void *address, size_t len);
	/*
	 * Posts operations number, number + 1, ... number + count - 1 of the case's kind and size
	 * on endpoint ep. Returns how many were taken: fewer when a queue is full.
	 */
	int (*post)(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count);
	/* Makes progress; writes at most room events. Returns how many. However small room is,
	 * neither kind keeps the other from being told: ends and arrivals take turns. */
	int (*poll)(struct perf_port *port, struct perf_event *events, uint32_t room);
	/* Nanoseconds, monotonic. NULL: clock_ns(). The model's is virtual. */
	uint64_t (*now)(struct perf_port *port);
	/* Lets time pass until at_ns, or something happens. NULL: nothing is needed, polls do. */
	void (*idle)(struct perf_port *port, uint64_t at_ns);
	void (*facts)(struct perf_port *port, struct perf_facts *ret);
	/* NULL, or: registers len fresh bytes and deregisters them; nanoseconds of each. */
	int (*reg)(struct perf_port *port, uint64_t len, uint64_t *ret_reg_ns,
		   uint64_t *ret_dereg_ns);
	void (*close)(struct perf_port *port);
};

/* All back ends, ended by NULL; find returns NULL for a name that is none. */
extern const struct perf_backend *const perf_backends[];
const struct perf_backend *perf_backend_find(const char *name);

extern const struct perf_backend perf_fabric; /* libfabric, no engine between */
extern const struct perf_backend perf_weft;   /* libweft's engine */
extern const struct perf_backend perf_tcp;    /* TCP sockets of the kernel */
extern const struct perf_backend perf_loop;  /* memory of this process, for the tester's own cost */
extern const struct perf_backend perf_model; /* a NIC with planted behaviour and a virtual clock */

#endif /* WEFT_PERF_BACKEND_H */
