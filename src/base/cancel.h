/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that are cancelled (pthread_cancel()) inside weft. */
#ifndef WEFT_BASE_CANCEL_H
#define WEFT_BASE_CANCEL_H

#include <pthread.h>

static inline int cancel_hold(void)
{
	int state = PTHREAD_CANCEL_ENABLE;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static inline void cancel_release(const int *state)
{
	pthread_setcancelstate(*state, NULL);
}

/*
 * To be declared first in each function of the API that locks, waits, or calls into a provider: a
 * cancellation takes effect when it has returned, at the caller's next cancellation point. Such
 * functions may call one another.
 */
#define CANCEL_HELD \
	__attribute__((cleanup(cancel_release), unused)) const int cancel_state = cancel_hold()

#endif /* WEFT_BASE_CANCEL_H */
