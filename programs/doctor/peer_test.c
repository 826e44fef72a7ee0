/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of two machines, from what both saw. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doctor/peer.h"
#include "perf/reach_ports.h"

struct scene {
	struct perf_reach found;
	struct peer_try try;
	struct peer_findings findings;
};

/* Two hosts with so many pairs of NICs, between which all is well. */
static struct scene *begin(uint32_t pairs)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct perf_reach *found = &scene->found;

	strcpy(scene->try.to, "10.0.0.2:7081");
	scene->try.provider = "efa";
	scene->try.wait_ns = 3 * NSEC_PER_SEC;
	scene->try.found = found;
	strcpy(found->here.host, "left");
	strcpy(found->there.host, "right");
	strcpy(found->here.libfabric, "2.1");
	strcpy(found->there.libfabric, "2.1");
	found->here.nics = found->there.nics = pairs;
	found->passes = PERF_REACH_PASSES;
	for (uint32_t i = 0; i < PERF_REACH_PASSES; i++) {
		struct perf_reach_pass *pass = &found->pass[i];

		pass->size = i ? 1 << 20 : 8;
		pass->pairs = pairs;
		for (uint32_t k = 0; k < pairs; k++) {
			snprintf(pass->here[k].device, PERF_NAME_MAX, "rdmap%us0", k);
			snprintf(pass->there[k].device, PERF_NAME_MAX, "rdmap%us1", k);
			pass->here[k].sent = pass->here[k].arrived = pass->here[k].ended = true;
			pass->there[k] = pass->here[k];
			snprintf(pass->there[k].device, PERF_NAME_MAX, "rdmap%us1", k);
		}
	}
	return scene;
}

/* What went one way in a pass was lost. */
static void lose(struct scene *scene, uint32_t pair, bool there, uint32_t in_pass)
{
	struct perf_reach_pass *pass = &scene->found.pass[in_pass];

	if (!in_pass)
		scene->found.passes = 1;
	(there ? pass->there : pass->here)[pair].arrived = false;
	pass->there[pair].ended = pass->here[pair].ended = false;
}

static const struct finding *judge(struct scene *scene)
{
	peer_judge(&scene->try, &scene->findings);
	assert_true(scene->findings.n >= 1);
	return &scene->findings.finding[0];
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void all_is_well(void **state)
{
	struct scene *scene = begin(2);
	const struct finding *f = judge(scene);

	(void)state;
	assert_int_equal(f->verdict, DOCTOR_OK);
	assert_int_equal(peer_exit_status(&scene->findings), 0);
	assert_has(f->text, "left and right reach each other by efa in both directions");
	strcpy(scene->found.there.libfabric, "1.22");
	f = judge(scene);
	assert_int_equal(f->verdict, DOCTOR_WARN);
	assert_int_equal(peer_exit_status(&scene->findings), 1);
	free(scene);
}

static void what_came_came_through_the_nic(void **state)
{
	struct scene *scene = begin(1);
	const struct finding *f;

	(void)state;
	scene->found.pass[0].there[0].counted = 1u << PERF_REACH_rx_pkts;
	f = judge(scene);
	assert_int_equal(f->verdict, DOCTOR_WARN);
	assert_has(f->text, "a message came to right, and NIC rdmap0s1 has counted no packet");
	scene->found.pass[0].there[0].grown[PERF_REACH_rx_pkts] = 1;
	f = judge(scene);
	assert_int_equal(f->verdict, DOCTOR_OK);
	free(scene);
}

static void each_direction_is_told(void **state)
{
	struct scene *scene = begin(1);
	const struct finding *f;

	(void)state;
	lose(scene, 0, true, 0);
	assert_int_equal(perf_reach_way(&scene->found, 0, true), PERF_REACH_LOST);
	assert_int_equal(perf_reach_way(&scene->found, 0, false), PERF_REACH_OK);
	f = judge(scene);
	assert_int_equal(scene->findings.n, 1);
	assert_int_equal(peer_exit_status(&scene->findings), 2);
	assert_has(f->text, "what left sends by efa does not reach right");
	assert_has(f->evidence, "rdmap0s0 to rdmap0s1, 8 bytes: sent, never came");
	free(scene);
	scene = begin(1);
	lose(scene, 0, false, 0);
	strcpy(scene->found.here.groups, "sg-a,sg-b");
	strcpy(scene->found.there.groups, "sg-b");
	f = judge(scene);
	assert_has(f->text, "what right sends by efa does not reach left");
	assert_has(f->fix, "egress --group-id sg-b");
	assert_has(f->fix, "ingress --group-id sg-a");
	free(scene);
}

static void why_nothing_passes(void **state)
{
	static const struct {
		const char *here[4], *there[4], *consequence; /* zone, vpc, instance, groups */
	} rows[] = {
		{ { "", "", "", "" }, { "", "", "", "" }, "0.0.0.0/0 does not cover EFA" },
		{ { "use1-az1", "vpc-1", "", "sg-1" },
		  { "use1-az2", "vpc-1", "", "sg-1" },
		  "availability zones" },
		{ { "use1-az1", "vpc-1", "", "sg-1" },
		  { "use1-az1", "vpc-2", "", "sg-1" },
		  "different VPCs" },
		{ { "", "", "p4d.24xlarge", "" },
		  { "", "", "p5.48xlarge", "" },
		  "do not understand each other" },
		{ { "z", "v", "p5.48xlarge", "sg-1,sg-2" },
		  { "z", "v", "p5.48xlarge", "sg-3" },
		  "share no security group" },
		{ { "z", "v", "p5.48xlarge", "sg-1,sg-2" },
		  { "z", "v", "p5.48xlarge", "sg-2" },
		  "lacks rules of all protocols" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene *scene = begin(2);
		const struct finding *f;

		for (uint32_t pair = 0; pair < 2; pair++) {
			lose(scene, pair, true, 0);
			lose(scene, pair, false, 0);
		}
		for (int side = 0; side < 2; side++) {
			struct perf_reach_where *where =
				side ? &scene->found.there : &scene->found.here;
			const char *const *texts = side ? rows[i].there : rows[i].here;

			strcpy(where->zone, texts[0]);
			strcpy(where->vpc, texts[1]);
			strcpy(where->instance, texts[2]);
			strcpy(where->groups, texts[3]);
		}
		f = judge(scene);
		assert_int_equal(scene->findings.n, 1);
		assert_has(f->text, "in neither direction");
		assert_has(f->consequence, rows[i].consequence);
		assert_true(*f->fix);
		free(scene);
	}
}

static void nics_and_sizes_are_told(void **state)
{
	struct scene *scene = begin(3);
	const struct finding *f;

	(void)state;
	lose(scene, 1, true, 0);
	f = judge(scene);
	assert_has(f->text, "some NICs do not reach their twins: rdmap1s0 to rdmap1s1");
	free(scene);
	scene = begin(1);
	lose(scene, 0, true, 1);
	assert_int_equal(perf_reach_way(&scene->found, 0, true), PERF_REACH_LARGE);
	f = judge(scene);
	assert_has(f->text, "messages of 8 bytes reach right, messages of 1 MiB do not");
	free(scene);
	scene = begin(1);
	scene->found.pass[0].here[0].wrong = true;
	f = judge(scene);
	assert_has(f->text, "what comes to left is not what was sent");
	free(scene);
	scene = begin(2);
	scene->found.passes = 1;
	scene->found.pass[0].there[1] = (struct perf_reach_end){ .device = "rdmap1s1",
								 .error = -WEFT_EPROVIDER,
								 .why = "fi_domain: no" };
	scene->found.pass[0].here[1] = (struct perf_reach_end){ .device = "rdmap1s0" };
	f = judge(scene);
	assert_has(f->text, "NIC rdmap1s1 of right could not be used");
	assert_has(f->evidence, "fi_domain: no");
	free(scene);
	/* Taken by no provider, and no error: tcp that never connects. */
	scene = begin(1);
	scene->found.passes = 1;
	for (int side = 0; side < 2; side++) {
		struct perf_reach_end *end =
			side ? &scene->found.pass[0].there[0] : &scene->found.pass[0].here[0];

		end->sent = end->ended = end->arrived = false;
	}
	f = judge(scene);
	assert_int_equal(scene->findings.n, 2);
	assert_has(f->text, "never took what left was to send to right");
	free(scene);
	/* The second size alone. */
	scene = begin(1);
	scene->found.pass[1].here[0].sent = false;
	scene->found.pass[1].there[0].arrived = false;
	scene->found.pass[1].here[0].error = -WEFT_EPROVIDER;
	f = judge(scene);
	assert_int_equal(peer_exit_status(&scene->findings), 2);
	assert_has(f->text, "NIC rdmap0s0 of left could not be used");
	free(scene);
	/* All of those that could be tried. */
	scene = begin(2);
	lose(scene, 1, true, 0);
	lose(scene, 1, false, 0);
	scene->found.pass[0].here[0] = (struct perf_reach_end){ .error = -WEFT_EPROVIDER };
	scene->found.pass[0].there[0] = (struct perf_reach_end){ .counted = 0 };
	f = judge(scene);
	assert_has(f->text, "in neither direction");
	free(scene);
}

static void who_does_not_answer(void **state)
{
	static const struct {
		int error;
		const char *why, *text;
		int status;
	} rows[] = {
		{ -WEFT_EUNAVAILABLE, "at h: Connection refused", "no weft perf server", 2 },
		{ -WEFT_EUNAVAILABLE, "at h: No route to host", "does not answer at all", 2 },
		{ -WEFT_EDEADLINE, "", "does not answer at all", 2 },
		{ -WEFT_EVERSION, "", "another version of weft", 1 },
		{ -EBUSY, "", "is busy", 1 },
		{ -WEFT_ENOPROVIDER, "efa: none", "this machine offers nothing", 2 },
		{ -WEFT_ENOPROVIDER, "the server at h: none", "10.0.0.2:7081 offers nothing", 2 },
		{ -WEFT_EPEERGONE, "", "could not be tried", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene *scene = begin(1);
		const struct finding *f;

		scene->try.found = NULL;
		scene->try.error = rows[i].error;
		strcpy(scene->try.why, rows[i].why);
		f = judge(scene);
		assert_has(f->text, rows[i].text);
		assert_int_equal(peer_exit_status(&scene->findings), rows[i].status);
		free(scene);
	}
}

/* What travels comes back the same. */
static void found_survives_its_text(void **state)
{
	static const char *const bad[] = {
		"{\"here\":{\"nics\":1}}",
		"{\"here\":{\"nics\":1},\"there\":{\"nics\":1},\"passes\":[]}",
		"{\"here\":{\"nics\":1},\"there\":{\"nics\":1},\"passes\":[{\"size\":8,\"pairs\":[]"
		"}]}",
		"{\"here\":{\"nics\":-1},\"there\":{\"nics\":1},\"passes\":[]}",
		"{\"here\":{\"nics\":1},\"there\":{\"nics\":65},\"passes\":[]}",
	};
	struct scene *scene = begin(PERF_REACH_NICS);
	struct perf_reach *back = calloc(1, sizeof(*back));
	const size_t room = 1 << 20;
	char *text = malloc(room);
	struct json json;
	cJSON *object;

	(void)state;
	lose(scene, 3, true, 1);
	scene->found.pass[1].here[3].error = -WEFT_EPEERGONE;
	strcpy(scene->found.pass[1].here[3].why, "status 15");
	scene->found.pass[0].here[0].counted = 3;
	scene->found.pass[0].here[0].grown[1] = 77;
	json_begin_buf(&json, text, room);
	perf_reach_write(&json, NULL, &scene->found);
	assert_int_equal(json_end(&json), 0);
	object = cJSON_Parse(text);
	assert_int_equal(perf_reach_read(object, back), 0);
	assert_memory_equal(back, &scene->found, sizeof(*back));
	cJSON_Delete(object);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		object = cJSON_Parse(bad[i]);
		assert_non_null(object);
		assert_int_equal(perf_reach_read(object, back), -WEFT_EMESSAGE);
		cJSON_Delete(object);
	}
	object = cJSON_Parse("{\"nics\":1,\"groups\":\"x;reboot\"}");
	assert_int_equal(reach_read_where(object, &back->here), 0);
	assert_string_equal(back->here.groups, "");
	cJSON_Delete(object);
	free(text);
	free(back);
	free(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(what_came_came_through_the_nic),
		cmocka_unit_test(each_direction_is_told),
		cmocka_unit_test(why_nothing_passes),
		cmocka_unit_test(nics_and_sizes_are_told),
		cmocka_unit_test(who_does_not_answer),
		cmocka_unit_test(found_survives_its_text),
	};

	return cmocka_run_group_tests_name("doctor_peer", tests, NULL, NULL);
}
