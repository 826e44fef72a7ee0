/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfabric 1.17's shm guards each endpoint's segment by one spin lock that every peer takes. A
 * process that is killed while it holds such a lock leaves all others spinning for ever, in
 * fi_cq_read() as well as in posts. The guard is a thread that tries the locks of all segments that
 * this process uses; one that stays taken over many tries while a process that used it is dead is
 * released. What the dead one was doing is lost with it: a queue entry that is not committed is
 * used again, at worst a buffer leaks.
 *
 * A process that is only stopped keeps its lock: releasing it would let two into the queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/thread.h"
#include "transport/fabric.h"
#include "transport/shm_segment.h"

#define GUARD_PERIOD_NS 20000000 /* between two tries */
#define GUARD_TRIES     15u  /* so long taken, without a gap, before the lock counts as orphaned */
#define GUARD_ROUNDS    50u  /* between two looks at who is dead */
#define GUARD_MEMORY    200u /* a death so many rounds before the lock was taken explains it */

struct guarded {
	struct list link;
	struct shm_segment *segment;
	const struct port *port; /* whose use it is */
	pid_t pid;               /* of its owner */
	uint32_t taken;          /* tries in a row */
	uint64_t died;           /* round in which its owner was first seen dead; 0: alive */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct list all = { &all, &all }; /* guarded by lock, as are the rest */
static pthread_t thread;
static bool running;
static uint64_t round_now = 2 * GUARD_MEMORY;

/* Also one that its parent has not reaped yet. */
static bool is_dead(pid_t pid)
{
	char path[32], text[512], *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = '\0';
	state = strrchr(text, ')');
	return state && (state[2] == 'Z' || state[2] == 'X');
}

static void note_deaths_locked(void)
{
	struct guarded *guarded;
	struct list *link;

	list_for_each(link, &all)
	{
		guarded = list_entry(link, struct guarded, link);
		if (!guarded->died && is_dead(guarded->pid))
			guarded->died = round_now;
	}
}

/* Whether somebody who shares segments with this process died about when the lock was taken. */
static bool is_orphaned_locked(const struct guarded *guarded)
{
	uint64_t since = round_now - guarded->taken - GUARD_MEMORY;
	struct list *link;

	note_deaths_locked();
	list_for_each(link,
		      &all) if (list_entry(link, struct guarded, link)->died > since) return true;
	return false;
}

static void try_locked(struct guarded *guarded)
{
	if (pthread_spin_trylock(&guarded->segment->lock) == 0) {
		pthread_spin_unlock(&guarded->segment->lock);
		guarded->taken = 0;
		return;
	}
	if (++guarded->taken < GUARD_TRIES || !is_orphaned_locked(guarded))
		return;
	pthread_spin_init(&guarded->segment->lock, PTHREAD_PROCESS_SHARED); /* whoever held it */
	guarded->taken = 0;
}

static void *guard_main(void *arg)
{
	struct timespec until;
	struct list *link;

	(void)arg;
	pthread_mutex_lock(&lock);
	while (!list_empty(&all)) {
		if (++round_now % GUARD_ROUNDS == 0)
			note_deaths_locked();
		list_for_each(link, &all) try_locked(list_entry(link, struct guarded, link));
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += GUARD_PERIOD_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&changed, &lock, &until);
	}
	running = false;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Starts the thread with the first segment; it ends itself with the last. */
static int start_locked(void)
{
	pthread_condattr_t attr;
	int rc;

	if (running)
		return 0;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = thread_create(&thread, NULL, guard_main, NULL);
	if (rc)
		return err_set(-rc, "cannot start the guard of shm's locks: %s", strerror(rc));
	pthread_detach(thread);
	running = true;
	return 0;
}

int fabric_guard_add(const struct port *port, const char *file)
{
	struct shm_segment *segment = shm_segment_map(file);
	struct guarded *guarded;
	int rc;

	if (!segment)
		return 0;
	guarded = calloc(1, sizeof(*guarded));
	if (!guarded) {
		shm_segment_unmap(segment);
		return err_set(-ENOMEM, "out of memory");
	}
	guarded->segment = segment;
	guarded->pid = segment->pid;
	guarded->port = port;
	pthread_mutex_lock(&lock);
	list_add_tail(&all, &guarded->link);
	rc = start_locked();
	if (rc)
		list_del(&guarded->link);
	pthread_mutex_unlock(&lock);
	if (rc) {
		shm_segment_unmap(guarded->segment);
		free(guarded);
	}
	return rc;
}

void fabric_guard_drop(const struct port *port)
{
	struct list *link, *after;
	struct guarded *guarded;

	pthread_mutex_lock(&lock);
	list_for_each_safe(link, after, &all)
	{
		guarded = list_entry(link, struct guarded, link);
		if (guarded->port != port)
			continue;
		list_del(link);
		shm_segment_unmap(guarded->segment);
		free(guarded);
	}
	if (running && list_empty(&all))
		pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}
