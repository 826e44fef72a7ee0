/* SPDX-License-Identifier: Apache-2.0 */
/* What weft doctor and weft-doctor-peer, which has the same command line, share. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/cli.h"

static const struct opt_row rows[] = {
#define OPT_ROWS struct cli_values
#include "doctor/doctor.def"
};

const struct opt_table cli_opts = OPT_TABLE(rows, struct cli_values);

bool cli_colour(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no && *no);
}
