/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <rdma/fabric.h>

#include "transport/transport.h"

/*
 * Completion statuses of EFA devices (rdma-core efa_io_defs.h) and numbers of libfabric's efa
 * (prov/efa/src/efa_errno.h), which libfabric's own error numbers merge.
 */
static const struct port_meaning efa_meanings[] = {
	{ 7, -WEFT_EREFUSED },   /* the remote registration is not there or does not reach so far */
	{ 8, -WEFT_EPEERGONE },  /* reset by the remote */
	{ 9, -WEFT_EPEERGONE },  /* no such queue pair there */
	{ 13, -WEFT_EPEERGONE }, /* answers no more */
	{ 14, -WEFT_EPEERGONE }, /* does not know us */
	{ 15, -WEFT_EPEERGONE }, /* never answered */
	{ 4111, -WEFT_EREFUSED },  /* key or bounds, emulated operations */
	{ 4124, -WEFT_EPEERGONE }, /* answers no more */
	{ 4126, -WEFT_EPEERGONE }, /* never answered */
	{ 0 },
};

/* Statuses of verbs' work completions (rdma-core verbs.h, enum ibv_wc_status), which libfabric
 * calls all but one an I/O error. */
static const struct port_meaning verbs_meanings[] = {
	{ 9, -WEFT_EREFUSED },   /* the remote cannot do this there: a length or rights */
	{ 10, -WEFT_EREFUSED },  /* key, bounds or rights */
	{ 12, -WEFT_EPEERGONE }, /* answers no more */
	{ 13, -WEFT_EPEERGONE }, /* is never ready to receive */
	{ 0 },
};

const struct provider providers[] = {
#define PROVIDER(...) { __VA_ARGS__ },
#include "transport/fabric.def"
#undef PROVIDER
	{ .name = NULL },
};

const struct provider *provider_find(const char *name)
{
	const struct provider *p;

	for (p = providers; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const struct provider *provider_by_number(uint8_t number)
{
	const struct provider *p;

	for (p = providers; p->name; p++)
		if (p->number == number)
			return p;
	return NULL;
}
