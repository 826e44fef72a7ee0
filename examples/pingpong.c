/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte there and back by one-sided writes with an immediate: the time of one turn. Each side
 * counts the other's writes by an arrival; nobody sends a message on the way. The engine is driven
 * by the caller (WEFT_PROGRESS_MANUAL): no thread hop.
 *
 *	./pingpong left right ROUNDS &		writes its descriptor to `left', reads `right'
 *	./pingpong right left ROUNDS
 */
#include <stdlib.h>
#include <string.h>

#include "carry.h"

/* What each side's memory holds: the immediate that the other side writes with. */
struct cell {
	unsigned imm;
	char ball;
};

struct side {
	struct weft *weft;
	struct cell cell; /* exported */
	struct cell out;  /* source of what is written and target of what is read */
	struct weft_region *region, *out_region;
	struct weft_remote *other;
	struct weft_arrival *arrival;
	struct weft_batch *batch;
};

static int prepare(struct side *s, const char *own, const char *other)
{
	int rc = weft_arrival_open(s->weft, &s->arrival);

	if (!rc)
		rc = weft_register(s->weft, &s->cell, sizeof(s->cell),
				   WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &s->region);
	if (!rc)
		rc = weft_register(s->weft, &s->out, sizeof(s->out), WEFT_LOCAL, &s->out_region);
	if (!rc)
		rc = weft_batch_open(s->weft, NULL, &s->batch);
	if (rc)
		return fail("prepare", rc);
	s->cell.imm = weft_arrival_imm(s->arrival);
	rc = descriptor_save(own, s->region);
	if (!rc)
		rc = descriptor_load(s->weft, other, &s->other);
	if (rc)
		return rc;
	/* Which of its arrivals the other side counts us by. */
	rc = weft_read(s->out_region, 0, s->other, 0, sizeof(s->out), 10 * SECOND);
	return rc ? fail("read", rc) : 0;
}

static int hit(struct side *s, unsigned imm)
{
	int rc = weft_batch_write(s->batch, s->out_region, offsetof(struct cell, ball), s->other,
				  offsetof(struct cell, ball), 1, WEFT_WITH_IMM, imm);

	if (rc >= 0)
		rc = batch_run(s->batch, 10 * SECOND);
	return rc ? rc : weft_batch_reset(s->batch);
}

static int play(struct side *s, int serves, unsigned long rounds)
{
	unsigned imm = s->out.imm;
	unsigned long i;
	int rc = 0;

	for (i = 1; !rc && i <= rounds; i++) {
		if (serves)
			rc = hit(s, imm);
		if (!rc)
			rc = weft_arrival_wait(s->arrival, i, 10 * SECOND);
		if (!rc && !serves)
			rc = hit(s, imm);
	}
	return rc ? fail("play", rc) : 0;
}

int main(int argc, char **argv)
{
	struct weft_opts opts = { .size = sizeof(opts),
				  .bind_addr = getenv("BIND"),
				  .progress = WEFT_PROGRESS_MANUAL };
	struct side side = { 0 };
	unsigned long rounds;
	unsigned long long start;
	int rc;

	if (argc != 4 || !(rounds = strtoul(argv[3], NULL, 10))) {
		fprintf(stderr, "usage: pingpong OWN-DESCRIPTOR OTHER-DESCRIPTOR ROUNDS\n");
		return 2;
	}
	rc = weft_open(&side.weft, &opts);
	if (rc)
		return fail("open", rc);
	rc = prepare(&side, argv[1], argv[2]);
	start = now_ns();
	if (!rc)
		rc = play(&side, strcmp(argv[1], argv[2]) < 0, rounds);
	if (!rc)
		printf("%lu rounds, %.1f us each\n", rounds,
		       (double)(now_ns() - start) / 1000 / (double)rounds);
	weft_close(side.weft);
	return rc;
}
