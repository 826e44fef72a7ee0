/* SPDX-License-Identifier: Apache-2.0 */
#include "scale.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "common/program.h"

static const struct opt_row scale_rows[] = {
#define OPT_ROWS struct scale_opts
#include "scale.def"
};

static const struct opt_table scale_table = OPT_TABLE(scale_rows, struct scale_opts);

static void (*const kinds[])(const struct scale_opts *opts) = {
	scale_peers,
	scale_regions,
	scale_batch,
	scale_rails,
};

static const char *const names[] = { "peers", "regions", "batch", "rails" };

int scale_must(int rc, const char *what)
{
	if (rc < 0)
		exit(program_fail("bench-scale", rc, "%s", what));
	return rc;
}

/* --- counting ------------------------------------------------------------------------------- */

static struct {
	uint64_t ns;
	size_t bytes;
} start;

static uint64_t processor_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

void scale_begin(void)
{
	start.bytes = allocated();
	start.ns = processor_ns();
}

void scale_end(const struct scale_opts *opts, const char *step, uint64_t items, uint32_t ends)
{
	double ns = (double)(processor_ns() - start.ns);
	double bytes = (double)allocated() - (double)start.bytes;
	struct json json;

	json_begin_file(&json, stdout);
	json_object(&json, NULL);
	json_string(&json, "what", names[opts->what]);
	json_u64(&json, "count", opts->count);
	json_string(&json, "step", step);
	json_u64(&json, "items", items);
	json_double(&json, "bytes", bytes / (double)items / ends);
	json_double(&json, "ns", ns / (double)items);
	json_object_end(&json);
	scale_must(json_end(&json), "output");
	putchar('\n');
}

/* --- engines -------------------------------------------------------------------------------- */

struct weft *scale_open(const struct scale_opts *opts, uint32_t rails)
{
	struct weft_opts weft_opts = {
		.size = sizeof(weft_opts),
		.provider = opts->provider,
		.progress = WEFT_PROGRESS_MANUAL,
		.rails = rails,
		.receive_buffers = 16,
		.connect_timeout_ns = 60 * NSEC_PER_SEC,
	};
	struct weft *weft = NULL;

	/* Of a thousand engines none needs more than this. */
	if (!strcmp(opts->provider, "loop") && opts->what == 0)
		weft_opts.devices = "depth=16";
	scale_must(weft_open(&weft, &weft_opts), "open");
	return weft;
}

struct weft_remote *scale_import(struct weft *weft, const struct weft_region *region)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_remote *remote = NULL;

	scale_must(weft_export(region, descriptor, &len), "export");
	scale_must(weft_import(weft, descriptor, len, &remote), "import");
	return remote;
}

void scale_grant(struct weft *a, struct weft *b, const struct weft_remote *remote)
{
	while (weft_remote_status(remote) == -EINPROGRESS) {
		scale_must(weft_progress(a, 0), "progress");
		scale_must(weft_progress(b, 0), "progress");
	}
	scale_must(weft_remote_status(remote), "grant");
}

void scale_write(struct weft_batch *batch, struct weft_region *near, struct weft_remote *remote,
		 struct weft *weft, struct weft *peer)
{
	scale_must(weft_batch_write(batch, near, 0, remote, 0, SCALE_LEN, 0, 0), "write");
	scale_must(weft_submit(batch, 60 * NSEC_PER_SEC), "submit");
	while (!weft_batch_poll(batch))
		if (peer) {
			scale_must(weft_progress(peer, 0), "progress");
			scale_must(weft_progress(weft, 0), "progress");
		}
	scale_must(weft_batch_error(batch), "write");
	scale_must(weft_batch_reset(batch), "reset");
}

int main(int argc, char **argv)
{
	struct opt_result result;
	struct scale_opts opts;
	struct rlimit files;
	int rc;

	rc = program_start(&scale_table, argc, argv, &opts, &result);
	if (rc != PROGRAM_GO)
		return rc;
	/* Each engine has some descriptors. */
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	kinds[opts.what](&opts);
	return program_finish("bench-scale", 0);
}
