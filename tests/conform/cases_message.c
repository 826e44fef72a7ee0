/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: whole, once each, and a message after a WRITE finds the data. */
#include <string.h>

#include "net.h"

static const size_t lengths[] = { 0,   1,    7,    8,    63,   64,   65,   191,  192,
				  193, 1024, 4071, 4072, 4096, 4097, 8000, 8191, 8192 };

/* b answers to the peer that the message came from. */
static void messages_of_every_size(const struct conform *c)
{
	struct area out, in;
	struct weft_peer *to_b, *from;
	struct pair p;

	pair_open(&p, c, 4096);
	area_open(&out, WEFT_NOTIFY_MAX);
	area_open(&in, WEFT_NOTIFY_MAX);
	to_b = weft_remote_peer(p.to_b);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		area_fill(&out, 0, out.len, i);
		net_notify(&p.net, to_b, out.base, lengths[i]);
		area_fill(&out, 0, out.len, ~i);
		check_int(net_receive(&p.net, p.b, in.base, in.len, &from), lengths[i]);
		check_holds(&in, 0, lengths[i], i);
		net_notify(&p.net, from, out.base, lengths[i]);
		check_int(net_receive(&p.net, p.a, in.base, in.len, &from), lengths[i]);
		check_holds(&in, 0, lengths[i], ~i);
		check(from == to_b);
	}
	check_guards(&in);
	check_int(net_stats(p.a).messages_bad + net_stats(p.b).messages_bad, 0);
	area_close(&out);
	area_close(&in);
	pair_close(&p);
}

static void oversize_message_is_refused(const struct conform *c)
{
	static uint8_t data[WEFT_NOTIFY_MAX + 1];
	struct weft_peer *to_b;
	struct pair p;
	size_t len = sizeof(data);

	pair_open(&p, c, 4096);
	to_b = weft_remote_peer(p.to_b);
	check_rc(weft_notify(to_b, data, WEFT_NOTIFY_MAX + 1), -EMSGSIZE);
	check_rc(weft_notify(to_b, data, SIZE_MAX), -EMSGSIZE);
	net_run(&p.net, NSEC_PER_SEC / 50);
	check_rc(weft_receive(p.b, data, &len, NULL, 0), -EAGAIN);
	pair_close(&p);
}

static void small_room_keeps_the_message(const struct conform *c)
{
	struct weft_peer *from = NULL;
	char text[64] = { 0 };
	size_t len = 4;
	struct pair p;
	int rc = 0;

	pair_open(&p, c, 4096);
	net_notify(&p.net, weft_remote_peer(p.to_b), "hello, world", 12);
	until(&p.net, (len = 4, rc = weft_receive(p.b, text, &len, &from, 0)) != -EAGAIN);
	check_rc(rc, -EMSGSIZE);
	check_int(len, 12);
	check(from == NULL && text[0] == 0);
	len = sizeof(text);
	check_ok(weft_receive(p.b, text, &len, &from, 0));
	check_int(len, 12);
	check(!memcmp(text, "hello, world", 12));
	len = sizeof(text);
	check_rc(weft_receive(p.b, text, &len, &from, NSEC_PER_SEC / 100), -EAGAIN);
	pair_close(&p);
}

#define BURST 3000u

/* Far more than the receive buffers: each comes once, in whatever order. */
static void burst_arrives_once_each(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct pair p;

	opts.receive_buffers = 16;
	pair_open_opts(&p, c, 4096, NULL, &opts);
	net_burst(&p.net, weft_remote_peer(p.to_b), p.b, BURST, BURST);
	check_int(net_stats(p.a).messages_sent, BURST);
	check_int(net_stats(p.b).messages_received, BURST);
	pair_close(&p);
}

struct listener {
	atomic_uint calls;
	atomic_size_t bytes;
	_Atomic(struct weft_peer *) peer;
};

static void on_message(void *ctx, struct weft_peer *peer, const void *data, size_t len)
{
	struct listener *listener = ctx;

	check(len == 0 || data);
	atomic_store(&listener->peer, peer);
	atomic_fetch_add(&listener->bytes, len);
	atomic_fetch_add(&listener->calls, 1);
}

static void callback_gets_messages(const struct conform *c)
{
	struct listener listener = { 0 };
	struct weft_opts opts = net_opts(c);
	struct weft_peer *peer;
	struct pair p;
	int mark;

	opts.on_message = on_message;
	opts.ctx = &listener;
	pair_open_opts(&p, c, 4096, NULL, &opts);
	for (size_t i = 0; i < 100; i++)
		net_notify(&p.net, weft_remote_peer(p.to_b), "0123456789", i % 11);
	until(&p.net, atomic_load(&listener.calls) == 100);
	check_int(atomic_load(&listener.bytes), 9 * 55);
	peer = weft_remote_peer(p.to_a);
	check(atomic_load(&listener.peer) == peer);
	check(weft_peer_data(peer) == NULL);
	weft_peer_set_data(peer, &mark);
	check(weft_peer_data(peer) == &mark);
	pair_close(&p);
}

#define ROUNDS 400u
#define LANES  8u
#define LANE   65536u

/* Each lane: write, and when that is done tell b, who looks at once and answers. */
struct teller {
	struct weft_batch *batch;
	uint64_t round, len;
	bool active;
};

struct told {
	uint32_t lane;
	uint32_t pad;
	uint64_t len, seed;
};

static void tell_start(struct pair *p, struct teller *t, uint32_t lane)
{
	uint64_t at = (uint64_t)lane * LANE;

	t->len = (t->round * 7919 + lane * 104729) % LANE + 1;
	area_fill(&p->mem_a, at, t->len, t->round << 8 | lane);
	check_ok(weft_batch_reset(t->batch));
	/* In two pieces, so that both must be placed. */
	check_int(weft_batch_write(t->batch, p->region_a, at, p->to_b, at, t->len / 2, 0, 0), 0);
	check_int(weft_batch_write(t->batch, p->region_a, at + t->len / 2, p->to_b, at + t->len / 2,
				   t->len - t->len / 2, 0, 0),
		  1);
	check_ok(weft_submit(t->batch, CONFORM_LIMIT_NS));
	t->active = true;
}

static void tell_when_done(struct pair *p, struct teller *t, uint32_t lane)
{
	struct told told = { .lane = lane, .len = t->len, .seed = t->round << 8 | lane };

	if (!t->active || weft_batch_poll(t->batch) != 1)
		return;
	net_check_done(t->batch, 2);
	t->active = false;
	net_notify(&p->net, weft_remote_peer(p->to_b), &told, sizeof(told));
}

static void message_after_write_finds_data(const struct conform *c)
{
	struct teller tellers[LANES] = { 0 };
	uint32_t started = 0, ended = 0;
	struct told told;
	struct pair p;

	pair_open(&p, c, LANES * LANE);
	for (; started < LANES; started++) {
		tellers[started].batch = net_batch(p.a, 2);
		tell_start(&p, &tellers[started], started);
	}
	while (ended < ROUNDS) {
		size_t len = sizeof(told);

		for (uint32_t lane = 0; lane < LANES; lane++)
			tell_when_done(&p, &tellers[lane], lane);
		net_turn(&p.net);
		while (weft_receive(p.b, &told, &len, NULL, 0) == 0) {
			check(told.lane < LANES);
			check_holds(&p.mem_b, (size_t)told.lane * LANE, told.len, told.seed);
			tellers[told.lane].round++;
			ended++;
			if (started++ < ROUNDS)
				tell_start(&p, &tellers[told.lane], told.lane);
		}
	}
	for (uint32_t lane = 0; lane < LANES; lane++)
		weft_batch_close(tellers[lane].batch);
	pair_close(&p);
}

/* b has imported nothing of a: the first message makes it known. */
static void message_to_a_stranger(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *a = net_open(&net, NULL);
	struct weft *b = net_open(&net, NULL);
	struct weft_peer_info info = { .size = sizeof(info) };
	struct weft_peer *peer = net_connect(&net, a, b), *from;
	char text[8];

	check_ok(weft_peer_info(peer, &info));
	check(info.rails >= 1);
	net_notify(&net, peer, "knock", 5);
	check_int(net_receive(&net, b, text, sizeof(text), &from), 5);
	net_notify(&net, from, "come in", 7);
	check_int(net_receive(&net, a, text, sizeof(text), &from), 7);
	check(from == peer);
	net_end(&net);
}

const struct conform_case cases_message[] = {
	{ "messages_of_every_size", messages_of_every_size, 0 },
	{ "oversize_message_is_refused", oversize_message_is_refused, 0 },
	{ "small_room_keeps_the_message", small_room_keeps_the_message, 0 },
	{ "burst_arrives_once_each", burst_arrives_once_each, 0 },
	{ "callback_gets_messages", callback_gets_messages, 0 },
	{ "message_after_write_finds_data", message_after_write_finds_data, 0 },
	{ "message_to_a_stranger", message_to_a_stranger, 0 },
	{ 0 },
};
