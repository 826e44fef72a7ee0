/* SPDX-License-Identifier: Apache-2.0 */
/* libfabric: its version, which providers it has, what they offer. */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/probe.h"

struct fabric {
	uint32_t (*version)(void);
	int (*getinfo)(uint32_t version, const char *node, const char *service, uint64_t flags,
		       const struct fi_info *hints, struct fi_info **info);
	struct fi_info *(*dupinfo)(const struct fi_info *info);
	void (*freeinfo)(struct fi_info *info);
	char *(*tostr)(const void *data, enum fi_type type);
};

/* What several devices of one provider have in common. */
struct provider {
	char name[64];
	int domains;
	uint64_t max_msg;
	bool rma;
};

/* "libfabric: 1.17.0, api: 1.17", or the number alone; builds of others have more behind it. */
static void put_version(const struct fabric *fabric)
{
	const char *text = fabric->tostr ? fabric->tostr("", FI_TYPE_VERSION) : NULL;
	uint32_t version = fabric->version();
	char path[PROBE_TEXT_MAX];

	if (text && !strncmp(text, "libfabric: ", 11))
		text += 11;
	if (text && isdigit((unsigned char)*text))
		probe_put("libfabric=%.*s", (int)strcspn(text, ", \n"), text);
	else
		probe_put("libfabric=%u.%u", FI_MAJOR(version), FI_MINOR(version));
	probe_path((void *)fabric->version, path, sizeof(path));
	if (*path)
		probe_put("libfabric_path=%s", path);
}

/* Takes whatever a provider asks of its user. */
static struct fi_info *hints_of(const struct fabric *fabric, const char *provider)
{
	struct fi_info *hints = fabric->dupinfo(NULL);

	if (!hints)
		return NULL;
	hints->mode = ~0ull;
	hints->domain_attr->mode = ~0ull;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED |
				      FI_MR_PROV_KEY | FI_MR_ENDPOINT | FI_MR_RAW;
	hints->ep_attr->type = FI_EP_RDM;
	if (provider)
		hints->fabric_attr->prov_name = strdup(provider);
	return hints;
}

static int get(const struct fabric *fabric, const char *provider, struct fi_info **ret)
{
	struct fi_info *hints = hints_of(fabric, provider);
	int rc;

	*ret = NULL;
	if (!hints)
		return -ENOMEM;
	rc = fabric->getinfo(fabric->version(), NULL, NULL, 0, hints, ret);
	fabric->freeinfo(hints);
	return rc;
}

static void put_count(const char *name, int count, int rc)
{
	char why[PROBE_TEXT_MAX];

	if (count)
		probe_put("fi.%s=%d", name, count);
	else
		probe_put("fi.%s=%s", name, probe_error(rc ? -rc : ENODATA, why, sizeof(why)));
}

static void put_efa(const struct fabric *fabric)
{
	struct fi_info *info, *one;
	int efa = 0, direct = 0, rc = get(fabric, "efa", &info);

	for (one = info; !rc && one; one = one->next) {
		if (one->fabric_attr->name && !strcmp(one->fabric_attr->name, "efa-direct"))
			direct++;
		else
			efa++;
	}
	put_count("efa", efa, rc);
	put_count("efa-direct", direct, rc);
	if (!rc)
		fabric->freeinfo(info);
}

static void put_names(const struct fabric *fabric)
{
	struct fi_info *info, *one;
	char text[PROBE_TEXT_MAX / 2] = "";
	size_t len = 0;

	if (fabric->getinfo(fabric->version(), NULL, NULL, FI_PROV_ATTR_ONLY, NULL, &info))
		return;
	for (one = info; one && len < sizeof(text); one = one->next)
		if (one->fabric_attr && one->fabric_attr->prov_name)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						len ? " " : "", one->fabric_attr->prov_name);
	fabric->freeinfo(info);
	probe_put("fi.providers=%s", text);
}

static struct provider *provider_of(struct provider *all, int *count, const char *name)
{
	for (int i = 0; i < *count; i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	if (*count == PROBE_PROVIDERS_MAX)
		return NULL;
	snprintf(all[*count].name, sizeof(all[*count].name), "%s", name);
	return &all[(*count)++];
}

static bool is_new_domain(const struct fi_info *first, const struct fi_info *one)
{
	for (; first != one; first = first->next)
		if (first->domain_attr->name && one->domain_attr->name &&
		    !strcmp(first->domain_attr->name, one->domain_attr->name) &&
		    !strcmp(first->fabric_attr->prov_name, one->fabric_attr->prov_name))
			return false;
	return true;
}

static void put_providers(const struct fabric *fabric)
{
	struct provider all[PROBE_PROVIDERS_MAX] = { 0 }, *provider;
	struct fi_info *info, *one;
	int count = 0;

	if (get(fabric, NULL, &info))
		return;
	for (one = info; one; one = one->next) {
		if (!one->fabric_attr->prov_name)
			continue;
		provider = provider_of(all, &count, one->fabric_attr->prov_name);
		if (!provider)
			continue;
		provider->domains += is_new_domain(info, one);
		if (one->ep_attr->max_msg_size > provider->max_msg)
			provider->max_msg = one->ep_attr->max_msg_size;
		provider->rma |= (one->caps & FI_RMA) != 0;
	}
	fabric->freeinfo(info);
	for (int i = 0; i < count; i++) {
		probe_put("prov.%d=%s", i, all[i].name);
		probe_put("prov.%d.domains=%d", i, all[i].domains);
		probe_put("prov.%d.max_msg=%llu", i, (unsigned long long)all[i].max_msg);
		probe_put("prov.%d.rma=%d", i, all[i].rma);
	}
}

/*
 * Libraries for PSM, which libfabric is linked to, take signals when they are loaded; their handler
 * calls exit(), which can hang: an abort() of libfabric would look as if it did not answer.
 */
static void take_signals_back(void)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		signal(taken[i], SIG_DFL);
}

void probe_fabric(void)
{
	void *library = probe_open("libfabric", "libfabric.so.1");
	struct fabric fabric;

	if (!library)
		return;
	take_signals_back();
	*(void **)&fabric.version = dlsym(library, "fi_version");
	*(void **)&fabric.getinfo = dlsym(library, "fi_getinfo");
	*(void **)&fabric.dupinfo = dlsym(library, "fi_dupinfo");
	*(void **)&fabric.freeinfo = dlsym(library, "fi_freeinfo");
	*(void **)&fabric.tostr = dlsym(library, "fi_tostr");
	if (!fabric.version || !fabric.getinfo || !fabric.dupinfo || !fabric.freeinfo) {
		probe_put("libfabric=absent: libfabric.so.1 lacks fi_getinfo");
		return;
	}
	put_version(&fabric);
	put_names(&fabric);
	put_efa(&fabric);
	put_providers(&fabric);
}
