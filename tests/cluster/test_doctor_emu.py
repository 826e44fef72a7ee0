# SPDX-License-Identifier: Apache-2.0
"""weft doctor's checks of the instance, the driver and the libraries, on emulated devices: what the real libraries
answer about them, where trees of files (tests/doctor) can only have answers written down."""
import json
import os

import pytest

from harness import WEFT, Process, run

# libfabric opens the emulated libibverbs, which cannot be a sanitized library.
pytestmark = [pytest.mark.full, pytest.mark.usefixtures("no_sanitizer")]


def doctor(*emu, env=(), only="A,B"):
    """id -> (status, text) of a run on a host that emu makes."""
    done = run([WEFT, "emu", "run", "--quiet", *emu, "--", WEFT, "doctor", "--only", only, "--json"],
               env={**os.environ, **dict(env)})
    assert done.returncode in (0, 1, 2), done.stderr.decode()
    return {row["id"]: (row["status"], row["text"]) for row in json.loads(done.stdout)["checks"]}


def test_instance_of_four_devices():
    found = doctor("--profile", "p4d.24xlarge")
    assert found["A4"] == ("ok", "4 EFA devices, as many as p4d.24xlarge can have")
    assert found["A2"][0] == "warn" and "no RDMA write, only read" in found["A2"][1]
    assert found["B5"] == ("ok", "4 RDMA devices can be opened")
    assert found["B7"][0] == "ok" and found["B7"][1].startswith("libfabric offers 4 EFA devices")
    assert found["B8"][0] == "ok" and "RDMA read" in found["B8"][1] and "write" not in found["B8"][1]
    assert {check: row for check, row in found.items() if row[0] == "fail"} == {}


@pytest.mark.parametrize("env, words", [
    ({"FI_PROVIDER": "tcp"}, "FI_PROVIDER=tcp leaves the provider efa out"),
    # libfabric 1.17 aborts on the first, 2.x on the second.
    ({"FI_EFA_SHM_MAX_MEDIUM_SIZE": "4", "FI_EFA_TX_IOV_LIMIT": "4"}, "SIGABRT libfabric"),
])
def test_variable_that_hides_efa(env, words):
    status, text = doctor(env=env, only="B7")["B7"]
    assert status == "fail" and words in text


def test_healthy_devices_are_in_order():
    # Limits and memory (C) are the machine's own.
    done = run([WEFT, "emu", "run", "--quiet", "--", WEFT, "doctor", "--only", "A,B,D,E,F,G,H"])
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("fault, check, words", [
    ("refuse:call=open", "B5", "cannot be opened: ENOMEM"),
    ("refuse:call=pd", "B7", "has no provider efa"),
])
def test_a_device_that_refuses_has_its_verdict(fault, check, words):
    found = doctor("--fault", fault, only="A,B")
    status, text = found[check]
    assert status == "fail" and words in text, found
    assert {other for other, row in found.items() if row[0] == "fail"} == {check}


def test_rdma_requests_that_failed_are_told(make_world):
    # A device of which libfabric uses RDMA reads.
    world = make_world(create=["--device", "part_id=0xefa2"])
    server = Process(world.command(1, WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"))
    address = server.wait_line(rb"ready on (\S+)", 30).group(1).decode()
    world.call("fault", "status:op=read,status=7,skip=20")
    moved = run(world.command(0, WEFT, "perf", "run", address, "--provider", "efa", "--op", "read", "--size", "1MiB",
                              "--iters", "200", "--repeats", "1", "--quiet"), timeout=90)
    assert moved.returncode != 0
    done = run(world.command(0, WEFT, "doctor", "--only", "E6", "--json"))
    row = json.loads(done.stdout)["checks"][0]
    errors = world.counters(0)["rdma_read_wr_err"]
    assert errors > 0 and row["status"] == "warn" and row["text"].startswith(f"{errors} RDMA requests"), row
    server.kill()


def test_without_devices():
    """On the machine itself nothing is looked at that would need a device."""
    done = run([WEFT, "doctor", "--only", "A3", "--json"])
    row = json.loads(done.stdout)["checks"][0]
    if row["status"] == "ok":
        pytest.skip("this machine has EFA")
    assert done.returncode == 2 and row["status"] == "fail" and row["fix"]
