# SPDX-License-Identifier: Apache-2.0
"""How late transfers end whose target does not answer: stopped, killed, cut off, slow."""
from dataclasses import dataclass

from lib import emu, procs, table
from lib.interleave import interleave

BOUND_MS = 50
ROUNDS = 20
# Past the handshake and a few rounds every packet is lost.
CUT = ("--fault", "loss:skip=2000")
SLOW = ("--fault", "limit:rate=4000000")  # bytes per second: a batch takes half a second


@dataclass(frozen=True)
class Case:
    provider: str
    fault: str
    manual: bool

    def rounds(self):
        return {"killed": 3, "slow": 5}.get(self.fault, ROUNDS)

    def world(self):
        return {"cut off": CUT, "slow": SLOW}.get(self.fault, ())


def cases(providers):
    for provider in providers:
        faults = ["stopped", "killed"] + (["cut off", "slow"] if provider == "efa" else [])
        for fault in faults:
            for manual in (False, True):
                yield Case(provider, fault, manual)


def command(case, build):
    signalled = case.fault if case.fault in ("stopped", "killed") else "none"
    return [build / "bench" / "bench-late", "--provider", case.provider, "--fault", signalled,
            "--rounds", case.rounds(), *["--manual"] * case.manual]


def run(case, build):
    with emu.maybe(build, case.provider, *case.world()) as where:
        return procs.run_json(where(command(case, build)))[0]


def measure(case, repeats, build):
    runs, disturbed = interleave({"late": lambda: run(case, build)}, repeats)
    runs = [r["late"] for r in runs]
    latest = max(r["late_max_ms"] for r in runs)
    return {
        "provider": case.provider, "fault": case.fault, "manual": case.manual,
        "disturbed": disturbed, "late_max_ms": latest, "bound": BOUND_MS,
        "verdict": "met" if latest <= BOUND_MS else "NOT MET", "runs": runs,
    }


def rows(results):
    for r in results:
        ends = [sum(run[state] for run in r["runs"]) for state in ("done", "failed", "deadline")]
        half = max(run["late_p50_ms"] for run in r["runs"])
        yield [r["provider"], r["fault"], "caller" if r["manual"] else "thread",
               sum(run["rounds"] for run in r["runs"]), *ends, table.significant(half),
               table.significant(r["late_max_ms"]), f"<={r['bound']}",
               r["verdict"] + "!" * bool(r["disturbed"])]


def tables(results):
    yield ("late: from the deadline of a batch (100 ms) to its end, milliseconds; "
           "how its transfers ended")
    yield from table.render(("way", "target", "driven by", "batches", "done", "failed", "deadline",
                             "p50", "max", "bound", "result"), rows(results),
                            ("way", "target", "driven by", "result"))
