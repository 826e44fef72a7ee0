#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/guide.py and scripts/weft_commands.py: which commands are found in files of each kind, and what is told.

Usage: guide_test.py SOURCE-ROOT. Status 77: PyYAML is not installed.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import yaml  # pylint: disable=unused-import # what weft_commands needs
except ImportError as error:
    print(f"{error} (./dev setup)")
    sys.exit(77)

scripts = Path(sys.argv[1]).resolve() / "scripts"
sys.path.insert(0, str(scripts))
sys.dont_write_bytecode = True
from weft_commands import commands_of  # pylint: disable=wrong-import-position

FOUND = {
    "blocks.md": ("a `weft kv get x` and `weft perf ...`\n```sh\nweft perf run HOST \\\n    --size 4 | tail -1\n"
                  "srun -N 2 weft doctor\nweft emu run -- weft serve\nX=1 bash -c 'weft top; true'\n```\n",
                  [["kv", "get", "x"], ["perf", "run", "HOST", "--size", "4"], ["doctor"], ["emu", "run"], ["serve"], ["top"]]),
    "pod.yaml": ("a:\n- command: [weft, serve]\n  args: [--x=$(IP):1, '2']\n- command: [sh, -c]\n  args: ['if true; then\n\n"
                 "    exec weft perf server --once\n\n    fi\n\n    weft kv ping']\n",
                 [["serve", "--x=$(IP):1", "2"], ["perf", "server", "--once"], ["kv", "ping"]]),
    "a.service.in": ("[Service]\nEnvironment=\"A=--b 'c d'\"\nExecStart=@BINDIR@/weft serve --e \\\n  $A\n",
                     [["serve", "--e", "--b", "c d"]]),
    "Containerfile": ("FROM x\nRUN a && \\\n    # why\n    weft kv --version\nENTRYPOINT [\"weft\"]\nCMD [\"perf\", \"run\"]\n",
                      [["kv", "--version"], ["perf", "run"]]),
    "x.sh": ("# weft nothing\nrun weft top \"a b\" # weft no\n", [["top", "a b"]]),
}
GUIDE = "# A title: `x`\n\nAs [UG-1] says, [there](b.md#the-end) and [here](#a-title-x).\n\n```sh\nweft fly --high\n```\n\n" \
        "## Sources\n\n| | |\n|---|---|\n| UG-1 | <https://example.com> |\n"
BROKEN = [
    ("--high", "--low", "no such option"), ("[UG-1]", "[UG-2]", "[UG-2] is not in Sources"),
    ("[UG-1]", "it", "nothing refers to the source UG-1"),
    ("b.md", "c.md", "c.md#the-end leads nowhere"), ("#the-end", "#the-start", "no such section"),
    ("#a-title-x", "#x", "no such section"),
    ("```\n\n##", "\n##", "the block has no end"), ("```sh", "```c", "not sh"), ("--high", "'--high", "does not end"),
]
failed = []


def expect(what, condition):
    if not condition:
        failed.append(what)


def guide(folder, *programs):
    done = subprocess.run([sys.executable, scripts / "guide.py", folder, folder / "a.md", "--", *programs],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary).resolve()
    for name, (text, wanted) in FOUND.items():
        (folder / name).write_text(text, encoding="utf-8")
        errors = []
        told = [words for _, words in commands_of(folder / name, errors)]
        expect(f"{name}: {told} and not {wanted}, {errors}", sorted(told) == sorted(wanted) and not errors)
    errors = []
    list(commands_of(folder / "what.xyz", errors))
    expect("a file of no known kind", errors)
    program = folder / "weft-fly"
    program.write_text('#!/bin/sh\ntest "$1 $2" = "--high --help" || { echo "no such option" >&2; exit 2; }\n', encoding="utf-8")
    program.chmod(0o755)
    (folder / "b.md").write_text("# The end\n", encoding="utf-8")
    (folder / "a.md").write_text(GUIDE, encoding="utf-8")
    code, told = guide(folder, "fly", program)
    expect(f"a right guide: {code} {told}", code == 0 and not told.strip())
    code, told = guide(folder)
    expect(f"a program that is not built: {code} {told}", code == 77 and "weft fly is not built" in told)
    for old, new, text in BROKEN:
        (folder / "a.md").write_text(GUIDE.replace(old, new, 1), encoding="utf-8")
        code, told = guide(folder, "fly", program)
        expect(f"{old!r} to {new!r}: {code} {told}", code == 1 and text in told)
print("\n".join(failed) or "guides are looked at")
sys.exit(bool(failed))
