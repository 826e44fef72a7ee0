# SPDX-License-Identifier: Apache-2.0
"""`weft doctor --peer` and `--cluster`: hosts of emulated devices between which packets are lost in chosen directions."""
import contextlib
import json
import shlex
import socket
import threading
import time

import jsonschema
import pytest

from emulated import World
from harness import ROOT, SLOW, USAGE, WEFT, Process, assert_one_line, free_port, run, wait_for

DOCTOR = [str(WEFT), "doctor"]
WAIT = ["--wait", "3s"]
READY_S = 20 * SLOW


@pytest.fixture(scope="module")
def schema():
    with open(ROOT / "docs" / "doctor-peer.schema.json", encoding="utf-8") as file:
        return jsonschema.Draft202012Validator(json.load(file))


@contextlib.contextmanager
def world(*servers, **options):
    """Emulated hosts; on each of servers runs weft perf server. The world, and their addresses."""
    emulated = World(**options)
    running = []
    try:
        for host in servers:
            running.append(Process(emulated.command(host, WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0")))
        addresses = [server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode() for server in running]
        yield emulated, addresses
        for server in running:
            server.assert_sane()
    finally:
        for server in running:
            server.kill()
        emulated.remove()


def report(command, status, schema=None):
    done = run(command, timeout=120)
    assert done.returncode == status, (done.stdout.decode(), done.stderr.decode())
    found = json.loads(done.stdout)
    if schema:
        schema.validate(found)
    return found


def ways(found):
    return [(pair["to_there"], pair["to_here"]) for pair in found["found"]["pairs"]]


def peer(emulated, address, status, *args, schema=None):
    return report(emulated.command(0, *DOCTOR, "--peer", address, "--json", *WAIT, *args), status, schema)


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_hosts_that_reach_each_other(schema):
    with world(1, nics=2) as (emulated, (address,)):
        found = peer(emulated, address, 0, schema=schema)
        assert found["verdict"] == "ok" and [f["status"] for f in found["findings"]] == ["ok"]
        assert ways(found) == [("ok", "ok")] * 2
        assert [one["size"] for one in found["found"]["passes"]] == [8, 1 << 20]
        for one in found["found"]["passes"]:
            for pair in one["pairs"]:
                assert pair["here"]["ended"] and pair["there"]["ended"]
                # What the devices themselves say.
                assert pair["here"]["counters"]["tx_pkts"] and pair["there"]["counters"]["rx_pkts"]
        text = run(emulated.command(0, *DOCTOR, "--peer", address)).stdout.decode()
        assert text.startswith("efa works between ") and max(map(len, text.splitlines())) <= 80


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("faults, expected, words", [
    (["loss:src=h0,dst=h1"], ("lost", "ok"), "the other direction works"),
    (["loss:src=h1,dst=h0"], ("ok", "lost"), "the other direction works"),
    (["loss:src=h0,dst=h1", "loss:src=h1,dst=h0"], ("lost", "lost"), "in neither direction"),
    (["link-down:src=h0,dst=h1"], ("lost", "lost"), "in neither direction"),
])
def test_a_direction_that_is_cut(schema, faults, expected, words):
    with world(1) as (emulated, (address,)):
        emulated.call("fault", *faults)
        found = peer(emulated, address, 2, schema=schema)
        assert ways(found) == [expected]
        assert words in found["findings"][0]["text"] and found["findings"][0]["fix"]
        if expected == ("lost", "ok"):
            # Nothing of this host came there, and the device there says so, too.
            (evidence, *_) = found["findings"][0]["evidence"]
            assert "never came" in evidence and "receiver: " in evidence, evidence
        # Nothing is left over of it: the same server, once the link is whole.
        emulated.call("clear")
        assert ways(peer(emulated, address, 0)) == [("ok", "ok")]


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_large_messages_that_get_lost_are_told_from_small_ones():
    # A device of which libfabric uses RDMA reads for large messages.
    with world(1, create=["--device", "part_id=0xefa2"]) as (emulated, (address,)):
        assert ways(peer(emulated, address, 0)) == [("ok", "ok")]
        emulated.call("fault", "loss:op=response")
        found = peer(emulated, address, 2)
        assert ways(found) == [("large lost", "large lost")]
        assert "messages of 1 MiB do not" in found["findings"][0]["text"]


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_one_nic_that_is_cut_is_named():
    with world(1, nics=2) as (emulated, (address,)):
        emulated.call("fault", "nic-down:host=1,nic=1")
        found = peer(emulated, address, 2)
        assert ways(found) == [("ok", "ok"), ("lost", "lost")]
        assert "some NICs do not reach their twins" in found["findings"][0]["text"]
        assert found["found"]["pairs"][1]["there"] in found["findings"][0]["text"]


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_a_server_without_devices_is_told_from_a_cut_link():
    server = Process([WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"])
    emulated = World()
    try:
        address = server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode()
        found = peer(emulated, address, 2)
        assert f"{address} offers nothing of provider efa" in found["findings"][0]["text"]
        assert found["found"] is None
    finally:
        server.kill()
        emulated.remove()


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_a_server_that_is_killed_in_the_middle():
    with contextlib.ExitStack() as stack:
        emulated = World()
        stack.callback(emulated.remove)
        server = Process(emulated.command(1, WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"))
        stack.callback(server.kill)
        address = server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode()
        emulated.call("fault", "loss")

        def kill():
            try:
                wait_for(lambda: emulated.counters(0)["tx_pkts"], 30, "no packet left host 0")
            finally:
                server.kill()
        killer = threading.Thread(target=kill)
        killer.start()
        began = time.monotonic()
        found = peer(emulated, address, 1, "--wait", "50s")
        killer.join()
        assert time.monotonic() - began < 45 and "could not be tried" in found["findings"][0]["text"]


@pytest.mark.full
@pytest.mark.usefixtures("no_sanitizer")
def test_a_cluster_names_the_host_that_nothing_reaches(tmp_path, schema):
    with world(0, 1, 2, 3, hosts=4) as (emulated, addresses):
        hosts = tmp_path / "hosts.txt"
        hosts.write_text("\n".join(["# nodes", *addresses, "host:99999", addresses[0]]) + "\n", encoding="ascii")
        command = [*DOCTOR, "--cluster", hosts, *WAIT]
        done = run(command, timeout=120)
        assert done.returncode == 0, (done.stdout.decode(), done.stderr.decode())
        assert b"6 of 6 pairs reach each other" in done.stdout
        errors = done.stderr.decode().splitlines()
        assert len(errors) == 2 and all("is left out" in line for line in errors), errors
        emulated.call("fault", "loss:dst=h2")
        found = report([*command, "--json"], 2, schema)
        assert [host["deaf"] for host in found["hosts"]] == [False, False, True, False]
        assert not any(host["mute"] for host in found["hosts"])
        lost = {frozenset((pair["a"], pair["b"])) for pair in found["pairs"] if pair["findings"]}
        assert lost == {frozenset((addresses[2], other)) for other in addresses if other != addresses[2]}
        done = run(command, timeout=120)
        assert b"NOTHING REACHES IT" in done.stdout and b"from \\ to" in done.stdout


def test_a_cluster_without_some_of_its_hosts(schema):
    servers = [Process([WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"]) for _ in range(2)]
    try:
        addresses = [server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode() for server in servers]
        absent = f"127.0.0.1:{free_port()}"
        found = report([*DOCTOR, "--cluster", ",".join([*addresses, absent]), "--provider", "tcp", "--json"], 2, schema)
        assert [host["absent"] for host in found["hosts"]] == [False, False, True]
        assert [host["tried"] for host in found["hosts"]] == [1, 1, 0]
    finally:
        for server in servers:
            server.kill()


@pytest.mark.smoke
def test_a_peer_over_tcp(schema):
    server = Process([WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"])
    try:
        address = server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode()
        for _ in range(2):
            found = report([*DOCTOR, "--peer", address, "--provider", "tcp", "--json"], 0, schema)
            assert found["verdict"] == "ok" and set(ways(found)) == {("ok", "ok")}
        server.signal(15)
        assert server.wait(READY_S) == 0
        server.assert_sane()
    finally:
        server.kill()


def test_a_provider_that_weft_has_no_row_for():
    server = Process([WEFT, "perf", "server", "--listen-addr", "127.0.0.1:0"])
    try:
        address = server.wait_line(rb"ready on (\S+)", READY_S).group(1).decode()
        found = report([*DOCTOR, "--peer", address, "--provider", "sockets", "--json"], 0)
        assert set(ways(found)) == {("ok", "ok")}
        server.assert_sane()
    finally:
        server.kill()


def test_nobody_there(schema):
    found = report([*DOCTOR, "--peer", f"127.0.0.1:{free_port()}", "--json"], 2, schema)
    assert "no weft perf server listens there" in found["findings"][0]["text"]
    command = found["findings"][0]["fix"].split("#")[0]
    assert command.startswith("weft perf server ")
    assert run([WEFT, *shlex.split(command)[1:], "--help"]).returncode == 0, command
    # The kernel connects, and nobody says a word.
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = report([*DOCTOR, "--peer", f"127.0.0.1:{mute.getsockname()[1]}", "--json"], 2, schema)
        assert "does not answer at all" in found["findings"][0]["text"]


@pytest.mark.parametrize("answer, status, words", [
    (b'{"type":"ok","id":1,"protocol":99,"schema":"weft-perf-report 1","version":"9.9"}\n', 1, "another version of weft"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1, "could not be tried"),
])
def test_somebody_else_there(answer, status, words):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                other, _ = listener.accept()
                with other:
                    other.sendall(answer)
                    other.recv(4096)
        thread = threading.Thread(target=serve)
        thread.start()
        found = report([*DOCTOR, "--peer", f"127.0.0.1:{listener.getsockname()[1]}", "--json"], status)
        thread.join()
        assert words in found["findings"][0]["text"], found


@pytest.mark.parametrize("args, words", [
    (["--peer", "a", "--cluster", "b"], "do not go together"),
    (["--peer", "a", "--only", "A1"], "go with --json, --provider and --wait alone"),
    (["--cluster", "a,b", "--watch", "1s"], "go with --json, --provider and --wait alone"),
    (["--provider", "tcp"], "belong to --peer and --cluster"),
    (["--peer", "a:b:c:99999"], "--peer"),
    (["--cluster", "127.0.0.1"], "two at least"),
    (["--cluster", "/nonexistent/hosts"], "two at least"),
])
def test_wrong_command_lines(args, words):
    done = run([*DOCTOR, *args])
    assert done.returncode == USAGE and done.stdout == b""
    assert words in done.stderr.decode().splitlines()[-1], done.stderr
    if "--cluster" not in args:
        assert_one_line(done.stderr)
