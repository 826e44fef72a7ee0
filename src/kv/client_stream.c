/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values in pieces through parts of the client's buffer. A value that fits goes in one request; of
 * a longer one several pieces are under way at a time, of one pinned version (GET) or into one
 * reservation (PUT).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "kv/client_int.h"

#define PIECES_MAX  4u
#define PIECE_BYTES ((size_t)4 << 20) /* at most */
#define PIECE_MIN   ((size_t)4 << 10)
/* Largest value that is put in one request: above, filling, transfer and check overlap. */
#define PUT_AT_ONCE ((uint64_t)4 << 20)

struct piece {
	struct weft_kv_op *op; /* NULL: nothing under way */
	void *part;
	uint64_t offset;
	size_t len;
};

/* Pieces in a ring: the oldest is pieces[head % count]. */
struct stream {
	struct weft_kv *kv;
	struct piece pieces[PIECES_MAX];
	uint32_t count, head, tail; /* head..tail are under way */
	size_t piece_len;
	uint64_t total, next; /* bytes in all, and offset of the next piece */
	uint64_t transfer, version;
	uint64_t timeout_ns;
	struct hash_stream hash;
};

static void stream_close(struct stream *stream)
{
	struct piece *piece;
	uint32_t i;

	for (i = 0; i < stream->count; i++) {
		piece = &stream->pieces[i];
		if (piece->op)
			op_close_part(piece->op, piece->part);
		else
			weft_kv_buffer_put(stream->kv, piece->part);
	}
	stream->count = 0;
}

/* Takes the parts of the buffer. */
static int stream_open(struct stream *stream, struct weft_kv *kv, uint64_t total)
{
	uint32_t count = kv->idle_count < PIECES_MAX ? kv->idle_count : PIECES_MAX;
	int rc = client_wait_room(kv, PIECES_MAX * PIECE_MIN);
	size_t len;

	if (rc)
		return rc;
	len = arena_largest(&kv->arena) / PIECES_MAX / ARENA_ALIGN * ARENA_ALIGN;
	if (len > PIECE_BYTES)
		len = PIECE_BYTES;
	if (len < PIECE_MIN)
		return err_set(-ENOBUFS, "the client's buffer is in use");
	if (!count)
		return err_set(-WEFT_EQUEUEFULL, "%u operations are under way", kv->op_count);
	*stream = (struct stream){ .kv = kv, .piece_len = len, .total = total };
	hash_stream_init(&stream->hash);
	while (stream->count < count) {
		rc = weft_kv_buffer_get(kv, len, &stream->pieces[stream->count].part);
		if (rc) {
			stream_close(stream);
			return rc;
		}
		stream->count++;
	}
	return 0;
}

/* The next piece, if there is one and room for it. */
static struct piece *stream_next(struct stream *stream)
{
	uint64_t left = stream->total - stream->next;
	struct piece *piece;

	if (!left || stream->tail - stream->head == stream->count)
		return NULL;
	piece = &stream->pieces[stream->tail++ % stream->count];
	piece->offset = stream->next;
	piece->len = left < stream->piece_len ? (size_t)left : stream->piece_len;
	stream->next += piece->len;
	return piece;
}

/* The oldest piece under way. */
static struct piece *stream_oldest(struct stream *stream)
{
	return &stream->pieces[stream->head % stream->count];
}

static struct place part_place(struct weft_kv *kv, void *part)
{
	struct place place = { 0 };

	(void)memory_find(kv, part, 1, &place);
	return place;
}

/* Lets a pin or a begun PUT go. What fails here ends with its lease. */
static void release(struct weft_kv *kv, uint64_t transfer)
{
	struct op_args args = { .msg = { .kind = WIRE_RELEASE, .transfer = transfer } };
	char text[ERR_DETAIL_MAX];
	struct weft_kv_op *op;

	snprintf(text, sizeof(text), "%s", weft_error_detail());
	if (!atomic_load(&kv->lost) && !op_start(kv, &args, &op)) {
		(void)op_finish(op);
		op_close(op);
	}
	err_set(0, "%s", text);
}

/* --- GET -----------------------------------------------------------------------------------------
 */

static int get_piece(struct stream *stream, const struct stream_get *get, struct piece *piece)
{
	struct place place = part_place(stream->kv, piece->part);
	struct op_args args = {
		.msg = { .kind = WIRE_GET,
			 .key = get->key,
			 .key_len = get->key_len,
			 .offset = get->offset + piece->offset,
			 .length = piece->len,
			 .transfer = stream->transfer,
			 .version = stream->version,
			 .region = place.region,
			 .remote = place.offset,
			 .room = piece->len },
		.data = piece->part,
		.room = piece->len,
	};

	return op_start(stream->kv, &args, &piece->op);
}

static int take_piece(struct stream *stream, const struct stream_get *get, struct piece *piece)
{
	int rc = op_finish(piece->op);

	if (!rc && piece->op->got != piece->len)
		rc = err_set(-WEFT_EPROTOCOL, "%zu bytes came, %zu were asked for", piece->op->got,
			     piece->len);
	if (rc)
		return rc;
	op_close(piece->op);
	piece->op = NULL;
	hash_stream_update(&stream->hash, piece->part, piece->len);
	rc = get->fn(get->ctx, piece->part, piece->len, piece->offset, stream->total);
	stream->head++;
	return rc;
}

static int get_pieces(struct stream *stream, struct stream_get *get)
{
	struct piece *piece;
	int rc = 0;

	get->started = true;
	while (!rc && stream->head != stream->total / stream->piece_len +
					      (stream->total % stream->piece_len != 0)) {
		while (!rc && (piece = stream_next(stream)))
			rc = get_piece(stream, get, piece);
		if (!rc)
			rc = take_piece(stream, get, stream_oldest(stream));
	}
	return rc;
}

/* A pinned version, longer than what the buffer had room for. */
static int get_pinned(struct weft_kv *kv, struct stream_get *get, const struct wire_msg *pinned)
{
	struct stream stream;
	int rc = 0;

	if (get->total > get->limit)
		rc = err_set(-WEFT_EBUFFER, "%" PRIu64 " bytes, room for %" PRIu64, get->total,
			     get->limit);
	if (!rc)
		rc = stream_open(&stream, kv, get->total);
	if (!rc) {
		stream.transfer = pinned->transfer;
		stream.version = pinned->version;
		rc = get_pieces(&stream, get);
		stream_close(&stream);
	}
	release(kv, pinned->transfer);
	if (!rc && get->total == pinned->total &&
	    hash_stream_final(&stream.hash) != pinned->checksum)
		rc = err_set(-WEFT_ECHECKSUM, "%" PRIu64 " bytes of version %" PRIu64, get->total,
			     pinned->version);
	return rc;
}

/* Asks for all of it; a value longer than the part gets pinned. */
static int get_first(struct weft_kv *kv, struct stream_get *get, void *part, size_t room,
		     struct weft_kv_op **ret)
{
	struct place place = part_place(kv, part);
	struct op_args args = {
		.msg = { .kind = WIRE_GET,
			 .flags = WIRE_F_PIN,
			 .key = get->key,
			 .key_len = get->key_len,
			 .offset = get->offset,
			 .length = get->length,
			 .region = place.region,
			 .remote = place.offset,
			 .room = room },
		.data = part,
		.room = room,
		.whole = !get->offset && get->length == UINT64_MAX,
	};
	int rc = op_start(kv, &args, ret);

	return rc ? rc : op_finish(*ret);
}

static void set_total(struct stream_get *get, const struct wire_msg *reply)
{
	uint64_t left = get->offset < reply->total ? reply->total - get->offset : 0;

	get->total = left < get->length ? left : get->length;
}

int stream_get(struct weft_kv *kv, struct stream_get *get)
{
	uint64_t want = get->length < get->limit ? get->length : get->limit;
	struct weft_kv_op *op = NULL;
	struct wire_msg reply;
	size_t room, got;
	void *part;
	CANCEL_HELD;
	int rc = client_ensure(kv);

	if (rc)
		return rc;
	rc = client_wait_room(kv, want < PIECE_BYTES ? (size_t)want : PIECE_BYTES);
	if (rc)
		return rc;
	room = arena_largest(&kv->arena);
	if (want < room)
		room = want ? (size_t)want : 1;
	rc = weft_kv_buffer_get(kv, room, &part);
	if (rc)
		return rc;
	rc = get_first(kv, get, part, room, &op);
	if (!op) {
		weft_kv_buffer_put(kv, part);
		return rc;
	}
	reply = op->reply;
	got = op->got;
	if (!rc || rc == -WEFT_EBUFFER)
		set_total(get, &reply);
	if (!rc && !reply.transfer) {
		get->started = true;
		rc = get->fn(get->ctx, part, got, 0, got);
	}
	op_close_part(op, part);
	return !rc && reply.transfer ? get_pinned(kv, get, &reply) : rc;
}

int weft_kv_get_stream(struct weft_kv *kv, const void *key, size_t key_len, weft_kv_sink_fn fn,
		       void *ctx)
{
	struct stream_get get = { .key = key,
				  .key_len = key_len,
				  .length = UINT64_MAX,
				  .limit = UINT64_MAX,
				  .fn = fn,
				  .ctx = ctx };
	int rc = stream_get(kv, &get);

	/* A server that does not know the client has sent nothing. */
	return rc == -WEFT_ESESSION && !get.started ? stream_get(kv, &get) : rc;
}

/* --- PUT -----------------------------------------------------------------------------------------
 */

static int put_chunk(struct stream *stream, struct stream_put *put, struct piece *piece)
{
	struct place place = part_place(stream->kv, piece->part);
	struct op_args args = {
		.msg = { .kind = WIRE_CHUNK,
			 .offset = piece->offset,
			 .length = piece->len,
			 .transfer = stream->transfer,
			 .region = place.region,
			 .remote = place.offset },
		.timeout_ns = put->timeout_ns,
	};
	int rc;

	put->started = true;
	rc = put->fn(put->ctx, piece->part, piece->len, piece->offset, stream->total);
	if (rc)
		return rc;
	hash_stream_update(&stream->hash, piece->part, piece->len);
	return op_start(stream->kv, &args, &piece->op);
}

static int put_chunks(struct stream *stream, struct stream_put *put)
{
	struct piece *piece;
	int rc = 0;

	while (!rc && (stream->next < stream->total || stream->head != stream->tail)) {
		piece = stream_next(stream);
		if (piece) {
			rc = put_chunk(stream, put, piece);
			continue;
		}
		piece = stream_oldest(stream);
		rc = op_finish(piece->op);
		if (rc)
			continue;
		op_close(piece->op);
		piece->op = NULL;
		stream->head++;
	}
	return rc;
}

static int simple(struct weft_kv *kv, struct op_args *args, struct wire_msg *reply)
{
	struct weft_kv_op *op;
	int rc = op_start(kv, args, &op);

	if (rc)
		return rc;
	rc = op_finish(op);
	*reply = op->reply;
	op_close(op);
	return rc;
}

static int put_pieces(struct weft_kv *kv, struct stream_put *put)
{
	struct op_args begin = { .msg = { .kind = WIRE_BEGIN,
					  .key = put->key,
					  .key_len = put->key_len,
					  .total = put->total,
					  .ttl_ms = put->ttl_ms },
				 .timeout_ns = put->timeout_ns };
	struct op_args commit = { .msg = { .kind = WIRE_COMMIT, .flags = WIRE_F_CHECKED },
				  .timeout_ns = put->timeout_ns };
	struct wire_msg reply = { 0 };
	struct stream stream;
	int rc = simple(kv, &begin, &reply);

	if (rc)
		return rc;
	rc = stream_open(&stream, kv, put->total);
	if (!rc) {
		stream.transfer = reply.transfer;
		rc = put_chunks(&stream, put);
		stream_close(&stream);
	}
	if (rc) {
		release(kv, reply.transfer);
		return rc;
	}
	commit.msg.transfer = reply.transfer;
	commit.msg.checksum = hash_stream_final(&stream.hash);
	return simple(kv, &commit, &reply);
}

/* The whole value in one part of the buffer. */
static int put_whole(struct weft_kv *kv, struct stream_put *put, void *part)
{
	struct place place = part_place(kv, part);
	struct op_args args = { .msg = { .kind = WIRE_PUT,
					 .flags = WIRE_F_CHECKED,
					 .key = put->key,
					 .key_len = put->key_len,
					 .total = put->total,
					 .ttl_ms = put->ttl_ms,
					 .region = place.region,
					 .remote = place.offset },
				.timeout_ns = put->timeout_ns };
	struct weft_kv_op *op = NULL;
	int rc;

	put->started = true;
	rc = put->fn(put->ctx, part, (size_t)put->total, 0, put->total);
	if (!rc) {
		args.msg.checksum = hash_content(part, (size_t)put->total);
		if (put->total <= WIRE_INLINE_PUT) {
			args.msg.flags |= WIRE_F_INLINE;
			args.msg.data = part;
			args.msg.data_len = (size_t)put->total;
		}
		rc = op_start(kv, &args, &op);
	}
	if (!rc)
		rc = op_finish(op);
	if (op)
		op_close_part(op, part);
	else
		weft_kv_buffer_put(kv, part);
	return rc;
}

int stream_put(struct weft_kv *kv, struct stream_put *put)
{
	size_t len = put->total ? (size_t)put->total : 1;
	void *part;
	CANCEL_HELD;
	int rc = client_ensure(kv);

	if (rc)
		return rc;
	if (put->total <= PUT_AT_ONCE && !weft_kv_buffer_get(kv, len, &part))
		return put_whole(kv, put, part);
	return put_pieces(kv, put);
}

int weft_kv_put_stream(struct weft_kv *kv, const void *key, size_t key_len, uint64_t total,
		       weft_kv_source_fn fn, void *ctx, const struct weft_kv_put_opts *opts)
{
	struct stream_put put = { .key = key,
				  .key_len = key_len,
				  .total = total,
				  .ttl_ms = opts ? ttl_to_ms(opts->ttl_ns) : 0,
				  .timeout_ns = opts ? opts->timeout_ns : 0,
				  .fn = fn,
				  .ctx = ctx };
	int rc = stream_put(kv, &put);

	return rc == -WEFT_ESESSION && !put.started ? stream_put(kv, &put) : rc;
}
