# SPDX-License-Identifier: Apache-2.0
"""weft perf beside the testers that people know, over the same provider, in turn: do their figures
agree? Where not, why."""
import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass

from lib import emu, procs, stats, table, testers
from lib.interleave import interleave

# Emulated NICs with a limit or a delay that the processors are far from: what must be found again.
RATE = 20_000_000  # bytes per second
DELAY_S = 2e-3     # of each message
# Queues as long as is needed: libfabric clears two buffers of 9 KB for each entry.
QUEUES = ("--device", "max_sq_wr=1024", "--device", "max_rq_wr=4096")
# libfabric 1.17 reads by the device only of those newer than 0xefa1, with which perftest 4.5 cannot.
READS = ("--device", "part_id=0xefa2")
LIMIT = ("--limit", f"{RATE}B/s")
DELAY = ("--fault", f"delay:op=send,us={DELAY_S * 1e6:.0f}")
LOOPBACK_MBIT = 400  # of the network namespace with a limit
STREAM = 128 * 1024  # bytes of a write of iperf3
# fi_pingpong injects what is smaller, so that no completion comes of it: inject_size of libfabric 1.17.
INJECTED = {"tcp": 64, "shm": 4096, "efa": 3928}
# Medians that are no further apart than this agree, however narrow the interval is.
NEAR = 0.02

CONTACT = "fi_pingpong has no warm-up: as it prints them, its figures have the first contact in them"
SOFTWARE = ("perftest drives the device itself; in weft perf's figure is libfabric, whose efa adds a header, copies "
            "messages and orders them")
RAMP = "perftest's average has the start of its window and its end in it; weft perf measures while the window is full"
CALLS = ("iperf3 writes and reads 128 KiB with each call of the kernel; weft perf hands over up to 1 MiB of its window of 64 "
         "at a time. With --window 1 its calls are as long, and it asks after each which socket is ready")
DEFINITIONS = (
    "fi_pingpong: usec/xfer is the mean of half a round trip, one message at a time; MB/sec is the",
    "  size over that, no window. Here: less the first contact, by a short and a long run",
    "perftest: MB/sec and MiB/sec are 2^20 bytes; t_typical is the median of half a round trip, t_max",
    "  the second largest; BW peak is its fastest stretch, however short, and no rate of the link",
    "iperf3: bits per second of what the receiver got, start included; weft perf: what ended within",
    "  the measured time, 10^9 bytes, after a warm-up",
)


@dataclass(frozen=True)
class Case:
    way: str      # tcp, shm or efa
    other: str    # program
    what: str
    size: int
    figure: str   # half_s or bytes_per_s, of the other
    ours: str     # the same of weft perf: mean_s for half_s where the other prints a mean
    reason: str   # why they may differ
    count: int    # messages of the other
    words: tuple  # of weft perf
    world: tuple = ()   # of the emulated devices: the other's
    ours_world: tuple = ()
    known: float = 0.0  # what both should find
    limited: bool = False  # loopback with a limit


def lat(way, size, count, reason=CONTACT):
    inline = ("--inline", size) if size < INJECTED[way] else ()
    return Case(way, "fi_pingpong", "half rtt", size, "half_s", "mean_s", reason, count,
                ("--backend", "fabric", "--provider", way, "--test", "lat", "--op", "send", *inline))


def efa(other, what, size, count, words, figure="bytes_per_s", reason=SOFTWARE, world=(), reads=(), known=0.0):
    return Case("efa", other, what, size, figure, figure, reason, count,
                ("--backend", "fabric", "--provider", "efa", *words), world, (*world, *reads), known)


LAT = ("--test", "lat", "--op", "send")
SEND, READ = ("--test", "bw", "--op", "send"), ("--test", "bw", "--op", "read")
STREAMS = ("--backend", "tcp", "--test", "bw", "--op", "send")


def cases(ways, quick):
    every = [
        *(lat(way, size, count) for way in ("tcp", "shm", "efa")
          for size, count in ((64, 5000), (65536, 1000 if way == "efa" else 2000), (1 << 20, 200))
          if not (quick and size == 65536)),
        efa("ib_send_bw", "send lim", 8192, 5000, SEND, reason=RAMP, world=LIMIT, known=RATE),
        efa("ib_read_bw", "read lim", 65536, 600, READ, reason=RAMP, world=LIMIT, reads=READS, known=RATE),
        efa("ib_send_lat", "delay", 64, 300, LAT, "half_s", world=DELAY, known=DELAY_S),
        efa("ib_send_bw", "send", 8192, 20000, SEND),
        efa("ib_read_bw", "read", 65536, 5000, READ, reads=READS),
        efa("ib_send_lat", "half rtt", 64, 5000, LAT, "half_s"),
        Case("tcp", "iperf3", "limit", STREAM, "bytes_per_s", "bytes_per_s", RAMP, 0, STREAMS,
             known=LOOPBACK_MBIT / 8 * 1e6, limited=True),
        Case("tcp", "iperf3", "stream", STREAM, "bytes_per_s", "bytes_per_s", CALLS, 0, STREAMS),
        Case("tcp", "iperf3", "window 1", STREAM, "bytes_per_s", "bytes_per_s", CALLS, 0,
             (*STREAMS, "--window", "1")),
    ]
    return [case for case in every if case.way in ways]


# --- where they run -------------------------------------------------------------------------------


@contextlib.contextmanager
def world_hosts(build, words):
    """Two emulated hosts, each as a function that makes a command run there."""
    with emu.world(build, 1, "--hosts", 2, "--timeout", "20s", *words) as world:
        yield tuple(lambda command, host=host: [
            "env", "FI_EFA_ENABLE_SHM_TRANSFER=0", emu.program(build), "run", "--quiet", "--world", world,
            "--host", host, "--", *command] for host in (0, 1))


@contextlib.contextmanager
def loopback():
    """Both on a loopback interface that the kernel limits, in a network namespace of its own."""
    with procs.started(["unshare", "--net", "sleep", "3600"]) as holder:
        inside = ["nsenter", "--net", f"--target={holder.pid}", "--"]
        own = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + procs.START_LIMIT_S
        while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise procs.Failed("no network namespace")
            time.sleep(0.01)
        for command in (["ip", "link", "set", "lo", "up"],
                        ["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", f"{LOOPBACK_MBIT}mbit",
                         "burst", "256kb", "latency", "400ms"]):
            with procs.started([*inside, *command]) as process:
                procs.text_of(process)
        yield (lambda command: [*inside, *command],) * 2


def can_limit_loopback():
    """A network namespace takes root; the qdisc, a kernel that has it."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "tc"))):
        return False
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return False
    try:
        with loopback():
            return True
    except (procs.Failed, OSError):
        return False


@contextlib.contextmanager
def hosts_of(case, build, ours):
    with contextlib.ExitStack() as stack:
        if case.way == "efa":
            queues = QUEUES if ours or case.other == "fi_pingpong" else ()
            yield stack.enter_context(world_hosts(build, (*queues, *(case.ours_world if ours else case.world))))
        elif case.limited:
            yield stack.enter_context(loopback())
        else:
            yield (list, list)


# --- measuring ------------------------------------------------------------------------------------


def run_other(case, seconds, hosts):
    if case.other == "fi_pingpong":
        return testers.fi_pingpong(hosts, case.way, case.size, case.count)
    if case.other == "iperf3":
        return testers.iperf3(hosts, case.size, max(1, round(2 * seconds)))
    return testers.perftest(hosts, case.other, case.size, case.count)


def run_ours(case, seconds, build, hosts):
    # As many operations as the other one where it is told how many; else, and of rates, as long.
    amount = ("--iters", case.count) if case.figure == "half_s" else ("--duration", f"{int(2000 * seconds)}ms")
    return testers.weft(build, hosts, *case.words, "--size", case.size, *amount)


def says(case, ratio):
    """agree: the interval holds 1, or the medians are near. unclear: it is so wide that it says
    nothing."""
    if ratio.low <= 1 <= ratio.high:
        return "unclear" if ratio.high > stats.WIDE * ratio.low else "agree"
    return "agree" if abs(ratio.median - 1) <= NEAR else "differ"


def measure(case, seconds, repeats, build):
    def other():
        with hosts_of(case, build, False) as hosts:
            return run_other(case, seconds, hosts)

    def ours():
        with hosts_of(case, build, True) as hosts:
            return run_ours(case, seconds, build, hosts)

    runs, disturbed = interleave({"other": other, "weft": ours}, repeats)
    ratio = stats.paired([run["weft"][case.ours] for run in runs], [run["other"][case.figure] for run in runs])
    return {"way": case.way, "other": case.other, "what": case.what, "size": case.size, "figure": case.figure,
            "ours": case.ours, "known": case.known, "reason": case.reason, "disturbed": disturbed, "ratio": ratio,
            "verdict": says(case, ratio), "runs": runs}


# --- tables ---------------------------------------------------------------------------------------


def figure_text(figure, value):
    if figure == "half_s":
        return f"{table.significant(value * 1e6)} us" if value < 1e-3 else f"{table.significant(value * 1e3)} ms"
    return f"{table.significant(value / 1e6)} MB/s" if value < 1e9 else f"{table.significant(value / 1e9)} GB/s"


def figures(result, who):
    return [run[who][result["figure" if who == "other" else "ours"]] for run in result["runs"]]


def spread_text(values):
    """How far the extremes are from the median, in percent; far is all the same beyond 99."""
    middle = stats.median(values)
    low, high = (min(99, round(abs(100 * (value / middle - 1)))) for value in (min(values), max(values)))
    return f"-{low}+{high}"


def rows(results):
    for r in results:
        cells = []
        for who in ("other", "weft"):
            values = figures(r, who)
            cells += [figure_text(r["figure"], stats.median(values)), spread_text(values)]
        ratio = r["ratio"]
        yield [r["way"], r["other"], r["what"], table.size_text(r["size"]), *cells,
               f"{ratio.median:.3f}" if ratio.median < 9.9995 else table.ratio_text(ratio.median),
               table.range_text(ratio.low, ratio.high), r["verdict"] + "!" * bool(r["disturbed"])]


def known(results):
    """What both should have found, and how far they are from it."""
    for r in results:
        if r["known"]:
            off = {who: 100 * (stats.median(figures(r, who)) / r["known"] - 1) for who in ("other", "weft")}
            yield (f"  {r['way']} {r['what']} {table.size_text(r['size'])}: {figure_text(r['figure'], r['known'])}; "
                   f"{r['other']} {off['other']:+.1f} %, weft perf {off['weft']:+.1f} %")


def as_printed(results):
    """What fi_pingpong prints where its first contact makes a difference."""
    for r in results:
        if r["other"] != "fi_pingpong":
            continue
        printed = stats.median([run["other"]["as_printed"]["half_s"] for run in r["runs"]])
        yield (f"  {r['way']} {table.size_text(r['size'])}: "
               f"{figure_text('half_s', printed)} as printed, "
               f"{figure_text('half_s', stats.median(figures(r, 'other')))} without the first contact")


def wrapped(text, width=table.WIDTH - 4):
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line


def reasons(results):
    """Of each comparison that does not agree, once for all with the same reason."""
    for reason in dict.fromkeys(r["reason"] for r in results if r["verdict"] == "differ"):
        where = [f"{r['way']} {r['other']} {r['what']} {table.size_text(r['size'])}"
                 for r in results if r["verdict"] == "differ" and r["reason"] == reason]
        yield from (("  " if number else "- ") + line
                    for number, line in enumerate(wrapped(f"{', '.join(where)}: {reason}")))


def tables(results):
    yield "weft perf beside other testers: medians and their extremes; ratio = weft perf / other"
    yield from table.render(("way", "other", "what", "size", "other's", "%", "weft's", "% ", "ratio", "95% CI",
                             "says"), rows(results), ("way", "other", "what", "says"))
    planted = list(known(results))
    if planted:
        yield from ("", "planted in the NIC (tcp: in the kernel's loopback), to be found again:", *planted)
    differ = list(reasons(results))
    if differ:
        yield from ("", "where they differ, and why:", *differ)
    printed = list(as_printed(results))
    if printed:
        yield from ("", "fi_pingpong:", *printed)
    yield from ("", *DEFINITIONS)
