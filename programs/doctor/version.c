/* SPDX-License-Identifier: Apache-2.0 */
/* What --version shows: a static program asks the helper for libfabric's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/weft.h>

#include "doctor/open.h"

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	static char text[64];
	const struct doctor_source source = { .probe = true, .probe_path = getenv("WEFT_PROBE") };
	struct doctor doctor;

	snprintf(text, sizeof(text), "not found");
	if (doctor_open(&doctor, &source))
		return text;
	if (!doctor_probe(&doctor, "libfabric", text, sizeof(text)) || !strncmp(text, "absent", 6))
		snprintf(text, sizeof(text), "not found");
	doctor_close(&doctor);
	return text;
}
