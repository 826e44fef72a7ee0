/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop port, shared by loop.c (life, pins, transport table) and loop_io.c (operations and
 * messages).
 *
 * All ports and pins of the process live in one world, guarded by its mutex. Lock order: only this
 * lock, never held while calling out.
 */
#ifndef WEFT_TRANSPORT_LOOP_H
#define WEFT_TRANSPORT_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/loop_script.h"
#include "transport/transport.h"

#define LOOP_PORTS_MAX 4096u
#define LOOP_IMMS      4096u
#define LOOP_LATER     40u /* operations done between a success and the failure after it */

struct loop_pin {
	uint8_t *base;
	size_t len;
	uint64_t key;
	uint32_t access;
	uint32_t next_free;
};

struct loop_op {
	struct op op;
	struct segment *segments; /* room for script.segments; NULL where that is 1 */
	uint32_t count;           /* of them; 0: op stands for itself */
	uint64_t due_ns;
	bool fail;
	bool lost; /* posted while the port was down */
};

struct loop_message {
	uint8_t *data;
	size_t len;
	uint64_t due_ns;
};

struct loop_lost {
	struct loop_lost *next;
	uint64_t cookie;
	size_t len;
	uint8_t data[];
};

struct port {
	struct loop_script script;
	uint64_t id;
	uint64_t random;
	uint64_t counted, sent;   /* operations, messages */
	struct loop_op *ops;      /* ring: head, count of script.depth */
	struct segment *segments; /* of all ops */
	uint32_t op_head, op_count, hung;
	struct op_ctx *late;    /* was done, is still to be reported as failed; NULL: none */
	uint64_t done, late_at; /* when done has come so far */
	uint64_t down_ns;       /* when it stopped to work; 0: it works, or did not stop yet */
	bool broken;            /* as the script says: only lost is told any more */
	bool arrives;           /* what was lost last has arrived */
	struct loop_lost *lost; /* messages whose loss is to be told, the last first */
	struct loop_lost *told; /* in the last poll */
	/* Guarded by the world's lock: */
	struct loop_message *inbox; /* ring of inbox_size */
	uint8_t *inbox_data;
	uint32_t inbox_size, inbox_head, inbox_count;
	uint32_t borrowed; /* messages handed out by the last poll */
	uint32_t imms[LOOP_IMMS];
	uint32_t imm_head, imm_count;
	bool armed;    /* the owner may sleep on fd */
	bool signaled; /* fd is readable */
	int fd;
};

struct loop_world {
	pthread_mutex_t lock;
	uint64_t nonce; /* tells this process's addresses from another's */
	struct port *ports[LOOP_PORTS_MAX];
	uint64_t next_id;
	struct loop_pin *pins;
	uint32_t pin_count, pin_room, pin_free; /* pin_free: index + 1 */
};

extern struct loop_world loop_world;

/* The open port of this id, or NULL; the world's lock is held. */
struct port *loop_port_locked(uint64_t id);

/* Entries of the transport table. */
void loop_forget_lost(struct loop_lost **list);
int loop_post(struct port *port, const struct op *op);
int loop_post_all(struct port *port, const struct op *op, const struct segment *segments,
		  uint32_t count);
int loop_send(struct port *port, uint64_t dest, const void *head, size_t head_len, const void *body,
	      size_t len, uint64_t cookie);
int loop_poll(struct port *port, struct event *events);
int loop_wait_fd(struct port *port, int *ret_fd);

#endif /* WEFT_TRANSPORT_LOOP_H */
