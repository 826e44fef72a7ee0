/* SPDX-License-Identifier: Apache-2.0 */
/* Mode pingpong: one notify and its answer at a time. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine.h"

/* What the callback and the loop of one side tell each other. */
struct engine_ball {
	uint64_t sequence; /* initiator: of the last answer */
	int error;
};

void engine_pingpong_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct engine *engine = ctx;
	struct engine_ball *ball = engine->ball;
	int rc;

	if (!ball || len < sizeof(ball->sequence))
		return;
	if (engine->pair.target) {
		rc = weft_notify(peer, data, len);
		if (rc)
			ball->error = rc;
		return;
	}
	memcpy(&ball->sequence, data, sizeof(ball->sequence));
}

/* Progresses until the answer to sequence is there. */
static int pp_wait(struct engine *engine, uint64_t sequence)
{
	uint64_t polls;
	int rc;

	for (polls = 1; engine->ball->sequence != sequence; polls++) {
		rc = weft_progress(engine->weft, 0);
		if (rc < 0)
			return rc;
		if (polls % BENCH_STALL_POLLS == 0 && meter_stalled(&engine->meter))
			return err_set(-ETIMEDOUT, "no answer for %llu s",
				       BENCH_STALL_NS / NSEC_PER_SEC);
	}
	return 0;
}

int engine_pingpong_initiator(struct engine *engine)
{
	struct engine_ball ball = { 0 };
	uint64_t sequence, start_ns, now_ns = clock_ns();
	int rc = 0;
	bool on;

	engine->ball = &ball;
	for (on = true, sequence = 1; on && !rc; sequence++) {
		memcpy(engine->slots.buf, &sequence, sizeof(sequence));
		start_ns = now_ns;
		rc = weft_notify(engine->peer, engine->slots.buf, engine->opts.size);
		if (!rc)
			rc = pp_wait(engine, sequence);
		now_ns = clock_ns();
		meter_done(&engine->meter, start_ns, now_ns, 1);
		on = meter_goes_on(&engine->meter, now_ns);
	}
	engine->ball = NULL;
	if (!rc)
		pair_move(&engine->pair, PAIR_STOP);
	return rc;
}

int engine_pingpong_target(struct engine *engine)
{
	struct engine_ball ball = { 0 };
	int rc = 0;

	engine->ball = &ball;
	while (rc >= 0 && !ball.error && pair_phase(&engine->pair) != PAIR_STOP)
		rc = weft_progress(engine->weft, 0);
	engine->ball = NULL;
	return rc < 0 ? rc : ball.error;
}
