#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the page of weft perf's reports a C array: styles and scripts go to their places in it.

Usage: embed.py OUTPUT PAGE NAME=FILE...

@NAME@ in PAGE is replaced by the file's text. Fails when a place is missing, or a text would end the
element that it stands in.
"""
import re
import sys


def main():
    output, page = sys.argv[1:3]
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for argument in sys.argv[3:]:
        name, path = argument.split("=", 1)
        place = f"@{name}@"
        if text.count(place) != 1:
            sys.exit(f"{page}: {place} stands there {text.count(place)} times, not once")
        with open(path, encoding="utf-8") as file:
            part = file.read()
        if re.search(r"</(script|style)|<!--", part, re.I):
            sys.exit(f"{path}: would end the element that it stands in")
        text = text.replace(place, part.strip())
    if "\0" in text or text.count("@REPORT@") != 1:
        sys.exit(f"{page}: must have @REPORT@ once, and no NUL")
    data = text.encode() + b"\0"
    lines = [",".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    with open(output, "w", encoding="utf-8") as file:
        file.write('#include "perf/report_html.h"\n\nconst unsigned char perf_html_page[] = {\n')
        file.write(",\n".join(lines) + "\n};\n")


main()
