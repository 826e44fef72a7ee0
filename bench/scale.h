/* SPDX-License-Identifier: Apache-2.0 */
/* bench-scale: steps, each counted in bytes and processor time, and the engines they need. */
#ifndef WEFT_BENCH_SCALE_H
#define WEFT_BENCH_SCALE_H

#include <stdint.h>

#include <weft/weft.h>

#define SCALE_OPS   10000u /* of steps that measure one operation among many objects */
#define SCALE_RAILS 500u   /* the same of many rails, whose emulated devices take their time */
#define SCALE_LEN   64u    /* bytes of a transfer, and of a region */

struct scale_opts {
	const char *provider;
	uint32_t what;
	uint32_t count;
};

/* Ends the program with the reason when rc is negative. Returns rc. */
int scale_must(int rc, const char *what);

/* From begin to end: a line with what that cost for each of items. ends: how many engines of the
 * process hold what was added, each the same. callgrind counts the instructions between the two, by
 * their names: lib/scale.py. */
void scale_begin(void);
void scale_end(const struct scale_opts *opts, const char *step, uint64_t items, uint32_t ends);

struct weft *scale_open(const struct scale_opts *opts, uint32_t rails);
struct weft_remote *scale_import(struct weft *weft, const struct weft_region *region);
/* Drives both until the remote is usable. */
void scale_grant(struct weft *a, struct weft *b, const struct weft_remote *remote);
/* One WRITE of SCALE_LEN, driven to its end. peer: driven too; NULL: need not be. */
void scale_write(struct weft_batch *batch, struct weft_region *near, struct weft_remote *remote,
		 struct weft *weft, struct weft *peer);

void scale_peers(const struct scale_opts *opts);
void scale_regions(const struct scale_opts *opts);
void scale_batch(const struct scale_opts *opts);
void scale_rails(const struct scale_opts *opts);

#endif /* WEFT_BENCH_SCALE_H */
