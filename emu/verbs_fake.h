/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of completion queues and queue pairs: a device whose data path only records. */
#ifndef EMU_VERBS_FAKE_H
#define EMU_VERBS_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/cq.h"
#include "emu/direct.h"
#include "emu/model.h"
#include "emu/qp.h"
#include "emu/srd.h"
#include "emu/verbs.h"
#include "emu/world.h"

#define MANY 1024

extern struct emu_model fake_model; /* may be changed by a test; setup puts the defaults back */
extern struct emu_nic fake_nic;
extern struct ibv_context *fake_context;
extern struct ibv_pd *fake_pd;
extern struct emu_ah fake_ah;

extern struct emu_wr posted[MANY];
extern struct emu_recv received[MANY];
extern uint32_t posts, receives, changes;
extern _Atomic uint32_t engine_polls, engine_arms, async_errors;
extern int refuse;  /* errno with which device commands are refused */
extern bool lose;   /* the fault cq-overflow is on */
extern bool direct; /* queues can be mapped */
extern uint32_t direct_frees, direct_resets;
extern void (*on_poll)(void); /* called by emu_engine_poll() */

int fake_setup(void **state);
int fake_teardown(void **state); /* also: nothing may be left */

struct ibv_cq_ex *make_cq(uint32_t cqe, uint64_t wc_flags, struct ibv_comp_channel *channel);

/* An SRD queue pair with all operations of the model, in state RESET. */
struct ibv_qp *make_qp(struct ibv_cq_ex *cq, uint32_t depth);
void to_state(struct ibv_qp *qp, enum ibv_qp_state state);

/* A completion of qp. */
struct emu_cqe completion(struct ibv_qp *qp, uint64_t wr_id);

/* The program ends with a message unless it does so before. */
void deadline(unsigned int seconds);

#endif
