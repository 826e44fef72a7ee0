/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of weft top: a reading of devices and of servers, and three ways to show it.
 *
 *	servers.c  asks the servers
 *	table.c    both tables as lines of text, for print.c and screen.c
 *	screen.c   a terminal (the only file that knows ncurses)
 *	json.c     one object for each reading
 */
#ifndef WEFT_PROGRAMS_TOP_TOP_H
#define WEFT_PROGRAMS_TOP_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <weft/kv.h>
#include <weft/stats.h>

#include "watch/local.h"
#include "watch/nics.h"

#define SERVERS_MAX     64
#define SERVER_ASK_NS   (500 * NSEC_PER_MSEC) /* for one; all together share twice that */
#define SERVER_LEAST_NS (10 * NSEC_PER_MSEC)  /* but each gets this */
#define LINE_MAX_TEXT   256

/* A server at one reading. Two of the same socket and process are compared. */
struct server_state {
	char name[LOCAL_NAME_MAX];
	pid_t pid; /* as seen from here; 0: in another namespace */
	uid_t uid;
	int error; /* 0: the rest holds */
	char listen[96], provider[64];
	struct weft_kv_stats kv;
	struct weft_stats engine;
	uint64_t bytes_rails; /* of all rails */
};

struct servers {
	struct server_state *now, *before; /* SERVERS_MAX each */
	uint32_t count, count_before;
	int error; /* of the list; 0 */
};

int servers_open(struct servers **ret);
void servers_close(struct servers *servers); /* NULL is fine */
/* Asks all servers of this network namespace. */
void servers_read(struct servers *servers);
/* What this one was at the reading before, when it answered both times; NULL. */
const struct server_state *server_before(const struct servers *servers,
					 const struct server_state *server);
/* Fills state from the text of /stats. -EBADMSG: it is none. For servers_read() and tests. */
int server_parse(struct server_state *state, const char *text, size_t len);

struct top {
	struct nics *nics;
	struct servers *servers;
	uint64_t interval_ns;
	double seconds; /* between the last two readings; 0: there was one only */
};

/* Lines of the tables, told one by one. kind tells what to make of one. */
enum line_kind {
	LINE_TITLE,
	LINE_ROW,
	LINE_TROUBLE, /* a row with drops, retransmits or errors in it */
	LINE_NOTE,
};
typedef void (*line_fn)(void *ctx, enum line_kind kind, const char *text);
void table_nics(const struct top *top, line_fn fn, void *ctx);
void table_servers(const struct top *top, line_fn fn, void *ctx);
void table_notes(const struct top *top, line_fn fn, void *ctx);

/* -EIO... */
int print_json(const struct top *top);
/* Until the user ends it; an exit status. */
int screen_run(struct top *top);

/* Reads all, now. */
void top_read(struct top *top);
/* When the next reading is due, of clock_ns(). */
uint64_t top_due_ns(const struct top *top);

#endif /* WEFT_PROGRAMS_TOP_TOP_H */
