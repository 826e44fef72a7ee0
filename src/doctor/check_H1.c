/* SPDX-License-Identifier: Apache-2.0 */
/* H1: what the driver efa has said in the kernel's log. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "doctor/container.h"
#include "doctor/efa.h"

#define READS_MAX  (1U << 17) /* one gives a record of /dev/kmsg */
#define BUF_MAX    32768
#define RECORD_MAX 8192 /* the kernel wants room for a whole record */

struct line_row {
	const char *parts, *means, *fix;
};

#define LINE(...) { __VA_ARGS__ },
static const struct line_row rows[] = {
#include "doctor/kernel_log.def"
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct seen {
	uint32_t count;
	char at[32];    /* of the last, "1038619.687627"; "" when the log does not say */
	char line[200]; /* the last */
};

struct log {
	struct host_nic *nics;
	int nics_n;
	uint32_t lines; /* of the driver, all of them */
	struct seen seen[ROWS];
};

/* Behind the level that syslog(2) puts in front of a line: "<3>[ 7.123456] text". */
static const char *skip_level(const char *line)
{
	size_t digits = *line == '<' ? strspn(line + 1, "0123456789") : 0;

	return digits && line[1 + digits] == '>' ? line + digits + 2 : line;
}

/* Takes the time off a line, a record of /dev/kmsg ("3,1204,1038619687627,-;text") or a line of
 * dmesg
 * ("[1038619.687627] text"). Returns where its text starts. */
static const char *split_time(const char *line, char *at, size_t room)
{
	const char *semicolon = strchr(line, ';'), *close = strchr(line, ']');
	uint64_t us;
	int used;

	*at = '\0';
	if (isdigit((unsigned char)*line) && semicolon &&
	    sscanf(line, "%*u,%*u,%18" SCNu64 ",%n", &us, &used) == 1) {
		snprintf(at, room, "%" PRIu64 ".%06u", us / 1000000, (unsigned)(us % 1000000));
		return semicolon + 1;
	}
	if (*line == '[' && close && close - line < (ptrdiff_t)room) {
		line += 1 + strspn(line + 1, " ");
		snprintf(at, room, "%.*s", (int)(close - line), line);
		return close + 1 + strspn(close + 1, " ");
	}
	return line;
}

/* "infiniband rdmap16s27: ", by the name that the device has now or one that only EFA's have. */
static bool is_efa_device(const struct log *log, const char *name)
{
	size_t len = strcspn(name, ": ");

	if (!strncmp(name, "efa_", 4) || !strncmp(name, "rdmap", 5))
		return true;
	for (int i = 0; i < log->nics_n; i++)
		if (efa_is_nic(&log->nics[i]) && strlen(log->nics[i].name) == len &&
		    !strncmp(log->nics[i].name, name, len))
			return true;
	return false;
}

/* parts: with '|' between them. */
static bool has_part(const char *text, const char *parts)
{
	size_t len, room = strlen(text);

	for (; *parts; parts += len, parts += *parts == '|') {
		len = strcspn(parts, "|");
		if (memmem(text, room, parts, len))
			return true;
	}
	return false;
}

static void take_line(struct log *log, const char *line)
{
	char at[32];
	const char *text;

	if (*line == ' ') /* more of the record above */
		return;
	text = split_time(skip_level(line), at, sizeof(at));
	if (!strncmp(text, "infiniband ", 11)
		    ? !is_efa_device(log, text + 11)
		    : strncmp(text, "efa ", 4) != 0 && strncmp(text, "efa:", 4) != 0)
		return;
	log->lines++;
	for (size_t i = 0; i < ROWS; i++) {
		struct seen *seen = &log->seen[i];

		if (!has_part(text, rows[i].parts))
			continue;
		seen->count++;
		snprintf(seen->at, sizeof(seen->at), "%s", at);
		snprintf(seen->line, sizeof(seen->line), "%.199s", text);
		return;
	}
}

/* Takes whole lines off the front of buf; how many bytes of the last one stay. */
static size_t take_lines(struct log *log, char *buf, size_t used)
{
	char *start = buf, *end;

	while ((end = memchr(start, '\n', used))) {
		*end = '\0';
		take_line(log, start);
		used -= (size_t)(end + 1 - start);
		start = end + 1;
	}
	/* A line that long is no kernel's. */
	if (used > BUF_MAX - RECORD_MAX)
		used = 0;
	memmove(buf, start, used);
	return used;
}

/* Reads what there is and never waits for more. 0, or -errno. */
static int read_log(const struct doctor *doctor, struct log *log, const char *path)
{
	int fd = sysroot_fd(&doctor->root, O_RDONLY, "%s", path), rc = 0;
	char *buf = mem_alloc(BUF_MAX);
	size_t used = 0;
	ssize_t n;

	if (fd < 0 || !buf) {
		rc = fd < 0 ? fd : -ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < READS_MAX; i++) {
		n = read(fd, buf + used, BUF_MAX - 1 - used);
		/* EPIPE: the kernel threw records away that were next. */
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n < 0 && errno != EAGAIN)
			rc = -errno;
		if (n <= 0)
			break;
		used = take_lines(log, buf, used + (size_t)n);
	}
	if (used) {
		buf[used] = '\0';
		take_line(log, buf);
	}
out:
	if (fd >= 0)
		close(fd);
	mem_free(buf);
	return rc;
}

/* The kernel's own log, else what was kept of it. path: the one that was read, or the first. */
static int read_any_log(const struct doctor *doctor, struct log *log, const char **path)
{
	static const char *const paths[] = { "/dev/kmsg", "/var/log/dmesg" };
	int first = read_log(doctor, log, paths[0]);

	*path = paths[0];
	if (!first || read_log(doctor, log, paths[1]))
		return first;
	*path = paths[1];
	return 0;
}

static void say_seen(struct finding *f, const struct log *log, const char *path)
{
	const struct seen *first = NULL;
	uint32_t others = 0;

	for (size_t i = 0; i < ROWS; i++) {
		const struct seen *seen = &log->seen[i];

		if (!seen->count)
			continue;
		finding_evidence(f, "%s: %u time%s, last%s%s: %s", path, seen->count,
				 plural(seen->count), *seen->at ? " at " : "", seen->at,
				 seen->line);
		if (first) {
			others++;
			continue;
		}
		first = seen;
		finding_say(f, DOCTOR_WARN, "%s (%u line%s%s%s%s)", rows[i].means, seen->count,
			    plural(seen->count), *seen->at ? ", the last " : "", seen->at,
			    *seen->at ? " s after boot" : "");
		finding_fix(f, "%s", rows[i].fix);
	}
	if (!first && log->lines)
		finding_say(
			f, DOCTOR_OK,
			"the driver efa reported no failure in the kernel's log (%u line%s of it)",
			log->lines, plural(log->lines));
	else if (!first)
		finding_say(f, DOCTOR_OK, "the kernel's log says nothing of efa");
}

static void say_forbidden(struct finding *f, int error, const char *path)
{
	finding_evidence(f, "%s: %s", path, strerror(-error));
	finding_say(f, DOCTOR_UNKNOWN, "only root may read the kernel's log here (%s: %s)", path,
		    strerror(-error));
	finding_fix(f, "sudo weft doctor --only H1");
}

void check_H1(const struct doctor *doctor, struct finding *f)
{
	struct log *log = mem_zalloc(sizeof(*log));
	const char *path = "/dev/kmsg";
	int rc = -ENOMEM;

	if (log) {
		log->nics_n = efa_nics(doctor, &log->nics);
		rc = read_any_log(doctor, log, &path);
	}
	if (!rc)
		say_seen(f, log, path);
	else if (rc == -ENOENT && container_kind(doctor, f) != CONTAINER_NONE)
		finding_say(f, DOCTOR_UNKNOWN,
			    "a container does not see the kernel's log; run on the host");
	else if (rc == -EPERM || rc == -EACCES)
		say_forbidden(f, rc, path);
	else
		finding_unread(f, rc, path);
	if (rc == -ENOENT)
		finding_fix(f, "sudo dmesg | grep -i -E 'efa|infiniband'   # on the host");
	if (log)
		mem_free(log->nics);
	mem_free(log);
}
