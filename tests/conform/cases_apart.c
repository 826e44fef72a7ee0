/* SPDX-License-Identifier: Apache-2.0 */
/* Content again, with a peer in another process, which may be on another host. */
#include <errno.h>
#include <string.h>

#include "child.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define LEN (16 * MIB)

/* Around the edges of inline, inject, MTU, rendezvous and segment sizes of the providers. */
static const uint64_t sizes[] = {
	1,       8,           32,    33,    64,           4 * KIB,  8 * KIB,      8 * KIB + 1,
	8928,    8929,        17856, 17857, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1 * MIB - 1,
	1 * MIB, 4 * MIB + 5, LEN,
};

struct apart {
	struct net net;
	struct child child;
	struct weft *a;
	struct area mem;
	struct weft_region *region;
	struct weft_remote *remote;
};

static void apart_open(struct apart *p, const struct conform *c)
{
	*p = (struct apart){ .net.conform = c };
	child_spawn(&p->child, c, LEN);
	area_open(&p->mem, LEN);
	p->a = net_open(&p->net, NULL);
	p->region = net_register(p->a, &p->mem, WEFT_LOCAL);
	child_open(&p->child, &p->net, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	p->remote = net_import_bytes(&p->net, p->a, p->child.descriptor, p->child.descriptor_len);
}

static void apart_close(struct apart *p)
{
	check_guards(&p->mem);
	net_end(&p->net);
	child_end(&p->child);
	area_close(&p->mem);
}

static void apart_every_size(const struct conform *c, bool read)
{
	struct apart p;

	apart_open(&p, c);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct area *source = read ? &p.child.area : &p.mem;
		struct area *target = read ? &p.mem : &p.child.area;
		uint64_t at = sizes[i] < LEN ? i : 0;
		struct move move = { read, p.region, at, p.remote, at, sizes[i], 0, 0 };

		area_fill(source, at, sizes[i], i + 1);
		area_fill(target, at, sizes[i], i + 1000);
		check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
		check_holds(target, at, sizes[i], i + 1);
		check_guards(target);
	}
	apart_close(&p);
}

static void writes_to_another_process(const struct conform *c)
{
	apart_every_size(c, false);
}

static void reads_from_another_process(const struct conform *c)
{
	apart_every_size(c, true);
}

/* Both directions at once, each transfer with a place of its own, of many sizes. */
static void a_mixed_batch_with_another_process(const struct conform *c)
{
	enum {
		COUNT = 512
	};
	const uint64_t each = LEN / COUNT;
	struct weft_batch *batch;
	struct apart p;

	apart_open(&p, c);
	batch = net_batch(p.a, COUNT);
	for (uint64_t round = 0; round < 4; round++) {
		for (uint64_t i = 0; i < COUNT; i++) {
			uint64_t at = i * each, len = 1 + (i * 521 + round * 9973) % each;
			struct move move = { i % 2, p.region, at, p.remote, at, len, 0, 0 };

			area_fill(i % 2 ? &p.child.area : &p.mem, at, len, round << 16 | i);
			check_int(net_add(batch, &move), i);
		}
		net_complete(&p.net, batch, COUNT);
		for (uint64_t i = 0; i < COUNT; i++)
			check_holds(i % 2 ? &p.mem : &p.child.area, i * each,
				    1 + (i * 521 + round * 9973) % each, round << 16 | i);
	}
	weft_batch_close(batch);
	apart_close(&p);
}

static size_t message(uint8_t *data, uint32_t number)
{
	size_t size = 4 + number * 37 % (WEFT_NOTIFY_MAX - 3);

	memcpy(data, &number, 4);
	for (size_t i = 4; i < size; i++)
		data[i] = (uint8_t)(number + i);
	return size;
}

/* All that the engine takes now. */
static uint32_t send_more(struct weft_peer *peer, uint32_t sent, uint32_t count)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	int rc = 0;

	for (; sent < count && rc == 0; sent += rc == 0)
		rc = weft_notify(peer, data, message(data, sent));
	check(rc == 0 || rc == -WEFT_EQUEUEFULL);
	return sent;
}

/* Many at once, of every size: each comes back whole and once, in whatever order. One may be back
 * before the device has told that it was sent, and so may all that the engine takes at a time:
 * therefore what it refused is offered again with each turn, not only with what comes. */
static void messages_come_back(const struct conform *c)
{
	enum {
		COUNT = 2000
	};
	static uint8_t data[WEFT_NOTIFY_MAX], wanted[WEFT_NOTIFY_MAX];
	static bool seen[COUNT];
	struct weft_peer *peer, *from;
	uint32_t sent = 0, number;
	struct apart p;

	apart_open(&p, c);
	peer = weft_remote_peer(p.remote);
	for (uint32_t got = 0; got < COUNT; got++) {
		size_t len;
		int rc;

		until(&p.net, (sent = send_more(peer, sent, COUNT), len = sizeof(data),
			       rc = weft_receive(p.a, data, &len, &from, 0)) != -EAGAIN);
		check_ok(rc);
		memcpy(&number, data, 4);
		check(number < COUNT && !seen[number]);
		seen[number] = true;
		check_int(len, message(wanted, number));
		check(!memcmp(data, wanted, len));
		check(from == peer);
	}
	apart_close(&p);
}

const struct conform_case cases_apart[] = {
	{ "writes_to_another_process", writes_to_another_process, NEEDS_PROCESSES },
	{ "reads_from_another_process", reads_from_another_process, NEEDS_PROCESSES },
	{ "a_mixed_batch_with_another_process", a_mixed_batch_with_another_process,
	  NEEDS_PROCESSES },
	{ "messages_come_back", messages_come_back, NEEDS_PROCESSES },
	{ 0 },
};
