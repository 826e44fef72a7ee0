/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <errno.h>
#include <stdlib.h>

int samples_init(struct samples *s, uint32_t room)
{
	s->ns = calloc(room, sizeof(*s->ns));
	if (!s->ns)
		return -ENOMEM;
	s->room = room;
	samples_reset(s);
	return 0;
}

void samples_fini(struct samples *s)
{
	free(s->ns);
	s->ns = NULL;
}

void samples_reset(struct samples *s)
{
	s->n = 0;
	s->stride = 1;
	s->skip = 1;
	s->max = 0;
}

void samples_thin(struct samples *s)
{
	uint32_t i;

	for (i = 0; 2 * i < s->n; i++)
		s->ns[i] = s->ns[2 * i];
	s->n = i;
	s->stride *= 2;
	s->skip = s->stride;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t samples_percentile(struct samples *s, double p)
{
	if (!s->n)
		return 0;
	qsort(s->ns, s->n, sizeof(*s->ns), compare);
	return s->ns[(uint32_t)(p * (s->n - 1) + 0.5)];
}

void samples_merge(struct samples *s, const struct samples *other)
{
	uint32_t i;

	for (i = 0; i < other->n; i++)
		samples_add(s, other->ns[i]);
	if (other->max > s->max)
		s->max = other->max;
}
