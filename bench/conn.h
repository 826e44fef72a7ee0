/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket with a buffer for each direction. What is put waits in the buffer until it is
 * full or an answer must be waited for, so that requests in flight share system calls; large data
 * goes past the buffers.
 */
#ifndef WEFT_BENCH_CONN_H
#define WEFT_BENCH_CONN_H

#include <stddef.h>
#include <stdint.h>

#define CONN_BUFFER 65536

struct conn {
	int fd;
	size_t out_len;        /* waiting in out */
	size_t in_from, in_to; /* received, not yet taken */
	char out[CONN_BUFFER], in[CONN_BUFFER];
};

/* addr: IPV4:PORT or the path of a Unix socket. */
int conn_open(struct conn *conn, const char *addr);
void conn_close(struct conn *conn);
int conn_put(struct conn *conn, const void *data, size_t len);
int conn_flush(struct conn *conn);
/* Takes exactly len bytes. -EPIPE: the server closed. */
int conn_take(struct conn *conn, void *data, size_t len);
/* Takes a line of at most room - 1 bytes and its "\r\n", which is cut off. */
int conn_line(struct conn *conn, char *line, size_t room);

#endif /* WEFT_BENCH_CONN_H */
