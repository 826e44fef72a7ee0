# SPDX-License-Identifier: Apache-2.0
"""Worlds of emulated devices for the end-to-end tests, and programs of two sides that run in them."""
import contextlib
import json
import os
import re
import shutil
import tempfile

import pytest

from harness import WEFT, Process, free_port, run, wait_for


def need(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed (./dev setup)")


class World:
    """A world with two hosts of emulated devices."""

    def __init__(self, run=(), create=(), nics=1, udp=False, hosts=2, within=()):
        self.dir = tempfile.mkdtemp(prefix="weft-emu-programs.", dir="/dev/shm")
        os.rmdir(self.dir)
        self.options, self.nics = list(run), nics
        self.within = list(within)  # what to begin commands with
        if udp:
            create = [*create, "--udp", f"127.0.0.1:{20000 + os.getpid() % 40 * 256}"]
        self.call("create", "--hosts", hosts, "--nics", nics, *create)

    def call(self, *args):
        result = run([*self.within, WEFT, "emu", *args[:1], "--world", self.dir, *args[1:]])
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return result.stdout

    def command(self, host, *args):
        return [*self.within, WEFT, "emu", "run", "--quiet", "--world", self.dir, "--host", host, *self.options, "--",
                *args]

    def output(self, host, *args, **options):
        """Standard output of a program that must end well."""
        result = run(self.command(host, *args), **options)
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return result.stdout.decode()

    def counters(self, host):
        """Of all devices of a host, summed."""
        devices = json.loads(self.call("status", "--json"))["hosts"][host]["nics"]
        return {name: sum(device["counters"][name] for device in devices) for name in devices[0]["counters"]}

    def remove(self):
        self.call("remove", "--force")
        assert not os.path.exists(self.dir)


def both(server_command, client_command, port, address="127.0.0.1", env=None):
    """Server and client to their end; what they wrote to standard output."""
    server = Process(server_command, env=env)
    try:
        # All of these exchange addresses by TCP first. /proc of the server shows its own namespace.
        wait_for(lambda: server.popen.poll() is not None or listens(server.pid, port), 30, server.describe)
        client = run([*client_command, address], timeout=90, env=env)
        assert client.returncode == 0, f"{client.stdout.decode()}\n{client.stderr.decode()}\n{server.describe()}"
        status = server.wait(60)
        assert status == 0, server.describe()
    finally:
        if server.popen.poll() is None:
            server.kill()
    return b"".join(server.out).decode(), client.stdout.decode()


def listens(pid, port):
    text = b""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}", "rb") as file:
            text += file.read()
    return re.search(rb":%04X \S+ 0A " % port, text) is not None


def perftest(world, program, *options, address="127.0.0.1"):
    """Rows of numbers under the table's head, of server and client."""
    need(program)
    port = free_port()
    args = [program, "-c", "SRD", "-x", "0", "-F", "-p", port, *options]
    texts = both(world.command(0, *args), world.command(1, *args), port, address=address)
    rows = []
    for text in texts:
        assert "Connection type : SRD" in text
        found = re.findall(r"^ #bytes .*\n((?:\s+\d[\d. \t]*\n)+)", text, re.M)
        rows.append([[float(cell) for cell in line.split()] for line in found[-1].splitlines()] if found else [])
    return rows
