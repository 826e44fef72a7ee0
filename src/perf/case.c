/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/case.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define CASE_TIME_MAX  (24 * 3600 * NSEC_PER_SEC)
#define CASE_ITERS_MAX ((uint64_t)1 << 50)
#define CASE_NICS_MAX  64
#define CASE_RATE_MAX  1e9 /* of a thread: one due in each nanosecond of the clock */

static const char *const test_words[] = {
#define TEST(id, word, what) word,
#include "perf/case.def"
};

static const char *const op_words[] = {
#define OP(id, word, what) word,
#include "perf/case.def"
};

const char *perf_test_word(uint32_t test)
{
	return test < PERF_TESTS ? test_words[test] : "?";
}

const char *perf_op_word(uint32_t op)
{
	return op < PERF_OPS ? op_words[op] : "?";
}

static int check_range(const char *what, uint64_t value, uint64_t low, uint64_t high)
{
	if (value >= low && value <= high)
		return 0;
	return err_set(-EINVAL, "%s is %" PRIu64 ": give %" PRIu64 " to %" PRIu64, what, value, low,
		       high);
}

/* A case comes from the network, too: its texts need not end. */
static int check_texts(const struct perf_case *c)
{
	if (!memchr(c->backend, 0, sizeof(c->backend)) ||
	    !memchr(c->provider, 0, sizeof(c->provider)) ||
	    !memchr(c->devices, 0, sizeof(c->devices)) || !memchr(c->model, 0, sizeof(c->model)))
		return err_set(-EINVAL,
			       "a name in the case is too long: the names of back end and "
			       "provider have at most %d bytes, the list of devices %d",
			       PERF_NAME_MAX - 1, PERF_DEVICES_MAX - 1);
	if (!c->backend[0])
		return err_set(-EINVAL, "no back end is named: give the name of one");
	if (c->model[0] && strcmp(c->backend, "model"))
		return err_set(-EINVAL,
			       "behaviour is planted (\"%s\"), but the back end is %s: only the "
			       "back end model takes it",
			       c->model, c->backend);
	return 0;
}

static int check_counts(const struct perf_case *c)
{
	int rc;

	if ((rc = check_range("size", c->size, 1, PERF_SIZE_MAX)) ||
	    (rc = check_range("window", c->window, 1, PERF_WINDOW_MAX)) ||
	    (rc = check_range("threads", c->threads, 1, PERF_THREADS_MAX)) ||
	    (rc = check_range("eps", c->eps, 1, PERF_EPS_MAX)) ||
	    (rc = check_range("nics", c->nics, 0, CASE_NICS_MAX)))
		return rc;
	if (!c->post_list || c->post_list > c->window)
		return err_set(-EINVAL,
			       "post-list is %u, the window %u: at most a whole window can be "
			       "handed over at a time; give 1 to %u, or a larger window",
			       c->post_list, c->window, c->window);
	return 0;
}

static int check_ends(const struct perf_case *c)
{
	if (!c->duration_ns && !c->iters)
		return err_set(-EINVAL,
			       "neither duration nor iters is given: the test would not end");
	if (c->duration_ns > CASE_TIME_MAX || c->warm_ns > CASE_TIME_MAX)
		return err_set(-EINVAL, "%s is longer than a day: give a shorter time, and repeats",
			       c->duration_ns > CASE_TIME_MAX ? "duration" : "warm-up");
	return check_range("iters", c->iters, 0, CASE_ITERS_MAX);
}

static int check_rate(const struct perf_case *c)
{
	if (c->test != PERF_OPEN && c->rate != 0)
		return err_set(-EINVAL,
			       "rate is for the test open, and this is %s: limit bandwidth by pace",
			       perf_test_word(c->test));
	if (c->test != PERF_OPEN)
		return 0;
	if (!isfinite(c->rate) || c->rate <= 0)
		return err_set(-EINVAL, "the test open needs a rate above 0: operations per "
					"second of all threads");
	if (c->rate / c->threads > CASE_RATE_MAX)
		return err_set(-EINVAL,
			       "rate is %g per second, %g of each thread: give at most %g of each",
			       c->rate, c->rate / c->threads, CASE_RATE_MAX);
	if (c->rate / c->threads < 1e9 / (double)CASE_TIME_MAX)
		return err_set(-EINVAL, "rate is %g per second: that is less than one a day",
			       c->rate);
	return 0;
}

/* What only some tests have. */
static int check_together(const struct perf_case *c)
{
	bool streams = c->test == PERF_BW || c->test == PERF_RATE;

	if (c->pace && !streams)
		return err_set(-EINVAL,
			       "pace is for the tests bw and rate, and this is %s: the test open "
			       "has a rate",
			       perf_test_word(c->test));
	if (c->bidir && !streams)
		return err_set(-EINVAL, "both ways is for the tests bw and rate, and this is %s",
			       perf_test_word(c->test));
	if (c->validate && c->test == PERF_REG)
		return err_set(-EINVAL, "the test reg moves nothing whose content could be "
					"checked: leave validate out");
	if (c->pace &&
	    (double)c->size * c->threads / (double)c->pace > (double)CASE_TIME_MAX / NSEC_PER_SEC)
		return err_set(-EINVAL,
			       "pace is %" PRIu64 " bytes per second: that is less than one "
			       "operation a day",
			       c->pace);
	return 0;
}

int perf_case_check(const struct perf_case *c)
{
	int rc;

	if ((uint32_t)c->test >= PERF_TESTS)
		return err_set(-EINVAL, "there is no test number %u: the other side may be newer",
			       (unsigned int)c->test);
	if ((uint32_t)c->op >= PERF_OPS)
		return err_set(-EINVAL,
			       "there is no operation number %u: the other side may be newer",
			       (unsigned int)c->op);
	if ((rc = check_texts(c)) || (rc = check_counts(c)) || (rc = check_ends(c)) ||
	    (rc = check_rate(c)))
		return rc;
	return check_together(c);
}
