/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts in network namespaces of their own that share no world directory, joined by a pair of
 * veth interfaces with an MTU below a packet's size. Skipped (77) where namespaces or veth are not
 * to be had.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emu/udp_testing.h"

#define SKIPPED 77
#define PACKETS 100u
#define PORT    20000

static const uint8_t addresses[2][4] = { { 10, 98, 76, 1 }, { 10, 98, 76, 2 } };

#define CHECK(condition)                                                                  \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
				#condition);                                              \
			_exit(1);                                                         \
		}                                                                         \
	} while (0)

__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
	char line[256], command[300];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin %s 2>/dev/null", line);
	return system(command);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
	close(fd);
	return rc;
}

/* Root of a user namespace, unless it is root already. False: not allowed. */
static bool become_root(void)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];

	if (!unshare(CLONE_NEWNET))
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	(void)write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return !write_file("/proc/self/gid_map", map);
}

/* A world that knows only its own host. */
static void open_world(struct emu_world *world, int host, uint32_t slot, struct emu_udp **udp)
{
	memset(world, 0, sizeof(*world));
	world->shared = new_shared(addresses[host], PORT);
	world->slot = slot;
	CHECK(!emu_udp_open(world, udp));
}

static void open_path(const struct emu_world *world, int host, uint32_t slot, struct emu_path *path)
{
	struct emu_world_shared *other = new_shared(addresses[host], PORT);
	uint8_t gid[16];

	emu_gid_make(other, 0, 1, gid);
	free(other);
	CHECK(emu_path_init(world, gid, EMU_QPN(slot, 3), path));
	CHECK(path->place.host == EMU_ANY && path->place.nic == 1);
}

static void send_all(struct emu_udp *udp, const struct emu_path *path)
{
	uint32_t seq;

	for (seq = 0; seq < PACKETS; seq++)
		while (emit(udp, path, seq, (uint16_t)(8928 - seq * 80)) == EMU_EMIT_FULL)
			usleep(1000);
}

/* Host 1: answers all that came with packets of its own. */
static void second(int ready, int go)
{
	struct arrived arrived = { 0 };
	struct emu_world world;
	struct emu_path path;
	struct emu_udp *udp;
	char c = 0;

	if (unshare(CLONE_NEWNET))
		_exit(SKIPPED);
	CHECK(write(ready, &c, 1) == 1);
	if (read(go, &c, 1) != 1)
		_exit(SKIPPED);
	if (run("ip link set lo up && ip addr add 10.98.76.2/24 dev wv1 && "
		"ip link set wv1 mtu 1500 up"))
		_exit(SKIPPED);
	open_world(&world, 1, 7, &udp);
	open_path(&world, 0, 3, &path);
	CHECK(write(ready, &c, 1) == 1);
	while (!arrived.packets) /* or the alarm */
		drain(udp, &arrived, 1);
	drain(udp, &arrived, PACKETS);
	CHECK(!arrived.bad);
	printf("%u of %u packets came\n", arrived.packets, PACKETS);
	send_all(udp, &path);
	emu_udp_close(udp);
	free(world.shared);
	exit(0);
}

static int first(pid_t child, int ready, int go)
{
	struct arrived arrived = { 0 };
	struct emu_world world;
	struct emu_path path;
	struct emu_udp *udp;
	int status, tries;
	char c = 0;

	if (read(ready, &c, 1) != 1)
		return SKIPPED;
	if (run("ip link add wv0 type veth peer name wv1 netns %d", (int)child) ||
	    run("ip link set lo up && ip addr add 10.98.76.1/24 dev wv0 && "
		"ip link set wv0 mtu 1500 up"))
		return SKIPPED;
	CHECK(write(go, &c, 1) == 1);
	if (read(ready, &c, 1) != 1)
		return SKIPPED;
	open_world(&world, 0, 3, &udp);
	open_path(&world, 1, 7, &path);
	/* Until the second host's answers come: its interface may not be up yet. */
	for (tries = 0; tries < 20 && !arrived.packets; tries++) {
		send_all(udp, &path);
		drain(udp, &arrived, 1);
	}
	drain(udp, &arrived, PACKETS);
	CHECK(arrived.packets > 0 && !arrived.bad);
	CHECK(arrived.last.src_qpn == EMU_QPN(1, 1));
	printf("%u of %u packets came back\n", arrived.packets, PACKETS);
	emu_udp_close(udp);
	free(world.shared);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

int main(void)
{
	int ready[2], go[2], rc;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(60);
	signal(SIGPIPE, SIG_IGN);
	if (!become_root()) {
		puts("skipped: no network namespaces here");
		return SKIPPED;
	}
	CHECK(!pipe2(ready, O_CLOEXEC) && !pipe2(go, O_CLOEXEC));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(60);
		close(go[1]);
		close(ready[0]);
		second(ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	rc = first(child, ready[0], go[1]);
	if (rc == SKIPPED) {
		puts("skipped: no veth interfaces here");
		kill(child, SIGKILL);
	}
	return rc;
}
