/* SPDX-License-Identifier: Apache-2.0 */
/* weft_opts.idle_peers: who is let go while idle comes back unnoticed, and keeps no right. */
#include <string.h>

#include "engine/testing.h"
#include "net.h"

#define LEN   4096u
#define MANY  5
#define LIMIT 2u

/* MANY engines that import each other's regions, in any order that is asked for. */
struct crowd {
	struct net net;
	struct weft *engines[MANY];
	struct area areas[MANY];
	struct weft_region *regions[MANY];
	struct weft_remote *remotes[MANY][MANY]; /* [who][whose] */
};

static void crowd_open(struct crowd *crowd, const struct conform *c, uint32_t limit_first,
		       uint32_t limit_others)
{
	struct weft_opts opts = net_opts(c);

	*crowd = (struct crowd){ .net.conform = c };
	for (int i = 0; i < MANY; i++) {
		opts.idle_peers = i ? limit_others : limit_first;
		crowd->engines[i] = net_open(&crowd->net, &opts);
		area_open(&crowd->areas[i], LEN);
		crowd->regions[i] = net_register(crowd->engines[i], &crowd->areas[i],
						 WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	}
}

static void crowd_import(struct crowd *crowd, int who, int whose)
{
	crowd->remotes[who][whose] =
		net_import(&crowd->net, crowd->engines[who], crowd->regions[whose]);
}

static void crowd_close(struct crowd *crowd)
{
	for (int i = 0; i < MANY; i++) {
		check_guards(&crowd->areas[i]);
		check_int(net_stats(crowd->engines[i]).peers_gone, 0);
	}
	net_end(&crowd->net);
	for (int i = 0; i < MANY; i++)
		area_close(&crowd->areas[i]);
}

static uint64_t awake(const struct crowd *crowd, int i)
{
	struct weft_stats stats = net_stats(crowd->engines[i]);

	return stats.peers - stats.peers_asleep;
}

/* shm has few addresses: its peers stay. */
static bool lets_go(const struct conform *c)
{
	return strcmp(c->row->name, "shm") != 0;
}

static void write_to(struct crowd *crowd, int who, int whose, uint64_t seed)
{
	struct move move = { .region = crowd->regions[who],
			     .remote = crowd->remotes[who][whose],
			     .len = LEN };

	area_fill(&crowd->areas[who], 0, LEN, seed);
	check_ok(net_move(&crowd->net, crowd->engines[who], &move, CONFORM_LIMIT_NS));
	check_holds(&crowd->areas[whose], 0, LEN, seed);
}

static void idle_peers_come_back(const struct conform *c)
{
	struct weft_peer *peers[MANY];
	struct crowd crowd;
	uint64_t seed = 0;

	crowd_open(&crowd, c, LIMIT, 0);
	for (int i = 1; i < MANY; i++) {
		crowd_import(&crowd, 0, i);
		crowd_import(&crowd, i, 0);
		peers[i] = weft_remote_peer(crowd.remotes[0][i]);
		weft_peer_set_data(peers[i], &peers[i]);
	}
	if (!lets_go(c)) {
		net_run(&crowd.net, 100 * NSEC_PER_MSEC);
		check_int(awake(&crowd, 0), MANY - 1);
	}
	for (int round = 0; round < 4; round++)
		for (int i = 1; i < MANY; i++) {
			if (lets_go(c))
				until(&crowd.net, awake(&crowd, 0) <= LIMIT);
			write_to(&crowd, 0, i, ++seed);
			check_ok(weft_remote_status(crowd.remotes[0][i]));
			check(weft_remote_peer(crowd.remotes[0][i]) == peers[i]);
			check(weft_peer_data(peers[i]) == &peers[i]);
			check_int(net_peer_info(peers[i]).asleep, 0);
		}
	/* What was counted is not lost with what sleep lets go. */
	for (int i = 1; i < MANY; i++) {
		struct weft_peer_stats stats = { .size = sizeof(stats) };

		check_ok(weft_peer_stats(peers[i], &stats));
		check_int(stats.writes_done, 4);
		check_int(stats.bytes_written, 4 * (uint64_t)LEN);
	}
	/* The other way too, by those that have no limit of their own. */
	for (int i = 1; i < MANY; i++)
		write_to(&crowd, i, 0, ++seed);
	if (lets_go(c)) {
		check(net_stats(crowd.engines[0]).peers_slept >= 4 * (MANY - 1) - LIMIT);
		until(&crowd.net, awake(&crowd, 0) == LIMIT);
	}
	crowd_close(&crowd);
}

static void both_sides_let_go(const struct conform *c)
{
	struct crowd crowd;
	uint64_t seed = 0;

	crowd_open(&crowd, c, 1, 1);
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < MANY; k++)
			if (i != k)
				crowd_import(&crowd, i, k);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++)
			for (int k = 0; k < MANY; k++)
				if (i != k)
					write_to(&crowd, i, k, ++seed);
		/* All have more than they may, and find that at the same time. */
		for (int i = 0; lets_go(c) && i < MANY; i++)
			until(&crowd.net, awake(&crowd, i) <= 1);
	}
	crowd_close(&crowd);
}

/* 0 and the others let go of each other, remove each other's addresses at once or after a second,
 * and meet again when one side, or both, have done so. */
static void meet_when_addresses_went(const struct conform *c, uint64_t rest_ns, uint64_t other_ns)
{
	struct crowd crowd;

	crowd_open(&crowd, c, 1, 1);
	for (int i = 0; i < MANY; i++)
		weft_test_rest(crowd.engines[i], i ? other_ns : rest_ns);
	crowd_import(&crowd, 0, 1);
	crowd_import(&crowd, 0, 2);
	write_to(&crowd, 0, 1, 1);
	write_to(&crowd, 0, 2, 2);
	until(&crowd.net, !lets_go(c) || awake(&crowd, 0) == 1);
	net_run(&crowd.net, 100 * NSEC_PER_MSEC);
	write_to(&crowd, 0, 1, 3);
	write_to(&crowd, 0, 1, 4);
	crowd_close(&crowd);
}

static void addresses_go_on_both_sides(const struct conform *c)
{
	meet_when_addresses_went(c, 0, 0);
}

static void addresses_go_here_first(const struct conform *c)
{
	meet_when_addresses_went(c, 0, NSEC_PER_SEC);
}

static void addresses_go_there_first(const struct conform *c)
{
	meet_when_addresses_went(c, NSEC_PER_SEC, 0);
}

/* Messages find their way to and from peers that were let go, each once. */
static void messages_wake_idle_peers(const struct conform *c)
{
	struct weft_peer *peers[MANY], *from;
	struct crowd crowd;
	int got;

	crowd_open(&crowd, c, 1, 1);
	for (int i = 1; i < MANY; i++)
		peers[i] = net_connect(&crowd.net, crowd.engines[0], crowd.engines[i]);
	for (int round = 0; round < 3; round++) {
		if (lets_go(c))
			until(&crowd.net, awake(&crowd, 0) <= 1);
		for (int i = 1; i < MANY; i++)
			net_notify(&crowd.net, peers[i], &i, sizeof(i));
		for (int i = 1; i < MANY; i++) {
			check_int(
				net_receive(&crowd.net, crowd.engines[i], &got, sizeof(got), &from),
				sizeof(got));
			check_int(got, i);
			if (lets_go(c))
				until(&crowd.net, awake(&crowd, 0) <= 1);
			net_notify(&crowd.net, from, &i, sizeof(i));
			check_int(
				net_receive(&crowd.net, crowd.engines[0], &got, sizeof(got), &from),
				sizeof(got));
			check_int(got, i);
			check(from == peers[i]);
		}
	}
	crowd_close(&crowd);
}

/* Its owner takes a region back while who held it sleeps: without a word to it, and for good. */
static void idle_peers_hold_nothing(const struct conform *c)
{
	struct move move = { .len = LEN };
	struct crowd crowd;

	if (!lets_go(c))
		conform_skip("peers on %s are not let go", c->row->name);
	crowd_open(&crowd, c, 1, 0);
	for (int i = 1; i < MANY; i++)
		crowd_import(&crowd, 0, i);
	until(&crowd.net, awake(&crowd, 0) <= 1);
	for (int i = 1; i < MANY; i++) {
		struct weft_peer *peer = weft_remote_peer(crowd.remotes[0][i]);

		if (!net_peer_info(peer).asleep)
			continue;
		check_ok(weft_unregister(crowd.regions[i], 0)); /* without progress */
		area_fill(&crowd.areas[0], 0, LEN, 1);
		area_fill(&crowd.areas[i], 0, LEN, 2);
		move.region = crowd.regions[0];
		move.remote = crowd.remotes[0][i];
		check_rc(net_move(&crowd.net, crowd.engines[0], &move, CONFORM_LIMIT_NS),
			 -WEFT_EREVOKED);
		check_holds(&crowd.areas[i], 0, LEN, 2);
		check_rc(weft_remote_status(crowd.remotes[0][i]), -WEFT_EREVOKED);
	}
	crowd_close(&crowd);
}

/* One that has something under way is not let go, however long that takes. */
static void busy_peers_stay(const struct conform *c)
{
	struct weft_batch *batch;
	struct weft_opts opts;
	struct crowd crowd;
	struct move move;

	crowd_open(&crowd, c, 0, 0);
	opts = net_opts(c);
	opts.idle_peers = 1;
	opts.devices = "hang_every=1";
	net_close(&crowd.net, crowd.engines[0]);
	crowd.engines[0] = net_open(&crowd.net, &opts);
	crowd.regions[0] = net_register(crowd.engines[0], &crowd.areas[0], WEFT_LOCAL);
	for (int i = 1; i < 4; i++)
		crowd_import(&crowd, 0, i);
	batch = net_batch(crowd.engines[0], 2);
	for (int i = 1; i < 3; i++) {
		move = (struct move){ .region = crowd.regions[0],
				      .remote = crowd.remotes[0][i],
				      .len = LEN };
		check_int(net_add(batch, &move), i - 1);
	}
	check_ok(weft_submit(batch, 200 * NSEC_PER_MSEC));
	until(&crowd.net, awake(&crowd, 0) == 2);
	net_finish(&crowd.net, batch);
	/* Their operations have not ended, though the transfers have. */
	net_run(&crowd.net, 50 * NSEC_PER_MSEC);
	check_int(awake(&crowd, 0), 2);
	for (int i = 1; i < 3; i++)
		check_int(net_peer_info(weft_remote_peer(crowd.remotes[0][i])).asleep, 0);
	net_drop(&crowd.net);
	for (int i = 0; i < MANY; i++)
		area_close(&crowd.areas[i]);
}

/* What ends while it is let go is found out when it is needed. */
static void idle_peers_that_end(const struct conform *c)
{
	struct move move = { .len = LEN };
	struct weft_opts opts = net_opts(c);
	struct crowd crowd;
	int victim = 0;

	if (!lets_go(c))
		conform_skip("peers on %s are not let go", c->row->name);
	crowd_open(&crowd, c, 0, 0);
	net_close(&crowd.net, crowd.engines[0]);
	opts.idle_peers = 1;
	opts.connect_timeout_ns = 2 * NSEC_PER_SEC;
	crowd.engines[0] = net_open(&crowd.net, &opts);
	crowd.regions[0] = net_register(crowd.engines[0], &crowd.areas[0], WEFT_LOCAL);
	/* In its first turn efa makes its receives, 80 MB of them: no part of the time to connect.
	 */
	net_run(&crowd.net, NSEC_PER_MSEC);
	for (int i = 1; i < MANY; i++)
		crowd_import(&crowd, 0, i);
	until(&crowd.net, awake(&crowd, 0) <= 1);
	while (++victim < MANY)
		if (net_peer_info(weft_remote_peer(crowd.remotes[0][victim])).asleep)
			break;
	check(victim < MANY);
	net_close(&crowd.net, crowd.engines[victim]);
	move.region = crowd.regions[0];
	move.remote = crowd.remotes[0][victim];
	check_ok(weft_remote_status(move.remote));
	check(net_move(&crowd.net, crowd.engines[0], &move, CONFORM_LIMIT_NS) < 0);
	until(&crowd.net, weft_remote_status(move.remote) < 0 &&
				  weft_remote_status(move.remote) != -EINPROGRESS);
	check_int(net_stats(crowd.engines[0]).peers_gone, 1);
	net_drop(&crowd.net);
	for (int i = 0; i < MANY; i++)
		area_close(&crowd.areas[i]);
}

const struct conform_case cases_idle[] = {
	{ "idle_peers_come_back", idle_peers_come_back, 0 },
	{ "both_sides_let_go", both_sides_let_go, 0 },
	{ "addresses_go_on_both_sides", addresses_go_on_both_sides, NEEDS_NIC },
	{ "addresses_go_here_first", addresses_go_here_first, NEEDS_NIC },
	{ "addresses_go_there_first", addresses_go_there_first, NEEDS_NIC },
	{ "messages_wake_idle_peers", messages_wake_idle_peers, 0 },
	{ "idle_peers_hold_nothing", idle_peers_hold_nothing, 0 },
	{ "busy_peers_stay", busy_peers_stay, NEEDS_SCRIPT },
	{ "idle_peers_that_end", idle_peers_that_end, 0 },
	{ 0 },
};
