# SPDX-License-Identifier: Apache-2.0
"""Garbage on every port of a server: it lives, it serves others, and its memory does not grow."""
import contextlib
import random
import socket
import struct
import time

import pytest

import clib
from harness import MIB, PROVIDERS, SANITIZER, Kv, content, wait_for
from protocol import message, stats

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload):
    """An HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


SETTINGS = frame(4, 0, 0, b"")


def literal(name, value):
    """A header in HPACK, neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call(path, data):
    """A whole unary call as bytes."""
    headers = (literal(b":method", b"POST") + literal(b":scheme", b"http") + literal(b":path", path)
               + literal(b":authority", b"x") + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers"))
    body = b"\0" + struct.pack(">I", len(data)) + data
    return PREFACE + SETTINGS + frame(1, 4, 1, headers) + frame(0, 1, 1, body)


def samples(chance):
    """Bytes that a port of gRPC may get, good ones among them to damage."""
    put = message("PutRequest")(key=b"garbage", inline_value=b"x" * 100).SerializeToString()
    good = call(b"/kv_cache.KvCacheService/Put", put)
    yield b""
    yield b"\0" * 4096
    yield chance.randbytes(65536)
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"POST /kv_cache.KvCacheService/Get HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nabc"
    yield b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + chance.randbytes(500)  # TLS
    yield PREFACE
    yield PREFACE + SETTINGS + frame(1, 0, 1, b"")
    yield PREFACE + SETTINGS + frame(0, 0, 1, b"x" * 16384)  # data without headers
    yield PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\1"  # frame of 16 MiB announced
    yield PREFACE + SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 10
    yield PREFACE + frame(4, 0, 0, struct.pack(">HI", 3, 0) * 1000)
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        yield bytes(bad)
    for cut in range(1, len(good), max(1, len(good) // 40)):
        yield good[:cut]
    # A gRPC message that is announced longer than all that comes.
    yield good[:-len(put) - 5] + b"\0\xff\xff\xff\xff" + put


def throw(port, data, wait=False):
    """Connects, sends, and goes."""
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(data)
            if wait:
                sock.settimeout(0.2)
                sock.recv(65536)


def assert_serves(server):
    kv = Kv(server.addr, server.provider)
    kv.ok("put", "after", "--file", "-", stdin=content("after", 200000))
    assert kv.ok("get", "after") == content("after", 200000)


def bounded(server, before, megabytes):
    grown = server.rss() - before
    if SANITIZER:  # keeps what was freed: up to 256 MiB
        megabytes += 256
    assert grown < megabytes * MIB, f"{grown / MIB:.1f} MiB more: {server.describe()}"


def test_garbage_on_the_grpc_port(start, connect):
    server = start("tcp", memory_mb=16)
    stub = connect(server)
    chance = random.Random(7)
    throws = list(samples(chance))
    for data in throws:
        throw(server.port, data, wait=chance.random() < 0.3)
    fds, before = server.fds(), server.rss()
    for _ in range(3):
        for data in throws:
            throw(server.port, data)
    assert stub.Ping().error_code == 0
    wait_for(lambda: server.fds() <= fds + 5, 20, lambda: f"{server.fds()} descriptors, {fds} before")
    bounded(server, before, 48)
    assert stats(stub)["sessions"] == 0
    assert_serves(server)


def fabric_ports(server):
    ports = server.tcp_ports() - {server.port}
    assert ports, "the tcp provider listens nowhere"
    return ports


def test_garbage_on_the_fabric_port(start):
    """Raw bytes, other protocols, and the handshake of the tcp provider cut short or damaged."""
    server = start("tcp", memory_mb=16)
    chance = random.Random(8)
    throws = [*samples(chance), *(chance.randbytes(chance.randrange(1, 3000)) for _ in range(100)),
              *(struct.pack(">BBHI", kind, version, flags, length) + chance.randbytes(64)
                for kind in range(4) for version in (0, 3, 255) for flags in (0, 65535) for length in (0, 1, 1 << 31))]
    for port in fabric_ports(server):
        for data in throws:
            throw(port, data)
        before = server.rss()
        for data in throws:
            throw(port, data)
    wait_for(lambda: server.running(), 1, server.describe)
    assert_serves(server)
    bounded(server, before, 64)


def test_connections_that_stall_do_not_hold_up_others(start):
    """Many that say nothing, or half of something, at both ports."""
    server = start("tcp", memory_mb=16)
    ports = [server.port, *fabric_ports(server)]
    before, fds = server.rss(), server.fds()
    stalled = []
    with contextlib.ExitStack() as stack:
        for number in range(200):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=5))
            sock.sendall([b"", b"\0", PREFACE[:10], PREFACE + SETTINGS[:5]][number % 4])
            stalled.append(sock)
        assert_serves(server)
        bounded(server, before, 200)
    wait_for(lambda: server.fds() < fds + 130, 20, lambda: f"{server.fds()} descriptors, {fds} before")
    assert_serves(server)


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_garbage_in_messages_over_the_fabric(start, connect, provider):
    """A peer that speaks the engine's protocol and sends nonsense instead of requests."""
    server = start(provider, memory_mb=16)
    stub = connect(server)
    stub.Put(key=b"k", inline_value=b"value")
    chance = random.Random(9)
    for session_first in (False, True):
        for round_ in range(3):
            with clib.Engine(provider) as engine:
                hello = stub.RegisterClient(protocol_version=1, weft_descriptor=engine.descriptor(),
                                            receive_buffer_size=MIB)
                session = hello.session_id if session_first else chance.getrandbits(64)
                peer = engine.connect(hello.weft_descriptor)
                good = header(2, 0, 1, session) + b"\0" * 60
                for number in range(30 if round_ else 8):
                    data = damaged(good, chance, number)
                    with contextlib.suppress(clib.WeftError):
                        engine.notify(peer, data)
                    engine.receive(0.001)
            assert server.running(), server.describe()
    wait_for(lambda: stats(stub)["sessions"] == 0, 20, lambda: stats(stub))
    assert stats(stub)["requests_bad"] > 0
    assert stub.Get(key=b"k").inline_value == b"value"
    assert_serves(server)


def header(kind, slot, generation, session, version=1, flags=0):
    """The header of a message of the KV protocol (docs/protocol.md)."""
    return struct.pack("<BBHIIIQ", version, kind, flags, slot, generation, 0, session)


def damaged(good, chance, number):
    if number % 4 == 0:
        return chance.randbytes(chance.randrange(1, 8000))
    if number % 4 == 1:
        return good[: chance.randrange(1, len(good))]
    data = bytearray(good)
    for _ in range(chance.randint(1, 5)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data) + chance.randbytes(chance.randrange(100) if number % 4 == 2 else 0)


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_messages_of_another_version_are_answered_with_a_version_error(start, connect, provider):
    server = start(provider, memory_mb=16)
    with clib.Engine(provider) as engine:
        hello = connect(server).RegisterClient(protocol_version=1, weft_descriptor=engine.descriptor(),
                                               receive_buffer_size=MIB)
        peer = engine.connect(hello.weft_descriptor)
        engine.notify(peer, header(1, 0, 1, hello.session_id, version=99))
        answer = wait_for(lambda: engine.receive(0.1), 10, "an answer")
        version, kind, _, _, _, status, _ = struct.unpack_from("<BBHIIIQ", answer)
        assert (version, kind & 0x7f, status) == (1, 1, 1012)
        engine.notify(peer, header(1, 0, 1, hello.session_id))
        answer = wait_for(lambda: engine.receive(0.1), 10, "an answer")
        assert struct.unpack_from("<BBHIIIQ", answer)[5] == 0


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_client_that_overruns_its_credits_is_cut_off(start, connect, provider):
    """Requests for slots that were not granted; a client that keeps to the rules notices nothing."""
    server = start(provider, memory_mb=16)
    stub = connect(server)
    with clib.Client(server.addr, provider) as good, clib.Engine(provider) as engine:
        good.put(b"k", b"value")
        hello = stub.RegisterClient(protocol_version=1, weft_descriptor=engine.descriptor(),
                                    receive_buffer_size=MIB, credits_wanted=4)
        peer = engine.connect(hello.weft_descriptor)
        with contextlib.suppress(clib.WeftError):
            for number in range(200):
                engine.notify(peer, header(1, 4 + number, 1, hello.session_id))
        wait_for(lambda: stats(stub)["sessions_dropped"] == 1, 10, lambda: stats(stub))
        assert good.get(b"k") == b"value"
    wait_for(lambda: stats(stub)["sessions"] == 0, 10, lambda: stats(stub))


def test_connections_that_end_early_cost_no_descriptor(start):
    """Probes and port scans, while nobody else asks for anything."""
    server = start("tcp", memory_mb=16)
    port = next(iter(fabric_ports(server)))
    assert_serves(server)
    fds = server.fds()
    for number in range(50):
        throw(port, b"x" * (number % 8))
    wait_for(lambda: server.fds() <= fds + 5, 10, lambda: f"{server.fds()} descriptors, {fds} before")


def exchange(port, data):
    """Sends all, and reads what there is until the server ends the connection, or a moment."""
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=0.2) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass


@pytest.mark.full
@pytest.mark.parametrize("which", ["grpc", "fabric"])
def test_memory_is_bounded_under_a_flood_of_garbage(start, which):
    server = start("tcp", memory_mb=16)
    chance = random.Random(10)
    port = server.port if which == "grpc" else next(iter(fabric_ports(server)))
    throws = list(samples(chance))
    for _ in range(2):  # warm: caches and arenas have their size then
        for data in throws:
            exchange(port, data)
    before, fds = server.rss(), server.fds()
    end = time.monotonic() + 8
    while time.monotonic() < end:
        exchange(port, chance.choice(throws))
    assert_serves(server)
    bounded(server, before, 48)
    if which == "grpc":
        wait_for(lambda: server.fds() <= fds + 20, 20, lambda: f"{server.fds()} descriptors, {fds} before")
