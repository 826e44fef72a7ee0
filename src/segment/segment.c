/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: what was found at an address, imported. */
#include <errno.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fork.h"
#include "engine/attach.h"
#include "segment/directory.h"

/* A name and its remote. bytes: the descriptor, to know whether it changed. */
struct part {
	struct part *next; /* in segment->stale */
	struct weft_remote *remote;
	struct lookup_entry *entry;
};

struct weft_segment {
	struct attached attached;
	struct weft_directory directory;
	struct place place;
	char address[PLACE_MAX + WEFT_NAME_MAX + 2];
	struct part **parts; /* sorted by name */
	uint32_t count;
	struct part *stale; /* replaced; their transfers have not ended */
};

/* What a lookup makes of a segment. parts[i] is the old one where kept[i]. */
struct update {
	struct part **parts;
	bool *kept;
	uint32_t count;
};

static void free_part(struct part *part)
{
	mem_free(part->entry);
	mem_free(part);
}

static int close_part(struct part *part)
{
	int rc = weft_remote_close(part->remote);

	if (!rc)
		free_part(part);
	return rc;
}

static struct part *find_part(const struct weft_segment *segment, const char *name)
{
	uint32_t low = 0, high = segment->count, mid;
	int order;

	while (low < high) {
		mid = low + (high - low) / 2;
		order = strcmp(segment->parts[mid]->entry->name, name);
		if (!order)
			return segment->parts[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* --- looking up --- */

/* Whether an old part is what was found now, and works. */
static bool is_same(const struct part *part, const struct lookup_entry *entry)
{
	return part->entry->len == entry->len &&
	       !memcmp(part->entry->bytes, entry->bytes, entry->len) &&
	       weft_remote_status(part->remote) == 0;
}

/* An import alone may leave the first word to the other side for a while; here it is waited for. */
static int need_peer(struct weft *weft, void *arg)
{
	const struct weft_remote *remote = arg;

	(void)weft;
	contact_begin(remote->peer, true);
	return 0;
}

/* Takes the entry over when it succeeds. */
static int new_part(struct weft *weft, struct lookup_entry *entry, struct part **ret)
{
	struct part *part = mem_zalloc(sizeof(*part));
	int rc;

	if (!part)
		return err_set(-ENOMEM, "out of memory");
	rc = weft_import(weft, entry->bytes, entry->len, &part->remote);
	if (rc) {
		err_prefix(rc, "'%s'", entry->name);
		mem_free(part);
		return rc;
	}
	engine_run(weft, need_peer, part->remote);
	part->entry = entry;
	*ret = part;
	return 0;
}

static int import_all(struct weft_segment *segment, struct lookup_result *found,
		      struct update *update)
{
	struct part *old;
	uint32_t i;
	int rc;

	for (i = 0; i < found->count; i++) {
		old = find_part(segment, found->entries[i]->name);
		update->kept[i] = old && is_same(old, found->entries[i]);
		if (update->kept[i]) {
			update->parts[i] = old;
		} else {
			rc = new_part(segment->attached.weft, found->entries[i], &update->parts[i]);
			if (rc)
				return rc;
			found->entries[i] = NULL;
		}
		update->count++;
	}
	return 0;
}

static bool all_settled(void *arg)
{
	const struct update *update = arg;
	uint32_t i;

	for (i = 0; i < update->count; i++)
		if (weft_remote_status(update->parts[i]->remote) == -EINPROGRESS)
			return false;
	return true;
}

static int check_all(const struct update *update)
{
	const char *name;
	uint32_t i;
	int rc;

	for (i = 0; i < update->count; i++) {
		rc = weft_remote_status(update->parts[i]->remote);
		name = update->parts[i]->entry->name;
		if (rc == -EINPROGRESS)
			return err_set(-WEFT_EDEADLINE,
				       "'%s': its engine did not answer; it must make progress too",
				       name);
		if (rc)
			return err_set(rc, "'%s': %s", name, weft_strerror(rc));
	}
	return 0;
}

static void undo(struct update *update)
{
	uint32_t i;

	/* Nothing was transferred yet: they close. */
	for (i = 0; i < update->count; i++)
		if (!update->kept[i])
			close_part(update->parts[i]);
	mem_free(update->parts);
	mem_free(update->kept);
}

static int make_update(struct weft_segment *segment, uint64_t deadline_ns, struct update *ret)
{
	struct weft *weft = segment->attached.weft;
	struct update update = { 0 };
	struct lookup_result found;
	int rc;

	rc = lookup_run(weft, &segment->directory, &segment->place, deadline_ns, &found);
	if (rc)
		return rc;
	update.parts = mem_array(found.count + 1, sizeof(*update.parts));
	update.kept = mem_array(found.count + 1, sizeof(*update.kept));
	rc = update.parts && update.kept ? import_all(segment, &found, &update)
					 : err_set(-ENOMEM, "out of memory");
	if (!rc)
		rc = engine_wait(weft, all_settled, &update, deadline_ns);
	if (!rc || rc == -EAGAIN)
		rc = check_all(&update);
	lookup_free(&found);
	if (rc) {
		undo(&update);
		return rc;
	}
	*ret = update;
	return 0;
}

static bool is_kept(const struct update *update, const struct part *part)
{
	uint32_t i;

	for (i = 0; i < update->count; i++)
		if (update->parts[i] == part)
			return true;
	return false;
}

/* Cannot fail. */
static void apply(struct weft_segment *segment, struct update *update)
{
	struct part **at, *part;
	uint32_t i;

	for (i = 0; i < segment->count; i++) {
		part = segment->parts[i];
		if (is_kept(update, part))
			continue;
		part->next = segment->stale;
		segment->stale = part;
	}
	mem_free(segment->parts);
	mem_free(update->kept);
	segment->parts = update->parts;
	segment->count = update->count;
	for (at = &segment->stale; (part = *at);) {
		struct part *next = part->next;

		if (close_part(part))
			at = &part->next;
		else
			*at = next;
	}
}

/* --- the calls --- */

static void free_segment(struct weft_segment *segment)
{
	mem_free(segment->parts);
	mem_free(segment);
}

/* weft_close(): the engine frees the remotes. */
static void close_attached(struct attached *attached)
{
	struct weft_segment *segment = (struct weft_segment *)attached;
	struct part *part;
	uint32_t i;

	for (i = 0; i < segment->count; i++)
		free_part(segment->parts[i]);
	while ((part = segment->stale)) {
		segment->stale = part->next;
		free_part(part);
	}
	free_segment(segment);
}

static int prepare(struct weft_segment *segment, const struct weft_directory *directory,
		   const char *address)
{
	int rc = place_parse(&segment->place, address);

	if (rc)
		return rc;
	snprintf(segment->address, sizeof(segment->address), "%s", address);
	return directory_choose(&segment->directory, directory, segment->place.where);
}

static int open_segment(struct weft *weft, const struct weft_directory *directory,
			const char *address, uint64_t timeout_ns, struct weft_segment **ret)
{
	uint64_t deadline_ns = clock_deadline(clock_ns(), timeout_ns);
	struct weft_segment *segment;
	int rc;
	CANCEL_HELD;

	if (!weft || !ret)
		return err_set(-EINVAL, "engine or ret is NULL");
	if (fork_refuses())
		return fork_refused();
	segment = mem_zalloc(sizeof(*segment));
	if (!segment)
		return err_set(-ENOMEM, "out of memory");
	rc = prepare(segment, directory, address);
	if (rc) {
		free_segment(segment);
		return rc;
	}
	engine_attach(weft, &segment->attached, close_attached);
	rc = weft_segment_refresh(segment, clock_ns() < deadline_ns ? deadline_ns - clock_ns() : 0);
	if (rc) {
		engine_detach(&segment->attached);
		free_segment(segment);
		return rc;
	}
	*ret = segment;
	return 0;
}

int weft_segment_open(struct weft *weft, const char *address, uint64_t timeout_ns,
		      struct weft_segment **ret)
{
	return open_segment(weft, NULL, address, timeout_ns, ret);
}

int weft_segment_open_in(struct weft *weft, const struct weft_directory *directory,
			 const char *address, uint64_t timeout_ns, struct weft_segment **ret)
{
	if (!directory)
		return err_set(-EINVAL, "directory is NULL");
	return open_segment(weft, directory, address, timeout_ns, ret);
}

int weft_segment_refresh(struct weft_segment *segment, uint64_t timeout_ns)
{
	struct update update;
	int rc;
	CANCEL_HELD;

	if (!segment)
		return err_set(-EINVAL, "segment is NULL");
	if (fork_refuses())
		return fork_refused();
	rc = make_update(segment, clock_deadline(clock_ns(), timeout_ns), &update);
	if (rc)
		return err_prefix(rc, "opening %s", segment->address);
	apply(segment, &update);
	return 0;
}

int weft_segment_close(struct weft_segment *segment)
{
	struct part *part;
	int rc;

	if (!segment)
		return 0;
	if (fork_refuses())
		return fork_refused();
	while (segment->count) {
		rc = close_part(segment->parts[segment->count - 1]);
		if (rc)
			return err_prefix(rc, "'%s'",
					  segment->parts[segment->count - 1]->entry->name);
		segment->count--;
	}
	while ((part = segment->stale)) {
		segment->stale = part->next;
		rc = close_part(part);
		if (rc) {
			segment->stale = part;
			return err_prefix(rc, "what a refresh replaced");
		}
	}
	engine_detach(&segment->attached);
	free_segment(segment);
	return 0;
}

uint32_t weft_segment_count(const struct weft_segment *segment)
{
	return segment->count;
}

int weft_segment_info(const struct weft_segment *segment, uint32_t index,
		      struct weft_segment_info *info)
{
	struct weft_segment_info now = { .size = sizeof(now) };
	const struct part *part;
	uint32_t i;

	if (!segment)
		return err_set(-EINVAL, "segment is NULL");
	if (index >= segment->count)
		return err_set(-ENOENT, "the segment has %u names", segment->count);
	for (i = 0; i < index; i++)
		now.offset += weft_remote_length(segment->parts[i]->remote);
	part = segment->parts[index];
	memcpy(now.name, part->entry->name, sizeof(now.name));
	now.remote = part->remote;
	now.length = weft_remote_length(part->remote);
	now.access = weft_remote_access(part->remote);
	now.status = weft_remote_status(part->remote);
	return sized_out(info, &now, sizeof(now), "weft_segment_info");
}

struct weft_remote *weft_segment_remote(const struct weft_segment *segment, const char *name)
{
	const struct part *part = segment && name ? find_part(segment, name) : NULL;

	return part ? part->remote : NULL;
}
