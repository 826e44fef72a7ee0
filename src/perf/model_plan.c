/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/model.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

#define TIME_MAX (3600 * NSEC_PER_SEC)
#define OF_MAX   1e15

struct unit {
	const char *name;
	double factor;
};

static const struct unit times[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
static const struct unit rates[] = {
	{ "B/s", 1e-9 }, { "KB/s", 1e-6 }, { "MB/s", 1e-3 }, { "GB/s", 1 }
};
static const struct unit shares[] = { { "%", 0.01 } };
static const struct unit plain[] = { { "", 1 } };

/* A number with one of the units; *at moves behind it. */
static bool read_number(const char **at, const struct unit *units, size_t n, double *ret)
{
	char *end;
	double value;
	size_t length, i;

	if (!strchr("0123456789.", **at))
		return false;
	value = strtod(*at, &end);
	length = strcspn(end, ",@ ");
	for (i = 0; i < n; i++) {
		if (strlen(units[i].name) != length || strncmp(end, units[i].name, length))
			continue;
		*ret = value * units[i].factor;
		*at = end + length;
		return isfinite(*ret) && *ret >= 0;
	}
	return false;
}

static bool read_time(const char **at, uint64_t *ret)
{
	double value = 0;

	if (!read_number(at, times, 4, &value) || value > (double)TIME_MAX)
		return false;
	*ret = (uint64_t)llround(value);
	return true;
}

static bool skip(const char **at, const char *text)
{
	if (strncmp(*at, text, strlen(text)))
		return false;
	*at += strlen(text);
	return true;
}

/* "1/N" */
static bool read_of(const char **at, uint64_t *ret)
{
	double value = 0;

	if (!skip(at, "1/") || !read_number(at, plain, 1, &value) || !(value >= 1) ||
	    value > OF_MAX)
		return false;
	*ret = (uint64_t)value;
	return true;
}

static bool read_time_pair(const char **at, const char *between, uint64_t *ret, uint64_t *second)
{
	return read_time(at, ret) && skip(at, between) && read_time(at, second);
}

/* Reads one word; false when it is none. */
static bool read_word(struct perf_plan *plan, const char **at)
{
	if (skip(at, "service="))
		return read_time(at, &plan->service);
	if (skip(at, "jitter="))
		return read_time(at, &plan->jitter);
	if (skip(at, "rate="))
		return read_number(at, rates, 4, &plan->rate) && plan->rate > 0;
	if (skip(at, "outlier="))
		return read_time(at, &plan->outlier) && skip(at, "@") &&
		       read_of(at, &plan->outlier_of);
	if (skip(at, "bimodal="))
		return read_time_pair(at, ",", &plan->mode[0], &plan->mode[1]);
	if (skip(at, "drift="))
		return read_number(at, shares, 1, &plan->drift);
	if (skip(at, "start="))
		return read_time_pair(at, "@", &plan->start, &plan->start_until);
	if (skip(at, "stall="))
		return read_time_pair(at, "@", &plan->stall, &plan->stall_from);
	if (skip(at, "loss="))
		return read_of(at, &plan->loss_of);
	if (skip(at, "duplicate="))
		return read_of(at, &plan->duplicate_of);
	if (skip(at, "corrupt="))
		return read_of(at, &plan->corrupt_of);
	return false;
}

int perf_plan_read(struct perf_plan *ret, const char *text)
{
	struct perf_plan plan = { .service = NSEC_PER_USEC };
	const char *at = text, *word;
	uint64_t least;

	for (;;) {
		at += strspn(at, " ");
		if (!*at)
			break;
		word = at;
		if (!read_word(&plan, &at) || (*at && *at != ' '))
			return err_set(-EINVAL,
				       "model: \"%.*s\" cannot be read: words are service=1us, "
				       "jitter=100ns, rate=12.5GB/s, outlier=500us@1/10000, "
				       "bimodal=2us,20us, drift=10%%, start=20us@10ms, "
				       "stall=100ms@1s, loss=1/1000, duplicate=1/1000, "
				       "corrupt=1/1000",
				       (int)strcspn(word, " "), word);
	}
	least = plan.service;
	if (plan.mode[0] || plan.mode[1])
		least = plan.mode[0] < plan.mode[1] ? plan.mode[0] : plan.mode[1];
	if (plan.start_until && plan.start < least)
		least = plan.start;
	/* Or the clock would not move. */
	if (plan.outlier_of && !plan.outlier)
		return err_set(-EINVAL, "model: an outlier must take at least 1 ns");
	if (least <= plan.jitter)
		return err_set(-EINVAL,
			       "model: the shortest service is %llu ns, the jitter %llu ns: an "
			       "operation must take at least 1 ns",
			       (unsigned long long)least, (unsigned long long)plan.jitter);
	*ret = plan;
	return 0;
}

static bool is_the_last(uint64_t number, uint64_t of)
{
	return of && number % of == of - 1;
}

static uint64_t service_of(const struct perf_plan *plan, uint64_t posted, uint64_t number,
			   uint64_t seed)
{
	uint64_t chance = hash_u64(number, seed), service = plan->service;

	if (is_the_last(number, plan->outlier_of))
		return plan->outlier;
	if (plan->mode[0])
		service = plan->mode[chance >> 63];
	if (posted < plan->start_until)
		service = plan->start;
	if (plan->drift > 0)
		service += (uint64_t)((double)service * plan->drift * (double)posted / 1e9);
	if (plan->jitter)
		service += (chance & INT64_MAX) % (2 * plan->jitter + 1) - plan->jitter;
	return service;
}

uint64_t perf_plan_end(const struct perf_plan *plan, uint64_t posted, uint64_t number,
		       uint64_t seed)
{
	uint64_t end = posted + service_of(plan, posted, number, seed), again;

	if (!plan->stall || end < plan->stall_from)
		return end;
	again = plan->stall_from + plan->stall;
	/* What the stop cut in two goes on after it; what came meanwhile begins then. */
	if (posted < plan->stall_from)
		return end + plan->stall;
	return posted < again ? again + (end - posted) : end;
}
