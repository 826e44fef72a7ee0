/* SPDX-License-Identifier: Apache-2.0 */
/* Memory regions: what is refused, keys and their generations, giving back under use. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/verbs.h"

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

enum {
	PAGES = 4
};

static struct ibv_device **devices;
static struct ibv_context *context;
static struct ibv_pd *pd;
static struct emu_nic *nic;
static char *memory; /* PAGES pages */

static int setup(void **state)
{
	(void)state;
	devices = ibv_get_device_list(NULL);
	assert_non_null(devices);
	context = ibv_open_device(devices[0]);
	assert_non_null(context);
	nic = emu_nic_of(context);
	pd = ibv_alloc_pd(context);
	assert_non_null(pd);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(munmap(memory, PAGES * PAGE), 0);
	assert_int_equal(ibv_dealloc_pd(pd), 0);
	assert_int_equal(ibv_close_device(context), 0);
	ibv_free_device_list(devices);
	return 0;
}

static uint64_t counter(enum emu_counter which)
{
	return atomic_load(&nic->shared->counters[which]);
}

#define FULL (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)

static struct ibv_mr *reg(void *addr, size_t length, unsigned int access)
{
	return ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, access);
}

static bool hold(uint32_t key, bool local, uint32_t access, uint64_t address, uint64_t length,
		 void **ret)
{
	struct emu_mr_slot *slot;

	if (!emu_mr_hold(nic, key, local, emu_pd_of(pd), access, address, length, &slot, ret))
		return false;
	emu_mr_put(slot);
	return true;
}

static void keys_and_bounds(void **state)
{
	struct ibv_mr *mr = reg(memory, 2 * PAGE, FULL);
	uint64_t start = (uintptr_t)memory;
	struct emu_mr_slot *slot;
	struct emu_pd other = { .nic = nic };
	void *at;

	(void)state;
	assert_non_null(mr);
	assert_int_not_equal(mr->lkey, 0);
	assert_int_equal(mr->lkey, mr->rkey & 0xffffff);
	assert_true(hold(mr->rkey, false, IBV_ACCESS_REMOTE_WRITE, start + 5, 7, &at));
	assert_ptr_equal(at, memory + 5);
	assert_true(hold(mr->lkey, true, IBV_ACCESS_LOCAL_WRITE, start, 2 * PAGE, &at));
	assert_true(hold(mr->rkey, false, 0, start + 2 * PAGE, 0, &at));
	assert_false(hold(mr->rkey, false, 0, start + 2 * PAGE, 1, &at));
	assert_false(hold(mr->rkey, false, 0, start - 1, 1, &at));
	assert_false(hold(mr->rkey, false, 0, start + 1, 2 * PAGE, &at));
	assert_false(hold(mr->rkey, false, 0, start + 1, UINT64_MAX, &at));
	assert_false(hold(mr->rkey, false, IBV_ACCESS_REMOTE_ATOMIC, start, 1, &at));
	assert_false(hold(mr->rkey + (1u << EMU_MR_BITS), false, 0, start, 1, &at));
	assert_false(hold(mr->rkey ^ 0x1ffffu, false, 0, start, 1, &at)); /* no such chunk */
	assert_false(hold(mr->rkey ^ 1u, false, 0, start, 1, &at));
	assert_false(emu_mr_hold(nic, mr->rkey, false, &other, 0, start, 1, &slot, &at));
	assert_int_equal(ibv_dereg_mr(mr), 0);
}

static void iova(void **state)
{
	uint64_t named = 0x10000000000ull + 123;
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, memory + 123, 1000, named, FULL);
	void *at;

	(void)state;
	assert_non_null(mr);
	assert_ptr_equal(mr->addr, memory + 123);
	assert_true(hold(mr->rkey, false, 0, named + 10, 990, &at));
	assert_ptr_equal(at, memory + 133);
	assert_false(hold(mr->rkey, false, 0, (uintptr_t)memory + 123, 1, &at));
	assert_int_equal(ibv_dereg_mr(mr), 0);
	/* the device maps pages: both must have the same offset in theirs */
	assert_null(ibv_reg_mr_iova(pd, memory + 123, 1000, named + 1, FULL));
	assert_int_equal(errno, EINVAL);
}

static void refused(void *addr, size_t length, unsigned int access, int error)
{
	uint64_t errors = counter(EMU_COUNT_reg_mr_err), commands = counter(EMU_COUNT_cmds_err);

	errno = 0;
	assert_null(reg(addr, length, access));
	assert_int_equal(errno, error);
	assert_int_equal(counter(EMU_COUNT_reg_mr_err), errors + 1);
	assert_int_equal(counter(EMU_COUNT_cmds_err), commands + 1);
}

static void access_flags(void **state)
{
	struct ibv_mr *mr = reg(memory, 10, FULL | IBV_ACCESS_RELAXED_ORDERING);

	(void)state;
	assert_non_null(mr);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	refused(memory, 10, IBV_ACCESS_REMOTE_WRITE, EINVAL);
	refused(memory, 10, IBV_ACCESS_REMOTE_ATOMIC, EINVAL);
	refused(memory, 10, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC, EOPNOTSUPP);
	refused(memory, 10, IBV_ACCESS_ON_DEMAND, EOPNOTSUPP);
	refused(memory, 10, IBV_ACCESS_MW_BIND, EOPNOTSUPP);
	refused(memory, 10, IBV_ACCESS_ZERO_BASED, EOPNOTSUPP);
}

/* The model is shared memory of the world: other capabilities need no other world. */
static void capabilities(void **state)
{
	struct emu_model without = *nic->model;
	const struct emu_model *with = nic->model;
	struct ibv_mr *mr;

	(void)state;
	nic->model = &without;
	without.rdma_write = 0;
	refused(memory, 10, FULL, EOPNOTSUPP);
	mr = reg(memory, 10, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ);
	assert_non_null(mr);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	without.rdma_read = 0;
	refused(memory, 10, IBV_ACCESS_REMOTE_READ, EOPNOTSUPP);
	without.max_mr_size = PAGE;
	refused(memory, PAGE + 1, 0, EINVAL);
	without.max_mr = 0;
	refused(memory, 10, 0, ENOMEM);
	nic->model = with;
}

static void memory_that_is_not(void **state)
{
	char *hole =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr;

	(void)state;
	assert_ptr_not_equal(hole, MAP_FAILED);
	refused(memory, 0, FULL, EINVAL);
	refused(memory, SIZE_MAX, FULL, EINVAL);
	refused(NULL, 10, FULL, EFAULT);
	assert_int_equal(munmap(hole + PAGE, PAGE), 0);
	refused(hole, 3 * PAGE, FULL, EFAULT);
	refused(hole + PAGE + 5, 1, FULL, EFAULT);
	assert_int_equal(mprotect(hole, PAGE, PROT_READ), 0);
	refused(hole, PAGE, FULL, EFAULT);
	mr = reg(hole, PAGE, IBV_ACCESS_REMOTE_READ);
	assert_non_null(mr);
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(mprotect(hole, PAGE, PROT_NONE), 0);
	refused(hole, PAGE, IBV_ACCESS_REMOTE_READ, EFAULT);
	assert_int_equal(munmap(hole, PAGE), 0);
	assert_int_equal(munmap(hole + 2 * PAGE, PAGE), 0);
}

/* A key that was given back is not valid again for as long as generations last. */
static void stale_keys(void **state)
{
	uint32_t seen[1000];
	struct ibv_mr *mr;
	void *at;

	(void)state;
	for (size_t i = 0; i < EMU_COUNT(seen); i++) {
		mr = reg(memory, 10, FULL);
		assert_non_null(mr);
		seen[i] = mr->rkey;
		assert_true(hold(mr->rkey, false, 0, (uintptr_t)memory, 10, &at));
		for (size_t j = i > 60 ? i - 60 : 0; j < i; j++) {
			assert_false(hold(seen[j], false, 0, (uintptr_t)memory, 10, &at));
			assert_false(hold(seen[j] & 0xffffff, true, 0, (uintptr_t)memory, 10, &at));
		}
		assert_int_equal(ibv_dereg_mr(mr), 0);
		assert_false(hold(seen[i], false, 0, (uintptr_t)memory, 10, &at));
	}
	for (size_t i = 1; i < EMU_COUNT(seen); i++)
		assert_int_not_equal(seen[i], seen[0]);
}

/* More regions than a chunk has, each with a key of its own that leads to it. */
static void many(void **state)
{
	enum {
		MANY = 3 * EMU_MR_CHUNK
	};
	struct ibv_mr *mrs[MANY];
	uint32_t before = nic->mr_count;
	void *at;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		mrs[i] = reg(memory + i, 1, FULL);
		assert_non_null(mrs[i]);
	}
	assert_int_equal(nic->mr_count, before + MANY);
	assert_int_equal(ibv_dealloc_pd(pd), EBUSY);
	for (int i = 0; i < MANY; i++) {
		assert_true(hold(mrs[i]->rkey, false, 0, (uintptr_t)memory + i, 1, &at));
		assert_ptr_equal(at, memory + i);
		assert_int_equal(ibv_dereg_mr(mrs[i]), 0);
	}
	assert_int_equal(nic->mr_count, before);
}

/* A thread copies through whatever key is current while the region comes and goes: what it holds
 * stays valid until it lets go. */
struct race {
	_Atomic uint32_t key;
	_Atomic bool stop;
	_Atomic uint32_t held;
	char *page;
};

static void *copier(void *argument)
{
	struct race *race = argument;
	struct emu_mr_slot *slot;
	void *at;

	while (!atomic_load(&race->stop)) {
		if (!emu_mr_hold(nic, atomic_load(&race->key), false, emu_pd_of(pd), 0,
				 (uintptr_t)race->page, PAGE, &slot, &at))
			continue;
		memset(at, 1, PAGE);
		emu_mr_put(slot);
		atomic_fetch_add(&race->held, 1);
	}
	return NULL;
}

static void give_back_under_use(void **state)
{
	struct race race = { .page = memory };
	struct ibv_mr *mr;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, copier, &race), 0);
	for (int i = 0; i < 2000 || atomic_load(&race.held) < 100; i++) {
		mr = reg(memory, PAGE, FULL);
		assert_non_null(mr);
		atomic_store(&race.key, mr->rkey);
		if (i % 50 == 0)
			usleep(100);
		assert_int_equal(ibv_dereg_mr(mr), 0);
		memory[0] = 2; /* a write by the copier now would be a race */
		assert_int_equal(memory[0], 2);
	}
	atomic_store(&race.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void not_supported(void **state)
{
	struct ibv_mr *mr = reg(memory, 10, FULL);

	(void)state;
	assert_null(ibv_reg_dmabuf_mr(pd, 0, 10, 0, -1, FULL));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, pd, NULL, 0, FULL),
			 IBV_REREG_MR_ERR_CMD);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ibv_rereg_mr(mr, 1 << 20, pd, NULL, 0, 0), IBV_REREG_MR_ERR_INPUT);
	assert_null(ibv_import_mr(pd, 0));
	assert_int_equal(ibv_dereg_mr(mr), 0);
	assert_int_equal(ibv_fork_init(), 0);
	assert_int_equal(ibv_is_fork_initialized(), IBV_FORK_UNNEEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_bounds),
		cmocka_unit_test(iova),
		cmocka_unit_test(access_flags),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(memory_that_is_not),
		cmocka_unit_test(stale_keys),
		cmocka_unit_test(many),
		cmocka_unit_test(give_back_under_use),
		cmocka_unit_test(not_supported),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
