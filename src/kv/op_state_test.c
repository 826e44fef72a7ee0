/* SPDX-License-Identifier: Apache-2.0 */
/* When a client's request has ended, and when its memory may be used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kv/op_state.h"

enum event {
	REPLY,     /* value: arrivals it announces */
	FAILURE,   /* the server reports one */
	ARRIVED,   /* value: so many have been counted */
	ABANDON,   /* deadline, cancel, connection lost */
	CONFIRMED, /* value: generations back that it is for */
	CLOSED,    /* the engine */
};

struct step {
	enum event event;
	uint32_t value;
	enum op_phase phase; /* afterwards */
};

struct story {
	const char *name;
	struct step steps[6];
	size_t count;
};

static const struct story stories[] = {
	{ "a reply with everything in it ends", { { REPLY, 0, OP_QUIET } }, 1 },
	{ "a reply that announces writes waits for them",
	  { { REPLY, 2, OP_ACTIVE }, { ARRIVED, 1, OP_ACTIVE }, { ARRIVED, 2, OP_QUIET } },
	  3 },
	{ "writes that come before the reply do not end it",
	  { { ARRIVED, 2, OP_ACTIVE }, { REPLY, 2, OP_ACTIVE }, { ARRIVED, 2, OP_QUIET } },
	  3 },
	{ "a reported failure ends quietly", { { FAILURE, 0, OP_QUIET } }, 1 },
	{ "a failure after the reply ends quietly",
	  { { REPLY, 2, OP_ACTIVE }, { FAILURE, 0, OP_QUIET } },
	  2 },
	{ "what is abandoned is kept until the server confirms",
	  { { ABANDON, 0, OP_QUARANTINE }, { CONFIRMED, 0, OP_QUIET } },
	  2 },
	{ "late writes do not end the quarantine",
	  { { REPLY, 1, OP_ACTIVE }, { ABANDON, 0, OP_QUARANTINE }, { ARRIVED, 1, OP_QUARANTINE } },
	  3 },
	{ "a confirmation of an earlier use does not end it",
	  { { ABANDON, 0, OP_QUARANTINE }, { CONFIRMED, 1, OP_QUARANTINE } },
	  2 },
	{ "a confirmation of what is under way changes nothing",
	  { { CONFIRMED, 0, OP_ACTIVE } },
	  1 },
	{ "closing the engine ends a quarantine",
	  { { ABANDON, 0, OP_QUARANTINE }, { CLOSED, 0, OP_QUIET } },
	  2 },
	{ "what has ended cannot be abandoned",
	  { { REPLY, 0, OP_QUIET }, { ABANDON, 0, OP_QUIET } },
	  2 },
};

static void take(struct op_state *state, const struct step *step)
{
	switch (step->event) {
	case REPLY:
	case FAILURE:
		if (op_state_wanted(state, state->generation))
			op_state_reply(state, step->event == FAILURE, step->value);
		break;
	case ARRIVED:
		op_state_arrived(state, step->value);
		break;
	case ABANDON:
		op_state_abandon(state);
		break;
	case CONFIRMED:
		op_state_confirmed(state, state->generation - step->value);
		break;
	case CLOSED:
		op_state_closed(state);
		break;
	}
}

static void memory_is_kept_until_nothing_touches_it(void **state)
{
	struct op_state op;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		op = (struct op_state){ .generation = 41 };
		assert_int_equal(op_state_start(&op), 42);
		for (j = 0; j < stories[i].count; j++) {
			take(&op, &stories[i].steps[j]);
			if (op.phase != stories[i].steps[j].phase)
				fail_msg("%s, step %zu: phase %d", stories[i].name, j,
					 (int)op.phase);
		}
	}
}

static void answers_of_another_use_are_not_wanted(void **state)
{
	struct op_state op = { 0 };
	uint32_t first, second;

	(void)state;
	first = op_state_start(&op);
	assert_true(op_state_wanted(&op, first));
	assert_true(op_state_reply(&op, false, 0));
	assert_false(op_state_wanted(&op, first));
	second = op_state_start(&op);
	assert_false(op_state_wanted(&op, first));
	assert_true(op_state_wanted(&op, second));
	assert_false(op.replied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_kept_until_nothing_touches_it),
		cmocka_unit_test(answers_of_another_use_are_not_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
