/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins meet. Their addresses are bytes from the network. All numbers are little endian:
 *
 *   "WPF" and the version (1 byte); operation (1); endpoints (2); receives of each (4); sources of
 *   each (4); size of an operation (8); provider's name, zero-filled (32); then for each endpoint:
 *   memory's base (8), its key (8), length of its name (2), its name
 *
 * Then both say hello by a first count (fabric_credit.c), the initiator first: connections that
 * two open to each other at once can both be lost over tcp.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "perf/content.h"
#include "perf/fabric.h"

#define MAGIC          "WPF"
#define VERSION        1
#define NAME_MAX_BYTES 512
#define PROVIDER       32

struct head {
	char magic[3];
	uint8_t version;
	uint8_t op;
	uint8_t zero;
	uint16_t eps;
	uint32_t receives;
	uint32_t slots;
	uint64_t size;
	char provider[PROVIDER];
};

struct entry {
	uint64_t base, key;
	uint16_t len;
	uint8_t zero[6];
};

_Static_assert(sizeof(struct head) == 56, "the bytes that travel");
_Static_assert(sizeof(struct entry) == 24, "the bytes that travel");
_Static_assert(sizeof(struct head) + PERF_EPS_MAX * (sizeof(struct entry) + NAME_MAX_BYTES) <=
		       PERF_ADDRESS_MAX,
	       "the longest address fits");

static int add_entry(const struct pfab_ep *ep, unsigned char *buf, size_t room)
{
	struct entry entry = { .base = htole64(ep->rail->base),
			       .key = htole64(fi_mr_key(ep->rail->mr)) };
	unsigned char name[NAME_MAX_BYTES];
	size_t len = sizeof(name);
	int rc = fi_getname(&ep->ep->fid, name, &len);

	if (rc)
		return pfab_failed(ep->rail->info, "fi_getname", rc);
	if (len > sizeof(name) || sizeof(entry) + len > room)
		return err_set(-EMSGSIZE, "the address of an endpoint has %zu bytes", len);
	entry.len = htole16((uint16_t)len);
	memcpy(buf, &entry, sizeof(entry));
	memcpy(buf + sizeof(entry), name, len);
	return (int)(sizeof(entry) + len);
}

int pfab_address(struct perf_port *perf_port, void *buf, size_t room)
{
	const struct pfab_port *port = (const struct pfab_port *)(void *)perf_port;
	struct head head = {
		.magic = MAGIC,
		.version = VERSION,
		.op = (uint8_t)port->c->op,
		.eps = htole16((uint16_t)port->c->eps),
		.receives = htole32(port->receives),
		.slots = htole32(port->source_slots),
		.size = htole64(port->c->size),
	};
	size_t used = sizeof(head);
	uint32_t i;
	int n;

	if (room < sizeof(head))
		return err_set(-EMSGSIZE, "no room for an address");
	strncpy(head.provider, port->choice.row.name, sizeof(head.provider) - 1);
	memcpy(buf, &head, sizeof(head));
	for (i = 0; i < port->c->eps; i++) {
		n = add_entry(&port->ep[i], (unsigned char *)buf + used, room - used);
		if (n < 0)
			return n;
		used += (size_t)n;
	}
	return (int)used;
}

static int check_head(const struct pfab_port *port, struct head *head, size_t len)
{
	const struct perf_case *c = port->c;

	if (len < sizeof(*head) || memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0)
		return err_set(-WEFT_EMESSAGE, "the twin's address is none of this back end");
	if (head->version != VERSION)
		return err_set(-WEFT_EVERSION, "the twin's address has version %u, this is %u",
			       head->version, VERSION);
	head->provider[sizeof(head->provider) - 1] = '\0';
	if (strncmp(head->provider, port->choice.row.name, sizeof(head->provider) - 1) != 0)
		return err_set(-WEFT_EUNREACHABLE,
			       "the twin uses provider '%s', this side '%s'; name one for both",
			       head->provider, port->choice.row.name);
	if (head->op != c->op || le16toh(head->eps) != c->eps || le64toh(head->size) != c->size ||
	    le32toh(head->slots) != port->source_slots)
		return err_set(-WEFT_EMESSAGE, "the twin measures another case");
	if (port->credited && le32toh(head->receives) == 0)
		return err_set(-WEFT_EMESSAGE, "the twin has no receives");
	return 0;
}

static int insert(struct pfab_ep *ep, const struct entry *entry, const unsigned char *name)
{
	const size_t len = le16toh(entry->len);
	unsigned char own[NAME_MAX_BYTES];
	size_t own_len = sizeof(own);
	int rc;

	/* Those of one provider have one size, but for shm's, which are strings. */
	if (ep->rail->info->addr_format == FI_ADDR_STR) {
		if (len == 0 || name[len - 1] != '\0')
			return err_set(-WEFT_EMESSAGE, "an endpoint's address is not a string");
	} else {
		rc = fi_getname(&ep->ep->fid, own, &own_len);
		if (rc)
			return pfab_failed(ep->rail->info, "fi_getname", rc);
		if (len != own_len)
			return err_set(-WEFT_EMESSAGE,
				       "an endpoint's address has %zu bytes, not %zu", len,
				       own_len);
	}
	rc = fi_av_insert(ep->av, name, 1, &ep->dest, 0, NULL);
	if (rc != 1)
		return pfab_failed(ep->rail->info, "fi_av_insert", rc < 0 ? rc : -FI_EINVAL);
	ep->remote = le64toh(entry->base);
	ep->remote_key = le64toh(entry->key);
	return 0;
}

static int take(struct pfab_port *port, const unsigned char *bytes, size_t len)
{
	struct entry entry;
	struct head head = { .version = 0 };
	size_t at = sizeof(head);
	uint32_t i;
	int rc;

	memcpy(&head, bytes, len < sizeof(head) ? len : sizeof(head));
	rc = check_head(port, &head, len);
	for (i = 0; i < port->c->eps && !rc; i++) {
		if (len - at < sizeof(entry))
			return err_set(-WEFT_EMESSAGE, "the twin's address is cut off");
		memcpy(&entry, bytes + at, sizeof(entry));
		at += sizeof(entry);
		if (le16toh(entry.len) > NAME_MAX_BYTES || le16toh(entry.len) > len - at)
			return err_set(-WEFT_EMESSAGE, "the twin's address is cut off");
		port->ep[i].room = le32toh(head.receives);
		rc = insert(&port->ep[i], &entry, bytes + at);
		at += le16toh(entry.len);
	}
	if (!rc && at != len)
		return err_set(-WEFT_EMESSAGE, "the twin's address has %zu bytes more", len - at);
	return rc;
}

int pfab_meet(struct perf_port *perf_port, const void *address, size_t len)
{
	struct pfab_port *port = (struct pfab_port *)(void *)perf_port;
	struct pfab_ep *ep;
	int rc = take(port, address, len);

	if (rc)
		return rc;
	for (ep = port->ep; ep < port->ep + port->c->eps; ep++)
		ep->may_send = ep->room;
	port->connected = port->met = true;
	return 0;
}

void pfab_resize(struct perf_port *perf_port, uint64_t size)
{
	struct pfab_port *port = (struct pfab_port *)(void *)perf_port;
	uint32_t i, slot;

	port->copy.size = size;
	for (i = 0; i < port->c->eps; i++) {
		memset(port->ep[i].sinks, 0, port->stride * port->sink_slots);
		for (slot = 0; slot < port->source_slots; slot++)
			content_fill(port->ep[i].sources + slot * port->stride, size, port->c->seed,
				     content_key(port->target, port->index, i), slot);
	}
}

/* Says hello where that is not done yet; 0 once all are said, and have left. */
static int say_hello(struct pfab_port *port)
{
	bool left = false;
	struct pfab_ep *ep;
	int rc;

	for (ep = port->ep; ep < port->ep + port->c->eps; ep++) {
		if (!ep->said)
			rc = pfab_tell(port, ep);
		else
			rc = ep->credit_busy && port->target ? -EAGAIN : 0;
		if (rc && rc != -EAGAIN)
			return rc;
		ep->said |= rc == 0;
		left |= rc != 0 || (port->target && ep->credit_busy);
	}
	return left ? -EAGAIN : 0;
}

static bool all_heard(const struct pfab_port *port)
{
	const struct pfab_ep *ep;

	for (ep = port->ep; ep < port->ep + port->c->eps; ep++)
		if (!pfab_heard(ep))
			return false;
	return true;
}

/* The initiator has met us before we have met it, so its first messages may come now. */
static int poll_meeting(struct pfab_port *port)
{
	struct perf_event events[16];
	const uint32_t before = port->early;
	int n, i;

	port->early = 0; /* those stay where they are */
	n = pfab_poll(&port->port, events, 16);
	port->early = before;
	for (i = 0; i < n; i++) {
		port->ep[events[i].ep].early++;
		port->early++;
		port->arrived--;
	}
	return n < 0 ? n : 0;
}

int pfab_connect(struct perf_port *perf_port, const void *address, size_t len)
{
	struct pfab_port *port = (struct pfab_port *)(void *)perf_port;
	int rc;

	if (!port->connected) {
		rc = take(port, address, len);
		if (rc)
			return rc;
		port->connected = true;
	}
	rc = poll_meeting(port);
	if (rc)
		return rc;
	if (port->target && !all_heard(port))
		return -EAGAIN;
	rc = say_hello(port);
	if (!rc && !all_heard(port))
		rc = -EAGAIN;
	port->met = rc == 0;
	return rc;
}
