/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/case.h"

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
