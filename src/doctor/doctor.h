/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weft doctor: a table of checks, run in order from cause to symptom, each with its verdict.
 *
 * A check is a row of checks_X.def, X its group's letter, and a function check_ID() in
 * check_X*.c. It reads the machine through doctor->root, never waits for what may not come
 * (whoever runs it ends it after DOCTOR_CHECK_NS all the same, in a process of its own, so that a
 * crash is a verdict too), and fills one finding:
 *
 *	CHECK(B1, "kernel modules", FATAL, "A3", "the modules efa, ib_core and ib_uverbs are
 *loaded", "without them there is no RDMA device: libfabric's provider efa finds nothing",
 *	      "/sys/module/{efa,ib_core,ib_uverbs}", "sudo modprobe efa ib_uverbs",
 *	      "driver RELEASENOTES; EFA installer")
 *
 *	void check_B1(const struct doctor *doctor, struct finding *f)
 *	{
 *		if (sysroot_exists(&doctor->root, "/sys/module/efa")) {
 *			finding_evidence(f, "/sys/module/efa: %s", "not there");
 *			finding_say(f, DOCTOR_FAIL, "the driver efa is not loaded");
 *			finding_fix(f, "sudo modprobe efa");
 *			return;
 *		}
 *		...
 *		finding_say(f, DOCTOR_OK, "efa, ib_core and ib_uverbs are loaded");
 *	}
 */
#ifndef WEFT_DOCTOR_DOCTOR_H
#define WEFT_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "host/sysroot.h"

#define DOCTOR_CHECK_NS     (5 * NSEC_PER_SEC) /* a check that takes longer is "unknown" */
#define DOCTOR_TEXT_MAX     512                /* of a finding's sentence, and of its fix */
#define DOCTOR_EVIDENCE_MAX 2048               /* all lines, each ended by a newline */
/* A fix: what tells whether two machines reach each other, which no file of one of them does. */
#define DOCTOR_TWO_NODES "weft doctor --peer HOST # where on HOST runs: weft perf server"

enum doctor_verdict {
	DOCTOR_OK,      /* as it should be; a note of fact too */
	DOCTOR_SKIPPED, /* does not apply here: no GPU, not in Kubernetes; the sentence says why */
	DOCTOR_UNKNOWN, /* cannot be told: no permission, not EC2, a tool or library that is absent
			 */
	DOCTOR_WARN,    /* it works, at a cost */
	DOCTOR_FAIL,    /* EFA does not work, or what was asked for does not */
	DOCTOR_VERDICTS,
};

/* What a row's failure is worth: a check of severity WARN never says DOCTOR_FAIL, one of INFO
 * neither that nor DOCTOR_WARN. */
enum doctor_severity {
	DOCTOR_INFO,
	DOCTOR_WARNING,
	DOCTOR_FATAL
};

struct finding {
	enum doctor_verdict verdict;
	char text[DOCTOR_TEXT_MAX];         /* one sentence: what is the case */
	char consequence[DOCTOR_TEXT_MAX];  /* "" : the row's */
	char fix[DOCTOR_TEXT_MAX];          /* a command to paste; "" : the row's */
	char evidence[DOCTOR_EVIDENCE_MAX]; /* "PATH: value" lines */
};

/* What the run is about; the same for all checks. */
struct doctor {
	struct sysroot root;
	/* The environment looked at: NAME=VALUE strings, ended by NULL. Of this process, or of the
	 * file that --environ names; with --sysroot alone, the copy's /proc/self/environ. */
	char **environ;
	char *environ_text; /* doctor_open()'s: what environ points into; NULL: the process's */
	bool sysroot_given; /* nothing but files may be asked: no system call about this process */
	/* What the helper with the libraries said, "key=value" lines (probe.h); "" when it was not
	 * run or could not be, and then why. */
	const char *probe, *probe_why;
};

struct doctor_check {
	const char *id;   /* "B1" */
	const char *name; /* a few words */
	enum doctor_severity severity;
	const char
		*needs;   /* ids, blank-separated: unless they are OK or WARN this one is skipped */
	const char *what; /* what is true when all is well, a sentence without its stop */
	const char *consequence;
	const char *detect; /* which files or calls tell */
	const char *fix;
	const char *source;
	void (*run)(const struct doctor *doctor, struct finding *f);
};

/* All rows in the order in which they run. */
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_count;

/* For checks. The sentence, printf style; what does not fit is cut. */
void finding_say(struct finding *f, enum doctor_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void finding_evidence(struct finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void finding_fix(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_consequence(struct finding *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The evidence and sentence of a file that could not be read: "unknown: PATH: No permission". */
void finding_unread(struct finding *f, int error, const char *path);

/* A variable of doctor->environ; NULL: not set. */
const char *doctor_getenv(const struct doctor *doctor, const char *name);
/* A value of doctor->probe, copied; false when the helper did not say. */
bool doctor_probe(const struct doctor *doctor, const char *key, char *ret, size_t room);

/* Facts that several checks need, read anew each time. */
/* "p5.48xlarge"; false: not EC2, or not told (no DMI in this container). */
bool doctor_instance_type(const struct doctor *doctor, char *ret, size_t room);
bool doctor_is_ec2(const struct doctor *doctor);
/* PCI functions 1d0f:efa0..efaf below /sys/bus/pci/devices. */
int doctor_efa_functions(const struct doctor *doctor);

/* check_ID() of each row. */
#define GROUP(letter, title)
#define CHECK(id, ...) void check_##id(const struct doctor *doctor, struct finding *f);
#include "doctor/checks.def"
#undef GROUP
#undef CHECK

#endif /* WEFT_DOCTOR_DOCTOR_H */
