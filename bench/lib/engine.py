# SPDX-License-Identifier: Apache-2.0
"""The engine beside a plain libfabric loop: same provider, sizes, window, completion."""
import ctypes
from dataclasses import dataclass

from lib import emu, procs, stats, table
from lib.interleave import interleave

SIZES = (64, 4096, 65536, 1 << 20, 16 << 20)
OPERATIONS = ("write", "read")
OPERATION_TEXT = {"write": "write", "read": "read", "pingpong": "rtt"}


@dataclass(frozen=True)
class Case:
    provider: str
    operation: str
    size: int
    window: int
    delivery_complete: bool

    def bound(self):
        if self.operation == "pingpong":
            return None
        return 0.95 if self.size >= 4096 else 0.9

    def metric(self):
        """What the ratio is of; of a round trip the inverse of its time."""
        return "rtt" if self.operation == "pingpong" else "ops_per_s"


def window_of(size):
    if size < 4096:
        return 256
    return 64 if size <= 65536 else 16 if size <= 1 << 20 else 4


def libfabric_version():
    """(major, minor) of the libfabric that the programs load."""
    number = ctypes.CDLL("libfabric.so.1").fi_version()
    return number >> 16, number & 0xffff


def delivery_of(provider, operation, version):
    """What the engine asks for. A WRITE is done when it is placed; a READ needs no flag for that,
    nor does shm before libfabric 1.18, where the copy is made inside the post."""
    return operation != "read" and not (provider == "shm" and version < (1, 18))


def cases(providers, sizes=SIZES):
    for provider in providers:
        for operation in OPERATIONS:
            for size in sizes:
                yield Case(provider, operation, size, window_of(size),
                           delivery_of(provider, operation, libfabric_version()))
        yield Case(provider, "pingpong", 64, 1, True)


def command(program, case, seconds, build):
    words = [build / "bench" / f"bench-{program}", "--provider", case.provider, "--mode",
             case.operation, "--size", case.size, "--window", case.window, "--seconds", seconds,
             "--warm", seconds / 4]
    if program == "raw" and not case.delivery_complete:
        words.append("--no-delivery-complete")
    return words


def measure(case, seconds, repeats, build):
    """One case as a dict that goes into the JSON."""
    def runner(program):
        def run():
            with emu.maybe(build, case.provider) as where:
                return procs.run_json(where(command(program, case, seconds, build)))[0]
        return run

    repeated, disturbed = interleave({p: runner(p) for p in ("raw", "engine")}, repeats)
    runs = {p: [r[p] for r in repeated] for p in ("raw", "engine")}
    if case.metric() == "rtt":
        ratio = stats.paired(*([r["p50_us"] for r in runs[p]] for p in ("raw", "engine")))
    else:
        ratio = stats.paired(*([r["ops_per_s"] for r in runs[p]] for p in ("engine", "raw")))
    bound = case.bound()
    return {
        "provider": case.provider, "operation": case.operation, "size": case.size,
        "window": case.window, "delivery_complete": case.delivery_complete,
        "disturbed": disturbed, "ratio": ratio, "bound": bound,
        "verdict": stats.verdict(ratio, bound) if bound else "",
        "runs": runs,
    }


def median(result, program, figure):
    return stats.median([r[figure] for r in result["runs"][program]])


def rate_rows(results):
    for r in results:
        rates = [table.rate_text(median(r, p, "ops_per_s"), r["size"]) for p in ("raw", "engine")]
        yield [r["provider"], OPERATION_TEXT[r["operation"]], table.size_text(r["size"]),
               r["window"], *rates,
               *table.verdict_cells(r)]


def latency_rows(results):
    for r in results:
        figures = [table.significant(median(r, p, f)) for p in ("raw", "engine")
                   for f in ("p50_us", "p99_us", "cpu_s_per_gb")]
        yield [r["provider"], OPERATION_TEXT[r["operation"]], table.size_text(r["size"]), *figures]


def tables(results):
    """Lines for the terminal."""
    left = ("way", "op", "result")
    yield "weft's engine (weft.h) beside a plain libfabric loop, medians; ratio = weft / raw"
    yield from table.render(("way", "op", "size", "W", "raw", "weft", "ratio", "min-max",
                             "95% CI", "bound", "result"), rate_rows(results), left)
    yield ""
    yield "latency (of a batch, from its submission, for weft; microseconds), processor s per GB"
    yield from table.render(("way", "op", "size", "raw p50", "p99", "cpu/GB", "weft p50", "p99 ",
                             "cpu/GB "), latency_rows(results), left)
