/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time from /proc/stat and getrusage. The kernel counts the machine's time in ticks of
 * 10 ms as a rule: measured times of less than a second tell little.
 */
#include "perf/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

enum {
	USER,
	NICE,
	SYSTEM,
	IDLE,
	IOWAIT,
	IRQ,
	SOFTIRQ,
	STEAL,
	FIELDS, /* guest and guest_nice follow: both are in user and nice already */
};

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* "cpu  1 2 3 4 ...": the first line. Old kernels have fewer fields, but always four. */
static int parse(const char *line, uint64_t ticks[FIELDS])
{
	char *end;
	int n;

	if (strncmp(line, "cpu ", 4) != 0)
		return -EINVAL;
	line += 4;
	for (n = 0; n < FIELDS; n++) {
		line += strspn(line, " ");
		if (*line < '0' || *line > '9')
			break;
		errno = 0;
		ticks[n] = strtoull(line, &end, 10);
		if (errno || (*end != ' ' && *end != '\n'))
			return -EINVAL;
		line = end;
	}
	return n > IDLE ? 0 : -EINVAL;
}

static int read_stat(const char *proc, uint64_t ticks[FIELDS])
{
	char path[512], text[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(-errno, "%s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (!strchr(text, '\n') || parse(text, ticks))
		return err_set(-EINVAL, "%s: its first line does not tell the processors' time",
			       path);
	return 0;
}

int perf_cpu_read(struct perf_cpu_reading *ret, const char *proc)
{
	uint64_t ticks[FIELDS] = { 0 };
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	struct rusage usage;
	int rc = read_stat(proc, ticks);

	if (rc)
		return rc;
	if (getrusage(RUSAGE_SELF, &usage))
		return err_set(-errno, "getrusage: %s", strerror(errno));
	*ret = (struct perf_cpu_reading){
		.at_ns = clock_ns(),
		.process = seconds(&usage.ru_utime) + seconds(&usage.ru_stime),
		.process_sys = seconds(&usage.ru_stime),
		.user = (double)ticks[USER] * tick,
		.nice = (double)ticks[NICE] * tick,
		.system = (double)ticks[SYSTEM] * tick,
		.irq = (double)ticks[IRQ] * tick,
		.softirq = (double)ticks[SOFTIRQ] * tick,
		.steal = (double)ticks[STEAL] * tick,
		.idle = (double)(ticks[IDLE] + ticks[IOWAIT]) * tick,
	};
	return 0;
}

/* Fields may go back: iowait does, and all of them when a processor is taken out. */
static double grown(double from, double to)
{
	return to > from ? to - from : 0;
}

static double busy(const struct perf_cpu_reading *from, const struct perf_cpu_reading *to)
{
	return grown(from->user, to->user) + grown(from->nice, to->nice) +
	       grown(from->system, to->system) + grown(from->irq, to->irq) +
	       grown(from->softirq, to->softirq) + grown(from->steal, to->steal);
}

void perf_cpu_between(struct perf_cpu *ret, const struct perf_cpu_reading *from,
		      const struct perf_cpu_reading *to, const struct perf_cpu_reading *idle_from,
		      const struct perf_cpu_reading *idle_to)
{
	double share = 0, own;

	*ret = (struct perf_cpu){
		.process = grown(from->process, to->process),
		.process_sys = grown(from->process_sys, to->process_sys),
		.softirq = grown(from->softirq, to->softirq),
		.machine = busy(from, to),
	};
	if (idle_from && idle_to && idle_to->at_ns > idle_from->at_ns && to->at_ns > from->at_ns)
		share = (double)(to->at_ns - from->at_ns) /
			(double)(idle_to->at_ns - idle_from->at_ns);
	if (share > 0) {
		ret->softirq =
			grown(share * grown(idle_from->softirq, idle_to->softirq), ret->softirq);
		/* What this process itself used while it waited is no one else's load. */
		own = grown(idle_from->process, idle_to->process);
		ret->machine = grown(share * grown(own, busy(idle_from, idle_to)), ret->machine);
	}
	ret->foreign = grown(ret->process + ret->softirq, ret->machine);
}
