/* SPDX-License-Identifier: Apache-2.0 */
/* Who meets whom, and who is slow. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "perf/matrix.h"

/* So many standard deviations, told from the median distance, a slow host is off as well. */
#define FAR          3
#define MAD_TO_SIGMA 1.4826

uint32_t matrix_round(uint32_t hosts, uint32_t round, struct matrix_pair *ret)
{
	uint32_t pairs[PERF_HOSTS_MAX / 2][2], n = perf_round(hosts, round, pairs);

	for (uint32_t i = 0; i < n; i++)
		ret[i] = (struct matrix_pair){ .a = pairs[i][0], .b = pairs[i][1] };
	return n;
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static double median_of(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	if (!n)
		return NAN;
	return n & 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void judge_host(struct matrix *matrix, uint32_t index, double *values)
{
	struct matrix_host *host = &matrix->host[index];
	uint32_t n = 0;

	for (uint32_t i = 0; i < matrix->pairs; i++) {
		const struct matrix_pair *pair = &matrix->pair[i];

		if (pair->done && !pair->error && (pair->a == index || pair->b == index))
			values[n++] = pair->value;
	}
	host->pairs = n;
	host->median = median_of(values, n);
	host->low = n ? values[0] : NAN;
	host->high = n ? values[n - 1] : NAN;
}

int matrix_judge(struct matrix *matrix)
{
	double *values = calloc(matrix->hosts + 1, sizeof(*values)), spread;
	uint32_t n = 0;

	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < matrix->hosts; i++)
		judge_host(matrix, i, values);
	for (uint32_t i = 0; i < matrix->hosts; i++)
		if (matrix->host[i].pairs)
			values[n++] = matrix->host[i].median;
	matrix->median = median_of(values, n);
	for (uint32_t i = 0; i < n; i++)
		values[i] = fabs(values[i] - matrix->median);
	spread = FAR * MAD_TO_SIGMA * median_of(values, n);
	free(values);
	/* Of two hosts nobody can tell which is the slow one. */
	for (uint32_t i = 0; matrix->hosts > 2 && i < matrix->hosts; i++) {
		struct matrix_host *host = &matrix->host[i];

		host->slow = host->pairs && host->median < matrix->median * (1 - matrix->slow) &&
			     host->median < matrix->median - spread;
	}
	return 0;
}
