/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of a server for who asks: /metrics for Prometheus, /stats as JSON for weft top. One
 * thread of its own; what it asks of the engine's owner thread is bounded by WATCH_KEEP_NS, however
 * many ask.
 */
#ifndef WEFT_PROGRAMS_SERVE_WATCH_H
#define WEFT_PROGRAMS_SERVE_WATCH_H

#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "base/clock.h"

#define WATCH_KEEP_NS (250 * NSEC_PER_MSEC) /* how long a page is good */

struct server;
struct watch;

struct watch_opts {
	int metrics_fd; /* of watch_listen(); watch_open() takes it, also when it fails */
	char listen[ADDRESS_HOST_MAX + 16]; /* of the service: HOST:PORT */
	const char *provider;
	struct server *server;
};

/* Listens at HOST:PORT, before the server is opened, which takes long: who comes waits. *ret is the
 * descriptor, -1 where addr is NULL. -EINVAL, -EADDRINUSE... */
int watch_listen(int *ret, const char *addr);
/* Starts. A local socket that cannot be had is only logged. -ENOMEM, -EAGAIN... */
int watch_open(struct watch **ret, const struct watch_opts *opts);
/* Stops, before the server is closed. NULL is fine. */
void watch_close(struct watch *watch);

/* --- figures.c ------------------------------------------------------------------------------- */

/* Pages; opts is a struct watch_opts. */
int figures_metrics(void *opts, FILE *out);
int figures_stats(void *opts, FILE *out);

#endif /* WEFT_PROGRAMS_SERVE_WATCH_H */
