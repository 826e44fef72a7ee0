/* SPDX-License-Identifier: Apache-2.0 */
/* Faults, rates and times as users write them (emu/fault.h). Input: the text. */
#include <errno.h>
#include <string.h>

#include "emu/fault.h"
#include "emu/shared.h"
#include "fuzz.h"

static void check_host(uint32_t host, uint32_t nic)
{
	FUZZ_CHECK(host < EMU_HOSTS || host == EMU_ANY);
	FUZZ_CHECK(nic < EMU_NICS || nic == EMU_ANY);
}

static void check_fault(const struct emu_fault *fault, const char *text)
{
	FUZZ_CHECK(fault->kind > EMU_FAULT_NONE && fault->kind < EMU_FAULT_KINDS);
	FUZZ_CHECK(!strcmp(fault->text, text));
	check_host(fault->src_host, fault->src_nic);
	check_host(fault->dst_host, fault->dst_nic);
	FUZZ_CHECK(fault->probability >= 0 && fault->probability <= 1);
	FUZZ_CHECK(fault->count > 0 && fault->end >= fault->start);
	FUZZ_CHECK(fault->ops < 1u << EMU_OPS);
	FUZZ_CHECK(fault->status < 256 && fault->call < EMU_CALLS && fault->depth <= 64);
	FUZZ_CHECK((fault->kind == EMU_FAULT_LIMIT) == (fault->rate > 0));
	FUZZ_CHECK((fault->kind == EMU_FAULT_REFUSE) == (fault->error > 0));
	FUZZ_CHECK((fault->kind == EMU_FAULT_REORDER) == (fault->depth > 0));
	FUZZ_CHECK((fault->kind == EMU_FAULT_FLAP) == (fault->period > 0));
	if (fault->kind == EMU_FAULT_FLAP)
		FUZZ_CHECK(fault->delay <= fault->period);
}

/* One line, and it says something. */
static void check_why(const char *why, size_t size)
{
	size_t i, length = strnlen(why, size);

	FUZZ_CHECK(length > 0 && length < size);
	for (i = 0; i < length; i++)
		FUZZ_CHECK((unsigned char)why[i] >= ' ' && why[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), why[256], little[9];
	struct emu_fault fault, again;
	uint64_t value;
	int rc;

	FUZZ_CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	rc = emu_fault_parse(text, &fault, why, sizeof(why));
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	if (rc)
		check_why(why, sizeof(why));
	else
		check_fault(&fault, text);
	FUZZ_CHECK(emu_fault_parse(text, &again, little, sizeof(little)) == rc);
	if (rc)
		check_why(little, sizeof(little));
	value = 0;
	rc = emu_rate_parse(text, &value);
	FUZZ_CHECK(rc == -EINVAL ? value == 0 : rc == 0 && value > 0);
	rc = emu_time_parse(text, &value);
	FUZZ_CHECK(rc == 0 || rc == -EINVAL);
	free(text);
	return 0;
}
