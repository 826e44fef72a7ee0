#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the tree that are no tests of its behaviour: ./dev check.

Usage: check.py BUILD_DIR [CHECK]...

Prints one line per check and, under a failed one, every finding. Exit status 1 when one failed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LAYERS = ["base", "host", "transport", "engine", "segment", "kv", "control", "perf", "doctor"]
LINES_MAX = 450
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Which headers of other libraries belong where: prefix -> files that may include them.
ONLY_IN = {
    "grpc/": r"src/control/rpc(_\w+)?\.[ch]",
    "rdma/": r"src/transport/.*|src/perf/fabric.*|programs/doctor/probe_fabric\.c|bench/.*",
    "hwloc": r"src/engine/topo.*",
}
# Things that a library does not do, in sources that are linked into libweft and libweftkv.
BANNED = {
    "prints": r"(?<!\w)(printf|puts|putchar|perror|psignal)\s*\(",
    "exits": r"(?<!\w)_?(exit|abort)\s*\(",
    "reads the environment": r"(?<!\w)(secure_)?getenv\s*\(",
    "uses an unbounded string function": r"(?<!\w)(strcat|sprintf|vsprintf|gets|strtok)\s*\(",
    "sleeps by itself": r"(?<!\w)(sleep|usleep)\s*\(",
}
# The guard against FI_EFA_* values on which libfabric aborts the process; hwloc's own variable,
# whose wrong values hwloc passes over. perf is part of a program.
MAY_GETENV = r"src/transport/.*|src/engine/topo_load\.c|src/perf/.*"
# Children of fork() that run what may crash.
MAY_EXIT = r"src/doctor/(run|bundle)\.c"


def run(*args, **options):
    return subprocess.run(args, capture_output=True, text=True, check=False, **options)


def tracked(*patterns):
    out = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    return sorted(path for path in out.stdout.split("\n") if path and os.path.exists(path))


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """C without comments and strings; the lines stay where they are."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found[0]), text, flags=re.S)


def check_format(_build):
    out = run("clang-format", "--dry-run", "-Werror", *tracked("*.c", "*.h"))
    files = re.findall(r"^(\S+?):\d+:\d+: error:", out.stderr, re.M)
    return [f"{path}: {files.count(path)} places differ (./dev fmt)" for path in sorted(set(files))]


def check_licence(_build):
    files = tracked("*.c", "*.h", "*.def", "*.py", "*.sh", "*.proto", "*.map", "*.bash", "*.zsh",
                    "dev", ".ci/run")
    return [f"{path}: no SPDX line" for path in files
            if SPDX not in "\n".join(text_of(path).split("\n")[:3])]


def check_length(_build):
    counts = ((path, text_of(path).count("\n")) for path in tracked("*.c", "*.h"))
    return [f"{path}: {count} lines, at most {LINES_MAX}"
            for path, count in counts if count > LINES_MAX]


def layer_of(path):
    found = re.match(r"(?:src/)?(\w+)/", path)
    name = found[1] if found else ""
    return LAYERS.index(name) if name in LAYERS else len(LAYERS)


def check_layers(_build):
    findings = []
    for path in tracked("src/*.c", "src/*.h", "src/*.def", "programs/*.c", "programs/*.h", "emu/*"):
        for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text_of(path), re.M):
            if "/" not in name:
                continue
            if path.startswith("emu/") and not name.startswith("emu/"):
                findings.append(f"{path}: includes {name}: emu knows none of the layers")
            elif path.startswith("src/") and layer_of(name) > layer_of(path):
                findings.append(f"{path}: includes {name}, a layer to the right of its own")
        for name in re.findall(r"^\s*#\s*include\s*<([^>]+)>", text_of(path), re.M):
            for prefix, allowed in ONLY_IN.items():
                if name.startswith(prefix) and not re.fullmatch(allowed, path):
                    findings.append(f"{path}: includes <{name}>, which only {allowed} may")
    return findings


def check_library(_build):
    findings = []
    for path in tracked("src/*.c"):
        if path.endswith("_test.c"):
            continue
        code = without_comments(text_of(path))
        if re.search(r"^int main\(", code, re.M):
            continue
        for number, line in enumerate(code.split("\n"), 1):
            for what, pattern in BANNED.items():
                if what == "reads the environment" and re.fullmatch(MAY_GETENV, path):
                    continue
                if what == "exits" and re.fullmatch(MAY_EXIT, path):
                    continue
                if re.search(pattern, line):
                    findings.append(f"{path}:{number}: a library never {what}: {line.strip()}")
    return findings


def check_headers(_build):
    findings = []
    modes = [("gcc", "c", "c99"), ("g++", "c++", "c++11"), ("clang", "c", "c99")]
    for path in tracked("include/weft/*.h"):
        for compiler, language, standard in modes:
            if not shutil.which(compiler):
                findings.append(f"{compiler} is not installed")
                continue
            out = run(compiler, "-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra",
                      "-Werror", "-Iinclude", "-fsyntax-only", "-", input=f"#include <weft/"
                      f"{os.path.basename(path)}>\n")
            findings += [f"{path} as {standard}: {line}" for line in out.stderr.splitlines()
                         if "error" in line]
    return findings


def exported(library):
    out = run("nm", "-D", "--defined-only", library)
    names = (line.split() for line in out.stdout.splitlines())
    return {words[-1].split("@")[0] for words in names if len(words) > 1 and words[-2] != "A"}


def mapped(path):
    text = re.sub(r"/\*.*?\*/|#[^\n]*", "", text_of(path), flags=re.S)
    names = set()
    for body in re.findall(r"\{(.*?)\}", text, re.S):
        wanted = re.search(r"global:(.*?)(local:|$)", body, re.S)
        if wanted:
            names |= {name.strip() for name in wanted[1].split(";") if name.strip()}
    return names


def declared(header):
    """Functions that a public header declares as exported."""
    text = re.sub(r"^#.*$", "", without_comments(text_of(header)), flags=re.M)
    return set(re.findall(r"WEFT_API[^;{]*?(\w+)\s*\(", text, re.S))


def check_symbols(build):
    findings = []
    headers = {"weft": ["include/weft/weft.h", "include/weft/memory.h", "include/weft/segment.h"],
               "weftkv": ["include/weft/kv.h"]}
    maps = tracked("src/*.map")
    findings += [f"{header}: no {name}.map says what lib{name} exports"
                 for name, all_of in headers.items() for header in all_of
                 if os.path.exists(header) and not any(m.endswith(f"/{name}.map") for m in maps)]
    for path in maps:
        name = os.path.basename(path)[:-4]
        found = [os.path.join(folder, file) for folder, _, files in os.walk(build)
                 for file in files if file == f"lib{name}.so.0"
                 and os.path.exists(os.path.join(folder, file))]
        if not found:
            findings.append(f"{path}: lib{name}.so.0 is not in {build}")
            continue
        have, want = exported(found[0]), mapped(path)
        findings += [f"lib{name}: {symbol} is exported but not in {path}" for symbol in
                     sorted(have - want)]
        findings += [f"lib{name}: {symbol} is in {path} but not exported" for symbol in
                     sorted(want - have)]
        findings += [f"{header}: {symbol} is declared but not in {path}"
                     for header in headers.get(name, ())
                     for symbol in sorted(declared(header) - want)]
    return findings


def check_docs(build):
    with tempfile.TemporaryDirectory() as folder:
        out = run("meson", "test", "-C", build, "--no-rebuild", "--suite", "docs",
                  "--print-errorlogs", "--logbase", os.path.join(folder, "docs"))
    if out.returncode == 0 and re.search(r"^Ok:\s+[1-9]", out.stdout, re.M):
        return []
    return out.stdout.splitlines() or ["no test of the suite docs ran"]


def check_scripts(_build):
    if not shutil.which("shellcheck"):
        return ["shellcheck is not installed (./dev setup)"]
    out = run("shellcheck", "-x", "-f", "gcc", *tracked("dev", ".ci/run", "*.sh", "*.bash"))
    return out.stdout.splitlines()


CHECKS = {
    "format": check_format,
    "licence": check_licence,
    "length": check_length,
    "layers": check_layers,
    "library": check_library,
    "headers": check_headers,
    "symbols": check_symbols,
    "docs": check_docs,
    "scripts": check_scripts,
}


def main():
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(CHECKS):
        sys.exit(f"Usage: check.py BUILD_DIR [{'|'.join(CHECKS)}]...")
    failed = 0
    for name in sys.argv[2:] or CHECKS:
        findings = CHECKS[name](sys.argv[1])
        print(f"check {name}: {'FAILED' if findings else 'ok'}", flush=True)
        for finding in findings:
            print(f"  {finding}")
        failed += bool(findings)
    sys.exit(1 if failed else 0)


main()
