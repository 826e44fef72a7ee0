/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines from tables.
 *
 * A program describes its command line once, in a .def file, for instance programs/kv/kv.def:
 *
 *	#include "base/opt_macros.h"
 *	OPT_PROGRAM("weft kv", "store and fetch values in a weft server")
 *	OPT(string, server_addr, "server-addr", 0, "HOST:PORT", "127.0.0.1:50051", 1, 255,
 *	    "address of the server")
 *	OPT_CMD(get, "fetch a value")
 *	OPT_ARG(one, key, "KEY", "the key")
 *	OPT(string, output, "output", 'o', "FILE", NULL, 1, 4095, "write the value here")
 *
 * and gets the struct, the table and (scripts/optdoc.c) man page and completions from it:
 *
 *	struct kv_opts {
 *	#define OPT_FIELDS
 *	#include "kv/kv.def"
 *	};
 *	static const struct opt_row kv_rows[] = {
 *	#define OPT_ROWS struct kv_opts
 *	#include "kv/kv.def"
 *	};
 *	static const struct opt_table kv_table = OPT_TABLE(kv_rows, struct kv_opts);
 *
 * Rows before the first OPT_CMD are shared: they are accepted before and after the command. Rows
 * after an OPT_CMD belong to that command. A field that two commands need is declared by OPT or
 * OPT_ARG in the first and used by OPT_AGAIN or OPT_ARG_AGAIN, same arguments, in the others.
 *
 * OPT(type, field, name, short, metavar, default, min, max, help)
 *	default is text as a user would type it, NULL (the field is zero) or OPT_REQUIRED.
 *	type		field			accepts
 *	flag		bool			--name (no value; metavar NULL, default NULL)
 *	string		const char *		min..max bytes
 *	u32, u64	uint32_t, uint64_t	decimal, min..max
 *	real		double			decimal with fraction, min..max
 *	size		uint64_t, bytes		64, 4KiB, 4KB, 4k (1024-based), 1.5G; min..max bytes
 *	duration	uint64_t, nanoseconds	500us, 1.5s, 2m, 1h; a bare number is seconds
 *	choice		uint32_t		a word of metavar "word|word|word"; its index
 *	sizes		struct opt_sizes	sizes by comma or by repeating the option
 *	strings		struct opt_strings	one per repetition
 * max 0 means no upper bound. An option that is repeated keeps its last value (but for lists).
 *
 * OPT_ARG(kind, field, name, help), in this order:
 *	one		const char *		required
 *	maybe		const char *		optional, NULL when absent
 *	rest		struct opt_rest		any number
 *	some		struct opt_rest		at least one
 *	command		struct opt_rest		at least one; ends the options: all that follows is
 *						kept as it is
 * "--" ends the options as well.
 */
#ifndef WEFT_BASE_OPT_H
#define WEFT_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPT_LIST_MAX 64
#define OPT_ROWS_MAX 256
#define OPT_NAME_MAX 32

enum opt_kind {
	OPT_KIND_PROGRAM,
	OPT_KIND_OPTION,
	OPT_KIND_COMMAND,
	OPT_KIND_ARGUMENT,
};

enum opt_type {
	OPT_TYPE_none,
	OPT_TYPE_flag,
	OPT_TYPE_string,
	OPT_TYPE_u32,
	OPT_TYPE_u64,
	OPT_TYPE_real,
	OPT_TYPE_size,
	OPT_TYPE_duration,
	OPT_TYPE_choice,
	OPT_TYPE_sizes,
	OPT_TYPE_strings,
	OPT_TYPE_one,
	OPT_TYPE_maybe,
	OPT_TYPE_rest,
	OPT_TYPE_some,
	OPT_TYPE_command,
};

struct opt_sizes {
	uint64_t values[OPT_LIST_MAX];
	uint32_t count;
};

/* Strings belong to argv. */
struct opt_strings {
	const char *values[OPT_LIST_MAX];
	uint32_t count;
};

/* A part of argv; values[count] is NULL. */
struct opt_rest {
	char **values;
	uint32_t count;
};

struct opt_row {
	enum opt_kind kind;
	enum opt_type type;
	char short_name;  /* 0: none */
	const char *name; /* without dashes; of an argument or command: as shown */
	const char *metavar;
	const char *fallback; /* default */
	uint64_t min, max;
	const char *help;
	size_t offset; /* of the field */
};

struct opt_table {
	const struct opt_row *rows; /* the first is OPT_PROGRAM */
	uint32_t count;
	size_t size; /* of the values struct */
};

#define OPT_TABLE(array, type)                                                                     \
	{                                                                                          \
		.rows = (array), .count = sizeof(array) / sizeof((array)[0]), .size = sizeof(type) \
	}

/* Default of an option that must be given. */
extern const char opt_required[];
#define OPT_REQUIRED opt_required

struct opt_result {
	const char *command; /* name of the chosen command, NULL in a program without commands */
	int command_index;   /* 0.. in the order of the table, -1: none */
	bool help;           /* --help was seen: values are not complete */
	bool version;        /* --version was seen: values are not complete */
	bool given[OPT_ROWS_MAX]; /* rows that the command line set */
};

/*
 * Reads argv[1..] into *values (a struct table->size bytes big, filled with the defaults first).
 * Strings stay argv's. Reorders argv's positional arguments to the front. 0, or -EINVAL with one
 * line of detail (option, offending value, why, what is allowed) in err.h's store.
 */
int opt_parse(const struct opt_table *table, int argc, char **argv, void *values,
	      struct opt_result *result);

/* Whether the command line set the option (name without dashes) or argument. */
bool opt_given(const struct opt_table *table, const struct opt_result *result, const char *name);

/* Prints the help of the program (command -1) or of one command. */
void opt_help(const struct opt_table *table, int command, FILE *out);

/* A row's help with what it accepts and its default: "memory of values (1..9, default 4)". Returns
 * buf. */
#define OPT_TEXT_MAX 1024
char *opt_text(const struct opt_row *row, char *buf, size_t room);

/* Looks for mistakes in a table: names, bounds, defaults that do not parse, clashes. 0 or -EINVAL
 * with detail. For tests. */
int opt_check(const struct opt_table *table);

/* Name of the program as the user types it, "weft kv". */
const char *opt_program(const struct opt_table *table);
/* Row of command index (0..), NULL past the last. */
const struct opt_row *opt_command(const struct opt_table *table, int index);
/* Next row after *index (start: -1) of that kind that command (-1: the shared part) owns; NULL at
 * the end. */
const struct opt_row *opt_next(const struct opt_table *table, int command, enum opt_kind kind,
			       int *index);

/* Values, one at a time. Text of the error is relative: "'x' is not a number (1..9)". */
int opt_value(const struct opt_row *row, const char *text, void *field);
/* "size" or "duration" text to bytes or nanoseconds. 0 or -EINVAL / -ERANGE. */
int opt_scaled(enum opt_type type, const char *text, uint64_t *ret);
/* The reverse, exact: 4194304 -> "4MiB", 1500000000 -> "1500ms". Returns buf. */
char *opt_scaled_text(enum opt_type type, uint64_t value, char buf[OPT_NAME_MAX]);
/* What a row accepts: "1..65535", "4KiB..1GiB", "tcp|shm"; "" for anything. Returns buf. */
char *opt_allowed(const struct opt_row *row, char *buf, size_t room);
/* text in single quotes, control bytes replaced and cut, for one-line messages. Returns buf. */
#define OPT_QUOTE_MAX 72
char *opt_quote(const char *text, char buf[OPT_QUOTE_MAX]);
/* The candidate nearest to text if one is near enough to be a slip, else NULL. best: what
 * was found so far (NULL at first) with its *distance. */
const char *opt_nearest(const char *text, const char *candidate, const char *best,
			uint32_t *distance);

#endif /* WEFT_BASE_OPT_H */
