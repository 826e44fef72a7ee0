# SPDX-License-Identifier: Apache-2.0
"""Real processes for the end-to-end tests: servers, clients, and what the kernel says of them."""
import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEFT_BUILD_DIR") or os.environ.get("WEFT_BUILD") or ROOT / "build")
WEFT = BUILD / "programs" / "weft" / "weft"
# Half a second of each measuring process, which only the test of it needs.
os.environ.setdefault("WEFT_PERF_DOCTOR", "0")
SANITIZER = os.environ.get("WEFT_SANITIZER", "")
# Deadlines only guard against hanging; a sanitizer and a busy machine may need many times as long.
SLOW = 6 if SANITIZER else 1
READY_S = 20 * SLOW

# With WEFT_PROVIDERS (a list with commas) the run is for these providers and no others: tests that are not
# about a provider belong to the ordinary run.
CHOSEN = os.environ.get("WEFT_PROVIDERS", "")
PROVIDERS = tuple(CHOSEN.split(",")) if CHOSEN else ("tcp", "shm")
PROVIDERS_AND_AUTO = PROVIDERS if CHOSEN else (*PROVIDERS, "auto")
# "NAME=VALUE ...": puts servers on another host than the tests themselves, where the environment decides that.
SERVER_ENV = dict(os.environ, **dict(pair.split("=", 1) for pair in os.environ.get("WEFT_PEER_ENV", "").split()))
STOP_S = 30 * SLOW

MIB = 1 << 20
# What a sanitizer, an assertion or the loader prints, and no error of weft.
CRASH = re.compile(
    rb"Sanitizer|runtime error:|Assertion|terminate called|Traceback|core dumped|stack smashing"
    rb"|corrupted|double free|invalid pointer|symbol lookup"
)
STATUS = {}  # "ENOTFOUND" -> exit status, from the list of errors
CODE = {}  # "ENOTFOUND" -> number


def read_errors():
    text = (ROOT / "include/weft/error.h").read_text(encoding="utf-8")
    for name, number, status in re.findall(r"X\((E\w+),\s*(\d+),\s*(\d+),", text):
        STATUS[name] = int(status)
        CODE[name] = int(number)


read_errors()
USAGE = 2  # PROGRAM_USAGE

alive = set()  # processes that were started and not yet reaped


def wait_for(condition, seconds, what):
    """Polls until condition() is true; its value. Fails with `what` after so many seconds."""
    end = time.monotonic() + seconds * SLOW
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOW} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def content(seed, size):
    """The same bytes for the same seed and size; any two seeds differ everywhere."""
    return random.Random(str(seed)).randbytes(size)


def free_port(host="127.0.0.1"):
    """A port that nobody listens at now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def deaf_port():
    """A port that nobody listens at, nor can begin to meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def as_arg(value):
    return value if isinstance(value, bytes) else str(value)


class Process:
    """A program whose output is collected while it runs. It dies with the test run."""

    shared = False  # outlives the test that started it

    def __init__(self, args, **options):
        self.args = [as_arg(arg) for arg in args]
        self.out, self.err = [], []
        self.changed = threading.Condition()
        self.popen = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self.args],
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            **options,
        )
        self.pid = self.popen.pid
        self.threads = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.popen.stdout, self.out), (self.popen.stderr, self.err))
            if stream
        ]
        for thread in self.threads:
            thread.start()
        alive.add(self)

    def _read(self, stream, lines):
        for line in stream:
            with self.changed:
                lines.append(line)
                self.changed.notify_all()

    def describe(self):
        return (
            f"{' '.join(map(str, self.args))}\nstatus {self.popen.poll()}\n"
            f"stdout: {b''.join(self.out[-40:]).decode(errors='replace')}\n"
            f"stderr: {b''.join(self.err[-40:]).decode(errors='replace')}"
        )

    def wait_line(self, pattern, seconds):
        """The first match of pattern in a line of standard output."""
        end = time.monotonic() + seconds
        seen = 0
        with self.changed:
            while True:
                while seen < len(self.out):
                    match = re.search(pattern, self.out[seen])
                    if match:
                        return match
                    seen += 1
                left = end - time.monotonic()
                if left <= 0 or (self.popen.poll() is not None and not self.threads[0].is_alive()):
                    raise AssertionError(f"no line with {pattern!r}\n{self.describe()}")
                self.changed.wait(min(left, 0.2))

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds):
        """The exit status; a process that does not end in time is an error."""
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s\n{self.describe()}") from None
        for thread in self.threads:
            thread.join(10)
        alive.discard(self)
        return status

    def kill(self):
        """Ends it at once, also when it is stopped; collects what is left."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        for thread in self.threads:
            thread.join(10)
        alive.discard(self)
        # Ids come again: a later process would be taken for the owner.
        for name in shm_files(self.pid):
            Path("/dev/shm", name).unlink(missing_ok=True)

    def running(self):
        return self.popen.poll() is None

    def assert_sane(self):
        assert not CRASH.search(b"".join(self.err)), self.describe()

    # What the kernel says.

    def _status(self, name):
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))

    def rss(self):
        """Resident memory that is not shared memory or files, bytes."""
        return self._status("RssAnon") * 1024

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def thread_count(self):
        return self._status("Threads")

    def state(self):
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]

    def cpu(self):
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tcp_ports(self):
        """TCP ports of IPv4 and IPv6 that it listens at."""
        inodes = set()
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                target = os.readlink(f"/proc/{self.pid}/fd/{fd}")
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
        return ports


class Server(Process):
    """A running `weft serve`."""

    def __init__(self, provider="auto", memory_mb=64, host="127.0.0.1", port=0, extra=(), **options):
        self.provider = provider
        args = [WEFT, "serve", "--listen-addr", f"{host}:{port}", "--provider", provider,
                "--memory-mb", memory_mb, *extra]
        super().__init__(args, env=SERVER_ENV, **options)
        try:
            match = self.wait_line(rb"ready.*?(\S+):(\d+)", READY_S)
        except AssertionError:
            self.kill()
            raise
        self.port = int(match.group(2))
        self.addr = f"{host}:{self.port}"

    def stop(self):
        """Ends it by SIGTERM; that must work, and show no sign of a crash."""
        self.signal(signal.SIGTERM)
        status = self.wait(STOP_S)
        assert status == 0, self.describe()
        self.assert_sane()


def run(args, stdin=b"", timeout=60, **options):
    """Runs a program to its end."""
    feed = {"stdin": stdin} if hasattr(stdin, "fileno") else {"input": stdin}
    result = subprocess.run(
        [as_arg(arg) for arg in args], capture_output=True, timeout=timeout * SLOW, check=False, **feed, **options
    )
    assert result.returncode >= 0, f"{args} died of signal {-result.returncode}: {result.stderr!r}"
    assert not CRASH.search(result.stderr), result.stderr.decode(errors="replace")
    return result


class Kv:
    """`weft kv` with the options that go to one server."""

    def __init__(self, addr, provider="auto", control="fabric", *options):
        self.base = ["--server-addr", addr, "--provider", provider, "--control", control, *options]

    def args(self, *args):
        return [WEFT, "kv", *self.base, *args]

    def __call__(self, *args, **options):
        return run(self.args(*args), **options)

    def ok(self, *args, **options):
        """Standard output of a call that must work."""
        result = self(*args, **options)
        assert result.returncode == 0, f"{args}: {result.returncode} {result.stderr.decode(errors='replace')}"
        return result.stdout

    def fails(self, error, *args, **options):
        """A call that must fail with this error; its one line on standard error."""
        result = self(*args, **options)
        wanted = STATUS[error] if isinstance(error, str) else error
        text = result.stderr.decode(errors="replace")
        assert result.returncode == wanted, f"{args}: {result.returncode}, not {wanted} ({error}): {text}"
        assert_one_line(result.stderr)
        return text

    def start(self, *args, **options):
        return Process(self.args(*args), **options)


def assert_one_line(stderr):
    text = stderr.decode(errors="replace")
    assert text.endswith("\n") and text.count("\n") == 1, f"not one line: {text!r}"
    assert text.startswith("weft"), text
    assert all(ch >= " " for ch in text[:-1]), repr(text)


def shm_files(pid):
    """What libfabric's shm has there for a process."""
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"{pid}:")]


def shm_free():
    stat = os.statvfs("/dev/shm")
    return stat.f_bavail * stat.f_frsize


def memory_free():
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(re.search(r"MemAvailable:\s+(\d+)", text).group(1)) * 1024


def memory_total():
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(re.search(r"MemTotal:\s+(\d+)", text).group(1)) * 1024


def scratch_file(data):
    """An unnamed file with these bytes, at its start."""
    file = tempfile.TemporaryFile()
    file.write(data)
    file.seek(0)
    return file
