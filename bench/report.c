/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>

void report_print(const struct report *r, struct samples *latency)
{
	const double bytes = (double)r->ops * r->size;
	const double gb = bytes / 1e9;

	printf("{\"program\":\"%s\",\"provider\":\"%s\",\"mode\":\"%s\",\"checksum\":\"%s\","
	       "\"version\":\"%s\",",
	       r->program, r->provider, r->mode, r->checksum, r->version);
	printf("\"size\":%llu,\"window\":%llu,\"clients\":%u,\"delivery_complete\":%d,",
	       (unsigned long long)r->size, (unsigned long long)r->window, r->clients,
	       r->delivery_complete);
	printf("\"seconds\":%.4f,\"ops\":%llu,\"ops_per_s\":%.1f,\"gb_per_s\":%.4f,", r->seconds,
	       (unsigned long long)r->ops, r->ops / r->seconds, gb / r->seconds);
	printf("\"p50_us\":%.3f,\"p99_us\":%.3f,\"max_us\":%.3f,",
	       samples_percentile(latency, 0.50) / 1e3, samples_percentile(latency, 0.99) / 1e3,
	       latency->max / 1e3);
	printf("\"cpu_initiator_s\":%.4f,\"cpu_target_s\":%.4f,\"cpu_s_per_gb\":%.4f}\n",
	       r->cpu_initiator_s, r->cpu_target_s,
	       gb > 0 ? (r->cpu_initiator_s + r->cpu_target_s) / gb : 0);
	fflush(stdout);
}
