#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/efa.md stand in emu/*.def; this compares them, or writes them anew.

Usage: efa_tables.py [--write] PAGE FOLDER-OF-DEF-FILES

A table of the page stands between the lines <!-- table NAME --> and <!-- end -->. Exit status 1 when one
differs from its source, or is missing.
"""
import re
import sys
from pathlib import Path


def rows(path, macro):
    """The arguments of each MACRO(...) line of the file, strings without their quotes."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    text = re.sub(r'"\s*\n\s*"', "", text)
    if len(re.findall(rf"^{macro}\(", text, re.M)) != len(re.findall(rf"^{macro}\(.*?\)\s*$", text, re.M | re.S)):
        sys.exit(f"{path}: a row of {macro} is not one call that ends its line")
    for call in re.finditer(rf"^{macro}\((.*?)\)\s*$", text, re.M | re.S):
        words = re.findall(r'"(?:[^"\\]|\\.)*"|[^,\s"][^,"]*', call[1])
        yield [word.strip().strip('"') for word in words]


def table(heads, lines):
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    out += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join(out) + "\n"


def model(folder):
    return table(
        ["property", "generic", "bounds", "unit", "what it is", "known from"],
        [[f"`{name}`", value, f"{low} to {high}", unit, text, source]
         for _, name, value, low, high, unit, source, text in rows(folder / "efa.def", "EMU_MODEL")])


def status(folder):
    return table(
        ["code", "verbs status", "meaning"],
        [[code, f"`{verbs}`", text] for _, code, verbs, text in rows(folder / "status.def", "EMU_STATUS")])


def counter(folder):
    return table(
        ["counter", "of", "since", "known from"],
        [[f"`{name}`", scope.lower(), "all" if since == "BASIC" else "Nitro v4", source]
         for name, scope, since, source in rows(folder / "counter.def", "EMU_COUNTER")])


def profile(folder):
    return table(
        ["instance type", "NICs", "settings", "as of", "known from"],
        [[f"`{row[0]}`", row[1], f"`{row[5]}`" if row[5] else "", row[6], row[7]]
         for row in rows(folder / "profile.def", "EMU_PROFILE")])


def fault(folder):
    return table(
        ["fault", "what it does", "can be limited and set by"],
        [[f"`{name}`", text, keys] for _, name, keys, text in rows(folder / "fault.def", "EMU_FAULT_KIND")])


TABLES = {"model": model, "status": status, "counter": counter, "profile": profile, "fault": fault}


def main():
    args = [arg for arg in sys.argv[1:] if arg != "--write"]
    if len(args) != 2:
        sys.exit(__doc__)
    page, folder = Path(args[0]), Path(args[1])
    text = new = page.read_text(encoding="utf-8")
    bad = False
    for name, make in TABLES.items():
        place = re.search(rf"<!-- table {name} -->\n(.*?)<!-- end -->", new, re.S)
        if not place:
            print(f"{page}: the table {name} is missing")
            bad = True
            continue
        made = make(folder)
        if made.count("\n") < 3:
            print(f"{folder}: no rows for the table {name}")
            bad = True
        new = new[:place.start(1)] + made + new[place.end(1):]
    if "--write" in sys.argv:
        page.write_text(new, encoding="utf-8")
    elif new != text:
        print(f"{page}: tables differ from {folder}/*.def; run: scripts/efa_tables.py --write {page} {folder}")
        bad = True
    sys.exit(bad)


main()
