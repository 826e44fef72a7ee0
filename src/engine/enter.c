/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the API comes into an engine. Nothing gets past here in a child of fork(), which has only a
 * picture of its parent's engine; and a thread is not cancelled while it is inside.
 */
#include <errno.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/fork.h"
#include "engine/engine.h"

int engine_run(struct weft *weft, int (*fn)(struct weft *weft, void *arg), void *arg)
{
	CANCEL_HELD;

	return fork_refuses() ? fork_refused() : engine_call_run(weft, fn, arg);
}

int engine_wait(struct weft *weft, bool (*ready)(void *arg), void *arg, uint64_t deadline_ns)
{
	CANCEL_HELD;

	return fork_refuses() ? fork_refused() : engine_wait_for(weft, ready, arg, deadline_ns);
}

int engine_submit(struct weft *weft, struct weft_batch *batch)
{
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (!engine_is_owner(weft))
		return engine_push_batch(weft, batch);
	batch_start(batch, batch->submitted_ns);
	return 0;
}

int engine_poll(struct weft *weft)
{
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (!weft->thread_mode && engine_is_owner(weft))
		engine_step(weft, true);
	return 0;
}

int weft_progress(struct weft *weft, uint64_t timeout_ns)
{
	CANCEL_HELD;

	return fork_refuses() ? fork_refused() : engine_progress(weft, timeout_ns);
}

int weft_fd(struct weft *weft)
{
	if (fork_refuses())
		return fork_refused();
	if (!weft->thread_mode)
		return err_set(-EOPNOTSUPP, "the caller drives this engine: nobody would signal");
	atomic_store_explicit(&weft->fd_used, true, memory_order_relaxed);
	return weft->event_fd;
}
