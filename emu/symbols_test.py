#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shared object against symbols.def, against the libraries it stands in for, and against every
program and library of this machine that needs those.

Usage: symbols_test.py LIBRARY LINKS_DIR SYMBOLS.DEF [SANITIZER_RUNTIME]

A library built for the thread sanitizer is looked at and not run: programs that are not
instrumented do not start with that sanitizer's runtime.
"""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import symbols  # noqa: E402

LIBRARY, LINKS, TABLE = sys.argv[1:4]
RUNTIME = sys.argv[4] if len(sys.argv) > 4 else ""
NAMES = ("libibverbs.so.1", "libefa.so.1")
FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/lib/*-linux-gnu", "/usr/lib/*-linux-gnu/libibverbs",
           "/usr/local/bin", "/usr/local/lib")
RUNS = "tsan" not in RUNTIME
FAILED = []


def check(name, findings, looked_at):
    print(f"{'ok' if not findings else 'FAILED'} {name}: {looked_at}")
    for finding in findings:
        print(f"  {finding}")
    if findings or not looked_at:
        FAILED.append(name)


def run(command, expect=0, **environment):
    env = dict(os.environ, **environment)
    if RUNTIME:
        # Programs that are not ours may leak.
        env["LD_PRELOAD"] = " ".join(filter(None, (RUNTIME, env.get("LD_PRELOAD"))))
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    if expect is not None and out.returncode != expect:
        check(" ".join(command), [f"exit {out.returncode}", out.stdout, out.stderr], 1)
    return out


def dynamic(path, *options):
    """[(name, node)] of the dynamic symbols; node is None where there is no version."""
    out = subprocess.run(["nm", "-D", *options, path], capture_output=True, text=True, check=False)
    found = []
    for line in out.stdout.splitlines():
        kind, symbol = line.split()[-2:]
        if kind not in "wv":
            name, _, node = symbol.partition("@")
            found.append((name, node.lstrip("@") or None))
    return found


def exported(path):
    """Without the nodes' own names, which stand among the symbols."""
    return {pair for pair in dynamic(path, "--defined-only") if pair[0] != pair[1] and pair[1]}


def check_table(ours):
    rows, _ = symbols.read(TABLE)
    table = {(name, node) for name, node, _ in rows}
    check("exports what symbols.def lists",
          [f"not exported: {pair}" for pair in sorted(table - ours)] +
          [f"not in symbols.def: {pair}" for pair in sorted(ours - table)], len(table))


def check_originals(ours):
    theirs = set()
    for name in NAMES:
        for path in glob.glob(f"/usr/lib/*-linux-gnu/{name}"):
            theirs |= exported(path)
    check("has all that the system's libraries export",
          [str(pair) for pair in sorted(theirs - ours)], len(theirs))


def users():
    """Files that need the libraries, by their dynamic section."""
    for folder in FOLDERS:
        for path in sorted(glob.glob(folder + "/*")):
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                if file.read(4) != b"\x7fELF":
                    continue
            needs = subprocess.run(["readelf", "-d", path], capture_output=True, text=True,
                                   check=False).stdout
            if re.search(r"NEEDED.*\[lib(ibverbs|efa)\.so\.1\]", needs):
                yield path


def complaints(out):
    """What ldd -r finds missing, without the addresses at the lines' ends."""
    return {re.split(r"\t\(| \(0x", line.strip())[0] for line in (out.stdout + out.stderr).splitlines()
            if re.search(r"undefined symbol|not found|not defined", line)}


def check_users(ours):
    findings, count = [], 0
    for path in users():
        count += 1
        if os.path.basename(path).startswith(NAMES):
            continue # the real libefa needs the real libibverbs
        for name, node in dynamic(path, "--undefined-only"):
            if node and re.match(r"(IBVERBS|EFA)_", node) and (name, node) not in ours:
                findings.append(f"{path}: {name}@{node}")
        if not RUNS:
            continue
        out = run(["ldd", "-r", path], None, LD_LIBRARY_PATH=LINKS, LD_BIND_NOW="1")
        # A plugin lacks what the program that loads it has, with any library.
        new = complaints(out) - complaints(run(["ldd", "-r", path], None, LD_BIND_NOW="1"))
        if new:
            findings.append(f"{path}: {sorted(new)}")
        if LINKS not in out.stdout:
            findings.append(f"{path}: does not take the library from {LINKS}")
    check("programs and libraries that need them are content", findings, count)


PROBE = r"""
import ctypes, os, sys
verbs, efa = (ctypes.CDLL(os.path.join(sys.argv[1], name), use_errno=True)
              for name in ("libibverbs.so.1", "libefa.so.1"))
print(len({line.split()[4] for line in open("/proc/self/maps") if "libweft-emu" in line}))
for name in ("ibv_alloc_buf", "ibv_alloc_buf", "ibv_create_srq", "ibv_alloc_dmah"):
    function = getattr(verbs, name)
    function.restype = ctypes.c_void_p
    ctypes.set_errno(0)
    print(name, function(None), ctypes.get_errno())
for name in ("ibv_attach_mcast", "ibv_cmd_get_context"):
    print(name, getattr(verbs, name)(None))
print(efa.efadv_create_comp_cntr(None))
"""


def check_stand_ins():
    out = run([sys.executable, "-c", PROBE, LINKS])
    expected = ["1", "ibv_alloc_buf None 95", "ibv_alloc_buf None 95", "ibv_create_srq None 95",
                "ibv_alloc_dmah None 95", "ibv_attach_mcast 95", "ibv_cmd_get_context 95", "0"]
    said = [f"weft-emu: {name}() is not modelled by the emulator; answered EOPNOTSUPP"
            for name in ("ibv_alloc_buf", "ibv_cmd_get_context")]
    findings = []
    if out.stdout.split("\n")[:-1] != expected:
        findings.append(out.stdout)
    if out.stderr.split("\n")[:-1] != said:
        findings.append(out.stderr)
    check("what is not modelled answers EOPNOTSUPP, and says so once", findings, len(expected))


def check_ways():
    """Found by path, or preloaded; a world of its own leaves nothing behind."""
    findings = []
    before = set(glob.glob("/dev/shm/weft-emu-*"))
    for way in ({"LD_LIBRARY_PATH": LINKS}, {"LD_PRELOAD": LIBRARY}):
        out = run(["ibv_devices"], LD_BIND_NOW="1", WEFT_EMU_WORLD="", **way)
        if not re.search(r"^\s+rdmap0s6\s+[0-9a-f]{16}$", out.stdout, re.M):
            findings.append(f"{way}: {out.stdout}{out.stderr}")
        if out.stderr != "weft-emu: emulated EFA devices; timings are not those of EFA\n":
            findings.append(f"{way}: {out.stderr}")
    # Other tests make worlds meanwhile: those of processes that live are theirs.
    left = {path for path in glob.glob("/dev/shm/weft-emu-*") if path not in before}
    findings += [f"left behind: {path}" for path in left if not in_use(path)]
    check("works by LD_LIBRARY_PATH and by LD_PRELOAD", findings, 2)


def in_use(path):
    for maps in glob.glob("/proc/[0-9]*/maps"):
        try:
            with open(maps, encoding="utf-8", errors="replace") as file:
                if path in file.read():
                    return True
        except OSError:
            pass
    return not os.path.exists(path)


def main():
    ours = exported(LIBRARY)
    check_table(ours)
    check_originals(ours)
    check_users(ours)
    if RUNS:
        check_stand_ins()
        check_ways()
    sys.exit(1 if FAILED else 0)


main()
