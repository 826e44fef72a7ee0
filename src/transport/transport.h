/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport moves bytes between ports. A port is one rail: on libfabric a domain, an endpoint, a
 * completion queue, an address vector and an event queue. Ports are not thread-safe: one thread at
 * a time uses a port. No call waits.
 */
#ifndef WEFT_TRANSPORT_H
#define WEFT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/weft.h>

/* Largest message, with the engine's header; fits the 8,928 B MTU that EFA devices report. */
#define PORT_MESSAGE_MAX  8224u
#define PORT_ADDRESS_MAX  128u
#define PORT_SEGMENTS_MAX 64 /* of post_all() */
#define PORT_EVENTS_MAX   (2 * PORT_SEGMENTS_MAX)

struct port;

enum port_forget {
	FORGET_GONE,
	FORGET_DEAD,  /* its process has ended: what it left behind may be removed */
	FORGET_UNMET, /* it has not answered: it may still look for what we sent it */
	FORGET_RESTS, /* both sides have let go of it, and it may be met again where it is */
	FORGET_LIVES, /* it was given up, or gave us up, and may be met again where it is */
};

/* What a provider itself does with an access that the owner did not, or no longer, grants. The
 * engine guards before posting; this says what a forged access meets. */
enum port_wrong_key {
	WRONG_KEY_REFUSED,   /* completes in error, the rail goes on */
	WRONG_KEY_PEER_LOST, /* completes in error, the connection to the peer is broken */
	WRONG_KEY_DEADLINE,  /* never completes: ends by its deadline */
	WRONG_KEY_UNGUARDED, /* may succeed, or never end and block the way to that peer */
};

/* What a provider's own number for an error means; the last has provider 0. */
struct port_meaning {
	int provider;
	int code; /* of weft */
};

/* A row of fabric.def. */
struct provider {
	const char *name;          /* weft's name, for weft_opts.provider */
	uint8_t number;            /* in descriptors; never reused */
	uint8_t rank;              /* auto takes the lowest of the NIC providers */
	const char *libfabric;     /* provider name asked of libfabric */
	const char *libfabric_old; /* before libfabric 1.18; NULL: the same */
	const char *fabric;        /* fabric name asked; NULL: any */
	bool in_auto;              /* opened by provider "auto" */
	bool host_local;           /* reaches processes of this host only */
	bool process_local;        /* reaches this process only */
	bool shares_device;        /* several rails may use one device */
	bool binds_address;        /* weft_opts.bind_addr applies */
	bool unregister_guards;    /* a closed registration stops what arrives late */
	bool caches_pins;   /* the library may keep closed registrations: port_limits.keeps_pins */
	uint8_t rdma;       /* enum weft_rdma: who does WRITE and READ, where emulates is not set */
	bool emulates;      /* the target's software may do what a device cannot: then a wrong
			     * key crashes the target (wrong_key does not hold), and a closed
			     * registration stops nothing. See port_limits.emulated */
	bool errors_repeat; /* an operation may be reported as failed several times */
	bool never_ends;    /* operations to a dead peer may stay for ever: emulated ones, and those
			     * that wait for its first answer; the peer cannot be forgotten then */
	bool close_waits;   /* shut() and close() may wait for what other hosts owe */
	bool inject_silent; /* that an injected message was lost is not told */
	const struct port_meaning *meanings; /* of its errors; NULL: libfabric's numbers say all */
	uint32_t addresses_max; /* in an endpoint's life; 0: no bound. See fabric_forget() */
	uint32_t address_same;  /* bytes by which the provider finds a peer; those of a dead one may
				 * come  back. 0: it cannot take two for one another. See fabric_av.c
				 */
	bool socket_address;    /* peers' addresses are those of TCP listeners */
	bool contact_in_turn; /* connections that two open to each other at once may both be lost */
	bool contact_anew; /* a first message may be taken for an old one and dropped: contact.c */
	bool direct;       /* OP_DIRECT, before libfabric 1.18 */
	uint32_t message_max; /* larger ones are sent in parts; 0: PORT_MESSAGE_MAX */
	bool segments;     /* operations of several segments were tried: its rma_iov_limit counts */
	bool has_wait_fd;  /* the completion queue offers a descriptor to sleep on */
	bool reaches_gpus; /* its devices can be let at a GPU's memory: FI_HMEM */
	bool asked_once;   /* what it offers is asked before any use: fabric_offers.c */
	uint64_t caps;     /* asked besides FI_MSG | FI_RMA */
	uint64_t mode;     /* mode bits that the port can honour */
	enum port_wrong_key wrong_key;
	const struct transport *transport;
};

struct port_device {
	char libfabric[32];
	char fabric[64];
	char device[64];
	char address[64];
	char pci[16]; /* "0000:4f:00.0"; "" where the provider does not say */
	uint64_t speed_mbps;
};

struct port_opts {
	const struct provider *provider;
	const char *device; /* exact device name, or the script of loop; NULL: the first */
	const char *bind_addr;
	uint32_t receive_buffers;
	bool gpus; /* the engine may register a GPU's memory: the port asks for what that needs */
	weft_log_fn log;
	void *log_ctx;
	int log_level;
};

struct port_limits {
	uint32_t depth;
	uint32_t inject;
	bool direct;      /* OP_DIRECT is understood, */
	bool copies;      /* and asks nothing of the peer: it may sleep meanwhile */
	bool late_errors; /* an operation that was done may still be reported as failed; its
			   * op.ctx is handed back and not looked into: context.h */
	bool emulated;    /* the provider emulates, and READ or WRITE is not the device's */
	bool keeps_pins;  /* a closed registration may go on, its key with it, and grants all: then
			   * unregister_guards does not hold */
	uint8_t write_by, read_by; /* enum weft_rdma */
	uint64_t max_message;      /* largest READ or WRITE, bytes; but see fetch_max */
	uint64_t fetch_max; /* of an emulated port: the largest operation whose bytes a device's
			     * READ moves, ours or, for a WRITE, the target's; 0: none does. The
			     * peer has to be such a port, and to have answered here before */
	uint64_t fetch_min; /* the shortest such WRITE */
	uint32_t segments;  /* most that post_all() takes; 1: it is not called */
	char libfabric[32];
	char fabric[64];
	char device[64];
	char pci[16]; /* as port_device's */
	char address[96];
	char nic[64];        /* name of its RDMA device, for nic_counters(); "": it has none */
	const char *no_gpus; /* why pin_gpu() is of no use; NULL: it may be called */
};

/* Memory of a GPU that is to be pinned. */
struct gpu_memory {
	void *base;
	size_t len;
	int ordinal; /* CUDA's number of the GPU */
	int dmabuf; /* descriptor of its dma-buf, which the caller closes afterwards; -1: by address
		     */
	uint64_t dmabuf_offset; /* of base */
};

/* Space that providers ask for behind an operation's context (FI_CONTEXT2). The caller embeds it
 * and leaves it alone until the operation's event. */
struct op_ctx {
	void *provider[8];
};

enum op_kind {
	OP_WRITE,
	OP_READ,
	OP_KINDS,
};

enum op_flags {
	OP_IMM = 1,    /* WRITE: imm goes to the target's completion queue, after the data */
	OP_PLACED = 2, /* the event comes when the data is placed, not when it is sent */
	OP_DIRECT = 8, /* the copy is made inside post(): placed when the event comes, whatever the
			* peer does. Not together with OP_IMM or OP_PLACED. */
};

struct op {
	uint8_t kind;
	uint8_t flags;
	uint32_t imm;
	void *local;
	size_t len;
	void *desc; /* of the local memory's pin */
	uint64_t dest;
	uint64_t remote;
	uint64_t key;
	struct op_ctx *ctx;
};

/* What of an operation differs where several are posted as one. */
struct segment {
	void *local;
	size_t len; /* at least 1 */
	uint64_t remote;
	struct op_ctx *ctx;
};

struct pin {
	void *handle; /* the provider's registration */
	void *desc;
	uint64_t key;
	uint64_t base; /* what peers add their offset to: 0, or the memory's address */
};

enum event_kind {
	EVENT_DONE, /* an operation ended: ctx, error */
	EVENT_SENT, /* a message was sent or lost: cookie, error; lost: its bytes, see EVENT_RECV */
	EVENT_RECV, /* a message came: data, len; borrowed until the port's next poll */
	EVENT_IMM,  /* a peer's WRITE with immediate has landed: imm */
	/*
	 * The port itself failed and must be closed: error. The last of a poll. Further polls only
	 * tell messages whose end is not known, as lost: EVENT_SENT with -WEFT_EPEERGONE; when one
	 * tells nothing, close() follows.
	 */
	EVENT_BROKEN,
};

struct event {
	uint8_t kind;
	int error;          /* 0 or a negative code */
	int provider_error; /* the provider's own */
	uint32_t imm;
	union {
		struct op_ctx *ctx;
		uint64_t cookie;
	};
	const void *data;
	size_t len;
};

struct transport {
	const char *name;
	/* Lists devices of the provider: writes at most max, returns how many there are or -errno.
	 */
	int (*list)(const struct provider *provider, const char *bind_addr,
		    struct port_device *devices, int max);
	int (*open)(struct port **ret, const struct port_opts *opts);
	/* Before what is pinned is let go on the way to close(): ends traffic where that would hurt
	 * otherwise. Only unpin() and close() may follow. NULL: not needed. */
	void (*shut)(struct port *port);
	/* Ends every operation without an event: afterwards none of its memory is touched. NULL is
	 * fine. */
	void (*close)(struct port *port);
	/* The address that peers connect to. *len: room in, bytes out. */
	int (*address)(const struct port *port, void *buf, size_t *len);
	/* Checks the address and makes a destination of it; does no traffic. */
	int (*connect)(struct port *port, const void *addr, size_t len, uint64_t *ret_dest);
	void (*forget)(struct port *port, uint64_t dest, enum port_forget why);
	/* How many addresses of peers it has now, those that it cannot forget among them. NULL: it
	 * keeps none. */
	uint32_t (*addresses)(const struct port *port);
	/* -ENOMEM: no room at the device or under a limit; -EAGAIN: no more objects; -EINVAL: it
	 * refuses the range; -EFAULT: not mapped so; else it failed. */
	int (*pin)(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret);
	/* The same for memory of a GPU. -EOPNOTSUPP: the provider or this version cannot. NULL
	 * where limits() always gives a no_gpus. */
	int (*pin_gpu)(struct port *port, const struct gpu_memory *memory, uint32_t access,
		       struct pin *ret);
	/* Also legal with operations in flight, which then end in error or not at all. */
	void (*unpin)(struct port *port, struct pin *pin);
	/* 0: taken, an EVENT_DONE follows; -EAGAIN: no room, poll and repeat; else it failed. */
	int (*post)(struct port *port, const struct op *op);
	/*
	 * Posts op, without OP_IMM, once for each of count segments, 2 to port_limits.segments, in
	 * whose place its own local, len, remote and ctx do not count. They go to the provider
	 * together: one EVENT_DONE for each follows, all with the same error. All are taken, 0, or
	 * none: -EAGAIN: no room, poll and repeat; else this cannot be done with several, but
	 * perhaps with each alone.
	 */
	int (*post_all)(struct port *port, const struct op *op, const struct segment *segments,
			uint32_t count);
	/* Sends head and body as one message; the bytes are copied. 0: an EVENT_SENT with the
	 * cookie follows; 1: sent, no event follows; -EAGAIN; else it failed. */
	int (*send)(struct port *port, uint64_t dest, const void *head, size_t head_len,
		    const void *body, size_t len, uint64_t cookie);
	/* Writes at most PORT_EVENTS_MAX events; returns how many. */
	int (*poll)(struct port *port, struct event *events);
	/* Asks whether the thread may sleep on *ret_fd now (POLLIN). 0: yes; -EAGAIN: poll first;
	 * -EOPNOTSUPP: this port has nothing to sleep on. */
	int (*wait_fd)(struct port *port, int *ret_fd);
	void (*limits)(const struct port *port, struct port_limits *ret);
	/* The provider's words for an event's error; valid until the port's next poll. */
	const char *(*explain)(struct port *port);
};

extern const struct transport transport_fabric;
extern const struct transport transport_loop;

/* For tests: a port of transport_fabric breaks with its next poll. */
void transport_test_break(struct port *port);
/* The same: how long it keeps addresses that rest. */
void transport_test_rest(struct port *port, uint64_t rest_ns);

/* All rows, by rank; ends with name NULL. */
extern const struct provider providers[];
const struct provider *provider_find(const char *name);
const struct provider *provider_by_number(uint8_t number);

/* Reads a counter, a file of dir. False: it is not there, or not a number of 64 bits. */
bool nic_read_counter(int dir, const char *name, uint64_t *ret);

/* Calls fn with each counter of an RDMA device's port 1, as the kernel has them now, in the order
 * of their names. Returns how many there were; 0 also for a device that has or is none. */
int nic_counters(const char *nic, void (*fn)(void *ctx, const char *name, uint64_t value),
		 void *ctx);

/* The system's number of the NUMA node where an RDMA device is, from sysfs; -1: not known. */
int nic_node(const char *nic);

/* Longest registration that an RDMA device takes, bytes, as libibverbs says where it is loaded;
 * UINT64_MAX: not known. */
uint64_t nic_longest(const char *nic);

#endif /* WEFT_TRANSPORT_H */
