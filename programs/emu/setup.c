/* SPDX-License-Identifier: Apache-2.0 */
/* The options that say what a world and its hosts are. All is checked before anything is made. */
#include "emu/launcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UDP_PORT 26000

bool take_number(const char **text, uint32_t limit, uint32_t *number)
{
	uint64_t value = 0;
	const char *c = *text;

	for (; *c >= '0' && *c <= '9' && value < limit; c++)
		value = value * 10 + (uint64_t)(*c - '0');
	if (c == *text || value >= limit || (*c >= '0' && *c <= '9'))
		return false;
	*text = c;
	*number = (uint32_t)value;
	return true;
}

uint32_t first_host(const struct request *request)
{
	const char *text = getenv("WEFT_EMU_HOST");
	uint32_t host;

	if (request->values.hosts)
		return 0;
	if (request_given(request, "host"))
		return request->values.host;
	if (text && take_number(&text, EMU_HOSTS, &host) && !*text)
		return host;
	return 0;
}

static int read_model(struct setup *setup, const struct emu_values *values)
{
	const struct emu_profile *profile = emu_profile_find(values->profile);
	char quoted[OPT_QUOTE_MAX], why[WHY_MAX];
	uint32_t i;

	if (!profile) {
		suggest_profile(values->profile, why, sizeof(why));
		return fail(PROGRAM_USAGE, "--profile: unknown profile %s%s",
			    opt_quote(values->profile, quoted), why);
	}
	setup->host.profile = profile;
	emu_model_defaults(&setup->host.model);
	if (profile->settings &&
	    emu_model_apply(&setup->host.model, profile->settings, why, sizeof(why)))
		return fail(PROGRAM_FAILED, "profile %s: %s", profile->name, why);
	for (i = 0; i < values->device.count; i++)
		if (emu_model_apply(&setup->host.model, values->device.values[i], why, sizeof(why)))
			return fail(PROGRAM_USAGE, "--device: %s", why);
	setup->host.nics = values->nics;
	return 0;
}

static int read_faults(struct setup *setup, const struct emu_values *values)
{
	char why[WHY_MAX];
	uint32_t i;

	for (i = 0; i < values->fault.count; i++)
		if (emu_fault_parse(values->fault.values[i], &setup->faults[i], why, sizeof(why)))
			return fail(PROGRAM_USAGE, "--fault: %s", why);
	setup->fault_count = values->fault.count;
	return 0;
}

/* An address that is not this machine's would only show as silence. */
static int check_local(const struct emu_host_options *host, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return fail(PROGRAM_FAILED, "--udp: no IPv4 sockets here: %s", strerror(errno));
	memcpy(&address.sin_addr, host->udp_address, sizeof(host->udp_address));
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	close(fd);
	if (rc || address.sin_addr.s_addr == htonl(INADDR_ANY))
		return fail(PROGRAM_USAGE,
			    "--udp: %s is not an address of this machine: give one that the other "
			    "hosts reach",
			    text);
	return 0;
}

static int read_udp(struct setup *setup, const struct request *request)
{
	const struct emu_values *values = &request->values;
	uint32_t port = UDP_PORT, end = first_host(request) + (values->hosts ? values->hosts : 1);
	char quoted[OPT_QUOTE_MAX], address[24];
	const char *colon, *rest;

	setup->world.carrier = EMU_CARRIER_RING;
	if (!values->udp)
		return 0;
	setup->world.carrier = EMU_CARRIER_UDP;
	colon = strchr(values->udp, ':');
	snprintf(address, sizeof(address), "%.*s",
		 (int)(colon ? (size_t)(colon - values->udp) : strlen(values->udp)), values->udp);
	rest = colon ? colon + 1 : NULL;
	if (inet_pton(AF_INET, address, setup->host.udp_address) != 1 ||
	    (rest && (!take_number(&rest, 65536, &port) || *rest)))
		return fail(PROGRAM_USAGE, "--udp: %s is not an IPv4 address with or without :PORT",
			    opt_quote(values->udp, quoted));
	if (port == 0 || port + end * EMU_SLOTS > 65536)
		return fail(
			PROGRAM_USAGE,
			"--udp: hosts up to %u need the ports from %u to %u: choose another PORT",
			end - 1, port, port + end * EMU_SLOTS - 1);
	setup->host.udp_port = (uint16_t)port;
	return check_local(&setup->host, address);
}

int setup_read(struct setup *setup, const struct request *request)
{
	const struct emu_values *values = &request->values;
	char quoted[OPT_QUOTE_MAX];
	int rc;

	memset(setup, 0, sizeof(*setup));
	setup->world.seed = values->seed;
	setup->world.timeout = values->timeout;
	rc = read_model(setup, values);
	if (!rc)
		rc = read_faults(setup, values);
	if (!rc)
		rc = read_udp(setup, request);
	if (rc)
		return rc;
	if (values->limit &&
	    (emu_rate_parse(values->limit, &setup->host.rate) || !setup->host.rate))
		return fail(PROGRAM_USAGE,
			    "--limit: %s is not a rate like 10Gbps, 1.25GB/s or 500Mbit",
			    opt_quote(values->limit, quoted));
	return 0;
}
