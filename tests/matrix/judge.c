/* SPDX-License-Identifier: Apache-2.0 */
/* The rows, what each of them allows, and the table of what came out. */
#include <string.h>
#include <sys/wait.h>

#include "matrix.h"

const struct row rows[] = {
#define MATRIX_ROW(name, kind, fault, act, then, timeout, deadline, full) \
	{ name, EMU_FAULT_##kind, fault, ACT_##act, THEN_##then, timeout, deadline, full },
#define MATRIX_ENDS(row, ops, sizes, expect, errors)
#include "rows.def"
#undef MATRIX_ROW
#undef MATRIX_ENDS
};
const size_t row_count = sizeof(rows) / sizeof(rows[0]);

static const struct ends all_ends[] = {
#define MATRIX_ROW(name, kind, fault, act, then, timeout, deadline, full)
#define MATRIX_ENDS(row, ops, sizes, expect, errors) { row, ops, sizes, EXPECT_##expect, errors },
#include "rows.def"
#undef MATRIX_ROW
#undef MATRIX_ENDS
};

static const char *const fault_names[EMU_FAULT_KINDS] = {
	[EMU_FAULT_NONE] = "none",
#define EMU_FAULT_KIND(id, name, keys, help) [EMU_FAULT_##id] = name,
#define EMU_FAULT_KEY(id, name, unit, help)
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
};
const char *const op_names[OPS] = { "write", "read", "notify", "imm" };
const char *const size_names[SIZES] = { "small", "large", "striped" };

static const struct {
	uint32_t bit;
	int error;
} errors[] = {
	{ GONE, -WEFT_EPEERGONE },   { DEADLINE, -WEFT_EDEADLINE }, { REFUSED, -WEFT_EREFUSED },
	{ REVOKED, -WEFT_EREVOKED }, { PROVIDER, -WEFT_EPROVIDER }, { STUCK, -WEFT_EPEERSTUCK },
};

bool judge_kinds(void)
{
	bool good = true;

	for (int kind = 0; kind < EMU_FAULT_KINDS; kind++) {
		size_t row = 0;

		while (row < row_count && (int)rows[row].kind != kind)
			row++;
		if (row == row_count)
			printf("#   fault %s has no row in tests/matrix/rows.def\n",
			       fault_names[kind]);
		good &= row < row_count;
	}
	return good;
}

/* Whether the fault has something to strike in the cell: keys are of what the device does, a READ
 * that it does needs no receive, and few bytes may come more slowly than a limit lets them pass. */
static bool can_strike(const struct cell *cell, const struct outcome *out)
{
	switch ((int)cell->row->kind) {
	case EMU_FAULT_NONE:
		return cell->row->act != ACT_FAULT;
	case EMU_FAULT_BAD_KEY:
	case EMU_FAULT_REVOKED_KEY:
		return cell->op != OP_NOTIFY && out->by_device;
	case EMU_FAULT_RNR:
		return cell->op == OP_NOTIFY || cell->op == OP_IMM || !out->by_device;
	case EMU_FAULT_LIMIT:
		return cell->op != OP_NOTIFY && cell->size != SIZE_SMALL;
	default:
		return true;
	}
}

static struct ends ends_of(const struct cell *cell, const struct outcome *out)
{
	const struct ends done = { .expect = EXPECT_DONE };

	for (size_t i = 0; can_strike(cell, out) && i < sizeof(all_ends) / sizeof(all_ends[0]); i++)
		if (!strcmp(all_ends[i].row, cell->row->name) && all_ends[i].ops & 1u << cell->op &&
		    all_ends[i].sizes & 1u << cell->size)
			return all_ends[i];
	return done;
}

static bool allowed(const struct ends *ends, int error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (ends->errors & errors[i].bit && errors[i].error == error)
			return true;
	return false;
}

/* How the operations ended. */
static bool judge_ends(const struct cell *cell, const struct outcome *out)
{
	struct ends ends = ends_of(cell, out);
	uint32_t failed = out->count - out->done;
	bool good = true;

	for (int i = 0; i < CODES && out->failed[i].error; i++)
		if (!allowed(&ends, out->failed[i].error)) {
			printf("#   %u ended with %s, which is no end of this row\n",
			       out->failed[i].count, weft_error_name(out->failed[i].error));
			good = false;
		}
	if (ends.expect == EXPECT_FAILED && out->done) {
		printf("#   %u are done where nothing can pass\n", out->done);
		good = false;
	}
	if (ends.expect == EXPECT_HITS && failed > out->struck) {
		printf("#   %u failed, although the fault struck %llu times\n", failed,
		       (unsigned long long)out->struck);
		good = false;
	}
	return good;
}

/* When the last one ended. */
static bool judge_time(const struct cell *cell, const struct outcome *out)
{
	uint64_t late_ns =
		cell->row->deadline_ms * NSEC_PER_MSEC * CONFORM_SLOWER + CONFORM_SLACK_NS;
	uint64_t rate = host_fault_rate(cell->row) * (cell->size == SIZE_STRIPED ? 4 : 1);
	bool good = true;

	if (out->slowest_ns > late_ns) {
		printf("#   the slowest ended %.2f s after its start\n",
		       (double)out->slowest_ns / 1e9);
		good = false;
	}
	if (rate && (double)out->slowest_ns / 1e9 < (double)out->bytes / (double)rate * 0.95) {
		printf("#   %llu bytes in %.4f s are more than the limit lets pass\n",
		       (unsigned long long)out->bytes, (double)out->slowest_ns / 1e9);
		good = false;
	}
	return good;
}

bool judge_outcome(const struct cell *cell, const struct outcome *out)
{
	bool good = out->count > 0;

	if (!WIFEXITED(out->status) || WEXITSTATUS(out->status))
		return false;
	good &= judge_ends(cell, out);
	good &= judge_time(cell, out);
	if (out->wrong_bytes)
		printf("#   %llu bytes are wrong\n", (unsigned long long)out->wrong_bytes);
	if (out->leaks)
		printf("#   %llu things are left\n", (unsigned long long)out->leaks);
	if (can_strike(cell, out) && !out->struck) {
		printf("#   the fault has struck nothing: %s\n", cell->row->fault);
		good = false;
	}
	return good && !out->wrong_bytes && !out->leaks;
}

void judge_head(FILE *file)
{
	fprintf(file, "# %-13s | %-6s | %-7s | %-26s | %-18s | %5s | %5s | %6s | %s\n", "fault",
		"op", "size", "outcome", "slowest, deadline", "wrong", "leaks", "struck", "then");
}

void judge_line(FILE *file, const struct cell *cell, const struct outcome *out, bool good)
{
	char ends[128] = "";
	size_t at = 0;

	if (out->done)
		at = (size_t)snprintf(ends, sizeof(ends), "%u done", out->done);
	for (int i = 0; i < CODES && out->failed[i].error && at < sizeof(ends); i++)
		at += (size_t)snprintf(ends + at, sizeof(ends) - at, "%s%u %s", at ? ", " : "",
				       out->failed[i].count,
				       weft_error_name(out->failed[i].error) + strlen("WEFT_"));
	fprintf(file,
		"# %-13s | %-6s | %-7s | %-26s | %6.3f of %5.1f s | %5llu | %5llu | %6llu | %s%s\n",
		cell->row->name, op_names[cell->op], size_names[cell->size], ends,
		(double)out->slowest_ns / 1e9, cell->row->deadline_ms * CONFORM_SLOWER / 1e3,
		(unsigned long long)out->wrong_bytes, (unsigned long long)out->leaks,
		(unsigned long long)out->struck, out->after ? out->after : "",
		good ? "" : " FAILED");
}
