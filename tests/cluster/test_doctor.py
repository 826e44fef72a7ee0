# SPDX-License-Identifier: Apache-2.0
"""weft doctor: what it says of this machine and of emulated devices, and what is around its checks.

The latter is tested with three planted checks (tests/doctor/planted.def): what the file /etc/one says is A1's verdict.
"""
import json
import os
import re
import signal
import subprocess
import tarfile

import pytest

from harness import BUILD, ROOT, SANITIZER, USAGE, WEFT, Process, assert_one_line, run, wait_for

DOCTOR = BUILD / "programs" / "doctor" / "weft-doctor"
PLANTED = BUILD / "tests" / "doctor" / "weft-doctor-planted"
HELPER = BUILD / "programs" / "doctor" / "weft-doctor-probe"


def tree(tmp_path, one="ok", environ="PLANTED=1\n"):
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    if one:
        (root / "etc" / "one").write_text(one + "\n", encoding="ascii")
    (root / "environ").write_text(environ, encoding="ascii")
    (root / "probe").write_text("libfabric=9.9\nend=ok\n", encoding="ascii")
    return root


def planted(root, *args, status=0):
    done = run([PLANTED, "--sysroot", root, *args])
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout.decode()


def verdicts(text):
    return {check["id"]: check["status"] for check in json.loads(text)["checks"]}


@pytest.mark.smoke
@pytest.mark.parametrize("one,environ,status,wanted", [
    ("ok", "PLANTED=1\n", 0, {"A1": "ok", "A2": "ok", "B1": "ok"}),
    ("ok", "PLANTED=2\0X=y\0", 1, {"A1": "ok", "A2": "warn", "B1": "ok"}),
    ("warn", "PLANTED=1\n", 1, {"A1": "warn", "A2": "ok", "B1": "ok"}),
    ("bad", "", 2, {"A1": "fail", "A2": "skipped", "B1": "ok"}),
    ("crash", "", 1, {"A1": "unknown", "A2": "skipped", "B1": "ok"}),
    (None, "", 1, {"A1": "unknown", "A2": "skipped", "B1": "ok"}),
])
def test_verdicts_and_status(tmp_path, one, environ, status, wanted):
    assert verdicts(planted(tree(tmp_path, one, environ), "--json", status=status)) == wanted


def test_the_forms_of_a_report(tmp_path):
    root = tree(tmp_path, "bad")
    text = planted(root, status=2)
    assert text.index("FAIL A1 the file says bad") < text.index("fix:  echo ok > /etc/one") < text.index("A  planted")
    assert max(map(len, text.splitlines())) <= 80
    assert "\033" not in text
    report = json.loads(planted(root, "--json", status=2))
    assert report["root_causes"] == ["A1"] and report["verdict"] == "fatal"
    assert report["checks"][0]["evidence"] == ["/etc/one: bad"]
    assert "| A1 | fail | a file | the file says bad |" in planted(root, "--markdown", status=2)
    assert "known from  this test" in planted(root, "--explain", "a1", status=2)
    assert "A2   warning  PLANTED is 1" in planted(root, "--list")
    assert verdicts(planted(root, "--json", "--only", "b,A2")) == {"A2": "ok", "B1": "ok"}


def test_an_environment_of_a_file(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"A=b\0PLANTED=no\0")
    out = planted(tree(tmp_path), "--environ", other, "--only", "A2", "--json", status=1)
    assert json.loads(out)["checks"][0]["text"] == "PLANTED is no"


@pytest.mark.parametrize("args,part", [
    (["--only", "A9"], "no check is called 'A9'"),
    (["--only", ","], "--only names no check"),
    (["--explain", "X"], "no check is called 'X'"),
    (["--json", "--markdown"], "do not go together"),
    (["--watch", "5", "--json"], "--watch"),
    (["--watch", "0"], "--watch"),
    (["--list", "--only", "A1"], "--list"),
    (["--sysroot", "/nowhere"], "/nowhere"),
    (["--environ", "/nowhere"], "/nowhere"),
    (["--bogus"], "--bogus"),
])
def test_what_is_wrong_is_one_line_and_nothing_else(args, part):
    done = run([PLANTED, *args])
    assert done.returncode == USAGE and done.stdout == b""
    assert_one_line(done.stderr)
    assert part in done.stderr.decode()


def test_a_bundle_looks_again_elsewhere(tmp_path):
    root = tree(tmp_path, "warn", "PLANTED=1\nDB_PASSWORD=verysecret\nAWS_REGION=eu-north-7\n")
    file = tmp_path / "b.tar.gz"
    planted(root, "--bundle", file, status=1)
    with tarfile.open(file) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "out", filter="data") if hasattr(tarfile, "data_filter") else \
            archive.extractall(tmp_path / "out")
    assert {"weft-doctor/report.txt", "weft-doctor/report.json", "weft-doctor/report.md", "weft-doctor/dmesg.txt",
            "weft-doctor/tree/environ", "weft-doctor/tree/probe", "weft-doctor/tree/etc/one"} <= set(names)
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"verysecret" not in content and b"eu-north" not in content
    again = planted(tmp_path / "out" / "weft-doctor" / "tree", "--json", status=1)
    assert verdicts(again) == {"A1": "warn", "A2": "ok", "B1": "ok"}
    done = run([PLANTED, "--sysroot", root, "--bundle", "/dev/full"])
    assert done.returncode == USAGE and b"No space left" in done.stderr


def test_watch_prints_what_changed(tmp_path):
    root = tree(tmp_path)
    watch = Process([PLANTED, "--sysroot", root, "--watch", "1"])
    watch.wait_line(rb"nothing wrong", 20)
    wait_for(lambda: b"libfabric 9.9" in b"".join(watch.out), 20, watch.describe)
    (root / "etc" / "one").write_text("bad", encoding="ascii")
    watch.wait_line(rb"was ok", 20)
    watch.wait_line(rb"FAIL A1   the file says bad", 20)
    watch.wait_line(rb"now: 1 fatal, 1 skipped, 1 ok", 20)
    watch.signal(signal.SIGTERM)
    assert watch.wait(20) == 2
    assert b"".join(watch.out).count(b"libfabric 9.9") == 1


# --- the real checks --------------------------------------------------------------------------------


def test_it_is_static_and_needs_no_helper(tmp_path):
    if not SANITIZER:
        assert b"INTERP" not in run(["readelf", "-lW", DOCTOR]).stdout
    done = run([DOCTOR, "--json"], env={**os.environ, "WEFT_PROBE": str(tmp_path / "none")})
    assert done.returncode in (0, 1, 2) and json.loads(done.stdout)["schema"] == "weft-doctor-report"


def test_versions_are_those_of_the_other_programs():
    assert run([DOCTOR, "--version"]).stdout == run([WEFT, "--version"]).stdout


def helper_says(command=()):
    out = run([*command, HELPER], timeout=30).stdout.decode()
    lines = out.splitlines()
    assert lines[-1] == "end=ok" and all(re.match(r"[\w.-]+=", line) for line in lines), out
    return dict(line.split("=", 1) for line in lines)


def test_the_helper_on_a_machine_without_devices():
    if os.path.isdir("/sys/class/infiniband") and os.listdir("/sys/class/infiniband"):
        pytest.skip("this machine has RDMA devices")
    said = helper_says()
    assert re.match(r"\d+\.\d+", said["libfabric"]) and os.path.exists(said["libfabric_path"])
    assert "dev.0" not in said and said["fi.efa"].startswith("ENODATA ")
    assert "tcp" in said["fi.providers"].split()


@pytest.mark.skipif(SANITIZER != "", reason="a sanitized library cannot be loaded into other programs")
def test_the_helper_and_the_doctor_with_emulated_devices():
    emu = [WEFT, "emu", "--nics", "2", "--"]
    said = helper_says(emu)
    assert said["dev.0.open"] == said["dev.1.open"] == "ok" and said["fi.efa"] == "2"
    assert int(said["dev.0.efa.caps"], 16) & 1 and int(said["dev.0.max_msg"]) > 1000
    done = run([*emu, WEFT, "doctor", "--json"])
    report = json.loads(done.stdout)
    wrong = {check["id"]: check["text"] for check in report["checks"] if check["status"] == "fail"}
    assert wrong == {} and done.returncode in (0, 1), wrong


@pytest.mark.skipif(SANITIZER != "", reason="a sanitized library cannot be loaded into other programs")
def test_a_bundle_of_emulated_devices_shows_them_again(tmp_path):
    run([WEFT, "emu", "--nics", "2", "--", WEFT, "doctor", "--bundle", tmp_path / "b.tar.gz"])
    run(["tar", "-xzf", tmp_path / "b.tar.gz", "-C", tmp_path])
    here = json.loads((tmp_path / "weft-doctor" / "report.json").read_text(encoding="utf-8"))
    done = run([DOCTOR, "--json", "--sysroot", tmp_path / "weft-doctor" / "tree"])
    there = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    for check in here["checks"]:
        if check["id"] in ("A3", "A5", "B1", "B2", "B3", "B5", "B7", "B8", "B9", "C1", "D3"):
            assert check["text"] == there[check["id"]]["text"]


def test_this_machine_s_verdict_is_true():
    """No EFA device: that is the one cause of all there is."""
    if list_efa_functions():
        pytest.skip("this machine has EFA devices")
    done = run([DOCTOR, "--json"])
    report = json.loads(done.stdout)
    assert done.returncode == 2 and "A3" in report["root_causes"], report["root_causes"]
    spoken = run([DOCTOR]).stdout.decode()
    assert "FAIL A3" in spoken and max(map(len, spoken.splitlines())) <= 100
    assert all(check["text"] for check in report["checks"])


def list_efa_functions():
    out = subprocess.run("grep -l 0x1d0f /sys/bus/pci/devices/*/vendor", shell=True, capture_output=True, check=False)
    return [path for path in out.stdout.decode().split()
            if open(path.replace("vendor", "device"), encoding="ascii").read().startswith("0xefa")]


def test_the_schema_names_what_a_report_has(tmp_path):
    with open(ROOT / "docs" / "doctor.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    report = json.loads(planted(tree(tmp_path, "bad"), "--json", status=2))
    check_object(schema, schema, report, "report")


def check_object(root, schema, value, where):
    """The part of JSON Schema that the schema uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
    assert any(isinstance(value, python[kind]) for kind in kinds), f"{where}: {value!r} is no {kinds}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if isinstance(value, dict):
        assert set(value) == set(schema["properties"]) == set(schema["required"]), where
        for key, part in value.items():
            check_object(root, schema["properties"][key], part, f"{where}.{key}")
    if isinstance(value, list):
        for part in value:
            check_object(root, schema["items"], part, f"{where}[]")
