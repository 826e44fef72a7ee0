/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

/* Room behind the fields for "cut", the end of the object and the newline. */
#define LOG_TAIL 32

static _Atomic int log_level_now = LOG_INFO;
static _Atomic bool log_json_now;
static _Atomic int log_fd_now = STDERR_FILENO;
static pthread_mutex_t log_limit_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const log_level_names[] = { "error", "warn", "info", "debug" };

struct log_line {
	char text[LOG_LINE_MAX];
	size_t len;
};

void log_init(enum log_level level, bool json)
{
	atomic_store(&log_level_now, (int)level);
	atomic_store(&log_json_now, json);
}

void log_set_fd(int fd)
{
	atomic_store(&log_fd_now, fd);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

static void log_time(char buf[32])
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 32 - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

static void json_field(struct json *json, const struct log_field *field)
{
	switch (field->kind) {
	case LOG_KIND_NONE:
		break;
	case LOG_KIND_STR:
		json_string(json, field->key, field->value.str ? field->value.str : "");
		break;
	case LOG_KIND_U64:
		json_u64(json, field->key, field->value.u64);
		break;
	case LOG_KIND_I64:
		json_i64(json, field->key, field->value.i64);
		break;
	case LOG_KIND_DOUBLE:
		json_double(json, field->key, field->value.real);
		break;
	case LOG_KIND_BOOL:
		json_bool(json, field->key, field->value.flag);
		break;
	}
}

/* Takes the last member back when it did not fit; returns whether it did. */
static bool json_fits(struct json *json, const struct json *before)
{
	if (json->error == 0)
		return true;
	*json = *before;
	json->buf[json->len] = '\0';
	return false;
}

static void write_json(struct log_line *line, enum log_level level, const char *text,
		       const struct log_field *fields, size_t count)
{
	struct json json, before;
	bool cut = false;
	char ts[32];
	size_t i;

	log_time(ts);
	json_begin_buf(&json, line->text, sizeof(line->text) - LOG_TAIL);
	json_object(&json, NULL);
	json_string(&json, "ts", ts);
	json_string(&json, "level", log_level_names[level]);
	before = json;
	json_string(&json, "msg", text);
	if (!json_fits(&json, &before)) {
		cut = true;
		json_string_n(&json, "msg", text, LOG_LINE_MAX / 8);
	}
	for (i = 0; i < count; i++) {
		before = json;
		json_field(&json, &fields[i]);
		cut |= !json_fits(&json, &before);
	}
	json.room = sizeof(line->text) - 1;
	if (cut)
		json_bool(&json, "cut", true);
	json_object_end(&json);
	json_end(&json);
	line->len = json.len;
}

/* Plain words stay bare; others are quoted the way JSON does. */
static bool is_plain(const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return false;
	return *text != '\0';
}

/* Appends " key=value"; false when it does not fit. */
static bool text_field(struct log_line *line, const struct log_field *field)
{
	size_t room = sizeof(line->text) - LOG_TAIL - line->len;
	const char *str = field->value.str ? field->value.str : "";
	char *end = line->text + line->len;
	struct json json;
	int n;

	n = snprintf(end, room, " %s=", field->key);
	if (n < 0 || (size_t)n >= room)
		return false;
	if (field->kind == LOG_KIND_STR && is_plain(str)) {
		size_t len = strlen(str);

		if (len >= room - (size_t)n)
			return false;
		memcpy(end + n, str, len + 1);
		line->len += (size_t)n + len;
		return true;
	}
	json_begin_buf(&json, end + n, room - (size_t)n);
	json_field(&json,
		   &(struct log_field){ .kind = field->kind,
					.value = field->kind == LOG_KIND_STR
							 ? (__typeof__(field->value)){ .str = str }
							 : field->value });
	if (json_end(&json))
		return false;
	line->len += (size_t)n + json.len;
	return true;
}

/* The message in one line: control bytes become spaces. */
static bool text_message(struct log_line *line, const char *text)
{
	size_t room = sizeof(line->text) - LOG_TAIL - line->len, i;

	for (i = 0; text[i] && i < room; i++) {
		unsigned char c = (unsigned char)text[i];

		line->text[line->len++] = c < 0x20 || c == 0x7f ? ' ' : text[i];
	}
	return text[i] == '\0';
}

static void write_text(struct log_line *line, enum log_level level, const char *text,
		       const struct log_field *fields, size_t count)
{
	char ts[32];
	bool cut;
	size_t i;

	log_time(ts);
	line->len = (size_t)snprintf(line->text, sizeof(line->text), "%s %-5s ", ts,
				     log_level_names[level]);
	cut = !text_message(line, text);
	for (i = 0; i < count && !cut; i++)
		if (fields[i].kind != LOG_KIND_NONE)
			cut = !text_field(line, &fields[i]);
	if (cut) {
		memcpy(line->text + line->len, " ...", 4);
		line->len += 4;
	}
}

/* A line that cannot be written is lost: there is nowhere to say so. */
static void put_line(struct log_line *line)
{
	ssize_t n;

	line->text[line->len++] = '\n';
	n = write(atomic_load(&log_fd_now), line->text, line->len);
	(void)n;
}

void log_write(enum log_level level, const char *text, const struct log_field *fields, size_t count)
{
	struct log_line line;

	if (!log_enabled(level))
		return;
	if (count > 0) {
		fields++;
		count--;
	}
	if (atomic_load(&log_json_now))
		write_json(&line, level, text, fields, count);
	else
		write_text(&line, level, text, fields, count);
	put_line(&line);
}

void log_text(void *ctx, int level, const char *text)
{
	(void)ctx;
	if (level < LOG_ERROR)
		level = LOG_ERROR;
	if (level > LOG_DEBUG)
		level = LOG_DEBUG;
	log_write((enum log_level)level, text, NULL, 0);
}

bool log_allow(struct log_limit *limit, uint64_t now_ns, uint64_t *left_out)
{
	if (limit->used == 0 || now_ns - limit->start_ns >= limit->interval_ns) {
		limit->start_ns = now_ns;
		limit->used = 0;
	}
	if (limit->used >= limit->burst) {
		limit->left_out++;
		return false;
	}
	limit->used++;
	*left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}

bool log_allow_now(struct log_limit *limit, uint64_t *left_out)
{
	bool allowed;

	pthread_mutex_lock(&log_limit_lock);
	allowed = log_allow(limit, clock_ns(), left_out);
	pthread_mutex_unlock(&log_limit_lock);
	return allowed;
}
