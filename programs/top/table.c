/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and servers as lines of at most 80 columns. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "top/top.h"

#define CELL_MAX 24

/* 0, 0.5, 12.3, 123, 1234k: at most 6 columns for what a second can bring. */
static const char *rate_text(double rate, char text[CELL_MAX])
{
	static const char units[] = " kMGT";
	bool whole;
	int unit = 0;

	while (rate >= 99999.5 && units[unit + 1]) {
		rate /= 1000;
		unit++;
	}
	whole = rate >= 99.95 || rate == (double)(uint64_t)rate;
	snprintf(text, CELL_MAX, "%.*f%.1s", whole ? 0 : 1, rate, unit ? &units[unit] : "");
	return text;
}

/* 10^9 of a unit each second. */
static const char *giga_text(double rate, char text[CELL_MAX])
{
	rate /= 1e9;
	snprintf(text, CELL_MAX, rate < 99.995 ? "%.2f" : "%.1f", rate);
	return text;
}

static const char *dash_or(const char *text, bool known)
{
	return known ? text : "-";
}

/* --- devices --------------------------------------------------------------------------------- */

static const struct column {
	enum metric_role role;
	const char *title;
	int width;
	double scale; /* for Gb/s; 0: a count, of the interval or each second */
	bool per_second;
} columns[] = {
	{ ROLE_TX_BYTES, "tx Gb/s", 8, 8, true },     { ROLE_RX_BYTES, "rx Gb/s", 8, 8, true },
	{ ROLE_TX_PACKETS, "tx pk/s", 8, 0, true },   { ROLE_RX_PACKETS, "rx pk/s", 8, 0, true },
	{ ROLE_RETRANSMITS, "retrans", 8, 0, false }, { ROLE_DROPS, "drops", 7, 0, false },
	{ ROLE_ERRORS, "errors", 7, 0, false },
};

#define COLUMNS (sizeof(columns) / sizeof(*columns))

static int put(char *line, int used, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Appends, cut at LINE_MAX_TEXT; how much there is now. */
static int put(char *line, int used, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line + used, (size_t)(LINE_MAX_TEXT - used), format, args);
	va_end(args);
	used += n > 0 ? n : 0;
	return used < LINE_MAX_TEXT ? used : LINE_MAX_TEXT - 1;
}

/* "4: ACTIVE" -> "ACTIVE" */
static const char *state_text(const struct host_nic *nic)
{
	const char *colon = strchr(nic->state, ':');

	if (!*nic->state)
		return "-";
	return colon && colon[1] == ' ' ? colon + 2 : nic->state;
}

static void nic_row(const struct top *top, const struct nic_state *nic, line_fn fn, void *ctx)
{
	char line[LINE_MAX_TEXT], cell[CELL_MAX];
	enum line_kind kind = LINE_ROW;
	const struct column *column;
	bool known;
	uint64_t value;
	double rate;
	int used;

	used = put(line, 0, "%-16.16s %-7.7s", nic->nic.name, state_text(&nic->nic));
	for (column = columns; column < columns + COLUMNS; column++) {
		value = 0;
		known = top->seconds > 0 && nic_role(nic, column->role, &value);
		rate = column->per_second && known ? (double)value / top->seconds : (double)value;
		if (column->scale > 0)
			giga_text(rate * column->scale, cell);
		else
			rate_text(rate, cell);
		used = put(line, used, "%*s", column->width, dash_or(cell, known));
		if (!column->per_second && value)
			kind = LINE_TROUBLE;
	}
	fn(ctx, kind, line);
}

void table_nics(const struct top *top, line_fn fn, void *ctx)
{
	char line[LINE_MAX_TEXT];
	int used = put(line, 0, "%-16s %-7s", "DEVICE", "state");

	for (size_t i = 0; i < COLUMNS; i++)
		used = put(line, used, "%*s", columns[i].width, columns[i].title);
	fn(ctx, LINE_TITLE, line);
	for (uint32_t i = 0; i < top->nics->count; i++)
		nic_row(top, &top->nics->now[i], fn, ctx);
	if (!top->nics->count)
		fn(ctx, LINE_ROW, "no RDMA device");
}

/* --- servers --------------------------------------------------------------------------------- */

/* By the server's own clock: it was not asked when the devices were read. */
static double per_second(const struct server_state *now, const struct server_state *before,
			 uint64_t value, uint64_t old)
{
	uint64_t ms = now->kv.uptime_ms - before->kv.uptime_ms;

	return ms && value > old ? 1000 * (double)(value - old) / (double)ms : 0;
}

/* Transfers of the interval that did not end well. */
static uint64_t failures(const struct server_state *now, const struct server_state *before)
{
	return now->engine.failed - before->engine.failed + now->engine.deadline -
	       before->engine.deadline;
}

/* Hits of the GETs that were answered in the interval. */
static const char *hits_text(const struct server_state *now, const struct server_state *before,
			     char text[CELL_MAX])
{
	uint64_t hits = now->kv.hits - before->kv.hits;
	uint64_t all = hits + now->kv.misses - before->kv.misses;

	if (!all)
		return "-";
	snprintf(text, CELL_MAX, "%.0f%%", 100 * (double)hits / (double)all);
	return text;
}

static void server_row(const struct top *top, const struct server_state *now, line_fn fn, void *ctx)
{
	const struct server_state *before = server_before(top->servers, now);
	char line[LINE_MAX_TEXT], get[CELL_MAX] = "-", put_[CELL_MAX] = "-", in[CELL_MAX] = "-";
	char out[CELL_MAX] = "-", hit[CELL_MAX], keys[CELL_MAX];
	const char *hits = "-";
	int used;

	used = put(line, 0, "%7d %-20.20s", (int)now->pid, now->error ? now->name : now->listen);
	if (now->error) {
		put(line, used, "  no figures: %s", strerror(-now->error));
		fn(ctx, LINE_TROUBLE, line);
		return;
	}
	if (before) {
		rate_text(per_second(now, before, now->kv.gets, before->kv.gets), get);
		rate_text(per_second(now, before, now->kv.puts, before->kv.puts), put_);
		giga_text(per_second(now, before, now->kv.bytes_in, before->kv.bytes_in), in);
		giga_text(per_second(now, before, now->kv.bytes_out, before->kv.bytes_out), out);
		hits = hits_text(now, before, hit);
	}
	put(line, used, "%5" PRIu64 "%7s%4.0f%%%7s%5s%7s%8s%8s", now->kv.sessions,
	    rate_text((double)now->kv.keys, keys),
	    now->kv.pool_size ? 100 * (double)now->kv.pool_used / (double)now->kv.pool_size : 0,
	    get, hits, put_, in, out);
	fn(ctx, before && failures(now, before) ? LINE_TROUBLE : LINE_ROW, line);
}

void table_servers(const struct top *top, line_fn fn, void *ctx)
{
	char line[LINE_MAX_TEXT];

	snprintf(line, sizeof(line), "%7s %-20s%5s%7s%5s%7s%5s%7s%8s%8s", "PID", "SERVER", "cli",
		 "keys", "pool", "get/s", "hit", "put/s", "in GB/s", "outGB/s");
	fn(ctx, LINE_TITLE, line);
	for (uint32_t i = 0; i < top->servers->count; i++)
		server_row(top, &top->servers->now[i], fn, ctx);
	if (!top->servers->count)
		fn(ctx, LINE_ROW, "no server of weft");
}

/* --- notes ----------------------------------------------------------------------------------- */

struct noting {
	line_fn fn;
	void *ctx;
};

static void put_note(void *ctx, const char *text)
{
	const struct noting *noting = ctx;

	noting->fn(noting->ctx, LINE_NOTE, text);
}

/* Which counters make up what a row calls drops, retransmits and errors. */
static void note_trouble(const struct nic_state *nic, const struct noting *noting)
{
	const struct nic_counter *counter;
	char line[LINE_MAX_TEXT];
	int used = 0;

	for (uint32_t i = 0; i < nic->count; i++) {
		counter = &nic->counters[i];
		if (counter->metric < 0 || !counter->delta ||
		    metrics[counter->metric].role < ROLE_RETRANSMITS)
			continue;
		used = put(line, used, "%s%s%s +%" PRIu64, used ? "" : nic->nic.name,
			   used ? ", " : ": ", counter->name, counter->delta);
	}
	if (used)
		put_note((void *)noting, line);
}

static void note_server(const struct top *top, const struct server_state *now,
			const struct noting *noting)
{
	const struct server_state *before = server_before(top->servers, now);
	char line[LINE_MAX_TEXT];

	if (!before || !failures(now, before))
		return;
	snprintf(line, sizeof(line),
		 "server %d: %" PRIu64 " transfers failed, %" PRIu64 " more by their deadline",
		 (int)now->pid, now->engine.failed - before->engine.failed,
		 now->engine.deadline - before->engine.deadline);
	put_note((void *)noting, line);
}

static void note_gone(const struct servers *servers, const struct server_state *before,
		      const struct noting *noting)
{
	char line[LINE_MAX_TEXT];

	for (uint32_t i = 0; i < servers->count; i++)
		if (!strcmp(servers->now[i].name, before->name))
			return;
	snprintf(line, sizeof(line), "server %d%s%s is gone", (int)before->pid,
		 before->error ? "" : " at ", before->error ? "" : before->listen);
	put_note((void *)noting, line);
}

void table_notes(const struct top *top, line_fn fn, void *ctx)
{
	struct noting noting = { .fn = fn, .ctx = ctx };

	nics_notes(top->nics, put_note, &noting);
	for (uint32_t i = 0; i < top->nics->count; i++)
		note_trouble(&top->nics->now[i], &noting);
	for (uint32_t i = 0; i < top->servers->count; i++)
		note_server(top, &top->servers->now[i], &noting);
	for (uint32_t i = 0; i < top->servers->count_before && !top->servers->error; i++)
		note_gone(top->servers, &top->servers->before[i], &noting);
	if (top->servers->error)
		put_note(&noting, "/proc/net/unix cannot be read: no server can be found");
}
