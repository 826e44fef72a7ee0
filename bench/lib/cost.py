# SPDX-License-Identifier: Apache-2.0
"""What an operation costs, in instructions: the engine's own share, that of the loop transport, of
the target and of the benchmark. Counted by valgrind's callgrind, so other load changes nothing."""
import pathlib
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass

from lib import procs, table

BOUND = 150  # instructions of the engine's own per operation, at the largest window
SIZE = 64
OPS = 4096
QUICK_OPS = 1024
SHAPES = ((1, 1), (16, 1), (16, 16), (256, 1), (256, 16), (256, 256))  # window, batch
DETAIL = (256, 16)  # the shape whose functions are listed
DETAIL_MIN = 0.5    # a function with less, per operation, is not listed
# Whose a function is, by its file. What none of these holds (base, libc) is charged to who calls.
OWNERS = (("engine", "src/engine/"), ("loop", "src/transport/"), ("bench", "bench/"))
LIMIT_S = 300

DIGITS = tuple("0123456789+-*")  # what a line of costs begins with: its number, or a step
NAMED = re.compile(r"(?:\((\d+)\))?\s*(.*)")


@dataclass(frozen=True)
class Case:
    operation: str
    window: int
    batch: int


def cases():
    for operation in ("write", "read"):
        for window, batch in SHAPES:
            yield Case(operation, window, batch)


def owner_of(path):
    for owner, folder in OWNERS:
        if folder in path:
            return owner
    return None


class Names:
    """callgrind writes a name once, as "(7) name", then "(7)" alone."""

    def __init__(self):
        self.known = {}

    def of(self, text):
        number, name = NAMED.fullmatch(text).groups()
        if number is None:
            return name
        if name:
            self.known[number] = name
        return self.known[number]


def counts(lines):
    """From a callgrind file: {(function, owner): instructions}, what it calls of base and libc
    included. Functions that nobody with an owner calls are not in it."""
    files, functions = Names(), Names()
    own, calls, homes = defaultdict(int), defaultdict(int), {}
    here = file = callee = callee_file = None
    called = False
    for line in lines:
        key, _, value = line.rstrip("\n").partition("=")
        if key in ("fl", "fi", "fe"):
            path = files.of(value)
            file = path if key == "fl" else file
        elif key == "fn":
            here = functions.of(value)
            homes.setdefault(here, file)
        elif key in ("cfi", "cfl"):
            callee_file = files.of(value)
        elif key == "cfn":
            callee = functions.of(value)
            homes.setdefault(callee, callee_file or file)
            callee_file = None
        elif key == "calls":
            called = True
        elif line[:1] in DIGITS:
            cost = int(line.split()[-1])
            if called:
                calls[here, callee] += cost
            else:
                own[here] += cost
            called = False
    result = defaultdict(int)
    for function, cost in own.items():
        if owner := owner_of(homes[function] or ""):
            result[function, owner] += cost
    for (caller, callee), cost in calls.items():
        owner = owner_of(homes[caller] or "")
        if owner and not owner_of(homes[callee] or ""):
            result[caller, owner] += cost
    return result


def count(program, case, side, ops):
    """({(function, owner): instructions}, operations) of one side of one run."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        out = pathlib.Path(folder) / "callgrind"
        words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                 "--collect-atstart=no", f"--toggle-collect=cost_{side}", "--error-exitcode=99",
                 program, "--mode", case.operation, "--size", SIZE, "--window", case.window,
                 "--batch", case.batch, "--ops", ops]
        done = procs.run_json(words, LIMIT_S)[0]["ops"]
        with open(out, encoding="utf-8") as lines:
            return counts(lines), done


def measure(case, quick, build):
    """One case as a dict that goes into the JSON: instructions per operation."""
    program = build / "bench" / "bench-cost"
    ops = QUICK_OPS if quick else OPS
    near, done = count(program, case, "initiator", ops)
    far, far_done = count(program, case, "target", ops)
    shares = dict.fromkeys(("engine", "loop", "target", "bench"), 0.0)
    for (_, owner), cost in near.items():
        shares[owner] += cost / done
    for (_, owner), cost in far.items():
        shares["bench" if owner == "bench" else "target"] += cost / far_done
    functions = {name: cost / done for (name, owner), cost in near.items() if owner == "engine"}
    return {"operation": case.operation, "window": case.window, "batch": case.batch,
            "shares": shares, "functions": functions}


def tool_missing():
    return shutil.which("valgrind") is None


def share_rows(results):
    for r in results:
        shares = r["shares"]
        judged = r["window"] == max(window for window, _ in SHAPES) and r["batch"] > 1
        verdict = "" if not judged else "met" if shares["engine"] <= BOUND else "NOT MET"
        yield [r["operation"], r["window"], r["batch"],
               *(f"{shares[s]:.0f}" for s in ("engine", "loop", "target", "bench")),
               f"<={BOUND}" if judged else "", verdict]


def function_rows(results):
    by_operation = {r["operation"]: r["functions"] for r in results
                    if (r["window"], r["batch"]) == DETAIL}
    names = {name for functions in by_operation.values() for name in functions}
    rows = [[by_operation[o].get(name, 0) for o in ("write", "read")] + [name] for name in names]
    for write, read, name in sorted(rows, key=lambda row: (-row[0] - row[1], row[2])):
        if max(write, read) >= DETAIL_MIN:
            yield [name[:60], f"{write:.1f}", f"{read:.1f}"]


def tables(results):
    """Lines for the terminal."""
    yield f"instructions per operation of {SIZE} B over loop; engine: its own, at the initiator"
    yield from table.render(("op", "W", "batch", "engine", "loop", "target", "bench", "bound",
                             "result"), share_rows(results), ("op", "result"))
    yield ""
    yield (f"the engine's by function, W {DETAIL[0]}, batches of {DETAIL[1]}; what it calls of base "
           "and libc included")
    yield from table.render(("function", "write", "read"), function_rows(results), ("function",))
