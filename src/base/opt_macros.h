/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included by a .def option table as its first line, once per use. Whoever includes the table
 * defines one of these before:
 *	OPT_FIELDS	members of the values struct
 *	OPT_ROWS	initialisers of struct opt_row; its value is the type of the values struct
 *	OPT_COMMANDS	OPT_COMMAND(id), defined by the includer, for each command
 * OPT_FIELDS and OPT_COMMANDS are taken back here, OPT_ROWS stays defined: its value is needed
 * until the end of the table. No include guard: that is the point.
 */
#include "base/opt.h"

#undef OPT
#undef OPT_AGAIN
#undef OPT_ARG
#undef OPT_ARG_AGAIN
#undef OPT_CMD
#undef OPT_PROGRAM

#if defined(OPT_FIELDS)
#undef OPT_FIELDS
#define OPT_CTYPE_flag     bool
#define OPT_CTYPE_string   const char *
#define OPT_CTYPE_u32      uint32_t
#define OPT_CTYPE_u64      uint64_t
#define OPT_CTYPE_real     double
#define OPT_CTYPE_size     uint64_t
#define OPT_CTYPE_duration uint64_t
#define OPT_CTYPE_choice   uint32_t
#define OPT_CTYPE_sizes    struct opt_sizes
#define OPT_CTYPE_strings  struct opt_strings
#define OPT_CTYPE_one      const char *
#define OPT_CTYPE_maybe    const char *
#define OPT_CTYPE_rest     struct opt_rest
#define OPT_CTYPE_some     struct opt_rest
#define OPT_CTYPE_command  struct opt_rest
#define OPT_PROGRAM(name, summary)
#define OPT_CMD(id, summary)
#define OPT(type, field, name, short, metavar, fallback, min, max, help) OPT_CTYPE_##type field;
#define OPT_ARG(type, field, name, help)                                 OPT_CTYPE_##type field;
#define OPT_AGAIN(type, field, name, short, metavar, fallback, min, max, help)
#define OPT_ARG_AGAIN(type, field, name, help)

#elif defined(OPT_COMMANDS)
#undef OPT_COMMANDS
#define OPT_PROGRAM(name, summary)
#define OPT_CMD(id, summary) OPT_COMMAND(id)
#define OPT(type, field, name, short, metavar, fallback, min, max, help)
#define OPT_ARG(type, field, name, help)
#define OPT_AGAIN(type, field, name, short, metavar, fallback, min, max, help)
#define OPT_ARG_AGAIN(type, field, name, help)

#elif defined(OPT_ROWS)
#define OPT_PROGRAM(name, summary) \
	{ OPT_KIND_PROGRAM, OPT_TYPE_none, 0, name, NULL, NULL, 0, 0, summary, 0 },
#define OPT_CMD(id, summary) \
	{ OPT_KIND_COMMAND, OPT_TYPE_none, 0, #id, NULL, NULL, 0, 0, summary, 0 },
#define OPT(type, field, name, short, metavar, fallback, min, max, help) \
	{                                                                \
		OPT_KIND_OPTION,                                         \
		OPT_TYPE_##type,                                         \
		short,                                                   \
		name,                                                    \
		metavar,                                                 \
		fallback,                                                \
		min,                                                     \
		max,                                                     \
		help,                                                    \
		offsetof(OPT_ROWS, field)                                \
	},
#define OPT_ARG(type, field, name, help)                                              \
	{ OPT_KIND_ARGUMENT,        OPT_TYPE_##type, 0, name, NULL, NULL, 0, 0, help, \
	  offsetof(OPT_ROWS, field) },
#define OPT_AGAIN     OPT
#define OPT_ARG_AGAIN OPT_ARG

#else
#error "define OPT_FIELDS, OPT_ROWS or OPT_COMMANDS before including an option table"
#endif
