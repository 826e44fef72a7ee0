#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares docs/troubleshooting.md with the table of weft doctor's checks, of which it is made.

Usage: doctor_docs.py WEFT_DOCTOR PAGE [--write]

Prints what differs and exits 1; with --write it writes the page anew.
"""
import difflib
import subprocess
import sys


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--write"]):
        sys.exit(__doc__)
    wanted = subprocess.run([sys.argv[1], "--list", "--markdown"], capture_output=True, text=True, timeout=60,
                            check=True).stdout
    if sys.argv[3:]:
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write(wanted)
        return
    with open(sys.argv[2], encoding="utf-8") as file:
        found = file.read()
    diff = list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), sys.argv[2], "weft doctor --list --markdown",
                                     lineterm="", n=1))
    if diff:
        print("\n".join(diff))
        sys.exit(f"{sys.argv[2]} is not what the table says: run this again with --write")


main()
