/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "top/top.h"

static struct server_state nodes[2]; /* before, now */
static struct nic_state nics_[2];
static struct nics nics = { .before = &nics_[0], .now = &nics_[1], .before_ns = 1 };
static struct servers servers = { .before = &nodes[0], .now = &nodes[1] };
static struct top top = { .nics = &nics, .servers = &servers, .seconds = 2 };
static char text[4096];
static enum line_kind last_kind;

static int reset(void **state)
{
	(void)state;
	memset(nodes, 0, sizeof(nodes));
	memset(nics_, 0, sizeof(nics_));
	nics.count = nics.count_before = servers.count = servers.count_before = 0;
	text[0] = '\0';
	return 0;
}

static void take(void *ctx, enum line_kind kind, const char *line)
{
	size_t used = strlen(text);

	(void)ctx;
	last_kind = kind;
	assert_true(strlen(line) <= 80 || kind == LINE_NOTE);
	snprintf(text + used, sizeof(text) - used, "%s\n", line);
}

static void answers_are_read(void **state)
{
	static const char good[] =
		"{\"listen\":\"1.2.3.4:5\\u001b[31m\",\"kv\":{\"gets\":7,\"keys\":"
		"-1,\"hits\":\"x\",\"puts\":1e300},\"engine\":{\"failed\":2},"
		"\"rails\":[{\"bytes\":3},{\"bytes\":4},5]}";
	struct server_state *server = &nodes[1];

	(void)state;
	assert_int_equal(server_parse(server, good, sizeof(good) - 1), 0);
	assert_string_equal(server->listen, "1.2.3.4:5?[31m");
	assert_string_equal(server->provider, "-");
	assert_int_equal(server->kv.gets, 7);
	assert_int_equal(server->kv.keys, 0);
	assert_int_equal(server->kv.hits, 0);
	assert_int_equal(server->kv.puts, (uint64_t)1e18);
	assert_int_equal(server->engine.failed, 2);
	assert_int_equal(server->bytes_rails, 7);
}

static void what_is_no_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"kv\":{}}", "null", "{\"kv\":1,\"engine\":{}}"
	};
	char *deep = malloc(100001);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(server_parse(&nodes[1], bad[i], strlen(bad[i])), -EBADMSG);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	assert_int_equal(server_parse(&nodes[1], deep, 100000), -EBADMSG);
	free(deep);
}

static void server_at(struct server_state *server, uint64_t uptime_ms, uint64_t gets)
{
	strcpy(server->name, "weft-stats-77-0");
	strcpy(server->listen, "127.0.0.1:50051");
	server->pid = 77;
	server->kv.uptime_ms = uptime_ms;
	server->kv.gets = gets;
}

static void servers_show_what_came_between(void **state)
{
	(void)state;
	servers.count = servers.count_before = 1;
	server_at(&nodes[0], 1000, 100);
	server_at(&nodes[1], 3000, 300);
	nodes[1].kv.hits = 3;
	nodes[1].kv.misses = 1;
	nodes[1].kv.bytes_out = 4000000000;
	nodes[1].kv.pool_size = 200;
	nodes[1].kv.pool_used = 50;
	nodes[1].engine.deadline = 1;
	table_servers(&top, take, NULL);
	assert_non_null(strstr(text, "     77 127.0.0.1:50051         0      0  25%    100  75%"
				     "      0    0.00    2.00\n"));
	assert_int_equal(last_kind, LINE_TROUBLE);
	table_notes(&top, take, NULL);
	assert_non_null(strstr(text, "server 77: 0 transfers failed, 1 more by their deadline\n"));
}

static void a_server_that_was_started_anew_is_not_compared(void **state)
{
	(void)state;
	servers.count = servers.count_before = 1;
	server_at(&nodes[0], 5000, 100);
	server_at(&nodes[1], 10, 3);
	assert_null(server_before(&servers, &nodes[1]));
	table_servers(&top, take, NULL);
	assert_non_null(strstr(text, "      -    -      -       -       -\n"));
}

static void a_server_that_is_gone_is_said(void **state)
{
	(void)state;
	servers.count_before = 1;
	server_at(&nodes[0], 5000, 100);
	table_notes(&top, take, NULL);
	assert_string_equal(text, "server 77 at 127.0.0.1:50051 is gone\n");
}

static void a_server_that_does_not_answer_is_shown(void **state)
{
	(void)state;
	servers.count = 1;
	server_at(&nodes[1], 0, 0);
	nodes[1].error = -ETIMEDOUT;
	table_servers(&top, take, NULL);
	assert_non_null(strstr(text, "weft-stats-77-0       no figures: Connection timed out\n"));
	assert_int_equal(last_kind, LINE_TROUBLE);
}

static struct nic_counter *count(struct nic_state *nic, const char *name, uint64_t value)
{
	struct nic_counter *counter = &nic->counters[nic->count++];

	strcpy(counter->name, name);
	counter->value = value;
	return counter;
}

static void devices_show_rates_and_trouble(void **state)
{
	(void)state;
	nics.count = nics.count_before = 1;
	for (int i = 0; i < 2; i++) {
		strcpy(nics_[i].nic.name, "rdmap16s27");
		strcpy(nics_[i].nic.state, "4: ACTIVE");
		count(&nics_[i], "rx_drops", i ? 3 : 0);
		count(&nics_[i], "tx_bytes", i ? 25000000000 : 0);
		count(&nics_[i], "tx_pkts", i ? 5000000 : 0);
	}
	nic_compare(NULL, &nics_[0]);
	nic_compare(&nics_[0], &nics_[1]);
	table_nics(&top, take, NULL);
	assert_non_null(strstr(text, "rdmap16s27       ACTIVE    100.0       -   2500k       -"
				     "       -      3      -\n"));
	assert_int_equal(last_kind, LINE_TROUBLE);
	table_notes(&top, take, NULL);
	assert_non_null(strstr(text, "rdmap16s27: rx_drops +3\n"));
}

static void an_empty_machine_is_said(void **state)
{
	(void)state;
	nics.error = -ENOENT;
	table_nics(&top, take, NULL);
	table_servers(&top, take, NULL);
	table_notes(&top, take, NULL);
	nics.error = 0;
	assert_non_null(strstr(text, "no RDMA device\n"));
	assert_non_null(strstr(text, "no server of weft\n"));
	assert_non_null(strstr(text, "is the driver loaded?"));
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_are_read),
		TEST(what_is_no_answer_is_refused),
		TEST(servers_show_what_came_between),
		TEST(a_server_that_was_started_anew_is_not_compared),
		TEST(a_server_that_is_gone_is_said),
		TEST(a_server_that_does_not_answer_is_shown),
		TEST(devices_show_rates_and_trouble),
		TEST(an_empty_machine_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
