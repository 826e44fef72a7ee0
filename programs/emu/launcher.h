/* SPDX-License-Identifier: Apache-2.0 */
/* weft emu: makes worlds of emulated EFA devices, starts commands in them, looks at them and
 * changes them. What a world is stands in the top-level emu/. */
#ifndef WEFT_PROGRAMS_EMU_LAUNCHER_H
#define WEFT_PROGRAMS_EMU_LAUNCHER_H

#include <limits.h>
#include <stdarg.h>
#include <sys/types.h>

#include "common/program.h"
#include "emu/util.h"
#include "emu/world.h"

#define NAME "weft emu"

/* Exit statuses of run that are not the command's, as env(1) and timeout(1) have them. */
#define RUN_FAILED    125 /* weft emu itself failed */
#define RUN_NO_EXEC   126 /* the command is there and cannot be run */
#define RUN_NOT_FOUND 127

#define WHY_MAX       512

struct emu_values {
#define OPT_FIELDS
#include "emu/emu.def"
};

/* The command line, of which each option can be asked whether it was given. */
struct request {
	const struct opt_table *table;
	struct emu_values values;
	struct opt_result result;
};

/* --- main.c -------------------------------------------------------------------------------- */

bool request_given(const struct request *request, const char *name);

/* Prints "weft emu: text" as one line on stderr; answers status. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what the user may want to know and --quiet turns off. */
void notice(const struct request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Each answers the exit status of the program. */
int command_run(const struct request *request);
int command_status(const struct request *request);
int command_fault(const struct request *request);
int command_clear(const struct request *request);
int command_down(const struct request *request);
int command_up(const struct request *request);
int command_create(const struct request *request);
int command_remove(const struct request *request);

/* --- setup.c: what the options ask for ----------------------------------------------------- */

/* What a world and its hosts are to be; checked in full before anything is made. */
struct setup {
	struct emu_world_options world;
	struct emu_host_options host;
	struct emu_fault faults[OPT_LIST_MAX];
	uint32_t fault_count;
};

/* 0, or PROGRAM_USAGE with its line printed. */
int setup_read(struct setup *setup, const struct request *request);

/* The first host that the command runs on: as the options say, else where this process is, else 0.
 */
uint32_t first_host(const struct request *request);

/* Reads a number below limit at *text and moves on. False: there is none. */
bool take_number(const char **text, uint32_t limit, uint32_t *number);

/* --- session.c: the world of this command -------------------------------------------------- */

struct session {
	struct emu_world world; /* with own set: a private one, removed when it is closed */
	bool existed;           /* the world was there before */
};

/* Opens the world that the command line or the environment names, for commands that look at one or
 * change it. 0, or the exit status with its line printed. */
int session_open(struct session *session, const struct request *request);

/* For run and create: makes what is not there, the hosts first..first+count-1 among it, and adds
 * the faults. Errors as session_open(). */
int session_make(struct session *session, const struct request *request, const struct setup *setup,
		 uint32_t first, uint32_t count);

/* Processes that live in the world now. */
uint32_t world_population(struct emu_world *world);

/* --- environment.c ------------------------------------------------------------------------- */

/* The folder with the stand-in libraries. 0 or -ENOENT with why. */
int library_folder(char folder[PATH_MAX], char *why, size_t size);

/* The file that argv[0] names, by PATH where it has no slash. 0, RUN_NOT_FOUND or RUN_NO_EXEC. */
int find_program(const char *name);

struct place {
	const char *world;
	uint32_t host, hosts;
	char folder[PATH_MAX]; /* of the libraries */
	char trace[PATH_MAX];  /* "": none */
	bool preload, mount;
};

/* Sets what a command on that host needs. 0 or -errno. */
int environment_set(const struct place *place);

/* --- crew.c: commands under way ------------------------------------------------------------ */

struct crew_options {
	const struct request *request;
	struct place place; /* host is that of the first */
	uint32_t count;
	bool group; /* several: process groups of their own, no standard input */
	bool prefix, keep_going;
};

/* From here on signals to end wait until there is a command to pass them on to: before there is a
 * world that would stay behind. */
void crew_hold(void);

/* Becomes the command (one host, nothing to be done afterwards). Only returns where that failed. */
int crew_become(const struct crew_options *options);

/* Starts the command on count hosts, passes signals on, waits for all. The exit status of the first
 * that failed, else 0. */
int crew_run(const struct crew_options *options);

/* --- stream.c: output of a command, line by line ------------------------------------------- */

#define STREAM_BYTES 4096

struct stream {
	int from, to; /* from -1: ended */
	char prefix[24];
	char text[STREAM_BYTES];
	size_t used;
};

void stream_begin(struct stream *stream, int from, int to, uint32_t host);

/* Reads what there is and writes the whole lines. False: that was the end, from is closed. */
bool stream_pump(struct stream *stream);

/* Passes on what has come until now, the start of a line too, and closes. */
void stream_end(struct stream *stream);

/* --- mount.c ------------------------------------------------------------------------------- */

/* Moves this process into a mount namespace that shows the devices of place. 0 or -errno, why. */
int mount_devices(const struct place *place, char *why, size_t size);

/* --- mount_merge.c ------------------------------------------------------------------------- */

/* Shows the tree under source in target too, by mounts: directories that both have keep their
 * entries where shared() says so, else source's takes the place. Errors as above. */
int mount_merge(const char *target, const char *source, bool (*shared)(const char *path), char *why,
		size_t size);

/* Whether an entry of the directory that can be seen at behind is to be left out. */
typedef bool mount_hides(const char *behind, const char *name, void *ctx);

/* Covers the directory by one in memory that shows all of its entries again but those that hides
 * (NULL: none) names; more can then be added. */
int mount_open_up(const char *path, mount_hides *hides, void *ctx, char *why, size_t size);

/* Mounts source (file or directory) at target, which is made. */
int mount_bind(const char *source, const char *target, char *why, size_t size);

/* --- status.c, status_json.c --------------------------------------------------------------- */

void status_text(struct emu_world *world, FILE *out);
int status_json(struct emu_world *world, FILE *out);

#define GID_TEXT 46

const char *carrier_name(const struct emu_world_shared *world);
const char *counter_name(uint32_t index);
void gid_text(const uint8_t gid[EMU_GID_BYTES], char text[GID_TEXT]);
bool nic_is_down(struct emu_world *world, uint32_t host, uint32_t nic);

/* False: the slot is free. */
bool process_shown(struct emu_world *world, uint32_t slot, bool *alive);

/* --- list.c -------------------------------------------------------------------------------- */

void list_profiles(FILE *out);
void list_faults(FILE *out);

/* "; did you mean X?", or "": what is nearest to name among profiles. */
void suggest_profile(const char *name, char *text, size_t size);

#endif
