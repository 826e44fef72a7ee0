/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a fault into its row. */
#include "emu/fault_parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "emu/util.h"

enum {
#define EMU_STATUS(id, code, verbs, meaning) STATUS_##id = (code),
#include "emu/status.def"
#undef EMU_STATUS
};

#define OPS(op)     (1u << EMU_OP_##op)
#define GIVEN(key)  (1u << EMU_KEY_##key)
#define DEPTH       8
#define FLAP_PERIOD EMU_S
#define FLAP_DOWN   (100 * EMU_MS)
#define DETAIL      400

int emu_fault_wrong(struct emu_fault_text *parse, const char *format, ...)
{
	va_list args;
	char *c;

	if (!parse->size)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(parse->why, parse->size, format, args);
	va_end(args);
	for (c = parse->why; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

/* Joins names for a message. */
static void join(const char *const *names, int count, char *text, size_t size)
{
	size_t used = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < count; i++)
		if (names[i] && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 names[i]);
}

/* No such name: says which there are, and which was probably meant. */
int emu_fault_no_name(struct emu_fault_text *parse, const char *what, const char *const *names,
		      int count, const char *text, size_t length)
{
	int near = emu_name_near(names, count, text, length),
	    shown = length < 40 ? (int)length : 40;
	char list[320];

	join(names, count, list, sizeof(list));
	if (near >= 0)
		return emu_fault_wrong(parse, "no %s '%.*s'; did you mean %s? There are: %s", what,
				       shown, text, names[near], list);
	return emu_fault_wrong(parse, "no %s '%.*s'; there are: %s", what, shown, text, list);
}

static int parse_kind(struct emu_fault_text *parse, const char *text, size_t length)
{
	const char *names[EMU_FAULT_KINDS];
	int i;

	for (i = 0; i < EMU_FAULT_KINDS; i++)
		names[i] = emu_fault_kinds[i].name;
	i = emu_name_find(names, EMU_FAULT_KINDS, text, length);
	if (i < 0)
		return emu_fault_no_name(parse, "fault", names, EMU_FAULT_KINDS, text, length);
	parse->kind = (enum emu_fault_kind)i;
	return 0;
}

/* One "key=value", which it cuts at the "=". */
static int parse_pair(struct emu_fault_text *parse, char *pair)
{
	const char *kind = emu_fault_kinds[parse->kind].name, *names[EMU_FAULT_KEYS];
	char *value = strchr(pair, '='), detail[DETAIL];
	struct emu_fault_text inner = *parse;
	int key, rc;

	if (!value)
		return emu_fault_wrong(parse,
				       "%s: "
				       "'%.40s'"
				       " is not key=value",
				       kind, pair);
	*value++ = '\0';
	for (key = 0; key < EMU_FAULT_KEYS; key++)
		names[key] =
			emu_fault_key_use(parse->kind, (enum emu_fault_key)key) == EMU_KEY_UNUSED
				? NULL
				: emu_fault_keys[key].name;
	key = emu_name_find(names, EMU_FAULT_KEYS, pair, strlen(pair));
	if (key < 0) {
		snprintf(detail, sizeof(detail), "key of %s", kind);
		return emu_fault_no_name(parse, detail, names, EMU_FAULT_KEYS, pair, strlen(pair));
	}
	if (parse->given & 1u << key)
		return emu_fault_wrong(parse, "%s: %s= is given twice", kind, names[key]);
	inner.why = detail;
	inner.size = sizeof(detail);
	rc = emu_fault_parsers[key](&inner, value);
	parse->host = inner.host;
	parse->nic = inner.nic;
	parse->qp = inner.qp;
	parse->given |= 1u << key;
	return rc ? emu_fault_wrong(parse, "%s: %s: %s", kind, names[key], detail) : 0;
}

static void defaults(struct emu_fault_text *parse)
{
	struct emu_fault *fault = parse->fault;

	memset(fault, 0, sizeof(*fault));
	fault->src_host = fault->src_nic = fault->dst_host = fault->dst_nic = EMU_ANY;
	fault->qpn = EMU_ANY;
	fault->probability = 1;
	fault->count = UINT64_MAX;
	fault->end = EMU_NEVER;
	parse->host = parse->nic = parse->qp = EMU_ANY;
}

/* What a kind has where the text does not say. */
static void kind_defaults(struct emu_fault_text *parse)
{
	struct emu_fault *fault = parse->fault;
	uint32_t ops = 0;

	switch ((int)parse->kind) {
	case EMU_FAULT_REORDER:
		fault->depth = fault->depth ? fault->depth : DEPTH;
		break;
	case EMU_FAULT_FLAP:
		fault->period = parse->given & GIVEN(period) ? fault->period : FLAP_PERIOD;
		fault->delay = parse->given & GIVEN(down) ? fault->delay : FLAP_DOWN;
		break;
	case EMU_FAULT_LIMIT:
		fault->delay = parse->given & GIVEN(burst) ? fault->delay : EMU_LIMIT_BURST;
		break;
	case EMU_FAULT_REVOKED_KEY:
		if (!(parse->given & (GIVEN(skip) | GIVEN(after))))
			fault->skip = 1;
		fault->status = STATUS_REMOTE_ADDRESS;
		ops = OPS(READ) | OPS(WRITE);
		break;
	case EMU_FAULT_BAD_KEY:
		fault->status = STATUS_REMOTE_ADDRESS;
		ops = OPS(READ) | OPS(WRITE);
		break;
	case EMU_FAULT_STATUS:
		ops = OPS(SEND) | OPS(READ) | OPS(WRITE) | OPS(IMM);
		break;
	case EMU_FAULT_RNR:
		fault->status = STATUS_RNR;
		ops = OPS(SEND) | OPS(IMM);
		break;
	case EMU_FAULT_REFUSE:
		fault->error = fault->error ? fault->error : ENOMEM;
		break;
	}
	if (!fault->ops)
		fault->ops = ops;
}

/* host= and nic= name the fault's own side, unless src= (dst=) does already. */
static int own_side(struct emu_fault_text *parse)
{
	struct emu_fault *fault = parse->fault;
	bool receiver = parse->kind == EMU_FAULT_RNR || parse->kind == EMU_FAULT_SLOW_RECEIVER;
	uint32_t *host = receiver ? &fault->dst_host : &fault->src_host;
	uint32_t *nic = receiver ? &fault->dst_nic : &fault->src_nic;
	const char *kind = emu_fault_kinds[parse->kind].name, *side = receiver ? "dst" : "src";

	if (parse->host != EMU_ANY && *host != EMU_ANY)
		return emu_fault_wrong(parse, "%s: host= and %s= both name the host: give one",
				       kind, side);
	if (parse->nic != EMU_ANY && *nic != EMU_ANY)
		return emu_fault_wrong(parse, "%s: nic= and %s= both name the NIC: give one", kind,
				       side);
	if (parse->host != EMU_ANY)
		*host = parse->host;
	if (parse->nic != EMU_ANY)
		*nic = parse->nic;
	fault->qpn = parse->qp;
	return 0;
}

/* What holds between keys. */
static int check(struct emu_fault_text *parse)
{
	const struct emu_fault *fault = parse->fault;
	const char *kind = emu_fault_kinds[parse->kind].name;
	const uint32_t packets = GIVEN(p) | GIVEN(skip) | GIVEN(qp) | GIVEN(dst) | GIVEN(nic);
	bool slow = parse->kind == EMU_FAULT_DELAY || parse->kind == EMU_FAULT_SLOW_RECEIVER;
	int key;

	for (key = 0; key < EMU_FAULT_KEYS; key++)
		if (!(parse->given & 1u << key) &&
		    emu_fault_key_use(parse->kind, (enum emu_fault_key)key) == EMU_KEY_REQUIRED)
			return emu_fault_wrong(parse, "%s: %s= is missing (%s)", kind,
					       emu_fault_keys[key].name, emu_fault_keys[key].unit);
	if ((parse->given & GIVEN(us)) && (parse->given & GIVEN(delay)))
		return emu_fault_wrong(parse, "%s: us= and delay= are the same: give one", kind);
	if (slow && !fault->delay && !fault->jitter)
		return emu_fault_wrong(parse, "%s: how long? Give us= or jitter=", kind);
	if (parse->kind == EMU_FAULT_FLAP && (!fault->period || fault->delay > fault->period))
		return emu_fault_wrong(parse,
				       "flap: period= must be above 0 and down= at most period= "
				       "(1s and 100ms unless given)");
	if (parse->kind == EMU_FAULT_KILL && !fault->ops && (parse->given & packets))
		return emu_fault_wrong(
			parse, "kill: p, skip, qp, dst and nic choose packets: give op= too");
	if (fault->status && (fault->ops & (OPS(RESPONSE) | OPS(ACK))))
		return emu_fault_wrong(
			parse, "%s: op=response and op=ack are answers, nobody refuses them", kind);
	return own_side(parse);
}

int emu_fault_parse(const char *text, struct emu_fault *fault, char *why, size_t size)
{
	struct emu_fault_text parse = { .fault = fault, .why = why, .size = size };
	char copy[sizeof(fault->text)], *next, *pair;
	size_t length = strlen(text), kind = strcspn(text, ":");
	int rc;

	defaults(&parse);
	if (length >= sizeof(copy))
		return emu_fault_wrong(&parse, "a fault has at most %zu characters, this has %zu",
				       sizeof(copy) - 1, length);
	memcpy(copy, text, length + 1);
	rc = parse_kind(&parse, text, kind);
	next = copy[kind] ? copy + kind + 1 : NULL;
	if (next && !*next)
		next = NULL;
	while (!rc && (pair = strsep(&next, ",")))
		rc = parse_pair(&parse, pair);
	if (rc)
		return rc;
	kind_defaults(&parse);
	rc = check(&parse);
	if (rc)
		return rc;
	if (fault->end != EMU_NEVER &&
	    __builtin_add_overflow(fault->start, fault->end, &fault->end))
		fault->end = EMU_NEVER;
	memcpy(fault->text, text, length + 1);
	atomic_init(&fault->kind, (uint32_t)parse.kind);
	return 0;
}
