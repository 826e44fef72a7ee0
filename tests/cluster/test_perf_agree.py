# SPDX-License-Identifier: Apache-2.0
"""`weft perf` held against what is known without it: the bandwidth limits of emulated NICs, what these NICs have
counted, and what other programs do on them.

A limit is kept by the emulator's own clock, which makes up for a thread that was held up, as long as the limit's burst
reaches. So rates are compared on a busy machine too. Where one side was held up for longer, its longest gap says so:
then the rate is not what is looked at but what the NICs counted.
"""
import collections
import json
import re
import signal
import warnings

import pytest

from emulated import both, need
from harness import SLOW, WEFT, Process, free_port, run

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("no_sanitizer")]

PERF = [str(WEFT), "perf"]
FAILED = 1
READY_S = 20 * SLOW
# Short queues: libfabric clears two buffers of 9 KB for each entry. A device after 0xefa1: only of those does
# libfabric 1.17 have the device do its READs.
DEVICE = ["--device", "max_sq_wr=256", "--device", "max_rq_wr=1024", "--device", "part_id=0xefa2", "--timeout", "20s"]

RATE = 5_000_000  # bytes per second of each NIC; four are 20 MB/s, a small part of what a processor moves
BURST_NS = 20_000_000
LIMITED = ["--fault", f"limit:rate={RATE},burst={BURST_NS // 1_000_000}ms"]
NEAR = 0.02
# Of each endpoint 64 * 16 KiB, 0.2 s of a NIC, are under way: so long may the initiator not look, and the NIC goes on.
READS = ["--test", "bw", "--op", "read", "--size", "16KiB", "--window", "64", "--duration", "1500ms", "--warm", "200ms"]


class Pair:
    """A server on host 0 of a world, for clients on host 1."""

    def __init__(self, world):
        self.world = world
        self.server = Process(world.command(0, *PERF, "server", "--listen-addr", "127.0.0.1:0"))
        self.addr = "127.0.0.1:%d" % int(self.server.wait_line(rb"ready on (\S+):(\d+)", READY_S).group(2))

    def run(self, *args):
        return run(self.world.command(1, *PERF, "run", self.addr, "--backend", "fabric", "--provider", "efa", "--timeout",
                                      "60s", "--repeats", "1", "--quiet", "--format", "json", *args), timeout=120)

    def measure(self, *args):
        """The one result, and its one run."""
        result = self.run(*args)
        (one,) = json.loads(result.stdout)["results"]
        assert result.returncode == (FAILED if one["invalid"] else 0) and not one["error"], result
        return one, one["runs"][0]

    def stop(self):
        """A server that is killed would leave the shared memory of libfabric's efa behind."""
        self.server.signal(signal.SIGTERM)
        assert self.server.wait(READY_S) == 0, self.server.describe()

    def counted(self, host, name):
        """Of each NIC of a host, in order."""
        nics = json.loads(self.world.call("status", "--json"))["hosts"][host]["nics"]
        return [nic["counters"][name] for nic in nics]


def the_limit_is_found(one, limit):
    """The rate of a run is the limit; if a side was held up for longer than its burst, the NICs say what passed."""
    here, there = one["here"], one["there"]
    rate = here["bytes"] / here["ns"] * 1e9
    gap = max(here["longest_gap_ns"], there["longest_gap_ns"])
    assert rate < limit * (1 + NEAR), f"{rate} passed a limit of {limit}"
    if gap < BURST_NS:
        assert rate > limit * (1 - NEAR), f"{rate} of {limit}, longest gap {gap} ns"
    else:
        warnings.warn(f"this machine held the tester up for {gap / 1e6:.0f} ms: {rate} of {limit} are not judged")
    # What the NICs sent is data, and headers of less than a fiftieth.
    sent = sum(nic["tx_bytes"] for nic in there["nics"]) / there["ns"] * 1e9
    assert sent * (1 - 2 * NEAR) < rate < sent * (1 + NEAR) or gap >= BURST_NS, (sent, rate)


def test_limits_of_one_nic_and_of_four_are_found(make_world):
    pair = Pair(make_world(nics=4, create=[*DEVICE, *LIMITED]))
    names = re.findall(r"^\s+(rdmap\S+)\s", pair.world.output(1, "ibv_devices"), re.M)

    result, one = pair.measure(*READS, "--devices", f"{names[2]}-rdm")
    the_limit_is_found(one, RATE)
    # READs: their data leaves the server's NIC. Nothing has left the three others.
    carried = pair.counted(0, "rdma_read_resp_bytes")
    assert carried[2] >= one["here"]["bytes"] and carried[2] % (16 << 10) == 0
    assert carried[0] == carried[1] == carried[3] == 0, carried
    assert [nic["name"] for nic in one["here"]["nics"] if nic["rx_bytes"]] == [names[2]]

    result, one = pair.measure(*READS, "--nics", "4", "--eps", "4")
    the_limit_is_found(one, 4 * RATE)
    carried = [now - then for now, then in zip(pair.counted(0, "rdma_read_resp_bytes"), carried)]
    assert sum(carried) >= one["here"]["bytes"] and min(carried) > max(carried) / 2, carried
    shares = [nic["tx_bytes"] / sum(other["tx_bytes"] for other in one["there"]["nics"]) for nic in one["there"]["nics"]]
    assert len(shares) == 4 and all(0.2 < share < 0.3 for share in shares), shares

    refused = pair.run("--devices", "bogus0")
    assert refused.returncode != 0 and b"bogus0" in refused.stderr and names[0].encode() in refused.stderr, refused
    pair.stop()


def requests(trace):
    """How many requests of each size have ended on a device since the last call: what the traces of both hosts say."""
    sizes = collections.Counter(re.findall(r"^complete .* status 0 bytes (\d+)$", trace.read_text(), re.M))
    trace.write_text("")
    return {int(size): count for size, count in sizes.items()}


def test_the_devices_get_the_same_from_every_tester(make_world, tmp_path):
    """An operation is the same requests to the device, whoever asks for it: no time is looked at."""
    need("fi_pingpong")
    trace = tmp_path / "trace"
    pair = Pair(make_world(create=DEVICE, run=["--trace", trace]))
    size, count = 64 << 10, 100

    # What perftest's READ is too (test_emu_programs.py): one request of its size.
    _, one = pair.measure("--test", "bw", "--op", "read", "--size", size, "--iters", count, "--warm", "1ms")
    assert one["here"]["ops"] == count and one["here"]["bytes"] == count * size
    asked = requests(trace)
    assert asked[size] >= one["warm_ops"] + count
    assert asked[size] * size == sum(pair.counted(1, "rdma_read_bytes")) == sum(pair.counted(0, "rdma_read_resp_bytes"))

    # A message with libfabric's header, there and back.
    size, count = 4096, 300
    _, one = pair.measure("--test", "lat", "--op", "send", "--size", size, "--iters", count, "--warm", "1ms")
    ours = requests(trace)
    port = free_port()
    both(*(pair.world.command(host, "fi_pingpong", "-p", "efa", "-e", "rdm", "-S", size, "-I", count, option, port)
           for host, option in ((0, "-B"), (1, "-P"))), port)
    theirs = requests(trace)
    usual = max(theirs, key=theirs.get)
    assert size < usual < size + 64 and sum(theirs[each] for each in theirs if each >= size) == 2 * count, theirs
    assert max(ours, key=ours.get) == usual, (ours, theirs)
    # Only the first one may be longer: it has the sender's address in it.
    sent = sum(ours[each] for each in ours if each >= size)
    assert sent >= 2 * (one["warm_ops"] + count) and sent - ours[usual] <= 2, (one, ours)
    pair.stop()
