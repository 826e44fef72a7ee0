/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine on a clock of its own: a few engines in one thread, over the scripted transport inside
 * the process, under a random schedule that follows from a number. The code is the shipped one;
 * only clock_ns(), getrandom() and sched_yield() are replaced (clock.c), so that a seed gives the
 * same run each time.
 *
 * What is asserted, after each step (design.md, E1-E3, E6, E7):
 * S1  a batch has ended when its engine has looked at the time after its deadline, and at once when
 *     it is cancelled;
 * S2  done: the bytes are there, and no others. Not done: each byte is the old or the new one. Once
 *     quiescent, or when the region was taken back or its engine closed, nothing changes it;
 * S3  messages come once each, or their sender is told that its peer is gone, at once, or, by a
 *     peer that has no rail left, when it says more; arrivals count the writes that are done;
 * S6  a failed rail, or a broken one, fails no operation while another works;
 * S7  at the end nothing is in flight, quarantined, registered or open.
 */
#ifndef SIM_H
#define SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/weft.h>

#define SIM_HOSTS    3
#define SIM_BATCHES  6 /* of a host */
#define SIM_OPS      6 /* of a batch */
#define SIM_SLOTS    20
#define SIM_BIGS     3 /* of them so many are long enough to be striped */
#define SIM_SMALL    2048u
#define SIM_BIG      (320u << 10)
#define SIM_MESSAGES 512 /* from one engine to another */
#define SIM_OLD      8   /* remotes of regions that are gone, waiting to be quiet */

/* A piece of memory that one transfer uses at a time. */
struct slot {
	uint8_t *at;
	uint32_t size;
	bool busy;
	uint64_t pattern; /* what it holds when nobody writes to it */
};

struct area {
	uint8_t *base;
	size_t len;
	struct slot slots[SIM_SLOTS];
};

struct job {
	bool read, imm;
	uint32_t len;
	uint32_t target;        /* host */
	uint32_t target_life;   /* of the target's region, when submitted */
	uint32_t engine_life;   /* of the target's engine */
	struct slot *from, *to; /* the first len bytes of them */
	uint64_t moved;         /* pattern of what is moved */
	bool done, counted;
	bool settled; /* the target's slot was refilled when its region had gone */
};

enum batch_state {
	BATCH_FREE,
	BATCH_ACTIVE,
	BATCH_ENDED, /* its memory may still be in use */
};

struct batch {
	struct weft_batch *batch;
	enum batch_state state;
	uint64_t deadline_ns;
	uint32_t late_rounds;
	bool cancelled;
	uint32_t count;
	struct job ops[SIM_OPS];
};

/* Messages from one life of an engine to one of another. */
struct talk {
	uint32_t from_life, to_life;
	uint32_t sent, received;
	bool seen[SIM_MESSAGES];
	bool broken; /* the sender was told that the other is gone */
};

struct host {
	struct sim *sim;
	uint32_t index;
	struct weft *weft;
	uint32_t life;        /* counts engines */
	uint32_t region_life; /* counts regions */
	struct weft_region *mine, *shared;
	bool taking_back; /* shared is being unregistered */
	struct area own, given;
	struct weft_arrival *arrival;
	uint64_t imm_done,
		imm_other; /* immediates to it: of writes done, and of those that failed */
	struct weft_remote *to[SIM_HOSTS];
	uint32_t to_life[SIM_HOSTS];
	struct weft_remote *old[SIM_OLD];
	uint64_t frozen_until_ns;
	struct batch batches[SIM_BATCHES];
	/* What its script does. */
	char script[384];
	bool hangs;       /* operations may never end */
	bool fails;       /* operations may fail by themselves */
	bool loses_peers; /* all of its rails may be down at a time, or an end is reported falsely
			   */
	bool breaks;      /* one of its rails breaks for good */
	bool rests;       /* it lets go of one peer of two */
};

struct sim {
	uint64_t seed, random, now_ns;
	uint64_t trace; /* hash over all that happened */
	uint32_t step;
	bool verbose;
	uint64_t patterns;
	bool cuts; /* peers that do not answer a revocation are cut off, alive as they are */
	struct host hosts[SIM_HOSTS];
	struct talk talks[SIM_HOSTS][SIM_HOSTS];
	uint64_t done, ended; /* operations, for the summary */
};

/* --- clock.c --------------------------------------------------------------------------------- */

/* The simulation that clock_ns() and getrandom() serve from now on; NULL: none, before its memory
 * goes. Others, a sanitizer's own thread for one, may yield at any time. */
void sim_serve(struct sim *sim);
uint64_t sim_random(struct sim *sim);
/* Evenly from 0..below-1. */
uint64_t sim_draw(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, uint32_t percent);

/* --- note.c ---------------------------------------------------------------------------------- */

/* Goes into the trace; printed when verbose. */
__attribute__((format(printf, 2, 3))) void sim_note(struct sim *sim, const char *format, ...);
/* Prints, when verbose, all that the engines know of themselves. */
void sim_dump(struct sim *sim);
/* Prints what does not hold and how to see it again, and ends the program with status 1. */
__attribute__((format(printf, 2, 3), noreturn)) void sim_fail(struct sim *sim, const char *format,
							      ...);
#define sim_check(sim, what)                        \
	do {                                        \
		if (!(what))                        \
			sim_fail(sim, "%s", #what); \
	} while (0)

/* --- memory.c -------------------------------------------------------------------------------- */

void area_open(struct area *area);
void area_close(struct area *area);
/* A free slot filled with a pattern of its own, or NULL. */
struct slot *slot_take(struct sim *sim, struct area *area, bool big);
void slot_give(struct sim *sim, struct slot *slot);
/* The slot holds its pattern. */
void slot_check(struct sim *sim, const struct slot *slot);
void slot_refill(struct sim *sim, struct slot *slot);
/* The slot holds the pattern, except that its first len bytes are those of another one. */
void slot_check_moved(struct sim *sim, const struct slot *slot, uint32_t len, uint64_t pattern);
/* The same with each byte old or new. */
void slot_check_mixed(struct sim *sim, const struct slot *slot, uint32_t len, uint64_t pattern);

/* --- host.c ---------------------------------------------------------------------------------- */

void host_plan(struct host *host); /* chooses its script */
void host_open(struct host *host);
void host_silence(struct host *host); /* as if killed: its goodbyes fail */
void host_close(struct host *host);
void host_progress(struct host *host);
/* A step of unregistering; at its end the host offers a new region. */
void host_take_back(struct host *host, bool force);
void host_say(struct host *host, uint32_t to);
bool host_is_mute(const struct host *host); /* all of its rails broke */
/* The remote of a host's region as it is now; NULL when there is none. */
struct weft_remote *host_reach(struct host *host, uint32_t to);
void host_close_old(struct host *host);

/* --- silence.c ------------------------------------------------------------------------------- */

/* No rail of it works any more. */
void engine_silence(struct weft *weft);

/* --- batch.c --------------------------------------------------------------------------------- */

void batch_submit(struct host *host);
void batch_cancel(struct host *host);
/* Looks at what has ended and what has become quiet. */
void batch_look(struct host *host);
/* Deadlines, after a progress call that began at now_ns. */
void batch_check_deadlines(struct host *host, uint64_t now_ns);
/* The engine has closed: nothing touches anything any more. */
void batch_drop_all(struct host *host);
/* The region of a host has gone: its memory is the host's own again. */
void batch_settle_target(struct sim *sim, uint32_t target);
bool batch_all_free(const struct host *host);

#endif /* SIM_H */
