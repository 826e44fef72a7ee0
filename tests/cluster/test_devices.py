# SPDX-License-Identifier: Apache-2.0
"""The program `weft devices`: copies of made-up machines, emulated devices, this machine, helpers that fail."""
import json
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

import machines
from harness import BUILD, CRASH, ROOT, USAGE, WEFT, assert_one_line, run
from test_perf_report import CHROMIUM, chromium, matches

DEVICES = BUILD / "programs/devices/weft-devices"
EMU = BUILD / "programs/emu/weft-emu"
HELPER = BUILD / "programs/doctor/weft-doctor-probe"
SCHEMA = json.loads((ROOT / "docs/devices.schema.json").read_text(encoding="utf-8"))
WIDTH = 100
EFA_ANSWER = """libfabric=2.1.0
libfabric_path=/opt/amazon/efa/lib/libfabric.so.1
dev.0=rdmap67s0
dev.0.open=ok
dev.0.max_msg=8760
dev.0.efa.caps=0x1
dev.0.efa.max_rdma_size=1073741824
dev.1=rdmap83s0
dev.1.open=EMFILE Too many open files
prov.0=efa
prov.0.domains=2
prov.0.max_msg=18446744073709551615
prov.0.rma=1
prov.1=efa-direct
prov.1.max_msg=8760
prov.1.rma=0
end=ok"""


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    for name in ("SYSFS_PATH", "WEFT_PROBE", "WEFT_EMU_WORLD", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


def devices(*args, status=0, **more):
    result = run([DEVICES, *args], **more)
    assert result.returncode == status and not CRASH.search(result.stderr), result
    return result.stdout.decode()


def as_json(*args, **more):
    value = json.loads(devices("--json", *args, **more))
    matches(value, SCHEMA, SCHEMA, "devices")
    return value


def rows(text, title):
    """{first cell: {column: cell}} of the table whose first column has this title, and which has the others of it."""
    first, *others = title.split("+")
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(first + " ") and all(o in line for o in others))
    names = re.split(r"\s{2,}", lines[at])
    starts = [lines[at].index(name) for name in names]
    table = {}
    for line in lines[at + 1:]:
        if not line or line.startswith(("*", "of libfabric")):
            break
        cells = [line[start:end].strip() for start, end in zip(starts, [*starts[1:], None])]
        table[cells[0]] = dict(zip(names, cells))
    return table


# --- copies of machines ---------------------------------------------------------------------------


def test_all_of_a_large_machine_is_shown(tmp_path):
    machines.large(tmp_path)
    text = devices("--sysroot", tmp_path)
    assert all(len(line) <= WIDTH for line in text.splitlines()), text
    assert text.startswith("node-a: p5.48xlarge, 32 NICs, 8 GPUs, 2 NUMA nodes\n")
    nics = rows(text, "NIC+RATE")
    assert len(nics) == 32
    assert nics["rdmap68s0"] == {"NIC": "rdmap68s0", "PCI": "0000:44:00.0", "NODE": "0", "DRIVER": "efa",
                                 "RATE": "100 Gb/s", "PCI LINK": "16 GT/s x16", "AT MOST": "16 GT/s x16",
                                 "GPU NEAREST": "0 (switch)"}
    assert nics["rdmap182s0"]["PCI LINK"] == "16 GT/s x8" and "rdmap182s0: its PCI link runs at" in text
    # Nobody could ask the devices: a table of instance types says what they can do.
    assert rows(text, "NIC+GID")["rdmap67s0"]["RDMA"] == "read, write *" and "by a table, of all p5.48xlarge" in text
    assert rows(text, "GPU")["7"]["NICS NEAREST"] == "rdmap179s0 rdmap180s0 rdmap181s0 rdmap182s0"
    assert rows(text, "INTERFACE")["ens5"]["DRIVER"] == "ena"


@pytest.mark.full
def test_the_device_says_more_than_the_table(tmp_path):
    machine = machines.large(tmp_path, gpus=2, nics_each=1, nodes=1)
    machine.put("/probe", EFA_ANSWER)
    text = devices("--sysroot", tmp_path)
    assert rows(text, "NIC+GID")["rdmap67s0"]["RDMA"] == "read"
    assert rows(text, "NIC+GID")["rdmap67s0"]["MESSAGE MAX"] == "8760 B"
    assert rows(text, "NIC+GID")["rdmap67s0"]["RDMA MAX"] == "1 GiB"
    assert rows(text, "PROVIDER")["efa"] == {"PROVIDER": "efa", "DOMAINS": "2", "MESSAGE MAX": "any", "RMA": "read, write"}
    assert rows(text, "PROVIDER")["efa-direct"]["RMA"] == "none"
    assert "rdmap83s0 cannot be opened: EMFILE Too many open files" in text
    value = as_json("--sysroot", tmp_path)
    first, second = value["nics"]
    assert (first["rdma_source"], first["rdma_read"], first["rdma_write"]) == ("device", True, False)
    assert (second["rdma_source"], second["rdma_write"]) == ("instance type", True)
    assert (second["nearest"], second["nearest_gpus"], second["pci_link"]["below_max"]) == ("switch", [1], True)
    assert value["libfabric"]["providers"][0]["any_size"] and not value["libfabric"]["providers"][1]["any_size"]
    assert value["host"] == {"name": "node-a", "emulated": False, "ec2": True, "instance_type": "p5.48xlarge",
                             "sysroot": str(tmp_path)}


@pytest.mark.full
def test_nearest_is_by_bridge_then_root_then_node(tmp_path):
    machine = machines.Machine(tmp_path, nodes=2)
    machine.gpu("pci0000:10/0000:10:00.0/0000:11:00.0", 0)
    machine.gpu("pci0000:10/0000:10:01.0", 0)
    machine.gpu("pci0000:20/0000:20:01.0", 1)
    machine.efa("pci0000:10/0000:10:00.0/0000:11:01.0", "a", 0, 0)
    machine.efa("pci0000:20/0000:20:02.0", "b", 1, 1)
    machine.efa("pci0000:30/0000:30:02.0", "c", 2, 0)
    machine.efa("pci0000:40/0000:40:02.0", "d", 3)
    found = {nic["name"]: (nic["nearest"], nic["nearest_gpus"]) for nic in as_json("--sysroot", tmp_path)["nics"]}
    assert found == {"a": ("switch", [1]), "b": ("root", [2]), "c": ("node", [0, 1]), "d": (None, [])}


@pytest.mark.full
def test_what_is_wrong_is_said(tmp_path):
    machine = machines.Machine(tmp_path, "p4d.24xlarge")
    machine.pci("pci0000:a0/0000:a0:19.0", "0x1d0f", "0xefa1", "0x020000")
    text = devices("--sysroot", tmp_path)
    assert "EFA at 0000:a0:19.0: no driver is bound: sudo modprobe efa" in text
    assert "no RDMA device" not in text
    assert as_json("--sysroot", tmp_path)["efa_without_device"][0]["pci"] == "0000:a0:19.0"
    assert "0000:a0:19.0  EFA no RDMA device" in devices("--sysroot", tmp_path, "--topology")
    machine.efa("pci0000:a0/0000:a0:1b.0", "rdmap160s27", state="1: DOWN")
    assert "rdmap160s27: its port is DOWN" in devices("--sysroot", tmp_path)
    machine = machines.Machine(tmp_path / "none", "m7i.large")
    machine.net("pci0000:00/0000:00:05.0", "ens5")
    text = devices("--sysroot", tmp_path / "none")
    assert "no RDMA device: this m7i.large has no EFA interface attached" in text.replace("\n  ", " ")
    assert rows(text, "INTERFACE")["ens5"]["STATE"] == "up"


def hostile(folder, seed):
    """A machine with garbage in and between its files."""
    rng = random.Random(seed)
    machine = machines.large(folder, gpus=2, nics_each=2, nodes=2)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    for path in rng.sample(files, len(files) // 2):
        path.unlink()
        kind = rng.randrange(5)
        if kind == 0:
            path.write_bytes(rng.randbytes(rng.choice((0, 1, 100, 100000))))
        elif kind == 1:
            path.symlink_to(rng.choice((path.name, "/", "..", "nowhere", "/dev/zero")))
        elif kind == 2:
            path.mkdir()
        elif kind == 3:
            os.mkfifo(path)
    for name in (b"x\xff\x01<&>\"'", b"y" * 200, b"z\n\x1b[31m"):
        os.symlink(b"../../devices", os.path.join(os.fsencode(folder), b"sys/class/infiniband", name))
    for end in (b"", b"dev.0=", rng.randbytes(3000), b"prov.0=\xff\x1b[0m\nprov.0.domains=-1\nlibfabric=\x1b[31m2\nend=ok"):
        if rng.random() < 0.6:
            machine.put("/probe", end)
    return machine


@pytest.mark.parametrize("seed", range(3))
def test_garbage_harms_nothing(tmp_path, seed):
    hostile(tmp_path / "machine", seed)
    picture = tmp_path / "tree.svg"
    for how in ((), ("--topology",)):
        text = devices("--sysroot", tmp_path / "machine", *how, "--svg", picture)
        assert all(len(line) <= WIDTH for line in text.splitlines()), text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
        xml.etree.ElementTree.parse(picture)
    as_json("--sysroot", tmp_path / "machine")


# --- the tree -------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_tree_and_its_picture(tmp_path, monkeypatch):
    machines.large(tmp_path / "machine", gpus=2, nics_each=1, nodes=2)
    picture = tmp_path / "tree.svg"
    text = devices("--sysroot", tmp_path / "machine", "--topology", "--svg", picture)
    assert text.splitlines() == [
        "node-a  p5.48xlarge, 2 NICs, 2 GPUs, 2 NUMA nodes",
        "├─ NUMA node 0  CPUs 0-47",
        "│  ├─ pci0000:00",
        "│  │  └─ 0000:00:05.0  net ens5  ena, up",
        "│  └─ pci0000:40",
        "│     └─ 0000:40:00.0 .. 0000:41:00.0",
        "│        ├─ 0000:43:00.0  NIC rdmap67s0  efa, 100 Gb/s, PCI 16 GT/s x16, nearest GPU 0",
        "│        └─ 0000:47:00.0  GPU 0  nvidia, 10de:2330",
        "└─ NUMA node 1  CPUs 48-95",
        "   └─ pci0000:50",
        "      └─ 0000:50:00.0 .. 0000:51:00.0",
        "         ├─ 0000:53:00.0  NIC rdmap83s0  efa, 100 Gb/s, PCI 16 GT/s x8 of 16 GT/s x16, nearest GPU 1",
        "         └─ 0000:57:00.0  GPU 1  nvidia, 10de:2330",
    ]
    root = xml.etree.ElementTree.parse(picture).getroot()
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"NUMA node 0", "NUMA node 1", "NIC rdmap67s0", "GPU 1", "0000:53:00.0", "pci0000:50"} <= set(shown)
    # Nothing is loaded: no address but the name space's.
    assert re.findall(r"(?:href|url|src|@import)", picture.read_text(encoding="utf-8")) == []
    monkeypatch.setenv("LC_ALL", "C")
    assert "`- NUMA node 1" in devices("--sysroot", tmp_path / "machine", "--topology")


@pytest.mark.nightly
@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (./dev setup)")
def test_nothing_in_the_picture_overlaps(tmp_path):
    machine = machines.large(tmp_path / "machine", gpus=2, nics_each=2, nodes=2)
    machine.efa("pci0000:60/0000:60:1b.0", "a_name_as_long_as_the_kernel_lets_it_be_for_an_rdma_device_or_so", 9, 1)
    picture = tmp_path / "tree.svg"
    devices("--sysroot", tmp_path / "machine", "--svg", picture)
    # Texts that leave the picture, or that lie on each other.
    script = """
    const texts = [...document.querySelectorAll("text")].map((t) => [t.getBoundingClientRect(), t.textContent]);
    const whole = document.querySelector("svg").getBoundingClientRect(), bad = [];
    texts.forEach(([a, one], i) => {
      if (a.left < whole.left || a.right > whole.right || a.bottom > whole.bottom) bad.push(one);
      texts.slice(i + 1).forEach(([b, other]) => {
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
          bad.push(one + " / " + other);
      });
    });
    document.documentElement.dataset.bad = JSON.stringify([texts.length > 20, ...bad]);
    """
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><body>{picture.read_text(encoding='utf-8')}<script>{script}</script>",
                    encoding="utf-8")
    dom = chromium(tmp_path, page.as_uri(), "--dump-dom")
    assert re.search(r'data-bad="([^"]*)"', dom)[1] == "[true]"


# --- this machine ---------------------------------------------------------------------------------


@pytest.mark.full
def test_emulated_devices_are_listed():
    args = [EMU, "run", "--quiet", "--profile", "p5.48xlarge", "--nics", "3", "--", DEVICES]
    env = {**os.environ, "WEFT_PROBE": str(HELPER)}
    result = run(args, env=env)
    text = result.stdout.decode()
    assert result.returncode == 0, result
    nics = rows(text, "NIC+RATE")
    assert len(nics) == 3 and all(nic["DRIVER"] == "efa" for nic in nics.values())
    assert "emulated by weft emu" in text
    value = json.loads(run([*args, "--json"], env=env).stdout)
    matches(value, SCHEMA, SCHEMA, "devices")
    assert value["host"]["emulated"] and value["host"]["instance_type"] == "p5.48xlarge"
    for nic in value["nics"]:
        assert (nic["efa"], nic["open"], nic["rdma_source"], nic["rdma_write"]) == (True, "ok", "device", True)
        assert nic["max_message_bytes"] and nic["max_rdma_bytes"] and nic["port"]["gid"].startswith("fe80")
    efa = next(provider for provider in value["libfabric"]["providers"] if provider["name"] == "efa")
    assert efa["domains"] == 3 and efa["rma"]


@pytest.mark.full
def test_this_machine_is_shown():
    text = devices(env={**os.environ, "WEFT_PROBE": str(HELPER)})
    value = as_json(env={**os.environ, "WEFT_PROBE": str(HELPER)})
    assert value["libfabric"]["version"] and {"shm"} <= {one["name"] for one in value["libfabric"]["providers"]}
    if not os.path.exists("/sys/class/infiniband"):
        assert "no RDMA device" in text and "weft emu run -- weft devices" in text
    found = run([WEFT, "devices", "--version"], env={**os.environ, "WEFT_PROBE": str(HELPER)})
    assert re.fullmatch(rb"weft \S+\nlibfabric \d+\.\S+\n", found.stdout), found


@pytest.mark.full
@pytest.mark.parametrize("script, why", [
    ("exit 3", "status 3"),
    ("echo dev.0=x; kill -SEGV $$", "SIGSEGV"),
    ("echo prov.0=tcp; echo died=SIGABRT libfabric; echo end=ok", "SIGABRT libfabric"),
    ("exec yes a=b", "cannot be taken"),
    (None, "No such file or directory"),
])
def test_a_helper_that_fails_costs_only_its_part(tmp_path, script, why):
    helper = tmp_path / "helper"
    if script:
        helper.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        helper.chmod(0o755)
    text = devices(env={**os.environ, "WEFT_PROBE": str(helper)})
    assert why in text.replace("\n  ", " ")
    assert "INTERFACE" in text or set(os.listdir("/sys/class/net")) <= {"lo", "bonding_masters"}


@pytest.mark.full
def test_it_needs_no_library(tmp_path):
    if os.environ.get("WEFT_SANITIZER"):
        pytest.skip("sanitizers cannot be linked statically")
    alone = shutil.copy(DEVICES, tmp_path / "weft-devices")
    assert b"statically linked" in subprocess.run(["ldd", alone], capture_output=True, check=False).stderr \
        or b"not a dynamic" in subprocess.run(["ldd", alone], capture_output=True, check=False).stderr
    text = run([alone]).stdout.decode()
    assert "weft-doctor-probe: No such file or directory" in text.replace("\n  ", " ")


@pytest.mark.full
def test_bad_command_lines(tmp_path):
    for args, what in ((["--json", "--topology"], b"--topology"), (["--nonsense"], b"nonsense"),
                       (["extra"], b"extra")):
        result = run([DEVICES, *args])
        assert result.returncode == USAGE and not result.stdout
        assert_one_line(result.stderr)
        assert what in result.stderr
    result = run([DEVICES, "--sysroot", tmp_path / "none"])
    assert result.returncode not in (0, USAGE) and str(tmp_path / "none").encode() in result.stderr
    result = run([DEVICES, "--svg", tmp_path / "none/x.svg"])
    assert result.returncode not in (0, USAGE) and b"none/x.svg" in result.stderr
