# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong with a command line, an address, a file or the other side: one line that says what
and how to help it, the documented exit status, nothing half done."""
import os
import resource
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import options
from harness import (SANITIZER, BUILD, CRASH, MIB, STATUS, USAGE, WEFT, Kv, assert_one_line, content, deaf_port, memory_total, run)

pytestmark = pytest.mark.alone

SERVE, SERVE_COMMANDS = options.read("serve")
KV, KV_COMMANDS = options.read("kv")
TOPOLOGY = BUILD / "tests" / "topology" / "p4d.24xlarge.xml"
ARGUMENTS = {"put": ["k", "v"], "get": ["k"], "delete": ["k"], "stat": ["k"]}


def refuse(args, status=USAGE):
    """The program must end with the status and one line; None, or what is wrong."""
    result = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    text = result.stderr.decode(errors="replace")
    if result.returncode != status or CRASH.search(result.stderr):
        return f"{args}: status {result.returncode}: {text}"
    if text.count("\n") != 1 or not text.startswith("weft") or any(ch < " " for ch in text[:-1]) or result.stdout:
        return f"{args}: not one line: {text!r} {result.stdout!r}"
    return None


def refuse_all(cases):
    with ThreadPoolExecutor(4) as pool:  # libraries of libfabric sleep when they are loaded
        wrong = [problem for problem in pool.map(refuse, cases) if problem]
    assert not wrong, "\n".join(wrong[:20]) + f"\n({len(wrong)} of {len(cases)})"


def program(name):
    return [str(BUILD / "programs" / name / f"weft-{name}")]


def bad_option_cases(base, table, command, after):
    for option in table:
        if option.command != command:
            continue
        for value in options.bad_values(option):
            separate = [f"--{option.name}{value}"] if option.type == "flag" else [f"--{option.name}={value}"]
            yield [*base, *([command] if command else []), *separate, *after]
        if option.type != "flag":
            yield [*base, *([command] if command else []), *after, f"--{option.name}"]


def serve_cases():
    # An address that is wrong beside the bad value: nothing may start if that is not refused.
    cases = list(bad_option_cases(program("serve"), SERVE, "", []))
    assert len(cases) > 50
    return [[*case[:1], "--listen-addr", "127.0.0.1:1", *case[1:]] for case in cases]


def kv_cases(command):
    base = [*program("kv"), "--server-addr", "127.0.0.1:1", "--timeout", "1s"]
    if command:
        return list(bad_option_cases(base, KV, command, ARGUMENTS.get(command, [])))
    return [[*case, "ping"] for case in bad_option_cases(program("kv"), KV, "", []) if "=" in case[-1]]


def test_bad_values_are_refused():
    """One in ten of those below."""
    cases = serve_cases() + [case for command in ["", *KV_COMMANDS] for case in kv_cases(command)]
    refuse_all(cases[::10])


@pytest.mark.full
def test_serve_refuses_each_bad_value():
    refuse_all(serve_cases())


@pytest.mark.full
@pytest.mark.parametrize("command", ["", *(command for command in KV_COMMANDS if kv_cases(command))])
def test_kv_refuses_each_bad_value(command):
    refuse_all(kv_cases(command))


def test_wrong_command_lines_are_refused():
    kv, serve, weft = program("kv"), program("serve"), [str(WEFT)]
    refuse_all([
        [*serve, "--nonsense"], [*serve, "-Z"], [*serve, "argument"], [*serve, "--memory-m=5", "--nonsense=1"],
        [*kv], [*kv, "nonsense"], [*kv, "--nonsense", "get", "k"], [*kv, "get", "k", "--nonsense"],
        [*kv, "get", "k", "extra"], [*kv, "put", "k", "v", "extra"], [*kv, "put", "--file", "x", "k", "v"][:1],
        [*kv, "get"], [*kv, "put"], [*kv, "delete"], [*kv, "stat"], [*kv, "get", "k", "--ttl", "5"],
        [*kv, "--in-process", "get", "--key-hex", "0"], [*kv, "--in-process", "get", "--key-hex", "xx"],
        [*kv, "\x1b[31mred"], [*kv, "new\nline"], [*kv, "x" * 100000],
        weft + ["nonsense"], weft + ["../kv"], weft + ["KV"], weft + [""], weft + ["perf\n"],
        [*serve, "--max-value-mb", "65", "--memory-mb", "64"],
    ])


def test_help_and_version_work_everywhere():
    for args in ([], *([command] for command in KV_COMMANDS)):
        result = run([*program("kv"), *args, "--help"])
        assert result.returncode == 0 and b"weft kv" in result.stdout and not result.stderr
    for name in ("serve", "kv"):
        result = run([*program(name), "--version"])
        assert result.returncode == 0 and b"weft " in result.stdout and b"libfabric " in result.stdout


# --- serve ------------------------------------------------------------------------------------------


def serve_fails(status, *args, **limits):
    """`weft serve` that must not start; its one line."""
    result = run([WEFT, "serve", *args], timeout=60, **limits)
    assert result.returncode == status, result
    assert not result.stdout
    assert_one_line(result.stderr)
    return result.stderr.decode()


def test_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        addr = f"127.0.0.1:{taken.getsockname()[1]}"
        text = serve_fails(1, "--listen-addr", addr, "--memory-mb", "8")
        assert addr in text and "in use" in text


@pytest.mark.parametrize("addr", ["", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":::", "[::1:5",
                                  "127.0.0.1:-1", "a b:5", "127.0.0.1:5 x", "x" * 255 + ":1", "\x1b[31m:5"])
def test_addresses_that_are_none_are_refused(addr):
    for args in (["serve", "--memory-mb", "8", "--listen-addr", addr], ["kv", "--server-addr", addr, "ping"]):
        result = run([WEFT, *args])
        assert result.returncode in (1, USAGE), result
        assert_one_line(result.stderr)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "256.1.1.1", "192.0.2.1"])
def test_addresses_that_are_not_of_this_host_are_refused(host):
    text = serve_fails_any("--listen-addr", f"{host}:0", "--memory-mb", "8")
    assert host in text


def serve_fails_any(*args):
    result = run([WEFT, "serve", *args])
    assert result.returncode not in (0, 70), result
    assert_one_line(result.stderr)
    return result.stderr.decode()


def test_names_that_do_not_resolve_are_told():
    result = run([WEFT, "kv", "--server-addr", "no-such-host.invalid:1", "--timeout", "3s", "ping"])
    assert result.returncode in (STATUS["EUNAVAILABLE"], STATUS["EDEADLINE"]), result
    assert_one_line(result.stderr)
    assert b"no-such-host.invalid" in result.stderr


@pytest.mark.parametrize("memory_mb", [67108864, 4194304, memory_total() // MIB * 2])
def test_pool_larger_than_memory_is_refused(memory_mb):
    text = serve_fails_any("--memory-mb", str(memory_mb), "--listen-addr", "127.0.0.1:0", "--provider", "tcp")
    assert "memory" in text.lower() and "--listen-addr" not in text


@pytest.mark.skipif(bool(SANITIZER), reason="sanitizers reserve terabytes of addresses")
def test_pool_larger_than_the_limit_of_the_process_is_refused():
    text = serve_fails(1, "--memory-mb", "4096", "--listen-addr", "127.0.0.1:0", "--provider", "tcp",
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)))
    assert "memory" in text.lower()


def test_low_memlock_limit_is_no_crash(start):
    """Providers that pin say so; tcp and shm do not need it."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))  # noqa: E731
    for provider in ("tcp", "shm"):
        try:
            server = start(provider, memory_mb=8, preexec_fn=limit)
        except AssertionError as error:
            assert "memlock" in str(error).lower() or "ulimit" in str(error)
            continue
        Kv(server.addr, provider).ok("put", "k", "v")


def test_too_few_file_descriptors_are_told():
    for count in (4, 6, 8, 10, 12, 16, 20, 24):
        result = run([WEFT, "kv", "--in-process", "--provider", "tcp", "get", "k"],
                     preexec_fn=lambda count=count: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
        assert result.returncode != 0


@pytest.mark.parametrize("provider", ["nonsense", "tcp,nonsense", ",", "tcp,,shm", "TCP", " tcp"])
def test_unknown_providers_are_refused(provider):
    for args in (["serve", "--listen-addr", "127.0.0.1:0", "--memory-mb", "8"], ["kv", "--in-process"]):
        result = run([WEFT, *args, "--provider", provider, *(["ping"] if args[0] == "kv" else [])])
        assert result.returncode in (1, USAGE, STATUS["ENOPROVIDER"]), result
        assert_one_line(result.stderr)


def test_absent_provider_names_what_is_there():
    if os.path.isdir("/sys/class/infiniband") and os.listdir("/sys/class/infiniband"):
        pytest.skip("this host has RDMA devices")
    text = serve_fails(STATUS["ENOPROVIDER"], "--provider", "efa", "--listen-addr", "127.0.0.1:0")
    assert "efa" in text and "tcp" in text and "shm" in text
    result = run([WEFT, "kv", "--in-process", "--provider", "verbs", "ping"])
    assert result.returncode == STATUS["ENOPROVIDER"]
    assert b"tcp" in result.stderr and b"shm" in result.stderr


def test_absent_device_is_told():
    text = serve_fails(STATUS["ENODEVICE"], "--provider", "tcp", "--devices", "nonsense0", "--listen-addr", "127.0.0.1:0")
    assert "nonsense0" in text


def test_software_is_refused_where_a_device_is_asked_for():
    text = serve_fails(STATUS["ESOFTWARE"], "--provider", "tcp", "--device-rdma", "--listen-addr", "127.0.0.1:0")
    assert "tcp on " in text and "WRITE is done by the target's software" in text and "efa" in text
    result = run([WEFT, "kv", "--in-process", "--provider", "tcp", "--device-rdma", "ping"])
    assert result.returncode == STATUS["ESOFTWARE"]
    assert b"target's software" in result.stderr
    assert run([WEFT, "kv", "--in-process", "--device-rdma", "ping"]).returncode == 0


def test_nics_by_node_need_a_topology():
    """--nics reaches the engines of server, client and in-process server: each asks for the topology, which is not
    there, and says so; without it nothing asks."""
    environment = {**os.environ, "HWLOC_XMLFILE": "/nonesuch.xml"}
    local = [WEFT, "kv", "--in-process", "--provider", "tcp"]
    for args in ([WEFT, "serve", "--provider", "tcp", "--listen-addr", "127.0.0.1:0", "--nics", "near"],
                 [*local, "--nics", "near", "ping"]):
        result = run(args, env=environment)
        assert result.returncode == 1, result
        assert_one_line(result.stderr)
        assert b"nics: near" in result.stderr and b"/nonesuch.xml" in result.stderr
    assert run([*local, "--nics", "all", "ping"], env=environment).returncode == 0


def test_nics_by_node_of_a_client_need_a_topology(start):
    server = start("tcp", memory_mb=8)
    args = [WEFT, "kv", "--server-addr", server.addr, "--provider", "tcp", "--nics", "near", "ping"]
    result = run(args, env={**os.environ, "HWLOC_XMLFILE": "/nonesuch.xml"})
    assert result.returncode == 1, result
    assert_one_line(result.stderr)
    assert b"nics: near" in result.stderr
    assert run(args, env={**os.environ, "HWLOC_XMLFILE": str(TOPOLOGY)}).returncode == 0


def test_client_without_a_common_way_is_told(start):
    server = start("shm", memory_mb=8)
    result = Kv(server.addr, "tcp", "fabric", "--timeout", "5s")("ping")
    assert result.returncode == STATUS["EUNREACHABLE"], result
    assert_one_line(result.stderr)


# --- limits of values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["fabric", "grpc"])
def test_values_above_the_limits_are_refused_and_leave_nothing(start, control, connect):
    server = start("tcp", memory_mb=8, extra=["--max-value-mb", "4"])
    kv = Kv(server.addr, "tcp", control)
    kv.fails("ETOOLARGE", "put", "k", "--file", "-", stdin=bytes(4 * MIB + 1))
    kv.fails("ENOTFOUND", "get", "k")
    kv.ok("put", "a", "--file", "-", stdin=bytes(4 * MIB))
    result = None
    for name in ("b", "c"):
        result = kv("put", name, "--file", "-", stdin=content(name, 4 * MIB))
        if result.returncode:
            break
    assert result.returncode == STATUS["EPOOLFULL"], result
    assert_one_line(result.stderr)
    assert b"pool" in result.stderr and any(ch.isdigit() for ch in result.stderr.decode())
    kv.fails("ENOTFOUND", "get", name)
    kv.ok("delete", "a")
    kv.ok("put", name, "--file", "-", stdin=content(name, 4 * MIB))
    assert kv.ok("get", name) == content(name, 4 * MIB)


def test_impossible_keys_are_refused(tmp_path):
    base = [*program("kv"), "--in-process"]
    long = tmp_path / "long"
    long.write_bytes(b"x" * 4097)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for args in (["get", ""], ["get", "x" * 4097], ["get", "--key-file", str(long)], ["get", "--key-file", str(empty)],
                 ["put", "", "v"], ["delete", "x" * 4097], ["stat", ""]):
        assert not refuse([*base, *args], STATUS["EKEYSIZE"])


def test_files_that_cannot_be_read_or_written_are_told(start, tmp_path):
    kv = Kv(start("tcp", memory_mb=8).addr, "tcp")
    kv.ok("put", "k", "value")
    for args in (["put", "k", "--file", tmp_path / "missing"], ["put", "k", "--file", tmp_path],
                 ["get", "k", "--output", tmp_path / "no" / "folder"], ["get", "k", "--output", tmp_path],
                 ["get", "--key-file", tmp_path / "missing"], ["get", "k", "--output", "/dev/full"]):
        result = kv(*args)
        assert result.returncode == 1, (args, result)
        assert_one_line(result.stderr)
    assert kv.ok("get", "k") == b"value"
    with open("/dev/full", "wb") as full:
        process = kv.start("get", "k", stdout=full)
        assert process.wait(30) == 1
        assert_one_line(b"".join(process.err))


# --- the other side is no weft ------------------------------------------------------------------------


class Stranger:
    """A TCP listener that treats each connection by a function."""

    def __init__(self, treat):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.addr = "127.0.0.1:%d" % self.sock.getsockname()[1]
        self.open = []
        self.treat = treat
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            self.open.append(connection)
            try:
                self.treat(connection)
            except OSError:
                pass

    def close(self):
        for sock in [self.sock, *self.open]:
            sock.close()


def http(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.close()


STRANGERS = {
    "silent": lambda connection: None,
    "closing": lambda connection: connection.close(),
    "http": http,
    "ssh": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "noise": lambda connection: connection.sendall(content("noise", 65536)),
    "settings only": lambda connection: connection.sendall(b"\0\0\0\4\0\0\0\0\0"),
}


@pytest.mark.parametrize("what", STRANGERS)
def test_wrong_servers_are_told(what):
    stranger = Stranger(STRANGERS[what])
    try:
        result = run([WEFT, "kv", "--server-addr", stranger.addr, "--provider", "tcp", "--timeout", "3s", "get", "k"])
    finally:
        stranger.close()
    assert result.returncode in {STATUS[name] for name in ("EUNAVAILABLE", "EPROTOCOL", "EDEADLINE")}, result
    assert_one_line(result.stderr)
    assert stranger.addr.encode() in result.stderr


def test_nobody_listens():
    with deaf_port() as port:
        addr = f"127.0.0.1:{port}"
        result = run([WEFT, "kv", "--server-addr", addr, "--timeout", "5s", "get", "k"])
    assert result.returncode == STATUS["EUNAVAILABLE"], result
    assert_one_line(result.stderr)
    assert addr.encode() in result.stderr


def test_fabric_variables_that_abort_are_told():
    """libfabric's efa provider aborts the process on this value; weft must not get so far."""
    result = run([WEFT, "kv", "--in-process", "--provider", "tcp", "get", "k"],
                 env={**os.environ, "FI_EFA_USE_DEVICE_RDMA": "nonsense"})
    assert result.returncode in (3, STATUS["EENVIRONMENT"]), result
    assert_one_line(result.stderr)
