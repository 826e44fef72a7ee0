/* SPDX-License-Identifier: Apache-2.0 */
/* The far side of a peer process: child.h says what it does. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "child_wire.h"
#include "verdict.h"

#define STORM_BATCHES  4
#define STORM_CAPACITY 32

struct storm {
	struct weft_batch *batches[STORM_BATCHES];
	struct weft_remote *remote;
	bool active;
	bool read;
	uint32_t len;
	uint64_t next; /* offset of the next transfer */
	uint64_t done;
	int error; /* of the first that was not done */
};

struct far {
	uint32_t progress;
	int sock;
	struct area area;
	struct weft *weft;
	struct weft_region *region;
	struct weft_arrival *arrival;
	struct storm storm;
};

static int far_open(struct far *f, const struct child_request *request, struct child_reply *reply)
{
	struct weft_opts opts = {
		.size = sizeof(opts),
		.provider = request->provider,
		.bind_addr = request->bind_addr[0] ? request->bind_addr : NULL,
		.progress = f->progress,
		.rails = request->rails,
		.connect_timeout_ns = CONFORM_CONNECT_NS,
	};
	size_t len = sizeof(reply->descriptor);
	int rc = weft_open(&f->weft, &opts);

	if (rc)
		return rc;
	rc = weft_register(f->weft, f->area.base, f->area.len, request->access, &f->region);
	if (rc)
		return rc;
	rc = weft_export(f->region, reply->descriptor, &len);
	reply->len = (uint32_t)len;
	return rc;
}

static int far_close(struct far *f)
{
	weft_close(f->weft);
	f->weft = NULL;
	f->region = NULL;
	f->arrival = NULL;
	memset(&f->storm, 0, sizeof(f->storm));
	return 0;
}

static int far_storm(struct far *f, const struct child_request *request)
{
	struct weft_batch_opts opts = { .size = sizeof(opts), .capacity = STORM_CAPACITY };
	int rc = weft_import(f->weft, request->descriptor, request->len, &f->storm.remote);

	for (int i = 0; !rc && i < STORM_BATCHES; i++)
		rc = weft_batch_open(f->weft, &opts, &f->storm.batches[i]);
	f->storm.active = !rc;
	f->storm.read = request->read;
	f->storm.len = request->storm_len;
	return rc;
}

static int storm_add(struct far *f, struct weft_batch *batch)
{
	struct storm *storm = &f->storm;
	uint64_t at = storm->next;
	struct move move = { storm->read, f->region, at, storm->remote, at, storm->len, 0, 0 };

	storm->next += storm->len;
	if (storm->next + storm->len > f->area.len)
		storm->next = 0;
	return net_add(batch, &move);
}

static void storm_failed(struct storm *storm, int error)
{
	if (!storm->error)
		storm->error = error;
}

/* Counts what a batch has done and starts it again. */
static void storm_turn(struct far *f, struct weft_batch *batch)
{
	struct weft_result result = { .size = sizeof(result) };

	if (weft_batch_poll(batch) == 0 && weft_batch_result(batch, 0, &result) == 0 &&
	    result.state == WEFT_ACTIVE)
		return;
	for (uint32_t i = 0; weft_batch_result(batch, i, &result) == 0; i++) {
		f->storm.done += result.state == WEFT_DONE;
		storm_failed(&f->storm, result.error);
	}
	if (weft_batch_reset(batch))
		return;
	for (int i = 0; i < STORM_CAPACITY; i++) {
		int rc = storm_add(f, batch);

		if (rc < 0) {
			storm_failed(&f->storm, rc);
			f->storm.active = false;
			break;
		}
	}
	weft_submit(batch, CONFORM_LIMIT_NS);
}

static void far_echo(struct far *f)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	struct weft_peer *peer;
	size_t len = sizeof(data);

	while (weft_receive(f->weft, data, &len, &peer, 0) == 0) {
		while (weft_notify(peer, data, len) == -WEFT_EQUEUEFULL)
			weft_progress(f->weft, 0);
		len = sizeof(data);
	}
}

static void far_turn(struct far *f)
{
	if (!f->weft)
		return;
	if (f->progress == WEFT_PROGRESS_MANUAL)
		weft_progress(f->weft, NSEC_PER_MSEC / 10);
	far_echo(f);
	for (int i = 0; f->storm.active && i < STORM_BATCHES; i++)
		storm_turn(f, f->storm.batches[i]);
}

/* One that counts from now on; the one before, if there is any, counts no more. */
static int far_arrival(struct far *f, struct child_reply *reply)
{
	int rc;

	if (f->arrival)
		weft_arrival_close(f->arrival);
	f->arrival = NULL;
	rc = weft_arrival_open(f->weft, &f->arrival);
	if (!rc)
		reply->count = weft_arrival_imm(f->arrival);
	return rc;
}

static int far_do(struct far *f, const struct child_request *request, struct child_reply *reply)
{
	switch (request->kind) {
	case CHILD_OPEN:
		return far_open(f, request, reply);
	case CHILD_CLOSE:
		return far_close(f);
	case CHILD_UNREGISTER:
		return weft_unregister(f->region, request->timeout_ns);
	case CHILD_STORM:
		return far_storm(f, request);
	case CHILD_STORM_DONE:
		reply->count = f->storm.done;
		reply->error = f->storm.error;
		return 0;
	case CHILD_ARRIVAL:
		return far_arrival(f, reply);
	case CHILD_ARRIVED:
		reply->count = weft_arrival_count(f->arrival);
		return 0;
	default:
		return -EINVAL;
	}
}

static bool far_answer(struct far *f)
{
	static struct child_request request;
	static struct child_reply reply;

	memset(&reply, 0, sizeof(reply));
	if (recv(f->sock, &request, sizeof(request), 0) != sizeof(request))
		return false;
	reply.rc = far_do(f, &request, &reply);
	if (reply.rc)
		snprintf(reply.detail, sizeof(reply.detail), "%s", weft_error_detail());
	return send(f->sock, &reply, sizeof(reply), MSG_NOSIGNAL) == sizeof(reply);
}

int child_main(int argc, char **argv)
{
	struct far f = { 0 };
	bool goes_on = argc == 6;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!goes_on)
		return 2;
	verdict_sweep_own();
	f.progress = (uint32_t)strtoul(argv[2], NULL, 10);
	f.sock = (int)strtol(argv[3], NULL, 10);
	area_join(&f.area, strtoul(argv[5], NULL, 10), (int)strtol(argv[4], NULL, 10));
	while (goes_on) {
		struct pollfd p = { .fd = f.sock, .events = POLLIN };
		bool spins = f.storm.active || (f.weft && f.progress == WEFT_PROGRESS_MANUAL);

		if (poll(&p, 1, spins ? 0 : 1) > 0)
			goes_on = far_answer(&f);
		else
			far_turn(&f);
	}
	weft_close(f.weft);
	area_close(&f.area);
	return 0;
}
