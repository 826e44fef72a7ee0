/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that were damaged, cut, made up, or come from another version or another fabric. */
#include <string.h>

#include "net.h"

struct described {
	struct net net;
	struct weft *a, *b;
	struct area mem;
	struct weft_region *region;
	uint8_t bytes[WEFT_DESCRIPTOR_MAX + 64];
	size_t len;
};

static void described_open(struct described *d, const struct conform *c)
{
	*d = (struct described){ .net.conform = c };
	d->a = net_open(&d->net, NULL);
	d->b = net_open(&d->net, NULL);
	area_open(&d->mem, 4096);
	d->region = net_register(d->b, &d->mem, WEFT_REMOTE_WRITE);
	d->len = WEFT_DESCRIPTOR_MAX;
	check_ok(weft_export(d->region, d->bytes, &d->len));
}

static void described_close(struct described *d)
{
	check_guards(&d->mem);
	net_end(&d->net);
	area_close(&d->mem);
}

/* Both ways in refuse it. Returns the code. */
static int refused(struct weft *weft, const void *bytes, size_t len)
{
	struct weft_remote *remote;
	struct weft_peer *peer;
	int rc = weft_import(weft, bytes, len, &remote);

	if (rc != -WEFT_EVERSION)
		check_rc(rc, -WEFT_EDESCRIPTOR);
	check_rc(weft_connect(weft, bytes, len, 0, &peer), rc);
	return rc;
}

static void damaged_descriptor_is_refused(const struct conform *c)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	struct described d;
	int versions = 0;

	described_open(&d, c);
	for (size_t i = 0; i < d.len; i++) {
		for (size_t k = 0; k < sizeof(flips); k++) {
			d.bytes[i] ^= flips[k];
			versions += refused(d.a, d.bytes, d.len) == -WEFT_EVERSION;
			d.bytes[i] ^= flips[k];
		}
	}
	/* Another version is told as such, whatever follows the version number. */
	check(versions > 0);
	check_int(net_stats(d.a).peers, 0);
	net_import_bytes(&d.net, d.a, d.bytes, d.len);
	described_close(&d);
}

static void cut_descriptor_is_refused(const struct conform *c)
{
	struct described d;

	described_open(&d, c);
	for (size_t len = 0; len < d.len; len++)
		refused(d.a, d.bytes, len);
	refused(d.a, d.bytes, d.len + 1);
	refused(d.a, d.bytes, WEFT_DESCRIPTOR_MAX);
	refused(d.a, d.bytes, WEFT_DESCRIPTOR_MAX + 1);
	check_int(net_stats(d.a).peers, 0);
	described_close(&d);
}

static void made_up_descriptor_is_refused(const struct conform *c)
{
	struct described d;
	uint64_t random = 17;

	described_open(&d, c);
	for (int i = 0; i < 3000; i++) {
		uint8_t bytes[512];
		size_t len = area_random(&random) % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)area_random(&random);
		/* Half of them with a good beginning. */
		if (i % 2)
			memcpy(bytes, d.bytes, len < 24 ? len : area_random(&random) % 24);
		refused(d.a, bytes, len);
	}
	check_int(net_stats(d.a).peers, 0);
	described_close(&d);
}

static void export_says_its_size(const struct conform *c)
{
	uint8_t small[8] = { 0 };
	struct described d;
	size_t len = 0, whole;

	described_open(&d, c);
	check_ok(weft_export(d.region, NULL, &len));
	check_int(len, d.len);
	check(len > sizeof(small) && len <= WEFT_DESCRIPTOR_MAX);
	len = sizeof(small);
	check_rc(weft_export(d.region, small, &len), -EMSGSIZE);
	check(!small[0] && !small[7]);
	len = d.len - 1;
	check_rc(weft_export(d.region, d.bytes, &len), -EMSGSIZE);
	check_ok(weft_export_engine(d.b, NULL, &whole));
	check(whole > 0 && whole <= WEFT_DESCRIPTOR_MAX);
	described_close(&d);
}

/* An engine's descriptor names no memory: it connects, but is nothing to import. */
static void engine_descriptor_has_no_memory(const struct conform *c)
{
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct weft_remote *remote;
	struct described d;

	described_open(&d, c);
	check_ok(weft_export_engine(d.b, bytes, &len));
	check_rc(weft_import(d.a, bytes, len, &remote), -WEFT_EDESCRIPTOR);
	net_connect(&d.net, d.a, d.b);
	described_close(&d);
}

/* loop is in every build, and nothing else reaches it. */
static void no_common_way_is_unreachable(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_opts opts = net_opts(c);
	struct weft_remote *remote;
	struct weft_region *region;
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct weft *a, *b;
	struct area mem;

	a = net_open(&net, NULL);
	opts.provider = c->row->script ? "tcp" : "loop";
	b = net_open(&net, &opts);
	area_open(&mem, 64);
	region = net_register(b, &mem, WEFT_REMOTE_WRITE);
	check_ok(weft_export(region, bytes, &len));
	check_rc(weft_import(a, bytes, len, &remote), -WEFT_EUNREACHABLE);
	check_int(net_stats(a).peers, 0);
	net_end(&net);
	area_close(&mem);
}

static void peers_have_a_limit(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_opts opts = net_opts(c);
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct weft_peer *peer;
	struct weft *a;

	if (!strcmp(c->row->name, "efa") && !strcmp(weft_libfabric_version(), "1.17"))
		conform_skip("libfabric 1.17's efa maps shared memory of engines in the same "
			     "process and "
			     "crashes when a new one follows one that has closed");
	opts.peer_limit = 2;
	a = net_open(&net, &opts);
	for (int i = 0; i < 2; i++)
		net_connect(&net, a, net_open(&net, NULL));
	check_ok(weft_export_engine(net_open(&net, NULL), bytes, &len));
	check_rc(weft_connect(a, bytes, len, 0, &peer), -WEFT_ELIMIT);
	check_int(net_stats(a).peers, 2);
	/* One that goes makes room. */
	net_close(&net, net.engines[1]);
	until(&net, net_stats(a).peers == 1);
	check_ok(weft_connect(a, bytes, len, 0, &peer));
	net_end(&net);
}

static struct weft_remote *import_only(struct weft *into, const struct weft_region *region)
{
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	struct weft_remote *remote;
	size_t len = sizeof(bytes);

	check_ok(weft_export(region, bytes, &len));
	check_ok(weft_import(into, bytes, len, &remote));
	return remote;
}

/* Two that know of each other before either says a word: whoever needs the other first, what each
 * asks for while the other's welcome is on its way is answered. */
static void both_import_before_first_contact(const struct conform *c)
{
	enum {
		LEN = 4096
	};
	struct area mem_a, mem_b;

	area_open(&mem_a, LEN);
	area_open(&mem_b, LEN);
	for (uint64_t round = 0; round < 4; round++) {
		struct net net = { .conform = c };
		struct weft *a = net_open(&net, NULL), *b = net_open(&net, NULL);
		struct weft_region *far_a = net_register(a, &mem_a, WEFT_REMOTE_WRITE);
		struct weft_region *far_b = net_register(b, &mem_b, WEFT_REMOTE_WRITE);
		struct weft_remote *to_b = import_only(a, far_b), *to_a = import_only(b, far_a);
		struct move there = { false, far_a, 0, to_b, 0, LEN, 0, 0 };
		struct move back = { false, far_b, 0, to_a, 0, LEN, 0, 0 };

		area_fill(&mem_a, 0, LEN, round);
		check_ok(net_move(&net, a, &there, CONFORM_LIMIT_NS));
		check_holds(&mem_b, 0, LEN, round);
		area_fill(&mem_b, 0, LEN, round + 100);
		check_ok(net_move(&net, b, &back, CONFORM_LIMIT_NS));
		check_holds(&mem_a, 0, LEN, round + 100);
		net_end(&net);
	}
	check_guards(&mem_a);
	check_guards(&mem_b);
	area_close(&mem_a);
	area_close(&mem_b);
}

const struct conform_case cases_descriptor[] = {
	{ "damaged_descriptor_is_refused", damaged_descriptor_is_refused, ONLY_MANUAL },
	{ "cut_descriptor_is_refused", cut_descriptor_is_refused, ONLY_MANUAL },
	{ "made_up_descriptor_is_refused", made_up_descriptor_is_refused, ONLY_MANUAL },
	{ "export_says_its_size", export_says_its_size, ONLY_MANUAL },
	{ "engine_descriptor_has_no_memory", engine_descriptor_has_no_memory, 0 },
	{ "no_common_way_is_unreachable", no_common_way_is_unreachable, ONLY_MANUAL },
	{ "peers_have_a_limit", peers_have_a_limit, 0 },
	{ "both_import_before_first_contact", both_import_before_first_contact, 0 },
	{ 0 },
};
