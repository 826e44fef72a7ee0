/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do two machines reach each other over their NICs, and in which direction not? Both open an
 * endpoint on each NIC, send one message to the twin's at the same time, and count what came: what
 * arrives proves its own direction, whatever becomes of acknowledgements on the way back. The
 * control channel of weft perf (TCP) carries what both saw, the NICs' own counters with it.
 *
 * NIC i here is paired with NIC i there; the side with fewer begins again with its first.
 */
#ifndef WEFT_PERF_REACH_H
#define WEFT_PERF_REACH_H

#include <cjson/cJSON.h>

#include "base/json.h"
#include "perf/result.h"
#include "perf/session.h"

#define PERF_REACH_NICS   PERF_NICS_MAX
#define PERF_REACH_PASSES 2

enum perf_reach_counter {
#define REACH_COUNTER(name) PERF_REACH_##name,
#include "perf/reach.def"
	PERF_REACH_COUNTED
};

/* Their names. */
extern const char *const perf_reach_counters[PERF_REACH_COUNTED];

/* One end of a pair of NICs, after a pass. */
struct perf_reach_end {
	char device[PERF_NAME_MAX]; /* "rdmap0s6"; what the provider calls it where it is no NIC */
	bool sent;                  /* the provider took the message */
	bool ended;                 /* and said that it is delivered */
	bool arrived;               /* the twin's came here */
	bool wrong;                 /* but its content was another */
	int error;                  /* the first failure here: a code; 0: none */
	char why[PERF_TEXT_MAX];
	uint32_t counted;                   /* bits of those that the NIC has */
	uint64_t grown[PERF_REACH_COUNTED]; /* over the pass */
};

/* One message each way, on each pair. */
struct perf_reach_pass {
	uint64_t size; /* bytes */
	uint32_t pairs;
	struct perf_reach_end here[PERF_REACH_NICS], there[PERF_REACH_NICS];
};

/* Where a side is, as it says itself; "" where that is not known. */
struct perf_reach_where {
	char host[PERF_NAME_MAX];
	char version[PERF_NAME_MAX]; /* of weft */
	char libfabric[PERF_NAME_MAX];
	char instance[PERF_NAME_MAX]; /* type */
	char zone[PERF_NAME_MAX];     /* its id, the same in all accounts */
	char vpc[PERF_NAME_MAX], subnet[PERF_NAME_MAX];
	char groups[PERF_TEXT_MAX]; /* security groups of all interfaces, by comma */
	uint32_t nics;              /* of the provider */
};

struct perf_reach {
	struct perf_reach_where here, there;
	uint32_t passes; /* a further one only when all pairs were fine in the one before */
	struct perf_reach_pass pass[PERF_REACH_PASSES];
};

struct perf_reach_opts {
	char provider[PERF_NAME_MAX];   /* libfabric's name or weft's: "efa" */
	char devices[PERF_DEVICES_MAX]; /* of the side that asks, by comma; "": all */
	uint64_t wait_ns;               /* for the messages of one pass */
};

/*
 * Tries, against the server of an open session. 0 also when nothing arrived: that is what was to be
 * found. -WEFT_ENOPROVIDER and the like, with err_set() saying which side: a side has no such NIC
 * at all. The session stays usable unless -WEFT_EPEERGONE.
 */
int perf_reach(struct perf_session *session, const struct perf_reach_opts *opts,
	       struct perf_reach *ret);

/* Asks the server to try against the server at address; here is then the asked server's side. end
 * waits for it. */
int perf_reach_visit_begin(struct perf_session *session, const char *address,
			   const struct perf_reach_opts *opts);
int perf_reach_visit_end(struct perf_session *session, const struct perf_reach_opts *opts,
			 struct perf_reach *ret);

/* What one direction of a pair came to; of the first pass and the later ones together. */
enum perf_reach_way {
	PERF_REACH_OK,
	PERF_REACH_WRONG, /* something came, but not what was sent */
	PERF_REACH_LARGE, /* small messages arrive, large ones do not */
	PERF_REACH_LOST,  /* it was sent, and never came */
	PERF_REACH_UNSENT /* an end could not even try: its error says why */
};

/* there: from here to there; else back. */
enum perf_reach_way perf_reach_way(const struct perf_reach *reach, uint32_t pair, bool there);

/* As an object, and back: -WEFT_EMESSAGE. What is read is checked, and strings are one line of
 * printable text each. */
void perf_reach_write(struct json *json, const char *key, const struct perf_reach *reach);
int perf_reach_read(const cJSON *object, struct perf_reach *ret);

#endif /* WEFT_PERF_REACH_H */
