/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that options are chosen from, as the emulator's own rows have them. */
#include "emu/launcher.h"

#include <string.h>

void list_profiles(FILE *out)
{
	const struct emu_profile *profile;
	size_t i;

	for (i = 0; (profile = emu_profile_at(i)); i++) {
		fprintf(out, "%-16s %2u NIC%s  %s\n", profile->name, profile->nics,
			profile->nics == 1 ? " " : "s", profile->settings ? profile->settings : "");
		fprintf(out, "%-16s source: %s (%s)\n", "", profile->source, profile->date);
	}
}

void list_faults(FILE *out)
{
	fprintf(out, "Written as KIND[:KEY=VALUE[,KEY=VALUE]...]; a key with ! must be given.\n");
	fprintf(out, "\nKinds, and the keys that each takes:\n");
#define EMU_FAULT_KIND(id, name, keys, help) \
	fprintf(out, "  %-14s %s\n  %-14s %s\n", name, help, "", keys);
#define EMU_FAULT_KEY(id, name, value, help)
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
	fprintf(out, "\nKeys:\n");
#define EMU_FAULT_KIND(id, name, keys, help)
#define EMU_FAULT_KEY(id, name, value, help) fprintf(out, "  %-8s %s: %s\n", name, value, help);
#include "emu/fault.def"
#undef EMU_FAULT_KIND
#undef EMU_FAULT_KEY
}

void suggest_profile(const char *name, char *text, size_t size)
{
	const struct emu_profile *profile;
	const char *near = NULL;
	uint32_t distance = 0;
	size_t i, used;

	text[0] = '\0';
	for (i = 0; (profile = emu_profile_at(i)); i++)
		near = opt_nearest(name, profile->name, near, &distance);
	if (near) {
		snprintf(text, size, "; did you mean %s?", near);
		return;
	}
	used = (size_t)snprintf(text, size, " (");
	for (i = 0; (profile = emu_profile_at(i)) && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
					 profile->name);
	if (used < size)
		snprintf(text + used, size - used, ")");
}
