/* SPDX-License-Identifier: Apache-2.0 */
/* "name=value" arguments of the benchmark programs, which bench/run.py calls. */
#ifndef WEFT_BENCH_ARGS_H
#define WEFT_BENCH_ARGS_H

#include <stddef.h>
#include <stdint.h>

enum arg_type {
	ARG_U64,    /* uint64_t; K, M, G (1024) may follow */
	ARG_DOUBLE, /* double */
	ARG_TEXT,   /* const char * into argv */
};

struct arg {
	const char *name;
	enum arg_type type;
	size_t offset;   /* of the field in the structure that is filled */
	double min, max; /* of a number */
	const char *help;
};

/* Fills out by argv; rows end with a NULL name. On a bad argument prints one line and the list to
 * stderr and returns -EINVAL. */
int args_parse(void *out, const struct arg *rows, int argc, char **argv);

#endif /* WEFT_BENCH_ARGS_H */
