/* SPDX-License-Identifier: Apache-2.0 */
/* What --version shows: a static program loads no library. */
#include <weft/weft.h>

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	return "not used";
}
