/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/efa.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static bool is_efa(const struct host_pci *pci)
{
	return pci->vendor == HOST_EFA_VENDOR && pci->device >> 4 == HOST_EFA_DEVICE_FIRST >> 4;
}

int efa_functions(const struct doctor *doctor, struct host_pci **ret)
{
	struct host_pci *found = mem_array(EFA_MAX, sizeof(*found));
	int rc;

	if (!found)
		return -ENOMEM;
	rc = host_pci(&doctor->root, is_efa, found, EFA_MAX);
	if (rc < 0)
		mem_free(found);
	else
		*ret = found;
	return rc;
}

int efa_nics(const struct doctor *doctor, struct host_nic **ret)
{
	struct host_nic *found = mem_array(HOST_NICS_MAX, sizeof(*found));
	int rc;

	if (!found)
		return -ENOMEM;
	rc = host_nics(&doctor->root, found, HOST_NICS_MAX);
	if (rc < 0)
		mem_free(found);
	else
		*ret = found;
	return rc;
}

bool efa_died(const struct doctor *doctor, const char *library, char *ret, size_t room)
{
	static const char key[] = "died=";
	const char *at = doctor->probe;

	for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
		if (strncmp(at, key, sizeof(key) - 1))
			continue;
		at += sizeof(key) - 1;
		snprintf(ret, room, "%.*s", (int)strcspn(at, "\n"), at);
		if (strstr(ret, library))
			return true;
	}
	return false;
}

#define NAMES_SHOWN 4
#define NAME_SHOWN  40 /* bytes of a name */

void name_list_add(struct name_list *list, const char *name)
{
	size_t used = strlen(list->text);

	if (list->count++ < NAMES_SHOWN)
		snprintf(list->text + used, sizeof(list->text) - used, "%s%.*s", used ? ", " : "",
			 NAME_SHOWN, name);
}

const char *name_list_text(struct name_list *list)
{
	size_t used = strlen(list->text);

	if (list->count > NAMES_SHOWN)
		snprintf(list->text + used, sizeof(list->text) - used, " and %u more",
			 list->count - NAMES_SHOWN);
	return list->text;
}
