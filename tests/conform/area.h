/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for transfers, between guard bytes, and the content that is moved. */
#ifndef CONFORM_AREA_H
#define CONFORM_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guard bytes before and after an area; a transfer must never change one. */
#define AREA_GUARD 4096u

struct area {
	uint8_t *base;
	size_t len;
	uint8_t *map;
	size_t map_len;
};

/* Maps len bytes, zeroed, and sets the guards. */
void area_open(struct area *area, size_t len);
/* The same on a file that other processes map too; sets its size. area_join() maps it there. */
void area_share(struct area *area, size_t len, int fd);
void area_join(struct area *area, size_t len, int fd);
void area_close(struct area *area);

/*
 * Content number seed: an endless pseudo-random sequence. Byte i of the range at offset becomes
 * byte i of the sequence.
 */
void area_fill(struct area *area, size_t offset, size_t len, uint64_t seed);
/* True if the range holds bytes skip.. of sequence seed. */
bool area_holds(const struct area *area, size_t offset, size_t len, uint64_t seed, size_t skip);
/* True if no whole word of the sequence stands in the range where area_fill() would put it. */
bool area_lacks(const struct area *area, size_t offset, size_t len, uint64_t seed);
bool area_guarded(const struct area *area);

/* The same as checks: fail the case with the place of the first wrong byte. */
void area_check_at(const char *file, int line, const struct area *area, size_t offset, size_t len,
		   uint64_t seed, size_t skip);
void area_check_guards(const char *file, int line, const struct area *area);

#define check_holds(area, offset, len, seed) \
	area_check_at(__FILE__, __LINE__, (area), (offset), (len), (seed), 0)
#define check_holds_from(area, offset, len, seed, skip) \
	area_check_at(__FILE__, __LINE__, (area), (offset), (len), (seed), (skip))
#define check_guards(area) area_check_guards(__FILE__, __LINE__, (area))

/* A small repeatable generator; state is any number. */
uint64_t area_random(uint64_t *state);

#endif /* CONFORM_AREA_H */
