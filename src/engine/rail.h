/* SPDX-License-Identifier: Apache-2.0 */
/* Rails of an engine, and the ways that they make. Comes with engine.h. */
#ifndef WEFT_ENGINE_RAIL_H
#define WEFT_ENGINE_RAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/smallhist.h"
#include "transport/transport.h"

#define RAIL_WHY_MAX 160u

struct rail_closing;
struct weft;

struct rail {
	struct weft *weft;
	const struct provider *provider;
	const struct transport *ops;
	struct port *port; /* NULL: it broke, and is closed */
	struct port_limits limits;
	uint32_t index; /* in weft->rails */
	uint32_t depth, in_flight;
	uint64_t queued_bytes;
	uint32_t quiet_polls;
	uint64_t posted, done, errors, bytes;
	struct smallruns latency;     /* of operations done, ns from post to completion */
	int broken;                   /* the code it broke with, for good: see rail.c */
	char why[RAIL_WHY_MAX];       /* in the provider's words */
	bool close_apart;             /* provider.close_waits: see rail_close.c */
	struct rail_closing *closing; /* it is being closed; NULL: not, or not any more */
	uint64_t ends_ns;  /* broken: when what its targets may still do counts as ended; 0 */
	struct list spent; /* flights that failed and may be reported again */
	uint8_t addr[PORT_ADDRESS_MAX];
	size_t addr_len;
	int numa;         /* the system's number of its node; -1: not known */
	uint64_t longest; /* registration that its device takes; UINT64_MAX: not known; 0: not
			   * asked. See pin_shift.h */
};

/* The rails of one provider: weft->rails[first] .. [first + count - 1]. */
struct way {
	const struct provider *provider;
	uint32_t first, count;
	uint32_t met;   /* peers that were reached by it, ever */
	uint64_t whole; /* a transfer of up to so many bytes is one piece, whichever rails work */
};

/* What its port says of what failed last. */
const char *rail_explain(struct rail *rail);
/* Its port has said that it is broken: nothing is posted there from here on. */
void rail_break(struct rail *rail, int error);
/* After the last event of that poll: closes the port, and moves what was on it to others. */
void rail_retire(struct rail *rail);
/* Ends what had to wait for that. */
void rail_expire(struct weft *weft, uint64_t now_ns);
/* The engine closes: nothing is left to end afterwards. */
void rail_close_wait(struct weft *weft);
/* Sets the detail: why the way works no more. The code of its first rail; 0: a rail works. */
int rail_way_broken(const struct weft *weft, const struct way *way);

/* --- rail_close.c --- */
/* Lets go of its registrations and closes its port, or begins to: rail->closing. */
void rail_close(struct rail *rail);
/* Whether that is done; wait: it is. */
bool rail_is_closed(struct rail *rail, bool wait);

#endif /* WEFT_ENGINE_RAIL_H */
