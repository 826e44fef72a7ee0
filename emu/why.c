/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/why.h"

#include <stdarg.h>
#include <stdio.h>

int emu_why(char *why, size_t size, int error, const char *format, ...)
{
	va_list args;

	if (!why || !size)
		return error;
	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return error;
}
