/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider and which devices a case uses. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "perf/fabric.h"
#include "transport/fabric.h"

#define TEXT_MAX (ERR_DETAIL_MAX / 2)

/*
 * libfabric's efa carries what stays on one host by shared memory, where it may; a NIC is to be
 * measured here. The hints say so too (FI_REMOTE_COMM in fabric.def); the variable counts where
 * they do not, and has to be there before libfabric is first used.
 */
static void keep_off_shm(void)
{
	setenv("FI_EFA_ENABLE_SHM_TRANSFER", "0", 0);
}

static void prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, keep_off_shm);
}

const char *pfab_device(const struct fi_info *info)
{
	return info->domain_attr->name ? info->domain_attr->name : "?";
}

const char *pfab_nic(const struct fi_info *info)
{
	if (info->nic && info->nic->device_attr && info->nic->device_attr->name)
		return info->nic->device_attr->name;
	return "";
}

static bool is_loopback(const struct fi_info *info)
{
	const struct sockaddr *address = info->src_addr;
	const struct sockaddr_in *in = info->src_addr;
	const struct sockaddr_in6 *in6 = info->src_addr;

	if (!address || info->addr_format == FI_ADDR_STR || info->addr_format == FI_ADDR_EFA)
		return false;
	if (address->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Whether name stands in a list by comma; len of name. */
static bool listed(const char *list, const char *name)
{
	const size_t len = strlen(name);
	const char *at = list, *end;

	for (; len && *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		if ((size_t)(end - at) == len && memcmp(at, name, len) == 0)
			return true;
	}
	return false;
}

static bool wanted(const struct fi_info *info, const char *devices)
{
	return listed(devices, pfab_device(info)) || listed(devices, pfab_nic(info));
}

/* "tcp: eth0, lo; shm: shm": what there is of the rows of fabric.def. */
static void available(char *text, size_t room)
{
	struct port_device devices[PFAB_DEVICES_MAX];
	const struct provider *p;
	size_t used = 0;
	int n, i;

	text[0] = '\0';
	for (p = providers; p->name; p++) {
		n = *p->libfabric ? p->transport->list(p, NULL, devices, PFAB_DEVICES_MAX) : 0;
		for (i = 0; i < n && used < room; i++) {
			if (i == 0)
				used += (size_t)snprintf(text + used, room - used,
							 "%s%s: ", used ? "; " : "", p->name);
			if (used < room)
				used += (size_t)snprintf(text + used, room - used, "%s%s",
							 i ? ", " : "", devices[i].device);
		}
	}
}

static int absent(int code, const char *what)
{
	char cause[TEXT_MAX], there[TEXT_MAX];

	snprintf(cause, sizeof(cause), "%.200s", weft_error_detail());
	available(there, sizeof(there));
	return err_set(code, "%s: %s; there is: %s", what, cause, *there ? there : "nothing");
}

/* --- provider ------------------------------------------------------------------------------ */

static bool is_libfabric(const struct provider *row)
{
	return *row->libfabric != '\0';
}

/* A name that weft has no row for is libfabric's own. */
static int row_of(struct provider *ret, const char *name)
{
	const struct provider *row = provider_find(name);

	if (row && !is_libfabric(row))
		return err_set(-EINVAL,
			       "provider '%s' is weft's own; the back end 'weft' measures it",
			       name);
	if (row)
		*ret = *row;
	else
		*ret = (struct provider){ .name = name,
					  .libfabric = name,
					  .mode = FI_CONTEXT | FI_CONTEXT2,
					  .transport = &transport_fabric };
	return 0;
}

static int find_best(struct pfab_choice *ret)
{
	const struct provider *row;
	int rc;

	for (row = providers; row->name; row++) {
		if (!is_libfabric(row) || !row->in_auto || row->host_local)
			continue;
		rc = fabric_getinfo(row, NULL, NULL, false, &ret->list);
		if (rc == 0 || rc == -WEFT_EENVIRONMENT) {
			ret->row = *row;
			return rc;
		}
	}
	return absent(-WEFT_ENOPROVIDER, "no provider reaches another host");
}

static int find_list(struct pfab_choice *ret, const struct perf_case *c)
{
	int rc;

	prepare();
	if (!*c->provider)
		return find_best(ret);
	rc = row_of(&ret->row, c->provider);
	if (rc)
		return rc;
	rc = fabric_getinfo(&ret->row, NULL, NULL, false, &ret->list);
	return rc == -WEFT_ENOPROVIDER ? absent(rc, c->provider) : rc;
}

/* --- devices ------------------------------------------------------------------------------- */

static bool is_there(const struct pfab_choice *choice, const struct fi_info *info)
{
	uint32_t i;

	for (i = 0; i < choice->devices; i++)
		if (strcmp(pfab_device(choice->device[i]), pfab_device(info)) == 0)
			return true;
	return false;
}

static void add_devices(struct pfab_choice *choice, const char *devices, bool loopback)
{
	struct fi_info *info;

	for (info = choice->list; info && choice->devices < PFAB_DEVICES_MAX; info = info->next)
		if (!is_there(choice, info) &&
		    (*devices ? wanted(info, devices) : is_loopback(info) == loopback))
			choice->device[choice->devices++] = info;
}

static void names_of(const struct pfab_choice *choice, char *text, size_t room)
{
	const struct fi_info *info;
	size_t used = 0;

	text[0] = '\0';
	for (info = choice->list; info && used < room; info = info->next)
		if (!strstr(text, pfab_device(info)))
			used += (size_t)snprintf(text + used, room - used, "%s%s", used ? ", " : "",
						 pfab_device(info));
}

/* A name that is no device's is an error, also beside others that are. */
static int check_names(const struct pfab_choice *choice, const char *devices)
{
	const char *at = devices, *end;
	char name[PERF_DEVICES_MAX], there[TEXT_MAX];
	uint32_t i;

	for (; *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, ',');
		snprintf(name, sizeof(name), "%.*s", (int)(end - at), at);
		for (i = 0; i < choice->devices; i++)
			if (wanted(choice->device[i], name))
				break;
		if (i < choice->devices)
			continue;
		names_of(choice, there, sizeof(there));
		return err_set(-WEFT_ENODEVICE, "%s has no device '%.100s'; it has: %s",
			       choice->row.name, name, there);
	}
	return 0;
}

int pfab_choose(struct pfab_choice *ret, const struct perf_case *c)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = find_list(ret, c);
	if (rc)
		return rc;
	add_devices(ret, c->devices, false);
	if (!ret->devices && !*c->devices)
		add_devices(ret, "", true);
	rc = check_names(ret, c->devices);
	if (!rc && c->nics > ret->devices)
		rc = err_set(-WEFT_ENODEVICE, "%s: %u devices asked for, there are %u",
			     ret->row.name, c->nics, ret->devices);
	if (rc) {
		pfab_choice_free(ret);
		return rc;
	}
	if (c->nics)
		ret->devices = c->nics;
	return 0;
}

void pfab_choice_free(struct pfab_choice *choice)
{
	fi_freeinfo(choice->list);
	choice->list = NULL;
}

/* --- endpoints to devices ------------------------------------------------------------------ */

/* What the ports of this process use, so that threads share the devices out among them. */
static struct {
	pthread_mutex_t lock;
	char name[PFAB_DEVICES_MAX][PERF_NAME_MAX];
	uint32_t used[PFAB_DEVICES_MAX];
} in_use = { .lock = PTHREAD_MUTEX_INITIALIZER };

uint32_t pfab_pick(const uint32_t *used, const int *node, uint32_t n, int here)
{
	uint32_t best = 0, i;

	for (i = 1; i < n; i++)
		if (used[i] < used[best] ||
		    (used[i] == used[best] && here >= 0 && node[i] == here && node[best] != here))
			best = i;
	return best;
}

/* Its place in the table; the last one stands for all that have none. */
static uint32_t place_of(const char *name)
{
	uint32_t i;

	for (i = 0; i < PFAB_DEVICES_MAX - 1 && in_use.name[i][0]; i++)
		if (strncmp(in_use.name[i], name, PERF_NAME_MAX - 1) == 0)
			return i;
	if (!in_use.name[i][0])
		snprintf(in_use.name[i], PERF_NAME_MAX, "%s", name);
	return i;
}

uint32_t pfab_take(const struct pfab_choice *choice, uint32_t *ret_use)
{
	uint32_t used[PFAB_DEVICES_MAX], place[PFAB_DEVICES_MAX], i;
	int node[PFAB_DEVICES_MAX];
	unsigned int cpu, here;

	if (getcpu(&cpu, &here))
		here = UINT32_MAX;
	pthread_mutex_lock(&in_use.lock);
	for (i = 0; i < choice->devices; i++) {
		place[i] = place_of(pfab_device(choice->device[i]));
		used[i] = in_use.used[place[i]];
		node[i] = nic_node(pfab_nic(choice->device[i]));
	}
	i = pfab_pick(used, node, choice->devices, (int)here);
	in_use.used[place[i]]++;
	pthread_mutex_unlock(&in_use.lock);
	*ret_use = place[i];
	return i;
}

void pfab_release(uint32_t use)
{
	pthread_mutex_lock(&in_use.lock);
	in_use.used[use]--;
	pthread_mutex_unlock(&in_use.lock);
}
