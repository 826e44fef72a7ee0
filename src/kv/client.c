/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "kv/client_int.h"

#define BYE_TIMEOUT_NS   (2 * NSEC_PER_SEC)
#define BUFFER_MIN       ((uint64_t)64 << 10)
#define HEARTBEAT_MS_MIN 10u

/* --- heartbeats ----------------------------------------------------------------------------------
 */

/* Waits one interval; false: the client is closing. */
static bool heart_wait(struct weft_kv *kv, uint64_t interval_ns)
{
	uint64_t until = clock_ns() + interval_ns;
	struct timespec at = { .tv_sec = (time_t)(until / NSEC_PER_SEC),
			       .tv_nsec = (long)(until % NSEC_PER_SEC) };
	int rc = 0;
	bool stop;

	pthread_mutex_lock(&kv->lock);
	while (!kv->stop && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&kv->wake, &kv->lock, &at);
	stop = kv->stop;
	pthread_mutex_unlock(&kv->lock);
	return !stop;
}

static void *heart_main(void *arg)
{
	struct weft_kv *kv = arg;
	uint64_t session;
	int rc;

	while (heart_wait(kv, kv->heart_ns)) {
		session = atomic_load(&kv->session);
		if (!session || atomic_load(&kv->lost))
			continue;
		rc = kv->ops->heartbeat(kv->control, session, kv->heart_id, kv->heart_ns);
		/* A server that does not answer may come back; one that does not know the client
		 * touches nothing of it any more. */
		pthread_mutex_lock(&kv->lock);
		if (rc == -WEFT_ESESSION && session == atomic_load(&kv->session))
			client_lose(kv, rc);
		pthread_mutex_unlock(&kv->lock);
	}
	return NULL;
}

int client_heart_start(struct weft_kv *kv)
{
	uint32_t ms = kv->welcome.heartbeat_ms;
	int rc;

	if (kv->beating)
		return 0;
	kv->heart_ns = (ms > HEARTBEAT_MS_MIN ? ms : HEARTBEAT_MS_MIN) * NSEC_PER_MSEC;
	kv->heart_id = kv->welcome.client_id;
	rc = pthread_create(&kv->heart, NULL, heart_main, kv);
	if (rc)
		return err_set(-rc, "starting a thread: %s", strerror(rc));
	pthread_setname_np(kv->heart, "weft-kv-heart");
	kv->beating = true;
	return 0;
}

static void heart_stop(struct weft_kv *kv)
{
	if (!kv->beating)
		return;
	pthread_mutex_lock(&kv->lock);
	kv->stop = true;
	pthread_cond_signal(&kv->wake);
	pthread_mutex_unlock(&kv->lock);
	pthread_join(kv->heart, NULL);
}

/* --- open, close ---------------------------------------------------------------------------------
 */

static int copy_string(char **ret, const char *text)
{
	*ret = text ? mem_strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

/* Options of a newer header than this library's must be at their defaults. */
static bool tail_is_zero(const void *opts, size_t known, size_t size)
{
	const uint8_t *bytes = opts;

	while (size > known)
		if (bytes[--size])
			return false;
	return true;
}

static int copy_opts(struct weft_kv *kv, const struct weft_kv_opts *given)
{
	struct weft_kv_opts *opts = &kv->opts;
	size_t size = given ? given->size : 0;
	int rc;

	if (given && (size < sizeof(size) || size > 4096))
		return err_set(-EINVAL, "weft_kv_opts.size is %zu, %zu is right", size,
			       sizeof(*opts));
	if (given && !tail_is_zero(given, sizeof(*opts), size))
		return err_set(-EINVAL, "weft_kv_opts has options that this library lacks");
	memcpy(opts, given ? given : opts, size < sizeof(*opts) ? size : sizeof(*opts));
	if (!opts->server_addr)
		opts->server_addr = WEFT_KV_DEFAULT_ADDR;
	if (!opts->buffer_bytes)
		opts->buffer_bytes = (uint64_t)64 << 20;
	if (!opts->connect_timeout_ns)
		opts->connect_timeout_ns = 10 * NSEC_PER_SEC;
	if (!opts->timeout_ns)
		opts->timeout_ns = 30 * NSEC_PER_SEC;
	if (opts->buffer_bytes < BUFFER_MIN)
		return err_set(-EINVAL, "a buffer of %llu bytes, at least %llu are needed",
			       (unsigned long long)opts->buffer_bytes,
			       (unsigned long long)BUFFER_MIN);
	if (opts->control > WEFT_KV_GRPC)
		return err_set(-EINVAL, "control %u is neither fabric nor grpc", opts->control);
	rc = copy_string(&kv->server_addr, opts->server_addr);
	if (!rc)
		rc = copy_string(&kv->provider, opts->provider);
	if (!rc)
		rc = copy_string(&kv->devices, opts->devices);
	if (!rc)
		rc = copy_string(&kv->bind_addr, opts->bind_addr);
	return rc;
}

static int open_buffer(struct weft_kv *kv)
{
	uint64_t available = segment_available();
	int rc;

	if (kv->opts.buffer_bytes > available)
		return err_set(-ENOMEM,
			       "a buffer of %llu MiB, but only %llu MiB of memory are available",
			       (unsigned long long)kv->opts.buffer_bytes >> 20,
			       (unsigned long long)available >> 20);
	rc = segment_open(&kv->buffer, kv->opts.buffer_bytes);
	if (!rc)
		arena_init(&kv->arena, kv->buffer.length);
	return rc;
}

static void init_parts(struct weft_kv *kv)
{
	pthread_condattr_t attr;

	list_init(&kv->idle);
	list_init(&kv->active);
	list_init(&kv->ended);
	list_init(&kv->quarantine);
	pthread_mutex_init(&kv->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&kv->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static int open_parts(struct weft_kv *kv)
{
	int rc = open_buffer(kv);

	if (!rc)
		rc = kv->ops->open(&kv->control, kv->ops_arg, kv->server_addr,
				   kv->opts.connect_timeout_ns);
	if (!rc)
		rc = client_ensure(kv);
	return rc;
}

int client_open(struct weft_kv **ret, const struct weft_kv_opts *opts,
		const struct control_ops *ops, void *arg)
{
	struct weft_kv *kv;
	int rc = fork_open();
	CANCEL_HELD;

	if (rc)
		return rc;
	kv = mem_zalloc(sizeof(*kv));
	if (!kv) {
		fork_close();
		return -ENOMEM;
	}
	init_parts(kv);
	kv->ops = ops;
	kv->ops_arg = arg;
	rc = copy_opts(kv, opts);
	if (!rc)
		rc = open_parts(kv);
	if (rc) {
		weft_kv_close(kv);
		return rc;
	}
	*ret = kv;
	return 0;
}

/* Lets the server forget the client at once. It notices without that too: a server that owes an
 * answer is not waited for. */
static void say_bye(struct weft_kv *kv)
{
	uint64_t session = atomic_load(&kv->session);

	if (session && kv->weft && !atomic_load(&kv->lost) && !kv->quarantine_count)
		(void)kv->ops->bye(kv->control, session, kv->opts.client_id, BYE_TIMEOUT_NS);
}

void weft_kv_close(struct weft_kv *kv)
{
	char text[ERR_DETAIL_MAX];
	CANCEL_HELD;

	if (!kv || fork_refuses()) /* in a child all of it is the parent's */
		return;
	/* A failed open reports why, not what closing says. */
	strncpy(text, weft_error_detail(), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	heart_stop(kv);
	say_bye(kv);
	client_disconnect(kv, -WEFT_ECLOSED);
	if (kv->control)
		kv->ops->close(kv->control);
	server_close(kv->local);
	memories_fini(kv);
	ops_fini(kv);
	segment_close(&kv->buffer);
	pthread_cond_destroy(&kv->wake);
	pthread_mutex_destroy(&kv->lock);
	mem_free(kv->server_addr);
	mem_free(kv->provider);
	mem_free(kv->devices);
	mem_free(kv->bind_addr);
	mem_free(kv);
	fork_close();
	err_set(0, "%s", text);
}
