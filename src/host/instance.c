/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "host/instance.h"

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
#define INSTANCE(...) ROW(__VA_ARGS__)

const struct host_instance host_instances[] = {
#include "host/instance.def"
};
const uint32_t host_instances_n = sizeof(host_instances) / sizeof(*host_instances);

static int by_type(const void *type, const void *row)
{
	return strcmp(type, ((const struct host_instance *)row)->type);
}

const struct host_instance *host_instance_find(const char *instance_type)
{
	return bsearch(instance_type, host_instances, host_instances_n, sizeof(*host_instances),
		       by_type);
}
