/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu/shared.h"

static const struct {
	const char *name;
	uint64_t value, low, high;
	const char *unit, *source, *help;
} rows[] = {
#define EMU_MODEL(id, name, value, low, high, unit, source, help) \
	{ name, value, low, high, unit, source, help },
#include "emu/efa.def"
#undef EMU_MODEL
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int set(struct emu_model *model, const char *name, const char *text, char why[256])
{
	why[0] = 0;
	return emu_model_set(model, name, strlen(name), text, why, 256);
}

static void rows_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_true(rows[i].low <= rows[i].value && rows[i].value <= rows[i].high);
		assert_true(*rows[i].source && *rows[i].help && *rows[i].unit);
		if (!strcmp(rows[i].unit, "on/off"))
			assert_true(rows[i].low == 0 && rows[i].high == 1);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows[i].name, rows[j].name);
	}
}

static void defaults_are_the_rows(void **state)
{
	struct emu_model model;

	(void)state;
	memset(&model, 0xff, sizeof(model));
	emu_model_defaults(&model);
	/* As a real device of part 0xefa1 answers. */
	assert_int_equal(model.part_id, 0xefa1);
	assert_int_equal(model.mtu, 8928);
	assert_int_equal(model.max_sq_wr, 4096);
	assert_int_equal(model.max_rdma_size, 1 << 30);
	assert_int_equal(model.rdma_write, 1);
	for (size_t i = 0; i < ROWS; i++)
		assert_int_equal(((uint64_t *)&model)[i], rows[i].value);
}

static void sets_numbers_and_switches(void **state)
{
	struct emu_model model;
	char why[256];

	(void)state;
	emu_model_defaults(&model);
	assert_int_equal(set(&model, "part_id", "0xefa2", why), 0);
	assert_int_equal(model.part_id, 0xefa2);
	assert_int_equal(set(&model, "mtu", "4096", why), 0);
	assert_int_equal(model.mtu, 4096);
	assert_int_equal(set(&model, "rdma_read", "off", why), 0);
	assert_int_equal(model.rdma_read, 0);
	assert_int_equal(set(&model, "rdma_read", "1", why), 0);
	assert_int_equal(model.rdma_read, 1);
	assert_int_equal(set(&model, "max_sq_wr", "0100", why), 0);
	assert_int_equal(model.max_sq_wr, 100);
}

static void bad_values_are_told(void **state)
{
	static const struct {
		const char *name, *text;
		int error;
		const char *says;
	} cases[] = {
		{ "mtux", "1", -ENOENT, "mtux" },
		{ "", "1", -ENOENT, "no property" },
		{ "mtu", "", -EINVAL, "1024 to 8928 bytes" },
		{ "mtu", "4k", -EINVAL, "4k" },
		{ "mtu", "-1", -EINVAL, "-1" },
		{ "mtu", "+2000", -EINVAL, "mtu" },
		{ "mtu", " 2000", -EINVAL, "mtu" },
		{ "mtu", "0x", -EINVAL, "mtu" },
		{ "mtu", "on", -EINVAL, "mtu" },
		{ "mtu", "1023", -ERANGE, "1024 to 8928 bytes" },
		{ "mtu", "8929", -ERANGE, "8929" },
		{ "mtu", "99999999999999999999999", -EINVAL, "mtu" },
		{ "part_id", "0xef00", -ERANGE, "0xefa0 to 0xefaf" },
		{ "rdma_read", "2", -ERANGE, "on or off" },
		{ "rdma_read", "maybe", -EINVAL, "on or off" },
	};
	struct emu_model model, before;
	char why[256];

	(void)state;
	emu_model_defaults(&model);
	before = model;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set(&model, cases[i].name, cases[i].text, why), cases[i].error);
		if (!strstr(why, cases[i].says))
			fail_msg("%s=%s: %s", cases[i].name, cases[i].text, why);
		assert_memory_equal(&model, &before, sizeof(model));
	}
	assert_int_equal(emu_model_set(&model, "mtu", 3, "1", NULL, 0), -ERANGE);
}

static void applies_all_or_nothing(void **state)
{
	struct emu_model model, before;
	char why[256];

	(void)state;
	emu_model_defaults(&model);
	assert_int_equal(emu_model_apply(&model, "", why, sizeof(why)), 0);
	assert_int_equal(
		emu_model_apply(&model, " mtu=2048,rdma_read=off\tspeed=400 ,", why, sizeof(why)),
		0);
	assert_int_equal(model.mtu, 2048);
	assert_int_equal(model.rdma_read, 0);
	assert_int_equal(model.speed, 400);
	before = model;
	assert_int_equal(emu_model_apply(&model, "mtu=4096 speed=0", why, sizeof(why)), -ERANGE);
	assert_non_null(strstr(why, "speed"));
	assert_int_equal(emu_model_apply(&model, "mtu=4096 speed", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "name=value"));
	assert_int_equal(emu_model_apply(&model, "=1", why, sizeof(why)), -ENOENT);
	assert_int_equal(emu_model_apply(&model,
					 "mtu=1000000000000000000000000000000000000000000000000000"
					 "00000000000000000000",
					 why, sizeof(why)),
			 -EINVAL);
	assert_memory_equal(&model, &before, sizeof(model));
}

static void prints_each_row(void **state)
{
	struct emu_model model;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	emu_model_defaults(&model);
	model.rdma_write = 0;
	emu_model_print(&model, out);
	assert_int_equal(fclose(out), 0);
	for (size_t i = 0; i < ROWS; i++) {
		assert_non_null(strstr(text, rows[i].name));
		assert_non_null(strstr(text, rows[i].source));
	}
	assert_non_null(strstr(text, "part_id=0xefa1\n"));
	assert_non_null(strstr(text, "rdma_write=off\n"));
	assert_non_null(strstr(text, "mtu=8928\n"));
	free(text);
}

/* --- profiles ------------------------------------------------------------------------------ */

static bool is_date(const char *text)
{
	return strlen(text) == 10 && strspn(text, "0123456789-") == 10 && text[4] == '-' &&
	       text[7] == '-';
}

static void profiles_are_sound(void **state)
{
	const struct emu_profile *profile;
	struct emu_model model;
	char why[256] = "";

	(void)state;
	for (size_t i = 0; (profile = emu_profile_at(i)); i++) {
		assert_ptr_equal(emu_profile_find(profile->name), profile);
		assert_in_range(profile->nics, 1, EMU_NICS);
		assert_true(strlen(profile->name) < sizeof(((struct emu_host_shared *)0)->profile));
		assert_true(is_date(profile->date));
		assert_true(*profile->source);
		emu_model_defaults(&model);
		if (emu_model_apply(&model, profile->settings, why, sizeof(why)))
			fail_msg("%s: %s", profile->name, why);
		/* What a device of the first part is sold with: nothing else tells these apart. */
		assert_true(!model.rdma_write || model.rdma_read);
		assert_int_equal(model.hw_ver, model.part_id);
	}
	assert_null(emu_profile_find("p99.metal"));
	assert_null(emu_profile_find(""));
}

static void profiles_of_the_issue_are_there(void **state)
{
	static const struct {
		const char *name;
		uint32_t nics;
		uint64_t part_id, speed, read, write;
	} facts[] = {
		{ "generic", 1, 0xefa1, 100, 1, 1 },
		{ "c5n.18xlarge", 1, 0xefa0, 100, 0, 0 },
		{ "m6i.metal", 1, 0xefa1, 50, 1, 1 },
		{ "p4d.24xlarge", 4, 0xefa0, 100, 1, 0 },
		{ "p5.48xlarge", 32, 0xefa1, 100, 1, 1 },
		{ "p5en.48xlarge", 16, 0xefa2, 200, 1, 1 },
		{ "p6-b200.48xlarge", 8, 0xefa3, 400, 1, 1 },
		{ "trn1.32xlarge", 8, 0xefa1, 100, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const struct emu_profile *profile = emu_profile_find(facts[i].name);
		struct emu_model model;

		assert_non_null(profile);
		emu_model_defaults(&model);
		assert_int_equal(emu_model_apply(&model, profile->settings, NULL, 0), 0);
		assert_int_equal(profile->nics, facts[i].nics);
		assert_int_equal(model.part_id, facts[i].part_id);
		assert_int_equal(model.speed, facts[i].speed);
		assert_int_equal(model.rdma_read, facts[i].read);
		assert_int_equal(model.rdma_write, facts[i].write);
	}
}

static void places_are_distinct(void **state)
{
	const struct emu_profile *profile;

	(void)state;
	for (size_t i = 0; (profile = emu_profile_at(i)); i++) {
		uint32_t seen[EMU_NICS];

		/* Also for more NICs than the instance type has: `weft emu --nics`. */
		for (uint32_t nic = 0; nic < EMU_NICS; nic++) {
			uint32_t bus, device;

			emu_profile_pci(profile, nic, &bus, &device);
			assert_true(bus < 256 && device < 32);
			seen[nic] = bus * 32 + device;
			for (uint32_t j = 0; j < nic; j++)
				assert_int_not_equal(seen[nic], seen[j]);
		}
	}
}

static void places_are_as_listed(void **state)
{
	uint32_t bus, device;

	(void)state;
	emu_profile_pci(emu_profile_find("p4d.24xlarge"), 2, &bus, &device);
	assert_int_equal(bus, 144);
	assert_int_equal(device, 27);
	emu_profile_pci(emu_profile_find("p4d.24xlarge"), 4, &bus, &device);
	assert_int_equal(bus, 16);
	assert_int_equal(device, 28);
	emu_profile_pci(emu_profile_find("p5.48xlarge"), 5, &bus, &device);
	assert_int_equal(bus, 97);
	assert_int_equal(device, 0);
	emu_profile_pci(emu_profile_find("p5.48xlarge"), 31, &bus, &device);
	assert_int_equal(bus, 201);
	emu_profile_pci(emu_profile_find("generic"), 0, &bus, &device);
	assert_int_equal(bus, 0);
	assert_int_equal(device, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sound),
		cmocka_unit_test(defaults_are_the_rows),
		cmocka_unit_test(sets_numbers_and_switches),
		cmocka_unit_test(bad_values_are_told),
		cmocka_unit_test(applies_all_or_nothing),
		cmocka_unit_test(prints_each_row),
		cmocka_unit_test(profiles_are_sound),
		cmocka_unit_test(profiles_of_the_issue_are_there),
		cmocka_unit_test(places_are_distinct),
		cmocka_unit_test(places_are_as_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
