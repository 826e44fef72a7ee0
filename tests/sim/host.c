/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sim.h"

#define RAILS_MAX 3u

struct say {
	uint32_t from, from_life, to_life, number;
};

static void on_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct host *host = ctx;
	struct sim *sim = host->sim;
	struct talk *talk;
	struct say say;

	(void)peer;
	sim_check(sim, len == sizeof(say));
	memcpy(&say, data, sizeof(say));
	sim_check(sim, say.from < SIM_HOSTS && say.number < SIM_MESSAGES);
	sim_note(sim, "h%u: message %u of h%u", host->index, say.number, say.from);
	talk = &sim->talks[say.from][host->index];
	if (say.from_life != talk->from_life || say.to_life != talk->to_life)
		return; /* of an engine that is closed by now */
	sim_check(sim, !talk->seen[say.number]);
	talk->seen[say.number] = true;
	talk->received++;
}

/* Whoever sent it anything has met it in host_reach(). */
static void on_peer_gone(void *ctx, struct weft_peer *peer, int reason)
{
	struct host *host = ctx;
	uintptr_t other = (uintptr_t)weft_peer_data(peer);

	sim_note(host->sim, "h%u: peer of h%d is gone: %s", host->index, (int)other - 1,
		 weft_error_name(reason));
	if (other)
		host->sim->talks[host->index][other - 1].broken = true;
}

static void add(struct host *host, const char *name, uint64_t value)
{
	size_t at = strlen(host->script);
	const char *before = at && host->script[at - 1] != ';' ? "," : "";

	snprintf(host->script + at, sizeof(host->script) - at, "%s%s=%llu", before, name,
		 (unsigned long long)value);
}

/* A script for each rail: all take time and change the order; and one kind of fault, or none. One
 * that breaks does so for good. Draws
 * stand in statements of their own, so that their order is the same with every compiler. */
void host_plan(struct host *host)
{
	static const char *const faults[] = { "hang_every", "fail_every", "late_every" };
	struct sim *sim = host->sim;
	uint32_t rails = 1 + (uint32_t)sim_draw(sim, RAILS_MAX);
	uint32_t kind = (uint32_t)sim_draw(sim, 10);
	uint32_t breaks = kind == 8 ? (uint32_t)sim_draw(sim, rails) : rails;

	host->hangs = kind == 0;
	host->fails = kind == 1;
	host->breaks = kind == 8;
	/* With the first rail messages that it had taken in may be lost, and so the peers. */
	host->loses_peers = kind == 2 || breaks == 0;
	host->script[0] = '\0';
	for (uint32_t i = 0; i < rails; i++) {
		uint64_t every = 20 + sim_draw(sim, 200);

		if (i)
			strcat(host->script, ";");
		add(host, "delay_us", sim_draw(sim, 20));
		add(host, "jitter_us", 1 + sim_draw(sim, 100));
		add(host, "reorder", sim_draw(sim, 16));
		add(host, "seed", 1 + sim_draw(sim, 1000000));
		add(host, "depth", 16 + sim_draw(sim, 64));
		add(host, "segments", 1 + sim_draw(sim, 8));
		if (kind < 3)
			add(host, faults[kind], every);
		if (i == breaks)
			add(host, "breaks_after", every);
		/* The first rail carries the handshake: without it there is no peer. */
		if (kind < 6 && kind >= 3 && (i || kind == 3)) {
			add(host, "down_after", every);
			add(host, "down_us", 100 + sim_draw(sim, 20000));
			host->loses_peers |= i == 0;
		}
	}
}

static uint32_t rails_of(const char *script)
{
	uint32_t rails = 1;

	for (; *script; script++)
		rails += *script == ';';
	return rails;
}

bool host_is_mute(const struct host *host)
{
	struct weft_rail_info info = { .size = sizeof(info) };

	for (uint32_t i = 0; weft_rail(host->weft, i, &info) == 0; i++)
		if (!info.reason)
			return false;
	return true;
}

static void offer(struct host *host)
{
	int rc = weft_register(host->weft, host->given.base, host->given.len,
			       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &host->shared);

	sim_check(host->sim, rc == 0);
	host->taking_back = false;
	host->region_life++;
}

static void new_talks(struct host *host)
{
	for (uint32_t i = 0; i < SIM_HOSTS; i++) {
		struct host *other = &host->sim->hosts[i];

		host->sim->talks[host->index][i] =
			(struct talk){ .from_life = host->life, .to_life = other->life };
		host->sim->talks[i][host->index] =
			(struct talk){ .from_life = other->life, .to_life = host->life };
	}
}

void host_open(struct host *host)
{
	uint32_t window = 16 + (uint32_t)sim_draw(host->sim, 64);
	uint32_t buffers = 16 + (uint32_t)sim_draw(host->sim, 64);
	uint32_t idle = sim_chance(host->sim, 50); /* of two peers the other is let go */
	const struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = "loop",
		.devices = host->script,
		.rails = rails_of(host->script),
		.progress = WEFT_PROGRESS_MANUAL,
		.peer_window = window,
		.receive_buffers = buffers,
		.idle_peers = idle,
		.on_message = on_message,
		.on_peer_gone = on_peer_gone,
		.ctx = host,
	};
	int rc;

	host->rests = idle;
	rc = weft_open(&host->weft, &opts);
	if (rc)
		sim_fail(host->sim, "opening: %s", weft_error_detail());
	host->life++;
	host->imm_done = host->imm_other = 0;
	sim_note(host->sim, "h%u: opens, life %u: %s", host->index, host->life, host->script);
	rc = weft_register(host->weft, host->own.base, host->own.len, WEFT_LOCAL, &host->mine);
	sim_check(host->sim, rc == 0);
	rc = weft_arrival_open(host->weft, &host->arrival);
	sim_check(host->sim, rc == 0);
	offer(host);
	new_talks(host);
}

void host_silence(struct host *host)
{
	sim_note(host->sim, "h%u: is silent from here on", host->index);
	engine_silence(host->weft);
}

void host_close(struct host *host)
{
	sim_note(host->sim, "h%u: closes", host->index);
	weft_close(host->weft);
	host->weft = NULL;
	host->shared = NULL;
	memset(host->to, 0, sizeof(host->to));
	memset(host->old, 0, sizeof(host->old));
	host->region_life++;
	batch_drop_all(host);
	batch_settle_target(host->sim, host->index);
}

void host_progress(struct host *host)
{
	uint64_t now_ns = host->sim->now_ns;
	int rc = weft_progress(host->weft, 0);

	sim_check(host->sim, rc >= 0);
	batch_check_deadlines(host, now_ns);
}

void host_take_back(struct host *host, bool force)
{
	int rc = weft_unregister(host->shared, force ? 1 : 0);

	sim_note(host->sim, "h%u: takes its region back%s: %s", host->index,
		 force ? ", cutting off who does not answer" : "", weft_error_name(rc));
	sim_check(host->sim, rc == 0 || rc == -WEFT_ENOTQUIET);
	host->taking_back = true;
	if (rc)
		return;
	host->region_life++;
	batch_settle_target(host->sim, host->index);
	offer(host);
}

void host_close_old(struct host *host)
{
	for (uint32_t i = 0; i < SIM_OLD; i++) {
		if (!host->old[i])
			continue;
		int rc = weft_remote_close(host->old[i]);

		sim_check(host->sim, rc == 0 || rc == -WEFT_ENOTQUIET);
		if (rc == 0)
			host->old[i] = NULL;
	}
}

static bool put_away(struct host *host, uint32_t to)
{
	for (uint32_t i = 0; i < SIM_OLD; i++) {
		if (host->old[i])
			continue;
		host->old[i] = host->to[to];
		host->to[to] = NULL;
		return true;
	}
	return false;
}

struct weft_remote *host_reach(struct host *host, uint32_t to)
{
	struct host *target = &host->sim->hosts[to];
	unsigned char descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	int rc;

	if (host->to[to]) {
		rc = weft_remote_status(host->to[to]);
		if (host->to_life[to] == target->region_life && (rc == 0 || rc == -EINPROGRESS))
			return host->to[to];
		if (!put_away(host, to))
			return NULL;
	}
	if (!target->weft || target->taking_back)
		return NULL;
	rc = weft_export(target->shared, descriptor, &len);
	sim_check(host->sim, rc == 0);
	rc = weft_import(host->weft, descriptor, len, &host->to[to]);
	sim_note(host->sim, "h%u: imports of h%u: %s", host->index, to, weft_error_name(rc));
	if (rc) {
		host->to[to] = NULL;
		return NULL;
	}
	host->to_life[to] = target->region_life;
	weft_peer_set_data(weft_remote_peer(host->to[to]), (void *)(uintptr_t)(to + 1));
	return host->to[to];
}

void host_say(struct host *host, uint32_t to)
{
	struct talk *talk = &host->sim->talks[host->index][to];
	struct weft_remote *remote = host_reach(host, to);
	struct say say = { .from = host->index,
			   .from_life = talk->from_life,
			   .to_life = talk->to_life,
			   .number = talk->sent };
	int rc;

	if (!remote || talk->sent == SIM_MESSAGES)
		return;
	rc = weft_notify(weft_remote_peer(remote), &say, sizeof(say));
	sim_note(host->sim, "h%u: says %u to h%u: %s", host->index, say.number, to,
		 weft_error_name(rc));
	if (rc == 0)
		talk->sent++;
	else if (rc != -WEFT_EQUEUEFULL)
		talk->broken = true;
}
