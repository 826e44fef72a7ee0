/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/world_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "emu/util.h"
#include "emu/world_file.h"

#define LIMIT_S 120

void kit_dir_make(char dir[64])
{
	strcpy(dir, "/dev/shm/weft-test-world.XXXXXX");
	assert_non_null(mkdtemp(dir));
}

void kit_dir_remove(const char *dir)
{
	assert_int_equal(emu_tree_remove(AT_FDCWD, dir), 0);
}

void kit_host(struct emu_world *world, uint32_t host, const char *profile, uint32_t nics)
{
	struct emu_host_options options = { .profile = emu_profile_find(profile), .nics = nics };
	char why[256] = "";

	assert_non_null(options.profile);
	emu_model_defaults(&options.model);
	assert_int_equal(emu_model_apply(&options.model, options.profile->settings, NULL, 0), 0);
	if (world->shared->carrier == EMU_CARRIER_UDP) {
		memcpy(options.udp_address, (uint8_t[]){ 127, 0, 0, 1 }, 4);
		options.udp_port = (uint16_t)(20000 + 200 * host);
	}
	if (emu_world_host(world, host, &options, why, sizeof(why)))
		fail_msg("host %u: %s", host, why);
}

void kit_world(struct emu_world *world, const char *dir, const char *profile, uint32_t nics)
{
	struct emu_world_options options = { .seed = 7, .carrier = EMU_CARRIER_RING };
	char why[256] = "";

	if (emu_world_create(world, dir, &options, why, sizeof(why)))
		fail_msg("%s: %s", dir, why);
	kit_host(world, 0, profile, nics);
}

pid_t kit_child(int (*body)(void *argument), void *argument)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(body(argument));
	return child;
}

int kit_wait(pid_t child)
{
	uint64_t end = emu_now() + LIMIT_S * EMU_S;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (emu_now() > end)
			kill(child, SIGKILL);
		kit_sleep_us(500);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void kit_sleep_us(unsigned int us)
{
	struct timespec pause = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	nanosleep(&pause, NULL);
}

bool kit_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (got < 0)
		return false;
	text[got] = 0;
	if (got && text[got - 1] == '\n')
		text[got - 1] = 0;
	return true;
}
