# SPDX-License-Identifier: Apache-2.0
"""What a server costs when nobody asks, and that clients that left cost nothing."""
import json
import signal
import time

import pytest

from clib import Client
from harness import CHOSEN, MIB, PROVIDERS, PROVIDERS_AND_AUTO, SANITIZER, Kv, content, wait_for
from protocol import stats


@pytest.mark.parametrize("provider", PROVIDERS_AND_AUTO)
def test_idle_server_sleeps(start, provider, record_property, capsys):
    if SANITIZER:
        pytest.skip("a sanitizer's own work counts too")
    server = start(provider, memory_mb=64)
    Kv(server.addr, provider).ok("put", "k", "v")  # sleep must come back after work
    used, began = server.cpu(), time.monotonic()
    time.sleep(3)  # the length of the measurement
    share = (server.cpu() - used) / (time.monotonic() - began)
    record_property("idle_cpu_percent", round(share * 100, 2))
    with capsys.disabled():
        print(f"\n  idle {provider}: {share * 100:.2f} % of a core")
    assert share < 0.10


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_signal_logs_what_the_engine_knows(start, provider):
    server = start(provider, memory_mb=64)
    Kv(server.addr, provider).ok("put", "k", "v" * 70000)

    def told(name):
        return [line for line in server.err if f" {name} ".encode() in line]

    for times in (1, 2):
        server.signal(signal.SIGUSR1)
        wait_for(lambda: len(told("rail.0.depth")) == times, 20, "the engine in the log")
    assert told("rail.0.provider")[0].split()[-1].decode() in provider
    assert int(told("latency.read.count")[0].split()[-1]) > 0, "the server reads what is put"
    assert told("engine.messages_received")
    Kv(server.addr, provider).ok("get", "k")


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_idle_server_with_a_client_sleeps(start, provider, capsys):
    server = start(provider, memory_mb=64)
    with Client(server.addr, provider) as client:
        client.put(b"k", content(1, 100000))
        used, began = server.cpu(), time.monotonic()
        time.sleep(3)
        share = (server.cpu() - used) / (time.monotonic() - began)
        with capsys.disabled():
            print(f"\n  idle {provider} with one client: {share * 100:.2f} % of a core")
        assert share < 0.10
        assert client.get(b"k") == content(1, 100000)


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.nightly if CHOSEN else pytest.mark.full)])
def test_clients_that_left_cost_nothing(start, connect, provider, count):
    server = start(provider, memory_mb=32)
    stub = connect(server)

    def visit():
        with Client(server.addr, provider, buffer_bytes=MIB) as client:
            client.put(b"k", content(1, 100000))
            assert client.get(b"k") == content(1, 100000)

    for _ in range(10):
        visit()
    wait_for(lambda: stats(stub)["sessions"] == 0, 20, lambda: stats(stub))
    fds, threads, before = server.fds(), server.thread_count(), server.rss()
    for _ in range(count):
        visit()
    wait_for(lambda: stats(stub)["sessions"] == 0, 20, lambda: stats(stub))
    assert stats(stub)["pool_used"] < 200000
    wait_for(lambda: server.fds() <= fds + 4, 20, lambda: f"{server.fds()} descriptors, {fds} before")
    assert server.thread_count() <= threads + 2
    grown = server.rss() - before
    assert grown < 8 * MIB + count * 32768, f"{grown / count:.0f} bytes for each client"


@pytest.mark.usefixtures("no_sanitizer")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_many_clients_at_once(start, connect, provider):
    server = start(provider, memory_mb=32)
    stub = connect(server)
    clients = []
    try:
        for number in range(24):
            clients.append(Client(server.addr, provider, buffer_bytes=65536))
            clients[-1].put(b"%d" % number, content(number, 20000))
        assert stats(stub)["sessions"] == 24
        for number, client in enumerate(clients):
            assert client.get(b"%d" % ((number + 1) % 24)) == content((number + 1) % 24, 20000)
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: stats(stub)["sessions"] == 0, 20, lambda: stats(stub))


def test_more_clients_than_allowed_are_told(start):
    server = start("tcp", memory_mb=8, extra=["--max-clients", "1"])
    repl = Kv(server.addr, "tcp").start("repl", stdin=-1)
    try:
        repl.popen.stdin.write(b"put k v\n")
        repl.popen.stdin.flush()
        repl.wait_line(rb"ok", 20)
        Kv(server.addr, "tcp").fails("ELIMIT", "get", "k")
        repl.popen.stdin.close()
        repl.wait(20)
    finally:
        repl.kill()
    kv = Kv(server.addr, "tcp")
    assert wait_for(lambda: kv("get", "k").stdout == b"v", 20, "room for the next client")


def test_counters_count(start, connect):
    server = start("tcp", memory_mb=32)
    kv = Kv(server.addr, "tcp")
    kv.ok("put", "a", "--file", "-", stdin=bytes(100000))
    kv.ok("get", "a")
    kv.fails("ENOTFOUND", "get", "b")
    kv.ok("delete", "a")
    figures = json.loads(kv.ok("stats", "--json"))
    wanted = {"keys": 0, "value_bytes": 0, "pool_used": 0, "gets": 2, "hits": 1, "misses": 1, "puts": 1, "deletes": 1,
              "bytes_in": 100000, "bytes_out": 100000, "sessions": 1, "requests_bad": 0, "checksum_errors": 0}
    assert {name: figures[name] for name in wanted} == wanted
    assert stats(connect(server)).keys() == figures.keys()
