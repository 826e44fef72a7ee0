#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The units of deploy/systemd: what systemd-analyze says of them, and what RDMA needs of them.

Usage: systemd_test.py DEPLOY-FOLDER SERVE.DEF

Each check is tried on a unit that breaks it. Status 77: systemd-analyze is not installed.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# How exposed a service is, of 10 (systemd-analyze security): as it is today, with a little room.
EXPOSED = {"weft-serve": 2.5, "weft-exporter": 1.9}
failed = []


def analyze(folder, name, text):
    """What systemd-analyze has to say against a unit; "" is nothing."""
    unit = folder / f"{name}.service"
    unit.write_text(text.replace("@BINDIR@", str(folder)), encoding="utf-8")
    said = ""
    for how in (["verify", "--man=no"], ["security", "--offline=yes", f"--threshold={EXPOSED[name] * 10:.0f}"]):
        done = subprocess.run(["systemd-analyze", *how, unit], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode or done.stderr.strip():
            said += done.stderr or f"{how[0]}: {done.stdout.strip().splitlines()[-1]}\n"
    return said


def settings(text):
    return {name: value for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M)}


def against_rdma(text, drain_s):
    """What of a unit would keep weft serve from working."""
    unit = settings(text)
    if unit.get("LimitMEMLOCK") != "infinity":
        yield "locked memory is limited"
    if "PrivateDevices" in unit or "char-infiniband_verbs rw" not in unit.get("DeviceAllow", ""):
        yield "it cannot open /dev/infiniband"
    if {"MemoryDenyWriteExecute", "PrivateUsers", "PrivateNetwork", "PrivateIPC"} & unit.keys():
        yield "libfabric cannot do what it does"
    if "AF_NETLINK" not in unit.get("RestrictAddressFamilies", "AF_NETLINK"):
        yield "libibverbs asks the kernel over netlink"
    if int(unit.get("TimeoutStopSec", "0")) <= drain_s:
        yield "it is killed before --drain-timeout has passed"


def expect(what, condition):
    if not condition:
        failed.append(what)


def main():
    deploy, serve_def = (Path(name) for name in sys.argv[1:])
    if not shutil.which("systemd-analyze"):
        print("systemd-analyze is not installed (./dev setup)")
        sys.exit(77)
    drain = re.search(r'"drain-timeout", 0, "TIME", "(\d+)s"', serve_def.read_text(encoding="utf-8"))
    units = {name: (deploy / "systemd" / f"{name}.service.in").read_text(encoding="utf-8") for name in EXPOSED}
    serve = units["weft-serve"]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "weft")
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
        for name, text in units.items():
            said = analyze(Path(folder), name, text)
            expect(f"{name}: {said}", not said)
        for old, new in (("LimitMEMLOCK", "LimitMEMLOK"), ("@BINDIR@/weft", "@BINDIR@/nonesuch"),
                         ("NoNewPrivileges=yes\nCapabilityBoundingSet=\n", "")):
            expect(f"systemd-analyze notices {new!r}", analyze(Path(folder), "weft-serve", serve.replace(old, new)))
    expect("\n".join(against_rdma(serve, int(drain[1]))), not list(against_rdma(serve, int(drain[1]))))
    for old, new in (("LimitMEMLOCK=infinity", ""), ("DeviceAllow=", "#"), ("LockPersonality=", "PrivateUsers="),
                     (" AF_NETLINK", ""), ("TimeoutStopSec=30", "TimeoutStopSec=10")):
        expect(f"{old!r} to {new!r} is noticed", old in serve and list(against_rdma(serve.replace(old, new), int(drain[1]))))
    print("\n".join(failed) or f"{len(units)} units are right")
    sys.exit(bool(failed))


main()
