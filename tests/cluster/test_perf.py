# SPDX-License-Identifier: Apache-2.0
"""`weft perf` end to end: server and client as processes, the control channel, bad input.

The machine is shared, so nothing here asserts a rate or a time; a figure that the gates find invalid (the ends
disagree while others use the processors) is no failure of these tests.
"""
import contextlib
import json
import os
import re
import signal
import socket
import threading

import pytest

import options
from harness import CODE, ROOT, SANITIZER, SLOW, STATUS, USAGE, WEFT, Process, assert_one_line, deaf_port, run, wait_for

PERF = [str(WEFT), "perf"]
FAILED = 1
# Operations and not a time, in which on a busy machine nothing may get done.
SHORT = ["--iters", "200", "--warm", "1ms", "--repeats", "1"]
ANSWER_S = 20 * SLOW


class PerfServer(Process):
    def __init__(self, *args):
        super().__init__([*PERF, "server", "--listen-addr", "127.0.0.1:0", *args])
        match = self.wait_line(rb"ready on (\S+):(\d+)", ANSWER_S)
        self.port = int(match.group(2))
        self.addr = f"127.0.0.1:{self.port}"

    def threads_of_runs(self):
        """Beside its first thread, and TSan's own, which comes with the first that a program starts."""
        count = self.thread_count() - 1
        return count - (SANITIZER == "tsan") if count else 0

    def stop(self, number=signal.SIGTERM):
        self.signal(number)
        assert self.wait(ANSWER_S) == 0, self.describe()
        self.assert_sane()


@pytest.fixture
def server():
    process = PerfServer()
    yield process
    if process.running():
        process.stop()


def measure(*args, status=0):
    """The report of a run, as JSON has it."""
    result = run([*PERF, *args, "--quiet", "--format", "json"])
    report = json.loads(result.stdout)
    invalid = any(one["invalid"] for one in report["results"])
    assert result.returncode == (status or (FAILED if invalid else 0)), result
    return report


def sound(report):
    """All results, each of which was measured."""
    for result in report["results"]:
        assert result["error"] == 0 and result["runs"], result
        for one in result["runs"]:
            assert one["error"] == 0 and one["here"]["ops"] > 0 and one["here"]["ns"] > 0, one
    return report["results"]


def refused(status, pattern, *args):
    """A call that must fail with one line that matches."""
    result = run([*PERF, *args])
    text = result.stderr.decode(errors="replace")
    assert result.returncode == (STATUS[status] if isinstance(status, str) else status), (args, result)
    assert_one_line(result.stderr)
    assert re.search(pattern, text), text
    return result


# --- measuring --------------------------------------------------------------------------------------


CASES = [
    ["--backend", "tcp", "--op", "send", "--size", "16KiB", "--validate"],
    ["--backend", "tcp", "--bidir", "--threads", "2", "--eps", "2"],
    ["--backend", "tcp", "--test", "lat", "--op", "send"],
    ["--backend", "tcp", "--test", "open", "--op", "send", "--rate", "1000"],
    ["--backend", "fabric", "--provider", "tcp", "--size", "4KiB"],
    ["--backend", "fabric", "--provider", "shm", "--test", "rate", "--op", "send"],
    ["--backend", "fabric", "--provider", "tcp", "--test", "reg"],
]


@pytest.mark.full
def test_tests_and_back_ends_one_after_the_other(server):
    for args in CASES:
        (result,) = sound(measure("run", server.addr, *args, *SHORT))
        case, one = result["case"], result["runs"][0]
        assert case["backend"] == args[1]
        if case["test"] == "bw" and case["op"] == "send":
            assert one["there"]["landed"] > 0, "both ends count"
        if case["test"] in ("lat", "open", "reg"):
            assert one["latency"]["count"] > 0
        assert one["here"]["cpu"]["process_s"] > 0 and one["there"]["cpu"]["process_s"] > 0, "processor time at both ends"
        if case["bidir"]:
            assert one["there"]["ops"] > 0
        if args[1] == "tcp":
            assert one["here"]["is_tcp"] and one["there"]["is_tcp"]


@pytest.mark.full
def test_setup_opens_fresh_connections(server):
    (result,) = sound(measure("run", server.addr, "--backend", "tcp", "--test", "setup", "--op", "send",
                              "--iters", "5", "--repeats", "1"))
    assert result["runs"][0]["latency"]["count"] == 5 and result["runs"][0]["here"]["ops"] == 5


def test_a_run_over_tcp(server):
    report = measure("run", server.addr, "--backend", "tcp", "--size", "1KiB,2KiB", *SHORT[:-1], "2")
    results = sound(report)
    assert [result["case"]["size"] for result in results] == [1024, 2048]
    assert all(len(result["runs"]) == 2 and one["here"]["ops"] == 200 for result in results for one in result["runs"])
    assert report["command"].startswith("weft perf run") and report["here"]["facts"] and report["there"]["facts"]


@pytest.mark.parametrize("backend", ["loop", "model"])
def test_back_ends_of_one_process_need_no_server(backend):
    (result,) = sound(measure("run", "--backend", backend, "--size", "64", "--iters", "5000", "--warm", "1ms", "--repeats", "1"))
    assert result["case"]["backend"] == backend


def test_what_is_planted_is_reported():
    (result,) = sound(measure("run", "--backend", "model", "--model", "service=3us", "--test", "lat", "--op", "send",
                              "--iters", "5000", "--warm", "1ms", "--repeats", "6"))
    assert result["reached"] and len(result["runs"]) == 6, "the same figure each time: six are enough"
    assert abs(result["p50_ns"]["median"] - 6000) <= 6, "there and back"


def test_repeats_end_at_their_limit_and_that_is_said():
    result = run([*PERF, "run", "--backend", "loop", "--iters", "1000", "--warm", "1ms", "--repeats", "3"])
    assert result.returncode == 0 and re.search(rb"not.reached", result.stdout), result


@pytest.mark.full
def test_sizes_by_range(server):
    results = sound(measure("run", server.addr, "--backend", "tcp", "--size", "64..1KiB,96", *SHORT))
    assert [result["case"]["size"] for result in results] == [64, 128, 256, 512, 1024, 96]


@pytest.mark.full
def test_what_the_printed_formats_are(tmp_path):
    for name, first in (("table", b"command:"), ("fabtests", b"bytes"), ("perftest", b" #bytes"), ("csv", b"")):
        result = run([*PERF, "run", "--backend", "loop", "--iters", "1000", "--warm", "1ms", "--repeats", "1",
                      "--format", name])
        assert result.returncode == 0 and first in result.stdout, (name, result)
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "csv", "html")}
    args = [arg for kind, path in files.items() for arg in (f"--{kind}", path)]
    assert run([*PERF, "run", "--backend", "loop", "--iters", "1000", "--warm", "1ms", "--repeats", "1", *args]).returncode == 0
    assert json.loads(files["json"].read_text())["results"] and b"<html" in files["html"].read_bytes()
    assert files["csv"].read_text().count("\n") >= 2


@pytest.mark.full
def test_compare_takes_turns(server, tmp_path):
    path = tmp_path / "report.json"
    result = run([*PERF, "compare", server.addr, "--a", "tcp", "--b", "fabric:tcp", "--size", "1KiB", *SHORT[:-1], "2",
                  "--json", path])
    assert result.returncode in (0, FAILED) and b"first: TCP" in result.stdout, result
    first, second = sound(json.loads(path.read_text()))
    assert (first["case"]["backend"], second["case"]["backend"]) == ("tcp", "fabric")
    assert len(first["runs"]) == len(second["runs"]) == 2


def test_diff_tells_worse_by_its_status(tmp_path):
    reports = {}
    for name, service in (("fast", "1us"), ("slow", "2us")):
        reports[name] = str(tmp_path / name)
        result = run([*PERF, "run", "--backend", "model", "--test", "lat", "--op", "send", "--iters", "2000", "--warm", "1ms",
                      "--repeats", "6", "--model", f"service={service}", "--json", reports[name]])
        assert result.returncode == 0, result
        text = (tmp_path / name).read_text().replace(f'"model":"service={service}"', '"model":""')
        (tmp_path / name).write_text(text)
    assert run([*PERF, "diff", reports["fast"], reports["fast"]]).returncode == 0
    assert run([*PERF, "diff", reports["slow"], reports["fast"]]).returncode == 0
    assert run([*PERF, "diff", reports["fast"], reports["slow"]]).returncode == 1
    assert run([*PERF, "diff", reports["fast"], reports["slow"], "--tolerance", "100"]).returncode == 0
    # What else has changed is said.
    same = run([*PERF, "diff", reports["fast"], reports["fast"]]).stdout
    moved = json.loads((tmp_path / "fast").read_text())
    next(fact for fact in moved["here"]["facts"] if fact["name"] == "kernel")["value"] = "9.9.9"
    (tmp_path / "moved").write_text(json.dumps(moved))
    other = run([*PERF, "diff", reports["fast"], tmp_path / "moved"])
    assert other.returncode == 0 and b"now 9.9.9" in other.stdout and b", now " not in same, (other, same)


@pytest.mark.full
def test_a_pace_over_tcp_is_kept(server):
    pace = 20 << 20
    result = sound(measure("run", server.addr, "--backend", "tcp", "--op", "send", "--size", "16KiB", "--pace", "20MiB",
                           "--duration", "2s", "--warm", "200ms", "--repeats", "1"))[0]
    for side in ("here", "there"):
        one = result["runs"][0][side]
        rate = (one["bytes"] if side == "here" else one["landed"]) / one["ns"] * 1e9
        assert rate < 1.01 * pace, (side, rate)
        # A tester that the machine did not run for so long has not made up for it.
        if max(result["runs"][0][end]["longest_gap_ns"] for end in ("here", "there")) < 5e6:
            assert rate > 0.99 * pace, (side, rate)


@pytest.mark.full
def test_the_record_has_what_weft_doctor_says(monkeypatch):
    monkeypatch.delenv("WEFT_PERF_DOCTOR")
    server = PerfServer()
    try:
        report = measure("run", server.addr, "--backend", "tcp", "--size", "64", *SHORT)
    finally:
        server.stop()
    doctor = json.loads(run([WEFT, "doctor", "--json", "--only", "A,B,C,D,E,F,G"]).stdout)
    for side in ("here", "there"):
        fact = {one["name"]: one["value"] for one in report[side]["facts"]}["doctor"]
        assert fact.startswith(doctor["verdict"]), fact
        assert all(f"{cause} " in fact for cause in doctor["root_causes"][:1]), fact


def test_a_matrix_measures_each_pair_once(tmp_path):
    servers = [PerfServer() for _ in range(3)]
    path = tmp_path / "matrix.json"
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{server.addr}  # a remark\n" for server in servers))
    result = run([*PERF, "matrix", hosts, "--backend", "tcp", *SHORT[:4], "--json", path])
    assert result.returncode in (0, FAILED) and not result.stderr, result
    matrix = json.loads(path.read_text())
    pairs = [{pair["a"], pair["b"]} for pair in matrix["pairs"]]
    assert all("gb_per_s" in pair for pair in matrix["pairs"]), matrix
    assert sorted(map(sorted, pairs)) == sorted(sorted({a.addr, b.addr}) for i, a in enumerate(servers) for b in servers[:i])
    assert [host["pairs"] for host in matrix["hosts"]] == [2, 2, 2]
    for host in matrix["hosts"]:
        assert {"kernel", "cpu"} <= {fact["name"] for fact in host["facts"]}, host
    servers[2].stop()
    result = run([*PERF, "matrix", ",".join(server.addr for server in servers), "--backend", "tcp", *SHORT[:4], "--json", path])
    assert result.returncode == FAILED and result.stderr.count(b"\n") == 2, result
    assert sum("error" in pair for pair in json.loads(path.read_text())["pairs"]) == 2, "the pair that lives is measured"
    for server in servers[:2]:
        server.stop()


EMULATED = '''
if [ "$WEFT_EMU_HOST" = 0 ]; then exec "$@" server --listen-addr 127.0.0.1:0 --once >$PORT.new; fi
until [ -s $PORT.new ]; do sleep 0.05; done
"$@" run $(sed 's/.* //' $PORT.new) --backend fabric --provider efa --size 4KiB --duration 1s --repeats 1 --timeout 60s --json $PORT
[ $? -le 1 ]'''


@pytest.mark.nightly
def test_the_nics_of_both_hosts_have_counted(tmp_path):
    path = tmp_path / "report.json"
    result = run([WEFT, "emu", "--hosts", "2", "--", "sh", "-c", EMULATED, "sh", *PERF], timeout=180,
                 env={**os.environ, "PORT": str(path)})
    assert result.returncode == 0, result
    report = json.loads(path.read_text())
    (one,) = sound(report)[0]["runs"]
    assert report["emulated"]
    assert sum(nic["tx_bytes"] for nic in one["here"]["nics"]) > one["here"]["bytes"] / 2
    assert sum(nic["rx_bytes"] for nic in one["there"]["nics"]) > one["here"]["bytes"] / 2


# --- ends -------------------------------------------------------------------------------------------


def test_an_interrupt_still_writes_what_was_measured(server, tmp_path):
    path = tmp_path / "report.json"
    process = Process([*PERF, "run", server.addr, "--backend", "tcp", "--iters", "100", "--warm", "1ms", "--repeats", "1000",
                       "--confidence", "0", "--json", path])
    for threads in (2, 1, 2):  # in the second repeat
        wait_for(lambda: server.threads_of_runs() == threads or not process.running(), ANSWER_S, server.describe)
    process.signal(signal.SIGINT)
    assert process.wait(ANSWER_S) in (FAILED, 130), process.describe()
    report = json.loads(path.read_text())
    assert report["interrupted"] and report["results"][0]["runs"][0]["here"]["ops"] == 100
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))


def test_a_client_that_dies_frees_the_server(server):
    process = Process([*PERF, "run", server.addr, "--backend", "tcp", "--duration", "1h", "--warm", "10ms"])
    wait_for(lambda: server.threads_of_runs() > 1, ANSWER_S, server.describe)
    process.kill()
    wait_for(lambda: server.threads_of_runs() == 0, ANSWER_S, server.describe)
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))


def test_a_server_that_dies_ends_the_run(server, tmp_path):
    path = tmp_path / "report.json"
    process = Process([*PERF, "run", server.addr, "--backend", "tcp", "--size", "1KiB,2KiB", "--duration", "1h",
                       "--warm", "10ms", "--json", path])
    wait_for(lambda: server.threads_of_runs() > 1, ANSWER_S, server.describe)
    server.kill()
    assert process.wait(ANSWER_S) == STATUS["EPEERGONE"], process.describe()
    assert json.loads(path.read_text())["results"], "what there was is written"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_a_run(number):
    server = PerfServer()
    process = Process([*PERF, "run", server.addr, "--backend", "tcp", "--duration", "1h", "--warm", "10ms"])
    wait_for(lambda: server.threads_of_runs() > 1, ANSWER_S, server.describe)
    server.stop(number)
    assert process.wait(ANSWER_S) == STATUS["EPEERGONE"], process.describe()


def test_once_is_for_one_client():
    server = PerfServer("--once")
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))
    assert server.wait(ANSWER_S) == 0, server.describe()


# --- the control channel ----------------------------------------------------------------------------


@contextlib.contextmanager
def call(server):
    with socket.create_connection(("127.0.0.1", server.port), ANSWER_S) as sock, sock.makefile("rb") as lines:
        yield sock, lines


def versions():
    text = (ROOT / "src/perf/session.h").read_text(encoding="utf-8")
    fields = (ROOT / "src/perf/report_fields.h").read_text(encoding="utf-8")
    name = re.search(r'PERF_SCHEMA_NAME +"([^"]+)"', fields).group(1)
    number = re.search(r"PERF_SCHEMA_VERSION +(\d+)", fields).group(1)
    return {"protocol": int(re.search(r"PERF_PROTOCOL +(\d+)", text).group(1)), "schema": f"{name} {number}", "version": "test"}


def say(sock, **message):
    sock.sendall(json.dumps(message).encode() + b"\n")


def hello(sock, lines):
    say(sock, type="hello", id=1, **versions())
    answer = json.loads(lines.readline())
    assert answer["type"] == "ok", answer
    json.loads(lines.readline())  # the environment


JUNK = [
    b"\n", b"GET / HTTP/1.1\r\n", b"\0\0\0\n", b"{}\n", b"[" * 500 + b"\n", b'{"type":1}\n', b'{"type":"case","id":1}\n',
    b'{"type":"hello","id":1}\n', b"x" * 5000, b'{"type":"hello","id":1,"protocol":-1,"schema":{}}\n',
]


def test_junk_at_the_door_gets_an_error(server):
    for junk in JUNK:
        with call(server) as (sock, lines):
            sock.sendall(junk)
            answer = json.loads(lines.readline())
            assert answer["type"] == "error" and answer["code"] in (CODE["EMESSAGE"], CODE["EPROTOCOL"]), (junk, answer)
            assert lines.readline() == b"", "and is shown out"
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))


def test_who_says_nothing_keeps_nobody_out(server):
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(call(server))
        sound(measure("run", server.addr, "--backend", "tcp", *SHORT))
        assert server.fds() < 60, "the oldest give way"


STRANGE = [
    {"type": "nonsense"}, {"type": "start"}, {"type": "connect"}, {"type": "status"}, {"type": "measure"}, {"type": "end"},
    {"type": "fresh"}, {"type": "meet", "data": "00"}, {"type": "port", "index": 0, "data": "00"}, {"type": "visit"},
    {"type": "port", "index": 1e300, "data": "zz"}, {"type": "case"}, {"type": "visit", "address": "nowhere"},
]


def test_strange_messages_get_an_error_and_the_session_goes_on(server):
    with call(server) as (sock, lines):
        hello(sock, lines)
        for number, message in enumerate(STRANGE, 2):
            say(sock, id=number, **message)
            answer = json.loads(lines.readline())
            assert answer["type"] == "error" and answer["id"] == number and answer["why"], (message, answer)
        say(sock, type="case", id=50, report=True)
        sock.sendall(b'{"schema":"weft-perf-report"}\n')
        assert json.loads(lines.readline())["type"] == "error"
        say(sock, type="bye", id=51)
        assert json.loads(lines.readline()) == {"type": "ok", "id": 51}


def test_lines_without_end_cost_no_memory(server):
    before = server.rss()
    with call(server) as (sock, lines):
        hello(sock, lines)
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                sock.sendall(b"x" * (1 << 20))
        with contextlib.suppress(ConnectionError):
            while lines.readline():
                pass
    wait_for(lambda: server.threads_of_runs() == 0, ANSWER_S, server.describe)
    assert server.rss() - before < 32 << 20
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))


def test_a_busy_server_says_with_whom(server):
    with call(server) as (sock, lines):
        hello(sock, lines)
        result = refused(1, "busy with 127.0.0.1:", "run", server.addr, "--backend", "tcp")
        assert str(sock.getsockname()[1]).encode() in result.stderr
    wait_for(lambda: server.threads_of_runs() == 0, ANSWER_S, server.describe)


def test_other_versions_are_refused_by_the_server(server):
    for change in ({"protocol": 999}, {"schema": "weft-perf-report 999"}):
        with call(server) as (sock, lines):
            say(sock, type="hello", id=1, **{**versions(), **change})
            answer = json.loads(lines.readline())
            assert answer["code"] == CODE["EVERSION"] and "999" in answer["why"] and "protocol" in answer["why"], answer


@contextlib.contextmanager
def stand_in(answer):
    """A server of one answer, which then waits until the client has gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(4096)
                    if answer:
                        sock.sendall(answer)
                    while sock.recv(4096):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    thread.join(ANSWER_S)


def test_answers_that_are_none_end_the_client():
    other = json.dumps({"type": "ok", "id": 1, **versions(), "protocol": 999}).encode() + b"\n"
    for answer, status, pattern in (
        (other, "EVERSION", "protocol 999"),
        (b"SSH-2.0-OpenSSH\r\n", "EPROTOCOL", "no message of weft perf"),
        (b"", "EDEADLINE", "did not answer"),
        (b'{"type":"ok","id":1}\n', "EPROTOCOL", "no weft perf"),
    ):
        with stand_in(answer) as addr:
            refused(status, pattern, "run", addr, "--backend", "tcp", "--timeout", "500ms")


# --- bad input --------------------------------------------------------------------------------------


def test_the_words_of_the_options_are_those_of_the_cases():
    text = (ROOT / "src/perf/case.def").read_text(encoding="utf-8")
    rows, _ = options.read("perf", "case_opts")
    words = {option.name: option.words.split("|") for option in rows if option.type == "choice"}
    assert words["test"] == re.findall(r'^TEST\(\w+, "(\w+)"', text, re.M)
    assert words["op"] == re.findall(r'^OP\(\w+, "(\w+)"', text, re.M)


def test_no_server_there():
    with deaf_port() as port:
        refused("EUNAVAILABLE", f"127.0.0.1:{port}", "run", f"127.0.0.1:{port}", "--backend", "tcp")
    refused("EINVAL" if "EINVAL" in STATUS else 1, "does not resolve", "run", "no-such-host.invalid", "--backend", "tcp")


ALONE = ["--backend", "loop", "--iters", "1000", "--warm", "1ms", "--repeats", "1"]


@pytest.mark.parametrize("args,pattern", [
    (["run", "--backend", "nonsense"], "no back end 'nonsense': there are loop"),
    (["run", "--backend", "tcp"], "HOST is missing"),
    (["run", "somewhere", *ALONE], "leave HOST out"),
    (["run", *ALONE, "--provider", "tcp"], "leave --provider out"),
    (["run", *ALONE, "--size", "0"], "is no size"),
    (["run", *ALONE, "--size", "64,x"], "'x' is no size"),
    (["run", *ALONE, "--size", "1KiB..64"], "goes down"),
    (["run", *ALONE, "--size", "edges"], "no protocol edges"),
    (["run", *ALONE, "--duration", "1s"], "exclude each other"),
    (["run", *ALONE, "--eps", "2", "--qps", "2"], "the same"),
    (["run", *ALONE, "--test", "open"], "needs --rate"),
    (["run", *ALONE, "--test", "lat", "--window", "2"], "one operation in flight"),
    (["run", "--backend", "loop", "--devices", "rdmap0s6"], "has no devices"),
    (["run", "--backend", "loop", "--nics", "2"], "has no devices"),
    (["run", "localhost", "--backend", "tcp", "--nics", "2"], "has no devices"),
    (["run", "--backend", "loop", "--inline", "64"], "sends nothing inline"),
    (["matrix", "localhost"], "two hosts at least"),
    (["matrix", "localhost,localhost"], "named twice"),
    (["matrix", "a,b", "--backend", "loop"], "no other side"),
    (["matrix", "a,b", "--size", "64,128"], "one --size"),
    ([], "a command is missing"),
    (["server", "--size", "64"], "--size"),
])
def test_options_that_do_not_go_together(args, pattern):
    refused(USAGE, pattern, *args)


@pytest.mark.full
def test_limits_are_said_and_never_kept_to_in_silence(server):
    for args, pattern in (
        (["--backend", "tcp", "--size", "2GiB"], "size"),
        (["--backend", "tcp", "--post-list", "65"], "post-list"),
        (["--backend", "tcp", "--test", "reg"], "tcp"),
        (["--backend", "tcp", "--test", "lat", "--bidir"], "both ways"),
        (["--backend", "tcp", "--size", "1GiB", "--eps", "64", "--threads", "64"], "would register"),
        (["--backend", "fabric", "--provider", "nonsense"], "nonsense"),
        (["--backend", "fabric", "--provider", "tcp", "--devices", "bogus0"], "bogus0"),
        (["--backend", "fabric", "--provider", "shm", "--inline", "1000000"], "inline"),
    ):
        result = run([*PERF, "run", server.addr, *args, *SHORT])
        assert result.returncode != 0 and re.search(pattern, result.stderr.decode()), (args, result)
    sound(measure("run", server.addr, "--backend", "tcp", *SHORT))


def test_the_server_keeps_to_its_own_devices_and_memory():
    server = PerfServer("--devices", "only0,only1", "--max-memory", "1MiB")
    for args, pattern in ((["--backend", "fabric", "--provider", "tcp", "--devices", "lo", "--size", "64"], "not one that this server offers"),
                          (["--backend", "tcp", "--size", "1MiB"], "--max-memory")):
        result = run([*PERF, "run", server.addr, *args, *SHORT])
        assert result.returncode != 0 and re.search(pattern, result.stderr.decode()), result
    server.stop()


@pytest.mark.full
def test_a_full_disk_is_told(tmp_path):
    for option in ("--json", "--csv", "--html"):
        result = run([*PERF, "run", *ALONE, option, "/dev/full"])
        assert result.returncode == 1 and b"/dev/full" in result.stderr and result.stdout, result
    result = run(["sh", "-c", f"{' '.join(PERF)} run {' '.join(ALONE)} --json {tmp_path}/report.json >/dev/full"])
    assert result.returncode == 1 and result.stderr, result
    assert json.loads((tmp_path / "report.json").read_text())["results"], "what was measured is kept"


def test_files_that_are_no_reports(tmp_path):
    bad = tmp_path / "bad"
    for content in (b"", b"{", b"[]", b'{"schema":"other"}'):
        bad.write_bytes(content)
        refused(1, "bad", "diff", bad, bad)
    refused(1, "no-such-file", "diff", tmp_path / "no-such-file", bad)


def test_an_address_that_is_taken(server):
    refused(1, "cannot listen", "server", "--listen-addr", server.addr)
    refused(1, "cannot listen", "server", "--listen-addr", "203.0.113.1:0")
