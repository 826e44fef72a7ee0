/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault matrix: each fault of the emulator with each operation in each size. A cell of it is a
 * process of its own in a world of its own: host 1 has the engine under test, host 0 the target
 * that the fault is about, and further hosts targets that must not notice.
 */
#ifndef MATRIX_H
#define MATRIX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "child.h"
#include "emu/world.h"
#include "net.h"

enum op {
	OP_WRITE,
	OP_READ,
	OP_NOTIFY, /* done when its echo is here */
	OP_IMM,    /* a WRITE that an arrival of the target counts */
	OPS
};

enum size {
	SIZE_SMALL,   /* 64 bytes */
	SIZE_LARGE,   /* 4 MiB; a message: as long as can be */
	SIZE_STRIPED, /* the same over four rails */
	SIZES
};

enum act {
	ACT_FAULT,    /* the fault stands while the operations run */
	ACT_STARTING, /* the fault stands in another process, which opens its first engine */
	ACT_OPENING,  /* the fault stands while the engine is opened and registers */
	ACT_MEETING,  /* the fault stands while the engine meets its peers */
	ACT_STOP,     /* the target is stopped meanwhile */
	ACT_REVOKE,   /* the target takes its region back when half of them are under way; the
		       * others, which come later, are refused at once */
};

enum expect {
	EXPECT_DONE,   /* the fault is hidden: all are done */
	EXPECT_FAILED, /* nothing can be done */
	EXPECT_ANY,    /* done or failed */
	EXPECT_HITS,   /* the same, and no more fail than the fault has struck */
};

/* Operations, rails and errors as bits. */
enum {
	WRITE = 1 << OP_WRITE,
	READ = 1 << OP_READ,
	NOTIFY = 1 << OP_NOTIFY,
	IMM = 1 << OP_IMM,
	DATA = WRITE | READ | IMM,
	ANY_OP = DATA | NOTIFY,
	ONE_RAIL = 1 << SIZE_SMALL | 1 << SIZE_LARGE,
	FOUR_RAILS = 1 << SIZE_STRIPED,
	ANY_RAILS = ONE_RAIL | FOUR_RAILS,
	GONE = 1,
	DEADLINE = 2,
	REFUSED = 4,
	REVOKED = 8,
	PROVIDER = 16,
	STUCK = 32,
};

/* How operations of a row may end. */
struct ends {
	const char *row;
	uint32_t ops, sizes; /* bits of enum op, enum size */
	enum expect expect;
	uint32_t errors; /* those that a failure may have */
};

/* How it goes on without the fault. */
enum then {
	THEN_WORKS, /* at once, or as soon as the peer, reported gone, has been met again */
	THEN_CUT,  /* the same, and after messages perhaps not: libfabric's efa, which keeps them in
		    * order, waits for one that was lost; nothing more comes over those rails, and
		    * meeting again ends by its deadline */
	THEN_DEAD, /* the peer is reported gone */
	THEN_REVOKED, /* the region stays refused */
	THEN_LOST,    /* a completion never comes: libfabric's efa waits for it when it is closed */
};

struct row {
	const char *name;
	enum emu_fault_kind kind;
	const char *fault;
	enum act act;
	enum then then;
	uint32_t timeout_ms, deadline_ms;
	const char *full;
};

#define CODES 6

/* What came out of a cell, in memory that its process shares with the runner. */
struct outcome {
	int status; /* wait status of the cell's process */
	uint32_t count, done;
	struct {
		int error;
		uint32_t count;
	} failed[CODES];
	uint64_t slowest_ns;
	uint64_t bytes;  /* of all operations, one way */
	uint64_t struck; /* how often the fault did what it does: as the emulator counts it; a
			  * stopped target: 1; a region taken back: operations under way then */
	bool by_device;  /* WRITEs, or READs, are done by the device, as far as is known */
	uint64_t wrong_bytes;
	uint64_t leaks;
	const char *after; /* how it went on, a literal */
};

struct cell {
	const struct row *row;
	enum op op;
	enum size size;
	uint32_t hosts; /* 2 to 8 */
	struct emu_world *world;
	struct outcome *out;
};

#define OPS_MAX 32u
#define HOSTS   8u

/* The operations of a cell. */
struct ops {
	enum op op;
	uint32_t count, started;
	size_t each, stride;
	uint64_t seed;
	uint64_t start_ns, deadline_ns; /* deadline: from start */
	struct weft_batch *batches[OPS_MAX];
	bool ended[OPS_MAX], begun[OPS_MAX], came[OPS_MAX];
	int error[OPS_MAX];
	uint64_t begun_ns[OPS_MAX], lasted_ns[OPS_MAX];
	uint64_t wrong_bytes;
	uint32_t imm;
	uint8_t *sealed; /* the target's memory as it was when it had taken its region back */
	bool late;       /* messages of earlier operations may still come */
};

/* A cell in its process. */
struct run {
	const struct cell *cell;
	struct conform conform;
	struct net net;
	struct weft *weft;
	struct area area; /* ours */
	struct weft_region *region;
	struct child child[HOSTS]; /* [0] the target; then the others' */
	struct weft_remote *remote[HOSTS];
	uint32_t peers;
	struct ops ops;
	bool killed; /* the target is dead */
	int files;   /* descriptors that were open before */
};

/* --- ops.c --- */
/* Bytes that the operations of a cell need on each side. */
size_t ops_room(enum op op, enum size size);
/* Sets the memory of both sides up. */
void ops_prepare(struct run *r, uint64_t seed, uint32_t count, uint64_t deadline_ns);
/* Those from first to end - 1; a message that finds no room goes later. */
void ops_start(struct run *r, uint32_t first, uint32_t end);
/* How many of those that were started have not ended. */
uint32_t ops_open(const struct run *r);
/* True when all that were started have ended. */
bool ops_poll(struct run *r);
/* The target has taken its region back: what is there is kept to be compared, and from now on
 * nothing may land. */
void ops_seal(struct run *r);
/* Waits until each that is done has been counted by the target, and checks that none has been
 * twice. */
void ops_check_arrived(struct run *r);
/* True when every message that was taken has come, in time or not, or its peer is gone. */
bool ops_delivered(struct run *r);
/* Bytes that stand where they must not, of all operations since ops_prepare(). */
uint64_t ops_wrong(struct run *r);
void ops_finish(struct run *r);

/* --- cell.c --- */
/* Runs the cell in this process; a failed check ends it. */
void cell_run(const struct cell *cell);

/* --- host.c --- */
/* Makes the cell's world. False: why says what was wrong. */
bool host_world(struct cell *cell, const char *dir, char *why, size_t size);
/* Has this process be on a host of the cell's world, and those that it starts on another. */
void host_here(const struct cell *cell, uint32_t host);
void host_peers(const struct cell *cell, uint32_t host);
void host_fault(const struct cell *cell);
/* Removes the faults. How often they have struck. */
uint64_t host_fault_clear(const struct cell *cell);
/* Bytes in a second that the fault lets out of a NIC; 0: does not limit. */
uint64_t host_fault_rate(const struct row *row);

/* --- judge.c --- */
extern const struct row rows[];
extern const size_t row_count;
extern const char *const op_names[OPS], *const size_names[SIZES];
/* Every fault that the emulator has is in the matrix. */
bool judge_kinds(void);
/* Whether the outcome is what the row says; prints what is not. */
bool judge_outcome(const struct cell *cell, const struct outcome *out);
void judge_head(FILE *file);
void judge_line(FILE *file, const struct cell *cell, const struct outcome *out, bool good);

/* --- apart.c --- */
/* Skips, in the cell's process, where there is no efa provider. */
void apart_probe(const struct cell *cell);
/* Runs fn in a world of its own, in a process of its own, and fills cell->out; prints where it
 * ended, if not well. */
void apart_run(struct cell *cell, void (*fn)(const struct cell *));

#endif /* MATRIX_H */
