/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "emu/model.h"
#include "emu/util.h"

static const struct emu_profile profiles[] = {
#define EMU_PROFILE(name, nics, buses, slot, numa_nodes, settings, date, source) \
	{ name, nics, buses, slot, numa_nodes, settings, date, source },
#include "emu/profile.def"
#undef EMU_PROFILE
};

const struct emu_profile *emu_profile_at(size_t index)
{
	return index < EMU_COUNT(profiles) ? &profiles[index] : NULL;
}

const struct emu_profile *emu_profile_find(const char *name)
{
	for (size_t i = 0; i < EMU_COUNT(profiles); i++) {
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	}
	return NULL;
}

/* Reads the next bus or span of buses. False: the list has ended. */
static bool span_next(const char **list, uint32_t *first, uint32_t *last)
{
	char *end;

	*list += strspn(*list, " ");
	if (!**list)
		return false;
	*first = *last = (uint32_t)strtoul(*list, &end, 10);
	if (*end == '-')
		*last = (uint32_t)strtoul(end + 1, &end, 10);
	*list = end;
	return true;
}

void emu_profile_pci(const struct emu_profile *profile, uint32_t index, uint32_t *bus,
		     uint32_t *device)
{
	const char *list = profile->buses;
	uint32_t first, last, round = 0;

	*bus = 0;
	for (;;) {
		if (!span_next(&list, &first, &last)) {
			list = profile->buses;
			round++;
			continue;
		}
		if (index <= last - first)
			break;
		index -= last - first + 1;
	}
	*bus = first + index;
	*device = (profile->slot + round) % 32;
}
