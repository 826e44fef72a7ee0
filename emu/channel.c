/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion channels. A channel is a pipe of events, so that its fd works with poll() and
 * O_NONBLOCK and a program that reads events itself, as libfabric does for queues that it drives
 * directly, finds what it would find in the kernel's.
 */
#include "emu/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "emu/srd.h"
#include "emu/verbs.h"

/* Where events go for a moment while those of one queue are sorted out: splice() is told not to
 * wait per call, and the program's own O_NONBLOCK does not matter. */
static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	int fd[2], error;
} scratch = { PTHREAD_ONCE_INIT, PTHREAD_MUTEX_INITIALIZER, { -1, -1 }, 0 };

static void open_scratch(void)
{
	if (pipe2(scratch.fd, O_CLOEXEC | O_NONBLOCK))
		scratch.error = errno;
}

static struct emu_channel *channel_of(struct ibv_comp_channel *channel)
{
	return (struct emu_channel *)(void *)channel;
}

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct emu_channel *channel;
	int fd[2];

	pthread_once(&scratch.once, open_scratch);
	if (scratch.error) {
		errno = scratch.error;
		return NULL;
	}
	channel = calloc(1, sizeof(*channel));
	if (!channel) {
		errno = ENOMEM;
		return NULL;
	}
	if (pipe2(fd, O_CLOEXEC)) {
		free(channel);
		return NULL;
	}
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	channel->channel.context = context;
	channel->channel.fd = fd[0];
	channel->write_fd = fd[1];
	pthread_mutex_init(&channel->lock, NULL);
	emu_context_hold(emu_context_of(context));
	return &channel->channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *ibv_channel)
{
	struct emu_channel *channel = channel_of(ibv_channel);
	bool busy;

	pthread_mutex_lock(&channel->lock);
	busy = ibv_channel->refcnt > 0;
	pthread_mutex_unlock(&channel->lock);
	if (busy)
		return EBUSY;
	close(ibv_channel->fd);
	close(channel->write_fd);
	pthread_mutex_destroy(&channel->lock);
	emu_context_put(emu_context_of(ibv_channel->context));
	free(channel);
	return 0;
}

void emu_channel_hold(struct emu_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	channel->channel.refcnt++;
	pthread_mutex_unlock(&channel->lock);
}

/* --- events -------------------------------------------------------------------------------- */

void emu_channel_tell(struct emu_cq *cq)
{
	const struct emu_abi_comp_event event = { (uintptr_t)cq };
	struct emu_channel *channel = cq->channel;

	pthread_mutex_lock(&channel->lock);
	if (write(channel->write_fd, &event, sizeof(event)) == sizeof(event))
		cq->events++;
	else
		emu_warn_once("completion events are lost: the program asks for thousands and "
			      "fetches none");
	pthread_mutex_unlock(&channel->lock);
}

/* Writes back those of the count events that are not of cq. How many were. Under channel->lock. */
static uint32_t sort_out(const struct emu_cq *cq, struct emu_abi_comp_event *events, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (events[i].cq_handle != (uintptr_t)cq)
			events[kept++] = events[i];
	if (kept && write(cq->channel->write_fd, events, kept * sizeof(*events)) < 0)
		emu_warn_once("completion events were lost: %s", strerror(errno));
	return (uint32_t)(count - kept);
}

/* Takes the queue's events out of the pipe; other threads may read from it all the while. How many
 * there were. Under channel->lock, so that nothing is added. */
static uint32_t take_out(struct emu_cq *cq)
{
	struct emu_abi_comp_event events[64];
	int fd = cq->channel->channel.fd;
	uint32_t taken = 0;
	int left = 0;
	ssize_t n;

	pthread_mutex_lock(&scratch.lock);
	if (ioctl(fd, FIONREAD, &left))
		left = 0;
	while (left > 0) {
		size_t most = (size_t)left < sizeof(events) ? (size_t)left : sizeof(events);

		n = splice(fd, NULL, scratch.fd[1], NULL, most, SPLICE_F_NONBLOCK);
		if (n <= 0 || read(scratch.fd[0], events, (size_t)n) != n)
			break;
		taken += sort_out(cq, events, (size_t)n / sizeof(*events));
		left -= (int)n;
	}
	pthread_mutex_unlock(&scratch.lock);
	return taken;
}

void emu_channel_forget(struct emu_cq *cq)
{
	struct emu_channel *channel = cq->channel;
	uint32_t fetched;

	pthread_mutex_lock(&channel->lock);
	fetched = cq->events - take_out(cq);
	channel->channel.refcnt--;
	pthread_mutex_unlock(&channel->lock);

	pthread_mutex_lock(&cq->ex.mutex);
	while (cq->ex.comp_events_completed != fetched)
		pthread_cond_wait(&cq->ex.cond, &cq->ex.mutex);
	pthread_mutex_unlock(&cq->ex.mutex);
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **cq_context)
{
	struct emu_abi_comp_event event;

	if (read(channel->fd, &event, sizeof(event)) != sizeof(event))
		return -1;
	*cq = (struct ibv_cq *)(uintptr_t)event.cq_handle;
	*cq_context = (*cq)->cq_context;
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int nevents)
{
	pthread_mutex_lock(&cq->mutex);
	cq->comp_events_completed += nevents;
	pthread_cond_broadcast(&cq->cond);
	pthread_mutex_unlock(&cq->mutex);
}

/* EFA tells of any completion or of none: there are no solicited ones. */
int emu_req_notify_cq(struct ibv_cq *ibv_cq, int solicited_only)
{
	struct emu_cq *cq = (struct emu_cq *)(void *)ibv_cq;

	if (solicited_only)
		return EOPNOTSUPP;
	if (!cq->channel)
		return EINVAL;
	pthread_spin_lock(&cq->lock);
	cq->armed = true;
	pthread_spin_unlock(&cq->lock);
	emu_engine_armed(cq->nic);
	return 0;
}
