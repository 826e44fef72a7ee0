/* SPDX-License-Identifier: Apache-2.0 */
/* The soak's server and client of the cache: processes on hosts of their own. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "verdict.h"

static _Noreturn void run(const struct soak *s, uint32_t host, const struct cache *cache,
			  char *const argv[])
{
	struct cell cell = { .world = s->world };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	host_here(&cell, host);
	dup2(cache->in, STDIN_FILENO);
	if (cache->out >= 0)
		dup2(cache->out, STDOUT_FILENO);
	execv(argv[0], argv);
	_exit(127);
}

static pid_t begin(const struct soak *s, uint32_t host, const struct cache *cache,
		   char *const argv[])
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	check(pid >= 0);
	if (!pid)
		run(s, host, cache, argv);
	verdict_started((int)pid);
	return pid;
}

/* "weft serve: ready on HOST:PORT provider ..." */
static void read_address(int fd, char address[64])
{
	char text[512] = "", *at;
	size_t used = 0;
	ssize_t n;

	while (used + 1 < sizeof(text) && !strchr(text, '\n') &&
	       (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		text[used += (size_t)n] = '\0';
	at = strstr(text, "ready on ");
	if (!at || sscanf(at, "ready on %63s", address) != 1)
		conform_fail(__FILE__, __LINE__, "the server says '%s'", text);
}

void cache_open(struct cache *cache, const struct soak *s, char *serve, char *client)
{
	char seed[24], address[64];
	char *server_argv[] = { serve, "--listen-addr", "127.0.0.1:0", "--memory-mb", "256",
				"-p",  "efa",           "--log-level", "error",       NULL };
	char *client_argv[] = { client, address, seed, NULL };
	int out[2], in[2];

	check(pipe2(out, O_CLOEXEC) == 0);
	check(pipe2(in, O_CLOEXEC) == 0);
	cache->out = out[1];
	cache->in = in[0];
	cache->server = begin(s, SOAK_SERVER, cache, server_argv);
	close(out[1]);
	read_address(out[0], address);
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)s->seed);
	cache->out = -1;
	cache->client = begin(s, SOAK_CLIENT, cache, client_argv);
	close(in[0]);
	cache->in = -1;
	cache->end = in[1];
	cache->said = out[0];
}

void cache_check(const struct cache *cache)
{
	int status;

	if (waitpid(cache->client, &status, WNOHANG) == cache->client)
		conform_fail(__FILE__, __LINE__, "the client of the cache has ended: 0x%x",
			     (unsigned int)status);
	if (waitpid(cache->server, &status, WNOHANG) == cache->server)
		conform_fail(__FILE__, __LINE__, "the server of the cache has ended: 0x%x",
			     (unsigned int)status);
}

void cache_close(struct cache *cache, struct net *net)
{
	int status = -1;

	close(cache->end);
	until_in(net, waitpid(cache->client, &status, WNOHANG) == cache->client,
		 10 * CONFORM_LIMIT_NS);
	check_int(status, 0);
	check(kill(cache->server, SIGTERM) == 0);
	until_in(net, waitpid(cache->server, &status, WNOHANG) == cache->server,
		 10 * CONFORM_LIMIT_NS);
	check_int(status, 0);
	close(cache->said);
}
