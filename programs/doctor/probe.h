/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft-doctor-probe: what libraries say, as "key=value" lines. Each is asked in a process of its
 * own, which may crash or hang. None is linked: what is missing is part of the answer. host/probe.h
 * has the keys.
 */
#ifndef WEFT_PROGRAMS_DOCTOR_PROBE_H
#define WEFT_PROGRAMS_DOCTOR_PROBE_H

#include <stddef.h>

#define PROBE_DEVICES_MAX   64
#define PROBE_PROVIDERS_MAX 32
#define PROBE_TEXT_MAX      512

/* One line of the answer, "key=value", at once. */
void probe_put(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Opens a library, or puts "KEY=absent: why". NULL then. */
void *probe_open(const char *key, const char *file);
/* The real path of the library that holds a function; "" when that is not known. Returns ret. */
char *probe_path(void *function, char *ret, size_t room);
/* "ENODATA No data available" of an errno. Returns ret. */
char *probe_error(int error, char *ret, size_t room);

void probe_verbs(void);
void probe_fabric(void);
void probe_cuda(void);

#endif /* WEFT_PROGRAMS_DOCTOR_PROBE_H */
