/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's door. Who connects has to say hello, in one line of a protocol that we speak; the
 * first that does is served, by a thread, and the others are told that the server is busy. Whoever
 * says something else, or nothing, costs a descriptor for a few seconds and HELLO_MAX bytes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "perf/server_int.h"

#define CALLERS   32                 /* at the limit the one that came first gives way */
#define CALL_NS   (3 * NSEC_PER_SEC) /* time to say hello, and to read our answer */
#define LOOK_MS   50                 /* how often stop is looked at */
#define ANSWER_NS (5 * NSEC_PER_SEC) /* for the client to take an answer */

/* Somebody at the door. */
struct caller {
	struct perf_wire wire;
	uint64_t until_ns;
	bool told; /* has its answer, and is given time to read it */
};

struct door {
	const struct perf_server_opts *opts;
	int fd;
	struct caller caller[CALLERS];
	uint32_t callers;
	struct perf_client *client; /* NULL: free */
	uint64_t since_ns;
	uint32_t served; /* clients that have gone */
};

static void dismiss(struct door *door, uint32_t index)
{
	perf_wire_close(&door->caller[index].wire);
	door->callers--;
	memmove(&door->caller[index], &door->caller[index + 1],
		(door->callers - index) * sizeof(door->caller[0]));
}

static void let_in(struct door *door)
{
	int on = 1, fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct caller *caller;

	if (fd < 0)
		return;
	if (door->callers == CALLERS)
		dismiss(door, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	caller = &door->caller[door->callers++];
	perf_wire_init(&caller->wire, fd, PERF_HELLO_MAX);
	caller->until_ns = clock_ns() + CALL_NS;
	caller->told = false;
}

/* Tells an error, the current one; the caller then goes by itself, or is shown out in time. */
static void refuse(struct caller *caller, uint64_t id, int code)
{
	char line[PERF_HELLO_MAX], why[ERR_DETAIL_MAX];
	struct json json;

	snprintf(why, sizeof(why), "%s", weft_error_detail());
	json_begin_buf(&json, line, sizeof(line));
	json_object(&json, NULL);
	json_string(&json, "type", "error");
	json_u64(&json, "id", id);
	json_i64(&json, "code", -code);
	json_string(&json, "why", why);
	json_object_end(&json);
	if (!json_end(&json))
		perf_wire_write(&caller->wire, line, json.len, 0);
	shutdown(caller->wire.fd, SHUT_WR);
	caller->told = true;
	caller->until_ns = clock_ns() + CALL_NS;
}

/* Ends the client's thread; at once, if it still serves. */
static void see_off(struct door *door)
{
	if (!door->client)
		return;
	__atomic_store_n(&door->client->stop, 1, __ATOMIC_RELAXED);
	pthread_join(door->client->thread, NULL);
	perf_talk_close(&door->client->talk);
	free(door->client);
	door->client = NULL;
	door->served++;
}

/* Begins to serve; the caller is at the door no more. */
static int serve(struct door *door, uint32_t index, uint64_t hello_id)
{
	struct perf_client *client = calloc(1, sizeof(*client));
	struct caller *caller = &door->caller[index];
	int rc;

	if (!client)
		return err_set(-ENOMEM, "the server has no memory");
	client->opts = door->opts;
	client->hello_id = hello_id;
	caller->wire.most = PERF_LINE_MAX;
	rc = perf_talk_init(&client->talk, &caller->wire, ANSWER_NS, &client->stop);
	caller->wire = (struct perf_wire){ .fd = -1 };
	dismiss(door, index);
	if (rc) {
		free(client);
		return 0;
	}
	rc = thread_create(&client->thread, NULL, perf_client_main, client);
	if (rc) {
		perf_talk_close(&client->talk);
		free(client);
		return 0;
	}
	door->client = client;
	door->since_ns = clock_ns();
	return 0;
}

/* What a line at the door is. 0: served from now on. */
static int welcome(struct door *door, uint32_t index, const char *line, size_t len,
		   uint64_t *ret_id)
{
	struct caller *caller = &door->caller[index];
	uint64_t id = 0;
	cJSON *hello;
	int rc = perf_wire_parse(line, len, &hello);

	if (rc)
		return err_set(rc, "this is a weft perf server, and that was no hello of weft "
				   "perf");
	perf_wire_number(hello, "id", UINT64_MAX, &id);
	*ret_id = id;
	if (strcmp(perf_wire_text(hello, "type"), "hello"))
		rc = err_set(-WEFT_EPROTOCOL, "the first message has to be hello");
	else
		rc = perf_talk_same(hello, caller->wire.peer);
	cJSON_Delete(hello);
	if (rc)
		return rc;
	if (door->client && atomic_load(&door->client->done))
		see_off(door);
	if (door->client)
		return err_set(-EBUSY, "it is busy with %s, since %.0f s; try again later",
			       door->client->talk.wire.peer,
			       (double)(clock_ns() - door->since_ns) / 1e9);
	return serve(door, index, id);
}

/* Returns whether the caller is still there. */
static bool listen_to(struct door *door, uint32_t index)
{
	struct caller *caller = &door->caller[index];
	uint64_t id = 0;
	char scrap[512], *line;
	size_t len;
	int rc;

	if (caller->told) {
		ssize_t n = recv(caller->wire.fd, scrap, sizeof(scrap), 0);

		if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
			return true;
		dismiss(door, index);
		return false;
	}
	rc = perf_wire_next(&caller->wire, &line, &len);
	if (rc == -EAGAIN)
		return true;
	if (rc == -WEFT_EPEERGONE) {
		dismiss(door, index);
		return false;
	}
	if (!rc) {
		uint32_t before = door->callers;

		rc = welcome(door, index, line, len, &id);
		if (door->callers != before)
			return false;
	}
	if (rc)
		refuse(caller, id, rc);
	return true;
}

static void look_around(struct door *door)
{
	struct pollfd fds[CALLERS + 1];
	uint32_t n = door->callers, index = 0;
	uint64_t now_ns;

	for (uint32_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = door->caller[i].wire.fd, .events = POLLIN };
	fds[n] = (struct pollfd){ .fd = door->fd, .events = POLLIN };
	poll(fds, n + 1, LOOK_MS);
	now_ns = clock_ns();
	for (uint32_t i = 0; i < n; i++) {
		if (fds[i].revents && !listen_to(door, index))
			continue;
		if (now_ns >= door->caller[index].until_ns)
			dismiss(door, index);
		else
			index++;
	}
	if (fds[n].revents & POLLIN)
		let_in(door);
}

int perf_server(const struct perf_server_opts *opts, const volatile int *stop)
{
	struct door *door = calloc(1, sizeof(*door));
	char address[PERF_WIRE_NAME_MAX];

	if (!door)
		return err_set(-ENOMEM, "no memory for the server");
	door->opts = opts;
	door->fd = perf_wire_listen(opts->listen_addr, address);
	if (door->fd < 0) {
		int rc = door->fd;

		free(door);
		return rc;
	}
	if (opts->ready)
		opts->ready(opts->ctx, address);
	while (!*stop && !(opts->once && door->served)) {
		look_around(door);
		if (door->client && atomic_load(&door->client->done))
			see_off(door);
	}
	see_off(door);
	while (door->callers)
		dismiss(door, 0);
	close(door->fd);
	free(door);
	return 0;
}
