# SPDX-License-Identifier: Apache-2.0
"""Many clients overwrite, read, delete and let expire the same keys: what is read is always one whole
value of that key."""
import time

import pytest

from harness import PROVIDERS, PROVIDERS_AND_AUTO, wait_for
from load import DELETE, READ, SIZES, WRITE, Worker
from protocol import stats

pytestmark = pytest.mark.usefixtures("no_sanitizer")


def storm(server, stub, seconds, workers):
    """Runs the workers for a while; their summaries, after checking what must hold of each."""
    for worker in workers:
        worker.wait_ready()
    time.sleep(seconds)  # the length of the storm, not a synchronisation
    summaries = [worker.finish() for worker in workers]
    for summary in summaries:
        assert not summary["wrong"], summary
        assert not summary["errors"], summary
    assert sum(summary["get"] for summary in summaries) > 20, summaries
    assert sum(summary["put"] for summary in summaries) > 20, summaries
    figures = wait_for(lambda: (now := stats(stub))["sessions"] == 0 and now, 20, lambda: stats(stub))
    assert figures["pinned"] == figures["transfers"] == figures["uploads"] == figures["quarantined"] == 0, figures
    assert figures["checksum_errors"] == 0 and figures["requests_bad"] == 0, figures
    assert server.running()
    return summaries


def team(server, **task):
    """Fabric and gRPC control at once; small buffers, so that long values go in pieces."""
    return [
        Worker(server, WRITE, 1, ttls=[0.0, 0.0, 0.05], **task),
        Worker(server, WRITE, 2, "grpc", ttls=[0.0, 0.2], **task),
        Worker(server, READ, 3, **task),
        Worker(server, READ, 4, "grpc", **task),
        Worker(server, DELETE, 5, **task),
    ]


@pytest.mark.parametrize("provider", PROVIDERS_AND_AUTO)
def test_no_value_is_torn(start, connect, provider):
    server = start(provider, memory_mb=128)
    summaries = storm(server, connect(server), 2, team(server))
    assert sum(summary["full"] for summary in summaries) == 0, summaries


@pytest.mark.full
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_value_is_torn_while_the_pool_is_full(start, connect, provider):
    """The working set is larger than the pool: refusals, never damage."""
    server = start(provider, memory_mb=12)
    summaries = storm(server, connect(server), 5, team(server, keys=16, sizes=[*SIZES, 3 << 20, 4 << 20]))
    assert sum(summary["full"] for summary in summaries) > 0, summaries


@pytest.mark.full
@pytest.mark.parametrize("provider", PROVIDERS)
def test_one_hot_key_is_never_torn(start, connect, provider):
    server = start(provider, memory_mb=64)
    storm(server, connect(server), 5, team(server, keys=1, sizes=[100, 300000, 2 << 20]))


@pytest.mark.nightly
@pytest.mark.parametrize("provider", PROVIDERS_AND_AUTO)
def test_no_value_is_torn_in_minutes(start, connect, provider):
    server = start(provider, memory_mb=64)
    storm(server, connect(server), 180, team(server, keys=20) + team(server, keys=3))


def test_different_providers_share_one_server(start, connect):
    """Clients over shm and tcp at once, of a server that offers both."""
    server = start("auto", memory_mb=128)
    storm(server, connect(server), 2, [
        Worker(server, WRITE, 1, provider="shm"),
        Worker(server, WRITE, 2, provider="tcp"),
        Worker(server, READ, 3, provider="tcp"),
        Worker(server, READ, 4, provider="shm"),
    ])
