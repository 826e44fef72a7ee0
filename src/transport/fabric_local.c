/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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
	struct list link; /* in ends */
	char name[PORT_ADDRESS_MAX];
	uint32_t seen; /* value of closed when the states were last looked at */
	uint8_t state[LOCAL_DESTS];
	char peer[LOCAL_DESTS][PORT_ADDRESS_MAX]; /* of LOCAL_OPEN ones */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list ends = { &ends, &ends }; /* guarded by lock */
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
	pthread_mutex_lock(&lock);
	port->local->seen = atomic_load(&closed);
	list_add_tail(&ends, &port->local->link);
	pthread_mutex_unlock(&lock);
	return 0;
}

void fabric_local_close(struct port *port)
{
	if (!port->local)
		return;
	pthread_mutex_lock(&lock);
	list_del(&port->local->link);
	atomic_fetch_add(&closed, 1);
	pthread_mutex_unlock(&lock);
	free(port->local);
	port->local = NULL;
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

void fabric_local_forget(struct port *port, uint64_t dest)
{
	if (port->local && dest < LOCAL_DESTS)
		port->local->state[dest] = LOCAL_ELSEWHERE;
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
