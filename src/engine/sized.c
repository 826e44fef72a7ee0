/* SPDX-License-Identifier: Apache-2.0 */
/* Public structures begin with their size, so that they can grow in both directions of time. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "engine/engine.h"

#define SIZED_MAX 4096u /* no structure of any release comes near */

static int read_size(const void *theirs, const char *name, size_t *ret)
{
	if (!theirs)
		return err_set(-EINVAL, "%s is NULL", name);
	memcpy(ret, theirs, sizeof(*ret));
	if (*ret <= sizeof(*ret) || *ret > SIZED_MAX)
		return err_set(-EINVAL, "%s.size is %zu; set it to sizeof", name, *ret);
	return 0;
}

int sized_in(void *ours, size_t our_size, const void *theirs, const char *name)
{
	const uint8_t *bytes = theirs;
	size_t size = 0, i;
	int rc = read_size(theirs, name, &size);

	if (rc)
		return rc;
	for (i = our_size; i < size; i++)
		if (bytes[i])
			return err_set(-EINVAL,
				       "%s has a field at byte %zu that this release does not know",
				       name, i);
	memset(ours, 0, our_size);
	memcpy(ours, theirs, size < our_size ? size : our_size);
	return 0;
}

int sized_out(void *theirs, const void *ours, size_t our_size, const char *name)
{
	size_t size = 0;
	int rc = read_size(theirs, name, &size);

	if (rc)
		return rc;
	memset(theirs, 0, size);
	memcpy(theirs, ours, size < our_size ? size : our_size);
	memcpy(theirs, &size, sizeof(size));
	return 0;
}
