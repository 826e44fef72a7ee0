/* SPDX-License-Identifier: Apache-2.0 */
/* How often each code came up. One row per code of weft, so the table is bounded. */
#ifndef WEFT_ENGINE_ERRORS_H
#define WEFT_ENGINE_ERRORS_H

#include <stdatomic.h>
#include <stdint.h>

#include <weft/error.h>

enum error_row {
#define ERROR_ROW(name, number, exit_status, text, remedy) ERROR_##name,
	WEFT_ERROR_MAP(ERROR_ROW)
#undef ERROR_ROW
	ERROR_NOMEM, /* -ENOMEM */
	ERROR_OTHER, /* every other code */
	ERROR_ROWS,
};

struct error_table {
	uint64_t transfers[ERROR_ROWS], operations[ERROR_ROWS]; /* the owner's */
	_Atomic uint64_t refused[ERROR_ROWS];                   /* any thread */
};

/* A transfer ended with it. */
void errors_transfer(struct error_table *errors, int code);
/* An operation failed with it, or could not be posted. */
void errors_operation(struct error_table *errors, int code);
void errors_refused(struct error_table *errors, int code);

#endif /* WEFT_ENGINE_ERRORS_H */
