/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/opt.h"

static int address_bad(const char *text, const char *why)
{
	char quoted[OPT_QUOTE_MAX];

	return err_set(-EINVAL, "address %s: %s; it is HOST:PORT or [IPv6]:PORT",
		       opt_quote(text, quoted), why);
}

static bool address_port(uint16_t *ret, const char *text, size_t len)
{
	unsigned long port = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* Names, and literal addresses: nothing that a resolver or a URI would read otherwise. */
static bool address_host(const char *host, bool v6)
{
	struct in6_addr v6_addr;

	if (v6)
		return inet_pton(AF_INET6, host, &v6_addr) == 1;
	return *host && !host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
					   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")];
}

int address_parse(struct address *address, const char *text)
{
	struct address parsed = { .v6 = false };
	const char *host = text, *colon;
	size_t len, host_len;

	if (!strncmp(host, "http://", 7))
		host += 7;
	len = strlen(host);
	if (host != text && len && host[len - 1] == '/')
		len--;
	if (len && *host == '[') {
		const char *end = memchr(host, ']', len);

		if (!end || end + 1 == host + len || end[1] != ':')
			return address_bad(text, "no \"]:PORT\"");
		parsed.v6 = true;
		colon = end + 1;
		host++;
		len--;
		host_len = (size_t)(end - host);
	} else {
		colon = memchr(host, ':', len);
		if (!colon)
			return address_bad(text, "no port");
		host_len = (size_t)(colon - host);
	}
	if (host_len >= sizeof(parsed.host))
		return address_bad(text, "the host is too long");
	memcpy(parsed.host, host, host_len);
	if (!address_host(parsed.host, parsed.v6))
		return address_bad(text, "the host is neither a name nor an IP address");
	if (!address_port(&parsed.port, colon + 1, (size_t)(host + len - colon - 1)))
		return address_bad(text, "the port is not a number from 0 to 65535");
	*address = parsed;
	return 0;
}
