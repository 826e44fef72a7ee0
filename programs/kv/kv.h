/* SPDX-License-Identifier: Apache-2.0 */
/* weft kv: what its commands share. */
#ifndef WEFT_PROGRAMS_KV_KV_H
#define WEFT_PROGRAMS_KV_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/kv.h>

#include "base/opt.h"

#define NAME "weft kv"

struct kv_values {
#define OPT_FIELDS
#include "kv/kv.def"
};

struct key {
	uint8_t bytes[WEFT_KV_KEY_MAX];
	size_t len;
};

/* Each runs a command and returns the exit status; what failed has been said. */
int command_put(struct weft_kv *kv, const struct kv_values *values);
int command_get(struct weft_kv *kv, const struct kv_values *values);
int command_delete(struct weft_kv *kv, const struct kv_values *values);
int command_stat(struct weft_kv *kv, const struct kv_values *values);
int command_list(struct weft_kv *kv, const struct kv_values *values);
int command_ping(struct weft_kv *kv, const struct kv_values *values);
int command_stats(struct weft_kv *kv, const struct kv_values *values);
int command_repl(struct weft_kv *kv, const struct kv_values *values);
int command_bench(struct weft_kv *kv, const struct kv_values *values);

/* Options of the client that --server-addr and the others describe. */
struct weft_kv_opts kv_opts(const struct kv_values *values);

/* The key from KEY, --key-hex or --key-file. 0, or the exit status. *value_ret (may be NULL): the
 * second argument, which is the first with --key-file. */
int key_from(struct key *key, const struct kv_values *values, const char **value_ret);
/* Prints a key: printable text as it is, other bytes and backslashes as \xNN. */
void key_print(const void *key, size_t len, char end);
/* "'KEY'" for messages, cut. Returns buf. */
#define KEY_TEXT_MAX 80
char *key_text(const void *key, size_t len, char buf[KEY_TEXT_MAX]);

/* --- value_io.c ------------------------------------------------------------------------------ */

/* Stores a file (NULL or "-": standard input) under the key. */
int put_file(struct weft_kv *kv, const struct key *key, const char *path,
	     const struct weft_kv_put_opts *opts);
/* Fetches into a file, which appears whole or not at all, or (NULL) to standard output. */
int get_file(struct weft_kv *kv, const struct key *key, const char *path);

/* --- progress.c: a bar on stderr for long transfers when it is a terminal ----------------------
 */

struct progress {
	const char *what;
	uint64_t start_ns, shown_ns;
	bool on;
};
void progress_begin(struct progress *progress, const char *what);
void progress_step(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress);

#endif /* WEFT_PROGRAMS_KV_KV_H */
