/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric is asked for when memory of a GPU is registered, over a domain that only listens.
 */
#include "transport/fabric.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE ((void *)0x7f0000001004)

struct fixture {
	struct port port;
	struct provider provider;
	struct fi_info info;
	struct fi_domain_attr domain_attr;
	struct fi_fabric_attr fabric_attr;
	struct fid_domain domain;
	struct fi_ops_mr mr_ops;
	struct fid_ep ep;
	struct fi_ops_ep ep_ops;
	struct fid_mr mr;
};

static struct {
	int answer, calls;
	struct fi_mr_attr attr;
	uint64_t flags;
	void *base;
	size_t len;
	int opt, value;
} asked;

static struct fid_mr *answer_mr;

static int regattr(struct fid *fid, const struct fi_mr_attr *attr, uint64_t flags,
		   struct fid_mr **mr)
{
	(void)fid;
	asked.calls++;
	asked.attr = *attr;
	asked.flags = flags;
	asked.base = attr->mr_iov->iov_base;
	asked.len = attr->mr_iov->iov_len;
	*mr = answer_mr;
	return asked.answer;
}

static int setopt(fid_t fid, int level, int name, const void *value, size_t len)
{
	(void)fid;
	assert_int_equal(level, FI_OPT_ENDPOINT);
	assert_int_equal(len, sizeof(int));
	asked.opt = name;
	asked.value = *(const int *)value;
	return asked.answer;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&asked, 0, sizeof(asked));
	asked.opt = -1;
	f->provider.name = "fake";
	f->provider.reaches_gpus = true;
	f->mr_ops.size = sizeof(f->mr_ops);
	f->mr_ops.regattr = regattr;
	f->domain.mr = &f->mr_ops;
	f->ep_ops.size = sizeof(f->ep_ops);
	f->ep_ops.setopt = setopt;
	f->ep.ops = &f->ep_ops;
	f->domain_attr.name = (char *)"dev0";
	f->domain_attr.mr_mode = FI_MR_VIRT_ADDR;
	f->fabric_attr.prov_name = (char *)"fake";
	f->info.domain_attr = &f->domain_attr;
	f->info.fabric_attr = &f->fabric_attr;
	f->info.caps = FI_HMEM;
	f->mr.key = 99;
	f->mr.mem_desc = &f->mr;
	answer_mr = &f->mr;
	f->port.provider = &f->provider;
	f->port.info = &f->info;
	f->port.domain = &f->domain;
	f->port.ep = &f->ep;
	f->port.gpus_asked = true;
	*state = f;
	return 0;
}

static int end(void **state)
{
	free(*state);
	return 0;
}

static void memory_is_named_as_cudas(void **state)
{
	struct fixture *f = *state;
	struct gpu_memory memory = { .base = BASE, .len = 77, .ordinal = 5, .dmabuf = -1 };
	struct pin pin = { 0 };

	assert_int_equal(fabric_pin_gpu(&f->port, &memory, WEFT_REMOTE_READ, &pin), 0);
	assert_int_equal(asked.attr.iface, FI_HMEM_CUDA);
	assert_int_equal(asked.attr.device.cuda, 5);
	assert_int_equal(asked.attr.iov_count, 1);
	assert_ptr_equal(asked.base, BASE);
	assert_int_equal(asked.len, 77);
	assert_int_equal(asked.flags, 0);
	assert_int_equal(asked.attr.access,
			 FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ);
	assert_ptr_equal(pin.handle, &f->mr);
	assert_ptr_equal(pin.desc, &f->mr);
	assert_int_equal(pin.key, 99);
	assert_int_equal(pin.base, (uintptr_t)BASE);
}

static void a_refusal_says_what_was_asked(void **state)
{
	struct fixture *f = *state;
	struct gpu_memory memory = { .base = BASE, .len = 77, .dmabuf = -1 };
	struct pin pin = { 0 };

	asked.answer = -EFAULT;
	assert_int_equal(fabric_pin_gpu(&f->port, &memory, 0, &pin), -EFAULT);
	assert_non_null(strstr(weft_error_detail(), "FI_HMEM_CUDA on dev0"));
	asked.answer = -FI_ENOSYS;
	assert_int_equal(fabric_pin_gpu(&f->port, &memory, 0, &pin), -EOPNOTSUPP);
	assert_null(pin.handle);
}

/* Headers without the flag, and libraries without it, refuse; nothing else is tried. */
static void a_dmabuf_needs_its_version(void **state)
{
	struct fixture *f = *state;
	struct gpu_memory memory = {
		.base = BASE, .len = 77, .ordinal = 5, .dmabuf = 1234, .dmabuf_offset = 4
	};
	struct pin pin = { 0 };
	int rc = fabric_pin_gpu(&f->port, &memory, 0, &pin);

#ifdef FI_MR_DMABUF
	if (fi_version() >= FI_VERSION(1, 20)) {
		assert_int_equal(rc, 0);
		assert_int_equal(asked.flags, FI_MR_DMABUF);
		return;
	}
#endif
	assert_int_equal(rc, -EOPNOTSUPP);
	assert_int_equal(asked.calls, 0);
	assert_non_null(strstr(weft_error_detail(), "FI_MR_DMABUF"));
}

static void ports_say_why_they_cannot(void **state)
{
	struct fixture *f = *state;

	fabric_gpus(&f->port);
	assert_null(f->port.no_gpus);
	assert_int_equal(asked.opt, FI_OPT_FI_HMEM_P2P);
	assert_int_equal(asked.value, FI_HMEM_P2P_REQUIRED);

	asked.answer = -FI_EOPNOTSUPP;
	fabric_gpus(&f->port);
	assert_non_null(strstr(f->port.no_gpus, "peer-to-peer"));

	f->port.no_gpus = NULL;
	asked.answer = -FI_ENOPROTOOPT; /* a provider that has no such software */
	fabric_gpus(&f->port);
	assert_null(f->port.no_gpus);

	f->info.caps = 0;
	asked.opt = -1;
	fabric_gpus(&f->port);
	assert_non_null(strstr(f->port.no_gpus, "FI_HMEM"));
	f->port.gpus_asked = false;
	fabric_gpus(&f->port);
	assert_non_null(strstr(f->port.no_gpus, "when the engine was opened"));
	f->provider.reaches_gpus = false;
	fabric_gpus(&f->port);
	assert_non_null(strstr(f->port.no_gpus, "software"));
	assert_int_equal(asked.opt, -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(memory_is_named_as_cudas),
		CASE(a_refusal_says_what_was_asked),
		CASE(a_dmabuf_needs_its_version),
		CASE(ports_say_why_they_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
