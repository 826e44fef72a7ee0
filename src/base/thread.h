/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a library's own. */
#ifndef WEFT_BASE_THREAD_H
#define WEFT_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* pthread_create() of a thread that takes no signals: those are the program's business. 0 or an
 * errno, as that. */
static inline int thread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *arg),
				void *arg)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret, attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

#endif /* WEFT_BASE_THREAD_H */
