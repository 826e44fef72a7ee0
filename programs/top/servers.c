/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/alloc.h"
#include "base/err.h"
#include "top/top.h"

int servers_open(struct servers **ret)
{
	struct servers *servers = mem_zalloc(sizeof(*servers));

	if (servers) {
		servers->now = mem_array(SERVERS_MAX, sizeof(*servers->now));
		servers->before = mem_array(SERVERS_MAX, sizeof(*servers->before));
	}
	if (!servers || !servers->now || !servers->before) {
		servers_close(servers);
		return err_set(-ENOMEM, "no memory for the list of servers");
	}
	*ret = servers;
	return 0;
}

void servers_close(struct servers *servers)
{
	if (!servers)
		return;
	mem_free(servers->now);
	mem_free(servers->before);
	mem_free(servers);
}

/* Beyond 2^53 a double, as JSON's numbers come, is not exact: near enough for rates. What is no
 * number counts as 0. */
static uint64_t number_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
		return 0;
	return item->valuedouble < 1e18 ? (uint64_t)item->valuedouble : (uint64_t)1e18;
}

/* Text from elsewhere goes to the terminal: nothing but printable ASCII. */
static void text_of(const cJSON *object, const char *name, char *ret, size_t room)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	snprintf(ret, room, "%s", cJSON_IsString(item) ? item->valuestring : "-");
	for (; *ret; ret++)
		if (*ret < 0x20 || *ret > 0x7e)
			*ret = '?';
}

int server_parse(struct server_state *state, const char *text, size_t len)
{
	cJSON *top = cJSON_ParseWithLength(text, len);
	const cJSON *kv = cJSON_GetObjectItemCaseSensitive(top, "kv");
	const cJSON *engine = cJSON_GetObjectItemCaseSensitive(top, "engine");
	const cJSON *rails = cJSON_GetObjectItemCaseSensitive(top, "rails"), *rail;

	if (!cJSON_IsObject(kv) || !cJSON_IsObject(engine)) {
		cJSON_Delete(top);
		return -EBADMSG;
	}
	text_of(top, "listen", state->listen, sizeof(state->listen));
	text_of(top, "provider", state->provider, sizeof(state->provider));
#define TAKE(name, text) state->kv.name = number_of(kv, #name);
	WEFT_KV_COUNTER_MAP(TAKE)
#undef TAKE
#define TAKE(name, text) state->engine.name = number_of(engine, #name);
	WEFT_COUNTER_MAP(TAKE)
#undef TAKE
	state->bytes_rails = 0;
	cJSON_ArrayForEach(rail, rails) state->bytes_rails += number_of(rail, "bytes");
	cJSON_Delete(top);
	return 0;
}

static void ask(struct server_state *state, uint64_t timeout_ns)
{
	struct ucred who = { .uid = (uid_t)-1 };
	char *text = NULL;
	size_t len = 0;

	state->error = local_ask(state->name, "/stats", timeout_ns, &text, &len, &who);
	state->pid = who.pid;
	state->uid = who.uid;
	/* Whoever likes can listen at such a name. */
	if (!state->error && geteuid() && who.uid && who.uid != geteuid())
		state->error = -EACCES;
	if (!state->error)
		state->error = server_parse(state, text, len);
	mem_free(text);
}

/* A fair part of the time that is left: one that hangs takes nothing from those after it. */
static uint64_t share_ns(uint64_t deadline_ns, uint32_t servers)
{
	uint64_t now_ns = clock_ns();
	uint64_t share = now_ns < deadline_ns ? (deadline_ns - now_ns) / servers : 0;

	if (share > SERVER_ASK_NS)
		return SERVER_ASK_NS;
	return share < SERVER_LEAST_NS ? SERVER_LEAST_NS : share;
}

void servers_read(struct servers *servers)
{
	uint64_t deadline_ns = clock_ns() + 2 * SERVER_ASK_NS;
	struct server_state *swap = servers->before;
	char names[SERVERS_MAX][LOCAL_NAME_MAX];
	int n = local_list(names, SERVERS_MAX);

	servers->before = servers->now;
	servers->now = swap;
	servers->count_before = servers->count;
	servers->error = n < 0 ? n : 0;
	servers->count = n < 0 ? 0 : (uint32_t)n;
	for (uint32_t i = 0; i < servers->count; i++) {
		servers->now[i] = (struct server_state){ .error = -ETIMEDOUT };
		memcpy(servers->now[i].name, names[i], sizeof(names[i]));
		ask(&servers->now[i], share_ns(deadline_ns, servers->count - i));
	}
}

const struct server_state *server_before(const struct servers *servers,
					 const struct server_state *server)
{
	const struct server_state *before;

	for (uint32_t i = 0; i < servers->count_before && !server->error; i++) {
		before = &servers->before[i];
		if (!before->error && !strcmp(before->name, server->name) &&
		    before->pid == server->pid && before->kv.uptime_ms <= server->kv.uptime_ms)
			return before;
	}
	return NULL;
}
