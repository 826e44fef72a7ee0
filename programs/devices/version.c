/* SPDX-License-Identifier: Apache-2.0 */
/* What --version shows: a static program asks the helper for libfabric's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "host/probe.h"

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	static char answer[HOST_PROBE_MAX], text[64];

	host_probe_run(getenv("WEFT_PROBE"), HOST_PROBE_NS, answer, sizeof(answer));
	if (!host_probe_value(answer, "libfabric", text, sizeof(text)) ||
	    !strncmp(text, "absent", 6))
		snprintf(text, sizeof(text), "not found");
	return text;
}
