/* SPDX-License-Identifier: Apache-2.0 */
/* How regions in a GPU's memory are reached, over rails and a driver that only count; and the
 * shares of the staging memory. Copies themselves: tests/gpu. */
#include "engine/gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "engine/stage.h"

#define GPU_BASE 0x7f0000100000ull
#define GPU_LEN  0x100000ull

struct port {
	int open;                  /* registrations */
	int by_address, by_dmabuf; /* what pin_gpu() answers */
	struct gpu_memory last;    /* that it was asked for */
	bool dmabuf_open;          /* its descriptor was one */
	uint32_t access;
};

static int fake_pin(struct port *port, void *base, size_t len, uint32_t access, struct pin *ret)
{
	(void)len;
	(void)access;
	port->open++;
	ret->handle = base;
	return 0;
}

static int fake_pin_gpu(struct port *port, const struct gpu_memory *memory, uint32_t access,
			struct pin *ret)
{
	int rc = memory->dmabuf >= 0 ? port->by_dmabuf : port->by_address;

	port->last = *memory;
	port->access = access;
	port->dmabuf_open = memory->dmabuf >= 0 && fcntl(memory->dmabuf, F_GETFD) >= 0;
	if (rc)
		return err_set(rc, "fake refuses %s", memory->dmabuf >= 0 ? "dmabuf" : "address");
	port->open++;
	ret->handle = memory->base;
	ret->key = 42;
	return 0;
}

static void fake_unpin(struct port *port, struct pin *pin)
{
	assert_non_null(pin->handle);
	pin->handle = NULL;
	port->open--;
}

static const struct transport fake = { .pin = fake_pin,
				       .pin_gpu = fake_pin_gpu,
				       .unpin = fake_unpin };
static const struct provider provider_a = { .name = "aaa" }, provider_b = { .name = "bbb" };

/* --- the driver ----------------------------------------------------------------------------- */

static struct {
	int objects, synced, dmabufs;
	int dmabuf_result;
	uint64_t dmabuf_first, dmabuf_len;
	int ordinal_of_last_page;
} driver;

static int get_attributes(unsigned count, int *attributes, void **values, uint64_t address)
{
	bool gpu = address >= GPU_BASE && address < GPU_BASE + GPU_LEN;
	unsigned i;

	for (i = 0; gpu && i < count; i++) {
		if (attributes[i] == CUDA_ATTRIBUTE_CONTEXT)
			*(void **)values[i] = &driver;
		if (attributes[i] == CUDA_ATTRIBUTE_MEMORY_TYPE)
			*(unsigned *)values[i] = CUDA_MEMORY_DEVICE;
		if (attributes[i] == CUDA_ATTRIBUTE_ORDINAL)
			*(int *)values[i] = address >= GPU_BASE + GPU_LEN - 4096
						    ? driver.ordinal_of_last_page
						    : 3;
	}
	return CUDA_SUCCESS;
}

static int set_attribute(const void *value, int attribute, uint64_t address)
{
	assert_int_equal(*(const unsigned *)value, 1);
	assert_int_equal(attribute, CUDA_ATTRIBUTE_SYNC_MEMOPS);
	assert_in_range(address, GPU_BASE, GPU_BASE + GPU_LEN);
	driver.synced++;
	return CUDA_SUCCESS;
}

static int get_handle(void *handle, uint64_t first, size_t len, int type, unsigned long long flags)
{
	assert_int_equal(type, CUDA_HANDLE_DMABUF);
	assert_int_equal(flags, 0);
	if (driver.dmabuf_result)
		return driver.dmabuf_result;
	driver.dmabufs++;
	driver.dmabuf_first = first;
	driver.dmabuf_len = len;
	*(int *)handle = open("/dev/null", O_RDWR | O_CLOEXEC);
	return CUDA_SUCCESS;
}

static int push(void *context)
{
	assert_ptr_equal(context, &driver);
	return CUDA_SUCCESS;
}

static int pop(void **context)
{
	*context = NULL;
	return CUDA_SUCCESS;
}

static int make(void **ret, unsigned flags)
{
	(void)flags;
	driver.objects++;
	*ret = &driver;
	return CUDA_SUCCESS;
}

static int unmake(void *object)
{
	assert_ptr_equal(object, &driver);
	driver.objects--;
	return CUDA_SUCCESS;
}

static int nothing(void *object)
{
	(void)object;
	return CUDA_SUCCESS;
}

static int host_register(void *base, size_t len, unsigned flags)
{
	(void)base;
	(void)len;
	assert_int_equal(flags, CUDA_HOST_PORTABLE);
	driver.objects++;
	return CUDA_SUCCESS;
}

static int host_unregister(void *base)
{
	(void)base;
	driver.objects--;
	return CUDA_SUCCESS;
}

/* --- */

struct fixture {
	struct weft weft;
	struct gpu gpu;
	struct rail rails[3];
	struct port ports[3];
};

/* Two ways: two rails, and one. */
static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int i;

	assert_non_null(f);
	memset(&driver, 0, sizeof(driver));
	driver.ordinal_of_last_page = 3;
	f->weft.gpu = &f->gpu;
	f->weft.rails = f->rails;
	f->weft.rail_count = 3;
	f->weft.way_count = 2;
	f->weft.max_registration = UINT64_MAX;
	f->weft.ways[0] = (struct way){ .provider = &provider_a, .first = 0, .count = 2 };
	f->weft.ways[1] = (struct way){ .provider = &provider_b, .first = 2, .count = 1 };
	for (i = 0; i < 3; i++) {
		f->rails[i].index = (uint32_t)i;
		f->rails[i].ops = &fake;
		f->rails[i].port = &f->ports[i];
	}
	list_init(&f->gpu.contexts);
	list_init(&f->gpu.regions);
	f->gpu.staging_bytes = 256 << 10;
	f->gpu.cuda = (struct cuda){
		.library = &driver,
		.cuPointerGetAttributes = get_attributes,
		.cuPointerSetAttribute = set_attribute,
		.cuMemGetHandleForAddressRange = get_handle,
		.cuCtxPushCurrent_v2 = push,
		.cuCtxPopCurrent_v2 = pop,
		.cuStreamCreate = make,
		.cuEventCreate = make,
		.cuStreamDestroy_v2 = unmake,
		.cuEventDestroy_v2 = unmake,
		.cuStreamSynchronize = nothing,
		.cuMemHostRegister_v2 = host_register,
		.cuMemHostUnregister = host_unregister,
	};
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	int i;

	gpu_quiet(&f->weft);
	stage_unpin_pool(&f->weft);
	stage_free_pool(&f->weft);
	for (i = 0; i < 3; i++)
		assert_int_equal(f->ports[i].open, 0);
	assert_int_equal(driver.objects, 0);
	assert_true(list_empty(&f->gpu.contexts));
	assert_true(list_empty(&f->gpu.regions));
	assert_int_equal(f->weft.stats.gpu_regions, 0);
	assert_int_equal(f->weft.stats.pins, 0);
	assert_int_equal(f->weft.stats.bytes_pinned, 0);
	pin_table_free(&f->weft.pins);
	free(f);
	return 0;
}

static struct weft_region region_of(struct fixture *f, uint64_t base, size_t len, uint32_t access)
{
	return (struct weft_region){
		.weft = &f->weft, .base = (uint8_t *)base, .len = len, .access = access
	};
}

static int take(struct weft_region *region)
{
	assert_int_equal(gpu_find(region), 0);
	assert_non_null(region->gpu);
	return gpu_pin(region);
}

static void the_device_itself_is_first(void **state)
{
	struct fixture *f = *state;
	struct weft_region region =
		region_of(f, GPU_BASE + 5, 1000, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);

	assert_int_equal(take(&region), 0);
	assert_int_equal(region.gpu->ordinal, 3);
	assert_int_equal(region.gpu->reach[0], WEFT_REACH_GPU);
	assert_int_equal(region.gpu->reach[1], WEFT_REACH_GPU);
	assert_int_equal(f->ports[1].last.ordinal, 3);
	assert_int_equal(f->ports[1].last.dmabuf, -1);
	assert_int_equal(f->ports[1].last.len, 1000);
	assert_ptr_equal(f->ports[1].last.base, region.base);
	assert_int_equal(f->ports[1].access, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE);
	assert_int_equal(region.pinned->pins[2].key, 42);
	assert_int_equal(driver.synced, 1);
	assert_int_equal(driver.dmabufs, 0);
	assert_null(f->gpu.pool);
	assert_int_equal(f->weft.stats.gpu_regions, 1);
	assert_int_equal(f->weft.stats.bytes_pinned, 1000);
	gpu_unpin(&region);
	assert_null(region.gpu);
}

static void a_dmabuf_is_next(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE + 4096 + 5, 4096, WEFT_REMOTE_WRITE);

	f->ports[1].by_address = -EFAULT; /* the second rail of the first way */
	assert_int_equal(take(&region), 0);
	assert_int_equal(region.gpu->reach[0], WEFT_REACH_DMABUF);
	assert_int_equal(region.gpu->reach[1], WEFT_REACH_GPU);
	assert_int_equal(driver.dmabuf_first, GPU_BASE + 4096);
	assert_int_equal(driver.dmabuf_len, 2 * 4096);
	assert_int_equal(f->ports[0].last.dmabuf_offset, 5);
	assert_true(f->ports[0].dmabuf_open && f->ports[1].dmabuf_open);
	assert_int_equal(fcntl(f->ports[1].last.dmabuf, F_GETFD), -1); /* closed */
	assert_int_equal(f->ports[0].open, 1);
	gpu_unpin(&region);
}

static void the_rest_is_copied(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE, 4096, WEFT_LOCAL);

	f->ports[0].by_address = f->ports[1].by_dmabuf = -WEFT_EPROVIDER;
	assert_int_equal(take(&region), 0);
	assert_int_equal(region.gpu->reach[0], WEFT_REACH_STAGED);
	assert_string_equal(region.gpu->why[0], "fake refuses address; fake refuses dmabuf");
	assert_int_equal(region.gpu->reach[1], WEFT_REACH_GPU);
	assert_string_equal(region.gpu->why[1], "");
	assert_non_null(f->gpu.pool);
	assert_int_equal(f->ports[0].open, 1); /* the pool */
	assert_int_equal(f->ports[2].open, 2);
	gpu_unpin(&region);
}

static void peers_need_every_way(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE, 4096, WEFT_REMOTE_READ);

	f->rails[2].limits.no_gpus = "it has no arms";
	assert_int_equal(take(&region), -EOPNOTSUPP);
	assert_non_null(strstr(weft_error_detail(), "GPU 3 over bbb: it has no arms"));
	assert_null(region.gpu);
	assert_int_equal(f->ports[0].open, 0);
	assert_null(f->gpu.pool);
}

static void every_rail_must_reach_it(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE, 4096, WEFT_LOCAL);

	f->rails[1].limits.no_gpus = "it is the second";
	assert_int_equal(take(&region), 0);
	assert_int_equal(region.gpu->reach[0], WEFT_REACH_STAGED);
	assert_string_equal(region.gpu->why[0], "it is the second");
	gpu_unpin(&region);
}

static void a_driver_without_dmabuf_copies(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE, 4096, WEFT_LOCAL);

	f->gpu.cuda.cuMemGetHandleForAddressRange = NULL;
	f->gpu.cuda.cuPointerSetAttribute = NULL;
	f->ports[0].by_address = -WEFT_EPROVIDER;
	assert_int_equal(take(&region), 0);
	assert_non_null(strstr(region.gpu->why[0], "lacks cuMemGetHandleForAddressRange"));
	gpu_unpin(&region);
	f->gpu.cuda.cuMemGetHandleForAddressRange = get_handle;
	driver.dmabuf_result = 801;
	region = region_of(f, GPU_BASE, 4096, WEFT_LOCAL);
	assert_int_equal(take(&region), 0);
	assert_non_null(
		strstr(region.gpu->why[0], "cuMemGetHandleForAddressRange: CUDA error 801"));
	gpu_unpin(&region);
}

static void both_ends_tell_whose_it_is(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE - 8192, 8192, WEFT_LOCAL);

	assert_int_equal(gpu_find(&region), 0);
	assert_null(region.gpu);
	region = region_of(f, GPU_BASE - 1, 2, WEFT_LOCAL);
	assert_int_equal(gpu_find(&region), -EFAULT);
	region = region_of(f, GPU_BASE + GPU_LEN - 1, 2, WEFT_LOCAL);
	assert_int_equal(gpu_find(&region), -EFAULT);
	driver.ordinal_of_last_page = 4; /* another GPU's */
	region = region_of(f, GPU_BASE, GPU_LEN, WEFT_LOCAL);
	assert_int_equal(gpu_find(&region), -EFAULT);
	assert_null(region.gpu);
}

/* --- shares of the staging memory ----------------------------------------------------------- */

static uint32_t take_all(struct transfer *transfer, struct stage **stages)
{
	uint32_t n = 0;

	while ((stages[n] = stage_take(transfer)))
		n++;
	return n;
}

static void give_all(struct stage **stages, uint32_t n)
{
	while (n)
		stage_give(stages[--n]);
}

static void no_peer_takes_all(void **state)
{
	struct fixture *f = *state;
	struct weft_region region = region_of(f, GPU_BASE, 4096, WEFT_LOCAL);
	struct stage *stages[4][64];
	struct weft_peer peers[4] = { 0 };
	struct weft_remote remotes[4] = { 0 };
	struct transfer transfers[4] = { 0 };
	uint32_t counts[4], i;

	f->rails[0].limits.no_gpus = "no";
	assert_int_equal(take(&region), 0);
	assert_int_equal(f->gpu.pool->count, 32);
	for (i = 0; i < 4; i++) {
		peers[i].weft = &f->weft;
		remotes[i].peer = &peers[i];
		transfers[i].remote = &remotes[i];
		counts[i] = take_all(&transfers[i], stages[i]);
		assert_int_equal(peers[i].stages, counts[i]);
		assert_true(transfers[i].waited);
	}
	assert_int_equal(counts[0], 24);
	assert_int_equal(counts[1], 6);
	assert_int_equal(counts[2], 1);
	assert_int_equal(counts[3], 1);
	assert_int_equal(f->weft.stats.staging_waits, 4);
	for (i = 0; i < 4; i++)
		give_all(stages[i], counts[i]);
	assert_int_equal(f->gpu.pool->unused, 32);
	gpu_unpin(&region);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_device_itself_is_first), CASE(a_dmabuf_is_next),
		CASE(the_rest_is_copied),         CASE(peers_need_every_way),
		CASE(every_rail_must_reach_it),   CASE(a_driver_without_dmabuf_copies),
		CASE(both_ends_tell_whose_it_is), CASE(no_peer_takes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
