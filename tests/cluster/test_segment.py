# SPDX-License-Identifier: Apache-2.0
"""Regions by name between processes: segment_node.c publishes and opens."""
import socket
import subprocess

import pytest

import harness

NODE = harness.BUILD / "tests" / "cluster" / "segment-node"
LEN = 300_000
PROVIDERS = [p for p in harness.PROVIDERS if p in ("tcp", "shm", "efa")]


class Node(harness.Process):
    """A running segment-node."""

    def __init__(self, provider):
        super().__init__([NODE, provider], stdin=subprocess.PIPE)
        self.said = 0
        assert self.read() == "ok", self.describe()

    def read(self):
        with self.changed:
            there = self.changed.wait_for(
                lambda: len(self.out) > self.said or self.popen.poll() is not None, 90 * harness.SLOW
            )
            assert there and len(self.out) > self.said, self.describe()
            line = self.out[self.said].decode().rstrip("\n")
            self.said += 1
        return line

    def tell(self, *words):
        self.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.popen.stdin.flush()
        return self.read()

    def ok(self, *words):
        """What stands behind "ok"."""
        line = self.tell(*words)
        assert line.split(" ")[0] == "ok", f"{words}: {line}\n{self.describe()}"
        return line[3:]

    def fails(self, error, *words):
        line = self.tell(*words)
        assert line.split(" ")[:2] == ["error", f"WEFT_{error}"], f"{words}: {line}"
        return line

    def stats(self):
        return {k: int(v) for k, v in (pair.split("=") for pair in self.ok("stats").split())}

    def end(self):
        self.popen.stdin.close()
        assert self.wait(harness.STOP_S) == 0, self.describe()
        self.assert_sane()


@pytest.fixture(params=PROVIDERS)
def nodes(request):
    """nodes() starts one more; those that still run must end cleanly."""
    started = []

    def begin():
        started.append(Node(request.param))
        return started[-1]

    yield begin
    for node in started:
        if node in harness.alive:
            node.end()


@pytest.fixture(params=["tcp", "file"])
def where(request, tmp_path):
    return "127.0.0.1:0" if request.param == "tcp" else f"file:{tmp_path}/"


def check_moves(owner, opener, name, seed):
    opener.ok("write", name, 1000, 200_000, seed)
    assert owner.ok("holds", name, 1000, 200_000, seed) == "1"
    assert opener.ok("read", name, 1000, 200_000, seed) == "1"


def test_publish_open_write_read_withdraw(nodes, where):
    owner, opener = nodes(), nodes()
    address = owner.ok("listen", where)
    owner.ok("publish", "weights", LEN, 1)
    owner.ok("publish", "more", 1000, 2)
    one = address if address.endswith("/") else address + "/"

    opener.ok("open", address)
    assert opener.ok("list") == f"more:1000 weights:{LEN}"
    assert opener.ok("read", "weights", 0, LEN, 1) == "1"
    check_moves(owner, opener, "weights", 3)
    assert owner.ok("holds", "weights", 201_000, 99_000, 1) == "1"  # nothing but what was written
    opener.fails("EBOUNDS", "write", "more", 900, 101, 3)

    owner.ok("withdraw", "weights")
    opener.fails("EREVOKED", "write", "weights", 0, 100, 4)
    opener.fails("EREVOKED", "read", "weights", 0, 100, 4)
    assert opener.ok("read", "more", 0, 1000, 2) == "1"
    other = nodes()
    other.fails("ENONAME", "open", one + "weights")
    other.ok("open", one + "more")
    assert other.ok("list") == "more:1000"

    owner.ok("publish", "weights", LEN, 5)
    opener.ok("refresh")
    assert opener.ok("read", "weights", 0, LEN, 5) == "1"
    check_moves(owner, opener, "weights", 6)
    opener.ok("close")
    # Let go by all who had it: the owner need not wait for anybody.
    owner.ok("withdraw", "weights")


def test_a_restarted_publisher_is_found_again(nodes, where):
    owner, opener = nodes(), nodes()
    address = owner.ok("listen", where)
    owner.ok("publish", "weights", LEN, 1)
    opener.ok("open", address)
    check_moves(owner, opener, "weights", 2)

    owner.kill()
    opener.fails("EPEERGONE", "write", "weights", 0, 100, 3)
    if address.startswith("file:"):
        # The file of the one that was killed is still there, and says nothing that is true.
        assert opener.tell("refresh").startswith("error ")
    else:
        opener.fails("EUNAVAILABLE", "refresh")

    owner = nodes()
    assert owner.ok("listen", address) == address
    owner.ok("publish", "weights", LEN, 4)
    opener.ok("refresh")
    assert opener.ok("read", "weights", 0, LEN, 4) == "1"
    check_moves(owner, opener, "weights", 5)


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


def test_garbage_and_silence_hold_up_nobody(nodes):
    owner, opener = nodes(), nodes()
    address = owner.ok("listen", "127.0.0.1:0", 60_000, 16)
    owner.ok("publish", "weights", LEN, 1)

    silent = [connect(address) for _ in range(40)]
    for sock in silent[::2]:
        sock.sendall(b"WEFN\x01\x00")
    garbage = []
    for text in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100_000, b"WEFN" + b"\xff" * 20, b"\x16\x03\x01" * 50):
        sock = connect(address)
        sock.sendall(text)
        garbage.append(sock)
    opener.ok("open", address)
    check_moves(owner, opener, "weights", 2)
    for sock in garbage:
        reply = b""
        try:
            while piece := sock.recv(4096):
                reply += piece
        except ConnectionResetError:
            pass  # displaced before all of it was read
        assert not reply or reply.startswith(b"WEFN")
    stats = owner.stats()
    assert stats["accepted"] >= 45 and stats["refused"] == 4 and stats["answered"] == 1
    assert stats["displaced"] >= 40 - 16 and stats["stalled"] == 0
    assert stats["open"] <= 16
    opener.ok("refresh")
    for sock in silent + garbage:
        sock.close()


def test_stalled_connections_are_dropped(nodes):
    owner, opener = nodes(), nodes()
    address = owner.ok("listen", "127.0.0.1:0", 200, 64)
    owner.ok("publish", "weights", LEN, 1)
    before = owner.fds()
    stalled = [connect(address) for _ in range(20)]
    for sock in stalled[::2]:
        sock.sendall(b"WEF")
    for sock in stalled:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass  # what it had sent was not read
        sock.close()
    harness.wait_for(lambda: owner.stats()["open"] == 0, 30, owner.describe)
    assert owner.stats()["stalled"] == 20
    assert owner.fds() == before
    opener.ok("open", address)
    check_moves(owner, opener, "weights", 2)


def test_openers_that_die_leave_nothing(nodes):
    """Killed with the segment open: the region can be taken back, and others go on."""
    owner, dying, opener = nodes(), nodes(), nodes()
    address = owner.ok("listen", "127.0.0.1:0")
    owner.ok("publish", "weights", LEN, 1)
    dying.ok("open", address)
    opener.ok("open", address)
    dying.kill()
    check_moves(owner, opener, "weights", 2)
    owner.ok("withdraw", "weights")
    opener.fails("EREVOKED", "write", "weights", 0, 100, 3)
