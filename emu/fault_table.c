/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/fault_table.h"

#include <string.h>
#include <strings.h>

const struct emu_fault_kind_row emu_fault_kinds[EMU_FAULT_KINDS] = {
#define EMU_FAULT_KIND(id, name, keys, help) [EMU_FAULT_##id] = { name, keys },
#define EMU_FAULT_KEY(id, name, unit, help)
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
};

const struct emu_fault_key_row emu_fault_keys[EMU_FAULT_KEYS] = {
#define EMU_FAULT_KIND(id, name, keys, help)
#define EMU_FAULT_KEY(id, name, unit, help) [EMU_KEY_##id] = { name, unit },
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
};

const char *const emu_op_names[EMU_OPS] = {
	[EMU_OP_SEND] = "send",   [EMU_OP_READ] = "read", [EMU_OP_RESPONSE] = "response",
	[EMU_OP_WRITE] = "write", [EMU_OP_IMM] = "imm",   [EMU_OP_ACK] = "ack",
};

const char *const emu_call_names[EMU_CALLS] = {
	[EMU_CALL_OPEN] = "open", [EMU_CALL_PD] = "pd", [EMU_CALL_MR] = "mr",
	[EMU_CALL_CQ] = "cq",     [EMU_CALL_QP] = "qp", [EMU_CALL_AH] = "ah",
};

enum emu_key_use emu_fault_key_use(enum emu_fault_kind kind, enum emu_fault_key key)
{
	const char *next = emu_fault_kinds[kind].keys;
	size_t length;

	while (next && *next) {
		length = strcspn(next, " !");
		if (!strncmp(next, emu_fault_keys[key].name, length) &&
		    !emu_fault_keys[key].name[length])
			return next[length] == '!' ? EMU_KEY_REQUIRED : EMU_KEY_ALLOWED;
		next += length;
		next += strspn(next, " !");
	}
	return EMU_KEY_UNUSED;
}

int emu_name_find(const char *const *names, int count, const char *text, size_t length)
{
	int i;

	for (i = 0; i < count; i++)
		if (names[i] && strlen(names[i]) == length && !strncasecmp(names[i], text, length))
			return i;
	return -1;
}

#define NAME_MAX_LENGTH 32

/* Insertions, removals and changes of one character that lead from text to name. */
static size_t distance(const char *name, const char *text, size_t length)
{
	size_t row[NAME_MAX_LENGTH + 1], previous, diagonal, best, i, j;

	for (j = 0; j <= length; j++)
		row[j] = j;
	for (i = 0; name[i]; i++) {
		previous = row[0];
		row[0] = i + 1;
		for (j = 1; j <= length; j++) {
			diagonal = previous;
			previous = row[j];
			best = diagonal + (name[i] != text[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[length];
}

int emu_name_near(const char *const *names, int count, const char *text, size_t length)
{
	size_t least = 3, far;
	int i, near = -1;

	if (!length || length > NAME_MAX_LENGTH)
		return -1;
	for (i = 0; i < count; i++) {
		if (!names[i])
			continue;
		far = distance(names[i], text, length);
		if (far < least && far < strlen(names[i])) {
			least = far;
			near = i;
		} else if (near < 0 && length > 2 && !strncmp(names[i], text, length)) {
			near = i;
		}
	}
	return near;
}
