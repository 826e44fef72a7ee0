# SPDX-License-Identifier: Apache-2.0
"""The option tables of programs (programs/X/X.def), as far as bad values can be made from them."""
import re
from dataclasses import dataclass

from harness import ROOT

SECOND = 10**9


@dataclass
class Option:
    command: str  # "" for those that all commands take
    type: str
    name: str
    words: str  # metavar
    low: int
    high: int


def literals(text):
    """Arguments of a C macro: strings without quotes, the rest as it is."""
    parts, depth, quoted, current = [], 0, False, ""
    for ch in re.sub(r'"\s+"', "", text):
        if ch == '"':
            quoted = not quoted
        elif not quoted and ch == "(":
            depth += 1
        elif not quoted and ch == ")":
            depth -= 1
        if ch == "," and not quoted and not depth:
            parts.append(current.strip())
            current = ""
        else:
            current += ch
    return [part.strip('"') for part in [*parts, current.strip()]]


def number(text):
    return int(eval(re.sub(r"(?<=\d)[uUlL]+", "", text), {"__builtins__": {}}))  # pylint: disable=eval-used


def read(program, table=None):
    """Options of a program, its commands, and those of them that must have an argument. table: its file, if another."""
    text = (ROOT / "programs" / program / f"{table or program}.def").read_text(encoding="utf-8")
    text = re.sub(r"^(CASE|REPORT)_OPT\(", "OPT(", text, flags=re.M)
    options, commands, command = [], {}, ""
    for kind, body in re.findall(r"^(OPT\w*)\((.*?)\)$", text, re.M | re.S):
        fields = literals(body)
        if kind == "OPT_CMD":
            command = fields[0]
            commands[command] = fields[1]
        elif kind in ("OPT", "OPT_AGAIN"):
            kind_, _, name, _, words, _, low, high, _ = fields
            options.append(Option(command, kind_, name, words, number(low), number(high)))
    return options, list(commands)


def bad_values(option):
    """What the option must refuse."""
    if option.type == "flag":
        return ["=1"]
    if option.type == "string":
        return ([""] if option.low else []) + (["x" * (option.high + 1)] if option.high else [])
    values = ["", "x", "-1", "1x", "0x10", "1e99", " 1", "1 ", "99999999999999999999999", "\u0661"]
    if option.type == "choice":
        return ["", "nonsense", option.words, option.words.split("|")[0] + "x", option.words.split("|")[0].upper()]
    if option.type in ("u32", "u64"):
        values += ["1.5"] + ([str(option.high + 1)] if option.high else []) + ([str(option.low - 1)] if option.low else [])
    elif option.type == "real":
        values = ["", "x", "-1", "1x", "nan", "inf", "1e999"] + ([str(option.high + 1)] if option.high else [])
    elif option.type == "duration":
        values += ["1 s", "1parsec", "s", "-1s", "1e30h"]
        values += [f"{option.high // SECOND + 1}s"] if option.high else []
        values += [f"{option.low - 1}ns", "0"] if option.low else []
    elif option.type == "size":
        values += ["1Q", "1.5.5M", "MiB", "-1k"] + ([str(option.high + 1)] if option.high else [])
        values += [str(option.low - 1)] if option.low else []
    if option.type in ("size", "duration"):
        values = [value for value in values if value not in ("1e99",)]
    return values


def good_value(option):
    if option.type == "choice":
        return option.words.split("|")[0]
    return {"string": "x", "real": "0", "duration": "1s", "size": "4096"}.get(option.type, str(max(option.low, 1)))
