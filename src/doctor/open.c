/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weft/weft.h>

#include "base/alloc.h"
#include "base/err.h"
#include "host/probe.h"

#define WHY_MAX ERR_DETAIL_MAX

/* All of a file, at most room - 1 bytes, with a NUL behind. Closes it. The length, or -errno. */
static ssize_t read_all(int fd, char *ret, size_t room)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < room - 1) {
		n = read(fd, ret + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	n = n < 0 ? -errno : (ssize_t)len;
	close(fd);
	ret[len] = '\0';
	return n;
}

/* NAME=VALUE strings that NULs end, as in /proc, or newlines, as env prints them. */
static int split_environ(char *text, size_t len, char ***ret)
{
	char end = memchr(text, '\0', len) ? '\0' : '\n';
	size_t count = 0, i, start = 0;
	char **strings;

	for (i = 0; i <= len; i++)
		count += i == len || text[i] == end;
	strings = mem_array(count + 1, sizeof(*strings));
	if (!strings)
		return err_set(-ENOMEM, "environment");
	count = 0;
	for (i = 0; i <= len; i++) {
		if (i < len && text[i] != end)
			continue;
		text[i] = '\0';
		if (strchr(text + start, '='))
			strings[count++] = text + start;
		start = i + 1;
	}
	*ret = strings;
	return 0;
}

/* Takes the descriptor. What cannot be read is -errno, with the name of the file. */
static int load_environ(struct doctor *doctor, int fd, const char *name)
{
	char *text;
	ssize_t len;
	int rc;

	if (fd < 0)
		return err_set(fd, "environment %s: %s", name, strerror(-fd));
	text = mem_alloc(DOCTOR_ENVIRON_MAX);
	if (!text) {
		close(fd);
		return err_set(-ENOMEM, "environment %s", name);
	}
	len = read_all(fd, text, DOCTOR_ENVIRON_MAX);
	rc = len < 0 ? err_set((int)len, "environment %s: %s", name, strerror((int)-len))
		     : split_environ(text, (size_t)len, &doctor->environ);
	if (rc)
		mem_free(text);
	else
		doctor->environ_text = text;
	return rc;
}

static int open_environ(struct doctor *doctor, const struct doctor_source *source)
{
	static char *empty[1];
	int fd;

	if (source->environ_file) {
		fd = open(source->environ_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		return load_environ(doctor, fd < 0 ? -errno : fd, source->environ_file);
	}
	if (!doctor->sysroot_given) {
		doctor->environ = source->environ;
		return 0;
	}
	fd = sysroot_fd(&doctor->root, O_RDONLY, "/environ");
	if (fd < 0)
		fd = sysroot_fd(&doctor->root, O_RDONLY, "/proc/self/environ");
	doctor->environ = empty;
	return fd < 0 ? 0 : load_environ(doctor, fd, doctor->root.path);
}

static int open_probe(struct doctor *doctor, const struct doctor_source *source)
{
	char *text = mem_zalloc(DOCTOR_PROBE_MAX + WHY_MAX), *why = text + DOCTOR_PROBE_MAX;
	int rc = 0;

	if (!text)
		return err_set(-ENOMEM, "answer of weft-doctor-probe");
	if (doctor->sysroot_given) {
		rc = sysroot_read(&doctor->root, text, DOCTOR_PROBE_MAX, "/probe");
		if (rc < 0)
			snprintf(
				why, WHY_MAX,
				"libraries are not asked about a copy of files, and the copy holds "
				"no answer (file probe)");
	} else if (!source->probe) {
		snprintf(why, WHY_MAX, "libraries were not to be asked");
	} else {
		rc = host_probe_run(source->probe_path, HOST_PROBE_NS, text, DOCTOR_PROBE_MAX);
		if (rc)
			snprintf(why, WHY_MAX, "%s", weft_error_detail());
	}
	doctor->probe = text;
	doctor->probe_why = why;
	return 0;
}

int doctor_open(struct doctor *ret, const struct doctor_source *source)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = sysroot_open(&ret->root, source->sysroot, source->sysfs);
	if (rc)
		return rc;
	ret->sysroot_given = !ret->root.real;
	rc = open_environ(ret, source);
	if (!rc)
		rc = open_probe(ret, source);
	if (rc)
		doctor_close(ret);
	return rc;
}

void doctor_close(struct doctor *doctor)
{
	if (doctor->environ_text)
		mem_free(doctor->environ);
	mem_free(doctor->environ_text);
	mem_free((void *)doctor->probe);
	sysroot_close(&doctor->root);
}
