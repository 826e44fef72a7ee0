#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs weft doctor as a user does, with all its checks, on trees of whole machines.

Usage: run_machines.py WEFT_DOCTOR MACHINES_CASES TREES_DIR [NAME]...

machines.cases holds blocks, separated by blank lines:

  machine NAME STATUS            # and the exit status: 0 in order, 1 warnings or what cannot be told, 2 broken
    use p5.48xlarge              # a tree of TREES_DIR or of make_trees.py; then lines as in run_cases.py
    cause B1 ib_uverbs           # a root cause, and a part of its sentence; these and no others, in order
    expect G1 fail was given     # another check's verdict, and a part of its sentence

A machine whose status is 0 has no cause, and nothing that is unknown without an "expect". Exit status 1 when one is
other than it should be.
"""
import json
import os
import sys
import time
from pathlib import Path

import make_trees
import run_cases


class Machine:
    def __init__(self, place, name, status):
        self.place, self.name, self.status = place, name, int(status)
        self.lines, self.causes, self.expects = [], [], []


def read_machines(path):
    machines, current = [], None
    for place, text in run_cases.lines_of(path):
        words = text.split(None, 3)
        if not text:
            current = None
        elif words[0] == "machine":
            if len(words) != 3 or words[2] not in ("0", "1", "2"):
                raise run_cases.Bad(f"{place}: not 'machine NAME STATUS'")
            current = Machine(place, *words[1:])
            machines.append(current)
        elif current is None:
            raise run_cases.Bad(f"{place}: stands in no machine")
        elif words[0] == "cause":
            current.causes.append((words[1], text.split(None, 2)[2]))
        elif words[0] == "expect":
            if len(words) < 4 or words[2] not in run_cases.VERDICTS:
                raise run_cases.Bad(f"{place}: not 'expect ID {'|'.join(sorted(run_cases.VERDICTS))} SENTENCE'")
            current.expects.append(words[1:])
        else:
            current.lines.append((place, text))
    return machines


def differences(machine, status, report):
    checks = {row["id"]: row for row in report["checks"]}
    if status != machine.status:
        yield f"exit status {status}, not {machine.status}"
    causes = report["root_causes"]
    if causes != [check for check, _ in machine.causes]:
        yield f"root causes {causes}"
    expects = [(check, "warn" if machine.status == 1 else "fail", words) for check, words in machine.causes]
    expects += machine.expects
    for check, verdict, words in expects:
        row = checks.get(check)
        if not row or row["status"] != verdict or words not in row["text"]:
            found = f"{row['status']}: {row['text']}" if row else "no such check"
            yield f"{check}: wanted {verdict}: ...{words}...\n      found {found}"
    said = {check for check, _, _ in expects}
    for check, row in checks.items():
        wrong = row["status"] in ("warn", "fail") or (machine.status == 0 and row["status"] == "unknown")
        if wrong and check not in said:
            yield f"{check} was not expected: {row['status']}: {row['text']}\n      {'; '.join(row['evidence'])}"


def look(runner, machine):
    """What is wrong with it: lines."""
    done = runner.look(machine)
    if done.returncode not in (0, 1, 2) or not done.stdout:
        return [f"status {done.returncode}: {done.stderr.strip()}"]
    return list(differences(machine, done.returncode, json.loads(done.stdout)))


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, only = os.path.abspath(sys.argv[1]), set(sys.argv[4:])
    start, wrong = time.monotonic(), 0
    with run_cases.folder_in_memory() as folder:
        trees = Path(folder, "trees")
        trees.mkdir()
        for path in Path(sys.argv[3]).glob("*.tree"):
            os.symlink(path.resolve(), trees / path.name)
        for name in make_trees.MACHINES:
            (trees / f"{name}.tree").write_text(make_trees.tree(name), encoding="utf-8")
        try:
            machines = [m for m in read_machines(Path(sys.argv[2])) if not only or m.name in only]
            runner = run_cases.Runner(program, trees, folder)
            for machine in machines:
                found = look(runner, machine)
                wrong += len(found) != 0
                for text in found:
                    print(f"{machine.place}: {machine.name}: {text}")
        except run_cases.Bad as error:
            sys.exit(str(error))
    print(f"{len(machines)} machines, {wrong} wrong, {time.monotonic() - start:.1f} s")
    sys.exit(1 if wrong or not machines else 0)


if __name__ == "__main__":
    main()
