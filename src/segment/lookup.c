/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "segment/directory.h"

#define PROGRESS_NS NSEC_PER_MSEC /* between two rounds of an engine that the caller drives */

/* Shared by the caller and the thread; the last of them frees it. */
struct job {
	struct weft_directory directory;
	struct place place;
	uint64_t timeout_ns;
	struct lookup_entry *found; /* the newest first */
	uint32_t count;
	int rc;
	char detail[ERR_DETAIL_MAX];
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done, left; /* by the thread, by the caller */
};

static void free_job(struct job *job)
{
	struct lookup_entry *entry;

	while ((entry = job->found)) {
		job->found = entry->next;
		mem_free(entry);
	}
	pthread_cond_destroy(&job->ended);
	pthread_mutex_destroy(&job->lock);
	mem_free(job);
}

static int collect(void *arg, const char *name, const void *bytes, size_t len)
{
	struct job *job = arg;
	struct lookup_entry *entry;

	if (name_check(name) || !bytes || !len || len > WEFT_DESCRIPTOR_MAX)
		return err_set(-WEFT_EMESSAGE, "the directory gave a bad name or %zu bytes for it",
			       len);
	if (job->count >= WEFT_SEGMENT_MAX)
		return err_set(-WEFT_ELIMIT, "more than %u names", WEFT_SEGMENT_MAX);
	entry = mem_alloc(sizeof(*entry) + len);
	if (!entry)
		return err_set(-ENOMEM, "out of memory");
	memcpy(entry->name, name, strlen(name) + 1);
	memcpy(entry->bytes, bytes, len);
	entry->len = len;
	entry->next = job->found;
	job->found = entry;
	job->count++;
	return 0;
}

static void *job_main(void *arg)
{
	struct job *job = arg;
	bool left;

	err_clear();
	job->rc = job->directory.lookup(job->directory.ctx, job->place.where, job->place.name,
					job->timeout_ns, collect, job);
	if (job->rc > 0)
		job->rc = -EINVAL;
	memcpy(job->detail, weft_error_detail(), strlen(weft_error_detail()) + 1);
	pthread_mutex_lock(&job->lock);
	job->done = true;
	left = job->left;
	pthread_cond_signal(&job->ended);
	pthread_mutex_unlock(&job->lock);
	if (left)
		free_job(job);
	return NULL;
}

static int start(struct job *job)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return err_set(-rc, "cannot look up: %s", strerror(rc));
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = thread_create(&thread, &attr, job_main, job);
	pthread_attr_destroy(&attr);
	return rc ? err_set(-rc, "cannot start a thread to look up: %s", strerror(rc)) : 0;
}

static void wait_until(struct job *job, uint64_t until_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(until_ns / NSEC_PER_SEC),
			       .tv_nsec = (long)(until_ns % NSEC_PER_SEC) };

	pthread_cond_timedwait(&job->ended, &job->lock, &ts);
}

/* True: the thread has ended, the job is ours. False: it is the thread's from now on. */
static bool wait_for(struct weft *weft, struct job *job, uint64_t deadline_ns)
{
	bool drives = engine_is_owner(weft), done;
	uint64_t now;

	pthread_mutex_lock(&job->lock);
	while (!job->done && (now = clock_ns()) < deadline_ns) {
		if (drives) {
			pthread_mutex_unlock(&job->lock);
			weft_progress(weft, 0);
			pthread_mutex_lock(&job->lock);
			if (job->done)
				break;
		}
		if (drives && deadline_ns - now > PROGRESS_NS)
			wait_until(job, now + PROGRESS_NS);
		else
			wait_until(job, deadline_ns - now > NSEC_PER_SEC ? now + NSEC_PER_SEC
									 : deadline_ns);
	}
	done = job->done;
	job->left = !done;
	pthread_mutex_unlock(&job->lock);
	return done;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct lookup_entry *const *)a)->name,
		      (*(struct lookup_entry *const *)b)->name);
}

static int take(struct job *job, struct lookup_result *ret)
{
	struct lookup_result result = { .count = job->count };
	struct lookup_entry *entry;
	uint32_t i;

	if (job->place.name[0] && (job->count != 1 || strcmp(job->found->name, job->place.name)))
		return err_set(-WEFT_EMESSAGE, "asked for '%s', got %u names", job->place.name,
			       job->count);
	result.entries = mem_array(job->count + 1, sizeof(*result.entries));
	if (!result.entries)
		return err_set(-ENOMEM, "out of memory");
	for (entry = job->found, i = 0; entry; entry = entry->next)
		result.entries[i++] = entry;
	qsort(result.entries, result.count, sizeof(*result.entries), by_name);
	for (i = 1; i < result.count; i++)
		if (!strcmp(result.entries[i - 1]->name, result.entries[i]->name)) {
			err_set(-WEFT_EMESSAGE, "the name '%s' came twice",
				result.entries[i]->name);
			mem_free(result.entries);
			return -WEFT_EMESSAGE;
		}
	job->found = NULL;
	*ret = result;
	return 0;
}

static struct job *new_job(const struct weft_directory *directory, const struct place *place)
{
	struct job *job = mem_zalloc(sizeof(*job));
	pthread_condattr_t attr;

	if (!job)
		return NULL;
	job->directory = *directory;
	job->place = *place;
	pthread_mutex_init(&job->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&job->ended, &attr);
	pthread_condattr_destroy(&attr);
	return job;
}

int lookup_run(struct weft *weft, const struct weft_directory *directory, const struct place *place,
	       uint64_t deadline_ns, struct lookup_result *ret)
{
	uint64_t now = clock_ns();
	struct job *job;
	int rc;

	if (engine_is_owner(weft) && weft->in_progress)
		return err_set(-EDEADLK, "waiting inside a callback would stop all progress");
	job = new_job(directory, place);
	if (!job)
		return err_set(-ENOMEM, "out of memory");
	job->timeout_ns = deadline_ns > now ? deadline_ns - now : 0;
	if (deadline_ns == UINT64_MAX)
		job->timeout_ns = WEFT_FOREVER;
	rc = start(job);
	if (rc) {
		free_job(job);
		return rc;
	}
	if (!wait_for(weft, job, deadline_ns))
		return err_set(-WEFT_EDEADLINE, "%s did not answer", place->where);
	rc = job->rc ? err_set(job->rc, "%s", job->detail) : take(job, ret);
	if (rc)
		err_prefix(rc, "%s", place->where);
	free_job(job);
	return rc;
}

void lookup_free(struct lookup_result *result)
{
	uint32_t i;

	for (i = 0; i < result->count; i++)
		mem_free(result->entries[i]);
	mem_free(result->entries);
	*result = (struct lookup_result){ 0 };
}
