/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/local.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"

#define TRIES   16
#define BACKLOG 8

static socklen_t to_sockaddr(const char *name, struct sockaddr_un *ret)
{
	size_t len = strlen(name);

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path + 1, name, len);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
}

int local_listen(char ret[LOCAL_NAME_MAX])
{
	struct sockaddr_un addr;
	int fd, rc = -EADDRINUSE;
	socklen_t len;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(-errno, "local socket for figures: %s", strerror(errno));
	for (int i = 0; i < TRIES && rc == -EADDRINUSE; i++) {
		snprintf(ret, LOCAL_NAME_MAX, LOCAL_PREFIX "%d-%d", (int)getpid(), i);
		len = to_sockaddr(ret, &addr);
		rc = bind(fd, (struct sockaddr *)&addr, len) ? -errno : 0;
	}
	if (!rc && !listen(fd, BACKLOG))
		return fd;
	rc = rc ? rc : -errno;
	close(fd);
	return err_set(rc, "local socket %s for figures: %s", ret, strerror(-rc));
}

/* The name in a line of /proc/net/unix, when it is one of ours that listens. */
static bool name_of(const char *line, char ret[LOCAL_NAME_MAX])
{
	const char *at = strstr(line, " @" LOCAL_PREFIX);
	unsigned int flags = 0;
	size_t len;

	/* Num RefCount Protocol Flags: __SO_ACCEPTCON is set in what listens. */
	if (!at || sscanf(line, "%*x: %*x %*x %x", &flags) != 1 || !(flags & 0x10000))
		return false;
	at += 2;
	len = strspn(at, LOCAL_PREFIX "0123456789");
	if (len >= LOCAL_NAME_MAX || (at[len] && at[len] != '\n'))
		return false;
	memcpy(ret, at, len);
	ret[len] = '\0';
	return true;
}

int local_list(char (*ret)[LOCAL_NAME_MAX], size_t room)
{
	FILE *file = fopen("/proc/net/unix", "re");
	char line[256];
	size_t count = 0;

	if (!file)
		return err_set(-errno, "/proc/net/unix: %s", strerror(errno));
	while (count < room && fgets(line, sizeof(line), file))
		if (name_of(line, ret[count]))
			count++;
	fclose(file);
	return (int)count;
}

/* Waits for the socket. False: the deadline came first. */
static bool wait_for(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	uint64_t now_ns;

	for (;;) {
		now_ns = clock_ns();
		if (now_ns >= deadline_ns)
			return false;
		if (poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / NSEC_PER_MSEC) + 1) > 0)
			return true;
	}
}

static int connect_to(const char *name, uint64_t deadline_ns, struct ucred *who)
{
	socklen_t size = sizeof(*who), len;
	struct sockaddr_un addr;
	int rc, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	len = to_sockaddr(name, &addr);
	/* EAGAIN: its queue is full. A Unix socket does not tell when there is room. */
	while (connect(fd, (struct sockaddr *)&addr, len)) {
		rc = -errno;
		if (rc == -EAGAIN && clock_ns() < deadline_ns) {
			poll(NULL, 0, 5);
			continue;
		}
		close(fd);
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &size))
		*who = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return fd;
}

/* All until the end. */
static int read_all(int fd, uint64_t deadline_ns, char *data, size_t room, size_t *ret)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		if (!wait_for(fd, POLLIN, deadline_ns))
			return -ETIMEDOUT;
		n = recv(fd, data + len, room - 1 - len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
		if (len == room - 1)
			return -EMSGSIZE;
	}
	data[len] = '\0';
	*ret = len;
	return 0;
}

/* Takes the head of the answer away. */
static int take_body(char *data, size_t *len)
{
	char *body = strstr(data, "\r\n\r\n");
	int status = 0;

	if (!body || sscanf(data, "HTTP/1.1 %d ", &status) != 1)
		return -EBADMSG;
	if (status != 200)
		return status == 403 ? -EACCES : -EBADMSG;
	body += 4;
	*len -= (size_t)(body - data);
	memmove(data, body, *len + 1);
	return 0;
}

int local_ask(const char *name, const char *path, uint64_t timeout_ns, char **ret, size_t *len,
	      struct ucred *who)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	char request[256], *data;
	int fd, rc;

	fd = connect_to(name, deadline_ns, who);
	if (fd < 0)
		return fd;
	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	data = mem_alloc(LOCAL_ANSWER_MAX);
	rc = data ? 0 : -ENOMEM;
	/* Who is not allowed is answered, and closed, at once. */
	if (!rc && send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		rc = -errno;
	if (!rc)
		rc = read_all(fd, deadline_ns, data, LOCAL_ANSWER_MAX, len);
	if (!rc)
		rc = take_body(data, len);
	close(fd);
	if (rc) {
		mem_free(data);
		return rc;
	}
	*ret = data;
	return 0;
}
