# SPDX-License-Identifier: Apache-2.0
"""The program `weft emu`: worlds, commands on hosts, signals, mounts, faults by hand, bad input."""
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import options
from harness import BUILD, ROOT, SANITIZER, USAGE, WEFT, Process, assert_one_line, free_port, run, wait_for

pytestmark = pytest.mark.alone

EMU = [str(WEFT), "emu"]
OPTIONS, COMMANDS = options.read("emu")
FAILED, NO_EXEC, NOT_FOUND = 125, 126, 127
WARNING = b"weft emu: EFA devices are emulated"
SHELL = ["sh", "-c"]
PRIVATE = f"weft-emu-{os.geteuid()}."


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    """No world around the tests, and `weft` by its name for scripts."""
    for name in [name for name in os.environ if name.startswith("WEFT_EMU_")] + ["SYSFS_PATH", "LD_LIBRARY_PATH"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{WEFT.parent}:{os.environ['PATH']}")


@pytest.fixture
def world():
    """A directory for a world that is not there yet, on shared memory as users have it."""
    parent = tempfile.mkdtemp(prefix="weft-test-", dir="/dev/shm")
    yield f"{parent}/world"
    shutil.rmtree(parent)


def emu(*args, status=0, **more):
    """Standard output of a call that ends with the status."""
    result = run([*EMU, *args], **more)
    assert result.returncode == status, (args, result)
    return result.stdout.decode()


ALONE = ["unshare", "-m" if os.geteuid() == 0 else "-rm"]
ALONE_SCRIPT = """
mount -t tmpfs none /dev/shm || exit 99
"$@"; status=$?
for path in /dev/shm/*; do [ -e "$path" ] && echo "left behind: $path" >&2; done
exit $status"""


def may_be_alone():
    return subprocess.run([*ALONE, *SHELL, ALONE_SCRIPT, "sh", "true"], capture_output=True, check=False).returncode == 0


MAY_BE_ALONE = may_be_alone()


def run_alone(args, **more):
    """Runs it with a /dev/shm of its own, where nothing may be left afterwards."""
    result = run([*ALONE, *SHELL, ALONE_SCRIPT, "sh", *args] if MAY_BE_ALONE else args, **more)
    assert b"left behind" not in result.stderr, result
    return result


def refused(status, pattern, *args, alone=False, **more):
    """A call that must fail with one line that matches."""
    result = (run_alone if alone else run)([*EMU, *args], **more)
    text = result.stderr.decode(errors="replace")
    assert result.returncode == status, (args, result)
    assert not result.stdout, (args, result)
    assert_one_line(result.stderr)
    assert re.search(pattern, text), f"{args}: {text}"


def state(world):
    return json.loads(emu("status", "--json", "--world", world))


def environment_of(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


# --- one command ------------------------------------------------------------------------------------


def test_a_command_finds_the_stand_ins_and_its_host():
    script = 'env; echo "abi=$(cat $SYSFS_PATH/class/infiniband_verbs/abi_version)"; ls $SYSFS_PATH/class/infiniband | sed s/^/nic=/'
    out = emu("--", *SHELL, script)
    env = environment_of(out)
    folder = Path(env["LD_LIBRARY_PATH"].split(":")[0])
    assert {"libibverbs.so.1", "libefa.so.1"} <= set(os.listdir(folder))
    assert env["WEFT_EMU_WORLD"].startswith("/dev/shm/" + PRIVATE)
    assert env["WEFT_EMU_HOST"] == "0" and "WEFT_EMU_HOSTS" not in env and "LD_PRELOAD" not in env
    assert env["SYSFS_PATH"] == env["WEFT_EMU_WORLD"] + "/host0/sys"
    assert int(env["abi"]) > 0 and env["nic"].startswith("rdmap")
    assert not os.path.exists(env["WEFT_EMU_WORLD"])


def test_options_reach_the_environment(tmp_path):
    trace = tmp_path / "trace"
    env = environment_of(emu("--host", "5", "--trace", trace.name, "--nics", "3", "--", "env", cwd=tmp_path))
    assert env["WEFT_EMU_HOST"] == "5" and env["SYSFS_PATH"].endswith("/host5/sys")
    assert env["WEFT_EMU_TRACE"] == str(trace) and trace.exists()


def test_what_was_in_the_library_path_stays_behind():
    env = {**os.environ, "LD_LIBRARY_PATH": "/one:/two"}
    folders = environment_of(emu("--", "weft", "emu", "--", "env", env=env))["LD_LIBRARY_PATH"].split(":")
    assert len(folders) == 3 and folders[1:] == ["/one", "/two"], "once only, also when nested"
    env["LD_LIBRARY_PATH"] = f"/one:{folders[0]}"
    folders = environment_of(emu("--", "env", env=env))["LD_LIBRARY_PATH"].split(":")
    assert folders[0] == folders[2] and folders[1] == "/one", "what stands before it could hide it"


@pytest.mark.skipif(SANITIZER != "", reason="a sanitized library cannot be preloaded into other programs")
def test_preload_is_for_programs_with_a_path_of_their_own(tmp_path):
    env = environment_of(emu("--preload", "--", "weft", "emu", "--preload", "--", "env"))
    library = env["LD_LIBRARY_PATH"].split(":")[0] + "/libibverbs.so.1"
    assert env["LD_PRELOAD"] == library
    env = environment_of(emu("--preload", "--", "env", env={**os.environ, "LD_PRELOAD": library + ":" + library}))
    assert env["LD_PRELOAD"] == library + ":" + library
    # A program with an RPATH (not RUNPATH) finds the machine's own library first.
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\n#include <infiniband/verbs.h>\n"
        "int main(void) { int n = 0; ibv_get_device_list(&n); printf(\"%d devices\\n\", n); }\n", encoding="ascii")
    real = subprocess.run(["cc", "-print-file-name=libibverbs.so"], capture_output=True, check=True, text=True).stdout.strip()
    if not os.path.isabs(real):
        pytest.skip("no libibverbs to link here")
    subprocess.run(["cc", "-o", "main", "main.c", "-libverbs", f"-Wl,-rpath,{os.path.dirname(os.path.realpath(real))}",
                    "-Wl,--disable-new-dtags"], cwd=tmp_path, check=True)
    assert emu("--nics", "3", "--", str(tmp_path / "main")) == "0 devices\n"
    assert emu("--nics", "3", "--preload", "--", str(tmp_path / "main")) == "3 devices\n"


def test_arguments_are_passed_as_they_are():
    words = ["-x", "--help", "", "--", "a b", "--world", "\xe9"]
    assert emu("--", "printf", "[%s]", *words) == "".join(f"[{word}]" for word in words)
    assert emu("run", "--nics", "2", "--", "printf", "[%s]", "--version") == "[--version]"


@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_the_status_is_the_command_s(script, status, world):
    assert run_alone([*EMU, "--", *SHELL, script]).returncode == status
    assert run_alone([*EMU, "--hosts", "2", "--", *SHELL, script]).returncode == status
    if status < 128:  # else the shell of the test, in the place of the launcher, died itself
        emu("--world", world, "--", *SHELL, script, status=status)


def test_standard_input_and_output_are_the_command_s():
    assert emu("--", "cat", stdin=b"some\nlines") == "some\nlines"


def test_it_says_once_per_world_that_times_are_not_efa_s(world):
    result = run([*EMU, "--quiet", "--", *SHELL, "weft emu -- true; weft emu --host 1 -- true"])
    assert result.stderr.count(WARNING) == 1 and not result.stdout
    first, second = (run([*EMU, "--world", world, "--", "true"]) for _ in range(2))
    assert first.stderr.count(WARNING) == 1 and not second.stderr


def test_a_named_world_is_made_and_stays_and_the_command_replaces_the_launcher(world):
    process = Process([BUILD / "programs" / "emu" / "weft-emu", "--world", world, "--", *SHELL, "echo pid $$"])
    assert int(process.wait_line(rb"pid (\d+)", 20).group(1)) == process.pid
    assert process.wait(20) == 0
    assert [host["host"] for host in state(world)["hosts"]] == [0]
    emu("remove", "--world", world)
    assert not os.path.exists(world)


def test_inside_a_command_the_same_world_is_joined():
    script = """
        echo outer=$WEFT_EMU_WORLD
        weft emu -- sh -c 'echo same=$WEFT_EMU_WORLD host=$WEFT_EMU_HOST'
        weft emu --host 3 --nics 2 -- sh -c 'echo same=$WEFT_EMU_WORLD; weft emu -- sh -c "echo inner=\\$WEFT_EMU_HOST"'
        weft emu status --json"""
    lines = emu("--host", "1", "--", *SHELL, script).splitlines()
    outer = lines[0].split("=")[1]
    assert lines[1] == f"same={outer} host=1" and lines[2] == f"same={outer}" and lines[3] == "inner=3"
    hosts = {host["host"]: len(host["nics"]) for host in json.loads(lines[4])["hosts"]}
    assert hosts == {1: 1, 3: 2}
    assert not os.path.exists(outer)


# --- several hosts ------------------------------------------------------------------------------------


def test_hosts_run_at_the_same_time_and_know_who_they_are(tmp_path):
    # Each waits for the others: one after the other this would never end.
    script = """
        touch ready.$WEFT_EMU_HOST
        while [ $(ls ready.* | wc -l) -lt 4 ]; do sleep 0.02; done
        read word || word=none
        echo host $WEFT_EMU_HOST of $WEFT_EMU_HOSTS in $WEFT_EMU_WORLD got $word; echo problem >&2"""
    result = run([*EMU, "--hosts", "4", "--", *SHELL, script], stdin=b"not for them\n", timeout=30, cwd=tmp_path)
    assert result.returncode == 0
    lines = sorted(result.stdout.decode().splitlines())
    found = [re.fullmatch(r"\[host (\d)\] host (\d) of 4 in (\S+) got none", line) for line in lines]
    assert [(match[1], match[2]) for match in found] == [(n, n) for n in "0123"]
    assert len({match[3] for match in found}) == 1
    problems = [line for line in result.stderr.decode().splitlines() if "problem" in line]
    assert sorted(problems) == [f"[host {n}] problem" for n in range(4)]


def test_lines_of_hosts_stay_whole():
    script = r"""i=0; while [ $i -lt 300 ]; do printf 'start-'; printf '%s-%s-end\n' $WEFT_EMU_HOST $i; i=$((i+1)); done
        head -c 20000 /dev/zero | tr '\0' x; printf 'no newline at the end'"""
    lines = emu("--hosts", "3", "--", *SHELL, script).splitlines()
    for host in range(3):
        own = [line[len("[host 0] "):] for line in lines if line.startswith(f"[host {host}] ")]
        assert own[:300] == [f"start-{host}-{i}-end" for i in range(300)]
        assert "".join(own[300:]) == "x" * 20000 + "no newline at the end"
    assert all(re.match(r"\[host [012]\] ", line) for line in lines)


def test_no_prefix_passes_output_on():
    assert sorted(emu("--hosts", "2", "--no-prefix", "--", *SHELL, "echo line $WEFT_EMU_HOST").splitlines()) == ["line 0", "line 1"]


def test_the_first_failure_ends_the_others(tmp_path):
    start = time.monotonic()
    script = """
        trap "echo told to end; exit 9" TERM; touch ready.$WEFT_EMU_HOST
        while [ $(ls ready.* | wc -l) -lt 3 ]; do sleep 0.02; done
        [ $WEFT_EMU_HOST = 1 ] && exit 5; sleep 60 & wait"""
    result = run([*EMU, "--hosts", "3", "--", *SHELL, script], cwd=tmp_path)
    assert result.returncode == 5, result
    assert result.stdout.count(b"told to end") == 2
    assert b"host 1 ended with status 5" in result.stderr
    assert time.monotonic() - start < 9, "the sleeps were not waited for"


def test_with_keep_going_all_end_by_themselves(tmp_path):
    # The others end when the first has.
    script = (f"first={tmp_path}/first; [ $WEFT_EMU_HOST = 1 ] && echo $$ >$first && exit 5; "
              "until [ -s $first ] && ! grep -q '^State:.[RSDT]' /proc/$(cat $first)/status; do sleep 0.1; done; "
              "echo done; [ $WEFT_EMU_HOST = 0 ] && exit 6; exit 0")
    out = emu("--hosts", "3", "--keep-going", "--quiet", "--", *SHELL, script, status=5)
    assert out.count("done") == 2


@pytest.mark.full
def test_who_does_not_end_is_killed():
    start = time.monotonic()
    emu("--hosts", "2", "--", *SHELL, 'trap "" TERM; [ $WEFT_EMU_HOST = 1 ] && sleep 1 && exit 4; while :; do sleep 0.1; done', status=4)
    assert 9 < time.monotonic() - start < 30


def alive(pid):
    """Whether the process runs: one that is dead and not yet reaped by whoever inherited it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_hosts_leave_behind_is_ended():
    out = emu("--hosts", "2", "--", *SHELL, "sleep 60 >/dev/null 2>&1 & echo pid $!")
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", out)]
    assert len(pids) == 2
    wait_for(lambda: not any(map(alive, pids)), 10, "the sleeps to end")


# --- signals ------------------------------------------------------------------------------------------

COUNTER = """
import os, signal, sys, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
    signal.signal(number, lambda number, frame: (seen.append(number), print("got", number, flush=True)))
print("ready", os.getpid(), os.environ["WEFT_EMU_WORLD"], flush=True)
end = time.monotonic() + 30
while time.monotonic() < end and seen[-1:] != [signal.SIGUSR2]:
    time.sleep(0.05)
print("count", len(seen), flush=True)
sys.exit(42)
"""


@contextlib.contextmanager
def counting(*args):
    """A running command that tells each signal, its pid and its world."""
    process = Process([*EMU, *args, "--", sys.executable, "-c", COUNTER])
    match = process.wait_line(rb"ready (\d+) (\S+)", 20)
    yield process, int(match.group(1)), match.group(2).decode()
    process.kill()


@pytest.mark.parametrize("args", [(), ("--hosts", "1")])
def test_signals_reach_the_command_once_and_the_world_goes(args):
    with counting(*args) as (process, _, world):
        numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGUSR2]
        for number in numbers:
            process.signal(number)
            process.wait_line(rb"got %d\b" % number, 10)
        process.wait_line(rb"count %d\b" % len(numbers), 10)
        assert process.wait(20) == 42
        assert not os.path.exists(world)


def test_a_signal_to_the_whole_group_reaches_the_command_once():
    # As timeout(1) and CI runners send it.
    with counting() as (process, pid, _):
        assert os.getpgid(pid) != os.getpgid(process.pid)
        process.signal(signal.SIGTERM)
        process.wait_line(rb"got 15", 10)
        time.sleep(0.3)
        process.signal(signal.SIGUSR2)
        process.wait_line(rb"count 2\b", 10)


def test_a_signal_before_there_is_a_command_leaves_no_world():
    # Strewn over the whole of the start: whatever it hits, the world must go.
    script = """
        for i in $(seq 40); do
            "$@" & pid=$!
            sleep 0.00$((i % 10)); kill -TERM $pid; wait $pid
        done"""
    result = run_alone([*SHELL, script, "sh", str(BUILD / "programs/emu/weft-emu"), "--quiet", "--", "sleep", "20"], timeout=60)
    assert result.returncode in (143, 128 + signal.SIGTERM), result


def test_a_command_that_dies_of_a_passed_on_signal():
    process = Process([*EMU, "--", *SHELL, "echo ready $WEFT_EMU_WORLD; exec sleep 60"])
    world = process.wait_line(rb"ready (\S+)", 20).group(1)
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    assert not os.path.exists(world)


def test_all_hosts_get_a_signal():
    process = Process([*EMU, "--hosts", "3", "--quiet", "--", *SHELL, 'trap "echo told; exit 0" TERM; echo ready; sleep 60 & wait'])
    wait_for(lambda: b"".join(process.out).count(b"ready") == 3, 20, process.describe)
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert b"".join(process.out).count(b"told") == 3


@pytest.mark.parametrize("args", [(), ("--hosts", "2")])
def test_a_killed_launcher_takes_its_command_along_and_leaves_no_world_for_long(args):
    with counting(*args) as (process, pid, world):
        process.signal(signal.SIGKILL)
        assert process.wait(20) == -signal.SIGKILL
        wait_for(lambda: not alive(pid), 10, "the command to end")
        assert os.path.exists(world), "nobody was there to remove it"
        os.utime(world, (0, 0))  # one that is only just being made is left alone
        emu("--", "true")
        assert not os.path.exists(world)


def test_worlds_in_use_are_not_swept():
    with counting() as (process, _, world):
        os.utime(world, (0, 0))
        emu("--", "true")
        assert os.path.exists(world + "/world")
        process.signal(signal.SIGUSR2)
        assert process.wait(20) == 42


def read_terminal(fd, pattern, seconds=20):
    """What the terminal shows until pattern."""
    end, text = time.monotonic() + seconds, b""
    os.set_blocking(fd, False)
    while not re.search(pattern, text):
        assert time.monotonic() < end, text
        try:
            text += os.read(fd, 65536)
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:
            raise AssertionError(text) from None
    return text


def test_at_a_terminal_keys_reach_the_command_once_and_it_can_read():
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(EMU[0], [*EMU, "--", *SHELL, f"read line; echo read:$line; exec {sys.executable} -c '{COUNTER}'"])
    try:
        read_terminal(fd, WARNING)
        os.write(fd, b"typed\n")
        read_terminal(fd, rb"read:typed(.|\n)*ready")
        os.write(fd, b"\x03")
        read_terminal(fd, rb"got 2")
        time.sleep(0.3)
        os.kill(pid, signal.SIGUSR2)
        read_terminal(fd, rb"count 2\b")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
        pid = 0
    finally:
        os.close(fd)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


# --- worlds -------------------------------------------------------------------------------------------


def test_create_says_what_hosts_are_and_status_shows_it(world):
    assert emu("create", "--world", world, "--hosts", "2", "--nics", "3", "--limit", "10Gbps", "--seed", "77",
               "--timeout", "300ms", "--fault", "loss:p=5%", "--device", "mtu=4096") == ""
    seen = state(world)
    assert (seen["world"], seen["carrier"], seen["seed"], seen["timeout_ns"]) == (world, "rings", 77, 300_000_000)
    assert [host["host"] for host in seen["hosts"]] == [0, 1] and not seen["processes"]
    nics = [nic for host in seen["hosts"] for nic in host["nics"]]
    assert len(nics) == 6 and len({nic["gid"] for nic in nics}) == 6
    assert len({nic["name"] for nic in nics}) == 3
    for nic in nics:
        assert nic["gid"].startswith("fe80:") and nic["state"] == "up" and nic["queue_pairs"] == 0
        assert nic["limit"] == 1_250_000_000
        names = re.findall(r"^EMU_COUNTER\((\w+),", (ROOT / "emu/counter.def").read_text(encoding="ascii"), re.M)
        assert list(nic["counters"]) == names
    assert seen["faults"] == [{"number": 1, "text": "loss:p=5%", "seen": 0, "hit": 0}]
    text = emu("status", "--world", world)
    assert "seed 77" in text and "300ms" in text and "limit 10 Gbps" in text and "fault 1: loss:p=5%, seen 0, hit 0" in text
    for nic in nics:
        assert nic["gid"] in text and nic["name"] in text
    inside = emu("--world", world, "--host", "1", "--", *SHELL, "ls $SYSFS_PATH/class/infiniband")
    assert inside.split() == sorted({nic["name"] for nic in nics})


def test_faults_come_and_go_by_number(world):
    emu("create", "--world", world)
    assert emu("fault", "--world", world, "rnr:count=3", "delay:us=50").split() == ["1", "2"]
    assert emu("fault", "--world", world, "loss").split() == ["3"]
    emu("clear", "--world", world, "2")
    assert [(fault["number"], fault["text"]) for fault in state(world)["faults"]] == [(1, "rnr:count=3"), (3, "loss")]
    refused(1, "no fault 2", "clear", "--world", world, "2")
    assert emu("fault", "--world", world, "loss").split() == ["4"], "a number is not used again"
    emu("clear", "--world", world, "all")
    assert state(world)["faults"] == []
    emu("fault", "--world", world, "loss")
    emu("clear", "--world", world)
    assert state(world)["faults"] == []


def test_faults_have_a_limit(world):
    emu("create", "--world", world)
    emu("fault", "--world", world, *["loss:p=0"] * 64)
    refused(1, "faults already.*weft emu clear", "fault", "--world", world, "rnr")
    refused(FAILED, "faults already.*weft emu clear", "--world", world, "--fault", "rnr", "--", "true")


def port_states(world, host):
    pattern = f"host{host}/sys/class/infiniband/*/ports/1/state"
    return [path.read_text(encoding="ascii").strip() for path in sorted(Path(world).glob(pattern))]


def test_devices_go_down_and_up(world):
    emu("create", "--world", world, "--hosts", "2", "--nics", "2")

    def states():
        return [nic["state"] for host in state(world)["hosts"] for nic in host["nics"]]

    assert states() == ["up"] * 4
    emu("down", "--world", world, "h0n1", "h1")
    assert states() == ["up", "down", "down", "down"]
    assert port_states(world, 0) == ["4: ACTIVE", "1: DOWN"], "sysfs shows it too"
    emu("up", "--world", world, "h1n0")
    assert states() == ["up", "down", "up", "down"]
    emu("up", "--world", world, "h0", "h1")
    assert states() == ["up"] * 4 and port_states(world, 0) == ["4: ACTIVE"] * 2
    emu("fault", "--world", world, "nic-down:host=1,nic=1")
    assert states() == ["up", "up", "up", "down"], "a fault takes a device down too"


def test_the_environment_names_the_world_for_all_commands():
    script = """weft emu fault rnr && weft emu down h0n0 && weft emu status && weft emu clear 1 && weft emu up h0 && weft emu status"""
    out = emu("--", *SHELL, script)
    assert out.startswith("1\n") and "fault 1: rnr" in out and " down, 0 queue pairs" in out and " up, 0 queue pairs" in out


def test_a_world_is_not_made_twice_nor_changed_by_options(world):
    emu("create", "--world", world, "--nics", "2", "--seed", "5", "--limit", "1Gbps")
    emu("create", "--world", world, "--nics", "2", "--seed", "5")
    emu("--world", world, "--nics", "2", "--", "true")
    for name, value in (("nics", "3"), ("device", "mtu=2048"), ("limit", "2Gbps")):
        refused(FAILED, f"--{name}: host 0 of the world is there already", "--world", world, f"--{name}", value, "--", "true")
    refused(FAILED, "--seed: .* has the seed 5", "--world", world, "--seed", "6", "--", "true")
    refused(FAILED, "--udp: .* shared memory", "--world", world, "--udp", "127.0.0.1", "--", "true")
    emu("--world", world, "--host", "1", "--nics", "3", "--timeout", "5s", "--", "true")
    seen = state(world)
    assert [len(host["nics"]) for host in seen["hosts"]] == [2, 3] and seen["timeout_ns"] == 5 * 10**9


def test_remove_takes_the_world_and_nothing_else(world):
    emu("create", "--world", world)
    Path(world, "notes").write_text("mine", encoding="ascii")
    refused(1, "other files", "remove", "--world", world)
    assert os.listdir(world) == ["notes"]
    refused(1, "no emulated world", "remove", "--world", world)
    assert os.listdir(world) == ["notes"]
    refused(1, "No such file", "remove", "--world", world + "/none")


def test_udp_worlds_have_addresses_and_ports(world):
    emu("create", "--world", world, "--hosts", "2", "--udp", "127.0.0.1:30000")
    assert state(world)["carrier"] == "udp"
    text = emu("status", "--world", world)
    assert "host 0: profile generic, 1 NIC, UDP 127.0.0.1:30000..30127" in text
    assert "UDP 127.0.0.1:30128..30255" in text
    # Inside, a further host needs no address of its own.
    emu("--world", world, "--", "weft", "emu", "--host", "4", "--", "true")
    assert "UDP 127.0.0.1:30512..30639" in emu("status", "--world", world)


def listened_at(port):
    """Whether somebody listens at the port on IPv4, without connecting: some take one client only."""
    table = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(fields[1].endswith(f":{port:04X}") and fields[3] == "0A" for fields in map(str.split, table))


@pytest.mark.skipif(not shutil.which("fi_pingpong") or SANITIZER != "", reason="no fi_pingpong that loads the stand-in here")
def test_status_shows_who_is_there_and_remove_minds_them(world):
    emu("create", "--world", world)
    port = free_port()
    pingpong = ["fi_pingpong", "-p", "efa", "-e", "rdm", "-S", "4096"]
    server = Process([*EMU, "--world", world, "--", *pingpong, "-B", port, "-I", "1000000"])

    def process():
        found = state(world)["processes"]
        return found and found[0]

    # The queue pairs come with the client: fi_pingpong's server waits for it first.
    wait_for(lambda: listened_at(port), 20, server.describe)
    client = Process([*EMU, "--world", world, "--host", "1", "--", *pingpong, "-P", port, "-I", "1000000", "127.0.0.1"])
    seen = wait_for(process, 20, lambda: server.describe() + client.describe())
    assert seen["alive"] and seen["pid"] in (server.pid, client.pid) and seen["command"].startswith("fi_pingpong")
    wait_for(lambda: all(nic["queue_pairs"] and nic["counters"]["tx_pkts"] for host in state(world)["hosts"] for nic in host["nics"]),
             20, lambda: emu("status", "--world", world) + client.describe())
    text = emu("status", "--world", world)
    assert f"pid {server.pid} on host 0, fi_pingpong, alive" in text and "tx_bytes" in text
    refused(1, "2 processes use", "remove", "--world", world)
    client.kill()
    server.kill()
    emu("remove", "--world", world)


# --- the examples of the man page -----------------------------------------------------------------------


def examples():
    """Blocks of the man page that are not marked as never run: [(what stands before it, text)]."""
    page = (ROOT / "docs/man/weft-emu.1.scd.in").read_text(encoding="utf-8").split("# EXAMPLES", 1)[1]
    parts = page.split("\n```\n")
    return [(before, text) for before, text in zip(parts[::2], parts[1::2]) if "(not run)" not in before]


EXAMPLES = examples()


def own_network():
    """Runs what follows where nobody else has the ports of the examples, if that is allowed."""
    alone = ["unshare", "-n", *SHELL, 'ip link set lo up && exec "$@"', "sh"]
    return alone if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0 else []


NEEDED = ["fi_info", "fi_pingpong", "ibv_devices", "ibv_devinfo", "ib_send_bw"]


@pytest.mark.full
@pytest.mark.skipif(SANITIZER != "" or not all(map(shutil.which, NEEDED)), reason="needs " + ", ".join(NEEDED))
@pytest.mark.parametrize("text", [text for _, text in EXAMPLES if not text.startswith("#!")], ids=str.strip)
def test_examples_of_the_man_page_work(text, tmp_path):
    if "--mount" in text and not may_mount():
        pytest.skip("no mount namespaces here")
    place = f"/dev/shm/weft-test-{os.getpid()}"
    for name, content in [("pair.sh", next(text for _, text in EXAMPLES if text.startswith("#!"))),
                          ("server", "#!/bin/sh\nibv_devices; sleep 2\n"), ("client", "#!/bin/sh\nibv_devices; sleep 2\n")]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    text = text.replace("/dev/shm/w", place).replace("sleep 1", "sleep 3")  # a busy machine is slower than a reader
    result = run([*own_network(), "bash", "-ec", text], cwd=tmp_path, timeout=120)
    assert result.returncode == 0, result
    assert not os.path.exists(place)
    if "-W hw_counters" in text:
        assert int(re.search(rb"tx_bytes=(\d+)", result.stdout).group(1)) >= 1000 * 4096
    elif "pingpong" in text or "pair.sh" in text:
        assert result.stdout.count(b"=10 ") == 12, "six sizes on both sides"
    elif "ib_send_bw" in text:
        assert result.stdout.count(b"BW average") == 2
    elif "/dev/shm" in text:
        assert b"fault 1: rnr:dst=h0,count=100" in result.stdout and result.stdout.count(b"rdmap") >= 16
    else:
        assert result.stdout.count(b"rdmap") >= 30, "32 devices of p5.48xlarge"


# --- mounts -------------------------------------------------------------------------------------------


def may_mount():
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0 or \
        subprocess.run(["unshare", "-U", "-m", "true"], capture_output=True, check=False).returncode == 0


mounts = pytest.mark.skipif(not may_mount(), reason="no mount namespaces here")
LOOK = """
    echo sysfs $(ls /sys/class/infiniband); echo verbs $(ls /sys/class/infiniband_verbs)
    echo nodes $(ls /dev/infiniband); echo pci $(ls /sys/bus/pci/devices); echo driver $(ls /sys/bus/pci/drivers/efa)
    for nic in /sys/class/infiniband/*; do echo real $(readlink -f $nic) $(cat $nic/device/vendor) $(cat $nic/ports/1/hw_counters/tx_bytes); done
    for node in /dev/infiniband/*; do [ -c $node ] && : <>$node && echo opened $node; done
    echo classes $(ls /sys/class); echo modules $(ls /sys/module); echo devs $(ls /dev); echo virtual $(ls /sys/devices/virtual)
    echo null >/dev/null && ls /dev/shm/ /proc/self /sys/class/net/lo/ >/dev/null && echo rest works
    echo user $(id -u)"""


def look(out):
    fields = {}
    for line in out.splitlines():
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).extend(value.split())
    return fields


def check_look(fields, nics):
    assert len(fields["sysfs"]) == nics and all(name.startswith("rdmap") for name in fields["sysfs"])
    assert fields["nodes"] == [f"uverbs{n}" for n in range(nics)]
    assert fields["opened"] == [f"/dev/infiniband/uverbs{n}" for n in range(nics)]
    assert set(fields["verbs"]) == {"abi_version", *fields["nodes"]}
    for path, vendor, count in zip(*[iter(fields["real"])] * 3):
        address = Path(path).parts[-3]
        assert re.fullmatch(r"/sys/devices/pci\S+/infiniband/rdmap\w+", path) and vendor == "0x1d0f" and count == "0"
        assert address in fields["pci"] and address in fields["driver"]
    assert fields["rest"] == ["works"] and "efa" in fields["modules"]
    for key, path in (("classes", "/sys/class"), ("modules", "/sys/module"), ("devs", "/dev"),
                      ("virtual", "/sys/devices/virtual"), ("pci", "/sys/bus/pci/devices")):
        if os.path.isdir(path):
            assert set(os.listdir(path)) <= set(fields[key]), f"{path} lost something"


@mounts
@pytest.mark.parametrize("nics", [1, 4])
def test_mounts_show_the_devices_and_all_else(nics):
    before = Path("/proc/self/mounts").read_text(encoding="utf-8")
    fields = look(emu("--mount", "--nics", nics, "--", *SHELL, LOOK))
    check_look(fields, nics)
    assert fields["user"] == [str(os.geteuid())]
    assert Path("/proc/self/mounts").read_text(encoding="utf-8") == before, "nothing of it stays"


@mounts
def test_mounts_follow_the_counters_and_the_host(world):
    emu("create", "--world", world, "--hosts", "2", "--nics", "2")
    script = """cat /sys/class/infiniband/*/ports/1/state; weft emu down h1n0; cat /sys/class/infiniband/*/ports/1/state
        weft emu --host 0 --mount -- cat /sys/class/infiniband/rdmap0s6/node_guid; cat /sys/class/infiniband/rdmap0s6/node_guid"""
    lines = emu("--world", world, "--host", "1", "--mount", "--", *SHELL, script).splitlines()
    assert lines[:4] == ["4: ACTIVE", "4: ACTIVE", "1: DOWN", "4: ACTIVE"]
    assert lines[4] != lines[5], "a mount inside a mount shows the inner host"


def without_privileges(*args):
    """The command line that runs args as a user without any."""
    if os.geteuid():
        return list(args)
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--", *args]


@pytest.fixture
def reachable():
    """Whether another user may run what was built: the folders above it may be closed."""
    if subprocess.run(without_privileges(WEFT, "--version"), capture_output=True, check=False).returncode:
        pytest.skip("the build tree is not open to other users")


one_thread = pytest.mark.skipif(SANITIZER == "tsan",
                                reason="a process with threads, as this sanitizer makes it, gets no user namespace")


@mounts
@one_thread
def test_mounts_need_no_privileges_where_user_namespaces_are_allowed(reachable):
    # pylint: disable=redefined-outer-name,unused-argument
    if subprocess.run(without_privileges("unshare", "-U", "-m", "true"), capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    result = run(without_privileges(*EMU, "--mount", "--nics", "2", "--", *SHELL, LOOK))
    assert result.returncode == 0, result
    fields = look(result.stdout.decode())
    check_look(fields, 2)
    assert fields["user"] == [str(os.geteuid() or 65534)], "the user stays the same"


CHROOT = """
for path in /*; do
    if [ -L "$path" ]; then cp -P "$path" "$1/"; elif [ -d "$path" ]; then mkdir "$1$path" && mount --rbind "$path" "$1$path"; fi
done
root=$1; shift; chroot "$root" "$@" """


@mounts
@pytest.mark.skipif(os.geteuid() != 0, reason="chroot is for root")
def test_mounts_work_where_the_root_is_no_mount(tmp_path):
    result = run(["unshare", "-m", *SHELL, CHROOT, "sh", tmp_path, *EMU, "--mount", "--nics", "2", "--", *SHELL, LOOK])
    assert result.returncode == 0, result
    check_look(look(result.stdout.decode()), 2)


@one_thread
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be forbidden to mount here")
def test_mounts_that_are_not_allowed_are_an_error():
    # A user namespace without a mapping allows no further one.
    result = run(["unshare", "-U", *EMU, "--mount", "--", "true"])
    if b"cannot make" in result.stderr:
        pytest.skip("no world can be made here either")
    assert result.returncode == FAILED, result
    last = result.stderr.splitlines()[-1].decode()
    assert "--mount: no mount namespace" in last and "CAP_SYS_ADMIN" in last


# --- tables and help ------------------------------------------------------------------------------------


def rows(name, macro):
    return re.findall(rf'^{macro}\(\w+, "([^"]+)"', (ROOT / "emu" / name).read_text(encoding="utf-8"), re.M)


def test_help_and_version_work_everywhere():
    for args in ([], *([command] for command in COMMANDS)):
        assert "weft emu" in emu(*args, "--help")
    assert "libfabric" in emu("--version")


def test_lists_show_every_row_with_its_source():
    device, faults = emu("--list-device"), emu("--list-faults")
    names = rows("efa.def", "EMU_MODEL")
    assert len(names) > 20 and all(re.search(rf"^\s*{name}\b", device, re.M) for name in names)
    assert device.count("source") >= len(names)
    kinds = rows("fault.def", "EMU_FAULT_KIND")
    assert len(kinds) > 10 and all(re.search(rf"^  {kind} ", faults, re.M) for kind in kinds)
    assert all(re.search(rf"^  {key} ", faults, re.M) for key in rows("fault.def", "EMU_FAULT_KEY"))
    profiles = emu("--list-profiles")
    for name in re.findall(r"^(\S+)", profiles, re.M):
        assert re.search(rf"^{re.escape(name)}\s.*\n\s+source: .*\(\d{{4}}-\d\d-\d\d\)$", profiles, re.M), name
        emu("--profile", name, "--", "true")


def test_the_list_of_the_device_follows_the_options():
    assert re.search(r"^mtu\W+4000\b", emu("--list-device", "--device", "mtu=4000"), re.M)


# --- bad input ------------------------------------------------------------------------------------------

TRUE = ["--", "true"]
WRONG = [
    ([], "a command is missing"), (["--"], "a command is missing"), (["--nics", "2"], "a command is missing"),
    (["--nonsense", *TRUE], "unknown option"), (["nonsense"], "unknown command"), (["statu"], "did you mean status"),
    (["ls"], "to run the program of that name: weft emu .*-- COMMAND"), (["status", "extra"], "one argument too many"),
    (["--profile", "nonsense", *TRUE], "unknown profile 'nonsense' .*generic"),
    (["--profile", "generi", *TRUE], "did you mean generic"),
    (["--profile", "bad\x1b[31m\n", *TRUE], "unknown profile"),
    (["--device", "nonsense=1", *TRUE], "--device: .*nonsense.*--list-device"), (["--device", "mtu=1", *TRUE], "--device: mtu.*1024"),
    (["--device", "mtu", *TRUE], "--device: .*mtu"), (["--device", "mtu=x", *TRUE], "--device: .*mtu"),
    (["--device", "=", *TRUE], "--device: "),
    (["--fault", "nonsense", *TRUE], "--fault: .*nonsense.*here are: .*loss"), (["--fault", "los", *TRUE], "--fault: .*did you mean loss"),
    (["--fault", "loss:p=2", *TRUE], "--fault: .*probability"), (["--fault", "loss:zzz=1", *TRUE], "--fault: .*zzz"),
    (["--fault", "refuse", *TRUE], "--fault: .*call"),
    (["--limit", "fast", *TRUE], "--limit: 'fast' is not a rate"), (["--limit", "0", *TRUE], "--limit"), (["--limit", "-1Gbps", *TRUE], "--limit"),
    (["--udp", "nonsense", *TRUE], "--udp: 'nonsense' is not an IPv4"), (["--udp", "127.0.0.1:x", *TRUE], "--udp"),
    (["--udp", "127.0.0.1:0", *TRUE], "--udp: .*another PORT"), (["--udp", "127.0.0.1:65500", *TRUE], "--udp: .*another PORT"),
    (["--udp", "127.0.0.1:65000", "--host", "9", *TRUE], "--udp: .*another PORT"),
    (["--udp", "192.0.2.77", *TRUE], "--udp: 192.0.2.77 is not an address of this machine"), (["--udp", "0.0.0.0", *TRUE], "--udp: 0.0.0.0 is not"),
    (["--hosts", "2", "--host", "1", *TRUE], "do not go together"), (["--no-prefix", *TRUE], "--no-prefix is for --hosts"),
    (["--keep-going", *TRUE], "--keep-going is for --hosts"), (["--nics", "33", *TRUE], "--nics: '33' is too large"),
    (["--host", "64", *TRUE], "--host: '64' is too large"), (["--hosts", "65", *TRUE], "--hosts: '65' is too large"),
    (["status"], "which world.*--world DIR"), (["fault", "loss"], "which world"), (["clear"], "which world"), (["down", "h0"], "which world"),
    (["create"], "where.*--world DIR"), (["remove"], "which world.*--world DIR"), (["fault"], "SPEC is missing"), (["down"], "hNnM is missing"),
    (["fault", "nonsense"], "here are: "), (["clear", "x"], "'x' is no number of a fault"), (["clear", "0"], "'0' is no number"),
    (["clear", "-1"], "unknown option"), (["clear", "99999999999"], "no number"),
]


@pytest.mark.parametrize("args,pattern", WRONG, ids=[" ".join(args).encode("unicode_escape").decode() for args, _ in WRONG])
def test_wrong_command_lines_are_refused(args, pattern):
    refused(USAGE, pattern, *args, alone=True)


@pytest.mark.full
@pytest.mark.parametrize("command", ["run", "create"])
def test_each_bad_value_is_refused(command, world):
    base = [command, "--world", world]
    cases = [(option, value) for option in OPTIONS if option.command in ("", command) and option.type not in ("string", "strings")
             for value in options.bad_values(option)]
    assert len(cases) > 30
    for option, value in cases:
        value = value if option.type == "flag" else f"={value}"
        refused(USAGE, f"--{option.name}|run: ", *base, f"--{option.name}{value}", *(["--", "true"] if command == "run" else []))
    assert not os.path.exists(world)


def test_commands_that_cannot_be_run(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("no program", encoding="ascii")
    refused(NOT_FOUND, "no such command in PATH", "--", "weft-no-such-command", alone=True)
    refused(NOT_FOUND, "no such file", "--", str(tmp_path / "none"), alone=True)
    refused(NOT_FOUND, "no such command", "--", "", alone=True)
    refused(NO_EXEC, "cannot be run", "--", str(plain), alone=True)
    refused(NO_EXEC, "cannot be run", "--", str(tmp_path), alone=True)
    # Found out only when it is tried.
    plain.write_text("#!/no/such/interpreter\n", encoding="ascii")
    plain.chmod(0o755)
    result = run_alone([*EMU, "--", str(plain)])
    assert result.returncode == NOT_FOUND and b"cannot run" in result.stderr


def test_targets_that_are_not_there(world):
    emu("create", "--world", world, "--nics", "2")
    for target in ("h0n2", "h0n31"):
        refused(1, "host 0 has 2 devices", "down", "--world", world, target)
    refused(1, "has no host 1", "up", "--world", world, "h1")
    for target in ("h64", "h0n32", "h", "n0", "h0n", "h0x", "H0", "h0n0 ", "", "h18446744073709551616"):
        refused(USAGE, "is not a device", "down", "--world", world, target)
    refused(1, "has no host 5", "down", "--world", world, "h0n0", "h5")
    assert state(world)["hosts"][0]["nics"][0]["state"] == "up", "all or nothing"


def test_places_where_no_world_can_be(tmp_path, world):
    file = tmp_path / "file"
    file.write_text("x", encoding="ascii")
    refused(FAILED, "file", "--world", str(file), "--", "true")
    refused(FAILED, "/proc/none", "--world", "/proc/none", "--", "true")
    refused(FAILED, "No such file", "--world", str(tmp_path / "a" / "b"), "--", "true")
    refused(1, "No such file", "create", "--world", str(tmp_path / "a" / "b"))
    refused(1, "no emulated world", "status", "--world", str(tmp_path))
    refused(1, "No such file", "status", "--world", world)
    refused(FAILED, "path", "--world", "x" * 200, "--", "true", cwd=ensure(tmp_path / ("y" * 100)))
    (tmp_path / "world").write_bytes(b"something else" * 100)
    refused(1, "no file of an emulated world", "status", "--world", str(tmp_path))
    refused(FAILED, "no file of an emulated world", "--world", str(tmp_path), "--", "true")
    gone = {**os.environ, "WEFT_EMU_WORLD": world}
    refused(FAILED, "No such file", "--", "true", env=gone)
    assert not os.path.exists(world), "a world that the environment names is not made"


def ensure(path):
    path.mkdir()
    return path


def test_a_directory_that_may_not_be_written(reachable, tmp_path):
    # pylint: disable=redefined-outer-name,unused-argument
    if os.geteuid():
        pytest.skip("needs root to have a directory of somebody else")
    result = run(without_privileges(*EMU, "--world", "/var/lib/weft-test-world", "--", "true"))
    assert result.returncode == FAILED and b"Permission denied" in result.stderr
    assert_one_line(result.stderr)


def test_worlds_of_another_version_are_left_alone(world):
    emu("create", "--world", world)
    path = Path(world, "world")
    whole = path.read_bytes()
    changed = bytearray(whole)
    struct.pack_into("<I", changed, 8, 4711)  # the layout, behind the magic number
    path.write_bytes(changed)
    refused(1, "another version", "status", "--world", world)
    refused(FAILED, "another version", "--world", world, "--", "true")
    for size in (0, 1, 15, 16, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(1, "world", "status", "--world", world)


def test_a_trace_file_that_cannot_be_written(tmp_path):
    refused(FAILED, "--trace: .*Is a directory", "--trace", str(tmp_path), "--", "true", alone=True)
    refused(FAILED, "--trace: .*No such file", "--trace", str(tmp_path / "a" / "b"), "--", "true", alone=True)


def test_a_full_disk_for_output_is_an_error(world):
    emu("create", "--world", world)
    with open("/dev/full", "wb") as full:
        result = subprocess.run([*EMU, "status", "--world", world], stdout=full, stderr=subprocess.PIPE, check=False)
    assert result.returncode == 1 and b"standard output" in result.stderr


@pytest.mark.usefixtures("no_sanitizer")
def test_programs_keep_to_the_nics_of_a_node(world):
    """A p4d.24xlarge has two NICs in each of its two nodes: with --nics near there are rails for two, of the node of
    the first CPU."""
    environment = {**os.environ, "HWLOC_XMLFILE": str(BUILD / "tests" / "topology" / "p4d.24xlarge.xml")}
    serve = ["--profile", "p4d.24xlarge", "--world", world, "--", WEFT, "serve", "--provider", "efa", "--listen-addr",
             "127.0.0.1:0"]
    result = run([WEFT, "emu", "--quiet", *serve, "--num-domains", "3", "--nics", "near"], env=environment)
    assert result.returncode != 0, result
    assert b"3 rails asked, 2 devices (nics: near)" in result.stderr
    result = run([WEFT, "emu", "--quiet", *serve, "--num-domains", "5"], env=environment)
    assert b"5 rails asked, 4 devices" in result.stderr and b"near" not in result.stderr
