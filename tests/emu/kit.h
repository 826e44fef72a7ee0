/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kit of the emulator's end-to-end tests: programs that use the public ABI of libibverbs and
 * libefa alone, as any application does, in several processes on several emulated hosts.
 *
 * A case is a function that runs in a process of its own, in a world of its own (struct kit_world).
 * That process is on host 0 and makes its peers by fork before its first verbs call. A check that
 * fails says where and ends its process at once; the runner ends the rest. Output is TAP.
 *
 * Only the runner knows the emulator from inside: it makes the world, and cases add and clear
 * faults through it (kit_fault()).
 */
#ifndef KIT_H
#define KIT_H

#include <errno.h>
#include <infiniband/efadv.h>
#include <infiniband/verbs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KIT_SANITIZED 1
#endif
#endif
#ifndef KIT_SANITIZED
#define KIT_SANITIZED 0
#endif

/* Deadlines guard against hanging only: nothing is judged by how long it took. */
#define KIT_LIMIT_S    (KIT_SANITIZED ? 120 : 40)
#define KIT_WATCHDOG_S (KIT_SANITIZED ? 300 : 120)

/* --- what headers newer than rdma-core 44 add to the ABI ----------------------------------- */

enum {
	KIT_CAPS_RDMA_WRITE = 1 << 3,
	KIT_CAPS_UNSOLICITED = 1 << 4,
	KIT_QP_UNSOLICITED = 1 << 0,
	KIT_WC_WITH_IS_UNSOLICITED = 1 << 1,
};

struct kit_qp_init_attr {
	uint64_t comp_mask;
	uint32_t driver_qp_type;
	uint16_t flags;
	uint8_t sl;
	uint8_t reserved;
};

struct kit_adv_cq {
	uint64_t comp_mask;
	int (*wc_read_sgid)(struct efadv_cq *cq, union ibv_gid *sgid);
	bool (*wc_is_unsolicited)(struct efadv_cq *cq);
};

/* --- checks: kit_check.c ------------------------------------------------------------------- */

_Noreturn void kit_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void kit_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kit_enter(const char *file, int line); /* what the watchdog names */
void kit_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define check(condition)                                                                       \
	do {                                                                                   \
		kit_enter(__FILE__, __LINE__);                                                 \
		if (!(condition))                                                              \
			kit_fail(__FILE__, __LINE__, "%s (errno %d)", #condition, (int)errno); \
	} while (0)

#define check_int(got, wanted)                                                                   \
	do {                                                                                     \
		long long kit_got, kit_wanted;                                                   \
		kit_enter(__FILE__, __LINE__);                                                   \
		kit_got = (long long)(got);                                                      \
		kit_wanted = (long long)(wanted);                                                \
		if (kit_got != kit_wanted)                                                       \
			kit_fail(__FILE__, __LINE__, "%s is %lld, not %lld (%s)", #got, kit_got, \
				 kit_wanted, #wanted);                                           \
	} while (0)

/* The call answers NULL with this errno. */
#define check_refused(call, wanted)                                                      \
	do {                                                                             \
		kit_enter(__FILE__, __LINE__);                                           \
		errno = 0;                                                               \
		if ((call) != NULL)                                                      \
			kit_fail(__FILE__, __LINE__, "%s was not refused", #call);       \
		if (errno != (wanted))                                                   \
			kit_fail(__FILE__, __LINE__, "%s: errno %d, not %d (%s)", #call, \
				 (int)errno, (wanted), #wanted);                         \
	} while (0)

/* Waits until condition holds, at most KIT_LIMIT_S; sleeps a little between looks. */
#define until(condition)                                                               \
	do {                                                                           \
		uint64_t kit_end = kit_now() + KIT_LIMIT_S * 1000000000ull;            \
		uint64_t kit_looks = 0;                                                \
		kit_enter(__FILE__, __LINE__);                                         \
		while (!(condition)) {                                                 \
			if (kit_now() > kit_end)                                       \
				kit_fail(__FILE__, __LINE__, "never: %s", #condition); \
			kit_pause(kit_looks++);                                        \
		}                                                                      \
	} while (0)

uint64_t kit_now(void); /* ns, CLOCK_MONOTONIC */
void kit_pause(uint64_t looks);
/* Numbers of repetitions: by tier, fewer under a sanitizer. */
uint64_t kit_scale(uint64_t nightly, uint64_t full, uint64_t quick);

/* --- cases and worlds: kit_run.c ----------------------------------------------------------- */

struct kit_world {
	uint32_t hosts, nics;  /* 0: 2 hosts, 1 NIC each */
	const char *device;    /* rows of emu/efa.def: "mtu=4096 reorder=0" */
	const char *faults[4]; /* from the start */
	uint64_t seed;
	uint32_t timeout_ms; /* until a silent remote is given up; 0: 2 s, more under a sanitizer */
	bool udp;            /* carrier; else rings */
	const char *trace;   /* file; NULL: none */
};

struct kit_case {
	const char *name;
	void (*fn)(void);
	struct kit_world world;
	bool nightly;
};

/* Runs the cases (to one without a name). argv: [--list] [--filter TEXT] [--here]. */
int kit_main(int argc, char **argv, const struct kit_case *cases);

/* Of the case that runs. */
const char *kit_world_dir(void);
uint64_t kit_timeout_ns(void);

/* Adds a fault, KIND:key=value,...; its number. */
uint32_t kit_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kit_fault_clear(uint32_t number); /* 0: all */

/* For cases that need more than the one world they run in: makes another, removes it. */
void kit_world_make(const struct kit_world *world, char *dir, size_t size);
void kit_world_remove(const char *dir);

/* --- devices and memory: kit_nic.c --------------------------------------------------------- */

struct kit_nic {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct efadv_device_attr efa;
	uint32_t mtu;
	union ibv_gid gid;
	char name[64];
};

void kit_nic_open(struct kit_nic *nic, uint32_t index);
void kit_nic_close(struct kit_nic *nic);
struct ibv_ah *kit_ah(const struct kit_nic *nic, const union ibv_gid *gid);

/* Bytes between canaries, shared with processes that are forked later. */
struct kit_area {
	uint8_t *data;
	size_t size;
	struct ibv_mr *mr;
	void *base;
	size_t mapped;
};

/* Of a device with all capabilities. */
#define KIT_ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)

void kit_area_open(struct kit_area *area, size_t size);
void kit_area_register(struct kit_area *area, const struct kit_nic *nic, int access);
int kit_access(const struct kit_nic *nic);  /* all that the device has */
void kit_area_close(struct kit_area *area); /* also checks the canaries, deregisters */
void kit_canaries(const struct kit_area *area);

/* Content: the same for the same seed and place, different for any other seed. */
void kit_fill(void *data, size_t size, uint64_t seed);
bool kit_holds(const void *data, size_t size, uint64_t seed);
bool kit_all(const void *data, size_t size, uint8_t byte);

/* A file of the NIC's sysfs tree as a number or text, through SYSFS_PATH. */
uint64_t kit_counter(const struct kit_nic *nic, const char *name);
/* The same of any host, as the world's directory has it. */
uint64_t kit_host_counter(uint32_t host, const char *device, const char *name);
void kit_host_gid(uint32_t host, const char *device, union ibv_gid *gid);
bool kit_sysfs(const struct kit_nic *nic, const char *file, char *text, size_t size);

/* --- queue pairs: kit_ep.c ----------------------------------------------------------------- */

#define KIT_QKEY 0x11111111u

struct kit_ep_options {
	bool ud, unsolicited, plain_cq;
	uint32_t sends, recvs, cqes;         /* depths; 0: 256, 256, the sum */
	uint32_t send_sges, recv_sges;       /* 0: 2, 2 */
	uint32_t inline_bytes;               /* 0: 32 */
	int rnr_retry;                       /* of 1 + count; 0: leave it */
	uint32_t qkey;                       /* 0: KIT_QKEY */
	uint64_t no_ops;                     /* not to be asked for in send_ops_flags */
	struct ibv_cq_ex *send_cq, *recv_cq; /* of others; NULL: one of its own for both */
	struct ibv_comp_channel *channel;    /* of its own queue */
};

struct kit_address {
	union ibv_gid gid;
	uint32_t qpn, qkey;
};

struct kit_ep {
	struct kit_nic *nic;
	struct ibv_cq_ex *send_cq, *recv_cq, *own_cq;
	struct ibv_qp *qp;
	struct ibv_qp_ex *ex;
	struct kit_address address;
};

void kit_ep_open(struct kit_ep *ep, struct kit_nic *nic, const struct kit_ep_options *options);
void kit_ep_close(struct kit_ep *ep);

/* The steps of kit_ep_open(), for what may be refused: NULL and errno. */
struct ibv_cq_ex *kit_cq(struct kit_nic *nic, uint32_t cqes, struct ibv_comp_channel *channel);
struct ibv_qp *kit_qp(struct kit_nic *nic, struct ibv_cq_ex *send_cq, struct ibv_cq_ex *recv_cq,
		      const struct kit_ep_options *options);
int kit_ready(struct ibv_qp *qp, const struct kit_ep_options *options); /* to RTS; errno */

enum kit_op {
	KIT_SEND,
	KIT_READ,
	KIT_WRITE
};

struct kit_wr {
	enum kit_op op;
	uint64_t id;
	struct ibv_ah *ah;
	const struct kit_address *to;
	struct ibv_sge sge[4];
	uint32_t sges;
	const void *inline_data; /* instead of sge */
	uint32_t inline_bytes;
	bool imm;
	uint32_t imm_data; /* host order */
	uint64_t address;  /* remote */
	uint32_t rkey;
	bool legacy; /* by ibv_post_send() */
};

int kit_post(struct kit_ep *ep, const struct kit_wr *wr); /* errno */
int kit_recv(struct kit_ep *ep, uint64_t id, const struct ibv_sge *sge, int sges);
struct ibv_sge kit_sge(const struct kit_area *area, size_t offset, size_t size);

struct kit_wc {
	uint64_t id;
	enum ibv_wc_status status;
	uint32_t vendor, opcode, bytes, flags, imm, qpn, src_qpn, slid;
	bool has_sgid, unsolicited;
	union ibv_gid sgid;
};

/* One look. plain: by ibv_poll_cq(). */
bool kit_poll(struct ibv_cq_ex *cq, struct kit_wc *wc);
bool kit_poll_plain(struct ibv_cq_ex *cq, struct kit_wc *wc);
/* The next completion; fails past KIT_LIMIT_S. */
void kit_wait(struct ibv_cq_ex *cq, struct kit_wc *wc);
/* It must be id's, and a success; or this status of the device (with the verbs status it maps to).
 */
void kit_wait_ok(struct ibv_cq_ex *cq, uint64_t id);
void kit_wait_status(struct ibv_cq_ex *cq, uint64_t id, uint32_t vendor);
enum ibv_wc_status kit_verbs_status(uint32_t vendor);

/* --- other processes: kit_peer.c ----------------------------------------------------------- */

/* A process forked off, and the way to it. */
struct kit_peer {
	pid_t pid;
	int sock;
};

/* fn runs there, on that host, and then the process ends with success. */
void kit_fork(struct kit_peer *peer, uint32_t host, void (*fn)(struct kit_peer *parent, void *arg),
	      void *arg);
void kit_tell(const struct kit_peer *peer, const void *data, size_t size);
void kit_hear(const struct kit_peer *peer, void *data, size_t size); /* exactly so much */
bool kit_heard(const struct kit_peer *peer);                         /* is there something? */
void kit_sync(const struct kit_peer *peer);                          /* both sides meet */
void kit_join(struct kit_peer *peer);                                /* it must end with success */
void kit_kill(struct kit_peer *peer);
void kit_killed(struct kit_peer *peer); /* waits for it to be killed by SIGKILL; it must be */
void kit_stop(const struct kit_peer *peer);
void kit_continue(const struct kit_peer *peer);

/* --- a peer that does as it is told: kit_target.c ------------------------------------------ */

struct kit_target_options {
	uint32_t host, nic; /* host 0: EMU host of the case itself; usual is 1 */
	size_t bytes;       /* of its area */
	int access;         /* 0: all that the device has */
	uint32_t recvs;     /* receives posted at once, of slot bytes each from the area's start */
	size_t slot;
	struct kit_ep_options ep;
};

struct kit_target {
	struct kit_peer peer;
	struct kit_area area; /* its memory, seen from here too; registered there */
	struct kit_address address;
	uint32_t rkey;
	const struct kit_target_options *options;
};

/* To be called before the first verbs call of the process; options must last. */
void kit_target_open(struct kit_target *target, const struct kit_target_options *options);
void kit_target_end(struct kit_target *target);
void kit_target_gone(struct kit_target *target); /* after kit_kill() */

/* Ends of receives. kit_target_poll(): one look. */
void kit_target_wait(struct kit_target *target, struct kit_wc *wc);
bool kit_target_poll(struct kit_target *target, struct kit_wc *wc);
/* Waits for `count` receives, whose ids go to ids in order of completion. */
void kit_target_collect(struct kit_target *target, uint32_t count, uint64_t *ids);
void kit_target_recv(struct kit_target *target, uint64_t id, size_t offset, size_t size);
void kit_target_ah(struct kit_target *target, const union ibv_gid *gid, uint16_t *number);
void kit_target_revoke(struct kit_target *target);     /* deregisters */
void kit_target_reregister(struct kit_target *target); /* another key for the same memory */
void kit_target_destroy_qp(struct kit_target *target);
/* From its area to `to`: a SEND, waited for there. */
void kit_target_send(struct kit_target *target, const struct kit_address *to, size_t offset,
		     size_t size);
/* Waits for a write with immediate of `size` bytes whose imm is the seed and the content at
 * offset; looks at the bytes in the moment of the completion. */
void kit_target_await_write(struct kit_target *target, uint32_t seed, size_t offset, size_t size);

/* A target, and this process's own queue pair, memory and address handle to it. */
struct kit_pair {
	struct kit_target target;
	struct kit_nic nic;
	struct kit_ep ep;
	struct kit_area area;
	struct ibv_ah *ah;
};

void kit_pair_open(struct kit_pair *pair, const struct kit_target_options *options, size_t bytes);
void kit_pair_close(struct kit_pair *pair);
/* The parts of this process alone: for targets that have gone. */
void kit_pair_close_here(struct kit_pair *pair);
/* A request for [offset, offset + size) of the own area, and the target's area from its start. */
struct kit_wr kit_pair_wr(const struct kit_pair *pair, enum kit_op op, uint64_t id, size_t offset,
			  size_t size);

/* A queue pair, memory and an address handle of its own NIC, for what one process can do alone. */
struct kit_bench {
	struct kit_nic nic;
	struct kit_ep ep;
	struct kit_area area;
	struct ibv_ah *ah; /* of the own NIC */
};

void kit_bench_open(struct kit_bench *bench, const struct kit_ep_options *options);
void kit_bench_close(struct kit_bench *bench);
/* A request to itself, from and to the start of its area. */
struct kit_wr kit_bench_wr(const struct kit_bench *bench, enum kit_op op, size_t size);

#endif
