/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices read from a tree (host/nic.h, host/net.h). Input: entries of a tree, each u8 what it is,
 * u8 in which directory, u8 of which name, u8 length, so many bytes. Whatever the tree holds,
 * readers end, keep within their memory and say no more than there is room for.
 */
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "host/net.h"
#include "host/nic.h"
#include "host/probe.h"

#define ENTRIES_MAX 32
#define ROOM        3 /* for fewer devices than a tree can have */

static const char *const dirs[] = {
	"sys/class/infiniband",
	"sys/class/infiniband/efa_0",
	"sys/class/infiniband/efa_0/device",
	"sys/class/infiniband/efa_0/ports",
	"sys/class/infiniband/efa_0/ports/1",
	"sys/class/infiniband/efa_0/ports/1/gids",
	"sys/class/infiniband/efa_0/ports/1/hw_counters",
	"sys/class/infiniband/efa_0/hw_counters",
	"sys/class/infiniband_verbs",
	"sys/class/infiniband_verbs/uverbs0",
	"sys/bus/pci/devices",
	"sys/bus/pci/devices/0000:00:06.0",
	"sys/devices/pci0000:00/0000:00:06.0",
	"sys/devices/pci0000:00/0000:00:06.0/infiniband/efa_0",
	"sys/class/net",
	"sys/class/net/eth0",
};

/* The last stands for the entry's own bytes. */
static const char *const names[] = {
	"efa_0",
	"device",
	"ports",
	"1",
	"0",
	"gids",
	"hw_counters",
	"vendor",
	"class",
	"numa_node",
	"uevent",
	"driver",
	"0000:00:06.0",
	"state",
	"address",
	"ibdev",
	"uverbs0",
	"net",
	"eth0",
	"mtu",
	"fw_ver",
	"node_guid",
	"current_link_width",
	NULL,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char tree[] = "/dev/shm/weft-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* Whatever stands in the way stays; path: below the tree. False: what stands there is no directory;
 * a link might lead out of the tree. */
static bool make_dirs(char *path)
{
	struct stat st;
	bool inside = true;

	for (char *at = path + sizeof(tree); inside && (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		inside = !lstat(path, &st) && S_ISDIR(st.st_mode);
		*at = '/';
	}
	return inside;
}

static void put_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0644);

	if (fd < 0)
		return;
	(void)!write(fd, bytes, len);
	close(fd);
}

static void put_entry(uint8_t what, uint8_t dir, uint8_t name, const uint8_t *data, size_t len)
{
	const char *known = names[name % COUNT(names)];
	char bytes[256], own[256], path[1024];

	memcpy(bytes, data, len);
	bytes[len] = '\0';
	snprintf(own, sizeof(own), "%s", bytes);
	for (char *at = own; *at; at++)
		if (*at == '/')
			*at = ':';
	snprintf(path, sizeof(path), "%s/%s/%s", tree, dirs[dir % COUNT(dirs)],
		 known ? known : own);
	if (!make_dirs(path))
		return;
	switch (what % 5) {
	case 0:
		put_file(path, bytes, len);
		break;
	case 1:
		(void)!symlink(bytes, path);
		break;
	case 2:
		mkdir(path, 0755);
		break;
	case 3:
		snprintf(own, sizeof(own), "/%s", dirs[(len ? data[0] : 0) % COUNT(dirs)]);
		(void)!symlink(own, path);
		break;
	default:
		mkfifo(path, 0644);
		break;
	}
}

static void put_tree(const uint8_t *data, size_t size)
{
	size_t len;

	for (int i = 0; i < ENTRIES_MAX && size >= 4; i++, data += 4 + len, size -= 4 + len) {
		len = data[3] < size - 4 ? data[3] : size - 4;
		put_entry(data[0], data[1], data[2], data + 4, len);
	}
}

/* A text of a struct: it ends within its array. */
#define CHECK_TEXT(text) FUZZ_CHECK(memchr(text, '\0', sizeof(text)))

static void check_nics(const struct sysroot *root)
{
	static struct host_nic nics[ROOM];
	int count = host_nics(root, nics, ROOM);

	FUZZ_CHECK(count <= ROOM);
	for (int i = 0; i < count; i++) {
		FUZZ_CHECK(*nics[i].name && !strchr(nics[i].name, '/') && nics[i].node >= -1);
		CHECK_TEXT(nics[i].name);
		CHECK_TEXT(nics[i].pci);
		CHECK_TEXT(nics[i].path);
		CHECK_TEXT(nics[i].driver);
		CHECK_TEXT(nics[i].gid);
		CHECK_TEXT(nics[i].net);
		CHECK_TEXT(nics[i].max_width);
		FUZZ_CHECK(!*nics[i].path || nics[i].path[0] == '/');
		/* Links end within the tree: nothing here is called like it. */
		FUZZ_CHECK(!strstr(nics[i].path, "weft-fuzz"));
	}
}

static void check_functions(const struct sysroot *root)
{
	static struct host_pci pci[ROOM];
	int count = host_pci(root, NULL, pci, ROOM);

	FUZZ_CHECK(count <= ROOM);
	for (int i = 0; i < count; i++) {
		FUZZ_CHECK(*pci[i].name && pci[i].node >= -1);
		FUZZ_CHECK(!i || strcmp(pci[i - 1].name, pci[i].name) <= 0);
		FUZZ_CHECK(host_pci_shared(pci[i].path, pci[0].path) ==
			   host_pci_shared(pci[0].path, pci[i].path));
		FUZZ_CHECK(!host_pci_is_efa(&pci[i]) || !host_pci_is_gpu(&pci[i]));
	}
}

static void check_nets(const struct sysroot *root)
{
	static struct host_net nets[ROOM];
	int count = host_nets(root, nets, ROOM);

	FUZZ_CHECK(count <= ROOM);
	for (int i = 0; i < count; i++) {
		FUZZ_CHECK(*nets[i].name && nets[i].node >= -1);
		CHECK_TEXT(nets[i].driver);
		CHECK_TEXT(nets[i].state);
		CHECK_TEXT(nets[i].address);
	}
}

static void count_one(void *ctx, const char *name, uint64_t value)
{
	(void)value;
	FUZZ_CHECK(*name && strcmp(name, "lifespan") != 0);
	++*(int *)ctx;
}

/* The same bytes as two paths and as a helper's answer. */
static void check_texts(const uint8_t *data, size_t size)
{
	char a[512], b[512], value[8];
	size_t half = size / 2 < sizeof(a) - 1 ? size / 2 : sizeof(a) - 1;

	memcpy(a, data, half);
	memcpy(b, data + half, half);
	a[half] = b[half] = '\0';
	FUZZ_CHECK(host_pci_shared(a, b) == host_pci_shared(b, a));
	if (host_probe_value(a, "dev.0", value, sizeof(value)))
		FUZZ_CHECK(strlen(value) < sizeof(value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sysroot root;
	int seen = 0, count;

	check_texts(data, size);
	memcpy(tree + sizeof(tree) - 7, "XXXXXX", 6);
	FUZZ_CHECK(mkdtemp(tree));
	put_tree(data, size);
	FUZZ_CHECK(!sysroot_open(&root, tree, NULL));
	check_nics(&root);
	check_functions(&root);
	check_nets(&root);
	count = host_counters(&root, "efa_0", count_one, &seen);
	FUZZ_CHECK(count < 0 || count == seen);
	sysroot_close(&root);
	FUZZ_CHECK(!nftw(tree, remove_one, 16, FTW_DEPTH | FTW_PHYS));
	return 0;
}
