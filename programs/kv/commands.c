/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "common/program.h"
#include "kv/kv.h"

/* Says that a command on a key failed. */
static int key_fail(int rc, const char *what, const struct key *key)
{
	char text[KEY_TEXT_MAX];

	return program_fail(NAME, rc, "%s %s", what, key_text(key->bytes, key->len, text));
}

int command_put(struct weft_kv *kv, const struct kv_values *values)
{
	struct weft_kv_put_opts opts = { .size = sizeof(opts), .ttl_ns = values->ttl };
	const char *value;
	struct key key;
	int rc = key_from(&key, values, &value);

	if (rc)
		return rc;
	if (value && values->file)
		return program_usage(NAME, "VALUE and --file exclude each other");
	if (value)
		rc = weft_kv_put(kv, key.bytes, key.len, value, strlen(value), &opts);
	else
		rc = put_file(kv, &key, values->file, &opts);
	return rc ? key_fail(rc, "put", &key) : 0;
}

int command_get(struct weft_kv *kv, const struct kv_values *values)
{
	struct key key;
	int rc = key_from(&key, values, NULL);

	if (rc)
		return rc;
	rc = get_file(kv, &key, values->output);
	if (rc == -EPIPE && !values->output)
		return PROGRAM_BROKENPIPE;
	return rc ? key_fail(rc, "get", &key) : 0;
}

int command_delete(struct weft_kv *kv, const struct kv_values *values)
{
	struct key key;
	int rc = key_from(&key, values, NULL);

	if (rc)
		return rc;
	rc = weft_kv_delete(kv, key.bytes, key.len);
	return rc ? key_fail(rc, "delete", &key) : 0;
}

/* --- stat ----------------------------------------------------------------------------------------
 */

static void print_ttl(uint64_t ttl_ns)
{
	if (ttl_ns)
		printf("%.3f s", (double)ttl_ns / 1e9);
	else
		printf("never expires");
}

static void json_info(struct json *json, const struct weft_kv_info *info, bool checksum)
{
	char text[24];

	json_u64(json, "length", info->length);
	json_u64(json, "version", info->version);
	if (checksum) {
		snprintf(text, sizeof(text), "%016" PRIx64, info->checksum);
		json_string(json, "checksum", text);
	}
	if (info->ttl_ns)
		json_double(json, "ttl_s", (double)info->ttl_ns / 1e9);
	else
		json_null(json, "ttl_s");
}

int command_stat(struct weft_kv *kv, const struct kv_values *values)
{
	struct weft_kv_info info = { .size = sizeof(info) };
	struct json json;
	struct key key;
	int rc = key_from(&key, values, NULL);

	if (rc)
		return rc;
	rc = weft_kv_stat(kv, key.bytes, key.len, &info);
	if (rc)
		return key_fail(rc, "stat", &key);
	if (values->json) {
		json_begin_file(&json, stdout);
		json_object(&json, NULL);
		json_info(&json, &info, true);
		json_object_end(&json);
		json_end(&json);
		putchar('\n');
		return 0;
	}
	printf("length    %" PRIu64 "\nversion   %" PRIu64 "\nchecksum  %016" PRIx64 "\nttl       ",
	       info.length, info.version, info.checksum);
	print_ttl(info.ttl_ns);
	putchar('\n');
	return 0;
}

/* --- list ----------------------------------------------------------------------------------------
 */

struct listing {
	const struct kv_values *values;
	struct json json;
};

/* Text where the key is text; hexadecimal always, which any key can be found by. */
static void list_json(struct json *json, const void *key, size_t len,
		      const struct weft_kv_info *info)
{
	char hex[2 * WEFT_KV_KEY_MAX + 1];
	const uint8_t *bytes = key;
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	json_object(json, NULL);
	json_string_n(json, "key", key, len);
	json_string(json, "key_hex", hex);
	json_info(json, info, false);
	json_object_end(json);
}

/* weft_kv_list_fn */
static int list_one(void *ctx, const void *key, size_t len, const struct weft_kv_info *info)
{
	struct listing *listing = ctx;

	if (listing->values->json) {
		list_json(&listing->json, key, len, info);
	} else if (listing->values->null) {
		fwrite(key, 1, len, stdout);
		putchar('\0');
	} else if (listing->values->long_list) {
		printf("%12" PRIu64 " %20" PRIu64 " ", info->length, info->version);
		if (info->ttl_ns)
			printf("%10.0fs ", (double)info->ttl_ns / 1e9);
		else
			printf("%11s ", "-");
		key_print(key, len, '\n');
	} else {
		key_print(key, len, '\n');
	}
	return ferror(stdout) ? -EIO : 0;
}

int command_list(struct weft_kv *kv, const struct kv_values *values)
{
	struct listing listing = { .values = values };
	const char *prefix = values->prefix ? values->prefix : "";
	int64_t rc;

	if (values->json) {
		json_begin_file(&listing.json, stdout);
		json_array(&listing.json, NULL);
	}
	rc = weft_kv_list(kv, prefix, strlen(prefix), list_one, &listing);
	if (values->json) {
		json_array_end(&listing.json);
		json_end(&listing.json);
		putchar('\n');
	}
	return rc < 0 ? program_fail(NAME, (int)rc, "list") : 0;
}

/* --- ping, stats ---------------------------------------------------------------------------------
 */

int command_ping(struct weft_kv *kv, const struct kv_values *values)
{
	struct weft_kv_connection connection = { .size = sizeof(connection) };
	uint64_t start_ns, took_ns, min_ns = UINT64_MAX, max_ns = 0, sum_ns = 0;
	uint32_t i;
	int rc = weft_kv_connection(kv, &connection);

	for (i = 0; !rc && i < values->count; i++) {
		start_ns = clock_ns();
		rc = weft_kv_ping(kv);
		if (rc)
			break;
		took_ns = clock_ns() - start_ns;
		sum_ns += took_ns;
		min_ns = took_ns < min_ns ? took_ns : min_ns;
		max_ns = took_ns > max_ns ? took_ns : max_ns;
		printf("node %u by %s over %s: %.1f us\n", connection.node_id,
		       values->control ? "grpc" : "fabric", connection.provider,
		       (double)took_ns / 1e3);
	}
	if (rc)
		return program_fail(NAME, rc, "ping");
	printf("%u round trips: min %.1f mean %.1f max %.1f us\n", values->count,
	       (double)min_ns / 1e3, (double)sum_ns / 1e3 / values->count, (double)max_ns / 1e3);
	return 0;
}

int command_stats(struct weft_kv *kv, const struct kv_values *values)
{
	struct weft_kv_stats stats = { .size = sizeof(stats) };
	struct json json;
	int rc = weft_kv_stats(kv, &stats);

	if (rc)
		return program_fail(NAME, rc, "stats");
	if (values->json) {
		json_begin_file(&json, stdout);
		json_object(&json, NULL);
#define JSON_COUNTER(name, text) json_u64(&json, #name, stats.name);
		WEFT_KV_COUNTER_MAP(JSON_COUNTER)
#undef JSON_COUNTER
		json_object_end(&json);
		json_end(&json);
		putchar('\n');
		return 0;
	}
#define PRINT_COUNTER(name, text) printf("%-20s %20" PRIu64 "  %s\n", #name, stats.name, text);
	WEFT_KV_COUNTER_MAP(PRINT_COUNTER)
#undef PRINT_COUNTER
	return 0;
}
