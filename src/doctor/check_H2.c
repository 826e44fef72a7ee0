/* SPDX-License-Identifier: Apache-2.0 */
/*
 * H2: errors that the NICs count. Counters run since the driver was loaded, so most tell of trouble
 * only while they grow: on the machine itself they are read twice. No state is kept between runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "doctor/efa.h"
#include "doctor/machine.h"

/*
 * Between two readings. Each costs the device up to five commands (amzn-drivers efa_verbs.c,
 * efa_fill_port_stats), and the kernel keeps values for 10 ms.
 */
#define APART_NS (1 * NSEC_PER_SEC)
/* More than one in so many is told of. */
#define SHARE_MOST 1000

enum when {
	RISING,
	SHARE,
	EVER
};

struct counter_row {
	const char *name;
	enum when when;
	const char *of;
	const char *what, *fix;
};

#define COUNTER(...) { __VA_ARGS__ },
static const struct counter_row rows[] = {
#include "doctor/efa_counters.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct values {
	uint64_t value[ROWS], of[ROWS];
	bool told[ROWS];
};

struct device {
	const char *name;
	struct values before, now;
	int read; /* counters that were read, or -errno */
};

static void take(void *ctx, const char *name, uint64_t value)
{
	struct values *values = ctx;

	for (size_t i = 0; i < ROWS; i++) {
		if (!strcmp(rows[i].name, name)) {
			values->value[i] = value;
			values->told[i] = true;
		}
		if (!strcmp(rows[i].of, name))
			values->of[i] = value;
	}
}

static int read_device(const struct doctor *doctor, struct device *device, struct values *values)
{
	memset(values, 0, sizeof(*values));
	device->read = host_counters(&doctor->root, device->name, take, values);
	return device->read;
}

/* A counter that shrank was set back by a reset of the driver. */
static uint64_t risen(const struct device *device, size_t i)
{
	uint64_t before = device->before.value[i], now = device->now.value[i];

	return device->before.told[i] && device->now.told[i] && now > before ? now - before : 0;
}

static bool is_trouble(const struct device *device, size_t i)
{
	uint64_t now = device->now.value[i];

	switch (rows[i].when) {
	case RISING:
		return risen(device, i) > 0;
	case SHARE:
		return now > device->now.of[i] / SHARE_MOST;
	case EVER:
		break;
	}
	return now > 0;
}

struct tally {
	uint32_t devices, told, still, wrong;
};

static void say_trouble(struct finding *f, const struct device *device, size_t i)
{
	const struct counter_row *row = &rows[i];
	uint64_t now = device->now.value[i];

	if (row->when == RISING)
		finding_say(f, DOCTOR_WARN, "%s: %s is rising, by %" PRIu64 " in a second: %s",
			    device->name, row->name, risen(device, i), row->what);
	else if (row->when == SHARE)
		finding_say(f, DOCTOR_WARN,
			    "%s: %s is %" PRIu64 " of %" PRIu64 " %s, over one in a thousand: %s",
			    device->name, row->name, now, device->now.of[i], row->of, row->what);
	else
		finding_say(f, DOCTOR_WARN, "%s: %s is %" PRIu64 ": %s", device->name, row->name,
			    now, row->what);
	finding_fix(f, "%s", row->fix);
}

static void judge(struct finding *f, const struct device *device, struct tally *tally)
{
	uint64_t now;

	if (device->read <= 0) {
		finding_evidence(f, "%s: counters cannot be read: %s", device->name,
				 device->read ? strerror(-device->read) : "there are none");
		return;
	}
	tally->told++;
	for (size_t i = 0; i < ROWS; i++) {
		now = device->now.value[i];
		if (!device->now.told[i] || !now)
			continue;
		finding_evidence(f, "%s/hw_counters/%s: %" PRIu64 "%s (%s)", device->name,
				 rows[i].name, now, risen(device, i) ? ", rising" : "",
				 rows[i].what);
		if (!is_trouble(device, i))
			tally->still++;
		else if (!tally->wrong++)
			say_trouble(f, device, i);
	}
}

/* The EFA devices by name; how many. The array is freed with mem_free(). */
static int find_devices(const struct doctor *doctor, struct host_nic **nics, struct device **ret)
{
	int count = efa_nics(doctor, nics), devices = 0;

	*ret = NULL;
	if (count <= 0)
		return count;
	*ret = mem_array((size_t)count, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (int i = 0; i < count; i++)
		if (efa_is_nic(&(*nics)[i]))
			(*ret)[devices++].name = (*nics)[i].name;
	return devices;
}

static void read_all(const struct doctor *doctor, struct device *devices, int count)
{
	const struct timespec apart = { .tv_sec = APART_NS / NSEC_PER_SEC,
					.tv_nsec = APART_NS % NSEC_PER_SEC };

	for (int i = 0; doctor->root.real && i < count; i++)
		read_device(doctor, &devices[i], &devices[i].before);
	if (doctor->root.real && count)
		nanosleep(&apart, NULL);
	for (int i = 0; i < count; i++)
		read_device(doctor, &devices[i], &devices[i].now);
}

static void say_all_well(const struct doctor *doctor, struct finding *f, const struct tally *tally)
{
	if (!tally->told)
		finding_say(f, DOCTOR_UNKNOWN, "the counters of the EFA device%s cannot be read",
			    plural(tally->devices));
	else if (!tally->still)
		finding_say(f, DOCTOR_OK,
			    "%u EFA device%s counted no error since the driver was loaded",
			    tally->told, plural(tally->told));
	else
		finding_say(f, DOCTOR_OK,
			    "%u EFA device%s counted errors since the driver was loaded (%u "
			    "counter%s)%s",
			    tally->told, plural(tally->told), tally->still, plural(tally->still),
			    doctor->root.real ? ", none within the last second" : "");
}

void check_H2(const struct doctor *doctor, struct finding *f)
{
	struct tally tally = { .devices = 0 };
	struct host_nic *nics = NULL;
	struct device *devices;
	char more[DOCTOR_TEXT_MAX];
	int count = find_devices(doctor, &nics, &devices);

	if (count <= 0) {
		if (!count || count == -ENOENT)
			finding_say(f, DOCTOR_SKIPPED, "this machine has no EFA device");
		else
			finding_unread(f, count, "/sys/class/infiniband");
		goto out;
	}
	tally.devices = (uint32_t)count;
	read_all(doctor, devices, count);
	for (int i = 0; i < count; i++)
		judge(f, &devices[i], &tally);
	if (!tally.wrong) {
		say_all_well(doctor, f, &tally);
	} else if (tally.wrong > 1) {
		snprintf(more, sizeof(more), "%.440s", f->text);
		finding_say(f, DOCTOR_WARN, "%s; and %u more counter%s", more, tally.wrong - 1,
			    plural(tally.wrong - 1));
	}
out:
	mem_free(devices);
	mem_free(nics);
}
