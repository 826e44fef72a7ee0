/* SPDX-License-Identifier: Apache-2.0 */
/* Objects made and destroyed very often: no memory, mapping or file may be left of them. */
#include <dirent.h>
#include <stdio.h>

#include "kit.h"

static const struct kit_ep_options plain = { 0 };

struct use {
	uint64_t resident, mappings, files;
};

static uint64_t count_entries(const char *path)
{
	DIR *dir = opendir(path);
	uint64_t n = 0;

	check(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static struct use use_now(void)
{
	struct use use = { .files = count_entries("/proc/self/fd") };
	unsigned long long size, resident;
	FILE *file = fopen("/proc/self/statm", "re");
	int c;

	check(file && fscanf(file, "%llu %llu", &size, &resident) == 2);
	fclose(file);
	use.resident = resident * 4096;
	file = fopen("/proc/self/maps", "re");
	check(file);
	while ((c = getc(file)) != EOF)
		use.mappings += c == '\n';
	fclose(file);
	return use;
}

static void check_use(const struct use *before, uint64_t cycles)
{
	struct use now = use_now();

	kit_note("%llu cycles: %lld KiB, %lld mappings, %lld files more",
		 (unsigned long long)cycles, (long long)(now.resident - before->resident) / 1024,
		 (long long)(now.mappings - before->mappings),
		 (long long)(now.files - before->files));
	/* The engine has a counter file open now and then. */
	until(use_now().files <= before->files);
	check(now.mappings <= before->mappings + 8);
	/* Not one byte per cycle, beyond what the allocator wavers by. */
	if (!KIT_SANITIZED)
		check(now.resident <= before->resident + (1 << 20));
}

static void cycle_small(struct kit_bench *b)
{
	struct ibv_pd *pd = ibv_alloc_pd(b->nic.context);
	struct ibv_mr *mr;

	check(pd);
	mr = ibv_reg_mr(pd, b->area.data, b->area.size, KIT_ACCESS);
	check(mr);
	check_int(ibv_dereg_mr(mr), 0);
	check_int(ibv_destroy_ah(kit_ah(&b->nic, &b->nic.gid)), 0);
	check_int(ibv_dealloc_pd(pd), 0);
}

static void cycle_queues(struct kit_bench *b)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 16 };
	struct kit_ep ep;

	kit_ep_open(&ep, &b->nic, &small);
	kit_ep_close(&ep);
}

static void cycle_traffic(struct kit_bench *b)
{
	static const struct kit_ep_options small = { .sends = 16, .recvs = 16 };
	struct kit_wr wr = kit_bench_wr(b, KIT_WRITE, 20000);
	struct kit_ep ep;

	kit_ep_open(&ep, &b->nic, &small);
	wr.address += 100000;
	for (int i = 0; i < 3; i++)
		check_int(kit_post(&ep, &wr), 0);
	wr = kit_bench_wr(b, KIT_SEND, 0); /* to the other queue pair, from the one that goes */
	check_int(kit_post(&ep, &wr), 0);
	kit_ep_close(&ep);
}

static void cycle_devices(struct kit_bench *b)
{
	struct kit_nic nic;

	(void)b;
	kit_nic_open(&nic, 0);
	kit_nic_close(&nic);
}

static void cycles(void (*cycle)(struct kit_bench *), uint64_t count)
{
	struct kit_bench b;
	struct use use;

	kit_bench_open(&b, &plain);
	for (uint64_t i = 0; i < 600; i++) /* more than queue pair numbers or slots of a table */
		cycle(&b);
	use = use_now();
	for (uint64_t i = 0; i < count; i++)
		cycle(&b);
	check_use(&use, count);
	kit_bench_close(&b);
}

static void cycles_small(void)
{
	cycles(cycle_small, kit_scale(1000000, 1000000, 10000));
}

static void cycles_queues(void)
{
	cycles(cycle_queues, kit_scale(1000000, 1000000, 10000));
}

static void cycles_traffic(void)
{
	cycles(cycle_traffic, kit_scale(1000000, 100000, 2000));
}

static void cycles_devices(void)
{
	cycles(cycle_devices, kit_scale(100000, 100000, 1000));
}

static const struct kit_case cases[] = {
	{ "cycles/small", cycles_small },
	{ "cycles/queues", cycles_queues },
	{ "cycles/traffic", cycles_traffic },
	{ "cycles/devices", cycles_devices },
	{ 0 },
};

int main(int argc, char **argv)
{
	return kit_main(argc, argv, cases);
}
