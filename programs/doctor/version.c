/* SPDX-License-Identifier: Apache-2.0 */
/* What --version shows: a static program asks the helper for libfabric's. */
#include <stdio.h>
#include <stdlib.h>

#include <weft/weft.h>

#include "doctor/open.h"

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	static char text[32];
	const struct doctor_source source = { .probe = true, .probe_path = getenv("WEFT_PROBE") };
	struct doctor doctor;
	unsigned int major, minor;
	char said[64];

	snprintf(text, sizeof(text), "not found");
	if (doctor_open(&doctor, &source))
		return text;
	if (doctor_probe(&doctor, "libfabric", said, sizeof(said)) &&
	    sscanf(said, "%u.%u", &major, &minor) == 2)
		snprintf(text, sizeof(text), "%u.%u", major, minor);
	doctor_close(&doctor);
	return text;
}
