/* SPDX-License-Identifier: Apache-2.0 */
/* Checks, the watchdog, time and content. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"
#include "kit_own.h"

static _Atomic(const char *) entered_file;
static _Atomic int entered_line;

static const char *leaf(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "?";
}

/* One write per line, so that lines of several processes do not mix. */
static void say(const char *file, int line, const char *format, va_list args)
{
	char text[512];
	size_t used;

	if (file)
		used = (size_t)snprintf(text, sizeof(text), "#   %s:%d: ", leaf(file), line);
	else
		used = (size_t)snprintf(text, sizeof(text), "#   ");
	vsnprintf(text + used, sizeof(text) - used - 1, format, args);
	used = strlen(text);
	text[used++] = '\n';
	if (write(STDOUT_FILENO, text, used) < 0) {
		/* Nobody listens. */
	}
}

void kit_enter(const char *file, int line)
{
	atomic_store_explicit(&entered_file, file, memory_order_relaxed);
	atomic_store_explicit(&entered_line, line, memory_order_relaxed);
}

void kit_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(file, line, format, args);
	va_end(args);
	_exit(KIT_FAILED);
}

void kit_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(NULL, 0, format, args);
	va_end(args);
	_exit(KIT_SKIPPED);
}

void kit_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(NULL, 0, format, args);
	va_end(args);
}

static void barked(int number)
{
	char text[256];
	int n;

	(void)number;
	n = snprintf(text, sizeof(text), "#   hang: process %d, last check entered %s:%d\n",
		     (int)getpid(), leaf(atomic_load(&entered_file)), atomic_load(&entered_line));
	if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < 0) {
		/* Nobody listens. */
	}
	_exit(KIT_HUNG);
}

void kit_watch(uint32_t seconds)
{
	struct sigaction action = { .sa_handler = barked };

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

uint64_t kit_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

void kit_pause(uint64_t looks)
{
	if (looks < 20)
		return;
	usleep(looks < 100 ? 20 : 500);
}

uint64_t kit_scale(uint64_t nightly, uint64_t full, uint64_t quick)
{
	const char *tier = getenv("WEFT_TEST_TIER");

	if (KIT_SANITIZED || (tier && !strcmp(tier, "quick")))
		return quick;
	return tier && !strcmp(tier, "nightly") ? nightly : full;
}

/* --- content ------------------------------------------------------------------------------- */

static uint64_t word_at(uint64_t seed, uint64_t index)
{
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull + index * 0xbf58476d1ce4e5b9ull;

	x = (x ^ (x >> 29)) * 0x94d049bb133111ebull;
	return x ^ (x >> 32);
}

void kit_fill(void *data, size_t size, uint64_t seed)
{
	uint8_t *next = data;
	uint64_t word;

	for (size_t at = 0; at < size; at += sizeof(word)) {
		word = word_at(seed, at);
		memcpy(next + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
	}
}

bool kit_holds(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *next = data;
	uint64_t word;

	for (size_t at = 0; at < size; at += sizeof(word)) {
		word = word_at(seed, at);
		if (memcmp(next + at, &word, size - at < sizeof(word) ? size - at : sizeof(word)))
			return false;
	}
	return true;
}

bool kit_all(const void *data, size_t size, uint8_t byte)
{
	const uint8_t *p = data;

	return !size || (p[0] == byte && !memcmp(p, p + 1, size - 1));
}
