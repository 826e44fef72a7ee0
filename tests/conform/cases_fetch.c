/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where WRITEs are software's and READs the device's: what a device fetches goes in long
 * operations, all else in packets, and everything does with a peer whose device reads nothing.
 */
#include <stdlib.h>

#include "child.h"

#define LEN      (1u << 20)
#define VARIABLE "FI_EFA_USE_DEVICE_RDMA"

struct fetch {
	struct net net;
	struct child child;
	struct weft *a;
	struct weft_rail_info rail;
	struct area mem;
	struct weft_region *region;
	struct weft_remote *remote;
};

static void fetch_open(struct fetch *f, const struct conform *c, bool child_reads)
{
	const char *set = getenv(VARIABLE);

	*f = (struct fetch){ .net.conform = c, .rail.size = sizeof(f->rail) };
	if (!child_reads)
		check_int(setenv(VARIABLE, "0", 1), 0);
	child_spawn(&f->child, c, LEN);
	if (!child_reads)
		check_int(set ? setenv(VARIABLE, set, 1) : unsetenv(VARIABLE), 0);
	area_open(&f->mem, LEN);
	f->a = net_open(&f->net, NULL);
	check_ok(weft_rail(f->a, 0, &f->rail));
	if (!f->rail.max_fetched)
		conform_skip("no rail whose READs only are the device's");
	f->region = net_register(f->a, &f->mem, WEFT_LOCAL);
	child_open(&f->child, &f->net, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	f->remote = net_import_bytes(&f->net, f->a, f->child.descriptor, f->child.descriptor_len);
}

static void fetch_close(struct fetch *f)
{
	check_guards(&f->mem);
	net_end(&f->net);
	child_end(&f->child);
	area_close(&f->mem);
}

static uint64_t posted(struct weft *weft)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	uint64_t ret = 0;

	for (uint32_t i = 0; !weft_rail(weft, i, &rail); i++)
		ret += rail.posted;
	return ret;
}

/* Moves len bytes, and returns in how many operations. */
static uint64_t operations(struct fetch *f, bool read, uint64_t len)
{
	struct area *source = read ? &f->child.area : &f->mem;
	struct area *target = read ? &f->mem : &f->child.area;
	struct move move = { read, f->region, 0, f->remote, 0, len, 0, 0 };
	uint64_t before = posted(f->a);

	area_fill(source, 0, LEN, len);
	area_fill(target, 0, LEN, len + 1000);
	check_ok(net_move(&f->net, f->a, &move, CONFORM_LIMIT_NS));
	check_holds(target, 0, len, len);
	return posted(f->a) - before;
}

/* Before the first answer on each rail a device does not know what the other can do. */
static void warm(struct fetch *f)
{
	operations(f, true, LEN);
	operations(f, true, LEN);
}

static void long_operations_are_fetched(const struct conform *c)
{
	const uint64_t pieces = LEN / (128u << 10); /* at most, however many rails there are */
	uint64_t packet, shorter;
	struct fetch f;

	fetch_open(&f, c, true);
	packet = f.rail.max_message;
	shorter = f.rail.min_fetched - 1;
	warm(&f);
	check(operations(&f, true, LEN) <= pieces);
	check_int(operations(&f, true, packet + 1), 1);
	check(operations(&f, false, LEN) <= pieces);
	check_int(operations(&f, false, f.rail.min_fetched), 1);
	check_int(operations(&f, false, shorter), (shorter + packet - 1) / packet);
	/* What is left is too short to be fetched. */
	check(operations(&f, false, LEN - 1) <= pieces + (f.rail.min_fetched / packet));
	fetch_close(&f);
}

static void packets_go_to_who_cannot_fetch(const struct conform *c)
{
	struct fetch f;

	fetch_open(&f, c, false);
	warm(&f);
	check(operations(&f, true, LEN) >= LEN / f.rail.max_message);
	check(operations(&f, false, LEN) >= LEN / f.rail.max_message);
	fetch_close(&f);
}

const struct conform_case cases_fetch[] = {
	{ "long_operations_are_fetched", long_operations_are_fetched, NEEDS_PROCESSES },
	{ "packets_go_to_who_cannot_fetch", packets_go_to_who_cannot_fetch, NEEDS_PROCESSES },
	{ 0 },
};
