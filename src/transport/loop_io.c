/* SPDX-License-Identifier: Apache-2.0 */
/* The loop port's hot path: operations run when their port polls, messages are copied at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "transport/loop.h"

static uint64_t due(struct port *port)
{
	uint64_t wait_us = port->script.delay_us;

	if (port->script.jitter_us)
		wait_us += random_next(&port->random) % (port->script.jitter_us + 1);
	return wait_us ? clock_ns() + wait_us * NSEC_PER_USEC : 0;
}

/* Whether the script says that the port is down now. It goes down once. */
static bool is_down(struct port *port)
{
	if (!port->script.down_after || port->counted + port->sent <= port->script.down_after)
		return false;
	if (!port->down_ns)
		port->down_ns = clock_ns();
	return !port->script.down_us ||
	       clock_ns() - port->down_ns < port->script.down_us * NSEC_PER_USEC;
}

/* Counts an operation and makes its place in the ring. NULL: it hangs, and has none. */
static struct loop_op *enter(struct port *port, const struct op *op)
{
	struct loop_op *item;
	uint64_t n;

	n = ++port->counted;
	if (port->script.hang_every && n % port->script.hang_every == 0) {
		port->hung++;
		return NULL;
	}
	item = &port->ops[(port->op_head + port->op_count++) % port->script.depth];
	item->op = *op;
	item->count = 0;
	item->due_ns = due(port);
	item->lost = is_down(port);
	item->fail = port->script.fail_every && n % port->script.fail_every == 0;
	return item;
}

int loop_post(struct port *port, const struct op *op)
{
	if (port->op_count + port->hung >= port->script.depth)
		return -EAGAIN;
	enter(port, op);
	return 0;
}

int loop_post_all(struct port *port, const struct op *op, const struct segment *segments,
		  uint32_t count)
{
	struct loop_op *item;

	if (port->op_count + port->hung >= port->script.depth)
		return -EAGAIN;
	item = enter(port, op);
	if (item) {
		memcpy(item->segments, segments, count * sizeof(*segments));
		item->count = count;
	}
	return 0;
}

static void wake_locked(struct port *port)
{
	uint64_t one = 1;

	if (!port->armed || port->signaled)
		return;
	port->signaled = write(port->fd, &one, sizeof(one)) == sizeof(one);
}

static struct loop_lost *lose(struct port *port, const void *head, size_t head_len,
			      const void *body, size_t len, uint64_t cookie)
{
	struct loop_lost *lost = malloc(sizeof(*lost) + head_len + len);

	if (!lost)
		return NULL;
	lost->cookie = cookie;
	lost->len = head_len + len;
	memcpy(lost->data, head, head_len);
	if (len)
		memcpy(lost->data + head_len, body, len);
	lost->next = port->lost;
	port->lost = lost;
	return lost;
}

void loop_forget_lost(struct loop_lost **list)
{
	struct loop_lost *lost;

	while ((lost = *list)) {
		*list = lost->next;
		free(lost);
	}
}

static int tell_lost(struct port *port, struct event *events, int n)
{
	struct loop_lost *lost;

	loop_forget_lost(&port->told);
	while (n < PORT_EVENTS_MAX / 2 && (lost = port->lost)) {
		port->lost = lost->next;
		lost->next = port->told;
		port->told = lost;
		events[n++] = (struct event){ .kind = EVENT_SENT,
					      .error = -WEFT_EPEERGONE,
					      .cookie = lost->cookie,
					      .data = lost->data,
					      .len = lost->len };
	}
	return n;
}

int loop_send(struct port *port, uint64_t dest, const void *head, size_t head_len, const void *body,
	      size_t len, uint64_t cookie)
{
	struct loop_message *message;
	struct loop_lost *lost = NULL;
	struct port *target;
	int rc = 1;

	port->sent++;
	if (is_down(port)) {
		lost = lose(port, head, head_len, body, len, cookie);
		/* Every other one arrives all the same, and only the answer is lost. */
		port->arrives = !port->arrives;
		if (!lost || !port->arrives)
			return lost ? 0 : -EAGAIN;
	}
	pthread_mutex_lock(&loop_world.lock);
	target = loop_port_locked(dest);
	if (!target) {
		rc = -WEFT_EPEERGONE;
	} else if (target->inbox_count == target->inbox_size) {
		rc = -EAGAIN;
	} else {
		message = &target->inbox[(target->inbox_head + target->inbox_count++) %
					 target->inbox_size];
		memcpy(message->data, head, head_len);
		if (len)
			memcpy(message->data + head_len, body, len);
		message->len = head_len + len;
		message->due_ns = due(port);
		wake_locked(target);
	}
	pthread_mutex_unlock(&loop_world.lock);
	return lost ? 0 : rc;
}

static int copy_locked(struct port *target, const struct op *op)
{
	uint32_t slot = (uint32_t)op->key;
	struct loop_pin *pin;
	uint32_t need = op->kind == OP_WRITE ? WEFT_REMOTE_WRITE : WEFT_REMOTE_READ;

	if (slot >= loop_world.pin_count || loop_world.pins[slot].key != op->key ||
	    !loop_world.pins[slot].base)
		return -WEFT_EREFUSED;
	pin = &loop_world.pins[slot];
	if (!(pin->access & need) || op->remote > pin->len || op->len > pin->len - op->remote)
		return -WEFT_EREFUSED;
	if (op->flags & OP_IMM && target->imm_count == LOOP_IMMS)
		return -EAGAIN;
	if (op->len && op->kind == OP_WRITE)
		memmove(pin->base + op->remote, op->local, op->len);
	else if (op->len)
		memmove(op->local, pin->base + op->remote, op->len);
	if (op->flags & OP_IMM) {
		target->imms[(target->imm_head + target->imm_count++) % LOOP_IMMS] = op->imm;
		wake_locked(target);
	}
	return 0;
}

/* Several that went as one fail with the first that does. */
static int carry_out_locked(struct port *target, const struct loop_op *item)
{
	struct op op = item->op;
	uint32_t i;
	int rc = 0;

	if (!item->count)
		return copy_locked(target, &op);
	for (i = 0; i < item->count && !rc; i++) {
		op.local = item->segments[i].local;
		op.len = item->segments[i].len;
		op.remote = item->segments[i].remote;
		rc = copy_locked(target, &op);
	}
	return rc;
}

/* Moves a random one of the first few to the head. */
static void shuffle_ops(struct port *port)
{
	uint64_t among = port->script.reorder;
	struct loop_op *first = &port->ops[port->op_head], *other, swap;

	if (among > port->op_count)
		among = port->op_count;
	if (among < 2)
		return;
	other = &port->ops[(port->op_head + random_next(&port->random) % among) %
			   port->script.depth];
	swap = *first;
	*first = *other;
	*other = swap;
}

/* The failures that a script reports after success, as libfabric's efa can; n is the number of
 * events so far. */
static int late_failure(struct port *port, struct event *events, int n, struct op_ctx *done)
{
	if (++port->done % port->script.late_every == 0 && !port->late) {
		port->late = done;
		port->late_at = port->done + LOOP_LATER;
	}
	if (!port->late || port->done < port->late_at)
		return n;
	events[n] =
		(struct event){ .kind = EVENT_DONE, .error = -WEFT_EPEERGONE, .ctx = port->late };
	port->late = NULL;
	return n + 1;
}

/* One event for each that the operation stands for; returns how many events there are now. */
static int tell_done(struct port *port, const struct loop_op *item, struct event *events, int n,
		     int rc)
{
	uint32_t count = item->count ? item->count : 1, i;

	for (i = 0; i < count; i++) {
		struct op_ctx *ctx = item->count ? item->segments[i].ctx : item->op.ctx;

		events[n++] = (struct event){ .kind = EVENT_DONE, .error = rc, .ctx = ctx };
		if (port->script.late_every && !rc)
			n = late_failure(port, events, n, ctx);
	}
	return n;
}

static int run_ops_locked(struct port *port, struct event *events, int n, uint64_t now)
{
	struct loop_op *item;
	struct port *target;
	uint32_t left = port->op_count;
	int rc, most = PORT_EVENTS_MAX;

	if (port->script.late_every)
		most--; /* for one that fails late */
	for (; left && n < most; left--) {
		shuffle_ops(port);
		item = &port->ops[port->op_head];
		if (item->due_ns > now || n + (int)item->count > most)
			break;
		target = loop_port_locked(item->op.dest);
		/* Of what is lost some has arrived, and only the answer was lost. */
		rc = item->lost && random_next(&port->random) % 2 ? -WEFT_EPEERGONE
		     : item->fail                                 ? -WEFT_EPROVIDER
		     : target                                     ? carry_out_locked(target, item)
								  : -WEFT_EPEERGONE;
		if (rc == -EAGAIN)
			break;
		if (item->lost)
			rc = -WEFT_EPEERGONE;
		n = tell_done(port, item, events, n, rc);
		port->op_head = (port->op_head + 1) % (uint32_t)port->script.depth;
		port->op_count--;
	}
	return n;
}

static int take_inbox_locked(struct port *port, struct event *events, int n, uint64_t now)
{
	struct loop_message *message;

	while (port->imm_count && n < PORT_EVENTS_MAX) {
		events[n++] =
			(struct event){ .kind = EVENT_IMM, .imm = port->imms[port->imm_head] };
		port->imm_head = (port->imm_head + 1) % LOOP_IMMS;
		port->imm_count--;
	}
	while (port->borrowed < port->inbox_count && n < PORT_EVENTS_MAX) {
		message = &port->inbox[(port->inbox_head + port->borrowed) % port->inbox_size];
		if (message->due_ns > now)
			break;
		port->borrowed++;
		events[n++] = (struct event){ .kind = EVENT_RECV,
					      .data = message->data,
					      .len = message->len };
	}
	return n;
}

/* Of what is in flight some is carried out, and nobody is told. What has come and is not due is
 * lost.
 */
static int break_locked(struct port *port, struct event *events, int n)
{
	struct loop_op *item;
	struct port *target;

	if (!port->script.breaks_after || n == PORT_EVENTS_MAX ||
	    port->counted + port->sent <= port->script.breaks_after)
		return n;
	for (; port->op_count; port->op_count--) {
		item = &port->ops[port->op_head];
		target = loop_port_locked(item->op.dest);
		if (target && random_next(&port->random) % 2)
			carry_out_locked(target, item);
		port->op_head = (port->op_head + 1) % (uint32_t)port->script.depth;
	}
	port->broken = true;
	events[n] = (struct event){ .kind = EVENT_BROKEN, .error = -WEFT_EPROVIDER };
	return n + 1;
}

int loop_poll(struct port *port, struct event *events)
{
	bool timed = port->script.delay_us || port->script.jitter_us;
	uint64_t now = timed ? clock_ns() : UINT64_MAX, drained;
	int n;

	if (port->broken)
		return tell_lost(port, events, 0);
	pthread_mutex_lock(&loop_world.lock);
	port->inbox_head = (port->inbox_head + port->borrowed) % port->inbox_size;
	port->inbox_count -= port->borrowed;
	port->borrowed = 0;
	/* Other ports of the process delay what they send, so its due time counts here too. */
	if (!timed && port->inbox_count)
		now = clock_ns();
	n = tell_lost(port, events, 0);
	n = take_inbox_locked(port, events, n, now);
	n = break_locked(port, events, n);
	if (!port->broken)
		n = run_ops_locked(port, events, n, now);
	port->armed = false;
	if (port->signaled)
		port->signaled = read(port->fd, &drained, sizeof(drained)) < 0;
	pthread_mutex_unlock(&loop_world.lock);
	return n;
}

int loop_wait_fd(struct port *port, int *ret_fd)
{
	int rc = 0;

	pthread_mutex_lock(&loop_world.lock);
	if (port->op_count || port->inbox_count || port->imm_count || port->lost)
		rc = -EAGAIN;
	else
		port->armed = true;
	pthread_mutex_unlock(&loop_world.lock);
	*ret_fd = port->fd;
	return rc;
}
