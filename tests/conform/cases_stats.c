/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine measures and tells of itself: latencies, and all of it as text. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define LEN 65536u

static struct weft_latency engine_latency(struct weft *weft, uint32_t kind)
{
	struct weft_latency latency = { .size = sizeof(latency) };

	check_ok(weft_latency(weft, kind, &latency));
	return latency;
}

static struct weft_latency peer_latency(const struct weft_peer *peer, uint32_t kind)
{
	struct weft_latency latency = { .size = sizeof(latency) };

	check_ok(weft_peer_latency(peer, kind, &latency));
	return latency;
}

/* Ordered, and nothing is longer than what it was measured within. */
static void check_shape(const struct weft_latency *l, uint64_t within_ns)
{
	check(l->min <= l->p50 && l->p50 <= l->p90 && l->p90 <= l->p99);
	check(l->p99 <= l->p999 && l->p999 <= l->max);
	check(l->min <= l->mean && l->mean <= l->max);
	check(l->max <= within_ns);
}

static void check_rails(struct weft *weft, uint64_t within_ns)
{
	struct weft_latency latency = { .size = sizeof(latency) };
	struct weft_rail_info rail = { .size = sizeof(rail) };
	uint64_t done = 0;
	uint32_t i;

	for (i = 0; !weft_rail(weft, i, &rail); i++) {
		check_ok(weft_rail_latency(weft, i, &latency));
		check_int(latency.count, rail.done);
		check_shape(&latency, within_ns);
		done += rail.done;
	}
	check(done > 0);
	check_rc(weft_rail_latency(weft, i, &latency), -ENOENT);
}

/* count transfers of a length each, one after the other. */
static void move_some(struct pair *p, bool read, uint64_t len, int count)
{
	struct move move = { read, p->region_a, 0, p->to_b, 0, len, 0, 0 };

	for (int i = 0; i < count; i++)
		check_ok(net_move(&p->net, p->a, &move, CONFORM_LIMIT_NS));
}

static void every_transfer_done_is_measured(const struct conform *c)
{
	uint64_t start_ns = clock_ns(), within_ns;
	struct weft_latency write, read, none;
	struct weft_batch *batch;
	struct weft_peer *peer;
	struct pair p;

	pair_open(&p, c, LEN);
	peer = weft_remote_peer(p.to_b);
	move_some(&p, false, 64, 10);
	move_some(&p, false, 0, 3);
	move_some(&p, false, LEN, 4);
	move_some(&p, true, 64, 5);
	batch = net_batch(p.a, 16);
	for (int i = 0; i < 16; i++)
		check_int(weft_batch_read(batch, p.region_a, 0, p.to_b, 0, 4096), i);
	net_complete(&p.net, batch, 16);
	within_ns = clock_ns() - start_ns;
	write = engine_latency(p.a, WEFT_WRITE);
	read = engine_latency(p.a, WEFT_READ);
	check_int(write.count, 17);
	check_int(read.count, 21);
	check_int(net_stats(p.a).writes_done, 17);
	check_int(net_stats(p.a).reads_done, 21);
	check_shape(&write, within_ns);
	check_shape(&read, within_ns);
	none = peer_latency(peer, WEFT_WRITE);
	check(!memcmp(&none, &write, sizeof(none)));
	none = peer_latency(peer, WEFT_READ);
	check(!memcmp(&none, &read, sizeof(none)));
	check_rails(p.a, within_ns);
	none = engine_latency(p.b, WEFT_WRITE);
	check_int(none.count + none.min + none.mean + none.p50 + none.p999 + none.max, 0);
	check_rc(weft_latency(p.a, 2, &none), -EINVAL);
	check_rc(weft_peer_latency(peer, 2, &none), -EINVAL);
	weft_batch_close(batch);
	pair_close(&p);
}

static struct weft_peer_stats peer_counters(const struct weft_peer *peer)
{
	struct weft_peer_stats stats = { .size = sizeof(stats) };

	check_ok(weft_peer_stats(peer, &stats));
	return stats;
}

/* With one peer its counters are the engine's; the other side counts only what has come. */
static void each_peer_is_counted(const struct conform *c)
{
	struct weft_peer_stats ours, few = { .size = 2 * sizeof(uint64_t) };
	struct weft_stats all;
	struct weft_batch *batch;
	struct weft_peer *peer;
	struct pair p;

	pair_open(&p, c, LEN);
	peer = weft_remote_peer(p.to_b);
	move_some(&p, false, 64, 5);
	move_some(&p, true, LEN, 2);
	batch = net_batch(p.a, 1);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0), 0);
	check_ok(weft_submit(batch, 0));
	net_finish(&p.net, batch);
	check_ok(weft_notify(peer, "hello", 5));
	until(&p.net, net_stats(p.b).messages_received == 1);
	ours = peer_counters(peer);
	all = net_stats(p.a);
	check_int(ours.writes_done, all.writes_done);
	check_int(ours.bytes_written, all.bytes_written);
	check_int(ours.reads_done, 2);
	check_int(ours.bytes_read, 2 * (uint64_t)LEN);
	check_int(ours.deadline, all.deadline);
	check_int(ours.writes_done + ours.deadline, 6);
	check_int(ours.messages_sent, 1);
	check_int(ours.messages_received + ours.failed + ours.cancelled, 0);
	check_ok(weft_peer_stats(peer, &few));
	check_int(few.writes_done, ours.writes_done);
	check_rc(weft_peer_stats(peer, &(struct weft_peer_stats){ 0 }), -EINVAL);
	weft_batch_close(batch);
	pair_close(&p);
}

/* Of a peer that is no more the engine keeps what it has measured. */
static void a_peer_that_left_stays_measured(const struct conform *c)
{
	struct pair p;

	pair_open(&p, c, LEN);
	move_some(&p, false, 64, 7);
	weft_disconnect(weft_remote_peer(p.to_b));
	check_int(engine_latency(p.a, WEFT_WRITE).count, 7);
	check_ok(weft_remote_close(p.to_b));
	until(&p.net, net_stats(p.a).peers == 0);
	check_int(engine_latency(p.a, WEFT_WRITE).count, 7);
	pair_close(&p);
}

/* What the transport takes on purpose is in both measures; what failed or hangs is in none. */
static void delays_are_seen(const struct conform *c)
{
	struct weft_latency rail = { .size = sizeof(rail) }, write;
	struct weft_opts opts = net_opts(c);
	struct weft_batch *batch;
	struct pair p;

	opts.devices = "delay_us=3000,fail_every=4";
	pair_open_opts(&p, c, LEN, &opts, NULL);
	batch = net_batch(p.a, 8);
	for (int i = 0; i < 8; i++)
		check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 64, 0, 0), i);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	net_finish(&p.net, batch);
	check_int(net_stats(p.a).failed, 2);
	write = engine_latency(p.a, WEFT_WRITE);
	check_ok(weft_rail_latency(p.a, 0, &rail));
	check_int(write.count, 6);
	check_int(rail.count, 6);
	check(write.min >= 3 * NSEC_PER_MSEC);
	check(rail.min >= 3 * NSEC_PER_MSEC);
	check(rail.min <= write.min);
	weft_batch_close(batch);
	pair_close(&p);
}

/* --- text --- */

#define LINES_MAX 4096

struct text {
	char *lines[LINES_MAX];
	int count;
};

static void keep_line(void *ctx, const char *line)
{
	struct text *text = ctx;

	check(text->count < LINES_MAX);
	text->lines[text->count++] = strdup(line);
}

static void drop_text(struct text *text)
{
	while (text->count)
		free(text->lines[--text->count]);
}

/* The value behind a name, or NULL. */
static const char *value_of(const struct text *text, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < text->count; i++)
		if (!strncmp(text->lines[i], name, len) && text->lines[i][len] == ' ')
			return text->lines[i] + len + 1;
	return NULL;
}

static uint64_t number_of(const struct text *text, const char *prefix, const char *name)
{
	const char *value;
	char whole[128];

	snprintf(whole, sizeof(whole), "%s%s", prefix, name);
	value = value_of(text, whole);
	if (!value)
		conform_fail(__FILE__, __LINE__, "the text has no %s", whole);
	check(isdigit((unsigned char)*value));
	return strtoull(value, NULL, 10);
}

/* "NAME VALUE", and no name twice. */
static void check_lines(const struct text *text)
{
	for (int i = 0; i < text->count; i++) {
		const char *blank = strchr(text->lines[i], ' ');
		char name[128];

		check(blank && blank > text->lines[i] && blank[1] && blank[1] != ' ');
		check(!strchr(text->lines[i], '\n'));
		snprintf(name, sizeof(name), "%.*s", (int)(blank - text->lines[i]), text->lines[i]);
		check(value_of(text, name) == blank + 1);
	}
}

static void check_latency(const struct text *text, const char *prefix,
			  const struct weft_latency *latency)
{
#define CHECK_LATENCY(name, what) check_int(number_of(text, prefix, #name), latency->name);
	WEFT_LATENCY_MAP(CHECK_LATENCY)
#undef CHECK_LATENCY
}

/* Writes the text anew, and returns the counter of the first rail's device. */
static uint64_t counted(const struct conform *c, struct weft *weft, struct text *text)
{
	drop_text(text);
	check_ok(weft_dump(weft, keep_line, text));
	return number_of(text, "rail.0.nic.", c->row->counter);
}

/* Counters of devices count what was moved; they show it a little later. */
static void check_nic(const struct conform *c, struct pair *p, struct text *text)
{
	if (!c->row->counter) {
		check(!value_of(text, "rail.0.nic.tx_bytes"));
		return;
	}
	until(&p->net, counted(c, p->a, text) >= LEN / c->row->counter_unit);
	conform_note("%s of the device: %llu", c->row->counter,
		     (unsigned long long)number_of(text, "rail.0.nic.", c->row->counter));
	check(!value_of(text, "rail.0.nic.lifespan"));
}

static void the_text_has_everything(const struct conform *c)
{
	static struct text text;
	struct weft_latency latency;
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct weft_stats stats;
	struct weft_batch *batch;
	struct pair p;

	pair_open(&p, c, LEN);
	batch = net_batch(p.a, 1);
	check_rc(weft_batch_write(batch, p.region_a, 1, p.to_b, 0, LEN, 0, 0), -WEFT_EBOUNDS);
	move_some(&p, false, LEN, 2);
	move_some(&p, true, 64, 3);
	check_ok(weft_dump(p.a, keep_line, &text));
	check_lines(&text);
	stats = net_stats(p.a);
#define CHECK_COUNTER(name, what) number_of(&text, "engine.", #name);
	WEFT_COUNTER_MAP(CHECK_COUNTER)
#undef CHECK_COUNTER
	check_int(number_of(&text, "engine.", "writes_done"), 2);
	check_int(number_of(&text, "engine.", "bytes_read"), stats.bytes_read);
	check_int(number_of(&text, "error.WEFT_EBOUNDS.", "refused"), 1);
	check_int(number_of(&text, "error.WEFT_EBOUNDS.", "transfers"), 0);
	latency = engine_latency(p.a, WEFT_WRITE);
	check_latency(&text, "latency.write.", &latency);
	check_latency(&text, "peer.0.latency.write.", &latency);
	latency = engine_latency(p.a, WEFT_READ);
	check_latency(&text, "latency.read.", &latency);
	check_latency(&text, "peer.0.latency.read.", &latency);
	check_ok(weft_rail(p.a, 0, &rail));
	check_ok(weft_rail_latency(p.a, 0, &latency));
	check_latency(&text, "rail.0.latency.", &latency);
	check_int(number_of(&text, "rail.0.", "bytes"), rail.bytes);
	check(!strcmp(value_of(&text, "rail.0.provider"), c->row->name));
	check(!strcmp(value_of(&text, "rail.0.device"), rail.device));
	check(value_of(&text, "rail.0.write_by"));
	check_int(number_of(&text, "peer.0.", "connected"), 1);
	check_int(number_of(&text, "peer.0.path.0.", "usable"), 1);
	check_nic(c, &p, &text);
	check_rc(weft_dump(p.a, NULL, NULL), -EINVAL);
	drop_text(&text);
	weft_batch_close(batch);
	pair_close(&p);
}

static void every_peer_is_told(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *a = net_open(&net, NULL), *others[3];
	static struct text text;

	for (int i = 0; i < 3; i++) {
		others[i] = net_open(&net, NULL);
		net_connect(&net, a, others[i]);
	}
	check_ok(weft_dump(a, keep_line, &text));
	for (int i = 0; i < 3; i++) {
		char prefix[32];

		snprintf(prefix, sizeof(prefix), "peer.%d.", i);
		check_int(number_of(&text, prefix, "connected"), 1);
	}
	check(!value_of(&text, "peer.3.connected"));
	check_lines(&text);
	drop_text(&text);
	net_end(&net);
}

const struct conform_case cases_stats[] = {
	{ "each_peer_is_counted", each_peer_is_counted, 0 },
	{ "every_transfer_done_is_measured", every_transfer_done_is_measured, 0 },
	{ "a_peer_that_left_stays_measured", a_peer_that_left_stays_measured, 0 },
	{ "delays_are_seen", delays_are_seen, NEEDS_SCRIPT },
	{ "the_text_has_everything", the_text_has_everything, 0 },
	{ "every_peer_is_told", every_peer_is_told, 0 },
	{ 0 },
};
