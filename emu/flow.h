/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insides of the data path, for srd.c, flow.c, emit.c, arrive.c and engine.c only. Everything of
 * one queue pair is guarded by its qp->lock unless said otherwise.
 *
 * A message is a request of the program, or the data that answers a remote's read. It is cut into
 * packets; each packet takes the next sequence number of its flow and keeps a record until the
 * other side has answered it. What the other side refuses fails its message (or, not ready, makes
 * it start again after a pause). Packet data is copied from the program's memory at each emission,
 * never kept.
 */
#ifndef EMU_FLOW_H
#define EMU_FLOW_H

#include "emu/carrier.h"
#include "emu/srd.h"

#define EMU_SLOT_BITS  14             /* of a message's name: the slot; the rest is a count */
#define EMU_TICK       (10 * EMU_MS)  /* between looks at what has no answer yet */
#define EMU_HOLD       (20 * EMU_US)  /* a packet waits so long at most for others to overtake it */
#define EMU_LOSS_PAUSE (500 * EMU_US) /* before a packet is sent again that a fault has dropped */
#define EMU_CUT_PAUSE  (5 * EMU_MS)   /* the same while the link is cut */
#define EMU_FLOWS      4096 /* per queue pair and direction before idle ones are forgotten */

struct emu_flow;

struct emu_message {
	struct emu_wr wr;
	uint8_t kind; /* enum emu_packet_type of its packets */
	uint8_t rnr_left;
	bool used, queued, sleeping;
	bool cut;           /* all packets but a last WRITE_IMM have been cut */
	bool ended;         /* WRITE_IMM has been cut; DATAGRAM: faults have had their say */
	bool twice;         /* DATAGRAM: a fault sends it two times */
	uint32_t name;      /* count << EMU_SLOT_BITS | slot; of a response: the reader's */
	uint32_t offset;    /* bytes cut */
	uint32_t open;      /* packets without an answer */
	uint32_t remaining; /* READ: bytes not arrived */
	uint8_t status;     /* READ_FAILED: why */
	uint64_t retry_at;
	struct emu_flow *flow;
	struct emu_message *next, *prev; /* queue of the flow, or sleepers of the queue pair */
	struct emu_message *flow_next, *flow_prev; /* all messages of the flow */
};

struct emu_list {
	struct emu_message *first, *last;
};

enum emu_record_state {
	EMU_RECORD_FREE,
	EMU_RECORD_OPEN, /* on its way */
	EMU_RECORD_HELD, /* to be emitted when due, or when enough have overtaken it */
};

struct emu_record {
	struct emu_message *message; /* NULL: abandoned, only the number matters */
	uint64_t sent;               /* last emission; HELD: when due */
	uint32_t offset;
	uint16_t bytes;
	uint8_t type; /* enum emu_packet_type */
	uint8_t state;
	uint32_t attempt;
	uint32_t overtake; /* HELD: go when srd->emitted reaches this; 0: time alone */
	bool twice;        /* a fault sends it two times */
	bool drawn;        /* faults have had their say about this attempt */
};

/* Packets from this queue pair to one other. */
struct emu_flow {
	uint8_t gid[EMU_GID_BYTES];
	uint32_t qpn, id;
	uint32_t qkey;        /* as last used */
	uint32_t incarnation; /* of the process that answers; 0: none has */
	struct emu_path path;
	bool known;         /* path is a device of this world */
	bool answered;      /* ever */
	bool lost;          /* a fault has dropped packets since the last answer */
	bool ready;         /* in srd->ready: has messages with packets to cut */
	bool active;        /* in srd->active: has records or reads open */
	bool full;          /* a packet waits for room at the destination, others stay behind it */
	uint32_t full_pump; /* srd->pumps when that was last seen */
	uint32_t una, next_seq;
	uint32_t refused;   /* requests that a fault refused: the next has the same number, and must
			     * not have the same draw */
	uint32_t held;      /* records in srd->held that name this flow */
	uint32_t reads;     /* READ messages that wait for data */
	uint64_t heard;     /* last sign of life, or when the first unanswered packet left */
	uint64_t cut_since; /* 0: not cut */
	uint64_t gone_since; /* the other side's queue pair or process is gone; 0: it is there */
	struct emu_list queue;
	struct emu_message *messages;
	struct emu_flow *hash_next, *ready_next, *active_next;
	struct emu_record record[EMU_WINDOW];
};

/* Packets from another queue pair to this one. */
struct emu_rx {
	uint8_t gid[EMU_GID_BYTES];
	uint32_t qpn, id;
	struct emu_path path;
	bool known, to_ack;
	uint16_t ahn;      /* cached */
	uint32_t ah_epoch; /* for which ahn holds */
	uint32_t base;     /* the sender has our answers to all before */
	uint32_t acks;
	bool ack_drawn;  /* faults have had their say about the next ACK */
	uint64_t ack_at; /* an ACK was dropped by a fault: again at this time; 0: no */
	uint64_t last;   /* emu_now() of the last packet */
	uint64_t arrived[EMU_WINDOW / 64];
	uint8_t status[EMU_WINDOW];
	struct emu_rx *hash_next, *ack_next;
};

struct emu_held {
	uint64_t due;
	struct emu_flow *flow;
	uint32_t seq;
};

/* A packet that a slow receiver takes later. */
struct emu_late {
	uint64_t due;
	struct emu_late *next;
	struct emu_packet packet;
	uint8_t payload[];
};

struct emu_srd {
	struct emu_qp *qp;
	struct emu_world *world;
	uint32_t ring, generation;

	struct emu_message *slots;      /* of requests */
	uint32_t slot_count, slot_high; /* slots ever used: above are untouched pages */
	uint32_t *slot_free, slot_frees;
	uint32_t names;

	struct emu_flow **flows;
	uint32_t flow_count, flow_mask;
	struct emu_flow *ready_first, *ready_last, *active_flows;
	struct emu_list sleepers; /* by retry_at */

	struct emu_held *held; /* in no order */
	uint32_t held_count, held_size;
	uint64_t held_due;           /* the soonest, or earlier */
	uint32_t emitted, overtaken; /* overtaken: records that wait for srd->emitted */
	uint32_t pumps;              /* calls of emit_pump() */
	bool blocked;                /* a carrier was full: try again when woken */
	bool limit_paid;             /* the next packet has passed the bandwidth limit already */
	uint64_t limited_until;
	uint64_t ticked_at; /* emu_now() of the last look at silence */
	uint64_t timer;     /* next time to look; EMU_NEVER */

	struct emu_rx **rxs;
	uint32_t rx_count, rx_mask;
	struct emu_rx *ack_first;
	uint64_t forgot; /* emu_now() when idle senders were last looked for */
	uint64_t now;    /* of the packet being taken */
	struct emu_late *late;

	struct emu_recv *rq;
	uint32_t rq_size, rq_head, rq_tail;
	bool in_list; /* of nic->active */
};

/* srd.c */
void srd_complete(struct emu_srd *srd, struct emu_message *message, uint8_t status);
void srd_push_receive(struct emu_srd *srd, const struct emu_cqe *cqe);
struct emu_message *srd_request(struct emu_srd *srd, uint32_t name);
void srd_timer(struct emu_srd *srd, uint64_t when);

/* flow.c */
struct emu_flow *flow_get(struct emu_srd *srd, const uint8_t gid[16], uint32_t qpn);
struct emu_flow *flow_find(struct emu_srd *srd, const uint8_t gid[16], uint32_t qpn);
void flow_queue(struct emu_srd *srd, struct emu_flow *flow, struct emu_message *message);
void flow_ready(struct emu_srd *srd, struct emu_flow *flow); /* it has packets to cut */
void flow_sleep(struct emu_srd *srd, struct emu_message *message, uint64_t due);
void flow_restart(struct emu_srd *srd, struct emu_flow *flow);
void flow_detach(struct emu_srd *srd, struct emu_message *message); /* from all lists and records */
void flow_acknowledge(struct emu_srd *srd, struct emu_flow *flow, const struct emu_ack *ack,
		      uint64_t now);
void flow_advance(struct emu_flow *flow);
void flow_fail(struct emu_srd *srd, struct emu_flow *flow, uint8_t status);
void flow_tick(struct emu_srd *srd, uint64_t now);
void flow_free_all(struct emu_srd *srd);
uint32_t flow_hash(const uint8_t gid[16], uint32_t qpn);

/* emit.c: one packet */
enum emu_launch {
	EMU_LAUNCHED,      /* on its way, or held */
	EMU_LAUNCH_FULL,   /* the carrier has no room */
	EMU_LAUNCH_GONE,   /* no such queue pair */
	EMU_LAUNCH_FAILED, /* *status says why */
};
/* Emits a record, or holds it, as faults, the device's habit and the link decide. */
enum emu_launch emit_launch(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t now,
			    uint8_t *status);
enum emu_emit emit_record(struct emu_srd *srd, struct emu_flow *flow, struct emu_record *record,
			  uint32_t seq, bool twice, uint8_t *status);
void emit_verdict(struct emu_srd *srd, const struct emu_flow *flow, const struct emu_record *record,
		  uint32_t seq, uint64_t now, struct emu_verdict *verdict);
bool emit_cut(const struct emu_srd *srd, const struct emu_flow *flow, uint64_t now);
void emit_failed(struct emu_srd *srd, struct emu_message *message, uint8_t status);
/* The record goes (again) when due, with faults asked anew. */
void emit_again(struct emu_srd *srd, struct emu_flow *flow, uint32_t seq, uint64_t due);
/* Emits what is due or has been overtaken by enough. */
void emit_held(struct emu_srd *srd, uint64_t now);
enum emu_emit emit_carry(struct emu_srd *srd, struct emu_path *path, struct emu_packet *packet,
			 const struct iovec *data, int count);

/* cut.c: sends all that can go */
void emit_pump(struct emu_srd *srd, uint64_t now);

/* ack.c: answers all that came since the last time */
void emit_acks(struct emu_srd *srd, uint64_t now);
/* The last words of a queue pair: what it has taken it has taken, whatever faults think of an ACK.
 */
void emit_last_acks(struct emu_srd *srd, uint64_t now);

/* rx.c */
struct emu_rx *rx_get(struct emu_srd *srd, const struct emu_packet *packet, uint64_t now);
uint16_t rx_ahn(struct emu_srd *srd, struct emu_rx *rx);
void rx_slide(struct emu_rx *rx, uint32_t una);
void rx_answer(struct emu_srd *srd, struct emu_rx *rx);
void rx_free_all(struct emu_srd *srd);

/* arrive.c */
void arrive_packet(struct emu_srd *srd, const struct emu_packet *packet, const void *payload,
		   uint64_t now);
void arrive_late(struct emu_srd *srd, uint64_t now);

/* engine.c */
struct emu_world *engine_start(struct emu_nic *nic, int *error);
struct emu_udp *engine_udp(void);
bool engine_alive(struct emu_world *world, uint32_t slot, uint32_t generation, uint64_t now);
void engine_active(struct emu_srd *srd); /* it has a timer: look after it */
void engine_forget_direct(struct emu_qp *qp);
void engine_refuse(struct emu_nic *nic, const struct emu_packet *packet);

#endif
