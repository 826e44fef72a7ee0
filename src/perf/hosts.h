/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts on which weft perf server runs, and the pairs of them that meet at the same time. */
#ifndef WEFT_PERF_HOSTS_H
#define WEFT_PERF_HOSTS_H

#include <stdint.h>

#include "base/address.h"

#define PERF_HOST_MAX  (ADDRESS_HOST_MAX + 16)
#define PERF_HOSTS_MAX 1024

struct perf_hosts {
	uint32_t n;
	char address[PERF_HOSTS_MAX][PERF_HOST_MAX]; /* with a port */
};

/* HOST or HOST:PORT to an address with a port, PERF_PORT where there is none. 0 or -EINVAL. */
int perf_host_address(const char *text, char ret[PERF_HOST_MAX]);

/*
 * Adds the hosts of a file, or of a list by comma where there is no such file. They stand between
 * commas, blanks and ends of lines; behind # stands a remark. What is no host, or there already, is
 * -EINVAL, or, where junk is not NULL, told to it (err_set() says why) and left out. -ENOMEM,
 * -ENOSPC: more than PERF_HOSTS_MAX; -errno of the file.
 */
int perf_hosts_add(struct perf_hosts *hosts, const char *text,
		   void (*junk)(const char *item, int error));

/*
 * The pairs of a round, so that each host is in one pair at most and, over all perf_rounds(), each
 * two are a pair once; who is first in its pair changes. Writes at most hosts / 2; returns how
 * many.
 */
uint32_t perf_rounds(uint32_t hosts);
uint32_t perf_round(uint32_t hosts, uint32_t round, uint32_t (*ret)[2]);

#endif /* WEFT_PERF_HOSTS_H */
