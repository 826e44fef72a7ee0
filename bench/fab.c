/* SPDX-License-Identifier: Apache-2.0 */
#include "fab.h"

#include <errno.h>
#include <rdma/fi_errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

#define FAB_CQ_SIZE     8192
#define FAB_ADDRESS_MAX 256

struct fab_name {
	uint64_t base, key;
	uint64_t address_len;
	unsigned char address[FAB_ADDRESS_MAX];
};

int fab_fail(const char *what, int rc)
{
	return err_set(-WEFT_EPROVIDER, "%s: %s (%d)", what, fi_strerror(-rc), rc);
}

static const char *fab_libfabric_name(const char *provider)
{
	if (!strcmp(provider, "tcp") && FI_MAJOR(fi_version()) < 2)
		return "tcp;ofi_rxm";
	return strcmp(provider, "efa-direct") ? provider : "efa";
}

/* Later versions of efa offer the same device by two fabrics, named so, and the quicker one may
 * come first: which of them is compared must not depend on that. */
static const struct fi_info *fab_pick(const struct fi_info *list, const char *provider)
{
	const struct fi_info *info;

	for (info = list; info; info = info->next)
		if (!strcmp(info->fabric_attr->name, provider))
			return info;
	return strcmp(provider, "efa-direct") ? list : NULL;
}

static int fab_hints(struct fi_info **ret, const struct fab_opts *opts)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return -ENOMEM;
	hints->fabric_attr->prov_name = strdup(fab_libfabric_name(opts->provider));
	hints->ep_attr->type = FI_EP_RDM;
	hints->caps = FI_MSG | FI_RMA;
	hints->mode = FI_CONTEXT | FI_CONTEXT2;
	hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	if (opts->virt_addr)
		hints->domain_attr->mr_mode |= FI_MR_VIRT_ADDR;
	hints->domain_attr->threading = FI_THREAD_DOMAIN;
	hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
	hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
	if (opts->delivery_complete)
		hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
	*ret = hints;
	return 0;
}

static int fab_find(struct fab *fab, const struct fab_opts *opts)
{
	const bool ip = strstr(opts->provider, "tcp") != NULL;
	struct fi_info *hints, *list = NULL;
	const struct fi_info *picked;
	int rc;

	rc = fab_hints(&hints, opts);
	if (rc)
		return rc;
	rc = fi_getinfo(fi_version(), ip ? "127.0.0.1" : NULL, NULL, ip ? FI_SOURCE : 0, hints,
			&list);
	fi_freeinfo(hints);
	if (rc && rc != -FI_ENODATA)
		return fab_fail("fi_getinfo", rc);
	picked = fab_pick(list, opts->provider);
	if (picked)
		fab->info = fi_dupinfo(picked);
	fi_freeinfo(list);
	if (!picked)
		return err_set(-WEFT_ENOPROVIDER, "libfabric offers no RDM endpoint of '%s'",
			       opts->provider);
	return fab->info ? 0 : err_set(-ENOMEM, "out of memory for libfabric's fi_info");
}

static int fab_domain(struct fab *fab)
{
	int rc = fi_fabric(fab->info->fabric_attr, &fab->fabric, NULL);

	if (rc)
		return fab_fail("fi_fabric", rc);
	rc = fi_domain(fab->fabric, fab->info, &fab->domain, NULL);
	return rc ? fab_fail("fi_domain", rc) : 0;
}

static int fab_queues(struct fab *fab)
{
	struct fi_cq_attr cq = { .size = FAB_CQ_SIZE,
				 .format = FI_CQ_FORMAT_DATA,
				 .wait_obj = FI_WAIT_NONE };
	struct fi_eq_attr eq = { .wait_obj = FI_WAIT_NONE };
	struct fi_av_attr av = { .type = FI_AV_TABLE };
	int rc;

	rc = fi_eq_open(fab->fabric, &eq, &fab->eq, NULL);
	if (rc)
		return fab_fail("fi_eq_open", rc);
	rc = fi_cq_open(fab->domain, &cq, &fab->cq, NULL);
	if (rc)
		return fab_fail("fi_cq_open", rc);
	rc = fi_av_open(fab->domain, &av, &fab->av, NULL);
	return rc ? fab_fail("fi_av_open", rc) : 0;
}

static int fab_endpoint(struct fab *fab)
{
	int rc;

	rc = fi_endpoint(fab->domain, fab->info, &fab->ep, NULL);
	if (rc)
		return fab_fail("fi_endpoint", rc);
	rc = fi_ep_bind(fab->ep, &fab->eq->fid, 0);
	if (rc)
		return fab_fail("fi_ep_bind(eq)", rc);
	rc = fi_ep_bind(fab->ep, &fab->av->fid, 0);
	if (rc)
		return fab_fail("fi_ep_bind(av)", rc);
	rc = fi_ep_bind(fab->ep, &fab->cq->fid, FI_TRANSMIT | FI_RECV);
	if (rc)
		return fab_fail("fi_ep_bind(cq)", rc);
	rc = fi_enable(fab->ep);
	return rc ? fab_fail("fi_enable", rc) : 0;
}

static int fab_buffer(struct fab *fab, size_t len)
{
	const uint64_t access =
		FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE | FI_SEND | FI_RECV;
	void *buf;
	int rc;

	buf = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		   -1, 0);
	if (buf == MAP_FAILED)
		return err_set(-errno, "%zu bytes of buffer", len);
	fab->buf = buf;
	fab->len = len;
	rc = fi_mr_reg(fab->domain, buf, len, access, 0, getpid(), 0, &fab->mr, NULL);
	if (rc)
		return fab_fail("fi_mr_reg", rc);
	fab->desc = fi_mr_desc(fab->mr);
	return 0;
}

int fab_open(struct fab *fab, const struct fab_opts *opts, size_t len)
{
	int rc;

	memset(fab, 0, sizeof(*fab));
	rc = fab_find(fab, opts);
	if (rc)
		return rc;
	rc = fab_domain(fab);
	if (!rc)
		rc = fab_queues(fab);
	if (!rc)
		rc = fab_endpoint(fab);
	if (!rc)
		rc = fab_buffer(fab, len);
	if (rc)
		fab_close(fab);
	return rc;
}

void fab_close(struct fab *fab)
{
	if (fab->ep)
		fi_close(&fab->ep->fid);
	if (fab->mr)
		fi_close(&fab->mr->fid);
	if (fab->cq)
		fi_close(&fab->cq->fid);
	if (fab->av)
		fi_close(&fab->av->fid);
	if (fab->eq)
		fi_close(&fab->eq->fid);
	if (fab->domain)
		fi_close(&fab->domain->fid);
	if (fab->fabric)
		fi_close(&fab->fabric->fid);
	if (fab->buf)
		munmap(fab->buf, fab->len);
	fi_freeinfo(fab->info);
	memset(fab, 0, sizeof(*fab));
}

int fab_connect(struct fab *fab, struct pair *pair)
{
	struct fab_name mine = { .key = fi_mr_key(fab->mr) }, theirs;
	size_t len = sizeof(mine.address);
	int rc;

	if (fab->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR)
		mine.base = (uintptr_t)fab->buf;
	rc = fi_getname(&fab->ep->fid, mine.address, &len);
	if (rc)
		return fab_fail("fi_getname", rc);
	mine.address_len = len;
	len = sizeof(theirs);
	rc = pair_swap(pair, &mine, sizeof(mine), &theirs, &len);
	if (rc)
		return err_set(rc, "swapping addresses");
	fab->remote_base = theirs.base;
	fab->remote_key = theirs.key;
	rc = fi_av_insert(fab->av, theirs.address, 1, &fab->peer, 0, NULL);
	return rc == 1 ? 0 : fab_fail("fi_av_insert", rc < 0 ? rc : -EIO);
}

int fab_cq_error(struct fab *fab)
{
	struct fi_cq_err_entry entry = { 0 };
	char text[128] = "";

	if (fi_cq_readerr(fab->cq, &entry, 0) != 1)
		return fab_fail("fi_cq_readerr", -FI_EIO);
	fi_cq_strerror(fab->cq, entry.prov_errno, entry.err_data, text, sizeof(text));
	return err_set(-WEFT_EPROVIDER, "an operation ended with: %s: %s", fi_strerror(entry.err),
		       text);
}
