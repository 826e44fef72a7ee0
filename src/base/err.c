/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

struct err_row {
	int number;
	int exit_status;
	const char *name;
	const char *text;
	const char *remedy;
};

static const struct err_row err_rows[] = {
#define ERR_ROW(name, number, exit_status, text, remedy) \
	{ number, exit_status, "WEFT_" #name, text, remedy },
	WEFT_ERROR_MAP(ERR_ROW)
#undef ERR_ROW
};

static _Thread_local char err_detail[ERR_DETAIL_MAX];

static const struct err_row *err_find(int code)
{
	size_t i;

	code = abs(code);
	for (i = 0; i < sizeof(err_rows) / sizeof(err_rows[0]); i++)
		if (err_rows[i].number == code)
			return &err_rows[i];
	return NULL;
}

const char *weft_strerror(int code)
{
	const struct err_row *row = err_find(code);
	const char *text;

	if (row)
		return row->text;
	if (code == 0)
		return "success";
	text = strerrordesc_np(abs(code));
	return text ? text : "unknown error";
}

const char *weft_remedy(int code)
{
	const struct err_row *row = err_find(code);

	return row ? row->remedy : "";
}

const char *weft_error_name(int code)
{
	const struct err_row *row = err_find(code);
	const char *name;

	if (row)
		return row->name;
	if (code == 0)
		return "OK";
	name = strerrorname_np(abs(code));
	return name ? name : "UNKNOWN";
}

int weft_exit_status(int code)
{
	const struct err_row *row = err_find(code);

	if (row)
		return row->exit_status;
	return code == 0 ? 0 : 1;
}

const char *weft_error_detail(void)
{
	return err_detail;
}

int err_set(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err_detail, sizeof(err_detail), format, args);
	va_end(args);
	return code;
}

int err_prefix(int code, const char *format, ...)
{
	char old[ERR_DETAIL_MAX], text[ERR_DETAIL_MAX];
	va_list args;

	memcpy(old, err_detail, sizeof(old));
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(err_detail, sizeof(err_detail), "%.*s: %.*s", ERR_DETAIL_MAX / 2, text,
		 ERR_DETAIL_MAX / 2 - 3, old);
	return code;
}

void err_clear(void)
{
	err_detail[0] = '\0';
}
