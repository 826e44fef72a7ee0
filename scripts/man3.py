#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Man pages of the C API, section 3, from the comments of the public headers.

Usage: man3.py list HEADER...                names of the functions, one a line
       man3.py page HEADER... -- NAME        the page of a function, as scdoc source
       man3.py write HEADER... -- SCDOC DIR  DIR/NAME.3 of each, made by the program SCDOC
       man3.py check HEADER... -- MAP...     every function that a library exports has a page with a text

A comment describes the declarations that follow it without a blank line between them.
"""
import re
import subprocess
import sys
from pathlib import Path

FUNCTION = re.compile(r"^WEFT_API\s+(?P<result>[^;()]*?)(?P<name>weft_\w+)\((?P<args>[^;]*)\);", re.M | re.S)
ERROR = re.compile(r"X\((E\w+),\s*(\d+),\s*(\d+),\s*\"((?:[^\"\\]|\\.)*)\"", re.S)
CODE = re.compile(r"-(?:WEFT_)?E[A-Z0-9]+\b")


def comment_text(comment):
    """The text of a C comment, paragraphs apart by blank lines; lines of code keep their tab."""
    body = comment[2:-2]
    lines = [re.sub(r"^\s*\* ?", "", line) if number else line for number, line in enumerate(body.split("\n"))]
    return "\n".join(line.rstrip() for line in lines).strip("\n ")


class Function:
    def __init__(self, header, found, text, group):
        self.header, self.name, self.text, self.group = header, found["name"], text, group
        self.prototype = re.sub(r"\s+", " ", f"{found['result']}{found['name']}({found['args']});")


class Header:
    def __init__(self, path):
        self.path = Path(path)
        self.name = f"weft/{self.path.name}"
        self.source = self.path.read_text(encoding="utf-8")
        comments = list(re.finditer(r"/\*.*?\*/", self.source, re.S))
        self.intro = comment_text(next(c[0] for c in comments if "SPDX" not in c[0]))
        self.functions = list(self.read(comments))

    def read(self, comments):
        """A comment that stands at a line's start covers what follows it up to the next blank line."""
        blocks = []  # position after the comment, end, text
        for comment in comments:
            if self.source[self.source.rfind("\n", 0, comment.start()) + 1:comment.start()].strip():
                continue  # behind code
            end = self.source.find("\n\n", comment.end())
            blocks.append((comment.end(), len(self.source) if end < 0 else end, comment_text(comment[0])))
        group = []
        last = None
        for found in FUNCTION.finditer(self.source):
            block = max((b for b in blocks if b[0] <= found.start() < b[1]), default=None)
            if block is None or block is not last:
                group = []
            last = block
            function = Function(self, found, block[2] if block else "", group)
            group.append(function)
            yield function

    def type_source(self, kind, name):
        """The definition of a struct or enum, or None when it is opaque or elsewhere."""
        found = re.search(rf"^{kind} {name} \{{.*?^\}};", self.source, re.M | re.S)
        return found and found[0]


def errors_of(headers):
    path = headers[0].path.with_name("error.h")
    return {name: text for name, _number, _status, text in ERROR.findall(path.read_text(encoding="utf-8"))}


def escape(text):
    return re.sub(r"([\\*_`<>#~])", r"\\\1", text)


def flow(text):
    """Paragraphs of a comment as scdoc."""
    out, code = [], []

    def flush():
        if code:
            out.append("```\n" + "\n".join(code) + "\n```")
            code.clear()

    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        if all(line.startswith("\t") for line in lines if line):
            code.extend(line[1:] for line in lines)
            continue
        flush()
        plain = escape(" ".join(line.strip() for line in lines))
        # A line that begins with one of scdoc's own marks would be taken for it.
        out.append(re.sub(r"^([-.+|\[\]:])", r"\\\1", plain))
    flush()
    return "\n\n".join(out)


def wrap_prototype(prototype):
    """As a C programmer would: arguments under each other when the line is long."""
    if len(prototype) <= 78:
        return prototype
    head, args = prototype.split("(", 1)
    return head + "(\n\t" + ",\n\t".join(arg.strip() for arg in args[:-2].split(",")) + ");"


def section(name, text):
    return f"# {name}\n\n{text}\n" if text else ""


def paragraph_of(intro, word):
    found = re.search(rf"^{word}\. (.*?)(?=\n\n|\Z)", intro, re.M | re.S)
    return found[1] if found else ""


def errors_section(function, errors):
    rows = []
    for code in dict.fromkeys(CODE.findall(function.text)):
        text = errors.get(code.removeprefix("-WEFT_"), "")
        rows.append(f"*{escape(code)}*" + (f"\n\t{escape(text)}" if code.startswith("-WEFT_") and text else
                                            "\n\tas the description says"))
    return "\n\n".join(rows)


def types_section(functions, headers):
    """Definitions of the structures and enumerations that the prototypes and the text name."""
    out = []
    text = " ".join(f.prototype for f in functions) + functions[0].text
    for kind, name in dict.fromkeys(re.findall(r"\b(struct|enum) (weft_\w+)", text)):
        source = next((s for s in (h.type_source(kind, name) for h in headers) if s), None)
        if source:
            out.append("```\n" + source.replace("\t", "    ") + "\n```")
    return "\n\n".join(out)


def summary(text):
    """The first sentence, without what stands in parentheses."""
    text = re.sub(r"^(?:Progresses|Frees it)\.\s+(?=\S)", "", " ".join(text.split()))
    first = re.split(r"(?<=[a-z)])[.:;](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]
    first = re.sub(r"\s*\([^)]*\)", "", first).rstrip(".")
    return first[:1].lower() + first[1:]


def page(function, headers):
    functions = function.group
    names = ", ".join(f.name for f in functions)
    library = "-lweftkv -lweft" if function.header.path.name == "kv.h" else "-lweft"
    prototypes = "\n".join(wrap_prototype(f.prototype) for f in functions)
    all_of_header = [f for f in function.header.functions if f not in functions]
    place = function.header.functions.index(functions[0])
    near = [f for f in all_of_header if abs(function.header.functions.index(f) - place) <= 4]
    see = [f"*{f.name}*(3)" for f in near] + ["*weft*(7)"]
    parts = [
        f'{function.name}(3) "weft" "weft manual"\n',
        section("NAME", f"{names} - {escape(summary(function.text))}"),
        section("SYNOPSIS", f"```\n#include <{function.header.name}>\n\n{prototypes}\n```\n\n"
                            f"Link with {library} (pkg-config: weft{'kv' if 'kv' in library else ''})."),
        section("DESCRIPTION", flow(function.text)),
        section("TYPES", types_section(functions, headers)),
        section("ERRORS", errors_section(function, errors_of(headers))),
        section("RETURN VALUE", flow(paragraph_of(function.header.intro, "Returns"))
                if function.prototype.startswith("int ") else ""),
        section("THREADS", flow(paragraph_of(function.header.intro, "Threads"))),
        section("SEE ALSO", ", ".join(see)),
    ]
    return "\n".join(part for part in parts if part)


def write(functions, headers, scdoc, directory):
    """Functions that one comment describes share a page: the others refer to the first's."""
    for name, function in functions.items():
        first = function.group[0].name
        text = f".so man3/{first}.3\n".encode()
        if name == first:
            text = subprocess.run([scdoc], input=page(function, headers).encode(), stdout=subprocess.PIPE,
                                  check=True).stdout
        Path(directory, f"{name}.3").write_bytes(text)


def exported(path):
    return re.findall(r"^\s*(weft_\w+);", Path(path).read_text(encoding="utf-8"), re.M)


def check(functions, maps):
    bad = []
    for name in sorted({name for path in maps for name in exported(path)}):
        if name not in functions:
            bad.append(f"{name}: exported, and in no header's page")
        elif len(functions[name].text) < 12:
            bad.append(f"{name}: no comment describes it")
    return bad


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("list", "page", "write", "check"):
        print(__doc__, file=sys.stderr)
        return 2
    given = sys.argv[2:]
    split = given.index("--") if "--" in given else len(given)
    headers = [Header(path) for path in given[:split]]
    rest = given[split + 1:]
    functions = {f.name: f for header in headers for f in header.functions}
    if sys.argv[1] == "list":
        print("\n".join(functions))
    elif sys.argv[1] == "page":
        print(page(functions[rest[0]], headers))
    elif sys.argv[1] == "write":
        write(functions, headers, *rest)
    else:
        bad = check(functions, rest)
        print("\n".join(bad) or f"{len(functions)} functions have pages")
        return 1 if bad else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
