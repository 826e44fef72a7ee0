/* SPDX-License-Identifier: Apache-2.0 */
/* How long transfers and operations took. A transfer is recorded once, at its peer. */
#include <errno.h>

#include "base/err.h"
#include "engine/engine.h"

struct latency_query {
	struct weft_peer *peer;
	uint32_t index; /* kind, or rail */
	struct smallhist hist;
};

void latency_keep(struct weft_peer *peer)
{
	const struct smallhist *hist;
	uint32_t kind;

	for (kind = 0; peer->latency && kind < OP_KINDS; kind++) {
		hist = smallruns_hist(&peer->latency[kind]);
		smallhist_merge(&peer->weft->latency[kind], hist);
		peer->slept[kind] += hist->count;
	}
}

uint64_t latency_count(struct weft_peer *peer, uint32_t kind)
{
	return peer->slept[kind] +
	       (peer->latency ? smallruns_hist(&peer->latency[kind])->count : 0);
}

struct weft_latency latency_of(const struct smallhist *hist)
{
	return (struct weft_latency){
		.size = sizeof(struct weft_latency),
		.count = hist->count,
		.min = hist->min,
		.mean = smallhist_mean(hist),
		.p50 = smallhist_permille(hist, 500),
		.p90 = smallhist_permille(hist, 900),
		.p99 = smallhist_permille(hist, 990),
		.p999 = smallhist_permille(hist, 999),
		.max = hist->max,
		.sum = hist->sum,
	};
}

static int answer(int rc, const struct latency_query *query, struct weft_latency *latency)
{
	struct weft_latency ours;

	if (rc)
		return rc;
	ours = latency_of(&query->hist);
	return sized_out(latency, &ours, sizeof(ours), "weft_latency");
}

static int check_kind(uint32_t kind)
{
	return kind < OP_KINDS ? 0 : err_set(-EINVAL, "kind is %u, want 0 or 1", kind);
}

static void merge_peers(struct latency_query *query, const struct list *peers)
{
	struct weft_peer *peer;
	struct list *link;

	list_for_each(link, peers)
	{
		peer = list_entry(link, struct weft_peer, link);
		if (peer->latency)
			smallhist_merge(&query->hist, smallruns_hist(&peer->latency[query->index]));
	}
}

static int get_engine(struct weft *weft, void *arg)
{
	struct latency_query *query = arg;

	query->hist = weft->latency[query->index];
	merge_peers(query, &weft->peers);
	merge_peers(query, &weft->dead_peers);
	return 0;
}

int weft_latency(struct weft *weft, uint32_t kind, struct weft_latency *latency)
{
	struct latency_query query = { .index = kind };
	int rc = check_kind(kind);

	if (!rc)
		rc = engine_run(weft, get_engine, &query);
	return answer(rc, &query, latency);
}

static int get_peer(struct weft *weft, void *arg)
{
	struct latency_query *query = arg;

	(void)weft;
	if (query->peer->latency)
		query->hist = *smallruns_hist(&query->peer->latency[query->index]);
	return 0;
}

int weft_peer_latency(const struct weft_peer *peer, uint32_t kind, struct weft_latency *latency)
{
	/* The owner may look at a peer's runs; the caller's handle is const to the caller only. */
	struct latency_query query = { .peer = (struct weft_peer *)peer, .index = kind };
	int rc = check_kind(kind);

	if (!rc)
		rc = engine_run(peer->weft, get_peer, &query);
	return answer(rc, &query, latency);
}

static int get_rail(struct weft *weft, void *arg)
{
	struct latency_query *query = arg;

	if (query->index >= weft->rail_count)
		return err_set(-ENOENT, "the engine has %u rails", weft->rail_count);
	query->hist = *smallruns_hist(&weft->rails[query->index].latency);
	return 0;
}

int weft_rail_latency(struct weft *weft, uint32_t index, struct weft_latency *latency)
{
	struct latency_query query = { .index = index };

	return answer(engine_run(weft, get_rail, &query), &query, latency);
}
