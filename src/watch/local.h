/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where processes of weft can be asked for figures: an abstract Unix socket "weft-stats-PID-N" for
 * each (N: the first free number from 0, as PIDs of containers that share a network namespace can
 * be the same), which speaks HTTP (http.h). It needs no directory and no rights, leaves nothing
 * behind when its process is killed, and all that there are stand in /proc/net/unix; only the same
 * user and root get an answer.
 */
#ifndef WEFT_WATCH_LOCAL_H
#define WEFT_WATCH_LOCAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOCAL_PREFIX     "weft-stats-"
#define LOCAL_NAME_MAX   64
#define LOCAL_ANSWER_MAX ((size_t)1 << 20)

/* A descriptor that listens; its name in ret. -errno. */
int local_listen(char ret[LOCAL_NAME_MAX]);
/* Names of the sockets of this network namespace, at most room; how many, or -errno. */
int local_list(char (*ret)[LOCAL_NAME_MAX], size_t room);
/*
 * Asks for a page ("/stats"). *ret is its text with a NUL (mem_free()), *who the process that
 * answered: its pid as this process sees it, 0 when it cannot. -ETIMEDOUT: no whole answer within
 * timeout_ns; -EACCES: another user's; -EBADMSG: no answer of weft's; -ECONNREFUSED, -errno.
 */
int local_ask(const char *name, const char *path, uint64_t timeout_ns, char **ret, size_t *len,
	      struct ucred *who);

#endif /* WEFT_WATCH_LOCAL_H */
