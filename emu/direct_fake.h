/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of direct*.c: a queue pair with its completion queue over a data path that only
 * records, and the program's side of the rings. */
#ifndef EMU_DIRECT_FAKE_H
#define EMU_DIRECT_FAKE_H

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/direct.h"
#include "emu/direct_queue.h"

#define AHN  5
#define MANY 4096

extern struct emu_wr posted[MANY];
extern struct emu_recv received[MANY];
extern struct emu_cqe pushed[MANY];
extern uint32_t posts, receives, pushes, state_changes, polled_qps;
extern uint32_t room;  /* how many more requests are taken */
extern bool told;      /* of the last push: the channel is to have an event */
extern bool echo;      /* requests complete at once */
extern int channel_fd; /* eventfd that is told; -1: none */
extern uint32_t channel_events;

extern struct emu_model model;
extern struct emu_nic nic;
extern struct emu_qp test_qp;
extern struct emu_cq test_cq;
extern struct emu_channel channel;
extern struct emu_direct_queue sq, rq, cqq;
extern uint16_t sq_pc, rq_pc; /* the program's counters */

int setup(void **state);
int teardown(void **state);

/* Has the queues mapped. */
void make(void);

void ring(uint32_t *doorbell, uint32_t value);

/* A good send descriptor of one buffer. */
struct emu_desc_wqe good(uint16_t req_id);

/* Into the ring as programs do it: the phase by the number of rounds, the doorbell later. */
void put(struct emu_desc_wqe wqe);
void send_wqe(struct emu_desc_wqe wqe); /* and the doorbell */
void put_rx(uint16_t req_id, uint16_t length, uint32_t bits);

const struct emu_desc_cqe *cqe_at(uint32_t position);

/* A thread that takes what is posted, as the engine does, until stop_device(). */
void start_device(void);
void stop_device(void);

/* A program that reads completions of requests numbered from 0. */
struct reader {
	uint32_t consumed, number; /* number: of the next command to the queue's doorbell */
};

/* Reads what is there, checking the order; tells the doorbell, if there is one. How many. */
uint32_t drain(struct reader *reader);

/* What the doorbell of a completion queue is told. */
uint32_t word(uint32_t number, bool arm, uint32_t consumed);

#endif
