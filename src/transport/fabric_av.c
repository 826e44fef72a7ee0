/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of peers in a port's address vector. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/hash.h"
#include "transport/fabric.h"

/*
 * libfabric's efa finds the sender of a packet by GID and queue pair number. When the number of a
 * peer that is gone has come back, removing the older of both addresses takes the newer one's
 * entry, and removing that one crashes. So only the newest may be removed. Where memory for knowing
 * which that is runs out, none is.
 */
static void newest_note(struct port *port, const void *addr, size_t len, fi_addr_t dest)
{
	size_t same = port->provider->address_same;

	if (same && len >= same)
		map_put(&port->newest, hash_content(addr, same), dest);
}

/* Whether it has it already: such providers give equal addresses one entry. */
static bool newest_is(const struct port *port, const void *addr, size_t len, fi_addr_t dest)
{
	size_t same = port->provider->address_same;
	uint64_t newest;

	return same && len >= same && map_get(&port->newest, hash_content(addr, same), &newest) &&
	       newest == dest;
}

/* Whether the address may be removed. */
static bool newest_forget(struct port *port, fi_addr_t dest)
{
	size_t same = port->provider->address_same, len = PORT_ADDRESS_MAX;
	uint8_t addr[PORT_ADDRESS_MAX];
	uint64_t newest;

	if (!same)
		return true;
	if (fi_av_lookup(port->av, dest, addr, &len) || len < same ||
	    !map_get(&port->newest, hash_content(addr, same), &newest) || newest != dest)
		return false;
	map_del(&port->newest, hash_content(addr, same), NULL);
	return true;
}

/*
 * efa gives equal addresses one entry, and does not count who has it: it stays while anybody has.
 * Its software, which efa-direct goes without, keeps about the peer of an entry what agrees with
 * that peer's side: a message's number, and whether it must still say who sent it. When one side
 * forgets and the other does not, what that one sends is ignored for ever. So entries of peers that
 * live, which may be met again, stay until FABRIC_KEPT_MAX others have come.
 */
static bool counts_users(const struct port *port)
{
	return port->provider->address_same && !port->emulated;
}

static int users_add(struct port *port, fi_addr_t dest)
{
	uint64_t count = 0;

	if (!counts_users(port))
		return 0;
	map_get(&port->users, dest, &count);
	return map_put(&port->users, dest, count + 1);
}

/* Whether nobody has it any more. */
static bool users_drop(struct port *port, fi_addr_t dest)
{
	uint64_t count;

	if (!counts_users(port) || !map_get(&port->users, dest, &count))
		return true;
	if (count > 1 && map_put(&port->users, dest, count - 1) == 0)
		return false;
	map_del(&port->users, dest, NULL);
	return true;
}

void fabric_remove(struct port *port, fi_addr_t dest)
{
	if (newest_forget(port, dest) && fi_av_remove(port->av, &dest, 1, 0) == 0)
		port->held--;
}

/* The newest comes last. */
static void keep_address(struct port *port, fi_addr_t dest)
{
	if (port->kept_count == FABRIC_KEPT_MAX) {
		fabric_remove(port, port->kept[0]);
		memmove(port->kept, port->kept + 1, --port->kept_count * sizeof(port->kept[0]));
	}
	port->kept[port->kept_count++] = dest;
}

/* It is in use again. */
static void unkeep_address(struct port *port, fi_addr_t dest)
{
	uint32_t i, n = 0;

	for (i = 0; i < port->kept_count; i++)
		if (port->kept[i] != dest)
			port->kept[n++] = port->kept[i];
	port->kept_count = n;
	fabric_rest_end(port, dest);
}

int fabric_connect(struct port *port, const void *addr, size_t len, uint64_t *ret_dest)
{
	uint8_t own[PORT_ADDRESS_MAX];
	size_t own_len = sizeof(own);
	fi_addr_t dest;
	int rc;

	rc = fi_getname(&port->ep->fid, own, &own_len);
	if (rc)
		return fabric_failed(port, rc, "fi_getname");
	/* Addresses of one provider have one size, but for shm's, which are strings. */
	if (port->info->addr_format == FI_ADDR_STR) {
		if (len == 0 || ((const char *)addr)[len - 1] != '\0')
			return err_set(-WEFT_EDESCRIPTOR, "address is not a string");
		if (port->local && !fabric_local_exists(addr))
			return err_set(-WEFT_EPEERSTALE, "%s: there is no %s any more",
				       port->provider->name, (const char *)addr);
	} else if (len != own_len) {
		return err_set(-WEFT_EDESCRIPTOR, "address has %zu bytes, %s has %zu", len,
			       port->provider->name, own_len);
	}
	if (port->provider->addresses_max && port->addresses == port->provider->addresses_max)
		return err_set(-WEFT_ELIMIT, "%s: this endpoint has met %u peers, its most",
			       port->provider->name, port->addresses);
	rc = fi_av_insert(port->av, addr, 1, &dest, 0, NULL);
	if (rc != 1)
		return err_set(-WEFT_EUNREACHABLE, "%s: fi_av_insert on %s: %s",
			       port->provider->name, port->info->domain_attr->name,
			       rc < 0 ? fi_strerror(-rc) : "address refused");
	rc = users_add(port, dest);
	if (rc)
		return err_set(rc, "out of memory for the peer's address");
	unkeep_address(port, dest);
	port->addresses++;
	port->held += !newest_is(port, addr, len, dest);
	newest_note(port, addr, len, dest);
	fabric_sockets_met(port, addr, len);
	if (port->local)
		fabric_local_connected(port, addr, dest);
	*ret_dest = dest;
	return 0;
}

void fabric_forget(struct port *port, uint64_t dest, enum port_forget why)
{
	fi_addr_t addr = dest;
	char name[PORT_ADDRESS_MAX] = "";
	size_t len = sizeof(name);
	const char *file;

	/* A killed process leaves its segment in /dev/shm behind. */
	if (why == FORGET_DEAD && port->provider->host_local &&
	    fi_av_lookup(port->av, addr, name, &len) == 0) {
		name[sizeof(name) - 1] = '\0';
		file = strstr(name, "://");
		file = file ? file + 3 : name;
		if (*file && !strchr(file, '/'))
			shm_unlink(file);
	}
	if (why == FORGET_UNMET && port->local)
		fabric_local_unmet(port, dest);
	/* 1.17's shm takes the next peer in a removed one's place for acquainted, and addresses it
	 * by the old one's numbers: the place stays taken. */
	if (port->provider->addresses_max)
		return;
	/* What efa's software has under way to a removed peer, or for it, stays in a list that is
	 * walked at each poll, and crashes there (1.17 and 2.1). */
	if (port->emulated || !users_drop(port, addr))
		return;
	if (port->provider->emulates && why == FORGET_RESTS)
		fabric_rest(port, addr);
	else if (port->provider->emulates && (why == FORGET_LIVES || why == FORGET_UNMET))
		keep_address(port, addr);
	else
		fabric_remove(port, addr);
}

uint32_t fabric_addresses(const struct port *port)
{
	return port->held;
}
