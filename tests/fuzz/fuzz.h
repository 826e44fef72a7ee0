/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. A target is one file NAME_fuzz.c that defines
 * LLVMFuzzerTestOneInput(). */
#ifndef WEFT_FUZZ_H
#define WEFT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry: any bytes; returns 0. Memory errors and failed FUZZ_CHECKs end the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is; there is no way to compile it out. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

_Noreturn static inline void fuzz_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

#endif /* WEFT_FUZZ_H */
