/* SPDX-License-Identifier: Apache-2.0 */
#include "host/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "host/helper.h"

#define DIED_BYTES 32 /* of the line "died=SIGNAL" */

static bool answer_ended(const char *answer)
{
	char end[8];

	return host_probe_value(answer, "end", end, sizeof(end));
}

static int judge(int status, char *answer)
{
	size_t len = strlen(answer);
	const char *name;
	char died[DIED_BYTES / 2];

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		snprintf(died, sizeof(died), "SIG%s", name ? name : "?");
		snprintf(answer + len, DIED_BYTES, "%sdied=%s\n",
			 len && answer[len - 1] != '\n' ? "\n" : "", died);
		return err_set(-EIO, HOST_PROBE_NAME " was ended by %s", died);
	}
	if (!answer_ended(answer))
		return err_set(-EIO,
			       HOST_PROBE_NAME " ended with status %d in the middle of its answer",
			       WEXITSTATUS(status));
	return 0;
}

int host_probe_run(const char *path, uint64_t timeout_ns, char *ret, size_t room)
{
	char beside[HOST_HELPER_PATH_MAX + 64];
	char *argv[] = { (char *)path, NULL };
	int rc, status;

	*ret = '\0';
	if (room <= DIED_BYTES)
		return err_set(-ENOBUFS, "there is no room for an answer");
	if (!path || !*path) {
		rc = host_helper_beside("doctor", HOST_PROBE_NAME, beside, sizeof(beside));
		if (rc)
			return rc;
		argv[0] = beside;
	}
	rc = host_helper_run(argv, timeout_ns, ret, room - DIED_BYTES, &status);
	return rc ? rc : judge(status, ret);
}

bool host_probe_value(const char *answer, const char *key, char *ret, size_t room)
{
	size_t key_len = strlen(key), len;

	for (; *answer; answer += len + (answer[len] == '\n')) {
		len = strcspn(answer, "\n");
		if (len <= key_len || strncmp(answer, key, key_len) || answer[key_len] != '=')
			continue;
		len -= key_len + 1;
		if (len >= room)
			len = room - 1;
		memcpy(ret, answer + key_len + 1, len);
		ret[len] = '\0';
		return true;
	}
	return false;
}
