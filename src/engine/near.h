/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_opts.nics and bind_thread: which NICs are near the thread that opens an engine, and which
 * CPUs are near its NICs. Nothing here runs after weft_open().
 */
#ifndef WEFT_ENGINE_NEAR_H
#define WEFT_ENGINE_NEAR_H

#include "engine/engine.h"
#include "engine/topo.h"

struct near {
	bool nics, thread;
	struct topo *topo; /* NULL: neither is asked for */
	cpu_set_t mask;    /* CPUs that the opening thread may use */
	uint64_t here;     /* nodes where it runs; 0: not known */
	uint64_t rails;    /* nodes of the NIC rails opened so far */
};

int near_check(const struct weft_opts *opts);
/* Loads the machine when opts need it. After success near_end() must follow. */
int near_begin(struct near *near, const struct weft_opts *opts);
void near_end(struct near *near);
/* Keeps those devices that are near, or all with a word in the log. Returns how many. */
int near_filter(const struct near *near, struct weft *weft, const struct provider *provider,
		struct port_device *devices, int count);
/* A rail was opened. */
void near_rail(struct near *near, struct rail *rail);
/* All were. */
void near_choose_cpus(const struct near *near, struct weft *weft);
/* Of the engine's rails those in the node of the page of base, a bit each, index 0 the lowest. 0:
 * none, not known, or no two rails are known to be in different nodes. */
uint32_t near_rails(const struct weft *weft, const void *base);
/* engine_thread_start() on the CPUs chosen. */
int near_start(struct weft *weft);

#endif /* WEFT_ENGINE_NEAR_H */
