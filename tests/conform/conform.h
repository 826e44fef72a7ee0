/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conformance suite: what include/weft/weft.h promises, checked over one provider at a time.
 *
 * A case is a function in one of the tables below. Each runs in a process of its own, once with
 * every engine driven by the caller and once with owner threads, so a crash or a hang costs one
 * case and is reported under its name. A failed check ends that process at once.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#include "base/clock.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFORM_SLOWER 3
#elif defined(__has_feature)
#define CONFORM_SLOWER (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ? 3 : 1)
#else
#define CONFORM_SLOWER 1
#endif
/* How many times as long as usual all may take: CONFORM_SLOWER, times what the environment says. */
extern uint64_t conform_slower;
/* Longest that anything in a case may take that has no deadline of its own. */
#define CONFORM_LIMIT_NS (20 * conform_slower * NSEC_PER_SEC)
/* For a handshake; what weft itself takes, where nothing is slower. */
#define CONFORM_CONNECT_NS (10 * conform_slower / CONFORM_SLOWER * NSEC_PER_SEC)
/* A whole case: past it the watchdog ends the process. */
#define CONFORM_WATCHDOG_S (90 * conform_slower)
/* How late the end of a transfer may be reported on a busy machine. */
#define CONFORM_SLACK_NS (2 * conform_slower / CONFORM_SLOWER * NSEC_PER_SEC)

/* What the suite expects of a provider. */
struct conform_row {
	const char *name;
	const char *bind_addr;
	bool required;       /* absent is a failure, not a skip */
	bool processes;      /* reaches other processes */
	bool watches_peers;  /* the death of a peer process is seen without traffic to it */
	bool needs_target;   /* nothing is placed while the target process is stopped */
	bool script;         /* takes a script in opts.devices */
	bool nic;            /* opts.rails counts */
	bool shares_device;  /* more rails than devices can be opened */
	bool keeps_segments; /* of endpoints that were open in this process, mapped */
	long pools_kib;      /* of an endpoint's memory that the provider keeps, or not */
	bool close_waits;    /* closing waits until the device of a peer has answered, and a device
			      * that is not real stops with its process */
	bool late_quiet;     /* operations to a dead peer may fall quiet only seconds later */
	uint32_t rdma;       /* enum weft_rdma, of WRITE and READ; 0: the version decides */
	bool host_way;       /* what auto takes to another process of this host */
	bool refusal_unseen; /* a connection that is refused looks like one that takes long */
	const char *counter; /* of its devices, counts what is sent; NULL: they have none */
	uint32_t counter_unit; /* bytes that it counts as one */
	bool keeps_addresses;  /* of peers that are gone */
};

struct conform {
	const struct conform_row *row;
	uint32_t progress; /* enum weft_progress, for every engine of the case */
	uint32_t rails;    /* of every engine that is not asked for another number */
	uint32_t lives;    /* of a peer, in cases that look for what they leave */
};

enum conform_needs {
	NEEDS_PROCESSES = 1, /* a peer in another process */
	NEEDS_SCRIPT = 2,
	NEEDS_NIC = 4,
	ONLY_THREAD = 8,
	ONLY_MANUAL = 16,
	NEEDS_HOST_WAY = 32,
};

struct conform_case {
	const char *name;
	void (*fn)(const struct conform *c);
	uint32_t needs; /* enum conform_needs, or-ed */
};

/* Tables end with an entry without a name. */
extern const struct conform_case cases_open[];
extern const struct conform_case cases_data[];
extern const struct conform_case cases_apart[];
extern const struct conform_case cases_batch[];
extern const struct conform_case cases_message[];
extern const struct conform_case cases_arrival[];
extern const struct conform_case cases_guard[];
extern const struct conform_case cases_revoke[];
extern const struct conform_case cases_descriptor[];
extern const struct conform_case cases_end[];
extern const struct conform_case cases_fork[];
extern const struct conform_case cases_frozen[];
extern const struct conform_case cases_gone[];
extern const struct conform_case cases_restart[];
extern const struct conform_case cases_choice[];
extern const struct conform_case cases_broken[];
extern const struct conform_case cases_path[];
extern const struct conform_case cases_rdma[];
extern const struct conform_case cases_fetch[];
extern const struct conform_case cases_errors[];
extern const struct conform_case cases_stats[];
extern const struct conform_case cases_thread[];
extern const struct conform_case cases_alloc[];
extern const struct conform_case cases_key[];
extern const struct conform_case cases_region[];
extern const struct conform_case cases_split[];
extern const struct conform_case cases_idle[];
extern const struct conform_case cases_unheard[];

/* --- verdicts: usable from any thread of a case's process ------------------------------------- */

_Noreturn void conform_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The case does not apply here; the reason is printed. */
_Noreturn void conform_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Skips the case where the provider has fewer devices than rails that it needs. */
void conform_needs_rails(const struct conform *c, uint32_t rails);
/* Skips the case where the machine has less memory to spare, as a small virtual one. */
void conform_needs_memory(unsigned long mib);
/* How many entries /proc/self/fd has, those of the look itself among them: to compare two looks. */
int conform_descriptors(void);
/* Notes what each of them is. */
void conform_note_descriptors(void);
/* A diagnostic line in the output. */
void conform_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Remembers where the case is, for the watchdog's report. */
void conform_at(const char *file, int line);
/* Fails unless rc is want; text is what was called. Returns rc. */
int conform_rc(const char *file, int line, const char *text, int rc, int want);
void conform_int(const char *file, int line, const char *text, int64_t value, int64_t want);

#define check(cond)                                                                  \
	do {                                                                         \
		conform_at(__FILE__, __LINE__);                                      \
		if (!(cond))                                                         \
			conform_fail(__FILE__, __LINE__, "%s does not hold", #cond); \
	} while (0)
#define check_rc(call, want) \
	(conform_at(__FILE__, __LINE__), conform_rc(__FILE__, __LINE__, #call, (call), (want)))
#define check_ok(call) check_rc(call, 0)
#define check_int(value, want)           \
	(conform_at(__FILE__, __LINE__), \
	 conform_int(__FILE__, __LINE__, #value, (int64_t)(value), (int64_t)(want)))

#endif /* CONFORM_H */
