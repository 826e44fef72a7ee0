/* SPDX-License-Identifier: Apache-2.0 */
/* What a run is about: a machine or a copy of its files, an environment, the helper's answer. */
#ifndef WEFT_DOCTOR_OPEN_H
#define WEFT_DOCTOR_OPEN_H

#include "doctor/doctor.h"
#include "host/probe.h"

#define DOCTOR_ENVIRON_MAX (1 << 20) /* bytes of an environment */
#define DOCTOR_PROBE_MAX   HOST_PROBE_MAX

struct doctor_source {
	const char *sysroot;      /* a directory that holds a copy; NULL: this machine */
	const char *sysfs;        /* $SYSFS_PATH; NULL: /sys. Only for this machine */
	const char *environ_file; /* of this machine in any case; NULL: see below */
	char **environ;           /* of this process */
	bool probe;               /* run the helper */
	const char *probe_path;   /* $WEFT_PROBE; NULL: beside this program */
};

/*
 * Without environ_file the environment is that of this process, or of a copy: its file "environ",
 * or /proc/self/environ. The helper's answer of a copy is its file "probe", if there is one.
 * 0, or -errno with err_set(). Strings of source have to stay.
 */
int doctor_open(struct doctor *ret, const struct doctor_source *source);
void doctor_close(struct doctor *doctor);

#endif /* WEFT_DOCTOR_OPEN_H */
