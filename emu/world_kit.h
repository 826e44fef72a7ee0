/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of worlds: directories that go away, and processes. */
#ifndef EMU_WORLD_KIT_H
#define EMU_WORLD_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "emu/world.h"

/* A directory for the test's own use, removed with all in it by kit_dir_remove(). */
void kit_dir_make(char dir[64]);
void kit_dir_remove(const char *dir);

/* A world with host 0 of the profile in dir, which is made or exists. */
void kit_world(struct emu_world *world, const char *dir, const char *profile, uint32_t nics);
void kit_host(struct emu_world *world, uint32_t host, const char *profile, uint32_t nics);

/* Runs body in a child; its answer is the exit status (0: well). No cmocka assertions in there. */
pid_t kit_child(int (*body)(void *argument), void *argument);

/* Waits at most 120 s for the child, kills it after that. Its exit status, or -signal. */
int kit_wait(pid_t child);

void kit_sleep_us(unsigned int us);

/* The file's text without the newline at its end; false: cannot be read. */
bool kit_read(const char *path, char *text, size_t size);

#endif
