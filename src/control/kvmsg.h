/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of KvCacheService as plain structs: what a field means stands in kv_cache.proto,
 * beside the field of the same name. Bytes and strings are borrowed; who lends them says until
 * when.
 *
 * In answers, error is 0 or negative as everywhere in weft, and message may be NULL: the error's
 * own text.
 */
#ifndef WEFT_CONTROL_KVMSG_H
#define WEFT_CONTROL_KVMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds that every decoder keeps: more is -WEFT_EBADREQUEST. */
#define KVMSG_BATCH_MAX   256u
#define KVMSG_LIST_MAX    65536u
#define KVMSG_COUNTER_MAX 4096u
#define KVMSG_RAIL_MAX    64u

struct kvmsg_bytes {
	const void *data; /* may be NULL when len is 0 */
	size_t len;
};

/* Who asks, and under which number. */
struct kvmsg_from {
	uint32_t client_id;
	uint64_t session_id;
	uint64_t request_id;
};

/*
 * A place as the original protocol names it. ptr + offset lies within [buffer_base, buffer_base +
 * receive_buffer_size) of the session, or the request is to be refused.
 */
struct kvmsg_location {
	bool present;
	uint32_t node_id;
	uint64_t ptr;
	uint64_t offset;
	uint64_t length;
};

struct kvmsg_get {
	struct kvmsg_from from;
	struct kvmsg_bytes key;
	struct kvmsg_location location;
	uint64_t buffer_offset;
	uint64_t buffer_capacity;
	uint64_t range_offset;
	uint64_t range_length;
	uint64_t version_pinned;
	bool hold;
	bool want_inline; /* set too when the request names no place */
	uint64_t generation;
};

struct kvmsg_get_reply {
	int error;
	const char *message;
	uint64_t request_id;
	uint64_t value_length;
	uint64_t total_length;
	uint64_t version;
	uint64_t checksum;
	uint64_t ttl_left_ms;
	bool inlined;
	struct kvmsg_bytes inline_value;
};

struct kvmsg_put {
	struct kvmsg_from from;
	struct kvmsg_bytes key;
	bool inlined; /* the value is inline_value, else it is at location or in the buffer */
	struct kvmsg_bytes inline_value;
	struct kvmsg_location location;
	uint64_t buffer_offset;
	uint64_t value_length;
	bool has_checksum;
	uint64_t checksum;
	uint64_t ttl_ms; /* 0: never expires; seconds of the original are already turned into it */
};

struct kvmsg_put_reply {
	int error;
	const char *message;
	uint64_t request_id;
	uint64_t version;
};

struct kvmsg_delete {
	struct kvmsg_from from;
	struct kvmsg_bytes key;
};

struct kvmsg_delete_reply {
	int error;
	const char *message;
	uint64_t request_id;
	bool key_existed;
};

struct kvmsg_register {
	uint32_t client_id;
	uint64_t session_id;
	uint64_t receive_buffer_size;
	uint64_t buffer_base;
	struct kvmsg_bytes weft_descriptor;
	uint32_t protocol_version;
	uint32_t credits_wanted;
	uint64_t capabilities;
};

struct kvmsg_register_reply {
	int error;
	const char *message;
	uint32_t server_id;
	uint32_t protocol_version;
	struct kvmsg_bytes weft_descriptor;
	uint64_t session_id;
	uint32_t credits;
	uint64_t max_value_length;
	uint64_t inline_limit;
	uint32_t heartbeat_interval_ms;
	uint32_t session_timeout_ms;
	uint64_t capabilities;
	uint32_t client_id;
};

struct kvmsg_heartbeat {
	uint32_t client_id;
	uint64_t session_id;
};

struct kvmsg_heartbeat_reply {
	int error;
	const char *message;
	bool alive;
};

struct kvmsg_unregister {
	uint32_t client_id;
	uint64_t session_id;
};

/* The answer of methods that only succeed or fail. */
struct kvmsg_plain_reply {
	int error;
	const char *message;
};

struct kvmsg_stat {
	struct kvmsg_from from;
	struct kvmsg_bytes key;
};

struct kvmsg_stat_reply {
	int error;
	const char *message;
	uint64_t request_id;
	uint64_t value_length;
	uint64_t version;
	uint64_t checksum;
	uint64_t ttl_left_ms;
};

struct kvmsg_list {
	struct kvmsg_from from;
	struct kvmsg_bytes prefix;
	struct kvmsg_bytes cursor;
	uint32_t limit;
};

struct kvmsg_entry {
	struct kvmsg_bytes key;
	uint64_t value_length;
	uint64_t version;
	uint64_t ttl_left_ms;
};

struct kvmsg_list_reply {
	int error;
	const char *message;
	const struct kvmsg_entry *entries;
	size_t count;
	struct kvmsg_bytes next_cursor;
};

struct kvmsg_counter {
	const char *name;
	uint64_t value;
	const char *text;
};

struct kvmsg_stats_reply {
	int error;
	const char *message;
	const struct kvmsg_counter *counters;
	size_t count;
};

struct kvmsg_cancel {
	struct kvmsg_from from;
	uint64_t generation;
};

struct kvmsg_cancel_reply {
	int error;
	const char *message;
	bool was_active;
};

struct kvmsg_begin_put {
	struct kvmsg_from from;
	struct kvmsg_bytes key;
	uint64_t value_length;
	uint64_t ttl_ms;
};

struct kvmsg_begin_put_reply {
	int error;
	const char *message;
	uint64_t upload_id;
};

struct kvmsg_put_chunk {
	struct kvmsg_from from;
	uint64_t upload_id;
	uint64_t offset;
	uint64_t buffer_offset;
	uint64_t length;
	struct kvmsg_bytes inline_value; /* used when not empty */
};

struct kvmsg_commit_put {
	struct kvmsg_from from;
	uint64_t upload_id;
	bool has_checksum;
	uint64_t checksum;
};

struct kvmsg_commit_put_reply {
	int error;
	const char *message;
	uint64_t version;
};

struct kvmsg_abort_put {
	struct kvmsg_from from; /* request_id is not carried */
	uint64_t upload_id;
};

#endif /* WEFT_CONTROL_KVMSG_H */
