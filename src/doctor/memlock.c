/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/memlock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_IPC_LOCK 14 /* a bit of CapEff, linux/capability.h */

/* "unlimited" or a number, with blanks in front; at is moved behind it. */
static bool parse_limit(const char **at, uint64_t *ret)
{
	char *end;

	*at += strspn(*at, " \t");
	if (!strncmp(*at, "unlimited", 9)) {
		*ret = UINT64_MAX;
		*at += 9;
		return true;
	}
	*ret = strtoull(*at, &end, 10);
	if (end == *at)
		return false;
	*at = end;
	return true;
}

/* In a user namespace of its own a process holds its capabilities over nothing that the kernel asks
 * for here (drivers/infiniband/core/umem.c: capable()). */
static bool is_exempt(const struct doctor *doctor, const char *process)
{
	char text[8192], *at;
	uint64_t inside, outside, count;

	if (sysroot_read(&doctor->root, text, sizeof(text), "/proc/%s/uid_map", process) > 0 &&
	    (sscanf(text, "%18" SCNu64 "%18" SCNu64 "%18" SCNu64, &inside, &outside, &count) != 3 ||
	     inside || outside || count != UINT32_MAX))
		return false;
	if (sysroot_read(&doctor->root, text, sizeof(text), "/proc/%s/status", process) < 0)
		return false;
	at = strstr(text, "\nCapEff:");
	return at && (strtoull(at + 8, NULL, 16) >> CAP_IPC_LOCK & 1);
}

int memlock_read(const struct doctor *doctor, const char *process, struct memlock *ret)
{
	static const char title[] = "Max locked memory";
	char text[8192];
	const char *at;
	int rc = sysroot_read(&doctor->root, text, sizeof(text), "/proc/%s/limits", process);

	if (rc < 0)
		return rc;
	at = strstr(text, title);
	if (!at)
		return -EBADMSG;
	at += sizeof(title) - 1;
	if (!parse_limit(&at, &ret->soft) || !parse_limit(&at, &ret->hard))
		return -EBADMSG;
	ret->exempt = is_exempt(doctor, process);
	return 0;
}
