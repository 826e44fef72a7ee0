/* SPDX-License-Identifier: Apache-2.0 */
/* A try to reach as JSON, and back. What is read comes from the network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "host/sysroot.h"
#include "perf/reach_ports.h"
#include "perf/wire.h"

#define CODE_MAX 4096

const char *const perf_reach_counters[PERF_REACH_COUNTED] = {
#define REACH_COUNTER(name) #name,
#include "perf/reach.def"
};

/* --- where --------------------------------------------------------------------------------- */

/* Texts of struct perf_reach_where: X(member). */
#define WHERE_TEXTS(X) \
	X(host) X(version) X(libfabric) X(instance) X(zone) X(vpc) X(subnet) X(groups)

void reach_write_where(struct json *json, const char *key, const struct perf_reach_where *where)
{
	json_object(json, key);
#define WHERE_TEXT(member) json_string(json, #member, where->member);
	WHERE_TEXTS(WHERE_TEXT)
#undef WHERE_TEXT
	json_u64(json, "nics", where->nics);
	json_object_end(json);
}

/* Cut where it is too long; of one line. "" where there is none. */
static void read_text(const cJSON *object, const char *name, char *ret, size_t room)
{
	const char *text = perf_wire_text(object, name);

	snprintf(ret, room, "%s", text ? text : "");
	sysroot_clean(ret);
}

static int malformed(const char *what)
{
	return err_set(-WEFT_EMESSAGE, "an answer about what reached whom has no sound '%s'", what);
}

int reach_read_where(const cJSON *object, struct perf_reach_where *ret)
{
	uint64_t nics;

	memset(ret, 0, sizeof(*ret));
	if (!perf_wire_number(object, "nics", PERF_REACH_NICS, &nics))
		return malformed("where");
	ret->nics = (uint32_t)nics;
#define WHERE_TEXT(member) read_text(object, #member, ret->member, sizeof(ret->member));
	WHERE_TEXTS(WHERE_TEXT)
#undef WHERE_TEXT
	/* They become parts of a command. */
	if (ret->groups[strspn(ret->groups, "abcdefghijklmnopqrstuvwxyz0123456789-,")])
		*ret->groups = '\0';
	return 0;
}

/* --- ends ---------------------------------------------------------------------------------- */

static void write_end_members(struct json *json, const struct perf_reach_end *end)
{
	json_string(json, "device", end->device);
	json_bool(json, "sent", end->sent);
	json_bool(json, "ended", end->ended);
	json_bool(json, "arrived", end->arrived);
	json_bool(json, "wrong", end->wrong);
	if (end->error) {
		json_i64(json, "code", -end->error);
		json_string(json, "why", end->why);
	}
	json_object(json, "counters");
	for (uint32_t i = 0; i < PERF_REACH_COUNTED; i++)
		if (end->counted & 1u << i)
			json_u64(json, perf_reach_counters[i], end->grown[i]);
	json_object_end(json);
}

void reach_write_end(struct json *json, const char *key, const struct perf_reach_end *end)
{
	json_object(json, key);
	write_end_members(json, end);
	json_object_end(json);
}

static bool is_true(const cJSON *object, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int reach_read_end(const cJSON *object, struct perf_reach_end *ret)
{
	const cJSON *counters = cJSON_GetObjectItemCaseSensitive(object, "counters");
	uint64_t code = 0;

	memset(ret, 0, sizeof(*ret));
	if (!cJSON_IsObject(object))
		return malformed("ends");
	if (cJSON_HasObjectItem(object, "code") &&
	    (!perf_wire_number(object, "code", CODE_MAX, &code) || !code))
		return malformed("code");
	ret->error = -(int)code;
	read_text(object, "device", ret->device, sizeof(ret->device));
	read_text(object, "why", ret->why, sizeof(ret->why));
	ret->sent = is_true(object, "sent");
	ret->ended = is_true(object, "ended");
	ret->arrived = is_true(object, "arrived");
	ret->wrong = is_true(object, "wrong");
	for (uint32_t i = 0; i < PERF_REACH_COUNTED; i++)
		if (perf_wire_number(counters, perf_reach_counters[i], UINT64_MAX, &ret->grown[i]))
			ret->counted |= 1u << i;
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------- */

static const char *const way_words[] = {
	[PERF_REACH_OK] = "ok",
	[PERF_REACH_WRONG] = "wrong",
	[PERF_REACH_LARGE] = "large lost",
	[PERF_REACH_LOST] = "lost",
	[PERF_REACH_UNSENT] = "unsent",
};

static void write_pass(struct json *json, const struct perf_reach_pass *pass)
{
	json_object(json, NULL);
	json_u64(json, "size", pass->size);
	json_array(json, "pairs");
	for (uint32_t i = 0; i < pass->pairs; i++) {
		json_object(json, NULL);
		reach_write_end(json, "here", &pass->here[i]);
		reach_write_end(json, "there", &pass->there[i]);
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

void perf_reach_write(struct json *json, const char *key, const struct perf_reach *reach)
{
	json_object(json, key);
	reach_write_where(json, "here", &reach->here);
	reach_write_where(json, "there", &reach->there);
	json_array(json, "pairs");
	for (uint32_t i = 0; reach->passes && i < reach->pass[0].pairs; i++) {
		json_object(json, NULL);
		json_string(json, "here", reach->pass[0].here[i].device);
		json_string(json, "there", reach->pass[0].there[i].device);
		json_string(json, "to_there", way_words[perf_reach_way(reach, i, true)]);
		json_string(json, "to_here", way_words[perf_reach_way(reach, i, false)]);
		json_object_end(json);
	}
	json_array_end(json);
	json_array(json, "passes");
	for (uint32_t i = 0; i < reach->passes; i++)
		write_pass(json, &reach->pass[i]);
	json_array_end(json);
	json_object_end(json);
}

static int read_pass(const cJSON *object, struct perf_reach_pass *ret)
{
	const cJSON *pairs = cJSON_GetObjectItemCaseSensitive(object, "pairs"), *pair;
	int rc = 0;

	if (!perf_wire_number(object, "size", PERF_SIZE_MAX, &ret->size) || !cJSON_IsArray(pairs) ||
	    !cJSON_GetArraySize(pairs) || cJSON_GetArraySize(pairs) > PERF_REACH_NICS)
		return malformed("passes");
	cJSON_ArrayForEach(pair, pairs)
	{
		rc = reach_read_end(cJSON_GetObjectItemCaseSensitive(pair, "here"),
				    &ret->here[ret->pairs]);
		if (!rc)
			rc = reach_read_end(cJSON_GetObjectItemCaseSensitive(pair, "there"),
					    &ret->there[ret->pairs]);
		if (rc)
			return rc;
		ret->pairs++;
	}
	return 0;
}

int perf_reach_read(const cJSON *object, struct perf_reach *ret)
{
	const cJSON *passes = cJSON_GetObjectItemCaseSensitive(object, "passes"), *pass;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = reach_read_where(cJSON_GetObjectItemCaseSensitive(object, "here"), &ret->here);
	if (!rc)
		rc = reach_read_where(cJSON_GetObjectItemCaseSensitive(object, "there"),
				      &ret->there);
	if (rc)
		return rc;
	if (!cJSON_IsArray(passes) || !cJSON_GetArraySize(passes) ||
	    cJSON_GetArraySize(passes) > PERF_REACH_PASSES)
		return malformed("passes");
	cJSON_ArrayForEach(pass, passes)
	{
		rc = read_pass(pass, &ret->pass[ret->passes]);
		if (!rc && ret->pass[ret->passes].pairs != ret->pass[0].pairs)
			rc = malformed("pairs");
		if (rc)
			return rc;
		ret->passes++;
	}
	return 0;
}
