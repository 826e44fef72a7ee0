#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compares a program's option table with its --help, man page and completions.

Usage: docs_match.py PROGRAM OPTDOC MANPAGE BASH_COMPLETION ZSH_COMPLETION

Prints every difference and exits 1 when there is one.
"""
import re
import subprocess
import sys

COMMON = {"--help", "--version"}
errors = []


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def compare(where, found, wanted):
    for name in sorted(wanted - found):
        errors.append(f"{where}: {name} is missing")
    for name in sorted(found - wanted):
        errors.append(f"{where}: {name} is not in the table")


def read_table(optdoc):
    """program, {command or '-': set of options}, {command or '-': list of arguments}"""
    program, options, arguments = "", {"-": set()}, {"-": []}
    for line in run(optdoc, "names").splitlines():
        words = line.split(" ")
        if words[0] == "program":
            program = line.split(" ", 1)[1]
        elif words[0] == "command":
            options[words[1]], arguments[words[1]] = set(), []
        elif words[0] == "option":
            options[words[1]].add(words[2])
        elif words[0] == "argument":
            arguments[words[1]].append(words[2])
    return program, options, arguments


def check_help(exe, options, arguments):
    for command in options:
        text = run(exe, *([] if command == "-" else [command]), "--help")
        found = set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", text, re.M))
        wanted = options["-"] | options[command] | COMMON
        compare(f"--help of {command}", found, wanted)
        for name in arguments[command]:
            if not re.search(rf"^  {re.escape(name)}\b", text, re.M):
                errors.append(f"--help of {command}: argument {name} is missing")
        if command == "-":
            for name in set(options) - {"-"}:
                if not re.search(rf"^  {name}\b", text, re.M):
                    errors.append(f"--help: command {name} is missing")


def plain(roff):
    """A line of the page without fonts and escapes."""
    roff = re.sub(r"\\f[BIRP]", "", roff)
    return roff.replace("\\-", "-").replace("\\&", "").replace("\\(aq", "'").replace("\\", "")


def check_man(page, options, arguments):
    section, sub = "", "-"
    found = {command: set() for command in options}
    seen = {command: set() for command in options}
    with open(page, encoding="utf-8") as file:
        lines = file.read().splitlines()
    known = set().union(*options.values()) | COMMON
    for line in lines:
        heading = re.match(r'\.(SH|SS) "?([^"]+)"?', line)
        if heading:
            section = heading[2] if heading[1] == "SH" else section
            sub = heading[2].strip() if heading[1] == "SS" else "-"
            continue
        text = plain(line)
        for name in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text):
            if name not in known:
                errors.append(f"man page, {section}: {name} is not in the table")
        if section not in ("OPTIONS", "COMMANDS", "ARGUMENTS") or not line.startswith("\\fB"):
            continue
        entry = re.match(r"(?:-\w, )?(--[a-z0-9-]+)", text)
        if sub not in found:
            errors.append(f"man page: command {sub} is not in the table")
        elif entry:
            found[sub].add(entry[1])
        else:
            seen[sub].add(text.strip())
    for command in options:
        wanted = options[command] | (COMMON if command == "-" else set())
        compare(f"man page, {command}", found[command], wanted)
        compare(f"man page, arguments of {command}", seen[command], set(arguments[command]))


def check_bash(path, program, options):
    prefix = "_" + program.replace(" ", "_")
    for command in options:
        words = run("bash", "-c", f'source "$1"; {prefix}_options "$2"', "bash", path, command)
        commands = run("bash", "-c", f'source "$1"; {prefix}_commands', "bash", path)
        wanted = options["-"] | options[command] | COMMON
        compare(f"bash completion, {command}", set(words.split()), wanted)
        compare("bash completion, commands", set(commands.split()), set(options) - {"-"})


def check_zsh(path, program, options):
    prefix = "_" + program.replace(" ", "_")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for command in options:
        name = prefix if command == "-" else f"{prefix}_{command}"
        body = re.search(rf"^{name}\(\) {{\n(.*?)^}}", text, re.M | re.S)
        if not body:
            errors.append(f"zsh completion: function {name} is missing")
            continue
        found = set(re.findall(r"^\t+'(?:\*|\(.*?\))?(--[a-z0-9-]+)\[", body[1], re.M))
        compare(f"zsh completion, {command}", found,
                options[command] | (COMMON if command == "-" else set()))


def main():
    exe, optdoc, page, bash, zsh = sys.argv[1:]
    program, options, arguments = read_table(optdoc)
    check_help(exe, options, arguments)
    check_man(page, options, arguments)
    check_bash(bash, program, options)
    check_zsh(zsh, program, options)
    for error in errors:
        print(f"{program}: {error}")
    sys.exit(1 if errors else 0)


main()
