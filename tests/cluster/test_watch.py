# SPDX-License-Identifier: Apache-2.0
"""weft top, weft exporter and the metrics of weft serve: what they show is what happened, and nobody who asks harms."""
import contextlib
import fcntl
import http.client
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

import pytest

import options
from harness import MIB, SLOW, USAGE, WEFT, Kv, Process, Server, assert_one_line, content, free_port, run, wait_for

ANSWER_S = 20 * SLOW


def samples(text):
    """{(name, labels): value}; labels as a sorted tuple of pairs."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line)
        if match:
            labels = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', match[2] or "")))
            assert (match[1], labels) not in found, f"twice: {line}"
            found[match[1], labels] = float(match[3])
    return found


def check_format(text):
    """Every line belongs to the format, a metric's lines stand together after its head; promtool agrees where it is."""
    seen, name = set(), None
    for line in text.splitlines():
        head = re.fullmatch(r"# (HELP|TYPE) (\w+) (.+)", line)
        if head and head[1] == "HELP":
            assert head[2] not in seen, f"{head[2]} stands twice"
            name = head[2]
            seen.add(name)
        elif head:
            assert head[2] == name and head[3] in ("counter", "gauge", "summary"), line
        else:
            assert re.fullmatch(rf'{name}(_sum|_count)?(\{{(\w+="[^"\n]*",?)+\}})? [-+.\deInfNa]+', line), line
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done


def get(port, path="/metrics"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def metrics_of(port):
    status, headers, text = get(port)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), (status, headers)
    check_format(text)
    return samples(text)


def top(*before, interval="1s"):
    result = run([*before, WEFT, "top", "--once", "--json", "--interval", interval])
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def top_of(listen, *before):
    """A reading in which the server at this address answered, and its entry; a busy one may be late now and then."""
    def look():
        shown = top(*before)
        ours = [entry for entry in shown["servers"] if entry.get("listen") == listen and entry["kv"]["puts"]["delta"] is not None]
        assert len(ours) < 2
        return ours and (shown, ours[0])

    return wait_for(look, ANSWER_S, f"{listen} answered twice in a row")


def metrics_port(server):
    line = wait_for(lambda: re.search(rb"info +metrics host=\S+ port=(\d+)", b"".join(server.err)), ANSWER_S, server.describe)
    return int(line[1])


# --- a server -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def metered():
    server = Server("tcp", extra=("--metrics-addr", "127.0.0.1:0"))
    server.shared = True
    server.metrics = metrics_port(server)
    yield server
    server.stop()


def test_a_server_shows_what_its_clients_did(metered, connect):
    kv, stub = Kv(metered.addr, "tcp"), connect(metered)
    before = metrics_of(metered.metrics)
    kv.ok("put", "k0", "x" * 100)
    assert stub.Put(key=b"k1", inline_value=b"y" * 50).success
    assert stub.Get(key=b"k0").success and not stub.Get(key=b"none").success
    now = wait_for(lambda: (now := metrics_of(metered.metrics))["weft_kv_misses_total", ()] and now, ANSWER_S, "the GETs")
    for name, more in {"puts_total": 2, "keys": 2, "gets_total": 2, "hits_total": 1, "misses_total": 1, "grpc_requests_total": 4,
                       "stored_bytes_total": 150, "sent_bytes_total": 100, "value_bytes": 150}.items():
        assert now[f"weft_kv_{name}", ()] - before[f"weft_kv_{name}", ()] >= more, name
        assert name == "grpc_requests_total" or now[f"weft_kv_{name}", ()] - before[f"weft_kv_{name}", ()] == more, name
    assert now["weft_engine_messages_received_total", ()] > before["weft_engine_messages_received_total", ()]
    assert any(name == "weft_rail_info" and ("provider", "tcp") in labels for name, labels in now)
    _, ours = top_of(metered.addr)
    assert ours["pid"] == metered.pid and ours["error"] is None
    assert ours["kv"]["puts"] == {"total": now["weft_kv_puts_total", ()], "delta": 0}
    assert ours["kv"]["keys"] == now["weft_kv_keys", ()]


def test_nobody_who_asks_harms_the_cache(metered, connect):
    stub, value = connect(metered), content("watch", 2000)
    assert stub.Put(key=b"key", inline_value=value).success
    memory, fds = metered.rss(), metered.fds()
    with contextlib.ExitStack() as stack:
        for number in range(200):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", metered.metrics), ANSWER_S))
            with contextlib.suppress(OSError):
                sock.sendall((b"", b"GET /metrics HTTP/1.1\r\n", b"\0" * 20000, b"x" * 20000, b"GET /metrics HTTP/1.0\r\n\r\n")[number % 5])
        assert stub.Get(key=b"key").inline_value == value
        assert metrics_of(metered.metrics)["weft_kv_keys", ()] > 0
        assert metered.fds() - fds < 60, "connections are bounded"
    assert get(metered.metrics, "/none")[0] == 404
    assert metered.rss() - memory < 64 * MIB or SLOW > 1


@pytest.mark.full
def test_top_tells_of_servers_that_do_not_answer_and_of_none_that_are_gone():
    server = Server("tcp")
    server.signal(signal.SIGSTOP)
    shown = [entry for entry in top()["servers"] if entry["pid"] == server.pid]
    assert len(shown) == 1 and shown[0]["error"], shown
    text = run([WEFT, "top", "--once"]).stdout.decode()
    assert f"{server.pid} weft-stats-{server.pid}-0" in text and "no figures" in text
    server.kill()
    assert not [entry for entry in top()["servers"] if str(server.pid) in entry["socket"]]


@pytest.mark.full
def test_addresses_for_metrics_that_cannot_be(metered):
    for addr, why in ((f"127.0.0.1:{metered.metrics}", "Address already in use"), ("name.invalid:1", "numeric"),
                      ("127.0.0.1", "port")):
        result = run([WEFT, "serve", "--provider", "tcp", "--memory-mb", "16", "--listen-addr", "127.0.0.1:0",
                      "--metrics-addr", addr, "--log-level", "error"])
        assert result.returncode not in (0, USAGE) and why in result.stderr.decode(), result


# --- devices ------------------------------------------------------------------------------------------


def counter_tree(folder, **counters):
    port = folder / "class/infiniband/efa_0/ports/1/hw_counters"
    port.mkdir(parents=True, exist_ok=True)
    for name, value in counters.items():
        (port / name).write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())


class Exporter(Process):
    def __init__(self, sysfs, *args):
        super().__init__([WEFT, "exporter", "--addr", "127.0.0.1:0", *args], env=dict(os.environ, SYSFS_PATH=str(sysfs)))
        self.port = int(self.wait_line(rb"ready on 127.0.0.1:(\d+)", ANSWER_S).group(1))


def test_the_exporter_shows_counters_and_says_what_is_odd(tmp_path):
    counter_tree(tmp_path, tx_bytes=10**18 + 1, rx_drops=b"", lifespan=12, strange_one=5)
    exporter = Exporter(tmp_path)
    device = ("device", "efa_0")
    status, _, text = get(exporter.port)
    assert status == 200 and 'weft_nic_transmitted_bytes_total{device="efa_0"} 1000000000000000001\n' in text
    shown = metrics_of(exporter.port)
    assert shown["weft_nic_other_total", (("counter", "strange_one"), device)] == 5
    assert shown["weft_nic_unreadable_counters", (device,)] == 1
    assert "lifespan" not in text and "weft_nic_receive_drops_total" not in text
    counter_tree(tmp_path, tx_bytes=7)
    wait_for(lambda: metrics_of(exporter.port)["weft_nic_counters_back_total", (device,)] == 1, ANSWER_S, "the counter went back")
    exporter.signal(signal.SIGTERM)
    assert exporter.wait(ANSWER_S) == 0, exporter.describe()
    log = b"".join(exporter.err).decode()
    assert "efa_0: rx_drops cannot be read as a number" in log and "efa_0: tx_bytes went back" in log, log


@pytest.mark.full
def test_devices_of_another_directory_are_shown_as_text_and_json(tmp_path):
    counter_tree(tmp_path, tx_bytes=5, rx_bytes=b"\xff\x00", rx_drops=0)
    env = dict(os.environ, SYSFS_PATH=str(tmp_path))
    result = run([WEFT, "top", "--once"], env=env)
    assert re.search(rb"^efa_0 +- +0\.00 +- +- +- +- +0 +-$", result.stdout, re.M), result
    assert b"efa_0: rx_bytes cannot be read as a number; left out\n" in result.stdout
    shown = json.loads(run([WEFT, "top", "--once", "--json"], env=env).stdout)
    assert shown["nics"][0]["counters"] == {"rx_drops": {"total": 0, "delta": 0}, "tx_bytes": {"total": 5, "delta": 0}}
    assert sum("efa_0" in note for note in shown["notes"]) == 1 and shown["seconds"] >= 1  # servers of other tests come and go


@pytest.fixture
def world():
    """Two hosts with two emulated devices each, in short queues."""
    folder = tempfile.mkdtemp(prefix="weft-watch.", dir="/dev/shm")
    at = ["--world", f"{folder}/world"]
    done = run([WEFT, "emu", "create", *at, "--hosts", "2", "--nics", "2", "--device", "max_sq_wr=1024", "--device", "max_rq_wr=4096"])
    assert done.returncode == 0, done
    yield lambda host: [WEFT, "emu", "run", "--quiet", *at, "--host", host, "--"]
    # What libfabric's efa leaves of killed processes: its shm endpoints, by GID.
    for gid in re.findall(rb" GID (\S+) ", run([WEFT, "emu", "status", "--quiet", *at]).stdout):
        for name in os.listdir("/dev/shm"):
            if name.startswith(f"{gid.decode()}_"):
                os.unlink(f"/dev/shm/{name}")
    run([WEFT, "emu", "remove", "--force", *at])
    shutil.rmtree(folder)


def sent(on_host):
    """Bytes that each device of a host sent, by its exporter."""
    text = run([*on_host, WEFT, "exporter", "--once"]).stdout.decode()
    check_format(text)
    return {dict(labels)["device"]: value for (name, labels), value in samples(text).items()
            if name == "weft_nic_transmitted_bytes_total"}


@pytest.mark.full
def test_a_transfer_is_shown_on_the_device_that_made_it(world):
    idle, busy = sent(world("0"))
    port = free_port()
    server = Process([*world("0"), WEFT, "serve", "--listen-addr", f"127.0.0.1:{port}", "--provider", "efa", "--devices", f"{busy}-rdm", "--memory-mb", "64"])
    server.wait_line(rb"ready", ANSWER_S)
    client = [*world("1"), WEFT, "kv", "--server-addr", f"127.0.0.1:{port}", "--provider", "efa"]
    before = sent(world("0"))
    assert run([*client, "put", "key"], stdin=content("device", 4 * MIB)).returncode == 0
    load = Process([*client, "bench", "-n", "16", "-v", "256KiB", "--repeat-reads", "100000"])
    wait_for(lambda: sent(world("0"))[busy] - before[busy] > 4 * MIB, ANSWER_S, load.describe)
    shown, ours = top_of(f"127.0.0.1:{port}", *world("0"))
    nics = {nic["device"]: nic["counters"]["tx_bytes"]["delta"] for nic in shown["nics"]}
    assert nics[busy] > 0 and nics[idle] == 0, nics
    assert ours["kv"]["gets"]["delta"] > 0 and ours["rail_bytes"]["delta"] > 0, ours
    after = sent(world("0"))
    assert after[busy] >= before[busy] + 4 * MIB and after[idle] == before[idle]
    load.kill()
    server.kill()


# --- programs -----------------------------------------------------------------------------------------


def screen_until(fd, wanted, text=b""):
    """What came to a terminal, until all of wanted has."""
    end = time.monotonic() + ANSWER_S
    while any(word not in text for word in wanted):
        assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], text
        text += os.read(fd, 4096)
    return text


@pytest.mark.full
def test_a_terminal_is_filled_and_left_as_it_was(tmp_path):
    counter_tree(tmp_path, tx_bytes=5)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    modes = termios.tcgetattr(theirs)
    process = subprocess.Popen([WEFT, "top"], stdin=theirs, stdout=theirs, stderr=theirs,
                               env=dict(os.environ, TERM="xterm", SYSFS_PATH=str(tmp_path)))
    try:
        text = screen_until(ours, (b"efa_0", b"q quit"))
        os.write(ours, b"\033[B p q")
        assert process.wait(ANSWER_S) == 0
        text = screen_until(ours, (b"\033[?1049l",), text)
    finally:
        process.kill()
        process.wait()
    assert text.count(b"\033[?1049h") == text.count(b"\033[?1049l") == 1, "the screen is given back"
    assert termios.tcgetattr(theirs) == modes
    os.close(ours)
    os.close(theirs)
    result = run(["script", "-qec", f"{WEFT} top", "/dev/null"], env=dict(os.environ, TERM="no-such-terminal"))
    assert result.returncode == USAGE and b"TERM" in result.stdout, result


@pytest.mark.full
def test_bad_options_are_refused():
    for program in ("top", "exporter"):
        for option in options.read(program)[0]:
            for value in options.bad_values(option):
                given = [f"--{option.name}{value}"] if option.type == "flag" else [f"--{option.name}={value}"]
                result = run([WEFT, program, *given])
                assert result.returncode == USAGE, (given, result)
                assert_one_line(result.stderr)
    result = run([WEFT, "exporter", "--addr", "nowhere"])
    assert result.returncode == 1 and b"--addr" in result.stderr, result
    assert_one_line(result.stderr)
