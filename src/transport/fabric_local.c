/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static const char *file_of(const char *address)
{
	const char *file = strstr(address, "://");

	return file ? file + 3 : address;
}

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
	int rc;

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
	rc = fabric_guard_add(port, file_of(port->local->name));
	if (rc == 0)
		return 0;
	pthread_mutex_lock(&lock);
	list_del(&port->local->link);
	pthread_mutex_unlock(&lock);
	free(port->local);
	port->local = NULL;
	return rc;
}

static bool is_ours_locked(const char *file)
{
	struct list *lists[] = { &ends, &kept }, *link;
	int i;

	for (i = 0; i < 2; i++)
		list_for_each(
			link,
			lists[i]) if (!strcmp(file_of(list_entry(link, struct fabric_local, link)
							      ->name),
					      file)) return true;
	return false;
}

void fabric_local_sweep(void)
{
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	char prefix[32];

	if (!dir)
		return;
	snprintf(prefix, sizeof(prefix), "%d:", (int)getpid());
	pthread_mutex_lock(&lock);
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)) &&
		    !is_ours_locked(entry->d_name))
			shm_unlink(entry->d_name);
	pthread_mutex_unlock(&lock);
	closedir(dir);
}

bool fabric_local_exists(const char *address)
{
	char path[PORT_ADDRESS_MAX + 16];
	bool closed_here;

	pthread_mutex_lock(&lock);
	closed_here = is_ours_locked(file_of(address)) && !is_open_locked(address);
	pthread_mutex_unlock(&lock);
	if (closed_here)
		return false;
	snprintf(path, sizeof(path), "/dev/shm/%s", file_of(address));
	return strchr(file_of(address), '/') == NULL && access(path, F_OK) == 0;
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
	fabric_guard_add(port, file_of(address));
}

int fabric_local_pid(const struct port *port, uint64_t dest)
{
	return dest < LOCAL_DESTS ? atoi(file_of(port->local->peer[dest])) : 0;
}

void fabric_local_unmet(struct port *port, uint64_t dest)
{
	if (dest < LOCAL_DESTS && port->local->state[dest] == LOCAL_ELSEWHERE)
		port->local->unmet = true;
}

void fabric_local_keep_segment(struct port *port, bool before_close)
{
	const char *file = file_of(port->local->name);
	char path[PORT_ADDRESS_MAX + 16], spare[PORT_ADDRESS_MAX + 24];

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
