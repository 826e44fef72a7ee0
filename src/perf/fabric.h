/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end over libfabric: fabric.c (life), fabric_find.c (provider and devices),
 * fabric_limits.c (what a provider can), fabric_open.c (objects of libfabric), fabric_address.c
 * (twins meet), fabric_io.c (hot path), fabric_credit.c (receivers are never overrun).
 *
 * A port has one rail for each device that it uses: a domain with one completion queue and one
 * registration. Its endpoints are spread over the rails. Everything goes through a port's one
 * piece of memory: for each endpoint a page of credit, its sources and its sinks. Twins write into
 * each other's sinks and read from each other's sources.
 */
#ifndef WEFT_PERF_FABRIC_H
#define WEFT_PERF_FABRIC_H

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include "perf/backend.h"
#include "transport/transport.h"

#define PFAB_DEVICES_MAX 64
#define PFAB_CREDIT_ROOM 192 /* bytes of each endpoint: told to us, told by us, spare receives */

/* Of one case on this machine: a provider and its devices. */
struct pfab_choice {
	struct provider row;  /* of fabric.def, or made for a name of libfabric */
	struct fi_info *list; /* what libfabric offers */
	struct fi_info *device[PFAB_DEVICES_MAX]; /* entries of list */
	uint32_t devices;
};

enum pfab_kind {
	PFAB_OPERATION, /* of the case */
	PFAB_RECEIVE,
	PFAB_CREDIT,
};

/* What a completion's context is; ctx first. */
struct pfab_op {
	struct fi_context2 ctx;
	uint64_t number;
	struct pfab_op *next; /* in a list of free ones, or of receives to post */
	uint32_t slot;        /* of a receive: its sink */
	uint16_t ep;
	uint8_t kind; /* enum pfab_kind */
};

struct pfab_rail {
	struct fi_info *info; /* entry of the choice's list */
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_mr *mr;
	void *desc;
	uint64_t base; /* what the twin adds its offset to */
	uint32_t eps;
	uint32_t in_use; /* place in the table of devices in use */
};

/* What an endpoint is told by its twin, by a WRITE that may be seen half done. */
struct pfab_credit {
	uint64_t value; /* 0: nothing yet; else 1 + messages that the twin has taken */
	uint64_t check; /* ~value */
};

struct pfab_ep {
	struct pfab_rail *rail;
	struct fid_ep *ep;
	struct fid_av *av; /* its own: efa lets endpoints share none */
	fi_addr_t dest;
	uint64_t remote, remote_key; /* of the twin's memory */
	uint32_t depth, busy;        /* operations that the provider takes, and has */
	struct pfab_op *free;        /* of the case's operations */
	struct pfab_op *repost;      /* receives that the provider did not take back yet */
	struct pfab_op credit;
	bool credit_busy;
	bool said;      /* hello */
	bool unflushed; /* the last post said FI_MORE, and none followed */
	uint64_t posted, done;
	uint64_t may_send;        /* messages that it may have posted, since the start */
	uint32_t room;            /* receives that the twin has posted */
	uint32_t early;           /* messages that came before twins had met, not told yet */
	uint64_t taken, told;     /* messages of the twin: taken here, and told to it */
	struct pfab_credit *here; /* the twin writes it */
	struct pfab_credit *there;
	unsigned char *sources, *sinks;
};

struct pfab_port {
	struct perf_port port;
	const struct perf_case *c;
	struct perf_case copy; /* what c is */
	struct pfab_choice choice;
	uint32_t index;
	bool target;
	struct pfab_rail rail[PERF_EPS_MAX];
	uint32_t rails;
	struct pfab_ep *ep;        /* c->eps */
	struct pfab_op *ops;       /* of all endpoints: operations, then receives */
	uint64_t flags;            /* of each operation */
	uint32_t window, receives; /* of each endpoint; receives also where none is posted: room */
	bool posts_receives;       /* messages, and immediates where these take one */
	bool credited;             /* the target counts, so the initiator keeps to its room */
	uint64_t stride;
	uint32_t source_slots, sink_slots;
	unsigned char *memory;
	uint64_t len;
	bool connected, met; /* addresses are known; both have said hello */
	uint32_t early;      /* of all endpoints */
	bool chores;         /* something is to be posted that was not taken */
	uint32_t next_rail, polls;
	uint64_t arrived, landed;
	bool wrong;
	char why[256]; /* what was wrong */
};

/* --- fabric_find.c ------------------------------------------------------------------------- */

/* Finds provider and devices of a case: all that fit c->devices, at most c->nics. Errors list what
 * there is. */
int pfab_choose(struct pfab_choice *ret, const struct perf_case *c);
void pfab_choice_free(struct pfab_choice *choice);
/* Which of n devices an endpoint takes: the least used, then one in the node here, then the first.
 * node: of each device, -1 where it is not known. */
uint32_t pfab_pick(const uint32_t *used, const int *node, uint32_t n, int here);
/* The same with what this process's ports use; counts it. Returns the device's number, and in
 * *ret_use what pfab_release() gives back. */
uint32_t pfab_take(const struct pfab_choice *choice, uint32_t *ret_use);
void pfab_release(uint32_t use);
/* A device's name, for people and filters. */
const char *pfab_device(const struct fi_info *info);
/* Its NIC's, as below /sys/class/infiniband; "" where libfabric tells none. */
const char *pfab_nic(const struct fi_info *info);

/* --- fabric_limits.c ----------------------------------------------------------------------- */

int pfab_limits(const struct perf_case *c, struct perf_limits *ret);
/* Of a choice; then whether the case keeps to them: 0, or -EINVAL with err_set(). */
void pfab_limits_of(const struct pfab_choice *choice, enum perf_op op, struct perf_limits *ret);
int pfab_limits_check(const struct pfab_choice *choice, const struct perf_case *c);
/* Edges of a provider by weft's name, ascending, each once. */
uint32_t pfab_edges(const char *provider, uint32_t version, enum perf_op op, uint64_t mtu,
		    uint64_t inject, uint64_t *ret);
/* Flags of the case's operations. */
uint64_t pfab_flags(const struct pfab_choice *choice, const struct perf_case *c);

/* --- fabric_open.c ------------------------------------------------------------------------- */

/* Opens rails, memory and endpoints of a port whose case and choice are set. After a failure
 * pfab_close_objects() is called all the same. */
int pfab_open_objects(struct pfab_port *port);
void pfab_close_objects(struct pfab_port *port);
/* Registers memory for all that a port does; what: of the error. -WEFT_EMEMLOCK, -WEFT_EPROVIDER.
 */
int pfab_register(const struct pfab_rail *rail, void *memory, uint64_t len, uint64_t key,
		  const char *what, struct fid_mr **ret);
/* -WEFT_EPROVIDER or -ENOMEM: call, device, libfabric's text. rc: libfabric's, negative. */
int pfab_failed(const struct fi_info *info, const char *call, int rc);

/* --- fabric_address.c ---------------------------------------------------------------------- */

int pfab_address(struct perf_port *port, void *buf, size_t room);
int pfab_connect(struct perf_port *port, const void *address, size_t len);
/* Takes the twin's address and is ready to send what its receives have room for, without a word
 * between the twins: for finding out whether one arrives. */
int pfab_meet(struct perf_port *port, const void *address, size_t len);
/* Messages have this many bytes from now on, at most as many as the case's when it was opened;
 * nothing may be under way. */
void pfab_resize(struct perf_port *port, uint64_t size);
/* Is the content of the last message that came to the first endpoint right, where the window is 1?
 */
bool pfab_came_right(const struct perf_port *port);

/* --- fabric_io.c --------------------------------------------------------------------------- */

int pfab_post(struct perf_port *port, uint32_t ep, uint64_t number, uint32_t count);
int pfab_poll(struct perf_port *port, struct perf_event *events, uint32_t room);

/* --- fabric_credit.c ----------------------------------------------------------------------- */

/* Posts what waits: receives, credit, an operation that makes the provider start the last ones. */
int pfab_chores(struct pfab_port *port);
int pfab_receive(struct pfab_port *port, struct pfab_op *op);
/* Tells the twin how much was taken: -EAGAIN when the provider takes nothing now. */
int pfab_tell(struct pfab_port *port, struct pfab_ep *ep);
/* The twin's last word; 0: none. */
uint64_t pfab_heard(const struct pfab_ep *ep);

#endif /* WEFT_PERF_FABRIC_H */
