/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's view of one request slot: when the request has ended, and when the server touches its
 * memory no more.
 *
 *	FREE --start--> ACTIVE --reply, and all arrivals--> QUIET --release--> FREE
 *	                   |
 *	                   +--abandon (deadline, cancel, connection lost)--> QUARANTINE
 *	                          QUARANTINE --confirmed, or the engine is closed--> QUIET
 *
 * O1: in QUARANTINE neither slot nor memory is reused.
 * O2: an answer counts only with the slot's present generation.
 * O3: a failure that the server reports comes when it touches the memory no more.
 */
#ifndef WEFT_KV_OP_STATE_H
#define WEFT_KV_OP_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum op_phase {
	OP_FREE,
	OP_ACTIVE,
	OP_QUARANTINE,
	OP_QUIET,
};

struct op_state {
	enum op_phase phase;
	uint32_t generation; /* of the present or last use; starts at 0 */
	bool replied;
	uint32_t expected; /* arrivals, once replied */
};

static inline uint32_t op_state_start(struct op_state *state)
{
	state->phase = OP_ACTIVE;
	state->replied = false;
	state->expected = 0;
	return ++state->generation;
}

/* Whether an answer of this generation is for the request under way (O2). */
static inline bool op_state_wanted(const struct op_state *state, uint32_t generation)
{
	return state->phase == OP_ACTIVE && state->generation == generation;
}

/* The reply to the request under way. True: it has ended (and is quiet). */
static inline bool op_state_reply(struct op_state *state, bool failed, uint32_t arrivals)
{
	state->replied = true;
	state->expected = arrivals;
	if (!failed && arrivals)
		return false;
	state->phase = OP_QUIET;
	return true;
}

/* So many arrivals have been counted. True: it has ended now. */
static inline bool op_state_arrived(struct op_state *state, uint64_t count)
{
	if (state->phase != OP_ACTIVE || !state->replied || count < state->expected)
		return false;
	state->phase = OP_QUIET;
	return true;
}

/* The caller waits no longer. memory: the server may be using memory of the client. */
static inline void op_state_abandon(struct op_state *state)
{
	if (state->phase == OP_ACTIVE)
		state->phase = OP_QUARANTINE;
}

/* The server has confirmed a CANCEL. True: the memory is quiet now. */
static inline bool op_state_confirmed(struct op_state *state, uint32_t generation)
{
	if (state->phase != OP_QUARANTINE || state->generation != generation)
		return false;
	state->phase = OP_QUIET;
	return true;
}

/* The engine that exposed the memory is closed. */
static inline void op_state_closed(struct op_state *state)
{
	if (state->phase != OP_FREE)
		state->phase = OP_QUIET;
}

#endif /* WEFT_KV_OP_STATE_H */
