/* SPDX-License-Identifier: Apache-2.0 */
/* What libfabric's and its providers' errors mean for weft. */
#include "transport/fabric.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

int fabric_code(int error)
{
	switch (abs(error)) {
	case 0:
		return 0;
	case FI_EAGAIN:
		return -EAGAIN;
	case FI_ENOMEM:
		return -ENOMEM;
	case FI_ECONNREFUSED:
	case FI_ECONNRESET:
	case FI_ECONNABORTED:
	case FI_ENOTCONN:
	case FI_ESHUTDOWN:
	case FI_EHOSTUNREACH:
	case FI_EHOSTDOWN:
	case FI_ENETUNREACH:
	case FI_ETIMEDOUT:
	case FI_ECANCELED:
	case EPIPE:
		return -WEFT_EPEERGONE;
	case FI_EACCES:
	case FI_EPERM:
	case FI_EKEYREJECTED:
		return -WEFT_EREFUSED;
	default:
		return -WEFT_EPROVIDER;
	}
}

int fabric_meaning(const struct port *port, int error, int provider_error)
{
	const struct port_meaning *meaning = port->provider->meanings;

	for (; meaning && meaning->provider; meaning++)
		if (meaning->provider == provider_error)
			return meaning->code;
	return fabric_code(error);
}

int fabric_failed(const struct port *port, int rc, const char *call)
{
	return err_set(rc == -FI_ENOMEM ? -ENOMEM : -WEFT_EPROVIDER, "%s: %s on %s (%s): %s (%d)",
		       port->provider->name, call, port->info->domain_attr->name,
		       port->info->fabric_attr->prov_name, fi_strerror(-rc), -rc);
}
