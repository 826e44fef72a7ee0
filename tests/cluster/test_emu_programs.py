# SPDX-License-Identifier: Apache-2.0
"""Programs that weft's authors did not write, unchanged, on emulated devices: libfabric's and rdma-core's tools and
perftest, in one world, in every way that a world can be run."""
import json
import os
import re
import shutil
import subprocess

import pytest

from emulated import both, listens, need, perftest
from harness import Process, free_port, run, wait_for

# Programs from packages cannot load a sanitized library.
pytestmark = pytest.mark.usefixtures("no_sanitizer")

WAYS = {
    "plain": {},
    "preload": {"run": ["--preload"]},
    "four-nics": {"nics": 4},
    "in-order": {"create": ["--device", "reorder=0"]},
    "faults": {"create": ["--fault", "loss:p=0.02", "--fault", "duplicate:p=0.1", "--timeout", "20s"]},
    "udp": {"udp": True},
}
SIZES = ("64", "256", "1k", "4k", "64k", "1m")


@pytest.fixture(params=WAYS)
def world(request, make_world):
    return make_world(**WAYS[request.param])


# --- tools that look at devices ----------------------------------------------------------------------------


def test_fi_info_lists_the_devices(world):
    need("fi_info")
    text = world.output(0, "fi_info", "-p", "efa")
    entries = re.findall(r"provider: efa\n\s+fabric: efa\n\s+domain: (\S+)\n\s+version: \S+\n\s+type: (\S+)\n"
                         r"\s+protocol: FI_PROTO_EFA", text)
    devices = {domain.rsplit("-", 1)[0] for domain, _ in entries}
    assert len(devices) == world.nics, text
    for device in devices:
        assert (f"{device}-rdm", "FI_EP_RDM") in entries
        assert (f"{device}-dgrm", "FI_EP_DGRAM") in entries
    assert "fi_getinfo: -" not in text


def test_fi_info_tells_what_they_can(world):
    need("fi_info")
    text = world.output(0, "fi_info", "-p", "efa", "-t", "FI_EP_DGRAM", "-v")
    assert "max_msg_size: 8928" in text
    assert re.search(r"src_addr: fi_addr_efa://\[fe80:", text)
    assert "msg_prefix_size: 40" in text


def test_ibv_devices_lists_the_devices(world):
    need("ibv_devices")
    rows = re.findall(r"^\s+(rdmap\S+)\s+([0-9a-f]{16})$", world.output(1, "ibv_devices"), re.M)
    assert len(rows) == len({name for name, _ in rows}) == len({guid for _, guid in rows}) == world.nics


def test_ibv_devinfo_tells_what_they_can(world):
    need("ibv_devinfo")
    text = world.output(0, "ibv_devinfo", "-v")
    assert len(re.findall(r"^hca_id:\s+rdmap\S+$", text, re.M)) == world.nics
    for name, value in {
        "vendor_id": "0x1d0f", "vendor_part_id": "61345", "phys_port_cnt": "1", "max_sge_rd": "1", "max_srq": "0",
        "max_qp": "512", "max_cq": "1024", "max_mr": "262144", "max_ah": "1024", "num_comp_vectors": "8",
        "state": r"PORT_ACTIVE \(4\)", "max_msg_sz": "0x22e0", "gid_tbl_len": "1", "link_layer": "Unspecified",
    }.items():
        found = re.findall(rf"^\s+{name}:\s+{value}$", text, re.M)
        assert len(found) == world.nics, f"{name}: {value} is not in\n{text}"
    assert len(set(re.findall(r"GID\[\s*0\]:\s+(\S+)", text))) == world.nics


# --- fi_pingpong -------------------------------------------------------------------------------------------


def check_table(text, sizes):
    rows = re.findall(r"^(\S+)\s+10\s+=10\s", text, re.M)
    assert rows == list(sizes), text


def pingpong(world, hosts, kind, sizes, env=None, address="127.0.0.1"):
    need("fi_pingpong")
    port = free_port()
    args = ["fi_pingpong", "-p", "efa", "-e", kind, "-c"]
    texts = both(world.command(hosts[0], *args, "-B", port), world.command(hosts[1], *args, "-P", port), port,
                 address=address, env=env)
    for text in texts:
        check_table(text, sizes)


@pytest.mark.parametrize("hosts", [(0, 1), (1, 1)], ids=["two-hosts", "one-host"])
def test_fi_pingpong_rdm(world, hosts):
    pingpong(world, hosts, "rdm", SIZES, env={**os.environ, "FI_EFA_ENABLE_SHM_TRANSFER": "0"})
    for host in set(hosts):
        # Each size ten times; it went over the emulated network, not through shared memory of the provider.
        assert world.counters(host)["tx_bytes"] > 10 * (1 << 20)


# Without faults: datagrams that are lost stay lost, and fi_pingpong waits for them.
@pytest.mark.parametrize("world", sorted(set(WAYS) - {"faults"}), indirect=True)
@pytest.mark.parametrize("hosts", [(0, 1), (1, 1)], ids=["two-hosts", "one-host"])
def test_fi_pingpong_dgram(world, hosts):
    pingpong(world, hosts, "dgram", ("64", "256", "1k", "4k"))
    for host in set(hosts):
        counters = world.counters(host)
        assert counters["send_bytes"] >= 10 * (64 + 256 + 1024 + 4096)
        assert counters["retrans_pkts"] == 0


def test_fi_pingpong_over_one_of_four_devices(make_world):
    need("fi_pingpong")
    world = make_world(nics=4)
    names = re.findall(r"^\s+(rdmap\S+)\s", world.output(0, "ibv_devices"), re.M)
    port = free_port()
    args = ["fi_pingpong", "-p", "efa", "-e", "rdm", "-c", "-d", f"{names[2]}-rdm"]
    for text in both(world.command(0, *args, "-B", port), world.command(1, *args, "-P", port), port):
        check_table(text, SIZES)
    for host in json.loads(world.call("status", "--json"))["hosts"]:
        carried = [device["counters"]["tx_bytes"] for device in host["nics"]]
        assert carried[2] > 10 << 20
        assert carried[0] == carried[1] == carried[3] == 0, carried


# --- perftest ----------------------------------------------------------------------------------------------


def test_perftest_send_bw(world):
    count, size = 1000, 4096
    for rows in perftest(world, "ib_send_bw", "-n", count, "-s", size):
        assert [row[:2] for row in rows] == [[size, count]]
        assert rows[0][3] > 0
    assert world.counters(1)["send_bytes"] == count * size
    assert world.counters(0)["recv_bytes"] == count * size


def test_perftest_send_lat(world):
    count, size = 200, 64
    for rows in perftest(world, "ib_send_lat", "-n", count, "-s", size):
        assert [row[:2] for row in rows] == [[size, count]]
        assert 0 < rows[0][2] <= rows[0][4] <= rows[0][3]  # t_min, t_typical, t_max
    for host in (0, 1):
        assert world.counters(host)["send_wrs"] >= count


def test_perftest_read_bw(world):
    count, size = 200, 65536
    rows = perftest(world, "ib_read_bw", "-n", count, "-s", size)[1]  # the server of a read has no table
    assert [row[:2] for row in rows] == [[size, count]]
    assert rows[0][3] > 0
    assert world.counters(1)["rdma_read_bytes"] == count * size
    assert world.counters(0)["rdma_read_resp_bytes"] == count * size


def test_perftest_all_sizes_of_a_send(make_world):
    world = make_world()
    rows = perftest(world, "ib_send_bw", "-n", 20, "-a")[1]
    assert [row[0] for row in rows] == [2 ** n for n in range(1, 14)]


# --- what must not work ------------------------------------------------------------------------------------


def test_a_cut_link_is_noticed(make_world):
    """The negative control: with no way between the hosts none of this passes."""
    need("ib_send_bw")
    world = make_world(create=["--fault", "link-down:src=h0,dst=h1", "--timeout", "300ms"])
    port = free_port()
    args = ["ib_send_bw", "-c", "SRD", "-x", "0", "-F", "-p", port, "-n", 100, "-s", 4096]
    server = Process(world.command(0, *args))
    wait_for(lambda: listens(server.pid, port), 30, server.describe)
    client = run([*world.command(1, *args), "127.0.0.1"], timeout=60)
    server.kill()
    assert client.returncode != 0
    assert b"Completion with error" in client.stdout + client.stderr
    assert world.counters(1)["unresponsive_remote_events"] >= 1


# --- two network namespaces, which share no directory ------------------------------------------------------


class Namespaces:
    """Two network namespaces with one cable between them."""

    addresses = ("10.86.231.1", "10.86.231.2")

    def __init__(self):
        probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
        if probe.returncode or not shutil.which("ip"):
            pytest.skip("no network namespaces here (they take root and iproute2)")
        self.holders = [Process(["unshare", "--net", "sleep", "1000"]) for _ in range(2)]
        own = os.readlink("/proc/self/ns/net")
        for holder in self.holders:
            wait_for(lambda holder=holder: os.readlink(f"/proc/{holder.pid}/ns/net") != own, 20, holder.describe)
        cable = [f"weft{os.getpid() % 100000}{end}" for end in "ab"]
        self.ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        for end, holder, address in zip(cable, self.holders, self.addresses):
            self.ip("link", "set", end, "netns", holder.pid)
            for args in (["addr", "add", f"{address}/24", "dev", end], ["link", "set", end, "up"],
                         ["link", "set", "lo", "up"]):
                self.ip(*args, within=self.enter(holder))

    @staticmethod
    def enter(holder):
        return ["nsenter", "--net", "--target", holder.pid, "--"]

    @staticmethod
    def ip(*args, within=()):
        result = run([*within, "ip", *args])
        if result.returncode:
            pytest.skip(f"ip {' '.join(map(str, args))}: {result.stderr.decode(errors='replace').strip()}")


class ApartWorld:
    """Two hosts with a directory each."""

    def __init__(self, make_world, namespaces):
        self.worlds = [
            make_world(hosts=1, create=["--udp", address], within=namespaces.enter(holder))
            for holder, address in zip(namespaces.holders, namespaces.addresses)
        ]

    def command(self, host, *args):
        return self.worlds[host].command(0, *args)

    def counters(self, host):
        return self.worlds[host].counters(0)


@pytest.fixture
def apart(make_world, nothing_left):  # in this order: worlds are removed while their namespaces exist
    del nothing_left
    return ApartWorld(make_world, Namespaces())


def test_namespaces_fi_pingpong(apart):
    pingpong(apart, (0, 1), "rdm", SIZES, address=Namespaces.addresses[0])
    assert all(apart.counters(host)["tx_bytes"] > 10 << 20 for host in (0, 1))


def test_namespaces_fi_pingpong_dgram(apart):
    pingpong(apart, (0, 1), "dgram", ("64", "256", "1k", "4k"), address=Namespaces.addresses[0])


def test_namespaces_perftest(apart):
    rows = perftest(apart, "ib_send_bw", "-n", 500, "-s", 8192, address=Namespaces.addresses[0])[1]
    assert [row[:2] for row in rows] == [[8192, 500]]
    assert apart.counters(0)["recv_bytes"] == 500 * 8192
