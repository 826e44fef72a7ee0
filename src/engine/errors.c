/* SPDX-License-Identifier: Apache-2.0 */
/* Errors by kind. */
#include "engine/errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"

static const int codes[ERROR_ROWS] = {
#define ERROR_CODE(name, number, exit_status, text, remedy) [ERROR_##name] = -(number),
	WEFT_ERROR_MAP(ERROR_CODE)
#undef ERROR_CODE
		[ERROR_NOMEM] = -ENOMEM,
};

static enum error_row row_of(int code)
{
	switch (abs(code)) {
#define ERROR_CASE(name, number, exit_status, text, remedy) \
	case number:                                        \
		return ERROR_##name;
		WEFT_ERROR_MAP(ERROR_CASE)
#undef ERROR_CASE
	case ENOMEM:
		return ERROR_NOMEM;
	default:
		return ERROR_OTHER;
	}
}

void errors_transfer(struct error_table *errors, int code)
{
	errors->transfers[row_of(code)]++;
}

void errors_operation(struct error_table *errors, int code)
{
	errors->operations[row_of(code)]++;
}

void errors_refused(struct error_table *errors, int code)
{
	atomic_fetch_add_explicit(&errors->refused[row_of(code)], 1, memory_order_relaxed);
}

/* All rows, those that are zero too. */
static int get_errors(struct weft *weft, void *arg)
{
	struct weft_error_count *rows = arg;
	uint32_t i;

	for (i = 0; i < ERROR_ROWS; i++)
		rows[i] = (struct weft_error_count){
			.size = sizeof(rows[i]),
			.code = codes[i],
			.transfers = weft->errors.transfers[i],
			.operations = weft->errors.operations[i],
			.refused = atomic_load_explicit(&weft->errors.refused[i],
							memory_order_relaxed),
		};
	return 0;
}

int weft_errors(struct weft *weft, struct weft_error_count *counts, int max)
{
	struct weft_error_count rows[ERROR_ROWS];
	size_t stride = max > 0 && counts ? counts->size : 0;
	int n = 0, rc;
	uint32_t i;

	rc = engine_run(weft, get_errors, rows);
	if (rc)
		return rc;
	for (i = 0; i < ERROR_ROWS; i++) {
		if (!rows[i].transfers && !rows[i].operations && !rows[i].refused)
			continue;
		if (n < max) {
			rc = sized_out(counts ? (uint8_t *)counts + (size_t)n * stride : NULL,
				       &rows[i], sizeof(rows[i]), "weft_error_count");
			if (rc)
				return rc;
		}
		n++;
	}
	return n;
}
