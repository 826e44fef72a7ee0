/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/pin.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/pin_shift.h"
#include "engine/pin_why.h"

/* --- those that are offered ---------------------------------------------------------------- */

/* How many begin at or before first. */
static uint32_t count_before(const struct pin_table *table, uintptr_t first)
{
	uint32_t low = 0, high = table->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (table->at[middle]->first <= first)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct pinned *find_offered(const struct pin_table *table, uintptr_t first, uintptr_t end)
{
	uint32_t n = count_before(table, first);

	return n && table->at[n - 1]->end >= end ? table->at[n - 1] : NULL;
}

static bool make_room(struct pin_table *table)
{
	uint32_t room = table->room ? 2 * table->room : 64;
	struct pinned **at;

	if (table->count < table->room)
		return true;
	at = mem_alloc(room * sizeof(struct pinned *));
	if (!at)
		return false;
	if (table->count)
		memcpy(at, table->at, table->count * sizeof(struct pinned *));
	mem_free(table->at);
	table->at = at;
	table->room = room;
	return true;
}

static void take_out(struct pin_table *table, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = first; i < first + count; i++)
		table->at[i]->offered = false;
	table->count -= count;
	memmove(table->at + first, table->at + first + count,
		(table->count - first) * sizeof(struct pinned *));
}

/* There is room. No pin that is offered holds it; those that it holds are offered no more. */
static void offer(struct pin_table *table, struct pinned *pinned)
{
	uint32_t place = count_before(table, pinned->first), inner;

	if (place && table->at[place - 1]->first == pinned->first)
		place--;
	for (inner = place; inner < table->count && table->at[inner]->end <= pinned->end;)
		inner++;
	take_out(table, place, inner - place);
	memmove(table->at + place + 1, table->at + place,
		(table->count - place) * sizeof(struct pinned *));
	table->at[place] = pinned;
	table->count++;
	pinned->offered = true;
}

static void withdraw(struct pin_table *table, struct pinned *pinned)
{
	if (pinned->offered)
		take_out(table, count_before(table, pinned->first) - 1, 1);
}

void pin_table_free(struct pin_table *table)
{
	mem_free(table->at);
	*table = (struct pin_table){ 0 };
}

/* --- registrations ------------------------------------------------------------------------- */

static int refused(const struct weft *weft, const struct pinned *pinned, const struct rail *rail,
		   size_t len, int rc)
{
	struct pin_refusal refusal = { .rc = rc,
				       .len = len,
				       .whole = pinned->end - pinned->first,
				       .device = rail->limits.device,
				       .pins = weft->stats.pins };
	struct pin_host host;

	pin_host_read(&host, "");
	return pin_why(&refusal, &host);
}

static void close_parts(struct weft *weft, struct pinned *pinned, uint32_t count)
{
	const struct rail *rail;
	uint32_t i;

	for (i = 0; i < count; i++) {
		rail = &weft->rails[i / pinned->parts];
		if (rail->port)
			rail->ops->unpin(rail->port, &pinned->pins[i]);
	}
}

/* Registers all parts on all rails, or none. *ret_range: a rail refused the range, and shorter
 * parts may do. */
static int open_parts(struct weft *weft, struct pinned *pinned, uint32_t access, bool *ret_range)
{
	uint32_t count = weft->rail_count * pinned->parts, i;
	uint64_t at, len;
	struct rail *rail;
	int rc;

	*ret_range = false;
	for (i = 0; i < count; i++) {
		rail = &weft->rails[i / pinned->parts];
		if (!rail->port) /* broken */
			continue;
		at = (uint64_t)(i % pinned->parts) << pinned->shift;
		len = pinned->end - pinned->first - at;
		if (len > 1ull << pinned->shift)
			len = 1ull << pinned->shift;
		rc = rail->ops->pin(rail->port, (void *)(pinned->first + at), len, access,
				    &pinned->pins[i]);
		if (rc) {
			*ret_range = rc == -EINVAL;
			rc = refused(weft, pinned, rail, len, rc);
			close_parts(weft, pinned, i);
			return rc;
		}
	}
	return 0;
}

struct range {
	uintptr_t first, end;
};

/* The pages that hold the bytes. */
static struct range pages_of(const void *base, size_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)base + len;
	struct range range = { (uintptr_t)base & ~(page - 1), (end + page - 1) & ~(page - 1) };

	if (range.end < end) /* the last page there is */
		range.end = end;
	return range;
}

static void use(struct pinned *pinned, const struct range *range)
{
	pinned->users++;
	pinned->whole += range->first == pinned->first && range->end == pinned->end;
}

static int make_parts(struct weft *weft, const struct range *range, uint32_t shift, uint32_t access,
		      struct pinned **ret, bool *ret_range)
{
	uint32_t parts = (uint32_t)wire_parts(range->end - range->first, shift);
	struct pinned *pinned = mem_zalloc(sizeof(*pinned) + (size_t)weft->rail_count * parts *
								     sizeof(pinned->pins[0]));
	int rc;

	*ret_range = false;
	if (!pinned)
		return err_set(-ENOMEM, "out of memory");
	pinned->first = range->first;
	pinned->end = range->end;
	pinned->shift = (uint8_t)shift;
	pinned->parts = parts;
	rc = open_parts(weft, pinned, access, ret_range);
	if (rc) {
		mem_free(pinned);
		return rc;
	}
	weft->stats.pins += parts;
	weft->stats.bytes_pinned += pinned->end - pinned->first;
	*ret = pinned;
	return 0;
}

static int make(struct weft *weft, const struct range *range, uint32_t access, struct pinned **ret)
{
	uint64_t len = range->end - range->first;
	uint32_t shift;
	bool again;
	int rc;

	rc = pin_shift_first(weft, len, &shift);
	if (rc)
		return rc;
	do {
		rc = make_parts(weft, range, shift, access, ret, &again);
	} while (rc && again && pin_shift_next(len, &shift));
	return rc;
}

int pin_take(struct weft *weft, void *base, size_t len, uint32_t access, struct pinned **ret)
{
	struct range range = { (uintptr_t)base, (uintptr_t)base + len };
	struct pinned *pinned = NULL;
	int rc;

	if (access == WEFT_LOCAL) {
		range = pages_of(base, len);
		pinned = find_offered(&weft->pins, range.first, range.end);
		if (!pinned && !make_room(&weft->pins))
			return err_set(-ENOMEM, "out of memory for the table of registrations");
	}
	if (pinned) {
		weft->stats.pins_shared++;
	} else {
		rc = make(weft, &range, access, &pinned);
		if (rc)
			return rc;
		if (access == WEFT_LOCAL)
			offer(&weft->pins, pinned);
	}
	use(pinned, &range);
	*ret = pinned;
	return 0;
}

void pin_give(struct weft *weft, struct pinned *pinned, const void *base, size_t len)
{
	struct range range = pages_of(base, len);

	if (range.first == pinned->first && range.end == pinned->end && --pinned->whole == 0)
		withdraw(&weft->pins, pinned);
	if (--pinned->users)
		return;
	weft->stats.pins -= pinned->parts;
	weft->stats.bytes_pinned -= pinned->end - pinned->first;
	close_parts(weft, pinned, weft->rail_count * pinned->parts);
	mem_free(pinned);
}
