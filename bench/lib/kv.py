# SPDX-License-Identifier: Apache-2.0
"""weft's KV cache beside Redis and memcached: same sizes, clients, requests in flight, machine."""
import contextlib
import re
import subprocess
import time
from dataclasses import dataclass

from lib import machine, procs, stats, table
from lib.interleave import interleave

CLIENTS = (1, 4)
CONTROLS = ("fabric", "grpc")
VALUES_BYTES = 256 << 20  # of all keys together
KEYS_MAX = 1000
IDLE_S = 3.0
INDEX_KEYS = 10_000_000
INDEX_BOUND = 96
IDLE_BOUND = 0.01
MIB = 1 << 20


@dataclass(frozen=True)
class Contender:
    """One server reached in one way. pid: of the server."""
    name: str
    words: tuple
    pid: int


@dataclass(frozen=True)
class Case:
    size: int
    clients: int

    @property
    def inflight(self):
        """Requests in flight of each client: one for round trips, more where bandwidth counts."""
        return 1 if self.size < MIB else 4 if self.size == MIB else 2

    @property
    def keys(self):
        return max(1, min(KEYS_MAX, VALUES_BYTES // self.size))


def weft_name(way, control):
    return f"weft {way} {control}"


def load_command(build, contender, case, seconds):
    return [build / "bench" / "bench-kvload", *contender.words, "--size", case.size, "--clients",
            case.clients, "--inflight", case.inflight, "--keys", case.keys, "--seconds", seconds,
            "--warm", seconds / 4, "--server-pid", contender.pid]


def raw_commands(build, providers, case, seconds):
    """The plain libfabric loops that the bounds compare with: label -> command. The server's writes
    are done at their source, the immediate tells the client: so here."""
    raw, common = build / "bench" / "bench-raw", ["--seconds", seconds, "--warm", seconds / 4]
    for way in providers:
        if case.size == 64 and case.clients == 1:
            yield f"raw {way}", [raw, "-p", way, "-m", "pingpong", "-s", case.size, *common]
        if case.size == MIB:
            yield f"raw {way}", [raw, "-p", way, "-m", "imm", "-s", case.size, "--checksum",
                                 "receiver", "--no-delivery-complete", "-w",
                                 case.clients * case.inflight, *common]


def phases(lines):
    """The two lines of bench-kvload as {"put": line, "get": line}."""
    found = {line["mode"]: line for line in lines}
    if set(found) != {"put", "get"}:
        raise procs.Failed(f"bench-kvload printed phases {sorted(found)}")
    return found


def measure_case(build, contenders, providers, case, seconds, repeats):
    def load(contender):
        command = load_command(build, contender, case, seconds)
        return lambda: phases(procs.run_json(command))

    def raw(command):
        return lambda: {"raw": procs.run_json(command)[0]}

    runners = {c.name: load(c) for c in contenders}
    runners.update({n: raw(c) for n, c in raw_commands(build, providers, case, seconds)})
    pids = {c.pid for c in contenders}
    repeated, disturbed = interleave(runners, repeats, servers=pids)
    return {"size": case.size, "clients": case.clients, "inflight": case.inflight,
            "keys": case.keys, "disturbed": disturbed,
            "runs": {name: [r[name] for r in repeated] for name in runners}}


@contextlib.contextmanager
def weft_server(build, providers):
    port = procs.free_port()
    command = [build / "programs" / "serve" / "weft-serve", "--listen-addr", f"127.0.0.1:{port}",
               "--memory-mb", 1024, "--provider", ",".join(providers), "--log-level", "warn"]
    with procs.server("weft serve", command, port) as pid:
        yield pid, f"127.0.0.1:{port}"


@contextlib.contextmanager
def servers(build, providers):
    """Starts all servers; yields the contenders. They are idle, so they do not disturb each
    other."""
    with contextlib.ExitStack() as stack:
        pid, addr = stack.enter_context(weft_server(build, providers))
        contenders = [Contender(weft_name(way, control), ("-p", "weft", "-a", addr, "--provider",
                                                          way, "--control", control), pid)
                      for way in providers for control in CONTROLS]
        pid, addr, path = stack.enter_context(procs.redis())
        contenders.append(Contender("redis tcp", ("-p", "redis", "-a", addr), pid))
        contenders.append(Contender("redis unix", ("-p", "redis", "-a", path), pid))
        pid, addr = stack.enter_context(procs.memcached())
        contenders.append(Contender("memcached tcp", ("-p", "memcached", "-a", addr), pid))
        yield contenders


def idle_cores(pid):
    """Share of a core that a server uses that nobody talks to."""
    before, start = machine.threads_time(pid), time.monotonic()
    time.sleep(IDLE_S)
    return (machine.threads_time(pid) - before) / (time.monotonic() - start)


def index_bytes(build, keys):
    """Memory of the index for each key beyond the key's own bytes."""
    command = [str(build / "src" / "kv" / "kv_index_memory"), str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False,
                          env={"MALLOC_PERTURB_": "0"})
    found = re.search(r"([\d.]+) bytes each", done.stdout)
    if not found:
        raise procs.Failed(f"{command[0]}: {done.stdout}{done.stderr}")
    return float(found.group(1))


def measure(args, build, progress):
    cases = []
    clients = CLIENTS[:1] if args.quick else CLIENTS
    with servers(build, args.provider) as contenders:
        progress.show("kv: idle server")
        idle_before = idle_cores(contenders[0].pid)
        for size in args.size:
            for n in clients:
                progress.show(f"kv {table.size_text(size)}, {n} clients")
                cases.append(measure_case(build, contenders, args.provider, Case(size, n),
                                          args.seconds, args.repeats))
        progress.show("kv: idle server")
        time.sleep(1)
        idle_after = idle_cores(contenders[0].pid)
    keys = INDEX_KEYS // 10 if args.quick else INDEX_KEYS
    progress.show(f"kv: index of {keys} keys")
    return {"cases": cases, "idle_cores": max(idle_before, idle_after), "index_keys": keys,
            "index_bytes_per_key": index_bytes(build, keys), "providers": args.provider,
            "bounds": list(bounds(cases, args.provider))}


# --- bounds ---------------------------------------------------------------------------------------

def _figures(case, name, phase, figure):
    return [run[phase][figure] for run in case["runs"][name]]


def _bound(what, ratio, bound, at_least, disturbed):
    return {"what": what, "ratio": ratio, "bound": bound, "at_least": at_least,
            "verdict": stats.verdict(ratio, bound, at_least), "disturbed": disturbed}


def _round_trip_bounds(case, providers):
    for way in providers:
        weft = _figures(case, weft_name(way, "fabric"), "get", "p50_us")
        raw = _figures(case, f"raw {way}", "raw", "p50_us")
        if way == "shm":
            raw = [r + 1 for r in raw]
        what = f"GET 64B p50, {way} / raw round trip" + (" + 1 us" if way == "shm" else "")
        yield _bound(what, stats.paired(weft, raw), 1.0 if way == "shm" else 1.5, False,
                     case["disturbed"])


def _bandwidth_bounds(case, providers):
    n = case["clients"]
    for way in providers:
        weft = _figures(case, weft_name(way, "fabric"), "get", "ops_per_s")
        raw = _figures(case, f"raw {way}", "raw", "ops_per_s")
        yield _bound(f"GET 1MiB x{n}, {way} / raw writes, as many in flight",
                     stats.paired(weft, raw), 0.9, True, case["disturbed"])
        for peer in ("redis tcp", "redis unix") if way == "shm" else ("redis tcp",):
            redis = _figures(case, peer, "get", "ops_per_s")
            yield _bound(f"GET 1MiB x{n}, {way} / {peer}", stats.paired(weft, redis),
                         3.0 if way == "shm" else 1.0, True, case["disturbed"])


def bounds(cases, providers):
    for case in cases:
        if case["size"] == 64 and case["clients"] == 1:
            yield from _round_trip_bounds(case, providers)
        if case["size"] == MIB:
            yield from _bandwidth_bounds(case, providers)


# --- tables ---------------------------------------------------------------------------------------

def _median(case, name, phase, figure):
    return stats.median(_figures(case, name, phase, figure))


def figure_rows(results):
    for case in results["cases"]:
        for phase in ("put", "get"):
            for name, runs in case["runs"].items():
                if phase not in runs[0]:
                    continue
                rate = _median(case, name, phase, "ops_per_s")
                yield [phase, table.size_text(case["size"]), case["clients"], case["inflight"],
                       name, table.significant(rate / 1e3),
                       *(table.significant(_median(case, name, phase, f))
                         for f in ("gb_per_s", "p50_us", "p99_us", "max_us", "cpu_s_per_gb"))]


PEERS = ("redis tcp", "redis unix", "memcached tcp")


def ratio_rows(results):
    for case in results["cases"]:
        for phase in ("put", "get"):
            for name in case["runs"]:
                if not name.startswith("weft"):
                    continue
                ratios = [stats.paired(_figures(case, name, phase, "ops_per_s"),
                                       _figures(case, peer, phase, "ops_per_s"))
                          for peer in PEERS]
                yield [phase, table.size_text(case["size"]), case["clients"], name,
                       *(f"{table.ratio_text(r.median)} ({table.range_text(r.min, r.max)})"
                         for r in ratios), "!" if case["disturbed"] else ""]


def bound_rows(results):
    for b in results["bounds"]:
        ratio = b["ratio"]
        yield [b["what"], table.ratio_text(ratio.median), table.range_text(ratio.min, ratio.max),
               table.range_text(ratio.low, ratio.high),
               f"{'>=' if b['at_least'] else '<='}{b['bound']}",
               b["verdict"] + "!" * bool(b["disturbed"])]
    for what, value, bound in (
            (f"index bytes per key, beyond the key, {results['index_keys']:,} keys",
             results["index_bytes_per_key"], INDEX_BOUND),
            ("idle server, cores", results["idle_cores"], IDLE_BOUND)):
        yield [what, table.significant(value), "", "", f"<={bound}",
               "met" if value <= bound else "NOT MET"]


def tables(results):
    """Lines for the terminal."""
    left = ("op", "server", "what", "result", "weft", " ")
    yield "KV, medians; cl: clients, fl: requests in flight of each, us: microseconds"
    yield from table.render(("op", "size", "cl", "fl", "server", "k op/s", "GB/s", "p50 us",
                             "p99 us", "max us", "cpu s/GB"), figure_rows(results), left)
    yield ""
    yield "KV, operations per second of weft / of its peer (min-max)"
    yield from table.render(("op", "size", "cl", "weft", *PEERS, " "), ratio_rows(results), left)
    yield ""
    yield "KV, bounds"
    yield from table.render(("what", "figure", "min-max", "95% CI", "bound", "result"),
                            bound_rows(results), left)
