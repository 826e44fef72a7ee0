/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_fields.h"

#include "perf/result.h"

#define AT(type, member)   offsetof(struct type, member)
#define SIZE(type, member) sizeof(((struct type *)0)->member)

#define ROW(type, name_, kind_, member, what_)                                \
	{                                                                     \
		.name = name_, .kind = FIELD_##kind_, .at = AT(type, member), \
		.size = SIZE(type, member), .what = what_                     \
	}
#define WORD(type, name_, member, words, function, what_)                                \
	{                                                                                \
		.name = name_, .kind = FIELD_WORD, .max = words, .at = AT(type, member), \
		.size = SIZE(type, member), .word = function, .what = what_              \
	}
#define OBJECT(type, name_, member, object, what_)                           \
	{                                                                    \
		.name = name_, .kind = FIELD_OBJECT, .at = AT(type, member), \
		.size = SIZE(type, member), .of = &(object), .what = what_   \
	}
#define ARRAY(type, name_, kind_, member, count, most, object, what_)                      \
	{                                                                                  \
		.name = name_, .kind = FIELD_##kind_, .max = most, .at = AT(type, member), \
		.size = SIZE(type, member[0]), .count_at = AT(type, count), .of = object,  \
		.what = what_                                                              \
	}
#define FIELDS(rows) .field = rows, .fields = sizeof(rows) / sizeof((rows)[0])

static const char *severity_word(uint32_t how)
{
	static const char *const words[] = { "note", "flagged", "invalid" };

	return how < 3 ? words[how] : "?";
}

static const struct perf_field case_fields[] = {
	WORD(perf_case, "test", test, PERF_TESTS, perf_test_word, "what is measured"),
	WORD(perf_case, "op", op, PERF_OPS, perf_op_word, "by which operation"),
	ROW(perf_case, "backend", TEXT, backend, "back end: fabric, weft, tcp, loop, model"),
	ROW(perf_case, "provider", TEXT, provider, "libfabric's name; empty: the first there was"),
	ROW(perf_case, "devices", TEXT, devices, "by comma; empty: all, up to nics"),
	ROW(perf_case, "nics", U32, nics, "at most so many devices; 0: all"),
	ROW(perf_case, "size", U64, size, "bytes of an operation"),
	ROW(perf_case, "window", U32, window, "operations in flight, of each endpoint"),
	ROW(perf_case, "threads", U32, threads, "threads on each side"),
	ROW(perf_case, "eps", U32, eps, "endpoints (tcp: streams) of each thread"),
	ROW(perf_case, "post_list", U32, post_list, "operations handed over at a time"),
	ROW(perf_case, "inline_bytes", U32, inline_bytes,
	    "sent inline up to so many bytes; 4294967295: as the provider does"),
	ROW(perf_case, "bidir", BOOL, bidir, "both sides initiate"),
	ROW(perf_case, "validate", BOOL, validate, "content was checked, which costs time"),
	ROW(perf_case, "duration_ns", U64, duration_ns, "measured time; 0: until iters"),
	ROW(perf_case, "iters", U64, iters, "operations of each thread; 0: until duration_ns"),
	ROW(perf_case, "rate", DOUBLE, rate,
	    "test open: operations per second, all threads together"),
	ROW(perf_case, "pace", U64, pace, "bytes per second of all threads; 0: as fast as it goes"),
	ROW(perf_case, "warm_ns", U64, warm_ns, "longest warm-up"),
	ROW(perf_case, "seed", U64, seed, "of content, and of the model"),
	ROW(perf_case, "model", TEXT, model, "back end model: what is planted"),
};
static const struct perf_object case_object = { .name = "case",
						.what = "one measurement's settings",
						FIELDS(case_fields) };

static const struct perf_field cpu_fields[] = {
	ROW(perf_cpu, "process_s", DOUBLE, process, "user and system time of the process, seconds"),
	ROW(perf_cpu, "process_sys_s", DOUBLE, process_sys, "system time alone, seconds"),
	ROW(perf_cpu, "softirq_s", DOUBLE, softirq,
	    "of the whole machine, above the idle baseline, seconds"),
	ROW(perf_cpu, "machine_s", DOUBLE, machine,
	    "all but idle and iowait, above the idle baseline, seconds"),
	ROW(perf_cpu, "foreign_s", DOUBLE, foreign,
	    "of others: machine_s less process_s and softirq_s, seconds"),
};
static const struct perf_object cpu_object = { .name = "cpu",
					       .what = "processor time over the measured time",
					       FIELDS(cpu_fields) };

static const struct perf_field nic_fields[] = {
	ROW(perf_nic, "name", TEXT, name, "of the device"),
	ROW(perf_nic, "tx_bytes", U64, tx_bytes, "sent, by the NIC's own counters"),
	ROW(perf_nic, "rx_bytes", U64, rx_bytes, "received"),
	ROW(perf_nic, "retransmits", U64, retransmits, "packets sent again"),
	ROW(perf_nic, "drops", U64, drops, "packets dropped"),
};
static const struct perf_object nic_object = {
	.name = "nic",
	.what = "what one NIC's own counters saw over the measured time",
	FIELDS(nic_fields)
};

static const struct perf_field side_fields[] = {
	ROW(perf_side, "ops", U64, ops, "initiated here and done within the measured time"),
	ROW(perf_side, "bytes", U64, bytes, "the same, bytes"),
	ROW(perf_side, "landed", U64, landed,
	    "payload that arrived within the measured time, bytes"),
	ROW(perf_side, "ns", U64, ns, "measured time, by this side's clock"),
	OBJECT(perf_side, "cpu", cpu, cpu_object, "processor time"),
	ARRAY(perf_side, "nics", INSIDE, nic, nics, PERF_NICS_MAX, &nic_object, "NIC counters"),
	ROW(perf_side, "ways", TEXT, ways, "device and provider of the endpoints"),
	ROW(perf_side, "retransmits", U64, retransmits, "tcp: segments sent again"),
	ROW(perf_side, "longest_gap_ns", U64, longest_gap_ns,
	    "longest time in which a thread of the tester did not run"),
	ROW(perf_side, "is_tcp", BOOL, is_tcp, "TCP_INFO answered on every stream"),
	ROW(perf_side, "wrong", BOOL, wrong, "validate: some content was wrong"),
};
static const struct perf_object side_object = { .name = "side",
						.what = "what one side counted in one repeat",
						FIELDS(side_fields) };

static const struct perf_field run_fields[] = {
	OBJECT(perf_run, "here", here, side_object, "the side that runs"),
	OBJECT(perf_run, "there", there, side_object, "the server"),
	ROW(perf_run, "warm_ns", U64, warm_ns, "warm-up, dropped"),
	ROW(perf_run, "warm_ops", U64, warm_ops, "operations of the warm-up, dropped"),
	ROW(perf_run, "warm_stable", BOOL, warm_stable, "false: the warm-up ended at its limit"),
	ROW(perf_run, "latency", HIST, latency, "test open: from when each was due"),
	ROW(perf_run, "closed", HIST, closed, "test open: from when each was posted"),
	ROW(perf_run, "late", U64, late, "test open: operations posted after they were due"),
	ROW(perf_run, "duplicates", U64, duplicates, "ends of operations that were not under way"),
	ROW(perf_run, "slice_ns", U64, slice_ns, "length of a slice of time"),
	ARRAY(perf_run, "slices", NUMBERS, slice, slices, 10000000, NULL,
	      "bytes done in each slice of the measured time; null: not kept"),
	ROW(perf_run, "error", CODE, error, "of this repeat: 0, or a code of weft/error.h"),
	ROW(perf_run, "why", TEXT, why, "the error's text"),
};
static const struct perf_object run_object = { .name = "run",
					       .what = "one repeat",
					       FIELDS(run_fields) };

static const struct perf_field median_fields[] = {
	ROW(perf_median, "median", DOUBLE, median, "median of the repeats"),
	ROW(perf_median, "low", DOUBLE, low, "95 % confidence interval; null: too few repeats"),
	ROW(perf_median, "high", DOUBLE, high, "its other end"),
	ROW(perf_median, "cv", DOUBLE, cv, "coefficient of variation, a share"),
	ROW(perf_median, "n", U32, n, "repeats"),
};
static const struct perf_object median_object = {
	.name = "median", .what = "a median with its nonparametric interval", FIELDS(median_fields)
};

static const struct perf_field flag_fields[] = {
	ROW(perf_flag, "gate", STRING, gate, "which check"),
	WORD(perf_flag, "how", how, PERF_INVALID + 1, severity_word, "how bad"),
	ROW(perf_flag, "why", TEXT, why, "with the figures"),
};
static const struct perf_object flag_object = { .name = "flag",
						.what = "a doubt about a result",
						FIELDS(flag_fields) };

static const struct perf_field result_fields[] = {
	OBJECT(perf_result, "case", c, case_object, "what was measured"),
	OBJECT(perf_result, "rate_bytes_per_s", rate, median_object, "both directions together"),
	OBJECT(perf_result, "ops_per_s", ops, median_object, "operations per second"),
	OBJECT(perf_result, "p50_ns", p50, median_object, "of each repeat's latency"),
	ROW(perf_result, "latency", HIST, latency, "of all repeats"),
	ROW(perf_result, "closed", HIST, closed, "of all repeats"),
	ROW(perf_result, "reached", BOOL, reached, "the interval is as narrow as was asked"),
	ROW(perf_result, "wanted", DOUBLE, wanted, "half the interval asked for, share of median"),
	ROW(perf_result, "drifts", BOOL, drifts, "the second half differs from the first"),
	ROW(perf_result, "bimodal", BOOL, bimodal, "the latencies have two modes"),
	ARRAY(perf_result, "flags", INSIDE, flag, flags, PERF_FLAGS_MAX, &flag_object, "doubts"),
	ROW(perf_result, "invalid", BOOL, invalid, "the figures must not be used"),
	ROW(perf_result, "error", CODE, error, "could not be measured: a code of weft/error.h"),
	ROW(perf_result, "why", TEXT, why, "the error's text"),
	ARRAY(perf_result, "runs", LIST, run, runs, 100000, &run_object, "the repeats"),
};
const struct perf_object perf_result_object = { .name = "result",
						.what = "a case with all its repeats",
						FIELDS(result_fields) };

static const struct perf_field fact_fields[] = {
	ROW(perf_fact, "name", TEXT, name, "for instance kernel, instance_type, env.FI_PROVIDER"),
	ROW(perf_fact, "value", TEXT, value, "unknown (why), when it could not be read"),
};
static const struct perf_object fact_object = { .name = "fact",
						.what = "a fact of one machine",
						FIELDS(fact_fields) };

static const struct perf_field env_fields[] = {
	ROW(perf_env, "line_rate_bytes_per_s", DOUBLE, line_rate,
	    "of all NICs of the instance type; 0: not known"),
	ARRAY(perf_env, "facts", LIST, fact, facts, 100000, &fact_object, "in order"),
};
static const struct perf_object env_object = { .name = "environment",
					       .what = "one machine",
					       FIELDS(env_fields) };

static const struct perf_field report_fields[] = {
	ROW(perf_report, "command", STRING, command, "as it was typed"),
	ROW(perf_report, "started", TEXT, started, "ISO 8601, UTC"),
	ROW(perf_report, "emulated", BOOL, emulated,
	    "some NIC is emulated: no figure says anything about EFA"),
	ROW(perf_report, "interrupted", BOOL, interrupted, "ended by a signal"),
	OBJECT(perf_report, "here", here, env_object, "the machine that ran"),
	OBJECT(perf_report, "there", there, env_object, "the server's machine"),
	ARRAY(perf_report, "results", LIST, result, results, 100000, &perf_result_object,
	      "in the order in which they were measured"),
};
const struct perf_object perf_report_object = { .name = "report",
						.what = "a report of weft perf",
						FIELDS(report_fields) };
