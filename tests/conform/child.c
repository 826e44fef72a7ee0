/* SPDX-License-Identifier: Apache-2.0 */
/* The near side of a peer process; the far side is child_main.c. */
#include "child.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child_wire.h"
#include "transport/shm_segment.h"
#include "verdict.h"

/* What WEFT_PEER_ENV says, for this process. */
static void child_environment(void)
{
	const char *all = getenv("WEFT_PEER_ENV");
	char *text = strdup(all ? all : ""), *save, *word;

	for (word = text ? strtok_r(text, " ", &save) : NULL; word;
	     word = strtok_r(NULL, " ", &save))
		putenv(word);
}

static _Noreturn void child_exec(const struct conform *c, size_t len, int sock, int fd)
{
	char len_text[24], sock_text[12], fd_text[12], mode_text[12];
	char *argv[] = { "conform", CHILD_FLAG, mode_text, sock_text, fd_text, len_text, NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(len_text, sizeof(len_text), "%zu", len);
	snprintf(sock_text, sizeof(sock_text), "%d", sock);
	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	snprintf(mode_text, sizeof(mode_text), "%u", c->progress);
	fcntl(sock, F_SETFD, 0);
	fcntl(fd, F_SETFD, 0);
	child_environment();
	execv("/proc/self/exe", argv);
	_exit(127);
}

void child_spawn(struct child *child, const struct conform *c, size_t len)
{
	int fd = memfd_create("conform", MFD_CLOEXEC);
	int socks[2];

	*child = (struct child){ 0 };
	check(fd >= 0);
	area_share(&child->area, len, fd);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	fflush(NULL);
	child->pid = fork();
	check(child->pid >= 0);
	if (!child->pid)
		child_exec(c, len, socks[1], fd);
	verdict_started(child->pid);
	child->sock = socks[0];
	close(socks[1]);
	close(fd);
}

static bool child_readable(const struct child *child)
{
	struct pollfd p = { .fd = child->sock, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Asks and waits for the answer while net's engines are driven; net may be NULL. */
static void child_ask(struct child *child, struct net *net, const struct child_request *request,
		      struct child_reply *reply)
{
	check(send(child->sock, request, sizeof(*request), MSG_NOSIGNAL) == sizeof(*request));
	if (net)
		until(net, child_readable(child));
	check(recv(child->sock, reply, sizeof(*reply), 0) == sizeof(*reply));
}

static void child_ask_ok(struct child *child, struct net *net, const struct child_request *request,
			 struct child_reply *reply)
{
	child_ask(child, net, request, reply);
	if (reply->rc)
		conform_fail(__FILE__, __LINE__, "the peer process: %s: %s",
			     weft_error_name(reply->rc), reply->detail);
}

void child_open_provider(struct child *child, struct net *net, const char *provider,
			 uint32_t access)
{
	struct child_request request = { .kind = CHILD_OPEN,
					 .access = access,
					 .rails = net->conform->rails };
	const char *bind_addr = net->conform->row->bind_addr;
	struct child_reply reply;

	snprintf(request.provider, sizeof(request.provider), "%s", provider);
	if (bind_addr)
		snprintf(request.bind_addr, sizeof(request.bind_addr), "%s", bind_addr);
	child_ask_ok(child, net, &request, &reply);
	memcpy(child->descriptor, reply.descriptor, reply.len);
	child->descriptor_len = reply.len;
}

void child_open(struct child *child, struct net *net, uint32_t access)
{
	child_open_provider(child, net, net->conform->row->name, access);
}

void child_close(struct child *child, struct net *net)
{
	struct child_request request = { .kind = CHILD_CLOSE };
	struct child_reply reply;

	child_ask_ok(child, net, &request, &reply);
}

int child_unregister(struct child *child, struct net *net, uint64_t timeout_ns)
{
	struct child_request request = { .kind = CHILD_UNREGISTER, .timeout_ns = timeout_ns };
	struct child_reply reply;

	child_ask(child, net, &request, &reply);
	return reply.rc;
}

void child_unregister_start(struct child *child, uint64_t timeout_ns)
{
	struct child_request request = { .kind = CHILD_UNREGISTER, .timeout_ns = timeout_ns };

	check(send(child->sock, &request, sizeof(request), MSG_NOSIGNAL) == sizeof(request));
}

bool child_unregister_ended(struct child *child, int *ret)
{
	struct child_reply reply;

	if (!child_readable(child))
		return false;
	check(recv(child->sock, &reply, sizeof(reply), 0) == sizeof(reply));
	*ret = reply.rc;
	return true;
}

uint32_t child_arrival(struct child *child, struct net *net)
{
	struct child_request request = { .kind = CHILD_ARRIVAL };
	struct child_reply reply;

	child_ask_ok(child, net, &request, &reply);
	return (uint32_t)reply.count;
}

uint64_t child_arrived(struct child *child, struct net *net)
{
	struct child_request request = { .kind = CHILD_ARRIVED };
	struct child_reply reply;

	child_ask_ok(child, net, &request, &reply);
	return reply.count;
}

void child_storm(struct child *child, struct net *net, const struct weft_region *region, bool read,
		 uint32_t len)
{
	struct child_request request = { .kind = CHILD_STORM, .read = read, .storm_len = len };
	struct child_reply reply;
	size_t room = sizeof(request.descriptor);

	check_ok(weft_export(region, request.descriptor, &room));
	request.len = (uint32_t)room;
	child_ask_ok(child, net, &request, &reply);
}

uint64_t child_storm_done(struct child *child, struct net *net)
{
	struct child_request request = { .kind = CHILD_STORM_DONE };
	struct child_reply reply;

	child_ask_ok(child, net, &request, &reply);
	return reply.count;
}

int child_storm_error(struct child *child, struct net *net)
{
	struct child_request request = { .kind = CHILD_STORM_DONE };
	struct child_reply reply;

	child_ask_ok(child, net, &request, &reply);
	return reply.error;
}

/* Whether the segment's lock stays taken, though it is tried again and again. */
static bool lock_left_taken(const char *file)
{
	struct shm_segment *segment = shm_segment_map(file);
	bool taken = segment != NULL;

	for (int i = 0; taken && i < 20; i++) {
		taken = pthread_spin_trylock(&segment->lock) != 0;
		if (!taken)
			pthread_spin_unlock(&segment->lock);
		else
			usleep(1000);
	}
	if (segment)
		shm_segment_unmap(segment);
	return taken;
}

/* Whether a lock of libfabric 1.17's shm that the stopped process may hold is taken: its own one,
 * or that of a segment of this process. */
static bool stopped_with_a_lock(const struct child *child)
{
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	bool taken = false;

	while (dir && !taken && (entry = readdir(dir)))
		taken = (verdict_is_file_of(entry->d_name, child->pid) ||
			 verdict_is_file_of(entry->d_name, getpid())) &&
			lock_left_taken(entry->d_name);
	if (dir)
		closedir(dir);
	return taken;
}

void child_stop(struct child *child)
{
	int tries = 0, status;

	do {
		check(tries++ < 100);
		if (tries > 1) {
			child_resume(child);
			usleep(2000); /* else it is stopped where it is */
		}
		check(kill(child->pid, SIGSTOP) == 0);
		check(waitpid(child->pid, &status, WUNTRACED) == child->pid);
		check(WIFSTOPPED(status));
	} while (stopped_with_a_lock(child));
}

void child_resume(struct child *child)
{
	check(kill(child->pid, SIGCONT) == 0);
}

void child_kill(struct child *child)
{
	int status;

	check(kill(child->pid, SIGKILL) == 0);
	check(waitpid(child->pid, &status, 0) == child->pid);
	child->pid = 0;
}

void child_end(struct child *child)
{
	int status = 0;

	close(child->sock);
	if (child->pid) {
		check(waitpid(child->pid, &status, 0) == child->pid);
		check_int(status, 0);
	}
	check_guards(&child->area);
	area_close(&child->area);
}
