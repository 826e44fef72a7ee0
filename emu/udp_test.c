/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/udp_testing.h"

/* Two processes of one host, as far as sockets go. */
struct pair {
	struct emu_world_shared *shared;
	struct emu_world worlds[2]; /* slots 1 and 2 */
	struct emu_udp *udp[2];
};

/* --- sendto() as the network fails it ------------------------------------------------------ */

static _Atomic int fail_with, fail_times;

ssize_t sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *to,
	       socklen_t length)
{
	if (atomic_load(&fail_times) > 0 && atomic_fetch_sub(&fail_times, 1) > 0) {
		errno = atomic_load(&fail_with);
		return -1;
	}
	return syscall(SYS_sendto, fd, buffer, n, flags, to, length);
}

/* --- helpers ------------------------------------------------------------------------------- */

static bool is_free(uint16_t port)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = bind(fd, (const struct sockaddr *)&own, sizeof(own));
	close(fd);
	return rc == 0;
}

static uint16_t free_port(void)
{
	uint16_t port;

	do {
		assert_int_equal(emu_random(&port, sizeof(port)), 0);
		port = (uint16_t)(10000 + port % 20000);
	} while (!is_free((uint16_t)(port + 1)) || !is_free((uint16_t)(port + 2)));
	return port;
}

static int open_pair(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int i;

	assert_non_null(pair);
	pair->shared = new_shared((uint8_t[]){ 127, 0, 0, 1 }, free_port());
	for (i = 0; i < 2; i++) {
		pair->worlds[i].shared = pair->shared;
		pair->worlds[i].slot = (uint32_t)i + 1;
		assert_int_equal(emu_udp_open(&pair->worlds[i], &pair->udp[i]), 0);
	}
	*state = pair;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *pair = *state;

	atomic_store(&fail_times, 0);
	emu_udp_close(pair->udp[0]);
	emu_udp_close(pair->udp[1]);
	free(pair->shared);
	free(pair);
	return 0;
}

static struct emu_path path_to(const struct emu_world *world, uint32_t slot)
{
	struct emu_path path;
	uint8_t gid[16];

	emu_gid_make(world->shared, 0, 1, gid);
	assert_true(emu_path_init(world, gid, EMU_QPN(slot, 3), &path));
	return path;
}

static struct emu_udp_counts counts(const struct emu_udp *udp)
{
	struct emu_udp_counts now;

	emu_udp_counts(udp, &now);
	return now;
}

/* --- packets ------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 2, 31, 1000, 1500, 8928, EMU_PAYLOAD_MAX };
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	uint32_t i;

	for (i = 0; i < EMU_COUNT(sizes); i++) {
		struct arrived arrived = { 0 };

		assert_int_equal(emit(pair->udp[0], &path, i, sizes[i]), EMU_EMITTED);
		drain(pair->udp[1], &arrived, 1);
		assert_int_equal(arrived.packets, 1);
		assert_int_equal(arrived.bad, 0);
		assert_int_equal(arrived.last.payload, sizes[i]);
		assert_int_equal(arrived.last.seq, i);
		assert_int_equal(arrived.last.incarnation, 99);
	}
	assert_int_equal(counts(pair->udp[0]).sent, EMU_COUNT(sizes));
	assert_int_equal(counts(pair->udp[1]).received, EMU_COUNT(sizes));
	assert_int_equal(counts(pair->udp[1]).dropped, 0);
}

/* To itself: EFA devices loop back. */
static void test_loopback(void **state)
{
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 1);
	struct arrived arrived = { 0 };

	assert_int_equal(emit(pair->udp[0], &path, 5, 100), EMU_EMITTED);
	drain(pair->udp[0], &arrived, 1);
	assert_int_equal(arrived.packets, 1);
	assert_int_equal(arrived.bad, 0);
}

static void test_budget(void **state)
{
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	struct arrived arrived = { 0 };
	const struct emu_sink sink = { &arrived, take };
	struct pollfd fd = { .fd = emu_udp_fd(pair->udp[1]), .events = POLLIN };
	uint32_t i;

	assert_int_equal(emu_udp_drain(pair->udp[1], 10, &sink), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(emit(pair->udp[0], &path, i, 10), EMU_EMITTED);
	assert_int_equal(poll(&fd, 1, 5000), 1);
	assert_int_equal(emu_udp_drain(pair->udp[1], 0, &sink), 0);
	assert_int_equal(emu_udp_drain(pair->udp[1], 1, &sink), 1);
	assert_int_equal(emu_udp_drain(pair->udp[1], 40, &sink), 40);
	assert_int_equal(emu_udp_drain(pair->udp[1], 1000, &sink), 59);
	assert_int_equal(arrived.packets, 100);
	assert_int_equal(arrived.bad, 0);
}

static void test_nobody(void **state)
{
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	struct arrived arrived = { 0 };

	emu_udp_close(pair->udp[1]);
	pair->udp[1] = NULL;
	assert_int_equal(emit(pair->udp[0], &path, 0, 10), EMU_EMITTED);
	assert_int_equal(emit(pair->udp[0], &path, 1, 10), EMU_EMITTED);
	path = path_to(&pair->worlds[0], EMU_SLOTS);
	assert_int_equal(emit(pair->udp[0], &path, 2, 10), EMU_EMIT_GONE);
	/* It still receives. */
	path = path_to(&pair->worlds[0], 1);
	assert_int_equal(emit(pair->udp[0], &path, 3, 10), EMU_EMITTED);
	drain(pair->udp[0], &arrived, 1);
	assert_int_equal(arrived.packets, 1);
}

/* --- what does not belong ------------------------------------------------------------------ */

static void throw(int fd, const struct emu_path *path, const void *bytes, size_t n)
{
	assert_int_equal(
		syscall(SYS_sendto, fd, bytes, n, 0, path->address, sizeof(struct sockaddr_in)), n);
}

static void test_garbage(void **state)
{
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	struct {
		struct emu_packet packet;
		uint8_t payload[60000];
	} thrown;
	static const size_t sizes[] = { 0, 1, 103, 104, 105, 1000, 9064, 9065, 60000 };
	struct arrived arrived = { 0 };
	unsigned int thrown_count = 0, i;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	memset(&thrown, 0, sizeof(thrown));
	for (i = 0; i < EMU_COUNT(sizes); i++, thrown_count += 2) {
		assert_int_equal(emu_random(&thrown, 256), 0);
		throw(fd, &path, &thrown, sizes[i]);
		/* With a header that is right but for its sum. */
		memset(&thrown.packet, 0, sizeof(thrown.packet));
		thrown.packet.magic = EMU_PACKET_MAGIC;
		thrown.packet.version = EMU_PACKET_VERSION;
		thrown.packet.type = EMU_PACKET_SEND;
		thrown.packet.src_qpn = thrown.packet.dst_qpn = EMU_QPN(2, 3);
		if (sizes[i] > sizeof(thrown.packet))
			thrown.packet.payload = (uint16_t)(sizes[i] - sizeof(thrown.packet));
		thrown.packet.length = thrown.packet.payload;
		thrown.packet.check = ~emu_packet_sum(&thrown.packet, thrown.payload);
		throw(fd, &path, &thrown, sizes[i]);
	}
	/* A good one, with more behind it than a packet can have. */
	thrown.packet.payload = EMU_PAYLOAD_MAX;
	thrown.packet.length = EMU_PAYLOAD_MAX;
	thrown.packet.check = emu_packet_sum(&thrown.packet, thrown.payload);
	throw(fd, &path, &thrown, sizeof(thrown.packet) + EMU_PAYLOAD_MAX + 1);
	thrown_count++;
	close(fd);
	assert_int_equal(emit(pair->udp[0], &path, 1, 700), EMU_EMITTED);
	drain(pair->udp[1], &arrived, 1);
	assert_int_equal(arrived.packets, 1);
	assert_int_equal(arrived.bad, 0);
	assert_int_equal(counts(pair->udp[1]).dropped, thrown_count);
	assert_int_equal(pair->shared->host[0].nic[0].counters[EMU_COUNT_rx_drops], thrown_count);
}

/* A caller's mistake never becomes a datagram. */
static void test_wrong_data(void **state)
{
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	static uint8_t data[2 * EMU_PAYLOAD_MAX];
	struct emu_packet packet = { .payload = 10 };
	struct iovec parts[2] = { { data, 9 }, { data, EMU_PAYLOAD_MAX } };
	struct arrived arrived = { 0 };

	assert_int_equal(emu_udp_emit(pair->udp[0], &path, &packet, parts, 1), EMU_EMITTED);
	assert_int_equal(emu_udp_emit(pair->udp[0], &path, &packet, parts, 2), EMU_EMITTED);
	packet.payload = EMU_PAYLOAD_MAX + 9;
	assert_int_equal(emu_udp_emit(pair->udp[0], &path, &packet, parts, 2), EMU_EMITTED);
	packet.payload = UINT16_MAX;
	assert_int_equal(emu_udp_emit(pair->udp[0], &path, &packet, NULL, 0), EMU_EMITTED);
	assert_int_equal(counts(pair->udp[0]).lost, 4);
	assert_int_equal(counts(pair->udp[0]).sent, 0);
	drain(pair->udp[1], &arrived, 1);
	assert_int_equal(arrived.packets + counts(pair->udp[1]).dropped, 0);
}

static void test_network_errors(void **state)
{
	static const struct {
		int error, times;
		enum emu_emit result;
		unsigned int sent, lost;
	} cases[] = {
		{ EAGAIN, 1, EMU_EMIT_FULL, 0, 0 },       { ENOBUFS, 1, EMU_EMIT_FULL, 0, 0 },
		{ EINTR, 1, EMU_EMITTED, 1, 0 },          { ECONNREFUSED, 1, EMU_EMITTED, 1, 0 },
		{ ECONNREFUSED, 100, EMU_EMITTED, 0, 1 }, { ENETUNREACH, 1, EMU_EMITTED, 0, 1 },
		{ EPERM, 1, EMU_EMITTED, 0, 1 },          { EMSGSIZE, 1, EMU_EMITTED, 0, 1 },
	};
	struct pair *pair = *state;
	struct emu_path path = path_to(&pair->worlds[0], 2);
	struct emu_udp_counts before, after;
	uint32_t i;

	for (i = 0; i < EMU_COUNT(cases); i++) {
		before = counts(pair->udp[0]);
		atomic_store(&fail_with, cases[i].error);
		atomic_store(&fail_times, cases[i].times);
		assert_int_equal(emit(pair->udp[0], &path, i, 10), cases[i].result);
		after = counts(pair->udp[0]);
		assert_int_equal(after.sent - before.sent, cases[i].sent);
		assert_int_equal(after.lost - before.lost, cases[i].lost);
	}
}

/* Address and port are named where they cannot be had. */
static void test_open_errors(void **state)
{
	struct pair *pair = *state;
	char line[512] = "", wanted[100];
	struct emu_udp *udp = NULL;
	int pipes[2], saved, rc[3];
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	rc[0] = emu_udp_open(&pair->worlds[0], &udp);
	snprintf(wanted, sizeof(wanted), "127.0.0.1, UDP port %u: Address already in use; give",
		 pair->shared->host[0].udp_port + 1);
	pair->shared->host[0].udp_address[0] = 192;
	rc[1] = emu_udp_open(&pair->worlds[0], &udp);
	pair->shared->host[0].udp_port = UINT16_MAX;
	rc[2] = emu_udp_open(&pair->worlds[0], &udp);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(pipes[0], line, sizeof(line) - 1);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(rc[0], -EADDRINUSE);
	assert_int_equal(rc[1], -EADDRNOTAVAIL);
	assert_int_equal(rc[2], -ERANGE);
	assert_null(udp);
	assert_true(n > 0);
	assert_non_null(strstr(line, wanted));
	assert_non_null(strstr(line, "cannot receive at 192.0.0.1, UDP port"));
	assert_non_null(strstr(line, "is above 65535"));
}

/* --- threads ------------------------------------------------------------------------------- */

#define SENDERS 4
#define SENDS   300

struct sender {
	struct emu_udp *udp;
	struct emu_path path;
};

static void *send_many(void *argument)
{
	struct sender *sender = argument;
	uint32_t seq;

	for (seq = 0; seq < SENDS; seq++)
		while (emit(sender->udp, &sender->path, seq, (uint16_t)(seq * 29 % 8929)) ==
		       EMU_EMIT_FULL)
			sched_yield();
	return NULL;
}

/* One socket, several threads: each datagram is of one packet. */
static void test_threads(void **state)
{
	struct pair *pair = *state;
	struct sender sender = { pair->udp[0], path_to(&pair->worlds[0], 2) };
	struct arrived arrived = { 0 };
	pthread_t threads[SENDERS];
	int i;

	for (i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &sender), 0);
	drain(pair->udp[1], &arrived, SENDERS * SENDS);
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	drain(pair->udp[1], &arrived, SENDERS * SENDS);
	assert_int_equal(arrived.bad, 0);
	assert_int_equal(counts(pair->udp[1]).dropped, 0);
	assert_int_equal(counts(pair->udp[0]).sent, SENDERS * SENDS);
	/* UDP may lose some where the socket's room is small. */
	assert_in_range(arrived.packets, 1, SENDERS * SENDS);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(test_sizes),          WITH_PAIR(test_loopback),
		WITH_PAIR(test_budget),         WITH_PAIR(test_nobody),
		WITH_PAIR(test_garbage),        WITH_PAIR(test_wrong_data),
		WITH_PAIR(test_network_errors), WITH_PAIR(test_open_errors),
		WITH_PAIR(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
