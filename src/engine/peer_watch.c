/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that are processes of this host are watched by pidfd: their death is known at once. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"

#define PID_CHECK_NS (100 * NSEC_PER_MSEC) /* while the owner is busy; a sleeper is woken */

void peer_watch(struct weft_peer *peer)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = peer->slot };

	peer->pid_fd = -1;
	if (peer->host != peer->weft->host || peer->pid == peer->weft->pid)
		return;
	peer->pid_fd = (int)syscall(SYS_pidfd_open, (pid_t)peer->pid, 0);
	if (peer->pid_fd < 0) {
		peer->stillborn = errno == ESRCH; /* it ended before we read its message */
		engine_timer(peer->weft, 0);
		return;
	}
	if (epoll_ctl(peer->weft->pid_epoll, EPOLL_CTL_ADD, peer->pid_fd, &event)) {
		close(peer->pid_fd);
		peer->pid_fd = -1;
	}
	engine_timer(peer->weft, clock_ns() + PID_CHECK_NS);
}

void peer_unwatch(struct weft_peer *peer)
{
	if (peer->pid_fd >= 0)
		close(peer->pid_fd); /* leaves the epoll set with it */
	peer->pid_fd = -1;
}

/* Nothing that a process did over shared memory can touch memory once it is dead. */
static void peer_died(struct weft_peer *peer)
{
	struct list *link, *after;

	peer_fail(peer, -WEFT_EPEERGONE);
	farewell_settled(peer);
	peer_gone(peer);
	/* shm never ends them; other providers see the connection break. */
	list_for_each_safe(link, after, &peer->flights) if (peer->way->provider->host_local)
		flight_lose(peer->weft, list_entry(link, struct flight, link));
	if (list_empty(&peer->flights))
		peer_forget_rails(peer, FORGET_DEAD);
	engine_signal(peer->weft);
	peer_release(peer);
}

void peer_check_pids(struct weft *weft, uint64_t now_ns)
{
	struct epoll_event events[16];
	struct weft_peer *peer;
	struct list *link, *after;
	bool watching = false;
	int n, i;

	if (now_ns < weft->next_pid_check_ns) {
		engine_timer(weft, weft->next_pid_check_ns);
		return;
	}
	list_for_each(link, &weft->peers) watching |=
		list_entry(link, struct weft_peer, link)->pid_fd >= 0;
	list_for_each(link, &weft->dead_peers) watching |=
		list_entry(link, struct weft_peer, link)->pid_fd >= 0;
	if (!watching)
		return;
	weft->next_pid_check_ns = now_ns + PID_CHECK_NS;
	engine_timer(weft, weft->next_pid_check_ns);
	n = epoll_wait(weft->pid_epoll, events, 16, 0);
	for (i = 0; i < n; i++) {
		struct list *lists[] = { &weft->peers, &weft->dead_peers };
		int l;

		for (l = 0; l < 2; l++)
			list_for_each_safe(link, after, lists[l])
			{
				peer = list_entry(link, struct weft_peer, link);
				if (peer->slot != events[i].data.u64)
					continue;
				peer_unwatch(peer);
				peer_died(peer);
				break;
			}
	}
}
