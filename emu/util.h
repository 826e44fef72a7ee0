/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few helpers that all of the emulator shares: time, mixing of bits, messages to the user,
 * sleep and wake-up on a word in shared memory.
 */
#ifndef EMU_UTIL_H
#define EMU_UTIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define EMU_NEVER        UINT64_MAX
#define EMU_US           1000ull
#define EMU_MS           1000000ull
#define EMU_S            1000000000ull

#define EMU_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Nanoseconds of CLOCK_MONOTONIC: the same clock for all processes of one kernel. */
static inline uint64_t emu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * EMU_S + (uint64_t)ts.tv_nsec;
}

/* Time since then, which another thread may have noted later than this one looked at the clock: 0
 * then. */
static inline uint64_t emu_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

/* A bijection that spreads every input bit over all output bits (the finaliser of splitmix64). */
static inline uint64_t emu_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* One line on stderr, "weft-emu: ..."; no newline in format. Keeps errno. */
void emu_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, once per process and call site. */
#define emu_warn_once(...)                             \
	do {                                           \
		static _Atomic bool emu_said;          \
		if (!atomic_exchange(&emu_said, true)) \
			emu_warn(__VA_ARGS__);         \
	} while (0)

/* Sleeps while *word is value, at most timeout_ns (EMU_NEVER: no limit). May return early. The word
 * may lie in shared memory. */
void emu_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns);

/* Wakes all that sleep on word. */
void emu_wake(_Atomic uint32_t *word);

/* n random bytes from the kernel. 0 or -errno. */
int emu_random(void *bytes, size_t n);

/* snprintf that answers -ENAMETOOLONG where the text did not fit, else 0. */
int emu_format(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
