/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "transport/fabric.h"

#define LOCAL_DESTS 256u /* shm's address vector has no more */

enum local_state {
	LOCAL_ELSEWHERE, /* in another process */
	LOCAL_OPEN,
	LOCAL_GONE,
};

struct fabric_local {
	struct list link; /* in ends, then perhaps in kept */
	struct port *port;
	char name[PORT_ADDRESS_MAX];
	uint32_t seen; /* value of closed when the states were last looked at */
	bool unmet;    /* a peer elsewhere may still look for our segment */
	uint8_t state[LOCAL_DESTS];
	char peer[LOCAL_DESTS][PORT_ADDRESS_MAX]; /* of LOCAL_OPEN ones */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list ends = { &ends, &ends }; /* open ones; guarded by lock, as is kept: */
static struct list kept = { &kept, &kept }; /* closed ones that open ones still refer to */
static _Atomic uint32_t closed;             /* how many ends have closed */

static bool is_open_locked(const char *name)
{
	struct list *link;

	list_for_each(link, &ends) if (strcmp(list_entry(link, struct fabric_local, link)->name,
					      name) == 0) return true;
	return false;
}

int fabric_local_open(struct port *port)
{
	size_t len = PORT_ADDRESS_MAX - 1;

	if (!port->provider->host_local)
		return 0;
	port->local = calloc(1, sizeof(*port->local));
	if (!port->local)
		return err_set(-ENOMEM, "out of memory");
	if (fi_getname(&port->ep->fid, port->local->name, &len))
		port->local->name[0] = '\0';
	port->local->port = port;
	pthread_mutex_lock(&lock);
	port->local->seen = atomic_load(&closed);
	list_add_tail(&ends, &port->local->link);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* By an open end, or the other way round: what it sent may wait there. */
static bool is_referred_locked(const struct fabric_local *local)
{
	struct fabric_local *other;
	struct list *link;
	uint32_t i;

	list_for_each(link, &ends)
	{
		other = list_entry(link, struct fabric_local, link);
		for (i = 0; i < LOCAL_DESTS; i++)
			if (strcmp(other->peer[i], local->name) == 0 ||
			    strcmp(local->peer[i], other->name) == 0)
				return true;
	}
	return false;
}

/* Its own addresses of ends go while these are all still there. */
void fabric_local_close(struct port *port)
{
	fi_addr_t i;

	for (i = 0; i < LOCAL_DESTS; i++)
		if (port->local->state[i] != LOCAL_ELSEWHERE)
			fi_av_remove(port->av, &i, 1, 0);
	pthread_mutex_lock(&lock);
	list_move_tail(&kept, &port->local->link);
	atomic_fetch_add(&closed, 1);
	pthread_mutex_unlock(&lock);
}

struct port *fabric_local_next_unused(void)
{
	struct fabric_local *local;
	struct port *port = NULL;
	struct list *link;

	pthread_mutex_lock(&lock);
	list_for_each(link, &kept)
	{
		local = list_entry(link, struct fabric_local, link);
		if (is_referred_locked(local))
			continue;
		port = local->port;
		list_del(link);
		break;
	}
	pthread_mutex_unlock(&lock);
	return port;
}

void fabric_local_connected(struct port *port, const char *address, uint64_t dest)
{
	struct fabric_local *local = port->local;

	if (!local || dest >= LOCAL_DESTS)
		return;
	pthread_mutex_lock(&lock);
	local->state[dest] = is_open_locked(address) ? LOCAL_OPEN : LOCAL_ELSEWHERE;
	strncpy(local->peer[dest], address, PORT_ADDRESS_MAX - 1);
	pthread_mutex_unlock(&lock);
}

void fabric_local_unmet(struct port *port, uint64_t dest)
{
	if (dest < LOCAL_DESTS && port->local->state[dest] == LOCAL_ELSEWHERE)
		port->local->unmet = true;
}

void fabric_local_keep_segment(struct port *port, bool before_close)
{
	const char *file = strstr(port->local->name, "://");
	char path[PORT_ADDRESS_MAX + 16], spare[PORT_ADDRESS_MAX + 24];

	file = file ? file + 3 : port->local->name;
	if (!port->local->unmet || !*file || strchr(file, '/'))
		return;
	snprintf(path, sizeof(path), "/dev/shm/%s", file);
	snprintf(spare, sizeof(spare), "/dev/shm/%s.weft", file);
	if (before_close ? link(path, spare) : rename(spare, path))
		port->local->unmet = false;
}

static void look_again(struct fabric_local *local)
{
	uint32_t i;

	pthread_mutex_lock(&lock);
	local->seen = atomic_load(&closed);
	for (i = 0; i < LOCAL_DESTS; i++)
		if (local->state[i] == LOCAL_OPEN && !is_open_locked(local->peer[i]))
			local->state[i] = LOCAL_GONE;
	pthread_mutex_unlock(&lock);
}

bool fabric_local_gone(struct port *port, uint64_t dest)
{
	struct fabric_local *local = port->local;

	if (local->seen != atomic_load_explicit(&closed, memory_order_acquire))
		look_again(local);
	return dest < LOCAL_DESTS && local->state[dest] == LOCAL_GONE;
}
