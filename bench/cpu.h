/* SPDX-License-Identifier: Apache-2.0 */
/* Processor time, user and system, seconds. */
#ifndef WEFT_BENCH_CPU_H
#define WEFT_BENCH_CPU_H

#include <sys/types.h>

double cpu_self(void);
/* Of another process, in steps of a clock tick; 0 when it cannot be read. */
double cpu_of(pid_t pid);

#endif /* WEFT_BENCH_CPU_H */
