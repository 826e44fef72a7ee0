# SPDX-License-Identifier: Apache-2.0
"""Both controls, and every provider, give the same answers to the same script."""
import json
import re

import pytest

import harness
from harness import CHOSEN, PROVIDERS, Kv, content

pytestmark = pytest.mark.full

# Versions, times and addresses differ from run to run; nothing else may.
VARIES = re.compile(rb"version\s+\d+|\"version\":\s*\d+|\d+(\.\d+)? s\b|\"ttl_s\":\s*[\d.]+|127\.0\.0\.1:\d+")


def script(tmp_path):
    """Commands that must behave alike, with what they read."""
    file = tmp_path / "file"
    file.write_bytes(content("agree", 300000))
    yield from (
        (("get", "missing"), b""),
        (("delete", "missing"), b""),
        (("stat", "missing"), b""),
        (("list",), b""),
        (("put", "empty", ""), b""),
        (("get", "empty"), b""),
        (("stat", "empty"), b""),
        (("put", "small", "value"), b""),
        (("put", "file", "--file", str(file)), b""),
        (("put", "stdin"), content("agree/stdin", 5000)),
        (("get", "small"), b""),
        (("get", "file"), b""),
        (("get", "stdin"), b""),
        (("stat", "small"), b""),
        (("stat", "file", "--json"), b""),
        (("put", "long", "--file", "-"), content("agree/long", 3 << 20)),
        (("get", "long"), b""),
        (("put", "too large", "--file", "-"), bytes(5 << 20)),
        (("get", "too large"), b""),
        (("put", "--ttl", "1h", "ttl", "x"), b""),
        (("get", "ttl"), b""),
        (("put", "k" * 4096, "longest key"), b""),
        (("get", "k" * 4096), b""),
        (("put", "k" * 4097, "too long"), b""),
        (("put", "", "empty key"), b""),
        (("put", "small", "again"), b""),
        (("get", "small"), b""),
        (("delete", "small"), b""),
        (("get", "small"), b""),
        (("get", "file", "--output", str(tmp_path / "no" / "such" / "folder")), b""),
        (("put", "nothing", "--file", str(tmp_path / "missing")), b""),
        (("repl",), b"put r one two\nget r\nstat r\nget none\nnonsense\ndelete r\nget r\nquit\n"),
    )


def answers(kv, tmp_path):
    """What each command prints and how it ends, then the sorted list."""
    seen = []
    for args, stdin in script(tmp_path):
        result = kv(*args, stdin=stdin)
        seen.append([repr(args)[:60], result.returncode, VARIES.sub(b"~", result.stdout), VARIES.sub(b"~", result.stderr)])
    seen.append(["list", 0, b"\n".join(sorted(kv.ok("list").splitlines())), b""])
    seen.append(["list -", 0, kv.ok("list", "fi"), b""])
    rows = json.loads(kv.ok("list", "--json"))
    seen.append(["list json", 0, sorted((row["key"], row["key_hex"], row["length"]) for row in rows), b""])
    return seen


def run_script(provider, control, tmp_path):
    server = harness.Server(provider, memory_mb=16, extra=["--max-value-mb", "4"])
    try:
        return answers(Kv(server.addr, provider, control, "--buffer-mb", "1"), tmp_path)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agree")
    return folder, run_script("tcp", "fabric", folder)


@pytest.mark.parametrize("provider, control", [
    ("tcp", "grpc"),
    pytest.param("shm", "fabric", marks=pytest.mark.full),
    pytest.param("shm", "grpc", marks=pytest.mark.full),
] + [pytest.param(provider, control, marks=pytest.mark.nightly if control == "grpc" else pytest.mark.full)
     for provider in PROVIDERS if CHOSEN for control in ("fabric", "grpc")])
def test_controls_and_providers_give_the_same_answers(reference, provider, control):
    folder, wanted = reference
    got = run_script(provider, control, folder)
    for left, right in zip(wanted, got, strict=True):
        assert left == right


def test_reference_answers_are_right(reference):
    """So that both are not wrong alike."""
    _, answers_ = reference
    statuses = {what: (status, out) for what, status, out, _ in answers_}
    assert statuses["('get', 'missing')"][0] == 3
    assert statuses["('get', 'long')"][1] == content("agree/long", 3 << 20)
    assert statuses["('get', 'file')"][1] == content("agree", 300000)
    assert statuses["('get', 'stdin')"][1] == content("agree/stdin", 5000)
    assert statuses["('get', 'empty')"] == (0, b"")
    assert statuses["('put', 'too large', '--file', '-')"][0] == 4
    assert statuses["('get', 'too large')"][0] == 3
    assert [status for what, status, *_ in answers_ if what.startswith("('put', 'kkk")] == [0, 4]
