# SPDX-License-Identifier: Apache-2.0
"""--in-process: client and server in one process, no network."""
from harness import MIB, WEFT, assert_one_line, content, run


def test_repl_keeps_values_in_its_own_server():
    result = run([WEFT, "kv", "--in-process", "--provider", "loop", "repl"],
                 stdin=b"put k hello\nget k\ndelete k\nget k\nquit\n")
    assert b"hello" in result.stdout
    assert b"no such key" in result.stdout + result.stderr


def test_put_of_a_large_value_works():
    result = run([WEFT, "kv", "--in-process", "put", "k", "--file", "-"], stdin=content(1, 9 * MIB))
    assert result.returncode == 0, result.stderr


def test_get_finds_nothing():
    result = run([WEFT, "kv", "--in-process", "get", "k"])
    assert result.returncode == 3
    assert_one_line(result.stderr)


def test_bench_verifies_its_content():
    result = run([WEFT, "kv", "--in-process", "bench", "--num-keys", "50", "--ops", "200",
                  "--value-size", "10000"])
    assert result.returncode == 0, result.stderr
