/* SPDX-License-Identifier: Apache-2.0 */
/* Who does WRITE and READ is shown, and software is refused where a device is asked for. */
#include <string.h>

#include "net.h"

static bool by_software(const struct weft_rail_info *rail)
{
	return rail->write_by == WEFT_RDMA_SOFTWARE || rail->write_by == WEFT_RDMA_UNKNOWN ||
	       rail->read_by == WEFT_RDMA_SOFTWARE || rail->read_by == WEFT_RDMA_UNKNOWN;
}

static void rdma_is_shown(const struct conform *c)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct weft_peer_info info;
	struct pair p;

	pair_open(&p, c, 4096);
	check_ok(weft_rail(p.a, 0, &rail));
	info = net_peer_info(weft_remote_peer(p.to_b));
	check_int(info.write_by, rail.write_by);
	check_int(info.read_by, rail.read_by);
	if (c->row->rdma) {
		check_int(rail.write_by, c->row->rdma);
		check_int(rail.read_by, c->row->rdma);
	} else {
		check(rail.write_by == WEFT_RDMA_DEVICE || rail.write_by == WEFT_RDMA_SOFTWARE);
		check(rail.read_by == WEFT_RDMA_DEVICE || rail.read_by == WEFT_RDMA_SOFTWARE);
		if (!strcmp(weft_libfabric_version(), "1.17"))
			check_int(rail.write_by, WEFT_RDMA_SOFTWARE);
	}
	pair_close(&p);
}

/* The first rail that an engine with these options has. */
static struct weft_rail_info first_rail(const struct conform *c, const struct weft_opts *opts)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct net net = { .conform = c };

	check_ok(weft_rail(net_open(&net, opts), 0, &rail));
	net_end(&net);
	return rail;
}

static void software_is_refused(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft_rail_info rail = first_rail(c, &opts);
	struct weft *weft = NULL;
	struct move move;
	struct pair p;

	opts.device_rdma = 1;
	if (by_software(&rail)) {
		check_rc(weft_open(&weft, &opts), -WEFT_ESOFTWARE);
		conform_note("%s", weft_error_detail());
		check(!weft);
		check(strstr(weft_error_detail(), c->row->name));
		check(strstr(weft_error_detail(), rail.device));
		check(strstr(weft_error_detail(), weft_libfabric_version()));
		check(strstr(weft_error_detail(), "software"));
		return;
	}
	pair_open_opts(&p, c, 4096, &opts, &opts);
	area_fill(&p.mem_a, 0, 4096, 1);
	move = (struct move){ false, p.region_a, 0, p.to_b, 0, 4096, 0, 0 };
	check_ok(net_move(&p.net, p.a, &move, CONFORM_LIMIT_NS));
	check_holds(&p.mem_b, 0, 4096, 1);
	pair_close(&p);
}

static void device_rdma_is_a_flag(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft *weft;

	opts.device_rdma = 2;
	check_rc(weft_open(&weft, &opts), -EINVAL);
	check(strstr(weft_error_detail(), "device_rdma"));
}

/* What auto has without being asked for devices: whether a device serves a NIC's rails, and the
 * names of those that none serves. */
struct offer {
	bool served;
	int refused;
	char names[64][64];
};

static void look(struct weft *weft, struct offer *offer)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };

	for (uint32_t i = 0; !weft_rail(weft, i, &rail); i++) {
		if (by_software(&rail))
			memcpy(offer->names[offer->refused++], rail.device, sizeof(rail.device));
		else if (rail.write_by == WEFT_RDMA_DEVICE)
			offer->served = true;
	}
}

static void auto_goes_without_software(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_opts opts = net_opts(c);
	struct offer all = { 0 }, strict = { 0 };
	struct weft *weft;
	int rc;

	opts.provider = NULL;
	opts.bind_addr = NULL;
	look(net_open(&net, &opts), &all);
	net_end(&net);
	opts.device_rdma = 1;
	rc = weft_open(&weft, &opts);
	if (all.served) {
		check_ok(rc);
		look(weft, &strict);
		weft_close(weft);
		check(strict.served);
		check_int(strict.refused, 0);
		return;
	}
	if (!all.refused)
		conform_skip("auto has no rail but those of this host");
	check_rc(rc, -WEFT_ESOFTWARE);
	conform_note("%s", weft_error_detail());
	for (int i = 0; i < all.refused; i++)
		check(strstr(weft_error_detail(), all.names[i]));
}

const struct conform_case cases_rdma[] = {
	{ "rdma_is_shown", rdma_is_shown, 0 },
	{ "software_is_refused", software_is_refused, 0 },
	{ "device_rdma_is_a_flag", device_rdma_is_a_flag, ONLY_MANUAL },
	{ "auto_goes_without_software", auto_goes_without_software, ONLY_MANUAL },
	{ 0 },
};
