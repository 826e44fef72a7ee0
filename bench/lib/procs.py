# SPDX-License-Identifier: Apache-2.0
"""Programs and servers of a benchmark."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

RUN_LIMIT_S = 120
START_LIMIT_S = 15


class Failed(Exception):
    """A program did not do what it should; the text says which and why."""


def missing(name):
    return Failed(f"{name} is not there (./dev setup installs what is needed, ./dev build builds)")


def run_json(command, limit_s=RUN_LIMIT_S):
    """Runs a program to its end; returns the JSON lines that it printed."""
    text = [str(c) for c in command]
    try:
        done = subprocess.run(text, capture_output=True, text=True, timeout=limit_s, check=False)
    except FileNotFoundError as error:
        raise missing(text[0]) from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(text)}: no end after {limit_s} s") from error
    return parsed(text, done.returncode, done.stdout, done.stderr)


def parsed(command, status, out, errors):
    if status:
        raise Failed(f"{' '.join(command)}: exit {status}: {errors.strip()}")
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


@contextlib.contextmanager
def started(command):
    """A program that runs beside; json_of() waits for its end. Ended with the block."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def text_of(process, limit_s=RUN_LIMIT_S, statuses=(0,)):
    """What a started program printed, when it has ended with one of these statuses."""
    try:
        out, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(process.args)}: no end after {limit_s} s") from error
    if process.returncode not in statuses:
        raise Failed(f"{' '.join(process.args)}: exit {process.returncode}: "
                     f"{(errors.strip() or out.strip())[-500:]}")
    return out


def json_of(process, limit_s=RUN_LIMIT_S):
    """The JSON lines of a started program, when it has ended."""
    return [json.loads(line) for line in text_of(process, limit_s).splitlines()
            if line.startswith("{")]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _die_with_parent():
    """In the child: SIGTERM when this program dies, whatever way."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _wait_for_port(port, process, name, log):
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    log.seek(0)
    raise Failed(f"{name} did not start: {log.read().decode(errors='replace')[-500:].strip()}")


@contextlib.contextmanager
def server(name, command, port):
    """Runs a server until the block ends; yields its process id. Its output is kept for errors."""
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, preexec_fn=_die_with_parent)
        except FileNotFoundError as error:
            raise missing(command[0]) from error
        try:
            _wait_for_port(port, process, name, log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def redis():
    """Yields pid, TCP address and path of the Unix socket."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as folder:
        path = os.path.join(folder, "redis.sock")
        command = ["redis-server", "--save", "", "--appendonly", "no", "--port", port, "--bind",
                   "127.0.0.1", "--unixsocket", path, "--dir", folder]
        with server("redis-server", command, port) as pid:
            yield pid, f"127.0.0.1:{port}", path


@contextlib.contextmanager
def memcached():
    """Yields pid and TCP address."""
    port = free_port()
    command = ["memcached", "-l", "127.0.0.1", "-p", port, "-I", "32m", "-m", "1024"]
    if os.geteuid() == 0:
        command += ["-u", "nobody"]
    with server("memcached", command, port) as pid:
        yield pid, f"127.0.0.1:{port}"
