/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/name.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/opt.h"

bool name_is_valid(const char *name, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t i;

	if (!len || len > WEFT_NAME_MAX || name[0] == '.')
		return false;
	for (i = 0; i < len; i++)
		if (!name[i] || !strchr(allowed, name[i]))
			return false;
	return true;
}

int name_check(const char *name)
{
	char quoted[OPT_QUOTE_MAX];

	if (!name)
		return err_set(-EINVAL, "the name is NULL");
	if (!name_is_valid(name, strnlen(name, WEFT_NAME_MAX + 1)))
		return err_set(-EINVAL,
			       "name %s: want 1 to %u letters, digits, '.', '_' or '-', the "
			       "first not '.'",
			       opt_quote(name, quoted), WEFT_NAME_MAX);
	return 0;
}

int place_parse(struct place *ret, const char *address)
{
	const char *slash, *name = "";
	size_t len;
	int rc;

	if (!address)
		return err_set(-EINVAL, "the address is NULL");
	slash = strrchr(address, '/');
	len = slash ? (size_t)(slash - address) : strlen(address);
	if (!len || len >= PLACE_MAX)
		return err_set(-EINVAL, "an address of %zu bytes; want 1 to %u", len,
			       PLACE_MAX - 1);
	if (slash && slash[1]) {
		name = slash + 1;
		rc = name_check(name);
		if (rc)
			return rc;
	}
	memcpy(ret->where, address, len);
	ret->where[len] = '\0';
	memcpy(ret->name, name, strlen(name) + 1);
	return 0;
}
