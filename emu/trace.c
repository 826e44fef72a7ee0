/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "emu/util.h"

#define LINE 1024

bool emu_tracing;
static int trace_fd = -1;

int emu_trace_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	if (trace_fd >= 0)
		close(trace_fd);
	trace_fd = fd;
	emu_tracing = true;
	return 0;
}

void emu_trace_line(const char *format, ...)
{
	int saved = errno, length;
	char line[LINE];
	va_list args;
	ssize_t n;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length < 0)
		length = 0;
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	do
		n = write(trace_fd, line, (size_t)length);
	while (n < 0 && errno == EINTR);
	if (n != length)
		emu_warn_once("the trace is incomplete: %s",
			      n < 0 ? strerrordesc_np(errno) : "the file system is full");
	errno = saved;
}
