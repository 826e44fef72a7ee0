/* SPDX-License-Identifier: Apache-2.0 */
/* The soak's engine and its peers: they are killed, started again, and take their regions back. */
#include <stdlib.h>

#include "soak.h"

#define LIFE_MS 5000u /* between two deaths or revocations, at most */
/* A process that has just begun, on a machine that does much else, takes its time. */
#define MEETING_NS (3 * CONFORM_LIMIT_NS)
#define RIGHTS     (WEFT_REMOTE_READ | WEFT_REMOTE_WRITE)

static uint32_t host_of(const struct soak *s, const struct peer *peer)
{
	return 2 + (uint32_t)(peer - s->peers);
}

static void note_line(void *ctx, const char *line)
{
	(void)ctx;
	conform_note("%s", line);
}

static void meet(struct soak *s, struct peer *peer)
{
	int rc;

	check_ok(weft_import(s->weft, peer->child.descriptor, peer->child.descriptor_len,
			     &peer->remote));
	until_in(&s->net, (rc = weft_remote_status(peer->remote)) != -EINPROGRESS, 2 * MEETING_NS);
	if (rc) {
		weft_dump(s->weft, note_line, NULL);
		conform_fail(__FILE__, __LINE__, "peer %u is not met in its life %u: %s",
			     host_of(s, peer), peer->lives, weft_error_name(rc));
	}
	peer->dead = peer->revoked = false;
}

static void start(struct soak *s, struct peer *peer)
{
	struct cell cell = { .world = s->world };

	host_peers(&cell, host_of(s, peer));
	child_spawn(&peer->child, &s->conform, (size_t)SOAK_SLOTS * SOAK_SLOT);
	child_open(&peer->child, &s->net, RIGHTS);
	peer->lives++;
	meet(s, peer);
}

/* An engine whose program does not ask who went keeps some of them, and what watches their
 * processes. */
static void gone(void *ctx, struct weft_peer *peer, int reason)
{
	(void)ctx;
	(void)peer;
	(void)reason;
}

void life_open(struct soak *s)
{
	struct weft_opts opts = net_opts(&s->conform);

	opts.on_peer_gone = gone;
	opts.connect_timeout_ns = MEETING_NS;
	s->messages = calloc(SOAK_MESSAGES, 1);
	check(s->messages);
	area_open(&s->area, (size_t)SOAK_PEERS * SOAK_SLOTS * SOAK_SLOT);
	s->weft = net_open(&s->net, &opts);
	s->whole = net_register(s->weft, &s->area, WEFT_LOCAL);
	for (uint32_t i = 0; i < SOAK_PEERS; i++)
		start(s, &s->peers[i]);
}

/* What was under way to it ends, whatever it does. */
static bool let_go(struct soak *s, struct peer *peer)
{
	traffic_poll(s);
	message_poll(s);
	return !peer->busy;
}

static void kill_peer(struct peer *peer)
{
	child_kill(&peer->child);
	peer->dead = true;
}

/* That its process is dead the engine finds out by itself. */
static void restart(struct soak *s, struct peer *peer)
{
	until_in(&s->net, let_go(s, peer), 4 * CONFORM_LIMIT_NS);
	check_ok(weft_remote_close(peer->remote));
	child_end(&peer->child);
	start(s, peer);
	s->restarts++;
}

/* Its engine takes the region back while transfers are under way, ends, and another begins. */
static void revoke(struct soak *s, struct peer *peer)
{
	int rc = child_unregister(&peer->child, &s->net, CONFORM_LIMIT_NS);

	check(rc == 0 || rc == -WEFT_ENOTQUIET);
	peer->revoked = true;
	until_in(&s->net, let_go(s, peer), 4 * CONFORM_LIMIT_NS);
	check_ok(weft_remote_close(peer->remote));
	child_close(&peer->child, &s->net);
	child_open(&peer->child, &s->net, RIGHTS);
	meet(s, peer);
	s->revokes++;
}

void life_poll(struct soak *s)
{
	struct peer *peer = &s->peers[soak_draw(s, SOAK_PEERS)];
	uint64_t now = clock_ns();
	bool due = now >= s->next_life_ns;
	int rc = weft_remote_status(peer->remote);

	if (rc == -WEFT_EPEERGONE || rc == -WEFT_EPEERSTUCK || (due && soak_draw(s, 2)))
		kill_peer(peer);
	if (peer->dead) {
		trouble_end(s);
		restart(s, peer);
	} else if (due) {
		trouble_end(s);
		revoke(s, peer);
	}
	if (due)
		s->next_life_ns = clock_ns() + soak_draw(s, LIFE_MS) * NSEC_PER_MSEC;
}

void life_close(struct soak *s)
{
	for (uint32_t i = 0; i < SOAK_PEERS; i++) {
		struct weft_peer *peer = weft_remote_peer(s->peers[i].remote);

		check_ok(weft_remote_status(s->peers[i].remote));
		check_ok(weft_remote_close(s->peers[i].remote));
		weft_disconnect(peer);
	}
	for (uint32_t i = 0; i < SOAK_BATCHES; i++)
		weft_batch_close(s->loads[i].batch);
	net_unregister(&s->net, s->whole);
	check_guards(&s->area);
	until(&s->net, net_stats(s->weft).peers == 0);
}
