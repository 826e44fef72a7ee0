/* SPDX-License-Identifier: Apache-2.0 */
/* weft_unregister(): once it has returned 0, no peer reaches the memory. */
#include "net.h"

#define LEN (256u * 1024)

/* From now on nothing may write the memory of b. */
static void check_untouched(struct pair *p)
{
	area_fill(&p->mem_b, 0, LEN, 99);
	net_run(&p->net, NSEC_PER_SEC / 50);
	check_holds(&p->mem_b, 0, LEN, 99);
}

static void revoked_region_is_refused(const struct conform *c)
{
	struct weft_batch *added;
	struct move move;
	struct pair p;

	pair_open(&p, c, LEN);
	move = (struct move){ false, p.region_a, 0, p.to_b, 0, LEN, 0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	added = net_batch(p.a, 1);
	check_int(net_add(added, &move), 0);
	net_unregister(&p.net, p.region_b);
	area_fill(&p.mem_b, 0, LEN, 99);
	check_rc(weft_remote_status(p.to_b), -WEFT_EREVOKED);
	check_rc(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS), -WEFT_EREVOKED);
	move.read = true;
	check_rc(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS), -WEFT_EREVOKED);
	/* Added before, submitted after. */
	check_ok(weft_submit(added, CONFORM_LIMIT_NS));
	net_finish(&p.net, added);
	check_rc(weft_batch_error(added), -WEFT_EREVOKED);
	check_int(net_result(added, 0).state, WEFT_FAILED);
	check_int(net_result(added, 0).quiescent, 1);
	weft_batch_close(added);
	check_holds(&p.mem_b, 0, LEN, 99);
	check_untouched(&p);
	/* Registered again it is another region, and the peer is as good as ever. */
	p.region_b = net_register(p.b, &p.mem_b, WEFT_REMOTE_WRITE);
	move = (struct move){ false, p.region_a, 0, net_import(&p.net, p.a, p.region_b),
			      0,     LEN,        0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	check_rc(weft_remote_status(p.to_b), -WEFT_EREVOKED);
	check_ok(weft_remote_close(p.to_b));
	pair_close(&p);
}

/* Only the one region is taken back. */
static void other_regions_go_on(const struct conform *c)
{
	struct area mem;
	struct weft_region *other;
	struct weft_remote *remote;
	struct move move;
	struct pair p;

	pair_open(&p, c, LEN);
	area_open(&mem, 4096);
	other = net_register(p.b, &mem, WEFT_REMOTE_WRITE);
	remote = net_import(&p.net, p.a, other);
	net_unregister(&p.net, p.region_b);
	area_fill(&p.mem_a, 0, 4096, 5);
	move = (struct move){ false, p.region_a, 0, remote, 0, 4096, 0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	check_holds(&mem, 0, 4096, 5);
	check_guards(&mem);
	pair_close(&p);
	area_close(&mem);
}

/* The descriptor leaves before, and is imported after: nobody could be told. */
static void late_import_is_refused(const struct conform *c)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_remote *remote;
	struct move move;
	struct pair p;
	int rc;

	pair_open(&p, c, LEN);
	check_ok(weft_export(p.region_b, descriptor, &len));
	check_ok(weft_remote_close(p.to_b));
	net_unregister(&p.net, p.region_b);
	area_fill(&p.mem_b, 0, LEN, 99);
	rc = weft_import(p.a, descriptor, len, &remote);
	if (!rc) {
		move = (struct move){ false, p.region_a, 0, remote, 0, LEN, 0, 0 };
		rc = net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS);
	}
	if (rc != -WEFT_EREFUSED)
		check_rc(rc, -WEFT_EREVOKED);
	check_holds(&p.mem_b, 0, LEN, 99);
	check_untouched(&p);
	pair_close(&p);
}

static bool ended_well_or_revoked(const struct weft_batch *batch, uint32_t count, uint32_t *done)
{
	for (uint32_t i = 0; i < count; i++) {
		struct weft_result result = net_result(batch, i);

		*done += result.state == WEFT_DONE;
		if (result.state == WEFT_DONE && result.error == 0)
			continue;
		if (result.state != WEFT_FAILED || !result.quiescent ||
		    (result.error != -WEFT_EREVOKED && result.error != -WEFT_EREFUSED))
			return false;
	}
	return true;
}

/* Revokes at different moments of a stream of transfers. */
static void revoke_in_flight_round(struct pair *p, bool read, int turns)
{
	enum {
		COUNT = 512,
		EACH = LEN / COUNT
	};
	struct weft_batch *batch = net_batch(p->a, COUNT);
	uint32_t done = 0;

	for (uint64_t i = 0; i < COUNT; i++) {
		struct move move = { read, p->region_a, i * EACH, p->to_b, i * EACH, EACH, 0, 0 };

		check_int(net_add(batch, &move), i);
	}
	area_fill(&p->mem_a, 0, LEN, 41);
	area_fill(&p->mem_b, 0, LEN, 41);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	for (int i = 0; i < turns; i++)
		net_turn(&p->net);
	net_unregister(&p->net, p->region_b);
	check_untouched(p);
	net_finish(&p->net, batch);
	check(ended_well_or_revoked(batch, COUNT, &done));
	check_ok(weft_batch_quiesce(batch, 0));
	weft_batch_close(batch);
	check_ok(weft_remote_close(p->to_b));
	p->region_b = net_register(p->b, &p->mem_b, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	p->to_b = net_import(&p->net, p->a, p->region_b);
}

static void revoke_while_in_flight(const struct conform *c)
{
	struct pair p;

	pair_open(&p, c, LEN);
	for (int turns = 0; turns < 16; turns++)
		revoke_in_flight_round(&p, turns % 2, turns * turns / 4);
	pair_close(&p);
}

/* The initiator's own region is taken back under its transfers. */
static void unregister_waits_for_local_transfers(const struct conform *c)
{
	enum {
		COUNT = 256,
		EACH = LEN / COUNT
	};
	struct pair p;

	pair_open(&p, c, LEN);
	for (int round = 0; round < 10; round++) {
		struct weft_batch *batch = net_batch(p.a, COUNT);
		struct move late;

		for (uint64_t i = 0; i < COUNT; i++) {
			struct move move = { true,     p.region_a, i * EACH, p.to_b,
					     i * EACH, EACH,       0,        0 };

			check_int(net_add(batch, &move), i);
		}
		check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
		for (int i = 0; i < round; i++)
			net_turn(&p.net);
		net_unregister(&p.net, p.region_a);
		area_fill(&p.mem_a, 0, LEN, 7);
		net_run(&p.net, NSEC_PER_SEC / 100);
		check_holds(&p.mem_a, 0, LEN, 7);
		net_finish(&p.net, batch);
		check_ok(weft_batch_quiesce(batch, 0));
		weft_batch_close(batch);
		p.region_a = net_register(p.a, &p.mem_a, WEFT_LOCAL);
		late = (struct move){ true, p.region_a, 0, p.to_b, 0, LEN, 0, 0 };
		check_ok(net_move(&p.net, p.a, &late, CONFORM_LIMIT_NS));
	}
	pair_close(&p);
}

/* No timeout is needed where nothing is under way, and no peer to answer. */
static void unused_region_goes_at_once(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft *weft = net_open(&net, NULL);
	struct area mem;

	area_open(&mem, 4096);
	for (int i = 0; i < 300; i++)
		check_ok(weft_unregister(net_register(weft, &mem, WEFT_REMOTE_WRITE), 0));
	check_int(net_stats(weft).regions, 0);
	net_end(&net);
	area_close(&mem);
}

const struct conform_case cases_revoke[] = {
	{ "revoked_region_is_refused", revoked_region_is_refused, 0 },
	{ "other_regions_go_on", other_regions_go_on, 0 },
	{ "late_import_is_refused", late_import_is_refused, 0 },
	{ "revoke_while_in_flight", revoke_while_in_flight, 0 },
	{ "unregister_waits_for_local_transfers", unregister_waits_for_local_transfers, 0 },
	{ "unused_region_goes_at_once", unused_region_goes_at_once, 0 },
	{ 0 },
};
