# SPDX-License-Identifier: Apache-2.0
"""What one more peer, region or transfer of a batch costs: bytes, instructions and processor time of
one, among few and among many."""
import pathlib
import re
import shutil
import tempfile

from lib import procs, table

COUNTS = {
    "peers": (1, 10, 100, 1000),
    "regions": (1, 100, 10_000, 100_000),
    "batch": (1_000, 10_000, 100_000, 1_000_000),
    "rails": (1, 2, 4, 8, 16, 32),
}
LIMIT_S = 600


def command(build, what, count):
    return [build / "bench" / "bench-scale", "--what", what, "--count", count]


def instructions(build, what, count):
    """Of each step, by callgrind; empty where there is none."""
    if not shutil.which("valgrind"):
        return []
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        procs.run_json(["valgrind", "--quiet", "--tool=callgrind", "--zero-before=scale_begin",
                        "--dump-before=scale_end", f"--callgrind-out-file={folder}/out",
                        *command(build, what, count)], LIMIT_S)
        dumps = sorted(pathlib.Path(folder).glob("out.*"), key=lambda p: int(p.suffix[1:]))
        return [int(re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.M)[1])
                for dump in dumps]


def measure(what, count, build):
    steps = procs.run_json(command(build, what, count), LIMIT_S)
    counts = instructions(build, what, count)[:len(steps)] or [None] * len(steps)
    return [step | {"instructions": counted and counted / step["items"]}
            for step, counted in zip(steps, counts)]


def figure(value):
    return "-" if value is None else table.significant(value)


def rows(results):
    for r in results:
        yield [r["what"], r["count"], r["step"], *(figure(r[name])
                                                   for name in ("bytes", "instructions", "ns"))]


def tables(results):
    yield "scale: cost of one, where there are so many"
    yield from table.render(("what", "count", "step", "bytes", "instructions", "ns"), rows(results),
                            ("what", "step"))
