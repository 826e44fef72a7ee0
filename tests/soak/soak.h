/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The soak: an engine with several rails on host 1 of an emulated cluster, its peers on hosts 2 to
 * 4, and a key-value server and client on hosts 0 and 5 beside it, for as long as one likes under
 * random faults. All that happens is drawn from one seed; the times at which it happens are the
 * machine's.
 *
 * What must hold:
 *  K1  a transfer that is done has moved its bytes, one that is not has left each byte of its
 * target as it was or as it was to become, and nothing beside its target has changed; K2  each
 * transfer ends by its deadline, and its memory falls quiet when its peer is well or dead; K3  a
 * message comes at most once, as it was sent; K4  after a warm-up memory and descriptors stay as
 * they are; K5  in the end nothing is left: operations, peers, regions, files in /dev/shm.
 */
#ifndef SOAK_H
#define SOAK_H

#include "matrix.h"

#define SOAK_HOSTS     6u
#define SOAK_SERVER    0u
#define SOAK_HERE      1u
#define SOAK_PEERS     3u /* on hosts 2.. */
#define SOAK_CLIENT    5u
#define SOAK_RAILS     4u
#define SOAK_SLOTS     12u
#define SOAK_SLOT      (1u << 20)
#define SOAK_GAP       64u /* behind a transfer's target; must not change */
#define SOAK_BATCHES   8u
#define SOAK_TRANSFERS 6u /* of a batch at most */
#define SOAK_MESSAGES  65536u

/* A transfer's place in both memories, used by one at a time. */
struct slot {
	struct weft_region *region; /* its own, or NULL: the whole area's */
	uint64_t before, after;     /* contents of the target, as seeds */
	uint32_t len;
	bool read, busy;
};

struct peer {
	struct child child;
	struct weft_remote *remote;
	struct slot slots[SOAK_SLOTS];
	uint32_t busy;  /* slots */
	uint32_t lives; /* times that it was started */
	bool dead, revoked;
};

struct load {
	struct weft_batch *batch;
	uint32_t peer, count;
	uint32_t slots[SOAK_TRANSFERS];
	uint64_t submitted_ns, timeout_ns;
	uint64_t cancel_ns; /* when it is cancelled; UINT64_MAX: never */
	uint64_t quiet_ns;  /* by when it has to be quiet; 0: it depends on a fault */
	bool active, ended;
};

struct soak {
	struct conform conform;
	struct net net;
	struct weft *weft;
	struct area area; /* SOAK_PEERS * SOAK_SLOTS slots */
	struct weft_region *whole;
	struct peer peers[SOAK_PEERS];
	struct load loads[SOAK_BATCHES];
	struct emu_world *world;
	uint64_t random, seed, content;
	uint8_t *messages; /* enum of soak_message.c, by number modulo SOAK_MESSAGES */
	uint64_t message;  /* next number */
	bool faulty;       /* a fault stands */
	uint64_t next_fault_ns, next_life_ns;
	uint64_t done, failed, bytes, sent, came, faults, restarts, revokes;
};

static inline uint32_t soak_draw(struct soak *s, uint32_t below)
{
	return (uint32_t)(area_random(&s->random) % below);
}

/* --- traffic.c --- */
void traffic_start(struct soak *s);
/* Looks at what is under way, and checks what has ended. */
void traffic_poll(struct soak *s);
bool traffic_idle(const struct soak *s);

/* --- message.c --- */
void message_send(struct soak *s, struct peer *peer);
void message_poll(struct soak *s);

/* --- life.c --- */
void life_open(struct soak *s);
/* Kills and restarts peers, has them take regions back; with what was drawn. */
void life_poll(struct soak *s);
void life_close(struct soak *s);

/* --- trouble.c --- */
void trouble_poll(struct soak *s);
void trouble_end(struct soak *s);

#endif /* SOAK_H */
