/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft_opts.gpus and the drivers that there are: none, one that is too old, one that the program
 * has loaded and not started. The argument says which: none, old, fake.
 */
#include "kit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char logged[1024];

static void keep_log(void *ctx, int level, const char *text)
{
	size_t len = strlen(logged);

	(void)ctx;
	(void)level;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

static int open_with(uint32_t gpus, struct weft **ret)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = "loop",
		.progress = WEFT_PROGRESS_MANUAL,
		.gpus = gpus,
		.staging_bytes = KIT_STAGING,
		.log = keep_log,
		.log_level = WEFT_LOG_WARN,
	};

	logged[0] = '\0';
	return weft_open(ret, &opts);
}

/* Host memory is registered and used as ever; returns what weft_region_reach() says of gpu. */
static void use_host_memory(struct weft *weft)
{
	static uint8_t bytes[8192];
	struct weft_reach_info info = { .size = sizeof(info) };
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_region *region;
	struct weft_remote *remote;

	memset(bytes, 0, sizeof(bytes));
	memset(bytes, 7, 4096);
	assert_int_equal(weft_register(weft, bytes, sizeof(bytes),
				       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &region),
			 0);
	assert_int_equal(weft_region_reach(region, 0, &info), 0);
	assert_int_equal(info.reach, WEFT_REACH_HOST);
	assert_int_equal(info.gpu, -1);
	assert_int_equal(weft_export(region, descriptor, &len), 0);
	assert_int_equal(weft_import(weft, descriptor, len, &remote), 0);
	assert_int_equal(weft_write(region, 0, remote, 4096, 4096, KIT_WAIT), 0);
	assert_memory_equal(bytes, bytes + 4096, 4096);
}

static struct weft_region *register_gpu(struct weft *weft, uint64_t gpu, int want)
{
	struct weft_region *region = NULL;
	int rc = weft_register(weft, (void *)(uintptr_t)gpu, 65536, WEFT_LOCAL, &region);

	if (rc != want)
		fail_msg("%d %s", rc, weft_error_detail());
	return region;
}

/* A transfer in the engine itself: READ from host memory, back by WRITE. */
static void use_gpu_memory(struct weft *weft, uint64_t gpu, const char *why)
{
	static uint8_t bytes[65536];
	struct weft_reach_info info = { .size = sizeof(info) };
	struct weft_region *region = register_gpu(weft, gpu, 0), *host;
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor), i;
	struct weft_remote *remote;

	assert_int_equal(weft_region_reach(region, 0, &info), 0);
	assert_int_equal(info.reach, WEFT_REACH_STAGED);
	assert_string_equal(info.why, why);
	assert_int_equal(weft_register(weft, bytes, sizeof(bytes),
				       WEFT_REMOTE_READ | WEFT_REMOTE_WRITE, &host),
			 0);
	assert_int_equal(weft_export(host, descriptor, &len), 0);
	assert_int_equal(weft_import(weft, descriptor, len, &remote), 0);
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = kit_byte(9, i);
	assert_int_equal(weft_read(region, 0, remote, 0, sizeof(bytes), KIT_WAIT), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(weft_write(region, 0, remote, 0, sizeof(bytes), KIT_WAIT), 0);
	for (i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], kit_byte(9, i));
	assert_int_equal(weft_unregister(region, KIT_WAIT), 0);
}

/* --- no driver ------------------------------------------------------------------------------ */

static void no_driver_is_no_harm(void **state)
{
	struct weft *weft;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_LOADED, &weft), 0);
	use_host_memory(weft);
	weft_close(weft);
	assert_string_equal(logged, "");
	assert_null(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD));
}

static void a_driver_that_is_asked_for_is_missed(void **state)
{
	struct weft *weft = NULL;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_CUDA, &weft), -EOPNOTSUPP);
	assert_non_null(strstr(weft_error_detail(), "libcuda.so.1"));
	assert_non_null(strstr(weft_error_detail(), "install the NVIDIA driver"));
	assert_null(weft);
}

static void options_have_bounds(void **state)
{
	struct weft_opts opts = { .size = sizeof(opts), .provider = "loop", .gpus = 4 };
	struct weft *weft;

	(void)state;
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
	opts.gpus = 0;
	opts.staging_bytes = 65535;
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
	opts.staging_bytes = (4ull << 30) + 1;
	assert_int_equal(weft_open(&weft, &opts), -EINVAL);
}

/* --- a driver that is too old --------------------------------------------------------------- */

static void an_old_driver_says_what_it_lacks(void **state)
{
	struct weft *weft;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_CUDA, &weft), -EOPNOTSUPP);
	assert_non_null(strstr(weft_error_detail(), "lacks cuPointerGetAttributes"));
	assert_int_equal(open_with(WEFT_GPUS_LOADED, &weft), 0);
	assert_non_null(strstr(logged, "lacks cuPointerGetAttributes"));
	use_host_memory(weft);
	weft_close(weft);
	assert_int_equal(kit_cuda.get(FAKE_CALLS), 0);
}

/* --- a driver ------------------------------------------------------------------------------- */

static void off_calls_nothing(void **state)
{
	struct weft *weft;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_OFF, &weft), 0);
	use_host_memory(weft);
	weft_close(weft);
	assert_int_equal(kit_cuda.get(FAKE_CALLS), 0);
}

static void a_driver_not_started_has_no_memory(void **state)
{
	struct weft *weft;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_LOADED, &weft), 0);
	use_host_memory(weft);
	weft_close(weft);
	assert_in_range(kit_cuda.get(FAKE_CALLS), 1, 4);
}

static void memory_is_copied_as_asked(void **state)
{
	struct weft *weft;
	uint64_t gpu;

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_CUDA, &weft), 0); /* starts it */
	gpu = kit_alloc(65536);
	kit_cuda.set(FAKE_NO_CONTEXT, 1); /* the GPU's primary one is taken */
	use_gpu_memory(weft, gpu, "a processor copies");
	kit_cuda.set(FAKE_NO_CONTEXT, 0);
	weft_close(weft);
	assert_int_equal(kit_cuda.get(FAKE_OBJECTS), 0);
	kit_free(gpu);
}

static void contexts_of_the_program_are_used(void **state)
{
	struct weft *weft;
	uint64_t gpu;
	void *context;

	(void)state;
	assert_int_equal(kit_cuda.cuCtxCreate_v2(&context, 0, 0), 0);
	gpu = kit_alloc(65536);
	assert_int_equal(open_with(WEFT_GPUS_STAGED, &weft), 0);
	use_gpu_memory(weft, gpu, "weft_opts.gpus asks for copies");
	kit_cuda.set(FAKE_MANAGED, 1);
	weft_close(weft);
	assert_int_equal(open_with(WEFT_GPUS_LOADED, &weft), 0);
	use_gpu_memory(weft, gpu, "managed memory moves between GPU and host");
	kit_cuda.set(FAKE_MANAGED, 0);
	use_host_memory(weft);
	weft_close(weft);
	assert_int_equal(kit_cuda.get(FAKE_OBJECTS), 0);
	kit_free(gpu);
}

static void what_the_driver_refuses_is_told(void **state)
{
	struct weft *weft;
	uint64_t gpu = kit_alloc(65536);

	(void)state;
	assert_int_equal(open_with(WEFT_GPUS_LOADED, &weft), 0);
	kit_cuda.set(FAKE_FAIL_ASK, 719);
	register_gpu(weft, gpu, -WEFT_EGPU);
	assert_non_null(strstr(weft_error_detail(), "cannot be told"));
	assert_non_null(strstr(weft_error_detail(), "CUDA_ERROR_LAUNCH_FAILED (719)"));
	kit_cuda.set(FAKE_FAIL_ASK, 0);
	kit_cuda.set(FAKE_FAIL_REGISTER, 700);
	register_gpu(weft, gpu, -WEFT_EGPU);
	assert_non_null(strstr(weft_error_detail(), "staging_bytes"));
	assert_non_null(strstr(weft_error_detail(), "CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
	kit_cuda.set(FAKE_FAIL_REGISTER, 0);
	use_gpu_memory(weft, gpu, "a processor copies");
	weft_close(weft);
	assert_int_equal(kit_cuda.get(FAKE_OBJECTS), 0);
	kit_free(gpu);
}

static int no_fault(void **state)
{
	(void)state;
	if (kit_cuda.get)
		assert_int_equal(kit_cuda.get(FAKE_FAULTS), 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest none[] = {
		cmocka_unit_test(no_driver_is_no_harm),
		cmocka_unit_test(a_driver_that_is_asked_for_is_missed),
		cmocka_unit_test(options_have_bounds),
	};
	const struct CMUnitTest old[] = {
		cmocka_unit_test(an_old_driver_says_what_it_lacks),
	};
	const struct CMUnitTest fake[] = {
		cmocka_unit_test(off_calls_nothing),
		cmocka_unit_test(a_driver_not_started_has_no_memory),
		cmocka_unit_test_teardown(memory_is_copied_as_asked, no_fault),
		cmocka_unit_test_teardown(contexts_of_the_program_are_used, no_fault),
		cmocka_unit_test_teardown(what_the_driver_refuses_is_told, no_fault),
	};
	const char *which = argc == 2 ? argv[1] : "";
	void *library;

	if (strcmp(which, "none") == 0) {
		library = dlopen("libcuda.so.1", RTLD_LAZY);
		if (library) {
			fprintf(stderr, "skipped: this machine has a driver of CUDA\n");
			return 77;
		}
		return cmocka_run_group_tests(none, NULL, NULL);
	}
	if (!kit_load(false))
		return 1;
	return strcmp(which, "old") == 0 ? cmocka_run_group_tests(old, NULL, NULL)
					 : cmocka_run_group_tests(fake, NULL, NULL);
}
