/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/tcp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

static void free_publisher(struct tcp_publisher *publisher)
{
	uint32_t i;

	for (i = 0; i < publisher->count; i++)
		mem_free(publisher->entries[i]);
	if (publisher->wake_fd >= 0)
		close(publisher->wake_fd);
	if (publisher->listen_fd >= 0)
		close(publisher->listen_fd);
	pthread_mutex_destroy(&publisher->lock);
	mem_free(publisher->fds);
	mem_free(publisher->connections);
	mem_free(publisher->entries);
	mem_free(publisher);
}

static struct tcp_publisher *new_publisher(const struct tcp_settings *settings)
{
	struct tcp_publisher *publisher = mem_zalloc(sizeof(*publisher));

	if (!publisher)
		return NULL;
	publisher->wake_fd = publisher->listen_fd = -1;
	pthread_mutex_init(&publisher->lock, NULL);
	publisher->settings = *settings;
	publisher->entries = mem_array(WEFT_SEGMENT_MAX, sizeof(*publisher->entries));
	publisher->connections = mem_array(settings->connections, sizeof(*publisher->connections));
	publisher->fds = mem_array(settings->connections + 2, sizeof(*publisher->fds));
	if (!publisher->entries || !publisher->connections || !publisher->fds) {
		free_publisher(publisher);
		return NULL;
	}
	return publisher;
}

static int start(struct tcp_publisher *publisher)
{
	int rc;

	publisher->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (publisher->wake_fd < 0)
		return err_set(-errno, "no descriptors: %s", strerror(errno));
	rc = thread_create(&publisher->thread, NULL, tcp_main, publisher);
	return rc ? err_set(-rc, "cannot start a thread to listen: %s", strerror(rc)) : 0;
}

static int tcp_open(void *ctx, const char *place, void **ret)
{
	struct tcp_publisher *publisher = new_publisher(ctx);
	int rc;

	if (!publisher)
		return err_set(-ENOMEM, "out of memory");
	rc = tcp_listen(publisher, place);
	if (!rc)
		rc = start(publisher);
	if (rc) {
		free_publisher(publisher);
		return rc;
	}
	*ret = publisher;
	return 0;
}

static void tcp_close(void *arg)
{
	struct tcp_publisher *publisher = arg;
	uint64_t one = 1;

	atomic_store(&publisher->stop, true);
	while (write(publisher->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		; /* a full counter, EAGAIN, is readable too */
	pthread_join(publisher->thread, NULL);
	free_publisher(publisher);
}

static const char *tcp_address(void *publisher)
{
	return ((struct tcp_publisher *)publisher)->address;
}

/* Index of the first entry whose name is not less than name. */
static uint32_t place_of(const struct tcp_publisher *publisher, const char *name)
{
	uint32_t low = 0, high = publisher->count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(publisher->entries[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct tcp_publisher *publisher, uint32_t i, const char *name)
{
	return i < publisher->count && !strcmp(publisher->entries[i]->name, name);
}

bool tcp_find(struct tcp_publisher *publisher, const char *name, bool exact, struct frame *ret,
	      uint8_t bytes[WEFT_DESCRIPTOR_MAX])
{
	const struct tcp_entry *entry;
	bool found, same;
	uint32_t i;

	pthread_mutex_lock(&publisher->lock);
	i = place_of(publisher, name);
	same = is_at(publisher, i, name);
	if (!exact && same)
		i++;
	found = exact ? same : i < publisher->count;
	if (found) {
		entry = publisher->entries[i];
		memcpy(bytes, entry->bytes, entry->len);
		memcpy(ret->name, entry->name, sizeof(ret->name));
		ret->bytes = bytes;
		ret->len = entry->len;
	}
	pthread_mutex_unlock(&publisher->lock);
	return found;
}

static int insert(struct tcp_publisher *publisher, struct tcp_entry *entry)
{
	uint32_t i = place_of(publisher, entry->name);
	struct tcp_entry **at = &publisher->entries[i];

	if (is_at(publisher, i, entry->name)) {
		mem_free(*at);
		*at = entry;
		return 0;
	}
	if (publisher->count == WEFT_SEGMENT_MAX)
		return err_set(-WEFT_ELIMIT, "%u names are published", WEFT_SEGMENT_MAX);
	memmove(at + 1, at, (publisher->count - i) * sizeof(*at));
	*at = entry;
	publisher->count++;
	return 0;
}

static int tcp_publish(void *arg, const char *name, const void *bytes, size_t len)
{
	struct tcp_publisher *publisher = arg;
	struct tcp_entry *entry;
	int rc;

	entry = mem_zalloc(sizeof(*entry) + len);
	if (!entry)
		return err_set(-ENOMEM, "out of memory");
	memcpy(entry->name, name, strlen(name) + 1);
	memcpy(entry->bytes, bytes, len);
	entry->len = len;
	pthread_mutex_lock(&publisher->lock);
	rc = insert(publisher, entry);
	pthread_mutex_unlock(&publisher->lock);
	if (rc)
		mem_free(entry);
	return rc;
}

static int tcp_withdraw(void *arg, const char *name)
{
	struct tcp_publisher *publisher = arg;
	struct tcp_entry **at;
	uint32_t i;
	bool found;

	pthread_mutex_lock(&publisher->lock);
	i = place_of(publisher, name);
	found = is_at(publisher, i, name);
	if (found) {
		at = &publisher->entries[i];
		mem_free(*at);
		memmove(at, at + 1, (--publisher->count - i) * sizeof(*at));
	}
	pthread_mutex_unlock(&publisher->lock);
	return found ? 0 : err_set(-WEFT_ENONAME, "'%s' is not published", name);
}

void tcp_stats(void *arg, struct weft_publisher_stats *ret)
{
	const struct tcp_publisher *publisher = arg;

#define COPY(name, text) \
	ret->name = atomic_load_explicit(&publisher->counters.name, memory_order_relaxed);
	WEFT_PUBLISHER_COUNTER_MAP(COPY)
#undef COPY
}

const struct weft_directory tcp_directory = {
	.size = sizeof(tcp_directory),
	.lookup = tcp_lookup,
	.open = tcp_open,
	.close = tcp_close,
	.address = tcp_address,
	.publish = tcp_publish,
	.withdraw = tcp_withdraw,
};
