# SPDX-License-Identifier: Apache-2.0
"""The engine over several rails: emulated EFA devices whose bandwidth is limited so far that the
processor is not the limit. What n of them carry, beside one; what is left when one fails."""
import time
from dataclasses import dataclass

from lib import emu, procs, stats, table
from lib.engine import libfabric_version
from lib.interleave import interleave

RATE = 25_000_000  # bytes per second of a whole rail
SIZE = 1 << 20
WINDOW = 64   # pieces under way: enough for eight rails
BATCHES = 16  # transfers
# A transfer that striping cuts to the smallest pieces takes 42 ms of one rail.
SECONDS, WARM = 2.0, 0.5
TIMEOUT_S = 0.3  # until the emulated device says that a remote is silent
NOTICE_S = 0.2   # the engine's own share after that
SERIES_S = 0.05
FAILS = (4, 2)   # so many rails; this one fails
# Queues as long as is needed: libfabric clears two buffers of 9 KB for each entry.
QUEUES = ("--device", "max_sq_wr=1024", "--device", "max_rq_wr=4096")
# libfabric before 2 never ends an operation whose answer was lost with a rail (docs/design.md).
FAILING_SINCE = (2, 0)


@dataclass(frozen=True)
class Case:
    name: str
    rates: tuple   # of each rail, relative to RATE
    bound: float   # of the sum of the rails
    fails: bool = False

    def carries(self):
        """Relative to one whole rail, what is to be reached."""
        gone = self.rates[FAILS[1]] if self.fails else 0
        return sum(self.rates) - gone


def cases():
    for count in (2, 4, 8):
        yield Case(f"{count} equal", (1,) * count, 0.97)
    yield Case("1:1:0.5", (1, 1, 0.5), 0.95)
    if libfabric_version() >= FAILING_SINCE:
        yield Case("1 of 4 fails", (1,) * FAILS[0], 0.95, True)


def provider():
    """The one that has the device do both directions of RDMA, where there is one."""
    return "efa-direct" if libfabric_version() >= (2, 0) else "efa"


def command(build, world, rails, seconds):
    return emu.inside(build, world, [
        build / "bench" / "bench-engine", "--provider", provider(), "--mode", "read", "--size",
        SIZE, "--rails", rails, "--window", WINDOW, "--batches", BATCHES, "--seconds", seconds,
        "--warm", WARM, "--series", f"{int(SERIES_S * 1000)}ms"])


def world_of(build, rates):
    words = ["--timeout", f"{int(TIMEOUT_S * 1000)}ms", *QUEUES]
    for nic, rate in enumerate(rates):
        words += ["--fault", f"limit:nic={nic},rate={int(RATE * rate)}"]
    return emu.world(build, len(rates), *words)


def steady(build, rates):
    with world_of(build, rates) as world:
        return procs.run_json(command(build, world, len(rates), SECONDS))[0]


def rate_after(figures, since_ns):
    """Operations per second of the whole parts that began at since_ns or later."""
    parts = [ops for number, ops in enumerate(figures["series"])
             if figures["start_ns"] + number * figures["series_ns"] >= since_ns]
    if not parts:
        raise procs.Failed("the run was over before the rail failed")
    return sum(parts) / (len(parts) * figures["series_ns"] / 1e9)


def failing(build, rates):
    """A rail fails in the middle; its figure is the rate after the device and the engine have had
    their time to notice."""
    seconds = 2 * SECONDS
    with world_of(build, rates) as world:
        with procs.started(command(build, world, len(rates), seconds)) as process:
            time.sleep(WARM + seconds / 3)
            procs.run_json([emu.program(build), "fault", "--quiet", "--world", world,
                            f"nic-down:nic={FAILS[1]}"])
            failed_ns = time.monotonic_ns()
            figures = procs.json_of(process)[0]
    since_ns = failed_ns + int((TIMEOUT_S + NOTICE_S) * 1e9)
    return figures | {"ops_per_s": rate_after(figures, since_ns)}


def measure(case, repeats, build):
    runs, disturbed = interleave({
        "one": lambda: steady(build, (1,)),
        "all": lambda: (failing if case.fails else steady)(build, case.rates),
    }, repeats)
    ratio = stats.paired([r["all"]["ops_per_s"] / case.carries() for r in runs],
                         [r["one"]["ops_per_s"] for r in runs])
    return {
        "rails": case.name, "provider": provider(), "disturbed": disturbed, "ratio": ratio,
        "bound": case.bound, "verdict": stats.verdict(ratio, case.bound), "runs": runs,
    }


def rows(results):
    for r in results:
        rates = [table.rate_text(stats.median([run[label]["ops_per_s"] for run in r["runs"]]), SIZE)
                 for label in ("one", "all")]
        yield [r["provider"], r["rails"], *rates, *table.verdict_cells(r)]


def tables(results):
    yield (f"rails: READs of {table.size_text(SIZE)} over emulated devices limited to "
           f"{RATE // 1_000_000} MB/s each; ratio = all / sum")
    yield from table.render(("way", "rails", "one", "all", "ratio", "min-max", "95% CI", "bound",
                             "result"), rows(results), ("way", "rails", "result"))
    if libfabric_version() < FAILING_SINCE:
        yield "a rail that fails: from libfabric 2 on"
