# SPDX-License-Identifier: Apache-2.0
"""`weft perf suite`: its files, also where it was interrupted."""
import csv
import json
import re
import signal

import pytest

from harness import SLOW, WEFT, Process, run, wait_for

PERF = [str(WEFT), "perf"]
FAILED = 1
ANSWER_S = 20 * SLOW
FILES = ("report.json", "report.csv", "report.html")
# What it measures, each over the fabric and over TCP: test, operation, sizes.
PARTS = [
    ("bw", "write", [4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20]),
    ("bw", "read", [64 << 10, 1 << 20]),
    ("lat", "writeimm", [64, 4 << 10, 64 << 10]),
    ("rate", "write", [64]),
]


@pytest.fixture
def server():
    server = Process([*PERF, "server", "--listen-addr", "127.0.0.1:0"])
    server.addr = "127.0.0.1:%d" % int(server.wait_line(rb"ready on (\S+):(\d+)", ANSWER_S).group(2))
    yield server
    server.signal(signal.SIGTERM)
    assert server.wait(ANSWER_S) == 0, server.describe()
    server.assert_sane()


def suite(addr, folder, *args):
    return [*PERF, "suite", addr, "--dir", folder, "--provider", "tcp", "--repeats", "1", *args]


def written(folder):
    """The report; the others of its files show the same results."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    report = json.loads((folder / "report.json").read_text())
    page = (folder / "report.html").read_text(encoding="utf-8")
    embedded = json.loads(re.search(r'<script[^>]*id="report"[^>]*>(.*?)</script>', page, re.S)[1])
    assert len(embedded["results"]) == len(report["results"]) and embedded["started"] == report["started"]
    rows = list(csv.DictReader((folder / "report.csv").read_text().splitlines()))
    cells = {(int(row["Message Size (bytes)"]), row["Operation"]) for row in rows}
    assert cells == {(result["case"]["size"], result["case"]["op"]) for result in report["results"]}
    return report


def measured(result):
    """In the short time a busy machine may do nothing; then that is said."""
    ops = sum(one["here"]["ops"] for one in result["runs"])
    assert (ops > 0) != any(flag["gate"] == "nothing_done" for flag in result["flags"]), result


@pytest.mark.nightly
def test_a_suite_measures_all_and_writes_it(server, tmp_path):
    result = run(suite(server.addr, tmp_path / "out", "--duration", "50ms"), timeout=120)
    assert result.returncode in (0, FAILED) and b"report.html" in result.stdout, result
    report = written(tmp_path / "out")
    assert not report["interrupted"]
    cases = [result["case"] for result in report["results"]]
    assert [(case["test"], case["op"], case["size"], case["backend"]) for case in cases] == [
        (test, op, size, backend) for test, op, sizes in PARTS for size in sizes for backend in ("fabric", "tcp")]
    for result in report["results"]:
        (one,) = result["runs"]
        assert result["error"] == one["error"] == 0, result
        measured(result)
        assert (result["latency"] is not None) == (result["case"]["test"] == "lat"), result


@pytest.mark.full
def test_an_interrupted_suite_writes_what_was_measured(server, tmp_path):
    folder = tmp_path / "out"
    process = Process(suite(server.addr, folder, "--duration", "100ms"))
    for threads in (3, 2, 3, 2, 3):  # each run has a thread of its own at the server: in the third
        wait_for(lambda: server.thread_count() == threads or not process.running(), 20, process.describe)
    process.signal(signal.SIGINT)
    assert process.wait(ANSWER_S) in (FAILED, 128 + signal.SIGINT), process.describe()
    report = written(folder)
    assert report["interrupted"] and 0 < len(report["results"]) < 22
    done = [result for result in report["results"] if not any(one["error"] for one in result["runs"])]
    assert done
    for result in done:
        measured(result)

