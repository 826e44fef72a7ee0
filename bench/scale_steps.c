/* SPDX-License-Identifier: Apache-2.0 */
/* What there is much of in bench-scale, and the steps that are measured with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "scale.h"

#define PAGE 4096u

static uint8_t near_bytes[SCALE_LEN], far_bytes[SCALE_LEN];

static void *array_of(size_t count, size_t size)
{
	void *array = calloc(count, size);

	scale_must(array ? 0 : -ENOMEM, "memory");
	return array;
}

static struct weft_region *region_of(struct weft *weft, void *base, uint32_t access)
{
	struct weft_region *region = NULL;

	scale_must(weft_register(weft, base, SCALE_LEN, access, &region), "register");
	return region;
}

static struct weft_batch *batch_of(struct weft *weft, uint32_t capacity)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = capacity };
	struct weft_batch *batch = NULL;

	scale_must(weft_batch_open(weft, &opts, &batch), "batch");
	return batch;
}

static void count_line(void *ctx, const char *line)
{
	*(uint64_t *)ctx += strlen(line);
}

static void dump(const struct scale_opts *opts, struct weft *weft)
{
	uint64_t length = 0;

	scale_begin();
	scale_must(weft_dump(weft, count_line, &length), "dump");
	scale_end(opts, "dump, per peer", opts->count, 1);
}

static void poll_idle(const struct scale_opts *opts, struct weft *weft)
{
	scale_begin();
	for (uint32_t i = 0; i < SCALE_OPS; i++)
		scale_must(weft_progress(weft, 0), "progress");
	scale_end(opts, "an idle round", SCALE_OPS, 1);
}

static void write_round(const struct scale_opts *opts, struct weft *weft, struct weft_region *near,
			struct weft_remote **remotes)
{
	struct weft_batch *batch = batch_of(weft, 1);

	for (uint32_t i = 0; i < opts->count; i++)
		scale_write(batch, near, remotes[i], weft, NULL);
	scale_begin();
	for (uint32_t i = 0; i < SCALE_OPS; i++)
		scale_write(batch, near, remotes[(uint64_t)i * 7919 % opts->count], weft, NULL);
	scale_end(opts, "a WRITE", SCALE_OPS, 1);
	weft_batch_close(batch);
}

static void connect_to(struct weft *hub, struct weft *spoke, struct weft_peer **peer)
{
	struct weft_peer_info info = { .size = sizeof(info) };
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);

	scale_must(weft_export_engine(spoke, descriptor, &len), "export");
	scale_must(weft_connect(hub, descriptor, len, 0, peer), "connect");
	do {
		scale_must(weft_progress(spoke, 0), "progress");
		scale_must(weft_progress(hub, 0), "progress");
		scale_must(weft_peer_info(*peer, &info), "peer");
	} while (!info.connected);
}

void scale_peers(const struct scale_opts *opts)
{
	struct weft_remote **remotes = array_of(opts->count, sizeof(struct weft_remote *));
	struct weft_region **far = array_of(opts->count, sizeof(struct weft_region *));
	struct weft_peer **peers = array_of(opts->count, sizeof(struct weft_peer *));
	struct weft **spokes = array_of(opts->count, sizeof(struct weft *));
	struct weft *hub = scale_open(opts, 1);
	struct weft_region *near = region_of(hub, near_bytes, WEFT_LOCAL);
	uint32_t i;

	for (i = 0; i < opts->count; i++) {
		spokes[i] = scale_open(opts, 1);
		far[i] = region_of(spokes[i], far_bytes, WEFT_REMOTE_WRITE);
	}
	scale_begin();
	for (i = 0; i < opts->count; i++)
		connect_to(hub, spokes[i], &peers[i]);
	scale_end(opts, "connect", opts->count, 2);
	for (i = 0; i < opts->count; i++)
		remotes[i] = scale_import(hub, far[i]);
	for (i = 0; i < opts->count; i++)
		scale_grant(hub, spokes[i], remotes[i]);
	write_round(opts, hub, near, remotes);
	poll_idle(opts, hub);
	dump(opts, hub);
	/* Ending with all of them would only take time. */
}

static void unregister_all(const struct scale_opts *opts, struct weft *a, struct weft *b,
			   struct weft_region **regions)
{
	scale_begin();
	for (uint32_t i = 0; i < opts->count; i++)
		while (weft_unregister(regions[i], 0)) {
			scale_must(weft_progress(a, 0), "progress");
			scale_must(weft_progress(b, 0), "progress");
		}
	scale_end(opts, "unregister a held one", opts->count, 1);
}

/* In an order that is neither rising nor falling. */
static void local_regions(const struct scale_opts *opts, struct weft *weft)
{
	size_t len = (size_t)opts->count * PAGE;
	uint8_t *base = mmap(NULL, len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	scale_must(base == MAP_FAILED ? -ENOMEM : 0, "memory");
	scale_begin();
	for (uint64_t i = 0; i < opts->count; i++)
		region_of(weft, base + i * 7919 % opts->count * PAGE, WEFT_LOCAL);
	scale_end(opts, "register for local use", opts->count, 1);
}

void scale_regions(const struct scale_opts *opts)
{
	struct weft_remote **remotes = array_of(opts->count, sizeof(struct weft_remote *));
	struct weft_region **far = array_of(opts->count, sizeof(struct weft_region *));
	struct weft *a = scale_open(opts, 1), *b = scale_open(opts, 1);
	struct weft_region *near = region_of(a, near_bytes, WEFT_LOCAL);
	uint32_t i;

	scale_begin();
	for (i = 0; i < opts->count; i++)
		far[i] = region_of(b, far_bytes, WEFT_REMOTE_WRITE);
	scale_end(opts, "register", opts->count, 1);
	scale_grant(a, b, scale_import(a, far[0])); /* the peer itself is not counted */
	scale_begin();
	for (i = 0; i < opts->count; i++) {
		remotes[i] = scale_import(a, far[i]);
		scale_grant(a, b, remotes[i]);
	}
	scale_end(opts, "import, both sides", opts->count, 1);
	write_round(opts, a, near, remotes);
	unregister_all(opts, a, b, far);
	scale_begin();
	for (i = 0; i < opts->count; i++)
		scale_must(weft_remote_close(remotes[i]), "close");
	scale_end(opts, "close an import", opts->count, 1);
	local_regions(opts, a);
}

void scale_batch(const struct scale_opts *opts)
{
	struct weft *a = scale_open(opts, 1), *b = scale_open(opts, 1);
	struct weft_region *near = region_of(a, near_bytes, WEFT_LOCAL);
	struct weft_remote *remote = scale_import(a, region_of(b, far_bytes, WEFT_REMOTE_WRITE));
	struct weft_batch *batch;
	uint32_t i;

	scale_grant(a, b, remote);
	scale_begin();
	batch = batch_of(a, opts->count);
	scale_end(opts, "make room", opts->count, 1);
	scale_begin();
	for (i = 0; i < opts->count; i++)
		scale_must(weft_batch_write(batch, near, 0, remote, 0, SCALE_LEN, 0, 0), "write");
	scale_must(weft_submit(batch, 60 * NSEC_PER_SEC), "submit");
	while (!weft_batch_poll(batch))
		;
	scale_must(weft_batch_error(batch), "batch");
	scale_end(opts, "a WRITE", opts->count, 1);
	scale_must(weft_batch_reset(batch), "reset");
	for (i = 0; i < opts->count; i++)
		scale_must(weft_batch_write(batch, near, 0, remote, 0, SCALE_LEN, 0, 0), "write");
	scale_must(weft_submit(batch, 60 * NSEC_PER_SEC), "submit");
	scale_begin();
	scale_must(weft_batch_cancel(batch), "cancel");
	scale_end(opts, "cancel", opts->count, 1);
}

void scale_rails(const struct scale_opts *opts)
{
	struct weft *a = scale_open(opts, opts->count), *b = scale_open(opts, opts->count);
	struct weft_region *near = region_of(a, near_bytes, WEFT_LOCAL);
	struct weft_remote *remote = scale_import(a, region_of(b, far_bytes, WEFT_REMOTE_WRITE));
	struct weft_batch *batch = batch_of(a, 1);
	uint32_t i;

	scale_grant(a, b, remote);
	for (i = 0; i < 4 * opts->count; i++)
		scale_write(batch, near, remote, a, b);
	scale_begin();
	for (i = 0; i < SCALE_RAILS; i++)
		scale_write(batch, near, remote, a, b);
	scale_end(opts, "a WRITE", SCALE_RAILS, 1);
	poll_idle(opts, a);
}
