/* SPDX-License-Identifier: Apache-2.0 */
/* What a loop port is told to do, from text: "delay_us=50,reorder=8,seed=7,fail_every=100". */
#ifndef WEFT_TRANSPORT_LOOP_SCRIPT_H
#define WEFT_TRANSPORT_LOOP_SCRIPT_H

#include <stdint.h>

/* As many events of one operation as leave a poll room for others. */
#define LOOP_SEGMENTS_MAX 8

struct loop_script {
	uint64_t delay_us;   /* each operation and message takes this long */
	uint64_t jitter_us;  /* plus a random share of this */
	uint64_t reorder;    /* picks among the first so many pending, at random; 0, 1: in order */
	uint64_t seed;       /* of the random sequence */
	uint64_t fail_every; /* every n-th operation fails; 0: none */
	uint64_t hang_every; /* every n-th operation never ends; 0: none */
	uint64_t late_every; /* every n-th that was done is reported as failed after it; 0: none */
	uint64_t down_after; /* after so many operations and messages the port works no more; 0: it
				does */
	uint64_t down_us;    /* but does again after this time; 0: never */
	uint64_t breaks_after; /* after so many operations and messages the port breaks; 0: never */
	uint64_t depth;        /* operations in flight */
	uint64_t segments;     /* pieces that go as one operation */
};

/* text may be NULL or "": the defaults. It ends at a ';' too: see loop_script_of(). -EINVAL names
 * the item. */
int loop_script_parse(struct loop_script *script, const char *text);

/* The part of a list "A;B;C" that rail i follows; the last one when there are fewer. NULL for NULL.
 */
const char *loop_script_of(const char *list, uint32_t i);

#endif /* WEFT_TRANSPORT_LOOP_SCRIPT_H */
