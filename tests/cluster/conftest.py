# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: tiers, servers, and that nothing stays behind.

Tiers (WEFT_TEST_TIER): quick leaves out what is marked full, full (default) what is marked nightly.
Tests without a mark, or marked smoke, are the short selection that sanitizer runs take, TSan's without those
marked alone. A run for chosen providers (harness.CHOSEN) takes the tests that have one of them as a parameter.
"""
import os

import pytest

import emulated
import harness
import protocol

CONTROLS = ("fabric", "grpc")


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: the short selection, also run under sanitizers")
    config.addinivalue_line("markers", "full: not in the quick tier")
    config.addinivalue_line("markers", "nightly: only in the nightly tier")
    config.addinivalue_line("markers", "alone: has no two threads of weft's, or those of others that are taken: nothing for TSan to see")


def is_chosen(item):
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return not harness.CHOSEN or any(value in harness.PROVIDERS for value in params.values())


def pytest_collection_modifyitems(config, items):
    tier = os.environ.get("WEFT_TEST_TIER", "full")
    left_out = {"quick": {"full", "nightly"}, "full": {"nightly"}, "nightly": set()}[tier]
    keep, drop = [], []
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if not marks & {"full", "nightly"}:
            item.add_marker("smoke")
        (drop if marks & left_out or not is_chosen(item) else keep).append(item)
    if drop:
        config.hook.pytest_deselected(items=drop)
        items[:] = keep


@pytest.fixture(scope="session", autouse=True)
def programs():
    if not harness.WEFT.exists():
        pytest.exit(f"{harness.WEFT} is not there: ./dev build, or set WEFT_BUILD_DIR", 1)


@pytest.fixture(autouse=True)
def nothing_left():
    """Ends every process that the test started and did not end."""
    before = set(harness.alive)
    yield
    for process in list(harness.alive - before):
        if not process.shared:
            process.kill()


@pytest.fixture(scope="session", params=harness.PROVIDERS_AND_AUTO)
def shared_server(request):
    server = harness.Server(request.param, memory_mb=256)
    yield server
    if server in harness.alive:
        server.stop()


@pytest.fixture
def server(shared_server):
    """A server that other tests use too: with keys of one's own, and not to be harmed."""
    assert shared_server.running(), shared_server.describe()
    yield shared_server
    assert shared_server.running(), shared_server.describe()
    shared_server.assert_sane()


@pytest.fixture(params=CONTROLS)
def control(request):
    return request.param


@pytest.fixture
def kv(server, control):
    return harness.Kv(server.addr, server.provider, control)


@pytest.fixture
def start(request):
    """start("tcp", memory_mb=...) starts a server of the test's own; it must end cleanly."""
    servers = []

    def begin(provider="auto", **options):
        server = harness.Server(provider, **options)
        servers.append(server)
        return server

    yield begin
    for server in servers:
        if server in harness.alive:
            server.stop()


@pytest.fixture
def connect():
    """connect(server) is a gRPC stub; its channel is closed afterwards."""
    channels = []

    def begin(server, service="kv_cache.KvCacheService"):
        channel = protocol.channel(server if isinstance(server, str) else server.addr)
        channels.append(channel)
        return protocol.Stub(channel, service)

    yield begin
    for channel in channels:
        channel.close()


@pytest.fixture
def key(request):
    """A key that no other test uses."""
    return request.node.name


@pytest.fixture
def no_sanitizer():
    if harness.SANITIZER:
        pytest.skip("a sanitized library cannot be loaded into Python")


@pytest.fixture
def make_world():
    """make_world(nics=4, ...) makes a world of emulated devices, which is removed after the test."""
    worlds = []

    def make(**options):
        worlds.append(emulated.World(**options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.remove()
