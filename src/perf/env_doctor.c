/* SPDX-License-Identifier: Apache-2.0 */
/* The environment record: weft doctor's verdict, and where EC2 put the machine. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>
#include <weft/weft.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "host/helper.h"
#include "host/placement.h"
#include "perf/env_parts.h"
#include "perf/wire.h"

#define DOCTOR_NS    (5 * NSEC_PER_SEC)
#define DOCTOR_BYTES (1 << 20) /* of its report */
/* Without the groups whose checks wait to see counters rise. */
#define DOCTOR_GROUPS "A,B,C,D,E,F,G"

/* One verdict for a process: a server is asked for its environment again and again. */
static struct {
	pthread_once_t once;
	char text[PERF_TEXT_MAX];
} verdict = { .once = PTHREAD_ONCE_INIT };

/* "fatal: A3 no EFA device; B1 ..." */
static void sum_up(const cJSON *report)
{
	const cJSON *causes = cJSON_GetObjectItemCaseSensitive(report, "root_causes"), *cause;
	const cJSON *checks = cJSON_GetObjectItemCaseSensitive(report, "checks"), *check;
	const char *word = perf_wire_text(report, "verdict"), *id, *text;
	size_t used = (size_t)snprintf(verdict.text, sizeof(verdict.text), "%s", word ? word : "?");

	cJSON_ArrayForEach(cause, causes)
	{
		cJSON_ArrayForEach(check, checks)
		{
			id = perf_wire_text(check, "id");
			text = perf_wire_text(check, "text");
			if (!id || !text || !cJSON_IsString(cause) ||
			    strcmp(id, cause->valuestring) != 0 || used >= sizeof(verdict.text))
				continue;
			used += (size_t)snprintf(verdict.text + used, sizeof(verdict.text) - used,
						 "%s%s %s", strchr(verdict.text, ':') ? "; " : ": ",
						 id, text);
		}
	}
}

static void judge(int rc, int status, const char *answer)
{
	cJSON *report = !rc && WIFEXITED(status) ? cJSON_Parse(answer) : NULL;

	if (report)
		sum_up(report);
	else
		snprintf(verdict.text, sizeof(verdict.text), "unknown (%s)",
			 rc ? weft_error_detail() : "weft-doctor did not end its report");
	cJSON_Delete(report);
}

static void ask_doctor(void)
{
	char path[HOST_HELPER_PATH_MAX + 64];
	char *const argv[] = { path, "--json", "--only", DOCTOR_GROUPS, NULL };
	char *answer = mem_alloc(DOCTOR_BYTES);
	int status = 0, rc = answer ? 0 : -ENOMEM;

	if (!rc)
		rc = host_helper_beside("doctor", "weft-doctor", path, sizeof(path));
	if (!rc)
		rc = host_helper_run(argv, DOCTOR_NS, answer, DOCTOR_BYTES, &status);
	judge(rc, status, answer ? answer : "");
	mem_free(answer);
}

static void add_placement(struct env_at *at)
{
	struct placement placement;
	struct sysroot root;
	char groups[PERF_TEXT_MAX];
	int rc = sysroot_open(&root, *at->root ? at->root : NULL, NULL);

	if (rc)
		return;
	rc = placement_read(&root, &placement);
	sysroot_close(&root);
	if (rc)
		return;
	placement_groups(&placement, groups, sizeof(groups));
	env_add(at, "ec2.zone", "%s", placement_zone(&placement));
	env_add(at, "ec2.vpc", "%s", placement.vpc);
	env_add(at, "ec2.subnet", "%s", placement.subnet);
	env_add(at, "ec2.groups", "%s", groups);
	env_add(at, "ec2.placement_group", "%s", *placement.group ? placement.group : "none");
}

void env_doctor(struct env_at *at)
{
	const char *wanted = getenv("WEFT_PERF_DOCTOR");

	add_placement(at);
	if (*at->root)
		return;
	if (wanted && !strcmp(wanted, "0")) {
		env_add(at, "doctor", "not asked");
		return;
	}
	pthread_once(&verdict.once, ask_doctor);
	env_add(at, "doctor", "%s", verdict.text);
}
