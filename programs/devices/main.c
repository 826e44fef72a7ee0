/* SPDX-License-Identifier: Apache-2.0 */
/* What can be used: NICs with all that is known of them, GPUs, interfaces and providers. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/program.h"
#include "devices/show.h"
#include "devices/tree.h"

#define NAME "weft devices"

struct devices_values {
#define OPT_FIELDS
#include "devices/devices.def"
};

static const struct opt_row devices_rows[] = {
#define OPT_ROWS struct devices_values
#include "devices/devices.def"
};

static const struct opt_table devices_table = OPT_TABLE(devices_rows, struct devices_values);

static struct machine machine;
static struct tree tree;

/* The first of these that is set decides, as for every program. */
static bool terminal_is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && (!value || !*value); i++)
		value = getenv(names[i]);
	return value && (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

static int write_svg(const char *path)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return err_set(-errno, "%s: %s", path, strerror(errno));
	show_svg(&machine, &tree, file);
	failed = ferror(file);
	if (fclose(file) || failed)
		return err_set(errno ? -errno : -EIO, "%s: %s", path,
			       strerror(errno ? errno : EIO));
	return 0;
}

int main(int argc, char **argv)
{
	struct devices_values values;
	struct opt_result result;
	int status, rc;

	signal(SIGCHLD, SIG_DFL); /* the helper is waited for */
	status = program_start(&devices_table, argc, argv, &values, &result);
	if (status != PROGRAM_GO)
		return status;
	if (values.json && values.topology)
		return program_usage(NAME, "--json has the places of all devices already: it does "
					   "not go with --topology");
	rc = machine_look(&machine, values.sysroot, getenv("SYSFS_PATH"), getenv("WEFT_PROBE"),
			  getenv("SYSFS_PATH") && getenv("WEFT_EMU_WORLD"));
	if (rc)
		return program_fail(NAME, rc, NULL);
	tree_build(&tree, &machine);
	if (values.json)
		rc = show_json(&machine);
	else if (values.topology)
		show_tree(&machine, &tree, terminal_is_utf8());
	else
		show_text(&machine);
	status = rc ? program_fail(NAME, rc, "JSON") : 0;
	rc = values.svg ? write_svg(values.svg) : 0;
	if (rc)
		status = program_fail(NAME, rc, NULL);
	return program_finish(NAME, status);
}
