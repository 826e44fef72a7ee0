/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kv/client_int.h"

#define HOST_MAX 256

/* HOST:PORT or [V6]:PORT, "http://" in front, "/" behind. */
static bool split(const char *text, char host[HOST_MAX], char port[8])
{
	const char *colon, *end;
	size_t len;

	if (!strncmp(text, "http://", 7))
		text += 7;
	end = text + strcspn(text, "/");
	colon = memrchr(text, ':', (size_t)(end - text));
	if (!colon || end - colon < 2 || end - colon > 6)
		return false;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!len || len >= HOST_MAX)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	memcpy(port, colon + 1, (size_t)(end - colon - 1));
	port[end - colon - 1] = '\0';
	return true;
}

/* Connecting a UDP socket sends nothing, but chooses the route. */
static bool local_of(const struct addrinfo *info, char *buf, size_t size)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	int fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	ok = !connect(fd, info->ai_addr, info->ai_addrlen) &&
	     !getsockname(fd, (struct sockaddr *)&local, &len) &&
	     !getnameinfo((struct sockaddr *)&local, len, buf, (socklen_t)size, NULL, 0,
			  NI_NUMERICHOST);
	close(fd);
	return ok;
}

bool addr_local(const char *server_addr, char *buf, size_t size)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *infos = NULL;
	char host[HOST_MAX], port[8];
	bool ok;

	if (!split(server_addr, host, port) || getaddrinfo(host, port, &hints, &infos))
		return false;
	ok = local_of(infos, buf, size);
	freeaddrinfo(infos);
	return ok;
}
