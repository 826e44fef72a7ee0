/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kit_driver kit_cuda;
uint32_t kit_rails;

/* The program, not weft, loads the driver: as programs that use CUDA do. */
bool kit_load(bool start)
{
	const char *path = getenv("FAKE_CUDA");
	void *library = dlopen(path ? path : "libcuda.so.1", RTLD_NOW), *context;
	int device, result;

	if (!library) {
		fprintf(stderr, "skipped: no driver of CUDA: %s\n", dlerror());
		return false;
	}
#define FIND(name, symbol) *(void **)&kit_cuda.name = dlsym(library, symbol)
	FIND(cuInit, "cuInit");
	FIND(cuDeviceGet, "cuDeviceGet");
	FIND(cuCtxCreate_v2, "cuCtxCreate_v2");
	FIND(cuMemAlloc_v2, "cuMemAlloc_v2");
	FIND(cuMemFree_v2, "cuMemFree_v2");
	FIND(cuMemcpyHtoD_v2, "cuMemcpyHtoD_v2");
	FIND(cuMemcpyDtoH_v2, "cuMemcpyDtoH_v2");
	FIND(set, "fake_cuda_set");
	FIND(get, "fake_cuda_get");
	FIND(run, "fake_cuda_run");
#undef FIND
	if (!start)
		return true;
	result = kit_cuda.cuInit(0);
	if (!result)
		result = kit_cuda.cuDeviceGet(&device, 0);
	if (!result)
		result = kit_cuda.cuCtxCreate_v2(&context, 0, device);
	if (result)
		fprintf(stderr, "skipped: CUDA's driver finds no GPU: error %d\n", result);
	return !result;
}

uint64_t kit_alloc(size_t len)
{
	uint64_t address = 0;

	assert_int_equal(kit_cuda.cuMemAlloc_v2(&address, len), 0);
	return address;
}

void kit_free(uint64_t address)
{
	assert_int_equal(kit_cuda.cuMemFree_v2(address), 0);
}

void kit_fill_bytes(uint8_t *bytes, size_t len, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = kit_byte(seed, i);
}

size_t kit_first_wrong(const uint8_t *bytes, size_t len, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len && bytes[i] == kit_byte(seed, i);)
		i++;
	return i;
}

void kit_fill(uint64_t address, size_t len, uint64_t seed)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	kit_fill_bytes(bytes, len, seed);
	assert_int_equal(kit_cuda.cuMemcpyHtoD_v2(address, bytes, len), 0);
	free(bytes);
}

void kit_expect(uint64_t address, size_t len, uint64_t seed)
{
	uint8_t *bytes = malloc(len);
	size_t i;

	assert_non_null(bytes);
	assert_int_equal(kit_cuda.cuMemcpyDtoH_v2(bytes, address, len), 0);
	i = kit_first_wrong(bytes, len, seed);
	free(bytes);
	if (i < len)
		fail_msg("byte %zu of %zu is another", i, len);
}

static struct weft *open_engine(const char *provider, const char *devices)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = provider,
		.devices = devices,
		.bind_addr = strcmp(provider, "tcp") == 0 ? "127.0.0.1" : NULL,
		.rails = kit_rails,
		.staging_bytes = KIT_STAGING,
	};
	struct weft *weft = NULL;

	if (weft_open(&weft, &opts))
		fail_msg("weft_open: %s", weft_error_detail());
	return weft;
}

void kit_open(struct kit *kit, const char *provider, const char *devices)
{
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);

	memset(kit, 0, sizeof(*kit));
	snprintf(kit->provider, sizeof(kit->provider), "%s", provider);
	kit->here = open_engine(provider, devices);
	kit->there = open_engine(provider, NULL);
	kit->gpu = kit_alloc(KIT_AREA);
	kit->host = calloc(1, KIT_AREA);
	assert_non_null(kit->host);
	if (weft_register(kit->here, (void *)(uintptr_t)kit->gpu, KIT_AREA, WEFT_LOCAL, &kit->mine))
		fail_msg("weft_register: %s", weft_error_detail());
	assert_int_equal(weft_register(kit->there, kit->host, KIT_AREA,
				       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &kit->theirs),
			 0);
	assert_int_equal(weft_export(kit->theirs, descriptor, &len), 0);
	assert_int_equal(weft_import(kit->here, descriptor, len, &kit->remote), 0);
	assert_int_equal(
		weft_batch_open(kit->here,
				&(struct weft_batch_opts){ .size = sizeof(struct weft_batch_opts),
							   .capacity = 512 },
				&kit->batch),
		0);
}

void kit_close(struct kit *kit)
{
	weft_close(kit->here);
	weft_close(kit->there);
	free(kit->host);
	if (kit->gpu)
		kit_free(kit->gpu);
	memset(kit, 0, sizeof(*kit));
}

uint64_t kit_counter_copies(struct kit *kit)
{
	struct weft_stats stats = { .size = sizeof(stats) };

	assert_int_equal(weft_stats(kit->here, &stats), 0);
	return stats.copies;
}
