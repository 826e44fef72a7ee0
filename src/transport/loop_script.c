/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/loop_script.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static const struct {
	const char *name;
	size_t offset;
	uint64_t max;
} items[] = {
	{ "delay_us", offsetof(struct loop_script, delay_us), 3600000000u },
	{ "jitter_us", offsetof(struct loop_script, jitter_us), 3600000000u },
	{ "reorder", offsetof(struct loop_script, reorder), 65536 },
	{ "seed", offsetof(struct loop_script, seed), UINT64_MAX },
	{ "fail_every", offsetof(struct loop_script, fail_every), UINT64_MAX },
	{ "hang_every", offsetof(struct loop_script, hang_every), UINT64_MAX },
	{ "late_every", offsetof(struct loop_script, late_every), UINT64_MAX },
	{ "down_after", offsetof(struct loop_script, down_after), UINT64_MAX },
	{ "down_us", offsetof(struct loop_script, down_us), 3600000000u },
	{ "breaks_after", offsetof(struct loop_script, breaks_after), UINT64_MAX },
	{ "depth", offsetof(struct loop_script, depth), 65536 },
	{ "segments", offsetof(struct loop_script, segments), LOOP_SEGMENTS_MAX },
};

static int parse_item(struct loop_script *script, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len, i;
	unsigned long long value;
	char *end;

	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (strlen(items[i].name) != name_len || memcmp(items[i].name, text, name_len))
			continue;
		if (!equals || equals[1] < '0' || equals[1] > '9')
			break;
		errno = 0;
		value = strtoull(equals + 1, &end, 10);
		if (end != text + len || errno || value > items[i].max)
			break;
		*(uint64_t *)(void *)((char *)script + items[i].offset) = value;
		return 0;
	}
	return err_set(
		-EINVAL,
		"loop script: '%.*s' is not one of delay_us, jitter_us, reorder, seed, "
		"fail_every, hang_every, late_every, down_after, down_us, breaks_after, depth, "
		"segments = number",
		(int)len, text);
}

int loop_script_parse(struct loop_script *script, const char *text)
{
	const char *end;
	int rc = 0;

	*script = (struct loop_script){ .seed = 1, .depth = 1024, .segments = 1 };
	while (text && *text && *text != ';' && rc == 0) {
		end = text + strcspn(text, ",;");
		rc = parse_item(script, text, (size_t)(end - text));
		text = *end == ',' ? end + 1 : end;
	}
	if (rc == 0 && script->depth < 16)
		rc = err_set(-EINVAL, "loop script: depth must be 16..65536");
	if (rc == 0 && !script->segments)
		rc = err_set(-EINVAL, "loop script: segments must be 1..%d", LOOP_SEGMENTS_MAX);
	return rc;
}

const char *loop_script_of(const char *list, uint32_t i)
{
	const char *next;

	for (; i && list && (next = strchr(list, ';')); i--)
		list = next + 1;
	return list;
}
