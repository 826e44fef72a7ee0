/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that fork while weft is in use: what is open stays the parent's. The child has neither
 * the threads nor the devices, so each call refuses there, and nothing is ended on its way out.
 */
#ifndef WEFT_BASE_FORK_H
#define WEFT_BASE_FORK_H

#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic bool fork_child; /* for fork_refuses() */

/* Something is opened that a child of fork() must leave alone. -WEFT_EFORKED in such a child. */
int fork_open(void);
/* It is closed; in the parent only. */
void fork_close(void);

/* Whether this process was forked while something was open; then its children are such too. */
static inline bool fork_refuses(void)
{
	return atomic_load_explicit(&fork_child, memory_order_relaxed);
}

/* Stores the detail; -WEFT_EFORKED. */
int fork_refused(void);

#endif /* WEFT_BASE_FORK_H */
