/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fork.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

_Atomic bool fork_child;

static _Atomic unsigned int open_now;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watch_error;

static void in_child(void)
{
	if (atomic_load_explicit(&open_now, memory_order_relaxed))
		atomic_store_explicit(&fork_child, true, memory_order_relaxed);
}

static void watch(void)
{
	watch_error = pthread_atfork(NULL, NULL, in_child);
}

int fork_open(void)
{
	if (fork_refuses())
		return fork_refused();
	pthread_once(&once, watch);
	if (watch_error)
		return err_set(-watch_error, "cannot watch for fork(): %s", strerror(watch_error));
	atomic_fetch_add_explicit(&open_now, 1, memory_order_relaxed);
	return 0;
}

void fork_close(void)
{
	atomic_fetch_sub_explicit(&open_now, 1, memory_order_relaxed);
}

int fork_refused(void)
{
	return err_set(-WEFT_EFORKED, "process %d was forked while weft was open in its parent",
		       (int)getpid());
}
