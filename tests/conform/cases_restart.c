/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that comes back is another one: nothing old reaches it, and nothing piles up. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

#define LEN 65536u

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long size, resident;

	check(file);
	check_int(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Of peers, at all rails of an engine. */
static long addresses_of(struct weft *weft)
{
	struct weft_rail_info rail = { .size = sizeof(rail) };
	long count = 0;

	for (uint32_t i = 0; !weft_rail(weft, i, &rail); i++)
		count += rail.addresses;
	return count;
}

/* What a process has in /dev/shm by the name that libfabric gives it. */
static int segments_of(pid_t pid)
{
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	char prefix[32];
	int count = 0;

	check(dir);
	snprintf(prefix, sizeof(prefix), "%d:", (int)pid);
	while ((entry = readdir(dir)))
		count += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return count;
}

/* The old descriptor, at import or in its first transfer. */
static void check_stale(struct net *net, struct weft *a, struct weft_region *region,
			const void *descriptor, size_t len)
{
	struct weft_remote *remote;
	int rc = weft_import(a, descriptor, len, &remote);

	if (!rc) {
		struct move move = { false, region, 0, remote, 0, 64, 0, 0 };

		rc = net_move(net, a, &move, 3 * NSEC_PER_SEC);
		check(weft_remote_status(remote) < 0);
		check_ok(weft_remote_close(remote));
	}
	if (net->conform->row->refusal_unseen && rc == -WEFT_EDEADLINE)
		return;
	if (rc != -WEFT_EPEERGONE && rc != -WEFT_EUNREACHABLE)
		check_rc(rc, -WEFT_EPEERSTALE);
}

/* Of so many lives one is asked for again when it is over. */
#define STALE_EVERY 8u

/* One life of b: met, used, closed. */
static void one_life(struct net *net, struct weft *a, struct weft_region *near, struct area *mem,
		     uint64_t seed)
{
	struct weft *b = net_open(net, NULL);
	struct weft_region *far = net_register(b, mem, WEFT_REMOTE_WRITE);
	struct weft_remote *remote = net_import(net, a, far);
	struct move move = { false, near, 0, remote, 0, LEN, 0, 0 };
	uint8_t descriptor[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(descriptor);

	check_ok(net_move(net, a, &move, CONFORM_LIMIT_NS));
	check_ok(weft_export(far, descriptor, &len));
	net_close(net, b);
	area_fill(mem, 0, LEN, seed);
	until(net, weft_remote_status(remote) != 0);
	check_rc(net_move(net, a, &move, CONFORM_LIMIT_NS), -WEFT_EPEERGONE);
	check_ok(weft_remote_close(remote));
	if (seed % STALE_EVERY == 0)
		check_stale(net, a, near, descriptor, len);
	check_holds(mem, 0, LEN, seed);
}

static void many_lives_leave_nothing(const struct conform *c)
{
	enum {
		WARM = 8
	};
	struct net net = { .conform = c };
	struct weft *a = net_open(&net, NULL);
	struct area mem_a, mem_b;
	struct weft_region *near;
	const long lives = c->lives;
	long resident = 0, addresses = 0;
	int fds = 0, segments = 0;

	area_open(&mem_a, LEN);
	area_open(&mem_b, LEN);
	near = net_register(a, &mem_a, WEFT_LOCAL);
	for (uint64_t i = 0; i < WARM + (uint64_t)lives; i++) {
		if (i == WARM) {
			fds = conform_descriptors();
			segments = segments_of(getpid());
			resident = resident_kib();
			addresses = addresses_of(a);
		}
		one_life(&net, a, near, &mem_b, i);
		until(&net, net_stats(a).peers == 0);
	}
	resident = resident_kib() - resident;
	addresses = addresses_of(a) - addresses;
	conform_note("%ld lives: %d descriptors, %ld addresses and %ld KiB more", lives,
		     conform_descriptors() - fds, addresses, resident);
	if (!c->row->keeps_segments)
		check_int(segments_of(getpid()), segments);
	if (c->row->keeps_addresses)
		check(addresses <= lives * (long)c->rails);
	else /* who never answered may have heard us, and is remembered for a minute */
		check(addresses <= lives / (long)STALE_EVERY * (long)c->rails);
	check(conform_descriptors() <= fds + 4);
	/* The sanitizers keep freed memory; shm the segments of ends that were open in this
	 * process. */
	if (CONFORM_SLOWER == 1 && !c->row->keeps_segments)
		check(resident < 128 * lives + c->row->pools_kib);
	check_guards(&mem_b);
	net_end(&net);
	area_close(&mem_a);
	area_close(&mem_b);
}

/* Both in one process that goes on, and across processes. */
static void restarted_peer_refuses_the_old(const struct conform *c)
{
	uint8_t old[WEFT_DESCRIPTOR_MAX];
	struct net net = { .conform = c };
	struct weft_remote *before, *after;
	struct weft_region *region;
	struct child child;
	struct area mem;
	struct move move;
	struct weft *a;
	size_t len;

	child_spawn(&child, c, LEN);
	area_open(&mem, LEN);
	a = net_open(&net, NULL);
	region = net_register(a, &mem, WEFT_LOCAL);
	child_open(&child, &net, WEFT_REMOTE_WRITE);
	len = child.descriptor_len;
	for (size_t i = 0; i < len; i++)
		old[i] = child.descriptor[i];
	before = net_import_bytes(&net, a, old, len);
	child_close(&child, &net);
	child_open(&child, &net, WEFT_REMOTE_WRITE);
	after = net_import_bytes(&net, a, child.descriptor, child.descriptor_len);
	check(weft_remote_peer(after) != weft_remote_peer(before));
	move = (struct move){ false, region, 0, before, 0, LEN, 0, 0 };
	area_fill(&mem, 0, LEN, 1);
	area_fill(&child.area, 0, LEN, 2);
	check(net_move(&net, a, &move, 3 * NSEC_PER_SEC) < 0);
	check_stale(&net, a, region, old, len);
	check_holds(&child.area, 0, LEN, 2);
	move.remote = after;
	check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
	check_holds(&child.area, 0, LEN, 1);
	net_end(&net);
	child_end(&child);
	area_close(&mem);
}

/* Killed and replaced by another process. */
static void replaced_process_is_another_peer(const struct conform *c)
{
	struct net net = { .conform = c };
	struct weft_remote *remote;
	struct weft_region *region;
	struct child children[4];
	struct area mem;
	struct move move;
	struct weft *a;

	for (int i = 0; i < 4; i++)
		child_spawn(&children[i], c, LEN);
	area_open(&mem, LEN);
	a = net_open(&net, NULL);
	region = net_register(a, &mem, WEFT_LOCAL);
	for (int i = 0; i < 4; i++) {
		child_open(&children[i], &net, WEFT_REMOTE_WRITE);
		remote = net_import_bytes(&net, a, children[i].descriptor,
					  children[i].descriptor_len);
		area_fill(&mem, 0, LEN, (uint64_t)i);
		move = (struct move){ false, region, 0, remote, 0, LEN, 0, 0 };
		check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
		check_holds(&children[i].area, 0, LEN, (uint64_t)i);
		child_kill(&children[i]);
		if (c->row->watches_peers)
			until(&net, weft_remote_status(remote) != 0);
		check_rc(net_move(&net, a, &move, CONFORM_LIMIT_NS), -WEFT_EPEERGONE);
		check_rc(weft_remote_status(remote), -WEFT_EPEERGONE);
		if (c->row->late_quiet)
			until(&net, net_stats(a).in_flight == 0);
		check_ok(weft_remote_close(remote));
	}
	until(&net, net_stats(a).peers == 0);
	check_int(net_stats(a).peers_gone, 4);
	net_end(&net);
	for (int i = 0; i < 4; i++)
		child_end(&children[i]);
	area_close(&mem);
}

/* The same where each life is a process that is killed. */
static void killed_lives_leave_nothing(const struct conform *c)
{
	enum {
		WARM = 2
	};
	const int lives = (int)c->lives / 8 + WARM;
	struct child *children = calloc((size_t)lives, sizeof(*children));
	struct net net = { .conform = c };
	struct weft_remote *remote;
	struct weft_region *region;
	long addresses = 0;
	struct area mem;
	struct move move;
	struct weft *a;
	int fds = 0;

	check(children);
	for (int i = 0; i < lives; i++)
		child_spawn(&children[i], c, LEN);
	area_open(&mem, LEN);
	a = net_open(&net, NULL);
	region = net_register(a, &mem, WEFT_LOCAL);
	for (int i = 0; i < lives; i++) {
		pid_t pid = children[i].pid;

		if (i == WARM) {
			fds = conform_descriptors();
			addresses = addresses_of(a);
		}
		child_open(&children[i], &net, WEFT_REMOTE_WRITE);
		remote = net_import_bytes(&net, a, children[i].descriptor,
					  children[i].descriptor_len);
		move = (struct move){ false, region, 0, remote, 0, LEN, 0, 0 };
		check_ok(net_move(&net, a, &move, CONFORM_LIMIT_NS));
		child_kill(&children[i]);
		if (c->row->watches_peers)
			until(&net, weft_remote_status(remote) != 0);
		check_rc(net_move(&net, a, &move, CONFORM_LIMIT_NS), -WEFT_EPEERGONE);
		until(&net, net_stats(a).in_flight == 0);
		check_ok(weft_remote_close(remote));
		until(&net, net_stats(a).peers == 0);
		until(&net, segments_of(pid) == 0);
		child_end(&children[i]);
	}
	fds -= lives - WARM; /* sockets to the children, closed since */
	if (c->row->keeps_addresses)
		addresses += (lives - WARM) * (long)c->rails;
	/* A greeting of the last one may still be read, and answered, for a moment after its death.
	 */
	until(&net, conform_descriptors() <= fds + 1 && addresses_of(a) <= addresses);
	conform_note("%d killed: %d descriptors and %ld addresses more", lives - WARM,
		     conform_descriptors() - fds, addresses_of(a) - addresses);
	net_end(&net);
	area_close(&mem);
	free(children);
}

const struct conform_case cases_restart[] = {
	{ "many_lives_leave_nothing", many_lives_leave_nothing, 0 },
	{ "killed_lives_leave_nothing", killed_lives_leave_nothing, NEEDS_PROCESSES },
	{ "restarted_peer_refuses_the_old", restarted_peer_refuses_the_old, NEEDS_PROCESSES },
	{ "replaced_process_is_another_peer", replaced_process_is_another_peer, NEEDS_PROCESSES },
	{ 0 },
};
