/* SPDX-License-Identifier: Apache-2.0 */
/* The value of each key of a fault: parse_KEY() for the rows of fault.def. */
#include <errno.h>
#include <string.h>

#include "emu/fault_parse.h"
#include "emu/shared.h"

#define ERRNO_MAX 133
#define DEPTH_MAX 64
#define QUOTED    "'%.40s'"

static const char *const status_names[256] = {
#define EMU_STATUS(id, code, verbs, meaning) [code] = #id,
#include "emu/status.def"
#undef EMU_STATUS
};

/* Whole decimal number from low to high; moves *text behind it. */
static int number_at(const char **text, uint64_t low, uint64_t high, uint64_t *ret)
{
	uint64_t value;

	if (**text == '.' || emu_decimal(*text, 1, &value, text) || (*text)[-1] == '.')
		return -EINVAL;
	if (value < low || value > high)
		return -ERANGE;
	*ret = value;
	return 0;
}

static int whole_number(struct emu_fault_text *parse, const char *value, uint64_t low,
			uint64_t high, uint64_t *ret)
{
	const char *c = value;

	if (strspn(value, "0123456789") != strlen(value) || number_at(&c, low, high, ret))
		return emu_fault_wrong(parse, QUOTED " is not a number from %llu to %llu", value,
				       (unsigned long long)low, (unsigned long long)high);
	return 0;
}

static int parse_index(struct emu_fault_text *parse, const char *value, uint32_t count,
		       uint32_t *ret)
{
	uint64_t number;
	int rc;

	rc = whole_number(parse, value, 0, count - 1, &number);
	if (!rc)
		*ret = (uint32_t)number;
	return rc;
}

/* hN, hNnM or *. */
static int parse_side(struct emu_fault_text *parse, const char *value, uint32_t *host,
		      uint32_t *nic)
{
	uint64_t h, n = EMU_ANY;
	const char *c = value;

	if (!strcmp(value, "*"))
		return 0;
	if (*c++ != 'h' || number_at(&c, 0, EMU_HOSTS - 1, &h))
		goto bad;
	if (*c && (*c++ != 'n' || number_at(&c, 0, EMU_NICS - 1, &n) || *c))
		goto bad;
	*host = (uint32_t)h;
	*nic = (uint32_t)n;
	return 0;
bad:
	return emu_fault_wrong(parse,
			       QUOTED " is no host (h0..h%d), NIC of a host (h0n0..h%dn%d) or *",
			       value, EMU_HOSTS - 1, EMU_HOSTS - 1, EMU_NICS - 1);
}

static int parse_src(struct emu_fault_text *parse, const char *value)
{
	return parse_side(parse, value, &parse->fault->src_host, &parse->fault->src_nic);
}

static int parse_dst(struct emu_fault_text *parse, const char *value)
{
	return parse_side(parse, value, &parse->fault->dst_host, &parse->fault->dst_nic);
}

static int parse_host(struct emu_fault_text *parse, const char *value)
{
	return parse_index(parse, value, EMU_HOSTS, &parse->host);
}

static int parse_nic(struct emu_fault_text *parse, const char *value)
{
	return parse_index(parse, value, EMU_NICS, &parse->nic);
}

static int parse_qp(struct emu_fault_text *parse, const char *value)
{
	return parse_index(parse, value, EMU_QPN(EMU_SLOTS, 0), &parse->qp);
}

static int parse_op(struct emu_fault_text *parse, const char *value)
{
	size_t length;
	int op;

	for (;;) {
		length = strcspn(value, "+");
		op = emu_name_find(emu_op_names, EMU_OPS, value, length);
		if (op < 0)
			return emu_fault_no_name(parse, "op", emu_op_names, EMU_OPS, value, length);
		parse->fault->ops |= 1u << op;
		if (!value[length])
			return 0;
		value += length + 1;
	}
}

static int parse_p(struct emu_fault_text *parse, const char *value)
{
	const uint64_t one = 1000000000000ull;
	const char *end;
	uint64_t number;
	int rc;

	rc = emu_decimal(value, one, &number, &end);
	if (!rc && !strcmp(end, "%")) {
		number /= 100;
		end++;
	}
	if (rc || *end || number > one)
		return emu_fault_wrong(parse, QUOTED " is no probability (0 to 1, or 0%% to 100%%)",
				       value);
	parse->fault->probability = (double)number / (double)one;
	return 0;
}

static int parse_skip(struct emu_fault_text *parse, const char *value)
{
	return whole_number(parse, value, 0, UINT64_MAX, &parse->fault->skip);
}

static int parse_count(struct emu_fault_text *parse, const char *value)
{
	return whole_number(parse, value, 1, UINT64_MAX, &parse->fault->count);
}

static int parse_time(struct emu_fault_text *parse, const char *value, uint64_t *ret)
{
	if (!emu_time_parse(value, ret))
		return 0;
	return emu_fault_wrong(
		parse, QUOTED " is no time (150us, 2ms, 1.5s, 3min; without a unit: us)", value);
}

static int parse_after(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->start);
}

static int parse_span(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->end);
}

static int parse_us(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->delay);
}

static int parse_delay(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->delay);
}

static int parse_jitter(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->jitter);
}

static int parse_period(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->period);
}

/* A flap has no delay of its own: the field holds how long it is down. */
static int parse_down(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->delay);
}

/* Nor has a limit. */
static int parse_burst(struct emu_fault_text *parse, const char *value)
{
	return parse_time(parse, value, &parse->fault->delay);
}

static int parse_depth(struct emu_fault_text *parse, const char *value)
{
	uint64_t depth;
	int rc;

	rc = whole_number(parse, value, 1, DEPTH_MAX, &depth);
	if (!rc)
		parse->fault->depth = (uint32_t)depth;
	return rc;
}

static int parse_rate(struct emu_fault_text *parse, const char *value)
{
	if (!emu_rate_parse(value, &parse->fault->rate))
		return 0;
	return emu_fault_wrong(parse,
			       QUOTED " is no rate (10Gbps, 500Mbit, 1.25GB/s; without a unit: "
				      "bytes per second)",
			       value);
}

static int parse_call(struct emu_fault_text *parse, const char *value)
{
	int call = emu_name_find(emu_call_names, EMU_CALLS, value, strlen(value));

	if (call < 0)
		return emu_fault_no_name(parse, "call", emu_call_names, EMU_CALLS, value,
					 strlen(value));
	parse->fault->call = (uint32_t)call;
	return 0;
}

static int parse_error(struct emu_fault_text *parse, const char *value)
{
	const char *name;
	uint64_t number;
	int i;

	for (i = 1; i <= ERRNO_MAX; i++) {
		name = strerrorname_np(i);
		if (name && !strcmp(name, value)) {
			parse->fault->error = i;
			return 0;
		}
	}
	if (whole_number(parse, value, 1, ERRNO_MAX, &number))
		return emu_fault_wrong(parse,
				       QUOTED " is no errno (ENOMEM, EAGAIN, ..., or 1 to %d)",
				       value, ERRNO_MAX);
	parse->fault->error = (int32_t)number;
	return 0;
}

static int parse_status(struct emu_fault_text *parse, const char *value)
{
	uint64_t number;
	int code;

	if (*value < '0' || *value > '9') {
		code = emu_name_find(status_names, 256, value, strlen(value));
		if (code <= 0)
			return emu_fault_no_name(parse, "status", status_names + 1, 255, value,
						 strlen(value));
		number = (uint64_t)code;
	} else if (whole_number(parse, value, 1, 255, &number)) {
		return -EINVAL;
	}
	parse->fault->status = (uint32_t)number;
	return 0;
}

int (*const emu_fault_parsers[EMU_FAULT_KEYS])(struct emu_fault_text *parse, const char *value) = {
#define EMU_FAULT_KIND(id, name, keys, help)
#define EMU_FAULT_KEY(id, name, unit, help) [EMU_KEY_##id] = parse_##id,
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
};
