#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks docs/perf-guide.md: its commands of weft, and what its tables say of src/perf.

Usage: perf_guide.py [--write] GUIDE FOLDER-OF-DEF-FILES [NAME PROGRAM]...

Every `weft NAME ...`, in a block of shell commands or inline, is given to PROGRAM with --help behind it: then options,
their values and the number of arguments are looked at, and nothing is done. A table stands between the lines
<!-- table NAME --> and <!-- end -->: instances has some rows of instance.def, gates all of gate.def (--write writes it
anew). Exit status 1: something is wrong; 77: what could be looked at is right, and the reason why something could not.
"""
import re
import shlex
import subprocess
import sys
from pathlib import Path

SKIPPED = 77
SHELL = "sh"  # what follows ``` before commands
COMMANDS = {"server", "run", "compare", "diff", "matrix", "suite"}  # of weft perf: the guide shows each
RDMA = {"BOTH": "read, write", "READ": "read", "NONE": "none", "UNKNOWN": "not known"}
errors = []


def blocks(text):
    """(line number, language, lines) of each fenced block."""
    inside, first, language, lines = False, 0, "", []
    for number, line in enumerate(text.splitlines(), 1):
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if not fence:
            lines.append(line)
        elif inside:
            yield first, language, lines
            inside = False
        else:
            inside, first, language, lines = True, number, fence[1], []
    if inside:
        errors.append(f"line {first}: the block has no end")


def shell_lines(number, lines):
    """Whole command lines: continuations and texts in quotes that go over several lines are joined."""
    whole, first = "", number + 1
    for at, line in enumerate(lines, number + 1):
        first = at if not whole else first
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1] + " "
            continue
        try:
            list(words_of(whole))
        except ValueError:  # a quote is open
            whole += "\n"
            continue
        yield first, whole
        whole = ""
    if whole.strip():
        errors.append(f"line {first}: the command does not end")


def words_of(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def commands(line):
    """[NAME, WORD...] of each weft NAME, also within others' arguments; without what follows --."""
    simple = [[]]
    for word in words_of(line):
        if re.fullmatch(r"[;|&()<>]+", word):
            simple.append([])
        else:
            simple[-1].append(word)
    for words in simple:
        starts = [at for at, word in enumerate(words[:-1]) if word == "weft" and re.fullmatch("[a-z]+", words[at + 1])]
        for at, end in zip(starts, [*starts[1:], len(words)]):
            yield words[at + 1:words.index("--", at, end) if "--" in words[at:end] else end]
        for word in words:
            if re.search(r"\bweft [a-z]", word):
                yield from commands(word)


def check_command(where, words, programs, shown, absent):
    name, *args = words
    if name == "perf":
        shown.update(args[:1])
    if name not in programs:
        absent.add(name)
        return
    done = subprocess.run([programs[name], *args, "--help"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        errors.append(f"{where}: weft {shlex.join(words)}: {done.stderr.strip()}")


def inline(text):
    """(line number, command) of each `weft NAME ...` between the blocks; those with ... are no whole ones."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.lstrip().startswith("```")
        if not inside:
            yield from ((number, span) for span in re.findall(r"`(weft [^`]*)`", line) if "..." not in span)


def check_commands(text, programs):
    shown, absent, lines = set(), set(), list(inline(text))
    for number, language, block in blocks(text):
        if language == SHELL:
            lines += shell_lines(number, block)
        else:
            errors.extend(f"line {number}: commands stand in a block of '{language}', not {SHELL}"
                          for line in block if line.startswith(("weft ", "$ weft ")))
    for at, line in sorted(lines):
        for words in commands(line):
            check_command(f"line {at}", words, programs, shown, absent)
    errors.extend(f"weft perf {name} is not shown" for name in sorted(COMMANDS - shown))
    return absent


def table(text, name):
    """Where the table's lines stand in text."""
    found = re.search(rf"<!-- table {name} -->\n(.*?)<!-- end -->", text, re.S)
    if not found:
        errors.append(f"there is no table {name}")
    return found.span(1) if found else (0, 0)


def check_instances(text, path):
    known = {row[0]: row[1:] for row in
             re.findall(r'^INSTANCE\("([^"]+)",\s*([\d.]+),\s*(\d+),\s*(\w+),', path.read_text(encoding="utf-8"), re.M)}
    start, end = table(text, "instances")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text[start:end].splitlines()[2:]]
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


def gates(path):
    text = re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
    rows = re.findall(r'^GATE\((\w+),\s*PERF_(\w+),\s*"([^"]*)",\s*"([^"]*)"\)', text, re.M)
    if len(rows) != len(re.findall(r"^GATE\(", text, re.M)) or not rows:
        errors.append(f"{path.name}: {len(rows)} rows could be read, not all")
    words = {"INVALID": "**INVALID**", "FLAGGED": "flagged", "NOTE": "note"}
    return "| id | | what it means | what to do |\n|---|---|---|---|\n" + "".join(
        f"| `{name}` | {words.get(how, how)} | {what} | {remedy} |\n" for name, how, what, remedy in rows)


def check_tables(text, folder):
    """The text with the tables as they should be, and what could not be looked at."""
    check_instances(text, folder / "host" / "instance.def")
    start, end = table(text, "gates")
    return text[:start] + gates(folder / "perf" / "gate.def") + text[end:]


def main():
    write = sys.argv[1:2] == ["--write"]
    path, folder, *programs = sys.argv[1 + write:]
    text = Path(path).read_text(encoding="utf-8")
    right = check_tables(text, Path(folder))
    if write:
        Path(path).write_text(right, encoding="utf-8")
    elif right != text:
        errors.append(f"{path}: its table of gates is not gate.def's; {sys.argv[0]} --write {path} {folder} mends it")
    absent = check_commands(right, dict(zip(programs[::2], programs[1::2])))
    reasons = [] if write else [f"weft {name} is not built" for name in sorted(absent)]
    print("\n".join(errors or reasons))
    sys.exit(1 if errors else SKIPPED if reasons else 0)


if __name__ == "__main__":
    main()
