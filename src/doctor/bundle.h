/* SPDX-License-Identifier: Apache-2.0 */
/* An archive for support: the reports, and what they were made of, without secrets. */
#ifndef WEFT_DOCTOR_BUNDLE_H
#define WEFT_DOCTOR_BUNDLE_H

#include "doctor/report.h"

#define BUNDLE_MS 30000 /* for reading all that is copied */

/*
 * Writes weft-doctor/report.{txt,json,md}, weft-doctor/dmesg.txt, and below weft-doctor/tree/ what
 * doctor_open() takes as a copy of this machine: the files that were evidence, a few of general
 * interest, what sysfs tells of devices, the helper's answer and the environment. When files cannot
 * be read within limit_ms (0: none is), they are left out. 0, or -errno with err_set().
 */
int bundle_write(const struct doctor_report *report, const char *path, int limit_ms);

#endif /* WEFT_DOCTOR_BUNDLE_H */
