#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up a test run in one line, "N passed, N failed, N skipped".

Usage: test_summary.py STATUS FILE...

FILE is meson's testlog.json, a junit .xml of pytest or a .tap; one that does not exist counts nothing.
STATUS is 0 when the runners said that all is well. A runner that failed without naming a failed test
counts as one failure, and so does a run of no test at all. With WEFT_COUNTS in the environment the
line goes to that file instead, and after it, for each failed test, its name and the end of what it printed.
Exit status 1 when anything failed.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as ET

MESON_PASSED = {"OK", "EXPECTEDFAIL"}
LINES_TOLD = 40


def meson_results(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            test = json.loads(line)
            result = test["result"]
            outcome = "failed"
            if result in MESON_PASSED:
                outcome = "passed"
            elif result == "SKIP":
                outcome = "skipped"
            yield test["name"], outcome, (test.get("stdout") or "") + (test.get("stderr") or "")


def junit_results(path):
    for case in ET.parse(path).getroot().iter("testcase"):
        outcome, said = "passed", ""
        faults = [*case.iter("failure"), *case.iter("error")]
        if faults:
            outcome, said = "failed", "\n".join(fault.text or fault.get("message", "") for fault in faults)
        elif case.find("skipped") is not None:
            outcome = "skipped"
        yield f"{case.get('classname')}::{case.get('name')}", outcome, said


def tap_results(path):
    said = ""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"(ok|not ok) \d+ - (\S+) # (SKIP)?", line)
            if not found:
                said += line
                continue
            outcome = "failed" if found[1] != "ok" else "skipped" if found[3] else "passed"
            yield found[2], outcome, said
            said = ""


def results_of(path):
    if path.endswith(".tap"):
        return tap_results(path)
    return junit_results(path) if path.endswith(".xml") else meson_results(path)


def main():
    status, paths = int(sys.argv[1]), sys.argv[2:]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    told = []
    for path in filter(os.path.exists, paths):
        for name, outcome, said in results_of(path):
            counts[outcome] += 1
            if outcome == "failed":
                told += [f"failed: {name}", *(f"  {line}" for line in said.splitlines()[-LINES_TOLD:])]
                print(f"failed: {name}")
    if status and not counts["failed"]:
        told.append("failed: a runner or the build, see above")
        print(told[-1])
        counts["failed"] += 1
    if not sum(counts.values()):
        told.append("failed: no test matched")
        print(told[-1])
        counts["failed"] += 1
    line = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    if "WEFT_COUNTS" in os.environ:
        with open(os.environ["WEFT_COUNTS"], "w", encoding="utf-8") as file:
            file.writelines(f"{text}\n" for text in [line, *told])
    else:
        print(line)
    sys.exit(1 if counts["failed"] else 0)


main()
