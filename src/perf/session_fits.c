/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "perf/session_crew.h"

/* No back end registers more for a port than this, unless one operation of each endpoint needs it.
 */
#define PORT_BYTES ((uint64_t)256 << 20)

static int check_words(const struct perf_case *c, const struct perf_backend *backend)
{
	if (!(backend->tests & 1u << c->test))
		return err_set(-EOPNOTSUPP, "back end %s has no test %s", backend->name,
			       perf_test_word(c->test));
	if (c->test != PERF_REG && !(backend->ops & 1u << c->op))
		return err_set(-EOPNOTSUPP, "back end %s has no operation %s", backend->name,
			       perf_op_word(c->op));
	if (c->test == PERF_SETUP && (c->threads != 1 || c->eps != 1 || c->bidir))
		return err_set(-EINVAL, "the test setup opens one connection at a time: one "
					"thread, one endpoint, one way");
	if (c->test == PERF_SETUP && backend->one_process)
		return err_set(-EOPNOTSUPP, "back end %s has no connections to set up",
			       backend->name);
	return 0;
}

int perf_case_fits(const struct perf_case *c, const struct perf_backend **ret_backend)
{
	const struct perf_backend *backend;
	struct perf_limits limits = { 0 };
	int rc = perf_case_check(c);

	if (rc)
		return rc;
	backend = perf_backend_find(c->backend);
	if (!backend)
		return err_set(-EINVAL, "there is no back end '%s'", c->backend);
	rc = check_words(c, backend);
	if (!rc)
		rc = backend->limits(c, &limits);
	if (rc)
		return rc;
	if (c->size > limits.max_size)
		return err_set(-WEFT_ELIMIT,
			       "size %" PRIu64 ": back end %s takes at most %" PRIu64
			       " bytes in one %s",
			       c->size, c->backend, limits.max_size, perf_op_word(c->op));
	if (c->window > limits.max_window)
		return err_set(-WEFT_ELIMIT,
			       "window %u: back end %s takes at most %u operations in flight of an "
			       "endpoint",
			       c->window, c->backend, limits.max_window);
	if (c->inline_bytes != UINT32_MAX && c->inline_bytes > limits.max_inline)
		return err_set(-WEFT_ELIMIT, "inline %u: back end %s takes at most %u bytes",
			       c->inline_bytes, c->backend, limits.max_inline);
	*ret_backend = backend;
	return 0;
}

uint64_t perf_case_bytes(const struct perf_case *c)
{
	uint64_t one = 2 * c->size * c->eps, all = one * c->window;

	if (all > PORT_BYTES)
		all = one > PORT_BYTES ? one : PORT_BYTES;
	return all * c->threads;
}
