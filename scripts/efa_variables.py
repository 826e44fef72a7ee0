#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/efa-variables.md is made of src/doctor/efa_variables.def; this compares them, or writes the page anew.

Usage: efa_variables.py [--write] PAGE DEF-FILE

Exit status 1 when they differ.
"""
import re
import sys
from pathlib import Path

HEAD = """# FI_EFA_* variables, release by release

What libfabric's provider `efa` makes of each variable, from libfabric 1.8 to 2.6 and what follows it (here called 2.7), as its code
has it. `weft doctor --only D` holds the environment against this list, by the libfabric that is there. A name that is not in it is
passed over by libfabric without a word. This page is made of `src/doctor/efa_variables.def`, which names its sources.

A boolean is 0, 1 or, in any case, no, yes, off, on, false, true; anything else is passed over. A number is decimal, 0x and
hexadecimal, or 0 and octal; **what is no number is read as 0**, so that `FI_EFA_ENABLE_SHM_TRANSFER=true` turns shared memory off.

"""
TYPES = {"BOOL": "boolean", "INT": "number", "SIZE": "number", "STRING": "text", "GONE": "given up"}
DANGERS = {
    "SAFE": "", "IF_SET": "it is set", "IF_BELOW_1": "it is below 1, or no number", "IF_EMPTY": "it is empty",
    "IF_NO_RDMA": "it is not 0 and the device has no RDMA read",
    "IF_ODD": "it is no boolean, or yes and the device has no RDMA read",
}
ROW = re.compile(r'^VARIABLE\("(\w+)", (\w+), (BEGIN|V\([^)]*\)), (STILL|V\([^)]*\)), (\w+), "([^"]*)"\)$', re.M)
WRONG = re.compile(r'^MISNOMER\("(\w+)", "(\w+)"\)$', re.M)


def release(text):
    major, minor, patch = (int(number) for number in re.findall(r"\d+", text))
    return f"{major}.{minor}" + (f".{patch}" if patch else "")


def releases(since, until):
    if since == "BEGIN":
        return "all" if until == "STILL" else f"before {release(until)}"
    return f"from {release(since)}" + ("" if until == "STILL" else f", before {release(until)}")


def page(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    rows, wrong = ROW.findall(text), WRONG.findall(text)
    if len(rows) + len(wrong) != len(re.findall(r"^(?:VARIABLE|MISNOMER)\(", text, re.M)):
        sys.exit(f"{path}: a row is not one line of the form that stands at the top")
    out = [HEAD + "| variable | value | libfabric | ends the program when | what it sets |", "|---|---|---|---|---|"]
    out += [f"| `FI_EFA_{name}` | {TYPES[kind]} | {releases(since, until)} | {DANGERS[danger]} | {what} |"
            for name, kind, since, until, danger, what in rows]
    out += ["", "Names that were never there, and what was meant:", "", "| name | meant |", "|---|---|"]
    out += [f"| `FI_EFA_{name}` | `FI_EFA_{right}` |" for name, right in wrong]
    return "\n".join(out) + "\n"


def main():
    args = [arg for arg in sys.argv[1:] if arg != "--write"]
    if len(args) != 2:
        sys.exit(__doc__)
    wanted = page(Path(args[1]))
    if "--write" in sys.argv:
        Path(args[0]).write_text(wanted, encoding="utf-8")
    elif Path(args[0]).read_text(encoding="utf-8") != wanted:
        sys.exit(f"{args[0]} is not what {args[1]} says: run this again with --write")


main()
