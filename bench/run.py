#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of weft beside its peers, in one run: ./dev bench. See bench/README.md.

Never fails because something is slow; fails when something does not work."""
import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import time

from lib import agree, cost, engine, kv, late, machine, pages, procs, rails, scale, table

ROOT = pathlib.Path(__file__).resolve().parent.parent


def parse(argv):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true",
                        help="fewer sizes, shorter and fewer repeats: minutes, wide intervals")
    parser.add_argument("--only", choices=tuple(PARTS), help="only this part")
    parser.add_argument("--provider", action="append", choices=("tcp", "shm", "efa", "efa-direct"),
                        help="only this way; can be repeated")
    parser.add_argument("--size", action="append", type=int, metavar="BYTES",
                        help="only this size; can be repeated")
    parser.add_argument("--repeats", type=int, help="repeats of each comparison (5; quick: 3)")
    parser.add_argument("--seconds", type=float, help="of one measurement (0.5; quick: 0.2)")
    parser.add_argument("--json", metavar="FILE", help="write all figures and the environment here")
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR",
                        help="use what is built there (default: ./dev build, then build)")
    args = parser.parse_args(argv)
    args.repeats = args.repeats or (3 if args.quick else 5)
    args.seconds = args.seconds or (0.2 if args.quick else 0.5)
    args.provider = args.provider or ["tcp", "shm", "efa",
                                      *["efa-direct"] * (engine.libfabric_version() >= (2, 0))]
    quick_sizes = [64, 65536, 1 << 20]
    args.size = args.size or (quick_sizes if args.quick else list(engine.SIZES))
    if args.repeats < 2 or not 0.01 <= args.seconds <= 60:
        parser.error("at least 2 repeats, and 0.01 to 60 seconds")
    return args


def build(args):
    if args.build:
        return args.build.resolve()
    subprocess.run([ROOT / "dev", "build"], check=True, stdout=sys.stderr)
    return ROOT / "build"


class Progress:
    """One line on stderr that says what is being measured, if a person looks at it."""

    def __init__(self):
        self.shown = sys.stderr.isatty()
        self.start = time.monotonic()

    def show(self, text):
        if self.shown:
            elapsed = int(time.monotonic() - self.start)
            print(f"\r\033[K{elapsed // 60}:{elapsed % 60:02} {text}"[:110], end="",
                  file=sys.stderr, flush=True)

    def clear(self):
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def told(part, results, progress):
    """Prints the tables of a part; returns its results."""
    progress.clear()
    print("\n".join(part.tables(results)), end="\n\n", flush=True)
    return results


def run_engine(args, build_dir, progress):
    results = []
    for case in engine.cases(args.provider, args.size):
        progress.show(f"engine {case.provider} {case.operation} {table.size_text(case.size)}")
        results.append(engine.measure(case, args.seconds, args.repeats, build_dir))
    return told(engine, results, progress)


def run_kv(args, build_dir, progress):
    results = kv.measure(args, build_dir, progress)
    return told(kv, results, progress)


def run_rails(args, build_dir, progress):
    results = []
    for case in rails.cases():
        progress.show(f"rails {case.name}")
        results.append(rails.measure(case, args.repeats, build_dir))
    return told(rails, results, progress)


def run_pages(args, build_dir, progress):
    results = []
    for provider in args.provider:
        if provider.startswith("efa"):  # seconds for each of its batches, and no pages' fault
            continue
        for mode in pages.MODES:
            progress.show(f"pages {provider} {mode}")
            results.append(pages.measure(provider, mode, 4 * args.seconds, args.repeats,
                                         build_dir))
    return told(pages, results, progress)


def run_late(args, build_dir, progress):
    results = []
    for case in late.cases(p for p in args.provider if p != "shm"):
        progress.show(f"late {case.provider} {case.fault}")
        results.append(late.measure(case, args.repeats, build_dir))
    return told(late, results, progress)


def run_cost(args, build_dir, progress):
    if cost.tool_missing():
        print("cost: not counted, valgrind is not installed", end="\n\n", flush=True)
        return []
    results = []
    for case in cost.cases():
        progress.show(f"cost {case.operation} window {case.window} batch {case.batch}")
        results.append(cost.measure(case, args.quick, build_dir))
    return told(cost, results, progress)


def run_scale(_args, build_dir, progress):
    results = []
    for what, counts in scale.COUNTS.items():
        for count in counts:
            progress.show(f"scale {what} {count}")
            results += scale.measure(what, count, build_dir)
    return told(scale, results, progress)


def run_agree(args, build_dir, progress):
    results = []
    limits = agree.can_limit_loopback()
    for case in agree.cases(args.provider, args.quick):
        if case.limited and not limits:
            print("agree: no limited loopback: that takes root and a kernel with tbf", flush=True)
            continue
        progress.show(f"agree {case.way} {case.other} {table.size_text(case.size)}")
        results.append(agree.measure(case, args.seconds, args.repeats, build_dir))
    return told(agree, results, progress)


PARTS = {"engine": run_engine, "cost": run_cost, "pages": run_pages, "rails": run_rails,
         "late": run_late, "kv": run_kv, "scale": run_scale, "agree": run_agree}


def plain(value):
    """For json: dataclasses as dicts."""
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value)} in the results")


def notes(document):
    """What the reader of the tables must know."""
    disturbed = sum(bool(r["disturbed"]) for part in ("engine", "pages", "rails", "late", "agree")
                    for r in document.get(part, []))
    disturbed += sum(bool(c["disturbed"]) for c in document.get("kv", {}).get("cases", []))
    yield "met: the median meets the bound; in CI: only its 95 % interval does, which counts as met"
    yield "unclear: the interval is too wide to tell (ends more than a factor 2 apart)"
    if disturbed:
        yield (f"! {disturbed} comparisons were disturbed by other load on this machine: "
               "run again when it is quiet")


def main(argv):
    args = parse(argv)
    build_dir = build(args)
    document = {"environment": machine.environment(ROOT), "repeats": args.repeats,
                "seconds": args.seconds}
    progress = Progress()
    try:
        for part, run in PARTS.items():
            if args.only in (None, part):
                document[part] = run(args, build_dir, progress)
        print("\n".join(notes(document)))
    except procs.Failed as error:
        progress.clear()
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(document, file, default=plain, indent=1)
                file.write("\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
