/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "perf/env.h"

#define API    "EC2 DescribeInstanceTypes, as recorded by getmoto/moto"
#define GUIDE  "; EC2 User Guide, efa.html"
#define PLUGIN "; aws-ofi-nccl, platform-aws.cpp"

/* rdma_known, rdma_read, rdma_write */
#define BOTH    true, true, true
#define READ    true, true, false
#define NONE    true, false, false
#define UNKNOWN false, false, false

#define ROW(type, gbits, nics, known, read, write, note, source, date) \
	{ type, gbits, nics, known, read, write, note, source, date },
#define EXPECT(...) ROW(__VA_ARGS__)

const struct perf_expect perf_expects[] = {
#include "perf/expect.def"
};
const uint32_t perf_expects_n = sizeof(perf_expects) / sizeof(*perf_expects);

static int by_type(const void *type, const void *row)
{
	return strcmp(type, ((const struct perf_expect *)row)->instance_type);
}

const struct perf_expect *perf_expect_find(const char *instance_type)
{
	return bsearch(instance_type, perf_expects, perf_expects_n, sizeof(*perf_expects), by_type);
}
