/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a report as JSON has them: one row for each. The writer, the reader and the JSON
 * Schema (docs/perf-report.schema.json) all come from these rows.
 */
#ifndef WEFT_PERF_REPORT_FIELDS_H
#define WEFT_PERF_REPORT_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define PERF_SCHEMA_NAME    "weft-perf-report"
#define PERF_SCHEMA_VERSION 1

enum perf_field_kind {
	FIELD_U64, /* a number; above 2^53, where JSON's readers round, a decimal string */
	FIELD_U32,
	FIELD_CODE,   /* int: 0 or a negative code of weft/error.h */
	FIELD_DOUBLE, /* null: not known */
	FIELD_BOOL,
	FIELD_TEXT,    /* char[size] */
	FIELD_STRING,  /* const char * */
	FIELD_WORD,    /* an enum, by its word */
	FIELD_OBJECT,  /* a struct inside */
	FIELD_LIST,    /* size bytes each: an allocated array; its length is an uint32_t */
	FIELD_INSIDE,  /* the same, an array inside the struct with room for max */
	FIELD_NUMBERS, /* an allocated array of uint64_t, or NULL */
	FIELD_HIST,    /* struct hist *, or NULL */
};

struct perf_object;

struct perf_field {
	const char *name;
	enum perf_field_kind kind;
	uint32_t max;    /* most elements, or number of words */
	size_t at, size; /* offset in the struct; bytes of it, or of an element */
	size_t count_at; /* LIST, INSIDE, NUMBERS: offset of the length */
	const struct perf_object *of;
	const char *(*word)(uint32_t);
	const char *what; /* for people; with the unit */
};

struct perf_object {
	const char *name; /* in the schema */
	const char *what;
	const struct perf_field *field;
	uint32_t fields;
};

/* The whole: struct perf_report. All others are reached from it. */
extern const struct perf_object perf_report_object;
/* Those to which the writer adds "derived", which the reader passes over. */
extern const struct perf_object perf_result_object;

/* Writes the JSON Schema. 0, or json_end()'s code. */
int perf_schema_write(FILE *file);

#endif /* WEFT_PERF_REPORT_FIELDS_H */
