/* SPDX-License-Identifier: Apache-2.0 */
/* Error texts, and the per-thread detail behind weft_error_detail(). */
#ifndef WEFT_BASE_ERR_H
#define WEFT_BASE_ERR_H

#include <weft/error.h>

#define ERR_DETAIL_MAX 512

/*
 * Stores the detail of the failure that is about to be returned, printf style, cut at
 * ERR_DETAIL_MAX. Returns code, so that a failing function ends with
 * "return err_set(-WEFT_EBOUNDS, ...)".
 */
int err_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "text: " in front of the stored detail; returns code. */
int err_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void err_clear(void);

#endif /* WEFT_BASE_ERR_H */
