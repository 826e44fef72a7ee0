/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/util.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

void emu_warn(const char *format, ...)
{
	char line[512];
	int saved = errno;
	va_list args;
	size_t used;

	used = (size_t)snprintf(line, sizeof(line), "weft-emu: ");
	va_start(args, format);
	vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	used = strlen(line);
	line[used++] = '\n';
	/* One write, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, used) < 0) {
		/* Nobody to tell. */
	}
	errno = saved;
}

void emu_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / EMU_S),
			       .tv_nsec = (long)(timeout_ns % EMU_S) };

	syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ns == EMU_NEVER ? NULL : &ts, NULL, 0);
}

void emu_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

int emu_random(void *bytes, size_t n)
{
	char *next = bytes;
	ssize_t got;

	while (n) {
		got = getrandom(next, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		next += got;
		n -= (size_t)got;
	}
	return 0;
}

int emu_format(char *text, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, size, format, args);
	va_end(args);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}
