/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel's lines over a TCP connection. What comes is bytes from the network: a line
 * is at most as long as the reader allows, and nothing is kept of a longer one.
 */
#ifndef WEFT_PERF_WIRE_H
#define WEFT_PERF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#define PERF_WIRE_NAME_MAX 300 /* "[address]:port" */

struct perf_wire {
	int fd;
	char peer[PERF_WIRE_NAME_MAX]; /* for messages */
	char *in;
	size_t have, room; /* bytes read and not yet taken; of in */
	size_t taken;      /* of the line that was returned last */
	size_t seen;       /* bytes that hold no end of a line */
	size_t most;       /* longest line, bytes without its end */
	bool ended;        /* the other side has closed */
};

/* Takes fd over and makes it non-blocking. */
void perf_wire_init(struct perf_wire *wire, int fd, size_t most);
void perf_wire_close(struct perf_wire *wire);

/*
 * The next line, without its end and with a NUL behind; valid until the next call. Never blocks:
 * -EAGAIN: none is complete yet. -WEFT_EPEERGONE: the other side has closed; -WEFT_EMESSAGE: the
 * line is too long or holds a NUL.
 */
int perf_wire_next(struct perf_wire *wire, char **ret, size_t *ret_len);
/* The same, waiting until deadline_ns (clock_ns()); -WEFT_EDEADLINE. stop: set from elsewhere, or
 * NULL; then -WEFT_ECANCELLED, within 50 ms. */
int perf_wire_read(struct perf_wire *wire, uint64_t deadline_ns, const volatile int *stop,
		   char **ret, size_t *ret_len);
/* Writes a line; its end is added. -WEFT_EDEADLINE when the other side does not take it in time. */
int perf_wire_write(struct perf_wire *wire, const char *line, size_t len, uint64_t deadline_ns);
/* Has the other side gone? Bytes that wait do not count as gone. */
bool perf_wire_is_gone(struct perf_wire *wire);

/* Is there something to read, or has the other side gone? */
bool perf_wire_has_more(struct perf_wire *wire);

/* A line that is a JSON object with a "type". -WEFT_EMESSAGE for any other. cJSON_Delete(). */
int perf_wire_parse(const char *line, size_t len, cJSON **ret);
/* Members; NULL, or fallback, where there is none of that kind. */
const char *perf_wire_text(const cJSON *message, const char *name);
/* A whole number from 0 to most; false: there is none. */
bool perf_wire_number(const cJSON *message, const char *name, uint64_t most, uint64_t *ret);

/* Bytes as hexadecimal text, and back. text has room for 2 * len + 1. from: the length, or
 * -WEFT_EMESSAGE. */
void perf_wire_hex(char *text, const void *bytes, size_t len);
int perf_wire_from_hex(const char *text, void *bytes, size_t room);

/* A listening socket, and in *ret (PERF_WIRE_NAME_MAX) where. Negative: code. */
int perf_wire_listen(const char *address, char *ret);
/* Connects; the socket. -WEFT_EUNAVAILABLE, -WEFT_EDEADLINE, -EINVAL: does not resolve. */
int perf_wire_dial(const char *address, uint64_t deadline_ns, const volatile int *stop);
/* The other end of a connected socket as text. */
void perf_wire_name(int fd, char ret[PERF_WIRE_NAME_MAX]);

#endif /* WEFT_PERF_WIRE_H */
