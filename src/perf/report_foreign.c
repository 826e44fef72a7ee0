/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of fabtests and of perftest, for parsers that know these. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "perf/report.h"
#include "perf/report_figures.h"
#include "perf/report_json.h"
#include "perf/report_text.h"
#include "perf/stats.h"

/* A word of fabtests for an amount: a unit of base 1024 or 1000, one digit behind the point. */
static struct perf_text short_size(uint64_t size)
{
	static const char marks[] = { '\0', 'k', 'm', 'g' };
	struct perf_text ret;
	uint64_t base = 1, tenths;
	int mark = 0;

	for (; mark < 3 && size / base >= 1024; mark++)
		base *= 1024;
	tenths = size / base < 10 ? size % base * 10 / base : 0;
	if (tenths)
		snprintf(ret.text, sizeof(ret.text), "%" PRIu64 ".%" PRIu64 "%c", size / base,
			 tenths, marks[mark]);
	else
		snprintf(ret.text, sizeof(ret.text), "%" PRIu64 "%c", size / base, marks[mark]);
	return ret;
}

static struct perf_text short_count(uint64_t count)
{
	static const char marks[] = { '\0', 'k', 'm', 'b' };
	struct perf_text ret;
	int mark = 0;

	for (; mark < 3 && count >= 1000; mark++)
		count /= 1000;
	snprintf(ret.text, sizeof(ret.text), "%" PRIu64 "%c", count, marks[mark]);
	return ret;
}

/* Warnings as lines that no parser of rows takes for one. */
static void put_warnings(FILE *file, const struct perf_report *report, const char *lead)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (!memory)
		return;
	perf_put_warnings(memory, report);
	if (!fclose(memory))
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			fprintf(file, "%s%s\n", lead, line);
	free(text);
}

/* All repeats together: total over total, not a mean of rates. */
struct total {
	uint64_t ops, bytes;
	double seconds;
};

static struct total total_of(const struct perf_result *r)
{
	struct total total = { 0 };

	for (uint32_t i = 0; i < r->runs; i++) {
		const struct perf_run *run = &r->run[i];

		if (run->error)
			continue;
		total.ops += run->here.ops + run->there.ops;
		total.bytes += run->here.bytes + run->there.bytes;
		total.seconds += (double)(run->here.ns ? run->here.ns : run->there.ns) / 1e9;
	}
	return total;
}

/*
 * A ping-pong's operation is a message and its answer there: two transfers, each of half the time.
 */
static void put_fabtests_row(FILE *file, const struct perf_result *r)
{
	struct total total = total_of(r);
	double transfers = (double)total.ops;

	if (perf_round_trip(&r->c)) {
		transfers *= 2;
		total.bytes = 2 * total.ops * r->c.size;
	}
	fprintf(file, "%-8s%-8s%-8s%8.2fs%10.2f%11.2f%11.2f\n", short_size(r->c.size).text,
		short_count(total.ops).text, short_size(total.bytes).text, total.seconds,
		(double)total.bytes / 1e6 / total.seconds, total.seconds * 1e6 / transfers,
		transfers / 1e6 / total.seconds);
}

static bool has_figures(const struct perf_result *r)
{
	struct total total = total_of(r);

	return !r->error && !r->invalid && total.ops && total.seconds > 0;
}

static void put_left_out(FILE *file, const char *lead, const struct perf_result *r)
{
	char why[PERF_TEXT_MAX];

	perf_plain(why, sizeof(why), r->flags && !r->error ? r->flag[0].why : r->why);
	fprintf(file, "%s%s %" PRIu64 " bytes is left out: %s: %s\n", lead, perf_what(&r->c).text,
		r->c.size,
		r->error     ? "it failed"
		: r->invalid ? "INVALID"
			     : "nothing ended",
		why);
}

int perf_write_fabtests(const struct perf_report *report, FILE *file)
{
	put_warnings(file, report, "# ");
	fprintf(file, "%-8s%-8s%-8s%8s %10s%13s%13s\n", "bytes", "iters", "total", "time", "MB/sec",
		"usec/xfer", "Mxfers/sec");
	for (uint32_t i = 0; i < report->results; i++)
		if (has_figures(&report->result[i]))
			put_fabtests_row(file, &report->result[i]);
		else
			put_left_out(file, "# ", &report->result[i]);
	return perf_file_end(file, 0);
}

/* Bytes per second of the best slice of time; 0, as perftest has it, where none was kept. */
static double peak_of(const struct perf_result *r)
{
	double peak = 0, rate;

	for (uint32_t i = 0; i < r->runs; i++)
		for (uint32_t k = 0; r->run[i].slice && k < r->run[i].slices; k++) {
			rate = (double)r->run[i].slice[k] * 1e9 / (double)r->run[i].slice_ns;
			peak = rate > peak ? rate : peak;
		}
	return peak;
}

static void put_bandwidth_row(FILE *file, const struct perf_result *r)
{
	struct total total = total_of(r);

	fprintf(file,
		" %-7" PRIu64 "    %-10" PRIu64 "       %-7.2f            %-7.2f\t\t   %-7.6f\n",
		r->c.size, total.ops, peak_of(r) / 1048576, r->rate.median / 1048576,
		r->ops.median / 1e6);
}

static void put_latency_row(FILE *file, const struct perf_result *r)
{
	const struct hist *hist = r->latency;
	double unit = perf_round_trip(&r->c) ? 2e3 : 1e3;

	fprintf(file,
		" %-7" PRIu64 " %" PRIu64 "          %-7.2f        %-7.2f      %-7.2f  	       "
		"%-7.2f     	%-7.2f		"
		"%-7.2f 		%-7.2f\n",
		r->c.size, hist->count, (double)hist->min / unit, (double)hist->max / unit,
		perf_percentile(hist, 0.5) / unit, hist_mean(hist) / unit, hist_stddev(hist) / unit,
		perf_percentile(hist, 0.99) / unit, perf_percentile(hist, 0.999) / unit);
}

static const char bandwidth_head[] = " #bytes     #iterations    BW peak[MiB/sec]    BW "
				     "average[MiB/sec]   MsgRate[Mpps]\n";
static const char latency_head[] =
	" #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    "
	"t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec] \n";

int perf_write_perftest(const struct perf_report *report, FILE *file)
{
	const char *head, *last = NULL;

	put_warnings(file, report, " WARNING: ");
	for (uint32_t i = 0; i < report->results; i++) {
		const struct perf_result *r = &report->result[i];
		bool time = perf_is_time(&r->c);

		if (!has_figures(r) || (time && (!r->latency || !r->latency->count))) {
			put_left_out(file, " WARNING: ", r);
			continue;
		}
		head = time ? latency_head : bandwidth_head;
		if (head != last)
			fputs(head, file);
		last = head;
		if (time)
			put_latency_row(file, r);
		else
			put_bandwidth_row(file, r);
	}
	return perf_file_end(file, 0);
}
