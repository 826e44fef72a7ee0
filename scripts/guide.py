#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks guides and files of deployment: their commands of weft, their sources and links, and their tables.

Usage: guide.py [--write] ROOT FILE-OR-FOLDER... -- [NAME PROGRAM]...

Every `weft NAME ...` (weft_commands.py finds them) is given to PROGRAM with --help behind it: then options, their values
and the number of arguments are looked at, and nothing is done. In Markdown each source in square brackets stands in the
section Sources, and each link within ROOT leads somewhere. A table stands between the lines <!-- table NAME --> and
<!-- end -->: instances has some rows of instance.def, gates all of gate.def (--write writes it anew). Exit status 1:
something is wrong; 77: what could be looked at is right, and the reason why something could not.
"""
import re
import shlex
import subprocess
import sys
from pathlib import Path

from weft_commands import commands_of

SKIPPED = 77
NO_COMMANDS = {".json", ".build"}  # files of a folder that have none of weft's
SHOWS_ALL = {"perf-guide.md": "perf"}  # the guide that shows each command of this program
TABLES = {"perf-guide.md": ["instances", "gates"]}
RDMA = {"BOTH": "read, write", "READ": "read", "NONE": "none", "UNKNOWN": "not known"}
errors = []


def check_command(where, words, programs, absent):
    name, *args = words
    if name not in programs:
        absent.add(name)
        return
    done = subprocess.run([programs[name], *args, "--help"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        errors.append(f"{where}: weft {shlex.join(words)}: {done.stderr.strip()}")


def check_commands(root, path, programs, absent):
    shown, name = set(), SHOWS_ALL.get(path.name)
    for at, words in commands_of(path, errors):
        check_command(f"{path}:{at}", words, programs, absent)
        shown.update(words[1:2] if words[0] == name else [])
    if name:
        rows = (root / "programs" / name / f"{name}.def").read_text(encoding="utf-8")
        known = set(re.findall(r"^OPT_CMD\((\w+)", rows, re.M))
        if not known:
            errors.append(f"{name}.def: no OPT_CMD could be read")
        errors.extend(f"{path}: weft {name} {command} is not shown" for command in sorted(known - shown))


def outside(text):
    """The lines that stand in no block."""
    inside = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        if not inside and not fence:
            yield line
        inside ^= fence


def prose(text):
    """The text without its blocks and without what stands in `...`."""
    return "\n".join(re.sub(r"`[^`]*`", "", line) for line in outside(text))


def anchors(text):
    titles = (re.match(r"#+ (.*)$", line) for line in outside(text))
    return {re.sub(r"[^\w\- ]", "", title[1].lower()).replace(" ", "-") for title in titles if title}


def check_sources(path, text):
    """Each [KEY] is a row of the section Sources, and each row is used."""
    body, _, end = prose(text).partition("\n## Sources\n")
    rows = set(re.findall(r"^\| ([A-Z][A-Z0-9-]+) \|", end, re.M))
    used = set(re.findall(r"\[([A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*)\](?!\()", body))
    errors.extend(f"{path}: the source [{key}] is not in Sources" for key in sorted(used - rows))
    errors.extend(f"{path}: nothing refers to the source {key}" for key in sorted(rows - used))


def check_links(root, path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        if not there.exists() or root not in there.resolve().parents:
            errors.append(f"{path}: the link {target} leads nowhere")
        elif anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
            errors.append(f"{path}: the link {target}: there is no such section")


def table(path, text, name):
    """Where the table's lines stand in text."""
    found = re.search(rf"<!-- table {name} -->\n(.*?)<!-- end -->", text, re.S)
    if not found:
        errors.append(f"{path}: there is no table {name}")
    return found.span(1) if found else (0, 0)


def check_instances(root, text, span):
    path = root / "src" / "host" / "instance.def"
    known = {row[0]: row[1:] for row in
             re.findall(r'^INSTANCE\("([^"]+)",\s*([\d.]+),\s*(\d+),\s*(\w+),', path.read_text(encoding="utf-8"), re.M)}
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text[slice(*span)].splitlines()[2:]]
    if not rows or not known:
        errors.append(f"no rows: {len(rows)} in the guide's table, {len(known)} in {path.name}")
    for name, *cells in rows:
        if name not in known:
            errors.append(f"{name} is not in {path.name}")
            continue
        rate, interfaces, can = known[name]
        wanted = [rate, f"{float(rate) / 8:g}", interfaces, RDMA.get(can, can)]
        if cells != wanted:
            errors.append(f"{name}: the guide says {cells}, {path.name} {wanted}")
    return text[slice(*span)]


def gates(root, _text, _span):
    path = root / "src" / "perf" / "gate.def"
    text = re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
    rows = re.findall(r'^GATE\((\w+),\s*PERF_(\w+),\s*"([^"]*)",\s*"([^"]*)"\)', text, re.M)
    if len(rows) != len(re.findall(r"^GATE\(", text, re.M)) or not rows:
        errors.append(f"{path.name}: {len(rows)} rows could be read, not all")
    words = {"INVALID": "**INVALID**", "FLAGGED": "flagged", "NOTE": "note"}
    return "| id | | what it means | what to do |\n|---|---|---|---|\n" + "".join(
        f"| `{name}` | {words.get(how, how)} | {what} | {remedy} |\n" for name, how, what, remedy in rows)


def check_tables(root, path, text):
    """The text with the tables as they should be."""
    for name in TABLES.get(path.name, []):
        span = table(path, text, name)
        right = {"instances": check_instances, "gates": gates}[name](root, text, span)
        text = text[:span[0]] + right + text[span[1]:]
    return text


def check_guide(root, path, write):
    text = path.read_text(encoding="utf-8")
    right = check_tables(root, path, text)
    if write:
        path.write_text(right, encoding="utf-8")
    elif right != text:
        errors.append(f"{path}: a table is not that of its .def file; {sys.argv[0]} --write {root} {path} -- mends it")
    check_sources(path, right)
    check_links(root, path, right)


def files_of(path):
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix not in NO_COMMANDS]


def main():
    write = sys.argv[1:2] == ["--write"]
    end = sys.argv.index("--")
    root, *paths = (Path(name).resolve() for name in sys.argv[1 + write:end])
    programs = dict(zip(sys.argv[end + 1::2], sys.argv[end + 2::2]))
    absent = set()
    for path in (file for path in paths for file in files_of(path)):
        if path.suffix == ".md":
            check_guide(root, path, write)
        check_commands(root, path, programs, absent)
    reasons = [] if write else [f"weft {name} is not built" for name in sorted(absent)]
    print("\n".join(errors or reasons))
    sys.exit(1 if errors else SKIPPED if reasons else 0)


if __name__ == "__main__":
    main()
