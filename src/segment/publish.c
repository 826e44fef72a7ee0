/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers: which region is offered under which name, whatever the directory. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fork.h"
#include "engine/attach.h"
#include "segment/directory.h"
#include "segment/tcp.h"

#define CONNECTIONS_MAX 4096u

/*
 * OFFERED -weft_withdraw(): the directory forgets it-> WITHDRAWN -weft_unregister() is 0-> freed.
 * A withdrawn one keeps its name until its region is gone.
 */
struct published {
	struct list link;
	struct weft_region *region;
	bool withdrawn;
	bool busy; /* a thread is withdrawing it */
	char name[WEFT_NAME_MAX + 1];
};

struct weft_publisher {
	struct attached attached;
	struct weft_directory directory;
	void *handle; /* the directory's */
	bool is_tcp;
	pthread_mutex_t lock;
	struct list all; /* struct published */
	uint32_t count;
};

static bool has_all(const struct weft_directory *directory)
{
	return directory->lookup && directory->open && directory->close && directory->address &&
	       directory->publish && directory->withdraw;
}

int directory_choose(struct weft_directory *ret, const struct weft_directory *given, char *where)
{
	static const char files[] = "file:";
	int rc;

	if (given) {
		rc = sized_in(ret, sizeof(*ret), given, "weft_directory");
		if (!rc && !has_all(ret))
			rc = err_set(-EINVAL, "weft_directory lacks a function");
		return rc;
	}
	*ret = tcp_directory;
	if (strncmp(where, files, strlen(files)) != 0)
		return 0;
	*ret = file_directory;
	memmove(where, where + strlen(files), strlen(where) - strlen(files) + 1);
	return *where ? 0 : err_set(-EINVAL, "file: needs a folder");
}

static int read_opts(const struct weft_publisher_opts *opts, struct weft_publisher_opts *ret,
		     struct tcp_settings *tcp)
{
	int rc = 0;

	*ret = (struct weft_publisher_opts){ .size = sizeof(*ret) };
	if (opts)
		rc = sized_in(ret, sizeof(*ret), opts, "weft_publisher_opts");
	if (rc)
		return rc;
	if (ret->connections > CONNECTIONS_MAX)
		return err_set(-EINVAL, "connections is %u, at most %u", ret->connections,
			       CONNECTIONS_MAX);
	tcp->connections = ret->connections ? ret->connections : TCP_CONNECTIONS;
	tcp->stall_ns = ret->stall_ns ? ret->stall_ns : TCP_STALL_S * NSEC_PER_SEC;
	return 0;
}

/* The publisher's memory and list; the directory closes what it holds. */
static void free_publisher(struct weft_publisher *publisher)
{
	struct list *link;

	while ((link = list_pop(&publisher->all)))
		mem_free(list_entry(link, struct published, link));
	pthread_mutex_destroy(&publisher->lock);
	mem_free(publisher);
}

static void close_attached(struct attached *attached)
{
	struct weft_publisher *publisher = (struct weft_publisher *)attached;

	publisher->directory.close(publisher->handle);
	free_publisher(publisher);
}

int weft_publisher_open(struct weft *weft, const char *address,
			const struct weft_publisher_opts *opts, struct weft_publisher **ret)
{
	struct weft_publisher_opts known;
	struct weft_publisher *publisher;
	struct tcp_settings tcp;
	struct place place;
	int rc;
	CANCEL_HELD;

	if (!weft || !ret)
		return err_set(-EINVAL, "engine or ret is NULL");
	if (fork_refuses())
		return fork_refused();
	rc = read_opts(opts, &known, &tcp);
	if (!rc)
		rc = place_parse(&place, address);
	if (!rc && place.name[0])
		rc = err_set(-EINVAL, "'%s' names a region; to publish, end a folder with '/'",
			     address);
	if (rc)
		return rc;
	publisher = mem_zalloc(sizeof(*publisher));
	if (!publisher)
		return err_set(-ENOMEM, "out of memory");
	list_init(&publisher->all);
	pthread_mutex_init(&publisher->lock, NULL);
	rc = directory_choose(&publisher->directory, known.directory, place.where);
	publisher->is_tcp = publisher->directory.open == tcp_directory.open;
	if (publisher->is_tcp)
		publisher->directory.ctx = &tcp;
	if (!rc)
		rc = publisher->directory.open(publisher->directory.ctx, place.where,
					       &publisher->handle);
	if (rc) {
		free_publisher(publisher);
		return rc;
	}
	engine_attach(weft, &publisher->attached, close_attached);
	*ret = publisher;
	return 0;
}

void weft_publisher_close(struct weft_publisher *publisher)
{
	CANCEL_HELD;

	if (!publisher || fork_refuses())
		return;
	engine_detach(&publisher->attached);
	close_attached(&publisher->attached);
}

const char *weft_publisher_address(const struct weft_publisher *publisher)
{
	return publisher->directory.address(publisher->handle);
}

static struct published *find(const struct weft_publisher *publisher, const char *name)
{
	struct published *published;
	struct list *link;

	list_for_each(link, &publisher->all)
	{
		published = list_entry(link, struct published, link);
		if (!strcmp(published->name, name))
			return published;
	}
	return NULL;
}

static int check_free(const struct weft_publisher *publisher, const char *name,
		      const struct weft_region *region)
{
	const struct published *published;
	const struct list *link;

	if (publisher->count >= WEFT_SEGMENT_MAX)
		return err_set(-WEFT_ELIMIT, "%u names are published", publisher->count);
	list_for_each(link, &publisher->all)
	{
		published = list_entry(link, struct published, link);
		if (!strcmp(published->name, name))
			return err_set(-EEXIST, "the name '%s' is %s", name,
				       published->withdrawn
					       ? "being withdrawn; call weft_withdraw() again"
					       : "in use");
		if (published->region == region)
			return err_set(-EEXIST, "the region is published as '%s'", published->name);
	}
	return 0;
}

static int offer(struct weft_publisher *publisher, const char *name, struct weft_region *region)
{
	uint8_t bytes[WEFT_DESCRIPTOR_MAX];
	size_t len = sizeof(bytes);
	struct published *published;
	int rc = check_free(publisher, name, region);

	if (!rc)
		rc = weft_export(region, bytes, &len);
	if (rc)
		return rc;
	published = mem_zalloc(sizeof(*published));
	if (!published)
		return err_set(-ENOMEM, "out of memory");
	rc = publisher->directory.publish(publisher->handle, name, bytes, len);
	if (rc) {
		mem_free(published);
		return rc;
	}
	memcpy(published->name, name, strlen(name) + 1);
	published->region = region;
	list_add_tail(&publisher->all, &published->link);
	publisher->count++;
	return 0;
}

int weft_publish(struct weft_publisher *publisher, const char *name, struct weft_region *region)
{
	int rc;
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (!publisher || !region || region->weft != publisher->attached.weft)
		return err_set(-EINVAL, "no publisher, or no region of its engine");
	rc = name_check(name);
	if (rc)
		return rc;
	if (!region->access)
		return err_set(-WEFT_ERIGHTS,
			       "the region for '%s' is WEFT_LOCAL: nobody could use it", name);
	if (atomic_load_explicit(&region->closing, memory_order_relaxed))
		return err_set(-WEFT_EREVOKED, "the region for '%s' is being unregistered", name);
	pthread_mutex_lock(&publisher->lock);
	rc = offer(publisher, name, region);
	pthread_mutex_unlock(&publisher->lock);
	return rc;
}

/* The first half: nobody finds the name any more. */
static int forget(struct weft_publisher *publisher, const char *name, struct published **ret)
{
	struct published *published = find(publisher, name);
	int rc = 0;

	if (!published)
		return err_set(-WEFT_ENONAME, "'%s' is not published", name);
	if (published->busy)
		return err_set(-EBUSY, "another thread withdraws '%s'", name);
	if (!published->withdrawn)
		rc = publisher->directory.withdraw(publisher->handle, name);
	if (rc && rc != -WEFT_ENONAME)
		return rc;
	published->withdrawn = true;
	published->busy = true;
	*ret = published;
	return 0;
}

int weft_withdraw(struct weft_publisher *publisher, const char *name, uint64_t timeout_ns)
{
	struct published *published = NULL;
	int rc;
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (!publisher)
		return err_set(-EINVAL, "publisher is NULL");
	rc = name_check(name);
	if (rc)
		return rc;
	pthread_mutex_lock(&publisher->lock);
	rc = forget(publisher, name, &published);
	pthread_mutex_unlock(&publisher->lock);
	if (rc)
		return rc;
	rc = weft_unregister(published->region, timeout_ns);
	pthread_mutex_lock(&publisher->lock);
	published->busy = false;
	if (!rc) {
		list_del(&published->link);
		publisher->count--;
		mem_free(published);
	}
	pthread_mutex_unlock(&publisher->lock);
	return rc;
}

int weft_publisher_stats(struct weft_publisher *publisher, struct weft_publisher_stats *stats)
{
	struct weft_publisher_stats now = { .size = sizeof(now) };
	CANCEL_HELD;

	if (fork_refuses())
		return fork_refused();
	if (!publisher)
		return err_set(-EINVAL, "publisher is NULL");
	if (publisher->is_tcp)
		tcp_stats(publisher->handle, &now);
	return sized_out(stats, &now, sizeof(now), "weft_publisher_stats");
}
