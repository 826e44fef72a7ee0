/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "bench.h"

/* Between two looks at whether the target has granted its region; the engine bounds the whole. */
#define GRANT_STEP_NS 1000000

static int offer(struct link *link)
{
	unsigned char descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor), in_len = sizeof(descriptor);
	int rc = weft_export(link->region, descriptor, &len);

	return rc ? rc : pair_swap(link->pair, descriptor, len, descriptor, &in_len);
}

static int usable(struct link *link)
{
	int rc;

	do {
		weft_progress(link->weft, GRANT_STEP_NS);
		rc = weft_remote_status(link->remote);
	} while (rc == -EINPROGRESS);
	return rc;
}

static int reach(struct link *link)
{
	struct weft_peer_info info = { .size = sizeof(info) };
	unsigned char descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);
	struct weft_peer *peer;
	int rc;

	rc = pair_swap(link->pair, "ready", 5, descriptor, &len);
	if (!rc)
		rc = weft_connect(link->weft, descriptor, len, BENCH_STALL_NS, &peer);
	if (!rc)
		rc = weft_import(link->weft, descriptor, len, &link->remote);
	if (!rc)
		rc = usable(link);
	if (!rc)
		rc = weft_peer_info(peer, &info);
	if (!rc)
		snprintf(link->provider, sizeof(link->provider), "%s", info.libfabric);
	return rc;
}

int link_open(struct link *link, struct pair *pair, const struct weft_opts *opts, uint64_t len)
{
	const uint32_t access = pair->target ? WEFT_REMOTE_READ | WEFT_REMOTE_WRITE : WEFT_LOCAL;
	int rc;

	*link = (struct link){ .pair = pair, .len = len };
	rc = weft_open(&link->weft, opts);
	if (rc)
		return rc;
	link->mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (link->mem == MAP_FAILED) {
		link->mem = NULL;
		return err_set(-errno, "%llu bytes of memory", (unsigned long long)len);
	}
	rc = weft_register(link->weft, link->mem, len, access, &link->region);
	if (rc)
		return rc;
	return pair->target ? offer(link) : reach(link);
}

void link_close(struct link *link)
{
	weft_close(link->weft);
	if (link->mem)
		munmap(link->mem, link->len);
}
