# SPDX-License-Identifier: Apache-2.0
"""Tests of the parts of bench/run.py that decide what is printed."""
import contextlib
import math
import os
import socket
import sys
import unittest

from lib import (agree, cost, engine, interleave, kv, late, machine, pages, procs, stats, table,
                 testers)


class Stats(unittest.TestCase):
    def test_interval_is_students_of_the_logarithms(self):
        # ln of 1/e, 1, e: mean 0, deviation 1, so the interval is exp(-+ 4.303 / sqrt(3)).
        spread = stats.spread([1.0, math.e, 1 / math.e])
        self.assertAlmostEqual(spread.high, math.exp(4.303 / math.sqrt(3)))
        self.assertAlmostEqual(spread.low, 1 / spread.high)
        self.assertEqual((spread.n, spread.median, spread.max), (3, 1.0, math.e))

    def test_equal_values_have_no_width(self):
        spread = stats.spread([0.9] * 5)
        self.assertAlmostEqual(spread.low, 0.9)
        self.assertAlmostEqual(spread.high, 0.9)

    def test_one_value_says_nothing_about_the_interval(self):
        spread = stats.spread([2.0])
        self.assertEqual((spread.low, spread.high), (0.0, math.inf))

    def test_ratios_are_of_pairs(self):
        spread = stats.paired([1, 20, 3], [2, 10, 3])
        self.assertEqual((spread.min, spread.median, spread.max), (0.5, 1.0, 2.0))

    def test_pairs_and_positive_values_are_needed(self):
        for numerators, denominators in (([1], [1, 2]), ([0.0], [1.0]), ([], [])):
            with self.assertRaises(ValueError):
                stats.paired(numerators, denominators)

    def test_verdicts(self):
        def spread(median, low, high):
            return stats.Spread(5, median, low, high, low, high)

        for figure, bound, at_least, expected in (
                (spread(0.96, 0.94, 0.98), 0.95, True, "met"),
                (spread(0.94, 0.93, 0.96), 0.95, True, "in CI"),
                (spread(0.90, 0.88, 0.92), 0.95, True, "NOT MET"),
                (spread(0.90, 0.50, 1.50), 0.95, True, "unclear"),
                (spread(4.00, 2.00, 8.00), 1.0, True, "met"),
                (spread(0.20, 0.05, 0.80), 1.0, True, "NOT MET"),
                (spread(1.40, 1.30, 1.45), 1.5, False, "met"),
                (spread(1.60, 1.45, 1.80), 1.5, False, "in CI"),
                (spread(1.80, 1.70, 1.90), 1.5, False, "NOT MET")):
            self.assertEqual(stats.verdict(figure, bound, at_least), expected, figure)


class Table(unittest.TestCase):
    def test_columns_are_set(self):
        lines = table.render(("a", "bb"), [["x", 1], ["yyy", 22]], left=("a",))
        self.assertEqual(lines, ["a    bb", "-------", "x     1", "yyy  22"])

    def test_too_wide_is_refused(self):
        with self.assertRaises(ValueError):
            table.render(("a",), [["x" * 101]])

    def test_figures(self):
        for value, text in ((0, "0"), (1234.5, "1234"), (12.345, "12.3"), (0.012345, "0.0123"),
                            (9.999, "10.0"), (0.00001, "1.0e-05")):
            self.assertEqual(table.significant(value), text)
        for value, text in ((0.949, "0.95"), (9.999, "10.0"), (99.2, ">99"), (math.inf, ">99")):
            self.assertEqual(table.ratio_text(value), text)
        for size, text in ((64, "64B"), (65536, "64KiB"), (16 << 20, "16MiB"), (1500, "1500B")):
            self.assertEqual(table.size_text(size), text)


class Testers(unittest.TestCase):
    def test_fi_pingpongs_row(self):
        text = ("bytes   #sent   #ack     total       time     MB/sec    usec/xfer   Mxfers/sec\n"
                "64k     3k      =3k      375m        0.66s    599.70     109.28       0.01\n")
        self.assertEqual(testers.parse_fi_pingpong(text), {"half_s": 109.28e-6, "bytes_per_s": 599.7e6})
        with self.assertRaises(procs.Failed):
            testers.parse_fi_pingpong(text.splitlines()[0])

    def test_the_first_contact_is_taken_out(self):
        # 100 and 500 round trips of 20 us, and a contact of 10 ms before the first.
        short_s, long_s = (10e-6 + 10e-3 / count / 2 for count in (100, 500))
        self.assertAlmostEqual(testers.without_contact(short_s, long_s), 10e-6)
        self.assertEqual(testers.without_contact(9.0, 1.0), 1.0)

    def test_perftests_rows(self):
        text = (" #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]\n"
                " 65536      200              4906.96            4644.03\t\t   0.074305\n---\n")
        self.assertEqual(testers.parse_perftest(text, "BW average"), [65536, 200, 4906.96, 4644.03, 0.074305])
        text = (" #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]\n"
                " 64      5000          0.68           151.94       1.31     \t       7.81        \t9.87\n")
        self.assertEqual(testers.parse_perftest(text, "t_min")[4], 1.31)
        with self.assertRaises(procs.Failed):
            testers.parse_perftest(text, "BW average")

    def test_wefts_report(self):
        text = """{"results": [{"error": 0, "why": "", "p50_ns": {"median": %s}, "flags": [{"gate": "late"}],
            "runs": [{"error": 0, "why": "", "here": {"ns": 2000, "ops": 10, "bytes": 4000}}]}]}"""
        figures = testers.parse_weft(text % 150)
        self.assertEqual((figures["bytes_per_s"], figures["flags"]), (2e9, ["late"]))
        self.assertAlmostEqual(figures["mean_s"], 100e-9)
        self.assertAlmostEqual(figures["half_s"], 75e-9)
        self.assertIsNone(testers.parse_weft(text % "null")["half_s"])
        with self.assertRaises(procs.Failed):
            testers.parse_weft(text.replace('"error": 0', '"error": 5') % 1)

    def test_who_listens(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            self.assertFalse(testers.listens(os.getpid(), port))
            sock.listen()
            self.assertTrue(testers.listens(os.getpid(), port))


class Agree(unittest.TestCase):
    @staticmethod
    def result(case, ours, theirs):
        runs = [{"other": {case.figure: b, "as_printed": {"half_s": 2 * b}}, "weft": {case.ours: a}}
                for a, b in zip(ours, theirs)]
        ratio = stats.paired(ours, theirs)
        return {"way": case.way, "other": case.other, "what": case.what, "size": case.size, "figure": case.figure,
                "ours": case.ours, "known": case.known, "reason": case.reason, "disturbed": 1, "ratio": ratio,
                "verdict": agree.says(case, ratio), "runs": runs}

    def test_what_is_said(self):
        case = agree.cases(["shm"], True)[0]
        for ours, theirs, expected in (
                ([1.0, 1.1, 0.9], [1.0, 1.0, 1.0], "agree"),    # the interval holds 1
                ([1.01, 1.011, 1.01], [1.0, 1.0, 1.0], "agree"),  # near
                ([1.1, 1.11, 1.1], [1.0, 1.0, 1.0], "differ"),
                ([0.5, 1.0, 4.0], [1.0, 1.0, 1.0], "unclear")):
            self.assertEqual(self.result(case, ours, theirs)["verdict"], expected)

    def test_the_tables_of_any_figures_fit(self):
        cases = agree.cases(["tcp", "shm", "efa"], False)
        self.assertEqual(len(cases), 18)
        self.assertLess(len(agree.cases(["shm"], True)), len(agree.cases(["shm"], False)))
        for ours, theirs in (((1e-7, 0.99), (0.99, 1e-7)), ((1e-7, 1e-7), (0.99, 0.99)), ((3e-3, 3e-3), (1e-3, 1e-3))):
            lines = []
            for scale, figure in ((1, "half_s"), (1e11, "bytes_per_s")):
                lines += agree.tables([self.result(case, [scale * one for one in ours], [scale * one for one in theirs])
                                       for case in cases if case.figure == figure])
            self.assertLessEqual(max(map(len, lines)), table.WIDTH)
        text = "\n".join(lines)
        self.assertIn("- tcp fi_pingpong half rtt 64B", text)
        self.assertIn("libfabric", text)
        self.assertIn("planted", text)
        self.assertIn("tcp 64B: 2.00 ms as printed, 1.00 ms without", text)


class FakeWatch:
    """Says disturbed as often as told."""
    answers = []

    def __init__(self, servers):
        del servers

    def disturbed(self):
        return self.answers.pop(0)


class Interleave(unittest.TestCase):
    def run_it(self, answers, repeats=2):
        FakeWatch.answers = list(answers)
        order = []
        contenders = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
        repeated, disturbed = interleave.interleave(contenders, repeats, watch=FakeWatch)
        return order, repeated, disturbed

    def test_order_turns_round(self):
        order, repeated, disturbed = self.run_it([False, False])
        self.assertEqual(order, ["a", "b", "b", "a"])
        self.assertEqual(repeated, [{"a": 1, "b": 2}, {"b": 3, "a": 4}])
        self.assertEqual(disturbed, 0)

    def test_disturbed_repeats_are_made_again(self):
        _, repeated, disturbed = self.run_it([True, False, False])
        self.assertEqual((len(repeated), disturbed), (2, 0))
        self.assertNotIn({"a": 1, "b": 2}, repeated)

    def test_a_machine_that_is_never_quiet_ends_and_is_said(self):
        order, repeated, disturbed = self.run_it([True, False, True, True])
        self.assertEqual((len(order), len(repeated), disturbed), (8, 2, 1))


class Machine(unittest.TestCase):
    def test_stat_counts_busy_and_stolen(self):
        busy, steal = machine.parse_stat("cpu  100 20 30 4000 50 6 7 8 9 10")
        self.assertEqual(busy, (100 + 20 + 30 + 6 + 7) / machine.TICK)
        self.assertEqual(steal, 8 / machine.TICK)

    def test_names_with_blanks_and_brackets_do_not_shift_fields(self):
        text = "7 (a) b (c)) S " + " ".join(str(n) for n in range(4, 40))
        self.assertEqual(machine.parse_pid_stat(text), (14 + 15) / machine.TICK)

    def test_own_time_is_no_disturbance(self):
        before = machine.children_time()
        self.assertGreaterEqual(machine.threads_time(os.getpid()), 0)
        self.assertGreaterEqual(machine.children_time(), before)


class Procs(unittest.TestCase):
    def test_a_failing_program_is_named_with_its_words(self):
        with self.assertRaisesRegex(procs.Failed, "exit 3: nonsense"):
            procs.run_json([sys.executable, "-c",
                            "import sys; sys.stderr.write('nonsense'); sys.exit(3)"])

    def test_a_program_that_is_missing_is_an_error_with_the_remedy(self):
        for run in (lambda: procs.run_json(["/nonexistent/bench"]),
                    lambda: procs.server("x", ["/nonexistent/x"], 1).__enter__()):
            with self.assertRaisesRegex(procs.Failed, "/nonexistent/.* is not there .*setup"):
                run()

    def test_json_lines_are_read(self):
        self.assertEqual(procs.run_json([sys.executable, "-c", "print('x\\n{\"a\": 1}')"]),
                         [{"a": 1}])

    def test_a_server_ends_with_its_block(self):
        port = procs.free_port()
        code = (f"import socket, time; s = socket.create_server(('127.0.0.1', {port}));"
                "time.sleep(60)")
        with procs.server("sleeper", [sys.executable, "-c", code], port) as pid:
            os.kill(pid, 0)
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            self.fail("the server still listens")

    def test_a_server_that_does_not_start_is_an_error_with_its_words(self):
        with self.assertRaisesRegex(procs.Failed, "did not start: no way"):
            with procs.server("bad", [sys.executable, "-c", "print('no way', flush=True)"],
                              procs.free_port()):
                self.fail("it started")


def line(rate, p50):
    return {"ops_per_s": rate, "gb_per_s": rate / 1e3, "p50_us": p50, "p99_us": 2 * p50,
            "max_us": 9 * p50, "cpu_s_per_gb": 0.5}


class Bounds(unittest.TestCase):
    """Made-up figures, so that the verdicts are known."""

    def kv_case(self, size, rates, scales=(1, 1, 1)):
        runs = {name: [{phase: line(r * s, p / s) for phase in ("put", "get")} for s in scales]
                for name, (r, p) in rates.items()}
        runs.update({f"raw {way}": [{"raw": line(100, 10)}] * 3 for way in ("tcp", "shm")})
        return {"size": size, "clients": 1, "inflight": 1, "keys": 1, "disturbed": 0, "runs": runs}

    def verdicts(self, size, rates):
        case = self.kv_case(size, rates)
        return {b["what"]: b["verdict"] for b in kv.bounds([case], ["tcp", "shm"])}

    def test_round_trips(self):
        self.assertEqual(self.verdicts(64, {"weft tcp fabric": (1, 14.9),
                                            "weft shm fabric": (1, 11.1)}),
                         {"GET 64B p50, tcp / raw round trip": "met",
                          "GET 64B p50, shm / raw round trip + 1 us": "NOT MET"})

    def test_bandwidth(self):
        verdicts = self.verdicts(1 << 20, {"weft tcp fabric": (91, 1), "weft shm fabric": (89, 1),
                                           "redis tcp": (29, 1), "redis unix": (30, 1)})
        self.assertEqual(verdicts["GET 1MiB x1, tcp / raw writes, as many in flight"], "met")
        self.assertEqual(verdicts["GET 1MiB x1, tcp / redis tcp"], "met")
        self.assertEqual(verdicts["GET 1MiB x1, shm / raw writes, as many in flight"],
                         "NOT MET")
        self.assertEqual(verdicts["GET 1MiB x1, shm / redis tcp"], "met")
        self.assertEqual(verdicts["GET 1MiB x1, shm / redis unix"], "NOT MET")

    def test_tables_fit_whatever_the_figures(self):
        names = [kv.weft_name(w, c) for w in ("tcp", "shm") for c in kv.CONTROLS]
        rates = {name: (1e-4, 123456.789) for name in names}
        rates.update({name: (123456.7, 123456.7) for name in kv.PEERS})
        cases = [self.kv_case(size, rates, (1e-6, 1, 1e6)) for size in engine.SIZES]
        for case in cases:
            case["disturbed"] = 3
        results = {"cases": cases, "bounds": list(kv.bounds(cases, ["tcp", "shm"])),
                   "idle_cores": 0.0, "index_keys": 10_000_000, "index_bytes_per_key": 72.9}
        for text in kv.tables(results):
            self.assertLessEqual(len(text), table.WIDTH)

    def test_engine_tables_fit_whatever_the_figures(self):
        results = [{"provider": case.provider, "operation": case.operation, "size": case.size,
                    "window": case.window, "disturbed": 1, "bound": 0.95, "verdict": "NOT MET",
                    "ratio": stats.spread([1e-6, 1, 1e6]),
                    "runs": {p: [line(1e-4, 123456.7)] for p in ("raw", "engine")}}
                   for case in engine.cases(["tcp", "shm"])]
        for text in engine.tables(results):
            self.assertLessEqual(len(text), table.WIDTH)

    def test_engine_bounds_are_those_of_the_sizes(self):
        bounds = {(c.operation, c.size): c.bound() for c in engine.cases(["tcp"])}
        self.assertEqual(bounds.pop(("pingpong", 64)), None)
        for operation in ("read", "write"):
            self.assertEqual([bounds[operation, size] for size in engine.SIZES],
                             [0.9, 0.95, 0.95, 0.95, 0.95])

    def test_late_and_pages_tables_fit_whatever_the_figures(self):
        run = {"rounds": 10000, "done": 999999, "failed": 999999, "deadline": 999999,
               "late_p50_ms": 12345.6, "late_max_ms": 123456.7}
        for case in late.cases(["tcp", "efa"]):
            result = {"provider": case.provider, "fault": case.fault, "manual": case.manual,
                      "disturbed": 1, "late_max_ms": 123456.7, "bound": late.BOUND_MS,
                      "verdict": "NOT MET", "runs": [run]}
            self.assertLessEqual(max(map(len, late.tables([result]))), table.WIDTH)
        result = {"provider": "tcp", "operation": "write", "disturbed": 1, "bound": pages.BOUND,
                  "verdict": "NOT MET", "ratio": stats.spread([1e-6, 1, 1e6]),
                  "runs": [{"scattered": line(1e-4, 1), "contiguous": line(123456.7, 1),
                            "plain": line(123456.7, 1)}]}
        self.assertLessEqual(max(map(len, pages.tables([result]))), table.WIDTH)


class Cost(unittest.TestCase):
    # As callgrind writes it: names once, then numbers; lines of costs of a function's own, and after
    # calls= that of the call; the file of what was written in line (fi, fe) is not the function's.
    CALLGRIND = """version: 1
events: Ir

ob=(1) /b/bench-cost
fl=(1) ../src/engine/flight.c
fn=(1) flight_pump
12 30
fi=(2) ../src/base/list.h
+3 5
fe=(1)
cfi=(3) ../src/base/clock.c
cfn=(2) clock_ns
calls=4 7
* 40
cfi=(4) ../src/transport/loop_io.c
cfn=(3) loop_post
calls=2 9
-2 70

fl=(3)
fn=(2)
7 25
cob=(2) /lib/libc.so.6
cfi=(5) ???
cfn=(4) clock_gettime
calls=4 0
8 15

fl=(4)
fn=(3)
9 70

fl=(6) ../bench/cost.c
fn=(5) cost_initiator
3 8
cfi=(1)
cfn=(1)
calls=1 12
4 145

ob=(2)
fl=(5)
fn=(4)
0 15
"""

    def test_what_base_and_libc_do_is_the_callers(self):
        self.assertEqual(dict(cost.counts(self.CALLGRIND.splitlines())),
                         {("flight_pump", "engine"): 75, ("loop_post", "loop"): 70,
                          ("cost_initiator", "bench"): 8})

    def test_tables_fit_and_judge_full_windows_only(self):
        results = [{"operation": case.operation, "window": case.window, "batch": case.batch,
                    "shares": {"engine": 150.4, "loop": 9999.9, "target": 1e5, "bench": 1e-6},
                    "functions": {"f" * 90: 123456.7, "g": 0.1}} for case in cost.cases()]
        lines = list(cost.tables(results))
        for text in lines:
            self.assertLessEqual(len(text), table.WIDTH)
        self.assertEqual(sum("NOT MET" in text for text in lines), 4)


if __name__ == "__main__":
    unittest.main()
