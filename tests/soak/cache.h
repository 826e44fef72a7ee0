/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOAK_CACHE_H
#define SOAK_CACHE_H

#include "soak.h"

struct cache {
	pid_t server, client;
	int in, out; /* of the process that is started; -1: ours */
	int end;     /* closing it tells the client to end */
	int said;    /* what the server prints */
};

/* serve, client: paths of the programs. To be called before any engine is opened. */
void cache_open(struct cache *cache, const struct soak *s, char *serve, char *client);
/* Fails when one of them has ended. */
void cache_check(const struct cache *cache);
/* Without faults: the client ends in order, then the server. */
void cache_close(struct cache *cache, struct net *net);

#endif /* SOAK_CACHE_H */
