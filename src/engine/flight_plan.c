/* SPDX-License-Identifier: Apache-2.0 */
/* How a transfer is cut into operations: what is settled once, and what when each is posted. */
#include "engine/flight.h"
#include "engine/plan.h"
#include "engine/stage.h"

/*
 * The longest operation of a transfer, or piece, of len bytes. Emulated ones are of one packet, but
 * for those whose bytes a device fetches: port_limits.fetch_max.
 */
static uint64_t longest(const struct weft_peer *peer, const struct rail *rail, int kind,
			uint64_t len)
{
	const struct port_limits *limits = &rail->limits;

	if (!limits->fetch_max || !peer->fetches || (kind == OP_WRITE && len < limits->fetch_min))
		return limits->max_message;
	return limits->fetch_max;
}

void flight_plan(struct transfer *transfer)
{
	const struct weft_peer *peer = transfer->remote->peer;
	uint64_t max = UINT64_MAX, most;
	uint32_t i, rails = 0;

	transfer->copied = stage_needed(transfer);
	if (!transfer->copied && transfer->len <= peer->way->whole) {
		transfer->piece = transfer->len;
		return;
	}
	for (i = 0; i < peer->way->count; i++) {
		if (!path_usable(peer, i))
			continue;
		rails++;
		most = longest(peer, way_rail(peer->weft, peer->way, i), transfer->kind,
			       transfer->len);
		if (most < max)
			max = most;
	}
	if (transfer->copied && stage_piece_max(transfer) < max)
		max = stage_piece_max(transfer);
	transfer->piece = plan_piece(transfer->len, rails, max);
}

uint64_t flight_cut_parts(const struct transfer *transfer, uint64_t at, uint64_t len)
{
	return plan_within(len, flight_pinned_offset(transfer, at), transfer->region->pinned->shift,
			   transfer->remote_offset + at, transfer->remote->shift);
}

uint64_t flight_cut_rail(const struct weft_peer *peer, const struct rail *rail, int kind,
			 uint64_t len)
{
	uint64_t most = rail->limits.max_message;

	if (len <= most)
		return len;
	/* Before the first answer there, what the peer's device can do is not known to ours. */
	if (peer->paths[rail->index - peer->way->first].heard)
		most = longest(peer, rail, kind, len);
	return len <= most ? len : most / PLAN_ALIGN * PLAN_ALIGN;
}
