/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, messages and statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "control/rpc_fixture.h"

static void addresses_are_read_strictly(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} rows[] = {
		{ "127.0.0.1:50051", "127.0.0.1", 50051 },
		{ "http://host.example:1/", "host.example", 1 },
		{ "http://[::1]:65535", "::1", 65535 },
		{ "[fe80::1]:0", "fe80::1", 0 },
		{ "", NULL, 0 },
		{ "host", NULL, 0 },
		{ "host:", NULL, 0 },
		{ ":1", NULL, 0 },
		{ "host:65536", NULL, 0 },
		{ "host:1x", NULL, 0 },
		{ "host:-1", NULL, 0 },
		{ "::1:50051", NULL, 0 },
		{ "[::1]", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "[]:1", NULL, 0 },
		{ "[host]:1", NULL, 0 },
		{ "unix:/tmp/x", NULL, 0 },
		{ "https://host:1", NULL, 0 },
		{ "host:1/path", NULL, 0 },
		{ "ho st:1", NULL, 0 },
	};
	char longer[ADDRESS_HOST_MAX + 8];
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = address_parse(&address, rows[i].text);

		if (!rows[i].host) {
			assert_int_equal(rc, -EINVAL);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(address.host, rows[i].host);
		assert_int_equal(address.port, rows[i].port);
	}
	memset(longer, 'a', sizeof(longer));
	strcpy(longer + ADDRESS_HOST_MAX, ":1");
	assert_int_equal(address_parse(&address, longer), -EINVAL);
	assert_int_equal(rpc_channel_open(&(struct rpc_channel *){ NULL }, "127.0.0.1:0"), -EINVAL);
}

static void bytes_come_back(void **state)
{
	(void)state;
	fixture_echo(fixture_channel, "", 0);
	fixture_echo(fixture_channel, "a\0b\xff", 4);
}

static void v6_is_served(void **state)
{
	struct rpc_server_opts opts = { .addr = "[::1]:0",
					.methods = fixture_methods,
					.method_count = FIXTURE_METHODS };
	struct rpc_server *v6 = NULL;
	struct rpc_channel *to = NULL;
	char addr[32];
	int rc = rpc_server_open(&v6, &opts);

	(void)state;
	if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
		skip(); /* this host has no IPv6 */
	assert_int_equal(rc, 0);
	snprintf(addr, sizeof(addr), "http://[::1]:%u", rpc_server_port(v6));
	assert_int_equal(rpc_channel_open(&to, addr), 0);
	fixture_echo(to, "six", 3);
	rpc_channel_close(to);
	rpc_server_close(v6);
}

static void largest_message_passes_and_one_more_byte_does_not(void **state)
{
	struct rpc_op *op = NULL;
	char *bytes = malloc(RPC_MESSAGE_MAX);

	(void)state;
	for (size_t i = 0; i < RPC_MESSAGE_MAX; i++)
		bytes[i] = (char)(i * 2654435761u >> 24);
	fixture_echo(fixture_channel, bytes, RPC_MESSAGE_MAX);
	free(bytes);
	assert_int_equal(rpc_start(fixture_channel, NULL, "/t.T/Echo",
				   mem_zalloc(RPC_MESSAGE_MAX + 1u), RPC_MESSAGE_MAX + 1u, SECOND,
				   &op),
			 -WEFT_ETOOLARGE);
	assert_int_equal(fixture_call("/t.T/Large", "", 0, &op), -WEFT_EQUEUEFULL);
}

static void statuses_become_errors(void **state)
{
	static const struct {
		char status;
		int rc;
	} rows[] = {
		{ RPC_CANCELLED, -WEFT_ECANCELLED },
		{ RPC_UNKNOWN, -WEFT_EPROTOCOL },
		{ RPC_INVALID_ARGUMENT, -WEFT_EBADREQUEST },
		{ RPC_DEADLINE_EXCEEDED, -WEFT_EDEADLINE },
		{ RPC_PERMISSION_DENIED, -EACCES },
		{ RPC_RESOURCE_EXHAUSTED, -WEFT_EQUEUEFULL },
		{ RPC_UNIMPLEMENTED, -WEFT_EPROTOCOL },
		{ RPC_INTERNAL, -WEFT_EPROTOCOL },
		{ RPC_UNAVAILABLE, -WEFT_EUNAVAILABLE },
		{ RPC_UNAUTHENTICATED, -EACCES },
	};
	struct rpc_op *op = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(fixture_call("/t.T/Fail", &rows[i].status, 1, &op), rows[i].rc);
		assert_non_null(strstr(weft_error_detail(), "as was asked for?[31m?"));
		assert_non_null(strstr(weft_error_detail(), rpc_channel_address(fixture_channel)));
	}
}

static void unknown_method_is_told(void **state)
{
	struct rpc_op *op = NULL;

	(void)state;
	assert_int_equal(fixture_call("/t.T/Nothing", "x", 1, &op), -WEFT_EPROTOCOL);
	assert_int_equal(fixture_call("/u.U/Echo", "x", 1, &op), -WEFT_EPROTOCOL);
	fixture_echo(fixture_channel, "on", 2);
}

static void peer_is_named(void **state)
{
	struct rpc_op *op = NULL;

	(void)state;
	assert_int_equal(fixture_call("/t.T/Peer", "", 0, &op), 0);
	assert_memory_equal(rpc_op_data(op), "ipv4:127.0.0.1:", 15);
	rpc_op_close(op);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_strictly),
		cmocka_unit_test(bytes_come_back),
		cmocka_unit_test(v6_is_served),
		cmocka_unit_test(largest_message_passes_and_one_more_byte_does_not),
		cmocka_unit_test(statuses_become_errors),
		cmocka_unit_test(unknown_method_is_told),
		cmocka_unit_test(peer_is_named),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_finish);
}
