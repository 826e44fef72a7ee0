/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfabric's efa provider calls abort() on some FI_EFA_* values. This file is the only place where
 * the library looks at the environment, so that such a value is an error and not a core dump; for
 * what libfabric does with RDMA because of it; and for where sysfs is, so that it finds the devices
 * that libibverbs finds.
 * Source: libfabric prov/efa/src/efa_env.c (variables that it gave up, and bounds that it asserts).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "transport/fabric.h"
#include <weft/environment.h>

/* Variables whose being there is enough, and the first release to which they are nothing. */
static const struct {
	const char *name;
	uint32_t before; /* 0: there is none */
} aborting[] = {
	{ "FI_EFA_MTU_SIZE", 0 },
	{ "FI_EFA_TX_IOV_LIMIT", 0 },
	{ "FI_EFA_RX_IOV_LIMIT", 0 },
	{ "FI_EFA_SHM_MAX_MEDIUM_SIZE", FI_VERSION(1, 20) },
};

const char *fabric_sysfs(void)
{
	const char *sysfs = getenv("SYSFS_PATH");

	return sysfs && *sysfs ? sysfs : "/sys";
}

static bool rdma_device_exists(void)
{
	struct dirent *entry;
	bool found = false;
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/class/infiniband", fabric_sysfs());
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	closedir(dir);
	return found;
}

static bool is_boolean(const char *value)
{
	static const char *const words[] = { "0", "1", "no", "yes", "off", "on", "false", "true" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(value, words[i]))
			return true;
	return false;
}

static bool first_device_reads(void)
{
	struct efa_device device;

	return !fabric_efa_device(NULL, &device) || device.reads;
}

/*
 * 1.17 reads by the device when it is told to, or when the first device is newer than these two
 * parts; an endpoint then does if its own device can.
 * Source: libfabric 1.17 prov/efa/src/rxr/rxr_env.c, efa.h (efa_ep_support_rdma_read).
 */
uint8_t fabric_efa_fetches(const char *nic)
{
	const char *value = getenv("FI_EFA_USE_DEVICE_RDMA");
	struct efa_device first, own;
	bool on;

	if (FI_VERSION_GE(fi_version(), FI_VERSION(1, 18)) || !fabric_efa_device(nic, &own))
		return WEFT_RDMA_UNKNOWN;
	if (value)
		on = strtol(value, NULL, 0) != 0;
	else
		on = fabric_efa_device(NULL, &first) && first.reads && first.part != 0xefa0 &&
		     first.part != 0xefa1;
	return on && own.reads ? WEFT_RDMA_DEVICE : WEFT_RDMA_SOFTWARE;
}

/* Read as libfabric does. Source: libfabric prov/efa, hmem_info.min_read_write_size; 1.17 to 2.1.
 */
uint64_t fabric_efa_fetch_min(void)
{
	const char *value = getenv("FI_EFA_INTER_MIN_READ_WRITE_SIZE");

	return value ? (uint64_t)strtol(value, NULL, 0) : 64u << 10;
}

/* Read as libfabric does: a number before 1.18, then a boolean. */
static bool asks_for_reads(const char *value)
{
	if (FI_VERSION_LT(fi_version(), FI_VERSION(1, 17)))
		return false;
	if (FI_VERSION_LT(fi_version(), FI_VERSION(1, 18)))
		return (int)strtol(value, NULL, 0) != 0;
	return !strcmp(value, "1") || !strcasecmp(value, "yes") || !strcasecmp(value, "on") ||
	       !strcasecmp(value, "true");
}

int fabric_efa_env(bool efa_asked)
{
	const char *value;
	size_t i;

	if (!efa_asked && !rdma_device_exists())
		return 0;
	for (i = 0; i < sizeof(aborting) / sizeof(aborting[0]); i++)
		if (getenv(aborting[i].name) &&
		    (!aborting[i].before || FI_VERSION_LT(fi_version(), aborting[i].before)))
			return err_set(
				-WEFT_EENVIRONMENT,
				"%s is set; libfabric's efa provider gave this variable up and "
				"aborts the process",
				aborting[i].name);
	value = getenv("FI_EFA_TX_MIN_CREDITS");
	if (value && (int)strtol(value, NULL, 0) <= 0)
		return err_set(-WEFT_EENVIRONMENT, "FI_EFA_TX_MIN_CREDITS is '%s', must be over 0",
			       value);
	value = getenv("FI_EFA_IFACE");
	if (value && !*value)
		return err_set(-WEFT_EENVIRONMENT, "FI_EFA_IFACE is empty");
	value = getenv("FI_EFA_USE_DEVICE_RDMA");
	if (value && FI_VERSION_GE(fi_version(), FI_VERSION(1, 18)) && !is_boolean(value))
		return err_set(-WEFT_EENVIRONMENT,
			       "FI_EFA_USE_DEVICE_RDMA is '%s', must be 0 or 1 (no, yes)", value);
	if (value && asks_for_reads(value) && !first_device_reads())
		return err_set(-WEFT_EENVIRONMENT,
			       "FI_EFA_USE_DEVICE_RDMA is '%s', but the device has no RDMA read",
			       value);
	return 0;
}

int weft_set_environment(void)
{
	struct efa_device first;

	if (setenv("FI_MR_CACHE_MAX_COUNT", "0", 0))
		return -ENOMEM;
	if (FI_VERSION_GE(fi_version(), FI_VERSION(1, 18)) || getenv("FI_EFA_USE_DEVICE_RDMA") ||
	    !rdma_device_exists() || !fabric_efa_device(NULL, &first) || !first.reads)
		return 0;
	return setenv("FI_EFA_USE_DEVICE_RDMA", "1", 0) ? -ENOMEM : 0;
}
