/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an engine: what is asked for is what is got, or an error that says what is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define PROVIDERS_MAX 256

static struct weft_provider_info infos[PROVIDERS_MAX];

static int list_providers(void)
{
	int count;

	for (int i = 0; i < PROVIDERS_MAX; i++)
		infos[i].size = sizeof(infos[i]);
	count = weft_providers(infos, PROVIDERS_MAX);
	check(count > 0);
	return count < PROVIDERS_MAX ? count : PROVIDERS_MAX;
}

static const struct weft_provider_info *find_provider(const char *name, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(infos[i].provider, name))
			return &infos[i];
	return NULL;
}

static void providers_are_listed(const struct conform *c)
{
	struct weft_provider_info one = { .size = sizeof(one) };
	int count = list_providers();

	check(find_provider("loop", count));
	check(find_provider(c->row->name, count));
	check_int(weft_providers(&one, 1), count);
	check(!memcmp(&one, &infos[0], sizeof(one)));
	check_int(weft_providers(NULL, 0), count);
	check(strstr(weft_version(), "weft "));
	check(strchr(weft_libfabric_version(), '.'));
}

static void unknown_provider_is_refused(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft *weft = (struct weft *)&opts;

	opts.provider = "nonesuch";
	check_rc(weft_open(&weft, &opts), -WEFT_ENOPROVIDER);
	check(weft == (struct weft *)&opts);
	check(strstr(weft_error_detail(), "nonesuch"));
	check(strstr(weft_error_detail(), "loop"));
}

/* A list with one that is missing is an error too, not a choice of the rest. */
static void absent_provider_is_refused(const struct conform *c)
{
	static const char *const names[] = { "efa", "efa-direct", "verbs" };
	struct weft_opts opts = net_opts(c);
	int absent = 0, count = list_providers();
	struct weft *weft;
	char both[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (find_provider(names[i], count))
			continue;
		absent++;
		opts.provider = names[i];
		check_rc(weft_open(&weft, &opts), -WEFT_ENOPROVIDER);
		check(strstr(weft_error_detail(), c->row->name));
		snprintf(both, sizeof(both), "%s,%s", c->row->name, names[i]);
		opts.provider = both;
		check_rc(weft_open(&weft, &opts), -WEFT_ENOPROVIDER);
		check(strstr(weft_error_detail(), names[i]));
	}
	if (!absent)
		conform_skip("efa, efa-direct and verbs are all present");
}

static void unknown_device_is_refused(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	const struct weft_provider_info *info = find_provider(c->row->name, list_providers());
	struct weft *weft;
	int rc;

	opts.devices = "nonesuch0";
	rc = weft_open(&weft, &opts);
	if (c->row->script) {
		check_rc(rc, -EINVAL);
		return;
	}
	check_rc(rc, -WEFT_ENODEVICE);
	check(strstr(weft_error_detail(), "nonesuch0"));
	check(strstr(weft_error_detail(), info->device));
}

static void device_filter_chooses(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	const struct weft_provider_info *info = find_provider(c->row->name, list_providers());
	struct weft_rail_info rail = { .size = sizeof(rail) };
	struct net net = { .conform = c };
	struct weft *weft;

	check(info);
	if (c->row->script)
		opts.devices = "seed=7";
	else
		opts.devices = info->device;
	/* The listed device may be an interface other than the one that the row binds. */
	opts.bind_addr = NULL;
	opts.rails = 1;
	weft = net_open(&net, &opts);
	check_ok(weft_rail(weft, 0, &rail));
	check(!strcmp(rail.provider, c->row->name));
	if (!c->row->script)
		check(!strcmp(rail.device, info->device));
	check(rail.max_message > 0 && rail.depth > 0);
	check_rc(weft_rail(weft, 1, &rail), -ENOENT);
	net_end(&net);
}

static void bad_options_are_refused(const struct conform *c)
{
	const struct weft_opts good = net_opts(c);
	struct weft_opts bad[8];
	struct weft *weft;

	for (int i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].rails = 33;
	bad[1].queue_depth = 15;
	bad[2].queue_depth = 65537;
	bad[3].progress = 7;
	bad[4].size = 4;
	bad[5].provider = "";
	bad[6].provider = ",";
	bad[7].provider = "loop,,tcp";
	for (int i = 0; i < 8; i++) {
		int rc = weft_open(&weft, &bad[i]);

		if (rc != -EINVAL && rc != -WEFT_ENOPROVIDER)
			conform_fail(__FILE__, __LINE__, "bad options %d: %s", i,
				     weft_error_name(rc));
		check(strlen(weft_error_detail()) > 0);
	}
}

/* A caller built against a newer header: what this library does not know must be zero. */
static void options_can_grow(const struct conform *c)
{
	struct {
		struct weft_opts opts;
		uint64_t unknown;
	} newer = { .opts = net_opts(c) };
	struct weft *weft;

	newer.opts.size = sizeof(newer);
	check_ok(weft_open(&weft, &newer.opts));
	weft_close(weft);
	newer.unknown = 1;
	check_rc(weft_open(&weft, &newer.opts), -EINVAL);
	weft_close(NULL);
}

/* libfabric's efa provider ends the process when it meets this variable. */
static void environment_that_aborts_is_refused(const struct conform *c)
{
	struct weft_opts opts = net_opts(c);
	struct weft *weft;
	int rc;

	check_int(setenv("FI_EFA_MTU_SIZE", "4096", 1), 0);
	rc = weft_open(&weft, &opts);
	if (!rc)
		weft_close(weft);
	else
		check_rc(rc, -WEFT_EENVIRONMENT);
	opts.provider = "efa";
	check_rc(weft_open(&weft, &opts), -WEFT_EENVIRONMENT);
	check(strstr(weft_error_detail(), "FI_EFA_MTU_SIZE"));
	unsetenv("FI_EFA_MTU_SIZE");
	/* As libfabric reads it: hexadecimal too, and no number is 0. */
	check_int(setenv("FI_EFA_TX_MIN_CREDITS", "many", 1), 0);
	check_rc(weft_open(&weft, &opts), -WEFT_EENVIRONMENT);
	check_int(setenv("FI_EFA_TX_MIN_CREDITS", "0x10", 1), 0);
	rc = weft_open(&weft, &opts);
	check(rc != -WEFT_EENVIRONMENT);
	if (!rc)
		weft_close(weft);
	/* Up to 1.19 the one aborts, from 1.18 on the other. */
	check_int(setenv("FI_EFA_SHM_MAX_MEDIUM_SIZE", "4096", 1), 0);
	check_int(setenv("FI_EFA_USE_DEVICE_RDMA", "2", 1), 0);
	check_rc(weft_open(&weft, &opts), -WEFT_EENVIRONMENT);
}

static void fd_turns_readable(const struct conform *c)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct weft_peer *peer;
	struct weft_batch *batch;
	struct pair p;
	uint64_t count;
	int fd;

	pair_open(&p, c, 4096);
	fd = weft_fd(p.a);
	check(fd >= 0);
	check_int(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	while (read(fd, &count, sizeof(count)) > 0)
		;
	batch = net_batch(p.a, 1);
	check_int(weft_batch_write(batch, p.region_a, 0, p.to_b, 0, 4096, 0, 0), 0);
	check_ok(weft_submit(batch, CONFORM_LIMIT_NS));
	check_int(epoll_wait(epoll, &event, 1, 20000), 1);
	check_int(weft_batch_poll(batch), 1);
	check_int(read(fd, &count, sizeof(count)), sizeof(count));
	peer = net_connect(&p.net, p.b, p.a);
	net_notify(&p.net, peer, "hi", 2);
	check_int(epoll_wait(epoll, &event, 1, 20000), 1);
	check_int(net_receive(&p.net, p.a, &count, sizeof(count), NULL), 2);
	close(epoll);
	pair_close(&p);
}

static void fd_is_refused(const struct conform *c)
{
	struct net net = { .conform = c };

	check_rc(weft_fd(net_open(&net, NULL)), -EOPNOTSUPP);
	net_end(&net);
}

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NSEC_PER_USEC;
}

/* Two engines in thread mode, or one in a waiting weft_progress(), with nothing to do. */
static void idle_costs_little(const struct conform *c)
{
	const struct timespec second = { .tv_sec = 1 };
	uint64_t start_ns, used_ns;
	struct pair p;

	pair_open(&p, c, 4096);
	net_run(&p.net, NSEC_PER_SEC / 4);
	start_ns = clock_ns();
	used_ns = cpu_ns();
	if (c->progress == WEFT_PROGRESS_THREAD)
		nanosleep(&second, NULL);
	while (clock_ns() - start_ns < NSEC_PER_SEC)
		check(weft_progress(p.a, NSEC_PER_SEC - (clock_ns() - start_ns)) >= 0);
	used_ns = cpu_ns() - used_ns;
	conform_note("idle: %.2f %% of a core", (double)used_ns * 100 / (double)NSEC_PER_SEC);
	check(used_ns < conform_slower / CONFORM_SLOWER * NSEC_PER_SEC / 5);
	pair_close(&p);
}

const struct conform_case cases_open[] = {
	{ "providers_are_listed", providers_are_listed, ONLY_MANUAL },
	{ "unknown_provider_is_refused", unknown_provider_is_refused, ONLY_MANUAL },
	{ "absent_provider_is_refused", absent_provider_is_refused, ONLY_MANUAL },
	{ "unknown_device_is_refused", unknown_device_is_refused, ONLY_MANUAL },
	{ "device_filter_chooses", device_filter_chooses, ONLY_MANUAL },
	{ "bad_options_are_refused", bad_options_are_refused, ONLY_MANUAL },
	{ "options_can_grow", options_can_grow, 0 },
	{ "environment_that_aborts_is_refused", environment_that_aborts_is_refused, ONLY_MANUAL },
	{ "fd_turns_readable", fd_turns_readable, ONLY_THREAD },
	{ "fd_is_refused", fd_is_refused, ONLY_MANUAL },
	{ "idle_costs_little", idle_costs_little, 0 },
	{ 0 },
};
