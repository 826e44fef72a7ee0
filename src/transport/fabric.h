/* SPDX-License-Identifier: Apache-2.0 */
/* The libfabric port, shared by fabric.c (life), fabric_info.c (devices), fabric_io.c (hot path).
 */
#ifndef WEFT_TRANSPORT_FABRIC_H
#define WEFT_TRANSPORT_FABRIC_H

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include "base/clock.h"
#include "base/map.h"
#include "transport/transport.h"

/* The newest API version that weft was tested with; an older library is asked for its own. */
#define FABRIC_API_NEWEST  FI_VERSION(2, 1)

#define FABRIC_TX_MESSAGES 256u

/* Bytes: more than efa's headers of a WRITE or READ ever take (1.17 and 2.1: under 256), and what
 * an emulated operation moves at most. */
#define FABRIC_HEADERS_MAX  512u
#define FABRIC_EMULATED_MAX 8192u
/* Bytes that a device fetches with one operation, at most. libfabric cuts what is longer than a
 * device takes, or than FI_EFA_READ_SEGMENT_SIZE (both 1 GiB), and is not to. */
#define FABRIC_FETCH_MAX (4u << 20)

/* A message buffer; ctx first, so that a completion's context leads back to it. */
struct fabric_slot {
	struct op_ctx ctx;
	uint64_t cookie;
	uint8_t *data;
	uint32_t len;             /* of tx: bytes of the message */
	uint32_t turn;            /* of tx: uses so far, see tx_context() */
	bool out;                 /* of tx: sent, and its end was not told */
	struct fabric_slot *next; /* free list of tx, repost list of rx */
};

#define FABRIC_JOINT_MAX 8u
/* Bytes of a direct copy, and of all between two polls: half a millisecond in which the engine does
 * nothing else. */
#define FABRIC_COPY_MAX (4u << 20)

/* Addresses of peers that live and are not talked to at present, at most. */
#define FABRIC_KEPT_MAX 64u
/* How long addresses stay of peers that were let go: see fabric_rest.c. */
#define FABRIC_REST_NS (10 * NSEC_PER_SEC)

/* Several operations that went as one; ctx first, so that a completion's context leads back to it.
 */
struct fabric_joint {
	struct op_ctx ctx;
	uint32_t count;
	struct op_ctx *members[FABRIC_JOINT_MAX];
	struct fabric_joint *next; /* free list */
};

/* See fabric_rest.c. */
struct fabric_rest {
	fi_addr_t dest;
	uint64_t until_ns;
};

struct port {
	const struct provider *provider;
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_cq *cq;
	struct fid_av *av;
	struct fid_ep *ep;
	struct fid_mr *buffers_mr; /* when the provider wants local memory registered */
	void *buffers_desc;
	uint8_t *buffers;
	size_t buffers_len;
	struct fabric_slot *rx, *tx;
	uint32_t rx_count, tx_count;
	struct fabric_slot *tx_free;
	struct fabric_slot *tx_lost; /* told in the last poll; free with the next */
	struct op_ctx **direct;      /* ring of direct operations whose completion was not read */
	uint32_t direct_size, direct_head, direct_tail;
	struct op_ctx **copied; /* ring of direct_size: copied here, to be told; or NULL */
	uint32_t copied_head, copied_tail;
	uint64_t copied_bytes;       /* since the last poll */
	uint32_t segments;           /* port_limits.segments */
	struct fabric_joint *joints; /* those up to joints_used were used before; or NULL */
	struct fabric_joint *joint_free;
	uint32_t joints_size, joints_used;
	struct fabric_slot *rx_repost; /* handed out by the last poll */
	uint32_t polls;
	bool broken;        /* EVENT_BROKEN was told: only messages are, any more */
	bool breaks;        /* the next poll tells it: transport_test_break() */
	uint32_t addresses; /* inserted */
	uint32_t held;      /* of them, those not removed */
	struct map newest;  /* see fabric_av.c, as for the next three */
	struct map users;   /* destination: connects that were not forgotten */
	fi_addr_t kept[FABRIC_KEPT_MAX];
	uint32_t kept_count;
	struct fabric_rest *rests; /* rests_size, of which from rests_head on: the oldest first */
	uint32_t rests_size, rests_head, rests_count;
	uint64_t rest_ns;               /* how long they stay */
	struct map resting;             /* destination: until_ns of its last rest */
	size_t inject;                  /* messages up to this size are injected */
	bool emulated;                  /* port_limits.emulated */
	bool keeps_pins;                /* port_limits.keeps_pins */
	uint8_t write_by, read_by;      /* port_limits.write_by, read_by */
	bool late_errors;               /* port_limits.late_errors */
	bool gpus_asked;                /* port_opts.gpus */
	const char *no_gpus;            /* port_limits.no_gpus */
	int fd;                         /* to sleep on; -1: none */
	struct fabric_sockets *sockets; /* where the provider has any; else NULL */
	uint64_t sockets_ns;            /* when to look for new ones; 0: no more */
	uint64_t sockets_rest_ns;       /* not before, since looking takes time */
	uint64_t next_key;          /* of a random sequence, where the application chooses keys */
	struct fabric_local *local; /* same-process ends of host-local providers; else NULL */
	char error_text[256];
	weft_log_fn log;
	void *log_ctx;
	int log_level;
};

/* fi_getinfo for a row; *ret must be freed. device NULL: any. gpus: with FI_HMEM, or nothing. No
 * entry is -WEFT_ENOPROVIDER. */
int fabric_getinfo(const struct provider *provider, const char *device, const char *bind_addr,
		   bool gpus, struct fi_info **ret);
int fabric_list(const struct provider *provider, const char *bind_addr, struct port_device *devices,
		int max);
void fabric_describe(const struct fi_info *info, struct port_device *ret);
/* Asks libfabric; its code. *ret: a list of what is usable, perhaps empty. */
int fabric_ask(const struct provider *provider, const char *device, const char *node, bool gpus,
	       struct fi_info **ret);
/* The same of a provider that is asked_once: out of what was kept. */
int fabric_offers(const struct provider *provider, const char *device, bool gpus,
		  struct fi_info **ret);

/* Stores what failed and why; returns the code. rc is libfabric's, negative. */
int fabric_failed(const struct port *port, int rc, const char *call);
/* Code of weft for a libfabric error number (positive or negative). */
int fabric_code(int error);
/* The same for an operation that failed, which the provider's own number may tell better. */
int fabric_meaning(const struct port *port, int error, int provider_error);

/* -WEFT_EENVIRONMENT when a FI_EFA_* variable would make libfabric's efa call abort(). */
int fabric_efa_env(bool efa_asked);
/* Who does READs on an EFA device, as libfabric 1.17 decides it (enum weft_rdma). */
uint8_t fabric_efa_fetches(const char *nic);
/* The shortest WRITE, bytes, that libfabric's efa has the target's device fetch. */
uint64_t fabric_efa_fetch_min(void);

struct efa_device {
	uint32_t part; /* its PCI id */
	bool reads;    /* it has RDMA read */
};
/* efa_device.c: of that name, or NULL: the first, at which libfabric looks. False: nobody can tell.
 */
bool fabric_efa_device(const char *name, struct efa_device *ret);
/* The root of sysfs, as libibverbs sees it: SYSFS_PATH or "/sys". */
const char *fabric_sysfs(void);

/*
 * libfabric's shm maps an endpoint of the same process by plain pointer: a post or a late answer to
 * it after it has closed crashes. So fabric_local.c knows which ends of this process are open, and
 * keeps a closed one's objects until no open one refers to it. Nothing polls them meanwhile.
 */
int fabric_local_open(struct port *port);
/* Removes segments that an earlier process with our process id left behind. */
void fabric_local_sweep(void);
/* Whether a segment of this address exists. */
bool fabric_local_exists(const char *address);
void fabric_local_close(struct port *port);
/* Takes out a kept port that can be destroyed now; NULL: none. */
struct port *fabric_local_next_unused(void);
void fabric_local_connected(struct port *port, const char *address, uint64_t dest);
/*
 * A peer in another process that has not looked at its queue yet will map our segment by name when
 * it does, and 1.17 crashes there when the name is gone. So the segment's file outlives the
 * endpoint then; the peer removes it when it sees that we are dead.
 */
void fabric_local_unmet(struct port *port, uint64_t dest);
void fabric_local_keep_segment(struct port *port, bool before_close);
/* The process that dest is in; 0: not known. */
int fabric_local_pid(const struct port *port, uint64_t dest);
/* Whether dest is an end of this process that has closed. */
bool fabric_local_gone(struct port *port, uint64_t dest);

/* fabric_guard.c: file names a segment in /dev/shm that port uses, its own or a peer's. */
int fabric_guard_add(const struct port *port, const char *file);
void fabric_guard_drop(const struct port *port);

/* fabric_sockets.c: keeps sockets of the provider from programs that are started. */
int fabric_sockets_open(struct port *port);
void fabric_sockets_met(struct port *port, const void *address, size_t len);
void fabric_sockets_changed(struct port *port);
void fabric_sockets_look(struct port *port);

int fabric_connect(struct port *port, const void *addr, size_t len, uint64_t *ret_dest);
void fabric_forget(struct port *port, uint64_t dest, enum port_forget why);
/* Takes a destination that nobody has out of the address vector. */
void fabric_remove(struct port *port, fi_addr_t dest);
/* The same after a while, unless it is in use again by then; where there is no memory, at once. */
void fabric_rest(struct port *port, fi_addr_t dest);
void fabric_rest_end(struct port *port, fi_addr_t dest);
void fabric_rest_expire(struct port *port);
uint32_t fabric_addresses(const struct port *port);

/* Who does what, into the port; its endpoint is enabled. */
void fabric_find_rdma(struct port *port);
void fabric_limits(const struct port *port, struct port_limits *ret);
/* port_limits.direct */
bool fabric_direct(const struct port *port);

/* fabric_segments.c */
int fabric_segments_open(struct port *port);
void fabric_segments_close(struct port *port);
int fabric_post_all(struct port *port, const struct op *op, const struct segment *segments,
		    uint32_t count);
/* Makes a direct copy of one operation. -EAGAIN: too much was copied since the last poll. Any other
 * error: libfabric is to be asked, and says why. */
int fabric_copy(struct port *port, const struct op *op);
/* Tells what was copied in the post; returns the number of events. */
int fabric_copied(struct port *port, struct event *events);
/* Whether what has ended is a joint. */
static inline bool fabric_is_joint(const struct port *port, const void *ctx)
{
	return (uintptr_t)ctx - (uintptr_t)port->joints <
	       (uintptr_t)port->joints_size * sizeof(*port->joints);
}
/* Makes one event for each of its operations out of the first; returns their number. */
int fabric_joint_ended(struct port *port, struct event *events);

int fabric_recv_post(struct port *port, struct fabric_slot *slot);
int fabric_post(struct port *port, const struct op *op);
int fabric_send(struct port *port, uint64_t dest, const void *head, size_t head_len,
		const void *body, size_t len, uint64_t cookie);
int fabric_poll(struct port *port, struct event *events);
int fabric_wait_fd(struct port *port, int *ret_fd);
const char *fabric_explain(struct port *port);

int fabric_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret);
int fabric_pin_gpu(struct port *port, const struct gpu_memory *memory, uint32_t access,
		   struct pin *ret);
/* Before the endpoint is enabled: finds out whether the device itself can reach GPUs. */
void fabric_gpus(struct port *port);
void fabric_unpin(struct port *port, struct pin *pin);
/* Whether closed registrations go on, as far as that can be seen; what follows is logged. */
bool fabric_keeps_pins(struct port *port);

#endif /* WEFT_TRANSPORT_FABRIC_H */
