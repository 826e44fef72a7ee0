/* SPDX-License-Identifier: Apache-2.0 */
/* D3: FI_EFA_* variables that do not do what their writer thinks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "doctor/efa.h"
#include "doctor/efa_variables.h"
#include "doctor/machine.h"

#define WRONG_MAX 256

struct look {
	const struct doctor *doctor;
	struct finding *f;
	uint32_t release;
	uint32_t seen, wrong;
	char first[DOCTOR_TEXT_MAX - 64]; /* the first thing that is wrong, a sentence */
};

static void __attribute__((format(printf, 2, 3))) wrong(struct look *look, const char *format, ...)
{
	char text[WRONG_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	finding_evidence(look->f, "%s", text);
	if (!look->wrong++)
		snprintf(look->first, sizeof(look->first), "%s", text);
}

static void look_unknown(struct look *look, const char *name)
{
	const char *nearest = efa_variable_nearest(name);

	if (nearest)
		wrong(look,
		      EFA_PREFIX "%.64s is no variable of libfabric, so it does nothing; did you "
				 "mean " EFA_PREFIX "%s?",
		      name, nearest);
	else
		wrong(look, EFA_PREFIX "%.64s is no variable of libfabric, so it does nothing",
		      name);
}

/* Known, but to other releases. */
static void look_elsewhere(struct look *look, const char *name)
{
	const struct efa_variable *first = efa_variable_first(name);
	const struct efa_variable *newest = efa_variable_find(name, 0);
	char here[32], there[32];

	efa_release_text(look->release, here, sizeof(here));
	if (look->release < first->since)
		wrong(look,
		      EFA_PREFIX
		      "%s does nothing in libfabric %s, which is older than it; %s and newer "
		      "know it",
		      name, here, efa_release_text(first->since, there, sizeof(there)));
	else
		wrong(look, EFA_PREFIX "%s does nothing in libfabric %s, it was given up in %s",
		      name, here, efa_release_text(newest->until, there, sizeof(there)));
}

static bool name_in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* FI_EFA_IFACE names devices as libibverbs does; none of them there is no provider efa. */
static void look_devices(struct look *look, const char *value)
{
	struct host_nic *nics = NULL;
	struct name_list there = { .count = 0 };
	int count = efa_nics(look->doctor, &nics);
	bool found = false;

	for (int i = 0; i < count; i++) {
		if (!efa_is_nic(&nics[i]))
			continue;
		found |= name_in_list(value, nics[i].name);
		name_list_add(&there, nics[i].name);
	}
	mem_free(nics);
	if (there.count && !found && *value && strncmp(value, "all", 3) != 0)
		wrong(look,
		      EFA_PREFIX
		      "IFACE=%.40s names no device that is there, so no EFA is found; there "
		      "is %s",
		      value, name_list_text(&there));
}

static void look_value(struct look *look, const struct efa_variable *row, const char *value)
{
	if (row->danger == EFA_ABORTS_IF_SET || efa_value_aborts(row, value, -1))
		return; /* D1, D2 */
	if (row->type == EFA_TYPE_GONE)
		wrong(look, EFA_PREFIX "%s is set, which libfabric gave up: it does nothing",
		      row->name);
	else if (!efa_value_fits(row, value) && row->type == EFA_TYPE_BOOL)
		wrong(look,
		      EFA_PREFIX "%s=%.40s is neither 0 nor 1 (no, yes, off, on, false, true), so "
				 "libfabric passes it over",
		      row->name, value);
	else if (!efa_value_fits(row, value))
		wrong(look, EFA_PREFIX "%s=%.40s is no number: libfabric reads it as %ld",
		      row->name, value, strtol(value, NULL, 0));
	else if (!strcmp(row->name, "IFACE"))
		look_devices(look, value);
}

static void look_at(struct look *look, const char *variable)
{
	const char *equals = strchr(variable, '=');
	size_t skip = strlen(EFA_PREFIX);
	const struct efa_variable *row;
	char name[128];

	if (!equals || strncasecmp(variable, EFA_PREFIX, skip) != 0)
		return;
	look->seen++;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - variable - (int)skip), variable + skip);
	if (strncmp(variable, EFA_PREFIX, skip) != 0) {
		wrong(look, "%.80s is not written in capitals, so libfabric does not see it",
		      variable);
		return;
	}
	row = efa_variable_find(name, look->release);
	if (row)
		look_value(look, row, equals + 1);
	else if (efa_variable_first(name))
		look_elsewhere(look, name);
	else
		look_unknown(look, name);
}

void check_D3(const struct doctor *doctor, struct finding *f)
{
	struct look look = { .doctor = doctor, .f = f, .release = machine_libfabric(doctor) };
	char release[32];

	for (char **at = doctor->environ; at && *at; at++)
		look_at(&look, *at);
	if (look.wrong > 1)
		finding_say(f, DOCTOR_WARN, "%s; and %u more", look.first, look.wrong - 1);
	else if (look.wrong)
		finding_say(f, DOCTOR_WARN, "%s", look.first);
	else if (look.seen)
		finding_say(f, DOCTOR_OK,
			    "libfabric knows all %u FI_EFA_* variable%s that %s set, and their "
			    "values",
			    look.seen, plural(look.seen), look.seen == 1 ? "is" : "are");
	else
		finding_say(f, DOCTOR_OK, "no FI_EFA_* variable is set");
	if (look.seen)
		finding_evidence(f, "libfabric here: %s",
				 look.release
					 ? efa_release_text(look.release, release, sizeof(release))
					 : "not told; names of any release are taken");
}
