/* SPDX-License-Identifier: Apache-2.0 */
/* Gates that hold bytes against bytes: the application's, the NICs', those of the other end. */
#include <stdio.h>
#include <string.h>

#include "perf/gate_parts.h"

/* Clocks of the two sides and rounding of the line rate. */
#define LINE_SHARE 1.01
/* The NICs may have seen so much less or more than the application moved. */
#define NIC_SHARE 0.05
/* What libfabric and the NIC may put in front of a message. */
#define HEADER_MAX 256
/* The ends count over slightly different times. */
#define ENDS_SHARE 0.02
/* Bytes that the kernel may hold of a TCP stream, both ends together. */
#define STREAM_HELD (12 << 20)

static bool is_stream(const struct perf_case *c)
{
	return c->test == PERF_BW || c->test == PERF_RATE;
}

bool gate_above_line_rate(const struct gate_at *at, char *why)
{
	double line = at->here->line_rate, there = at->there->line_rate, most = 0, rate;

	if (there > 0 && (there < line || line <= 0))
		line = there;
	if (at->alone || at->same_nics || line <= 0)
		return false;
	EACH_RUN(run, at)
	{
		rate = perf_per_second(run->here.bytes, run->here.ns);
		most = rate > most ? rate : most;
		rate = perf_per_second(run->there.bytes, run->there.ns);
		most = rate > most ? rate : most;
	}
	if (most <= line * LINE_SHARE)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%.2f GB/s in one direction, the line rate is %.2f GB/s",
		 most / 1e9, line / 1e9);
	return true;
}

static double longer(double a, double b)
{
	return a > b ? a : b;
}

/*
 * Bytes of an initiator that one end may count in its measured time and the other not: what is in
 * flight when the time begins and when it ends, and what moved while one end did not look.
 */
static double at_edges(const struct perf_case *c, const struct perf_side *from,
		       const struct perf_side *to)
{
	double window = (double)c->size * c->window * c->eps * c->threads;
	double gaps = (double)(from->longest_gap_ns + to->longest_gap_ns);

	return 2 * window + perf_per_second(from->bytes, from->ns) * gaps / 1e9;
}

struct moved {
	double nic, app; /* bytes that left this side: as its NICs say, as the application says */
	uint64_t ops;
};

/* What left side for the other one. */
static struct moved moved_from(const struct perf_case *c, const struct perf_side *side,
			       const struct perf_side *other)
{
	const struct perf_side *initiator = c->op == PERF_READ ? other : side;
	struct moved moved = { 0, (double)initiator->bytes, initiator->ops };

	for (uint32_t i = 0; i < side->nics; i++)
		moved.nic += (double)side->nic[i].tx_bytes;
	return moved;
}

static bool nics_saw_less(const struct gate_at *at, const struct perf_side *side,
			  const struct perf_side *other, const char *where, char *why)
{
	struct moved moved = moved_from(at->c, side, other);
	double edges = at->c->op == PERF_READ ? at_edges(at->c, other, side)
					      : at_edges(at->c, side, other);

	if (!side->nics || moved.app <= 0 || moved.nic >= moved.app * (1 - NIC_SHARE) - edges)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%s: the application sent %.3f GB, the NICs %.3f GB (%.1f %%)",
		 where, moved.app / 1e9, moved.nic / 1e9, 100 * moved.nic / moved.app);
	return true;
}

bool gate_nic_bytes(const struct gate_at *at, char *why)
{
	if (!at->nic)
		return false;
	EACH_RUN(run, at)
	{
		if (nics_saw_less(at, &run->here, &run->there, "this side", why) ||
		    nics_saw_less(at, &run->there, &run->here, "the server", why))
			return true;
	}
	return false;
}

static bool nics_saw_more(const struct gate_at *at, const struct perf_side *side,
			  const struct perf_side *other, const char *where, char *why)
{
	struct moved moved = moved_from(at->c, side, other);
	double most = moved.app * (1 + NIC_SHARE) + (double)moved.ops * HEADER_MAX;

	if (!side->nics || moved.app <= 0 || moved.nic <= most)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%s: the application sent %.3f GB, the NICs %.3f GB", where,
		 moved.app / 1e9, moved.nic / 1e9);
	return true;
}

bool gate_nic_foreign(const struct gate_at *at, char *why)
{
	/* Answers of a latency test are no operations of the side that sends them. Two sides that
	 * see the same NICs see the other one's bytes. */
	if (!at->nic || !is_stream(at->c) || at->same_nics)
		return false;
	EACH_RUN(run, at)
	{
		if (nics_saw_more(at, &run->here, &run->there, "this side", why) ||
		    nics_saw_more(at, &run->there, &run->here, "the server", why))
			return true;
	}
	return false;
}

/* Devices are named as libfabric's domains ("rdmap0s6-rdm") or as the NICs ("rdmap0s6"). */
static bool is_named(const char *devices, const char *nic)
{
	size_t len = strlen(nic);

	for (const char *at = devices; at; at = strchr(at, ','), at += at ? 1 : 0)
		if (!strncmp(at, nic, len) && (!at[len] || strchr(",-", at[len])))
			return true;
	return false;
}

static bool other_nic(const struct gate_at *at, const struct perf_side *side, const char *where,
		      char *why)
{
	double all = 0, most = 0, bytes;
	const char *name = "";

	for (uint32_t i = 0; i < side->nics; i++) {
		bytes = (double)side->nic[i].tx_bytes + (double)side->nic[i].rx_bytes;
		all += bytes;
		if (is_named(at->c->devices, side->nic[i].name) || bytes <= most)
			continue;
		most = bytes;
		name = side->nic[i].name;
	}
	if (most <= all * NIC_SHARE)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%s: %s carried %.3f GB, but %.100s was asked for", where,
		 name, most / 1e9, at->c->devices);
	return true;
}

bool gate_other_nic(const struct gate_at *at, char *why)
{
	if (!at->nic || !*at->c->devices)
		return false;
	EACH_RUN(run, at)
	{
		/* The names of the other side's devices may be others. */
		if (other_nic(at, &run->here, "this side", why))
			return true;
	}
	return false;
}

bool gate_nic_unseen(const struct gate_at *at, char *why)
{
	if (!at->nic)
		return false;
	EACH_RUN(run, at)
	{
		if (run->here.nics && run->there.nics)
			continue;
		snprintf(why, PERF_TEXT_MAX, "no NIC of %s has counters of bytes",
			 run->here.nics ? "the server" : "this side");
		return true;
	}
	return false;
}

/* "shm" as a word of its own among the ways. */
static const char *names_shm(const char *ways)
{
	const char *at = strstr(ways, "shm");

	for (; at; at = strstr(at + 3, "shm"))
		if ((at == ways || strchr(" ,;", at[-1])) && (!at[3] || strchr(" ,;", at[3])))
			return ways;
	return NULL;
}

bool gate_shm_used(const struct gate_at *at, char *why)
{
	const char *ways;

	if (!at->nic)
		return false;
	EACH_RUN(run, at)
	{
		ways = names_shm(run->here.ways);
		ways = ways ? ways : names_shm(run->there.ways);
		if (!ways)
			continue;
		snprintf(why, PERF_TEXT_MAX, "%s was asked for, the way was %.160s",
			 at->c->provider, ways);
		return true;
	}
	return false;
}

static bool disagree(const struct gate_at *at, const struct perf_side *from,
		     const struct perf_side *to, const char *where, char *why)
{
	const struct perf_case *c = at->c;
	double done = (double)from->bytes, landed = (double)to->landed, off;
	double room = ENDS_SHARE * longer(done, landed) + at_edges(c, from, to);

	if (!strcmp(c->backend, "tcp"))
		room += (double)STREAM_HELD * c->eps * c->threads;
	/* One-sided writes land without a sound. */
	if (c->op == PERF_WRITE && to->landed == 0)
		return false;
	/* In the time of the one that sent. */
	if (from->ns && to->ns)
		landed *= (double)from->ns / (double)to->ns;
	off = landed - done;
	if (off <= room && off >= -room)
		return false;
	snprintf(why, PERF_TEXT_MAX, "%s sent %.3f GB, the other end got %.3f GB", where,
		 done / 1e9, landed / 1e9);
	return true;
}

bool gate_ends_disagree(const struct gate_at *at, char *why)
{
	bool read = at->c->op == PERF_READ;

	if (!is_stream(at->c))
		return false;
	EACH_RUN(run, at)
	{
		const struct perf_side *here = &run->here, *there = &run->there;

		if (disagree(at, here, read ? here : there, "this side", why) ||
		    (at->c->bidir && disagree(at, there, read ? there : here, "the server", why)))
			return true;
	}
	return false;
}

bool gate_not_tcp(const struct gate_at *at, char *why)
{
	if (strcmp(at->c->backend, "tcp") != 0)
		return false;
	EACH_RUN(run, at)
	{
		if (run->here.is_tcp && run->there.is_tcp)
			continue;
		snprintf(why, PERF_TEXT_MAX,
			 "TCP_INFO of %s does not account for the bytes that arrived (%.100s)",
			 run->here.is_tcp ? "the server" : "this side", run->here.ways);
		return true;
	}
	return false;
}

bool gate_wrong_content(const struct gate_at *at, char *why)
{
	EACH_RUN(run, at)
	{
		if (!run->here.wrong && !run->there.wrong)
			continue;
		snprintf(why, PERF_TEXT_MAX, "found at %s%s%s", run->here.wrong ? "this side" : "",
			 run->here.wrong && run->there.wrong ? " and " : "",
			 run->there.wrong ? "the server" : "");
		return true;
	}
	return false;
}
