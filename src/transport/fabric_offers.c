/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libfabric's efa offers, asked once in a process and kept.
 *
 * libfabric 1.17 has one description of its shm provider for all of efa. An fi_getinfo() that finds
 * nothing frees it, and the next one makes it again; a new endpoint reads it when it is first
 * polled, without a lock, and crashes when it is gone. Whether there is FI_HMEM is such a question.
 * So all of them are asked before there is an endpoint, that one first, and devices are looked for
 * by name in the answers.
 * Source: libfabric 1.17 prov/efa/src/efa_user_info.c (efa_getinfo), efa_shm.c, rxr/rxr_ep.c
 * (rxr_ep_post_internal_rx_pkts).
 */
#include <pthread.h>
#include <string.h>

#include "transport/fabric.h"

struct answer {
	int rc; /* libfabric's */
	struct fi_info *list;
};

/* Of a row; gpus is not asked where the provider does not reach them. */
struct offers {
	bool asked;
	struct answer plain, gpus;
};

static struct offers kept[UINT8_MAX + 1]; /* by number: they stay until the process ends */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void ask(const struct provider *provider, bool gpus, struct answer *answer)
{
	fi_freeinfo(answer->list); /* memory ran out before */
	answer->rc = fabric_ask(provider, NULL, NULL, gpus, &answer->list);
}

static void ask_all(const struct provider *provider, struct offers *offers)
{
	if (provider->reaches_gpus)
		ask(provider, true, &offers->gpus);
	ask(provider, false, &offers->plain);
	offers->asked = offers->plain.rc != -FI_ENOMEM && offers->gpus.rc != -FI_ENOMEM;
}

static bool is_device(const struct fi_info *info, const char *device)
{
	const char *name = info->domain_attr->name;

	return !device || (name && strcmp(name, device) == 0);
}

static int copy(const struct answer *answer, const char *device, struct fi_info **ret)
{
	struct fi_info **tail = ret;
	const struct fi_info *info;

	*ret = NULL;
	for (info = answer->list; info; info = info->next) {
		if (!is_device(info, device))
			continue;
		*tail = fi_dupinfo(info);
		if (!*tail) {
			fi_freeinfo(*ret);
			*ret = NULL;
			return -FI_ENOMEM;
		}
		tail = &(*tail)->next;
	}
	return answer->rc || *ret ? answer->rc : -FI_ENODATA;
}

int fabric_offers(const struct provider *provider, const char *device, bool gpus,
		  struct fi_info **ret)
{
	struct offers *offers = &kept[provider->number];
	int rc;

	pthread_mutex_lock(&lock);
	if (!offers->asked)
		ask_all(provider, offers);
	rc = copy(gpus ? &offers->gpus : &offers->plain, device, ret);
	pthread_mutex_unlock(&lock);
	return rc;
}
