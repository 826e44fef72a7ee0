/* SPDX-License-Identifier: Apache-2.0 */
/* The sysfs tree, read as the programs read it for which it is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/sysfs.h"
#include "emu/util.h"
#include "emu/world_kit.h"

static char dir[64];
static char sys[128];

static struct emu_world *world_of(const char *profile, uint32_t nics)
{
	struct emu_world *world = calloc(1, sizeof(*world));

	kit_dir_make(dir);
	kit_world(world, dir, profile, nics);
	assert_int_equal(emu_sysfs_path(dir, 0, sys, sizeof(sys)), 0);
	return world;
}

static void world_free(struct emu_world *world)
{
	emu_world_close(world);
	free(world);
	kit_dir_remove(dir);
}

/* The text of a file of the tree; fails where there is none. */
static const char *text_of(const char *path)
{
	static char text[2048];
	char full[400];

	snprintf(full, sizeof(full), "%s/%s", sys, path);
	if (!kit_read(full, text, sizeof(text)))
		fail_msg("%s: %s", full, strerror(errno));
	return text;
}

static bool is_there(const char *path)
{
	char full[400];

	snprintf(full, sizeof(full), "%s/%s", sys, path);
	return access(full, F_OK) == 0;
}

/* Where path leads to, from the root of the tree. */
static const char *leads_to(const char *path)
{
	static char real[PATH_MAX];
	char full[400];

	snprintf(full, sizeof(full), "%s/%s", sys, path);
	if (!realpath(full, real))
		fail_msg("%s: %s", full, strerror(errno));
	assert_memory_equal(real, sys, strlen(sys));
	return real + strlen(sys) + 1;
}

static unsigned int entries(const char *path)
{
	char full[400];
	unsigned int count = 0;
	struct dirent *entry;
	DIR *d;

	snprintf(full, sizeof(full), "%s/%s", sys, path);
	d = opendir(full);
	assert_non_null(d);
	while ((entry = readdir(d)))
		count += entry->d_name[0] != '.';
	closedir(d);
	return count;
}

/* --- shape --------------------------------------------------------------------------------- */

static void links_lead_where_the_kernels_do(void **state)
{
	struct emu_world *world = world_of("p4d.24xlarge", 0);

	(void)state;
	assert_int_equal(entries("class/infiniband"), 4);
	assert_string_equal(leads_to("class/infiniband/rdmap144s27"),
			    "devices/pci0000:90/0000:90:1b.0/infiniband/rdmap144s27");
	/* libfabric: its last component is the PCI address. Mooncake: the PCI device is ../.. */
	assert_string_equal(leads_to("class/infiniband/rdmap144s27/device"),
			    "devices/pci0000:90/0000:90:1b.0");
	assert_string_equal(leads_to("class/infiniband/rdmap144s27/../.."),
			    "devices/pci0000:90/0000:90:1b.0");
	assert_string_equal(leads_to("class/infiniband/rdmap144s27/device/driver"),
			    "bus/pci/drivers/efa");
	assert_string_equal(leads_to("class/infiniband/rdmap144s27/subsystem"), "class/infiniband");
	assert_string_equal(leads_to("class/infiniband/rdmap144s27/device/subsystem"), "bus/pci");
	assert_string_equal(leads_to("bus/pci/devices/0000:90:1b.0"),
			    "devices/pci0000:90/0000:90:1b.0");
	assert_string_equal(leads_to("bus/pci/drivers/efa/0000:20:1b.0"),
			    "devices/pci0000:20/0000:20:1b.0");
	assert_string_equal(leads_to("bus/pci/drivers/efa/module"), "module/efa");
	assert_string_equal(leads_to("class/infiniband_verbs/uverbs2/device"),
			    "devices/pci0000:90/0000:90:1b.0");
	assert_string_equal(leads_to("module/efa/drivers/pci:efa"), "bus/pci/drivers/efa");
	world_free(world);
}

static void links_are_relative(void **state)
{
	struct emu_world *world = world_of("generic", 1);
	char full[400], target[400];
	ssize_t length;

	/* So that the tree can be mounted elsewhere. */
	(void)state;
	snprintf(full, sizeof(full), "%s/class/infiniband/rdmap0s6", sys);
	length = readlink(full, target, sizeof(target) - 1);
	assert_true(length > 0);
	target[length] = 0;
	assert_string_equal(target, "../../devices/pci0000:00/0000:00:06.0/infiniband/rdmap0s6");
	world_free(world);
}

static void pci_device(void **state)
{
	struct emu_world *world = world_of("p5en.48xlarge", 0);
	uint8_t config[300];
	char full[400];
	int fd;

	(void)state;
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/vendor"), "0x1d0f");
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/device"), "0xefa2");
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/subsystem_vendor"), "0x1d0f");
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/subsystem_device"), "0xefa2");
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/class"), "0x020000");
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/modalias"),
			    "pci:v00001D0Fd0000EFA2sv00001D0Fsd0000EFA2bc02sc00i00");
	assert_non_null(strstr(text_of("bus/pci/devices/0000:55:00.0/uevent"),
			       "PCI_SLOT_NAME=0000:55:00.0\n"));
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/numa_node"), "0");
	assert_string_equal(text_of("bus/pci/devices/0000:a3:00.0/numa_node"), "1");
	assert_true(*text_of("bus/pci/devices/0000:55:00.0/local_cpulist"));
	assert_true(strtoul(text_of("bus/pci/devices/0000:55:00.0/local_cpus"), NULL, 16) > 0);
	assert_non_null(strstr(text_of("bus/pci/devices/0000:55:00.0/max_link_speed"), "GT/s"));
	assert_string_equal(text_of("bus/pci/devices/0000:55:00.0/p2p"), "");
	assert_int_equal(strlen(text_of("bus/pci/devices/0000:55:00.0/resource")), 13 * 57 - 1);
	snprintf(full, sizeof(full), "%s/bus/pci/devices/0000:55:00.0/config", sys);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, config, sizeof(config)), 256);
	close(fd);
	assert_memory_equal(config, ((uint8_t[]){ 0x0f, 0x1d, 0xa2, 0xef }), 4);
	assert_int_equal(config[11], 2);
	world_free(world);
}

static void rdma_device(void **state)
{
	struct emu_world *world = world_of("generic", 1);
	const uint8_t *gid = world->shared->host[0].nic[0].gid;
	char expected[64];

	(void)state;
	assert_string_equal(text_of("class/infiniband/rdmap0s6/node_type"), "7: unspecified");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/fw_ver"), "");
	snprintf(expected, sizeof(expected), "%02x%02x:%02x%02x:%02x%02x:%02x%02x", gid[8], gid[9],
		 gid[10], gid[11], gid[12], gid[13], gid[14], gid[15]);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/node_guid"), expected);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/sys_image_guid"),
			    "0000:0000:0000:0000");
	/* The efa driver has none of these, so neither ibv_devinfo nor others may find them. */
	assert_false(is_there("class/infiniband/rdmap0s6/board_id"));
	assert_false(is_there("class/infiniband/rdmap0s6/hca_type"));
	assert_false(is_there("class/infiniband/rdmap0s6/hw_rev"));
	assert_string_equal(text_of("class/infiniband/rdmap0s6/device/numa_node"), "-1");
	world_free(world);
}

static void port(void **state)
{
	struct emu_world *world = world_of("generic", 1);
	const uint8_t *gid = world->shared->host[0].nic[0].gid;
	char expected[64];
	size_t used = 0;

	(void)state;
	for (int i = 0; i < 16; i += 2)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%02x%02x",
					 i ? ":" : "", gid[i], gid[i + 1]);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/gids/0"), expected);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/gid_attrs/types/0"),
			    "IB/RoCE v1");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/state"), "4: ACTIVE");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/phys_state"), "5: LinkUp");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/rate"),
			    "100 Gb/sec (4X EDR)");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/link_layer"), "Unknown");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/lid"), "0x0");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/sm_lid"), "0x0");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/cap_mask"), "0x00000000");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/pkeys/0"), "0xffff");
	world_free(world);
}

static void rates(void **state)
{
	static const struct {
		const char *profile, *file, *rate;
	} cases[] = {
		{ "m6i.metal", "class/infiniband/rdmap0s6/ports/1/rate", "50 Gb/sec (1X HDR)" },
		{ "p5en.48xlarge", "class/infiniband/rdmap85s0/ports/1/rate",
		  "200 Gb/sec (4X HDR)" },
		{ "p6-b200.48xlarge", "class/infiniband/rdmap79s0/ports/1/rate",
		  "400 Gb/sec (8X HDR)" },
	};

	(void)state;
	for (size_t i = 0; i < EMU_COUNT(cases); i++) {
		struct emu_world *world = world_of(cases[i].profile, 0);

		assert_string_equal(text_of(cases[i].file), cases[i].rate);
		world_free(world);
	}
}

static void verbs_class(void **state)
{
	struct emu_world *world = world_of("generic", 3);

	(void)state;
	assert_string_equal(text_of("class/infiniband_verbs/abi_version"), "6");
	assert_int_equal(entries("class/infiniband_verbs"), 4);
	assert_string_equal(text_of("class/infiniband_verbs/uverbs2/ibdev"), "rdmap32s6");
	assert_string_equal(text_of("class/infiniband_verbs/uverbs2/abi_version"), "1");
	assert_string_equal(text_of("class/infiniband_verbs/uverbs2/dev"), "231:194");
	world_free(world);
}

static void machine(void **state)
{
	struct emu_world *world = world_of("p5.48xlarge", 0);
	char first[32];

	(void)state;
	assert_string_equal(text_of("devices/virtual/dmi/id/sys_vendor"), "Amazon EC2");
	assert_string_equal(text_of("devices/virtual/dmi/id/product_name"), "p5.48xlarge");
	strcpy(first, text_of("devices/virtual/dmi/id/board_asset_tag"));
	assert_int_equal(strlen(first), 19);
	assert_memory_equal(first, "i-0", 3);
	assert_string_equal(text_of("module/efa/version"), "3.1.0g");
	assert_string_equal(text_of("module/ib_uverbs/initstate"), "live");
	/* Another host is another machine. */
	kit_host(world, 1, "p5.48xlarge", 0);
	assert_int_equal(emu_sysfs_path(dir, 1, sys, sizeof(sys)), 0);
	assert_string_not_equal(text_of("devices/virtual/dmi/id/board_asset_tag"), first);
	world_free(world);
}

/* --- counters ------------------------------------------------------------------------------ */

static void counters_are_the_drivers(void **state)
{
	struct emu_world *world = world_of("generic", 1);

	(void)state;
	/* 22 and 12 of them, and lifespan: efa_verbs.c. */
	assert_int_equal(entries("class/infiniband/rdmap0s6/ports/1/hw_counters"), 23);
	assert_int_equal(entries("class/infiniband/rdmap0s6/hw_counters"), 13);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/hw_counters/tx_bytes"), "0");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/hw_counters/submitted_cmds"), "0");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/hw_counters/lifespan"), "12");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/hw_counters/lifespan"),
			    "12");
	world_free(world);
}

static void older_parts_lack_network_counters(void **state)
{
	struct emu_world *world = world_of("c5n.18xlarge", 0);

	(void)state;
	assert_int_equal(entries("class/infiniband/rdmap0s6/ports/1/hw_counters"), 18);
	assert_false(is_there("class/infiniband/rdmap0s6/ports/1/hw_counters/retrans_bytes"));
	atomic_store(&world->shared->host[0].nic[0].counters[EMU_COUNT_retrans_bytes], 5);
	emu_sysfs_publish(dir, world->shared, 0, 0);
	assert_false(is_there("class/infiniband/rdmap0s6/ports/1/hw_counters/retrans_bytes"));
	world_free(world);
}

static void publishes_what_changed(void **state)
{
	struct emu_world *world = world_of("generic", 2);
	_Atomic uint64_t *counters = world->shared->host[0].nic[1].counters;
	struct stat before, after;
	char full[400];

	(void)state;
	snprintf(full, sizeof(full), "%s/class/infiniband/rdmap16s6/ports/1/hw_counters/rx_bytes",
		 sys);
	assert_int_equal(stat(full, &before), 0);
	kit_sleep_us(20000);
	atomic_store(&counters[EMU_COUNT_tx_bytes], 12345678901234ull);
	atomic_store(&counters[EMU_COUNT_create_qp_err], 9);
	emu_sysfs_publish(dir, world->shared, 0, 1);
	assert_string_equal(text_of("class/infiniband/rdmap16s6/ports/1/hw_counters/tx_bytes"),
			    "12345678901234");
	assert_string_equal(text_of("class/infiniband/rdmap16s6/hw_counters/create_qp_err"), "9");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/hw_counters/tx_bytes"), "0");
	assert_int_equal(stat(full, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	atomic_store(&counters[EMU_COUNT_tx_bytes], UINT64_MAX);
	emu_sysfs_publish(dir, world->shared, 0, 1);
	assert_string_equal(text_of("class/infiniband/rdmap16s6/ports/1/hw_counters/tx_bytes"),
			    "18446744073709551615");
	/* Of no NIC, and of no host. */
	emu_sysfs_publish(dir, world->shared, 0, 2);
	emu_sysfs_publish(dir, world->shared, 1, 0);
	world_free(world);
}

static void port_state_follows_the_nic(void **state)
{
	struct emu_world *world = world_of("generic", 1);

	(void)state;
	atomic_store(&world->shared->host[0].nic[0].down, 1);
	emu_sysfs_publish(dir, world->shared, 0, 0);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/state"), "1: DOWN");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/phys_state"), "3: Disabled");
	atomic_store(&world->shared->host[0].nic[0].down, 0);
	emu_sysfs_publish(dir, world->shared, 0, 0);
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/state"), "4: ACTIVE");
	assert_string_equal(text_of("class/infiniband/rdmap0s6/ports/1/phys_state"), "5: LinkUp");
	world_free(world);
}

#define STEPS 3000

static struct {
	struct emu_world *world;
	_Atomic bool done;
} shared;

static void *publisher(void *argument)
{
	_Atomic uint64_t *counter = &shared.world->shared->host[0].nic[0].counters[0];

	(void)argument;
	for (int i = 0; i < STEPS; i++) {
		atomic_fetch_add(counter, 1);
		emu_sysfs_publish(dir, shared.world->shared, 0, 0);
	}
	return NULL;
}

static void *holder(void *argument)
{
	char full[400], text[32];
	uint64_t reads = 0;
	int fd;

	(void)argument;
	snprintf(full, sizeof(full), "%s/class/infiniband/rdmap0s6/ports/1/hw_counters/tx_bytes",
		 sys);
	/* As perftest does: opened once, read again from the start. */
	fd = open(full, O_RDONLY | O_CLOEXEC);
	while (!atomic_load(&shared.done)) {
		ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

		if (got <= 0) {
			reads = UINT64_MAX;
			break;
		}
		text[got] = 0;
		if (strtoull(text, NULL, 10) > 4 * STEPS) {
			reads = UINT64_MAX;
			break;
		}
		reads++;
	}
	close(fd);
	return (void *)(uintptr_t)reads;
}

/* Readers never find a file empty, and after the last writer the file says what is counted. */
static void many_publish_and_read(void **state)
{
	pthread_t writer[4], reader;
	void *reads;

	(void)state;
	shared.world = world_of("generic", 1);
	atomic_store(&shared.done, false);
	assert_int_equal(pthread_create(&reader, NULL, holder, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&writer[i], NULL, publisher, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(writer[i], NULL), 0);
	atomic_store(&shared.done, true);
	assert_int_equal(pthread_join(reader, &reads), 0);
	assert_true((uintptr_t)reads != UINTPTR_MAX);
	assert_int_equal(strtoull(text_of("class/infiniband/rdmap0s6/ports/1/hw_counters/tx_bytes"),
				  NULL, 10),
			 4 * STEPS);
	world_free(shared.world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_lead_where_the_kernels_do),
		cmocka_unit_test(links_are_relative),
		cmocka_unit_test(pci_device),
		cmocka_unit_test(rdma_device),
		cmocka_unit_test(port),
		cmocka_unit_test(rates),
		cmocka_unit_test(verbs_class),
		cmocka_unit_test(machine),
		cmocka_unit_test(counters_are_the_drivers),
		cmocka_unit_test(older_parts_lack_network_counters),
		cmocka_unit_test(publishes_what_changed),
		cmocka_unit_test(port_state_follows_the_nic),
		cmocka_unit_test(many_publish_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
