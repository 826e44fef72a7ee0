/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/env.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "host/instance.h"
#include "perf/env_parts.h"

static struct perf_fact *room_for_one(struct env_at *at)
{
	struct perf_env *env = at->env;
	struct perf_fact *more;

	/* Powers of two: full when the number is one. */
	if (!(env->facts & (env->facts - 1)) || !env->fact) {
		more = realloc(env->fact, sizeof(*more) * (env->facts ? 2 * env->facts : 1));
		if (!more) {
			at->full = true;
			return NULL;
		}
		env->fact = more;
	}
	return &env->fact[env->facts];
}

static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

void env_add(struct env_at *at, const char *name, const char *format, ...)
{
	struct perf_fact *fact = at->full ? NULL : room_for_one(at);
	va_list args;
	int n;

	if (!fact)
		return;
	memset(fact, 0, sizeof(*fact));
	memcpy(fact->name, name, strnlen(name, sizeof(fact->name) - 1));
	va_start(args, format);
	n = vsnprintf(fact->value, sizeof(fact->value), format, args);
	va_end(args);
	if (n >= (int)sizeof(fact->value))
		memcpy(fact->value + sizeof(fact->value) - 4, "...", 4);
	clean(fact->name);
	clean(fact->value);
	at->env->facts++;
}

void env_unknown(struct env_at *at, const char *name, int error)
{
	env_add(at, name, "unknown (%s)", strerror(error < 0 ? -error : error));
}

static int read_path(const char *path, char *ret, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 0;

	*ret = '\0';
	if (fd < 0)
		return -errno;
	while (len + 1 < room && (n = read(fd, ret + len, room - 1 - len)) > 0)
		len += (size_t)n;
	n = n < 0 ? -errno : 0;
	close(fd);
	while (len && strchr(" \n\t\r", ret[len - 1]))
		len--;
	ret[len] = '\0';
	return (int)n;
}

int env_read(const struct env_at *at, char *ret, size_t room, const char *format, ...)
{
	char path[ENV_PATH_MAX];
	va_list args;
	int n = snprintf(path, sizeof(path), "%s", at->root), m;

	*ret = '\0';
	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	va_start(args, format);
	m = vsnprintf(path + n, sizeof(path) - (size_t)n, format, args);
	va_end(args);
	if (m >= (int)sizeof(path) - n)
		return -ENAMETOOLONG;
	return read_path(path, ret, room);
}

void env_link(const struct env_at *at, char *ret, size_t room, const char *format, ...)
{
	char path[ENV_PATH_MAX], target[ENV_PATH_MAX];
	const char *name;
	va_list args;
	int n = snprintf(path, sizeof(path), "%s", at->root), m;
	ssize_t len = -1;

	*ret = '\0';
	va_start(args, format);
	if (n < (int)sizeof(path)) {
		m = vsnprintf(path + n, sizeof(path) - (size_t)n, format, args);
		if (m < (int)sizeof(path) - n)
			len = readlink(path, target, sizeof(target) - 1);
	}
	va_end(args);
	if (len <= 0)
		return;
	target[len] = '\0';
	name = strrchr(target, '/');
	snprintf(ret, room, "%s", name ? name + 1 : target);
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int env_each(struct env_at *at, const char *dir, int most,
	     void (*fn)(struct env_at *at, const char *dir, const char *name))
{
	char path[ENV_PATH_MAX];
	struct dirent **entry = NULL;
	int n;

	if (snprintf(path, sizeof(path), "%s%s", at->root, dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	n = scandir(path, &entry, no_dots, versionsort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (i < most)
			fn(at, dir, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	return n;
}

int perf_env_collect(struct perf_env *ret, const char *root)
{
	const struct host_instance *expect;
	struct env_at at = { .env = ret, .root = root };
	const char *type;

	*ret = (struct perf_env){ 0 };
	env_machine(&at);
	env_cpus(&at);
	env_devices(&at);
	env_doctor(&at);
	env_libraries(&at);
	env_variables(&at);
	if (at.full) {
		perf_env_free(ret);
		return err_set(-ENOMEM, "no memory for the environment record");
	}
	type = perf_env_get(ret, "instance_type");
	expect = type && !perf_env_get(ret, "emulated") ? host_instance_find(type) : NULL;
	ret->line_rate = expect ? expect->gbits * 1e9 / 8 : 0;
	return 0;
}

void perf_env_free(struct perf_env *env)
{
	free(env->fact);
	*env = (struct perf_env){ 0 };
}

const char *perf_env_get(const struct perf_env *env, const char *name)
{
	for (uint32_t i = 0; i < env->facts; i++)
		if (!strcmp(env->fact[i].name, name))
			return env->fact[i].value;
	return NULL;
}
