/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "kv/kv.h"

#define LONG_BYTES ((uint64_t)16 << 20) /* shorter transfers show nothing */
#define REDRAW_NS  (100 * NSEC_PER_MSEC)
#define BAR_WIDTH  30

void progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){ .what = what, .start_ns = clock_ns() };
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, uint64_t now_ns)
{
	double seconds = (double)(now_ns - progress->start_ns) / 1e9;
	int filled = (int)(done * BAR_WIDTH / total), i;
	char bar[BAR_WIDTH + 1];

	for (i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %3" PRIu64 "%% %" PRIu64 "/%" PRIu64 " MiB %.0f MB/s ",
		progress->what, bar, done * 100 / total, done >> 20, total >> 20,
		seconds > 0 ? (double)done / 1e6 / seconds : 0.0);
	progress->on = true;
	progress->shown_ns = now_ns;
}

void progress_step(struct progress *progress, uint64_t done, uint64_t total)
{
	uint64_t now_ns;

	if (total < LONG_BYTES || !isatty(STDERR_FILENO))
		return;
	now_ns = clock_ns();
	if (done == total || now_ns - progress->shown_ns >= REDRAW_NS)
		draw(progress, done, total, now_ns);
}

void progress_end(struct progress *progress)
{
	if (progress->on)
		fputc('\n', stderr);
}
