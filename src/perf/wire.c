/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define ROOM_FIRST 4096
#define LOOK_NS    (50 * NSEC_PER_MSEC) /* how often stop is looked at */
#define DEPTH_MAX  32                   /* of what is parsed; ours is flatter */

void perf_wire_init(struct perf_wire *wire, int fd, size_t most)
{
	*wire = (struct perf_wire){ .fd = fd, .most = most };
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	perf_wire_name(fd, wire->peer);
}

void perf_wire_close(struct perf_wire *wire)
{
	if (wire->fd >= 0)
		close(wire->fd);
	free(wire->in);
	*wire = (struct perf_wire){ .fd = -1 };
}

static int gone(struct perf_wire *wire)
{
	return err_set(-WEFT_EPEERGONE, "%s closed the control connection", wire->peer);
}

/* Room for at least one more byte and the NUL behind a line. */
static int grow(struct perf_wire *wire)
{
	size_t room = wire->room ? wire->room * 2 : ROOM_FIRST;
	char *in;

	if (wire->have + 1 < wire->room)
		return 0;
	if (wire->have > wire->most)
		return err_set(-WEFT_EMESSAGE, "a line of more than %zu bytes from %s", wire->most,
			       wire->peer);
	if (room > wire->most + 2)
		room = wire->most + 2;
	in = realloc(wire->in, room);
	if (!in)
		return err_set(-ENOMEM, "no memory for a line of the control channel");
	wire->in = in;
	wire->room = room;
	return 0;
}

/* Reads what is there. 0: something came; -EAGAIN. */
static int fill(struct perf_wire *wire)
{
	ssize_t n;
	int rc;

	if (wire->ended)
		return gone(wire);
	rc = grow(wire);
	if (rc)
		return rc;
	do {
		n = recv(wire->fd, wire->in + wire->have, wire->room - wire->have - 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		wire->have += (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	wire->ended = true;
	return gone(wire);
}

int perf_wire_next(struct perf_wire *wire, char **ret, size_t *ret_len)
{
	char *end;
	int rc;

	if (wire->taken) {
		wire->have -= wire->taken;
		memmove(wire->in, wire->in + wire->taken, wire->have);
		wire->taken = wire->seen = 0;
	}
	for (;;) {
		end = wire->have > wire->seen
			      ? memchr(wire->in + wire->seen, '\n', wire->have - wire->seen)
			      : NULL;
		if (end)
			break;
		wire->seen = wire->have;
		rc = fill(wire);
		if (rc)
			return rc;
	}
	*end = '\0';
	*ret = wire->in;
	*ret_len = (size_t)(end - wire->in);
	wire->taken = *ret_len + 1;
	if (memchr(wire->in, '\0', *ret_len))
		return err_set(-WEFT_EMESSAGE, "a NUL in a line from %s", wire->peer);
	return 0;
}

/* Waits for events, at most LOOK_NS. */
static void wait_for(int fd, short events, uint64_t now_ns, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };
	uint64_t left = deadline_ns - now_ns;

	if (left > LOOK_NS)
		left = LOOK_NS;
	poll(&poll_fd, 1, (int)((left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
}

int perf_wire_read(struct perf_wire *wire, uint64_t deadline_ns, const volatile int *stop,
		   char **ret, size_t *ret_len)
{
	uint64_t now_ns;
	int rc;

	while ((rc = perf_wire_next(wire, ret, ret_len)) == -EAGAIN) {
		if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED))
			return err_set(-WEFT_ECANCELLED, "while waiting for %s", wire->peer);
		now_ns = clock_ns();
		if (now_ns >= deadline_ns)
			return err_set(-WEFT_EDEADLINE,
				       "%s did not answer on the control channel in time",
				       wire->peer);
		wait_for(wire->fd, POLLIN, now_ns, deadline_ns);
	}
	return rc;
}

int perf_wire_write(struct perf_wire *wire, const char *line, size_t len, uint64_t deadline_ns)
{
	char end = '\n';
	size_t done = 0;
	uint64_t now_ns;
	ssize_t n;

	while (done <= len) {
		/* Both at once, so that a line is one packet where it fits. */
		struct iovec parts[2] = { { (void *)(uintptr_t)(line + done), len - done },
					  { &end, 1 } };
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

		n = sendmsg(wire->fd, &message, MSG_NOSIGNAL);
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return gone(wire);
		now_ns = clock_ns();
		if (now_ns >= deadline_ns)
			return err_set(-WEFT_EDEADLINE, "%s does not read its control channel",
				       wire->peer);
		wait_for(wire->fd, POLLOUT, now_ns, deadline_ns);
	}
	return 0;
}

bool perf_wire_is_gone(struct perf_wire *wire)
{
	struct pollfd poll_fd = { .fd = wire->fd, .events = POLLRDHUP };

	return wire->ended || (poll(&poll_fd, 1, 0) > 0 &&
			       poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

bool perf_wire_has_more(struct perf_wire *wire)
{
	struct pollfd poll_fd = { .fd = wire->fd, .events = POLLIN };

	return wire->ended || wire->have > wire->taken || poll(&poll_fd, 1, 0) > 0;
}

/* cJSON's own bound on nesting is far above what a stack of a thread needs to bear. */
static bool is_flat(const char *line, size_t len)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && (line[i] == '[' || line[i] == '{') && ++depth > DEPTH_MAX)
			return false;
		else if (!quoted && (line[i] == ']' || line[i] == '}'))
			depth--;
	}
	return true;
}

int perf_wire_parse(const char *line, size_t len, cJSON **ret)
{
	cJSON *message = is_flat(line, len) ? cJSON_ParseWithLength(line, len) : NULL;

	if (!message || !cJSON_IsObject(message) || !perf_wire_text(message, "type")) {
		cJSON_Delete(message);
		return err_set(-WEFT_EMESSAGE, "what came on the control channel is no message of "
					       "weft perf");
	}
	*ret = message;
	return 0;
}

const char *perf_wire_text(const cJSON *message, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, name));
}

bool perf_wire_number(const cJSON *message, const char *name, uint64_t most, uint64_t *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(message, name);
	double value = cJSON_IsNumber(item) ? item->valuedouble : -1;

	if (!(value >= 0 && value <= 0x1p53) || floor(value) != value || (uint64_t)value > most)
		return false;
	*ret = (uint64_t)value;
	return true;
}

void perf_wire_hex(char *text, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++) {
		*text++ = digits[at[i] >> 4];
		*text++ = digits[at[i] & 15];
	}
	*text = '\0';
}

static int digit_of(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

int perf_wire_from_hex(const char *text, void *bytes, size_t room)
{
	size_t len = strlen(text);
	uint8_t *at = bytes;
	int high, low;

	if (len % 2 || len / 2 > room)
		return err_set(-WEFT_EMESSAGE, "an address of %zu digits on the control channel",
			       len);
	for (size_t i = 0; i < len; i += 2) {
		high = digit_of(text[i]);
		low = digit_of(text[i + 1]);
		if (high < 0 || low < 0)
			return err_set(-WEFT_EMESSAGE, "an address that is not hexadecimal");
		*at++ = (uint8_t)(high << 4 | low);
	}
	return (int)(len / 2);
}
