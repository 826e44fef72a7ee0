/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/version.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define PART_MAX 999999

/* The number at *text, which is moved behind it. */
static bool read_part(const char **text, uint32_t *ret)
{
	uint32_t value = 0;

	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		value = value * 10 + (uint32_t)(**text - '0');
		if (value > PART_MAX)
			return false;
	}
	*ret = value;
	return true;
}

bool doctor_version_parse(struct doctor_version *ret, const char *text)
{
	struct doctor_version version = { 0 };
	uint32_t *parts[] = { &version.major, &version.minor, &version.patch };

	text += strcspn(text, "0123456789");
	for (size_t i = 0; i < 3; i++) {
		if (!read_part(&text, parts[i])) {
			if (!i)
				return false;
			break;
		}
		if (*text++ != '.')
			break;
	}
	*ret = version;
	return true;
}

int doctor_version_compare(const struct doctor_version *a, const struct doctor_version *b)
{
	if (a->major != b->major)
		return a->major < b->major ? -1 : 1;
	if (a->minor != b->minor)
		return a->minor < b->minor ? -1 : 1;
	if (a->patch != b->patch)
		return a->patch < b->patch ? -1 : 1;
	return 0;
}

#define DRIVER(major, minor, patch, device, matters, what) \
	{ { major, minor, patch }, device, matters, what },
const struct efa_driver_row efa_driver_rows[] = {
#include "doctor/efa_driver.def"
};
const uint32_t efa_driver_rows_n = sizeof(efa_driver_rows) / sizeof(efa_driver_rows[0]);

const struct efa_driver_row *efa_driver_binds(uint32_t device)
{
	for (uint32_t i = 0; device && i < efa_driver_rows_n; i++)
		if (efa_driver_rows[i].device == device)
			return &efa_driver_rows[i];
	return NULL;
}
