/* SPDX-License-Identifier: Apache-2.0 */
/* A publisher that listens itself: a table of names, and a thread that answers from it. */
#ifndef WEFT_SEGMENT_TCP_H
#define WEFT_SEGMENT_TCP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/segment.h>

#include "base/address.h"
#include "segment/directory.h"
#include "segment/frame.h"

#define TCP_ADDRESS_MAX (ADDRESS_HOST_MAX + 16)
#define TCP_CONNECTIONS 64u /* default */
#define TCP_STALL_S     5u  /* default */
#define TCP_LIFE_STALLS 10u /* the longest life of a connection */

struct tcp_entry {
	char name[WEFT_NAME_MAX + 1];
	size_t len;
	uint8_t bytes[];
};

/*
 * ASKING -a lookup is here-> ANSWERING -its end has left-> DRAINING -the other side closes-> gone.
 * Draining: what came unread would reset the connection, and take the answer along.
 */
enum tcp_state {
	TCP_ASKING,
	TCP_ANSWERING,
	TCP_DRAINING,
};

struct tcp_connection {
	int fd;
	enum tcp_state state;
	uint64_t number; /* the oldest has the least */
	uint64_t born_ns, moved_ns;
	char name[WEFT_NAME_MAX + 1]; /* of the entry sent last, or the one asked for */
	bool all, last;               /* last: what is in buf ends the answer */
	bool ends_well;
	uint32_t entries; /* sent */
	size_t at, have;  /* of buf */
	uint8_t buf[FRAME_MAX];
};

struct tcp_counters {
#define TCP_COUNTER(name, text) _Atomic uint64_t name;
	WEFT_PUBLISHER_COUNTER_MAP(TCP_COUNTER)
#undef TCP_COUNTER
};

struct tcp_publisher {
	struct tcp_settings settings;
	char address[TCP_ADDRESS_MAX];
	int listen_fd, wake_fd;
	_Atomic bool stop;
	pthread_t thread;
	struct tcp_counters counters;
	pthread_mutex_t lock;       /* of the table */
	struct tcp_entry **entries; /* WEFT_SEGMENT_MAX, sorted by name */
	uint32_t count;
	/* The thread's. */
	struct tcp_connection **connections; /* settings.connections */
	struct pollfd *fds;                  /* two more */
	uint32_t connection_count;
	uint64_t next_number;
	uint64_t resume_ns; /* accepts nothing before: no descriptors */
};

/* --- tcp.c --- */
/* Copies the first entry whose name comes after name, or, with exact, is name. False: none. */
bool tcp_find(struct tcp_publisher *publisher, const char *name, bool exact, struct frame *ret,
	      uint8_t bytes[WEFT_DESCRIPTOR_MAX]);

/* --- tcp_listen.c --- */
int tcp_listen(struct tcp_publisher *publisher, const char *place);

/* --- tcp_serve.c --- */
void *tcp_main(void *publisher);

/* --- tcp_lookup.c --- */
int tcp_lookup(void *ctx, const char *place, const char *name, uint64_t timeout_ns,
	       weft_entry_fn found, void *arg);

#endif /* WEFT_SEGMENT_TCP_H */
