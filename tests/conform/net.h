/* SPDX-License-Identifier: Apache-2.0 */
/* The engines of a case in this process, and how they are driven and waited for. */
#ifndef CONFORM_NET_H
#define CONFORM_NET_H

#include <pthread.h>
#include <stdatomic.h>

#include "area.h"
#include "conform.h"

#define NET_MAX 8

/* Zero-initialised except for conform. */
struct net {
	const struct conform *conform;
	struct weft *engines[NET_MAX];
	int count;
	uint32_t idle;
};

/* Options for an engine of the case: provider, address and progress mode are set. */
struct weft_opts net_opts(const struct conform *c);
/* Opens an engine that net_turn() drives; opts NULL: net_opts(). */
struct weft *net_open(struct net *net, const struct weft_opts *opts);
/* Closes one engine. */
void net_close(struct net *net, struct weft *weft);
/* Checks that nothing is left in flight anywhere, then closes every engine. */
void net_end(struct net *net);
/* Closes every engine as it is. */
void net_drop(struct net *net);

/* Drives every engine once (manual), or lets the owner threads run for a moment. */
void net_turn(struct net *net);
/* Drives for a while. */
void net_run(struct net *net, uint64_t duration_ns);
struct weft_stats net_stats(struct weft *weft);
struct weft_peer_info net_peer_info(const struct weft_peer *peer);

/* Drives until expr is true; fails after limit_ns. */
#define until_in(net, expr, limit_ns)                                                            \
	do {                                                                                     \
		uint64_t until_ = clock_deadline(clock_ns(), (limit_ns));                        \
                                                                                                 \
		conform_at(__FILE__, __LINE__);                                                  \
		while (!(expr)) {                                                                \
			if (clock_ns() > until_)                                                 \
				conform_fail(__FILE__, __LINE__, "%s: not within %.1f s", #expr, \
					     (double)(limit_ns) / 1e9);                          \
			net_turn(net);                                                           \
		}                                                                                \
	} while (0)
#define until(net, expr) until_in((net), (expr), CONFORM_LIMIT_NS)

struct weft_region *net_register(struct weft *weft, struct area *area, uint32_t access);
/* Carries a region to an engine and waits until it is usable. */
struct weft_remote *net_import(struct net *net, struct weft *into,
			       const struct weft_region *region);
struct weft_remote *net_import_bytes(struct net *net, struct weft *into, const void *descriptor,
				     size_t len);
/* The peer that stands for the engine `to` at the engine `from`, connected. */
struct weft_peer *net_connect(struct net *net, struct weft *from, const struct weft *to);
/* Unregisters while every engine is driven. */
void net_unregister(struct net *net, struct weft_region *region);

struct weft_batch *net_batch(struct weft *weft, uint32_t capacity);
/* Drives until the batch has ended. */
void net_finish(struct net *net, struct weft_batch *batch);
struct weft_result net_result(const struct weft_batch *batch, uint32_t index);
/* Checks that the ended batch's transfers 0..count-1 are all done and quiescent. */
void net_check_done(const struct weft_batch *batch, uint32_t count);
/* Submits, drives to the end, checks that all is done, and empties the batch. */
void net_complete(struct net *net, struct weft_batch *batch, uint32_t count);

struct move {
	bool read;
	struct weft_region *region;
	uint64_t offset;
	struct weft_remote *remote;
	uint64_t remote_offset;
	uint64_t len;
	uint32_t flags;
	uint32_t imm;
};

/* Adds a transfer; the index, or the error. */
int net_add(struct weft_batch *batch, const struct move *move);
/* One transfer of an engine, driven to its end or to timeout_ns: 0 or why not. */
int net_move(struct net *net, struct weft *weft, const struct move *move, uint64_t timeout_ns);

/* Sends, again while the queue is full. */
void net_notify(struct net *net, struct weft_peer *peer, const void *data, size_t len);
/* Sends count messages to the engine to, at most at_once of them between two turns; each must come
 * once, in whatever order. */
void net_burst(struct net *net, struct weft_peer *peer, struct weft *to, uint32_t count,
	       uint32_t at_once);
/* Drives until a message is there; room bytes in buf. Returns its length. */
size_t net_receive(struct net *net, struct weft *weft, void *buf, size_t room,
		   struct weft_peer **ret);

/* Drives one engine from a thread of its own while the caller blocks in another. In thread mode
 * there is nothing to do. The engine must not be used between start and stop. */
struct pump {
	pthread_t thread;
	struct weft *weft;
	atomic_bool stop;
	bool running;
};
void pump_start(struct pump *pump, const struct conform *c, struct weft *weft);
void pump_stop(struct pump *pump);

/* Two engines, each with one region that grants both rights and is imported by the other. */
struct pair {
	struct net net;
	struct weft *a, *b;
	struct area mem_a, mem_b;
	struct weft_region *region_a, *region_b;
	struct weft_remote *to_b; /* region_b as seen by a */
	struct weft_remote *to_a; /* region_a as seen by b */
};
void pair_open(struct pair *p, const struct conform *c, size_t len);
/* With options for the engines; NULL: net_opts(). */
void pair_open_opts(struct pair *p, const struct conform *c, size_t len, const struct weft_opts *a,
		    const struct weft_opts *b);
/* The same without the imports. */
void pair_open_unmet(struct pair *p, const struct conform *c, size_t len, const struct weft_opts *a,
		     const struct weft_opts *b);
/* Checks the guards and that nothing is in flight, and closes all. */
void pair_close(struct pair *p);

#endif /* CONFORM_NET_H */
