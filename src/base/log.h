/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of programs, on stderr. The library does not use it: it hands text to the caller's
 * weft_log_fn, for which log_text() fits. Each line is one write(2), so that lines of
 * several threads or processes do not mix.
 *
 *	log_info("client registered", log_str("client", id), log_u64("buffer_bytes", n));
 *
 * text:	2026-01-31T12:00:00.123Z info  client registered client=c1 buffer_bytes=67108864
 * JSON:	{"ts":"2026-01-31T12:00:00.123Z","level":"info","msg":"client
 *registered","client":"c1",...}
 */
#ifndef WEFT_BASE_LOG_H
#define WEFT_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Same numbers as enum weft_log_level. */
enum log_level {
	LOG_ERROR = 0,
	LOG_WARN = 1,
	LOG_INFO = 2,
	LOG_DEBUG = 3,
};

/* For a choice option: "error|warn|info|debug" has the indexes of enum log_level. */
#define LOG_LEVEL_WORDS "error|warn|info|debug"

/* Longest line, bytes. What does not fit is left out and the line says so. */
#define LOG_LINE_MAX 4096

enum log_kind {
	LOG_KIND_NONE,
	LOG_KIND_STR,
	LOG_KIND_U64,
	LOG_KIND_I64,
	LOG_KIND_DOUBLE,
	LOG_KIND_BOOL,
};

struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		const char *str;
		uint64_t u64;
		int64_t i64;
		double real;
		bool flag;
	} value;
};

/* NULL is shown as "". */
static inline struct log_field log_str(const char *key, const char *value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_STR, .value.str = value };
}

static inline struct log_field log_u64(const char *key, uint64_t value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_U64, .value.u64 = value };
}

static inline struct log_field log_i64(const char *key, int64_t value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_I64, .value.i64 = value };
}

static inline struct log_field log_double(const char *key, double value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_DOUBLE, .value.real = value };
}

static inline struct log_field log_bool(const char *key, bool value)
{
	return (struct log_field){ .key = key, .kind = LOG_KIND_BOOL, .value.flag = value };
}

/* Process-wide. Before the first call: level info, text, file descriptor 2. */
void log_init(enum log_level level, bool json);
/* Where lines go; the caller keeps fd open. */
void log_set_fd(int fd);
bool log_enabled(enum log_level level);

/* count fields; the first of the array is skipped (the macros need one that is always there). */
void log_write(enum log_level level, const char *text, const struct log_field *fields,
	       size_t count);

#define LOG_FIELDS(...) ((const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__ })
#define log_at(level, text, ...)                                                               \
	do {                                                                                   \
		if (log_enabled(level))                                                        \
			log_write(level, text, LOG_FIELDS(__VA_ARGS__),                        \
				  sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field)); \
	} while (0)
#define log_error(text, ...) log_at(LOG_ERROR, text, ##__VA_ARGS__)
#define log_warn(text, ...)  log_at(LOG_WARN, text, ##__VA_ARGS__)
#define log_info(text, ...)  log_at(LOG_INFO, text, ##__VA_ARGS__)
#define log_debug(text, ...) log_at(LOG_DEBUG, text, ##__VA_ARGS__)

/* Fits weft_log_fn; ctx is not used. */
void log_text(void *ctx, int level, const char *text);

/*
 * At most burst lines per interval_ns. Static storage, one per place:
 *	static struct log_limit limit = LOG_LIMIT(10, NSEC_PER_SEC);
 *	log_limited(&limit, LOG_WARN, "garbage on the port", log_str("peer", name));
 * The first line after a pause says how many were left out (field "left_out").
 */
struct log_limit {
	uint32_t burst;
	uint64_t interval_ns;
	uint64_t start_ns; /* of the current interval */
	uint32_t used;     /* lines in it */
	uint64_t left_out; /* since the last line that was let through */
};
#define LOG_LIMIT(lines, per_ns)                          \
	{                                                 \
		.burst = (lines), .interval_ns = (per_ns) \
	}

/* Whether a line may go out now; then *left_out is the number of lines held back before it. */
bool log_allow(struct log_limit *limit, uint64_t now_ns, uint64_t *left_out);
/* log_allow() at the present time, for any thread. */
bool log_allow_now(struct log_limit *limit, uint64_t *left_out);

#define log_limited(limit, level, text, ...)                                                    \
	do {                                                                                    \
		uint64_t log_left_out_;                                                         \
		if (log_enabled(level) && log_allow_now(limit, &log_left_out_))                 \
			log_at(level, text, ##__VA_ARGS__, log_u64("left_out", log_left_out_)); \
	} while (0)

#endif /* WEFT_BASE_LOG_H */
