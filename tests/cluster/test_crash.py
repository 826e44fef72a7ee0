# SPDX-License-Identifier: Apache-2.0
"""Servers and clients that are killed, stopped and started again: whoever is left goes on, gets its
answer in time, and nothing stays behind."""
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from clib import Client
from freeze import freeze
from harness import (
    MIB, PROVIDERS, SLOW, STATUS, STOP_S, Kv, Process, content, free_port, scratch_file, shm_files, wait_for,
)
from load import READ, WRITE, Worker
from protocol import stats

pytestmark = pytest.mark.usefixtures("no_sanitizer")

# What a client may be told when its server dies, is away, or is another one now.
SERVER_GONE = {"EPEERGONE", "EPEERSTALE", "EUNAVAILABLE", "EDEADLINE", "ESESSION", "ECLOSED"}
QUIET = ("sessions", "pinned", "transfers", "uploads", "quarantined")


def settled(stub):
    """Waits until the server holds nothing for any client; its figures."""
    return wait_for(lambda: not any((now := stats(stub))[name] for name in QUIET) and now, 20,
                    lambda: f"clients are still held: {stats(stub)}")


def restart(start, old, **options):
    return start(old.provider, port=old.port, **options)


# --- the server dies --------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["fabric", "grpc"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_clients_survive_a_killed_server(start, provider, control):
    """Killed under load; errors are the documented ones and in time; the next server is used at once."""
    server = start(provider, memory_mb=64)
    timeout = 4 * SLOW
    workers = [Worker(server, mix, seed, control, timeout_s=timeout).wait_ready()
               for seed, mix in enumerate([WRITE, READ])]
    for round_ in range(2):
        server.kill()
        for worker in workers:
            wait_for(lambda worker=worker: worker.count(b"errors") > round_, 4 * timeout, worker.describe)
        server = restart(start, server, memory_mb=64)
        for worker in workers:
            wait_for(lambda worker=worker: worker.count(b"again") > round_, 4 * timeout, worker.describe)
    for worker in workers:
        summary = worker.finish()
        assert not summary["wrong"], summary
        assert set(summary["errors"]) <= SERVER_GONE, summary
        # Opening a client and the operation have each their own timeout.
        assert summary["longest_s"] < 2 * timeout + 5 * SLOW, summary


@pytest.mark.parametrize("control", ["fabric", "grpc"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopping_under_load_is_clean(start, connect, provider, control):
    """SIGTERM: what is under way ends, exit status 0; clients are told and find the next server."""
    server = start(provider, memory_mb=64)
    workers = [Worker(server, mix, seed, control, timeout_s=4 * SLOW).wait_ready()
               for seed, mix in enumerate([WRITE, WRITE, READ])]
    wait_for(lambda: stats(connect(server))["puts"] > 50, 30, "load")
    server.stop()
    for worker in workers:
        wait_for(lambda worker=worker: worker.count(b"errors"), 20, worker.describe)
    server = restart(start, server, memory_mb=64)
    for worker in workers:
        wait_for(lambda worker=worker: worker.count(b"again"), 20, worker.describe)
        summary = worker.finish()
        assert not summary["wrong"] and set(summary["errors"]) <= SERVER_GONE, summary
    settled(connect(server))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_at_once(start, number):
    server = start("auto")
    began = time.monotonic()
    server.signal(number)
    assert server.wait(STOP_S) == 0
    assert time.monotonic() - began < 5 * SLOW
    server.assert_sane()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_second_signal_ends_a_stop_at_once(start, provider):
    """A client that does not move holds up the stop; the second signal does not wait for it."""
    server = start(provider, memory_mb=64, extra=["--drain-timeout", "60s"])
    worker = Worker(server, WRITE, 1).wait_ready()
    freeze(worker, server)
    server.signal(signal.SIGTERM)
    wait_for(lambda: b"stopping" in b"".join(server.err), 10, server.describe)
    server.signal(signal.SIGTERM)
    assert server.wait(10 * SLOW) == -signal.SIGTERM, server.describe()
    worker.kill()


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("control", ["fabric", "grpc"])
def test_stopped_server_costs_a_client_its_timeout_only(start, provider, control):
    server = start(provider, memory_mb=64)
    Kv(server.addr, provider, control).ok("put", "k", "value")
    kv = Kv(server.addr, provider, control, "--timeout", "3s")
    client = Client(server.addr, provider, control, timeout_s=3)
    other = start(provider, memory_mb=8)
    freeze(server)
    began = time.monotonic()
    result = kv("get", "k")
    assert result.returncode in {STATUS[name] for name in SERVER_GONE}, result
    with pytest.raises(Exception) as error:
        client.get(b"k")
    assert error.value.name in SERVER_GONE
    Kv(other.addr, provider, control).ok("put", "k", "others go on")
    assert time.monotonic() - began < 25 * SLOW
    server.signal(signal.SIGCONT)
    wait_for(lambda: kv("get", "k").stdout == b"value", 20, "the server answers again")
    wait_for(lambda: try_get(client, b"k") == b"value", 20, "the open client works again")
    client.close()


def try_get(client, key):
    try:
        return client.get(key)
    except Exception:  # pylint: disable=broad-except
        return None


def test_closing_a_client_of_a_stopped_server_ends(start):
    for provider in PROVIDERS:
        server = start(provider, memory_mb=8)
        client = Client(server.addr, provider, timeout_s=1)
        client.put(b"k", b"v")
        freeze(server)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 20 * SLOW
        server.signal(signal.SIGCONT)


# --- a client dies ----------------------------------------------------------------------------------


def blocked_get(kv, key):
    """A GET in pieces whose reader takes only the first bytes."""
    read, write = os.pipe()
    process = kv.start("get", key, stdout=write)
    os.close(write)
    assert os.read(read, 1)
    return process, read


@pytest.mark.parametrize("control", ["fabric", "grpc"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_client_killed_in_the_middle_of_a_get_leaves_nothing(start, connect, provider, control):
    server = start(provider, memory_mb=64, extra=["--session-timeout", "2s"])
    stub = connect(server)
    stub.Put(key=b"large", inline_value=content(1, 32 * MIB))
    used = stats(stub)["pool_used"]
    process, read = blocked_get(Kv(server.addr, provider, control, "--buffer-mb", "1"), "large")
    assert wait_for(lambda: stats(stub)["pinned"], 10, "the value is pinned")
    assert stub.Delete(key=b"large").key_existed
    assert stats(stub)["pool_used"] == used  # the reader still has it
    process.kill()
    os.close(read)
    figures = settled(stub)
    assert figures["pool_used"] == 0, figures
    assert figures["sessions_forgotten"] == 1, figures
    Kv(server.addr, provider, control).ok("put", "k", "others go on")


@pytest.mark.parametrize("control", ["fabric", "grpc"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_client_killed_in_the_middle_of_a_put_leaves_nothing(start, connect, provider, control):
    server = start(provider, memory_mb=64, extra=["--session-timeout", "2s"])
    stub = connect(server)
    stub.Put(key=b"half", inline_value=b"the value before")
    before = stats(stub)
    process = Process([sys.executable, Path(__file__).with_name("stuck_put.py"), server.addr, provider, control,
                       32 * MIB])
    process.wait_line(rb"^half", 20 * SLOW)
    during = stats(stub)
    assert during["uploads"] == 1 and during["pool_used"] >= 32 * MIB, during
    assert stub.Get(key=b"half").inline_value == b"the value before"
    process.kill()
    figures = settled(stub)
    assert (figures["pool_used"], figures["keys"]) == (before["pool_used"], before["keys"]), figures
    assert stub.Get(key=b"half").inline_value == b"the value before"


@pytest.mark.full
@pytest.mark.parametrize("provider", PROVIDERS)
def test_clients_killed_at_any_moment_leave_nothing(start, connect, provider):
    """Ten at different points of putting and getting 48 MiB."""
    server = start(provider, memory_mb=160, extra=["--session-timeout", "2s"])
    stub = connect(server)
    data = content(3, 48 * MIB)
    stub.Put(key=b"large", inline_value=data, timeout=60)
    before = stats(stub)["pool_used"]
    kv = Kv(server.addr, provider, "fabric", "--buffer-mb", "2")
    for number in range(10):
        moved = "bytes_in" if number % 2 else "bytes_out"
        first = stats(stub)
        if number % 2:
            process = kv.start("put", "new", "--file", "/dev/fd/0", stdin=scratch_file(data))
        else:
            process = kv.start("get", "large", "--output", "/dev/null")
        wait_for(lambda: (now := stats(stub))["requests_fabric"] > first["requests_fabric"] + number
                 or now[moved] > first[moved] or not process.running(), 20, process.describe)
        process.kill()
    settled(stub)
    stub.Delete(key=b"new")
    assert stats(stub)["pool_used"] == before
    assert kv.ok("get", "large") == data


@pytest.mark.parametrize("provider", PROVIDERS)
def test_stopped_client_is_forgotten_and_told(start, connect, provider):
    """SIGSTOP in the middle of a GET; meanwhile others go on; after SIGCONT it ends with an answer."""
    server = start(provider, memory_mb=64, extra=["--session-timeout", "1s"])
    stub = connect(server)
    stub.Put(key=b"large", inline_value=content(1, 32 * MIB))
    process, read = blocked_get(Kv(server.addr, provider, "fabric", "--buffer-mb", "1", "--timeout", "5s"), "large")
    freeze(process, server)
    kv = Kv(server.addr, provider)
    kv.ok("put", "k", "--file", "-", stdin=content(2, MIB))
    assert kv.ok("get", "k") == content(2, MIB)
    wait_for(lambda: stats(stub)["sessions_forgotten"], 20, lambda: stats(stub))
    if provider != "efa":
        # There a piece that the client has accepted before it was stopped may be asked for when it goes on.
        settled(stub)
    stub.Delete(key=b"large")
    process.signal(signal.SIGCONT)
    with os.fdopen(read, "rb") as rest:
        while rest.read(MIB):
            pass
    status = process.wait(30 * SLOW)
    assert status in {STATUS[name] for name in SERVER_GONE | {"ENOTFOUND", "EBADREQUEST"}}, process.describe()
    process.assert_sane()
    settled(stub)
    wait_for(lambda: stats(stub)["pool_used"] < 2 * MIB, 10, lambda: stats(stub))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_frozen_clients_do_not_hold_up_others(start, connect, provider):
    """Several clients stopped under load, at whatever they were doing."""
    server = start(provider, memory_mb=128, extra=["--session-timeout", "3s", "--transfer-timeout", "3s"])
    frozen = [Worker(server, mix, seed).wait_ready() for seed, mix in enumerate([WRITE, READ, WRITE, READ])]
    for worker in frozen:
        freeze(worker, server)
    healthy = [Worker(server, mix, 10 + seed, keys=4).wait_ready() for seed, mix in enumerate([WRITE, READ])]
    # What is under way with a stopped client may last as long as it is stopped; its session does not.
    wait_for(lambda: stats(connect(server))["sessions_forgotten"] == len(frozen), 30, lambda: stats(connect(server)))
    for worker in healthy:
        summary = worker.finish()
        assert not summary["wrong"] and not summary["errors"], summary
    for worker in frozen:
        worker.signal(signal.SIGCONT)
    for worker in frozen:
        wait_for(lambda worker=worker: worker.count(b"again") >= worker.count(b"errors"), 30, worker.describe)
        summary = worker.finish()
        assert not summary["wrong"] and set(summary["errors"]) <= SERVER_GONE, summary
    figures = settled(connect(server))
    assert figures["pool_used"] <= figures["value_bytes"] + 100 * 200000, figures


@pytest.mark.full
@pytest.mark.parametrize("provider", PROVIDERS)
def test_restarts_leave_nothing_in_shared_memory(start, provider):
    """Killed servers: the next one of the same name works, and files in /dev/shm do not pile up."""
    port = free_port()
    counts = []
    for number in range(6):
        server = start(provider, memory_mb=8, port=port)
        kv = Kv(server.addr, provider)
        kv.ok("put", "k", f"value {number}")
        assert kv.ok("get", "k") == f"value {number}".encode()
        counts.append(len(shm_files(server.pid)))
        server.kill()
    server = start(provider, memory_mb=8, port=port)
    Kv(server.addr, provider).ok("ping")
    assert max(counts) <= 4, counts


def test_reading_only_the_beginning_of_a_value_is_no_error(start):
    """A reader that goes away early, like head: quiet, as programs do."""
    server = start("tcp", memory_mb=64)
    kv = Kv(server.addr, "tcp", "fabric", "--buffer-mb", "1")
    kv.ok("put", "k", "--file", "-", stdin=content(1, 16 * MIB))
    process, read = blocked_get(kv, "k")
    os.close(read)
    status = process.wait(20 * SLOW)
    assert status in (141, -signal.SIGPIPE), process.describe()
    assert b"".join(process.err) == b""


def test_summary_of_worker_is_json(start):
    """The load of these tests works without faults: no errors then."""
    server = start("shm", memory_mb=64)
    summary = Worker(server, WRITE, 1).wait_ready().finish()
    assert json.dumps(summary) and not summary["errors"] and summary["put"] > 0
