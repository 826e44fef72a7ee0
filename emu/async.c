/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous events: a list per context, and an eventfd that counts its entries, so that programs
 * can block in it, poll it or set it O_NONBLOCK as they do with the real one.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "emu/verbs.h"

/* A program that never fetches its events loses those beyond. */
enum {
	EVENTS_MAX = 4096
};

struct emu_async {
	struct ibv_async_event event;
	struct emu_async *next;
};

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct emu_context *open_contexts;

void emu_async_open(struct emu_context *context)
{
	pthread_mutex_lock(&open_lock);
	context->next = open_contexts;
	open_contexts = context;
	pthread_mutex_unlock(&open_lock);
}

void emu_async_forked(void)
{
	pthread_mutex_init(&open_lock, NULL);
	for (struct emu_context *context = open_contexts; context; context = context->next)
		pthread_mutex_init(&context->async_lock, NULL);
}

static void drop_all(struct emu_context *context)
{
	struct emu_async *async;

	while ((async = context->async_first)) {
		context->async_first = async->next;
		free(async);
	}
	context->async_last = &context->async_first;
}

void emu_async_close(struct emu_context *context)
{
	struct emu_context **link;

	pthread_mutex_lock(&open_lock);
	for (link = &open_contexts; *link; link = &(*link)->next) {
		if (*link == context) {
			*link = context->next;
			break;
		}
	}
	pthread_mutex_unlock(&open_lock);
	pthread_mutex_lock(&context->async_lock);
	drop_all(context);
	close(context->verbs.context.async_fd);
	context->verbs.context.async_fd = -1;
	pthread_mutex_unlock(&context->async_lock);
}

static void add(struct emu_context *context, const struct ibv_async_event *event)
{
	const uint64_t one = 1;
	struct emu_async *async;

	pthread_mutex_lock(&context->async_lock);
	if (context->verbs.context.async_fd < 0) {
		pthread_mutex_unlock(&context->async_lock);
		return;
	}
	async = context->async_count < EVENTS_MAX ? malloc(sizeof(*async)) : NULL;
	if (async) {
		async->event = *event;
		async->next = NULL;
		*context->async_last = async;
		context->async_last = &async->next;
		context->async_count++;
		if (write(context->verbs.context.async_fd, &one, sizeof(one)) < 0)
			emu_warn_once("an asynchronous event could not be signalled");
	} else {
		emu_warn_once("asynchronous events are lost: nobody fetches them");
	}
	pthread_mutex_unlock(&context->async_lock);
}

void emu_async_port(struct emu_nic *nic, enum ibv_event_type type)
{
	const struct ibv_async_event event = { .event_type = type, .element.port_num = 1 };

	pthread_mutex_lock(&open_lock);
	for (struct emu_context *context = open_contexts; context; context = context->next)
		if (context->nic == nic)
			add(context, &event);
	pthread_mutex_unlock(&open_lock);
}

void emu_async_cq(struct emu_cq *cq)
{
	const struct ibv_async_event event = { .event_type = IBV_EVENT_CQ_ERR,
					       .element.cq = (struct ibv_cq *)(void *)&cq->ex };

	add(cq->context, &event);
}

/* The next event, or NULL: another thread took it. One that is about a queue counts as fetched
 * before the queue can be destroyed. */
static struct emu_async *take(struct emu_context *context)
{
	struct emu_async *async;
	struct emu_cq *cq;

	pthread_mutex_lock(&context->async_lock);
	async = context->async_first;
	if (async) {
		context->async_first = async->next;
		context->async_count--;
		if (!async->next)
			context->async_last = &context->async_first;
		if (async->event.event_type == IBV_EVENT_CQ_ERR) {
			cq = (struct emu_cq *)(void *)async->event.element.cq;
			pthread_mutex_lock(&cq->ex.mutex);
			cq->async_events++;
			pthread_mutex_unlock(&cq->ex.mutex);
		}
	}
	pthread_mutex_unlock(&context->async_lock);
	return async;
}

int ibv_get_async_event(struct ibv_context *context, struct ibv_async_event *event)
{
	struct emu_async *async = NULL;
	uint64_t one;

	while (!async) {
		if (read(context->async_fd, &one, sizeof(one)) != sizeof(one))
			return -1;
		async = take(emu_context_of(context));
	}
	*event = async->event;
	free(async);
	return 0;
}

static void ack_cq(struct ibv_cq *cq)
{
	pthread_mutex_lock(&cq->mutex);
	cq->async_events_completed++;
	pthread_cond_broadcast(&cq->cond);
	pthread_mutex_unlock(&cq->mutex);
}

/* EFA has no events of queue pairs, shared receive queues or work queues. */
void ibv_ack_async_event(struct ibv_async_event *event)
{
	if (event->event_type == IBV_EVENT_CQ_ERR)
		ack_cq(event->element.cq);
}

/* Takes the count of a dropped event back from the eventfd, unless a thread that is about to fetch
 * it has it already; that one then finds nothing and waits on. */
static void unsignal(int fd)
{
	uint64_t one;
	struct iovec iov = { &one, sizeof(one) };

	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0) {
		/* EAGAIN, or a kernel that knows no RWF_NOWAIT here: a false alarm remains. */
	}
}

void emu_async_forget_cq(struct emu_cq *cq)
{
	struct emu_context *context = cq->context;
	struct emu_async **link, *async;

	pthread_mutex_lock(&context->async_lock);
	link = &context->async_first;
	while ((async = *link)) {
		if (async->event.event_type != IBV_EVENT_CQ_ERR ||
		    (void *)async->event.element.cq != (void *)cq) {
			link = &async->next;
			continue;
		}
		*link = async->next;
		context->async_count--;
		free(async);
		unsignal(context->verbs.context.async_fd);
	}
	context->async_last = link;
	pthread_mutex_unlock(&context->async_lock);

	pthread_mutex_lock(&cq->ex.mutex);
	while (cq->ex.async_events_completed != cq->async_events)
		pthread_cond_wait(&cq->ex.cond, &cq->ex.mutex);
	pthread_mutex_unlock(&cq->ex.mutex);
}
