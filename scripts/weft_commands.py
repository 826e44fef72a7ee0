# SPDX-License-Identifier: Apache-2.0
"""Finds the commands `weft NAME ...` in guides, scripts, units, manifests and container files.

commands_of(path, errors) yields (line number, [NAME, WORD...]); what is wrong with the file itself goes to errors.
"""
import json
import re
import shlex

import yaml

SHELL = "sh"  # what follows ``` before commands
SEPARATOR = re.compile(r"[;|&()<>]+")
WEFT = re.compile(r"(.*/)?weft")


def words_of(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def shell_lines(lines, first, errors):
    """(line number, command line): continuations and texts in quotes that go over several lines are joined."""
    whole, start = "", first
    for at, line in enumerate(lines, first):
        start = at if not whole else start
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1] + " "
            continue
        try:
            words_of(whole)
        except ValueError:  # a quote is open
            whole += "\n"
            continue
        yield start, whole
        whole = ""
    if whole.strip():
        errors.append(f"line {start}: the command does not end")


def in_words(words):
    """[NAME, WORD...] of each weft NAME, also within others' arguments; without what follows --."""
    starts = [at for at, word in enumerate(words[:-1]) if WEFT.fullmatch(word) and re.fullmatch("[a-z]+", words[at + 1])]
    for at, end in zip(starts, [*starts[1:], len(words)]):
        yield words[at + 1:words.index("--", at, end) if "--" in words[at:end] else end]
    for word in words:
        if re.search(r"\bweft [a-z]", word):
            for _, line in shell_lines(word.splitlines(), 1, []):
                yield from in_line(line)


def in_line(line):
    simple = [[]]
    for word in words_of(line):
        if SEPARATOR.fullmatch(word):
            simple.append([])
        else:
            simple[-1].append(word)
    for words in simple:
        yield from in_words(words)


def in_script(text, first, errors):
    for at, line in shell_lines(text.splitlines(), first, errors):
        yield from ((at, words) for words in in_line(line))


def blocks(text, errors):
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


def inline(text):
    """(line number, command) of each `weft NAME ...` between the blocks; those with ... are no whole ones."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.lstrip().startswith("```")
        if not inside:
            yield from ((number, span) for span in re.findall(r"`(weft [^`]*)`", line) if "..." not in span)


def in_markdown(text, errors):
    lines = list(inline(text))
    for number, language, block in blocks(text, errors):
        if language == SHELL:
            lines += shell_lines(block, number + 1, errors)
        else:
            errors.extend(f"line {number}: commands stand in a block of '{language}', not {SHELL}"
                          for line in block if line.startswith(("weft ", "$ weft ")))
    for at, line in sorted(lines):
        yield from ((at, words) for words in in_line(line))


def in_yaml(text, errors):
    """command and args of each mapping that has them, as Kubernetes puts them together."""
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        errors.append(f"is no YAML: {error}")
        return
    nodes = [document for document in documents if document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        if not isinstance(node, yaml.MappingNode):
            continue
        nodes += [value for _, value in node.value]
        parts = {key.value: value for key, value in node.value}
        lists = [parts[name] for name in ("command", "args") if isinstance(parts.get(name), yaml.SequenceNode)]
        words = [word.value for part in lists for word in part.value if isinstance(word, yaml.ScalarNode)]
        yield from ((lists[0].start_mark.line + 1, found) for found in in_words(words))


def in_unit(text, _errors):
    """ExecStart of a unit; $NAME is what Environment= gives it."""
    text = re.sub(r"\\\n", lambda _: " ", text)
    environment = dict(word.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.M)
                       for word in shlex.split(line))
    for number, line in enumerate(text.splitlines(), 1):
        exec_line = re.match(r"Exec\w+=[-@:+!]*(.*)", line)
        if not exec_line:
            continue
        words = []
        for word in shlex.split(exec_line[1]):
            name = re.fullmatch(r"\$(\w+)", word)
            words += shlex.split(environment.get(name[1], "")) if name else [word]
        yield from ((number, found) for found in in_words(words))


def instructions(text):
    """(line number, INSTRUCTION, rest) of a container file, continuations joined and comments left out."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not line.lstrip().startswith("#")]
    while lines:
        first, whole = lines.pop(0)
        while whole.endswith("\\") and lines:
            whole = whole[:-1] + lines.pop(0)[1].lstrip()
        if whole.strip():
            yield (first, *(whole.split(None, 1) + [""])[:2])


def in_container(text, errors):
    entry = []
    for at, name, rest in instructions(text):
        if name == "RUN":
            yield from in_script(rest, at, errors)
        elif name == "ENTRYPOINT":
            entry = json.loads(rest)
        elif name == "CMD":
            yield from ((at, words) for words in in_words(entry + json.loads(rest)))


KINDS = {
    ".md": in_markdown,
    ".sh": lambda text, errors: in_script(text, 1, errors),
    ".yaml": in_yaml,
    ".yml": in_yaml,
    ".service": in_unit,
    ".in": in_unit,
    "Containerfile": in_container,
}


def commands_of(path, errors):
    """(line number, [NAME, WORD...]) of all commands of weft in a file."""
    kind = KINDS.get(path.suffix or path.name)
    if not kind:
        errors.append(f"{path}: of no kind that weft_commands.py knows")
        return
    mine = []
    yield from kind(path.read_text(encoding="utf-8"), mine)
    errors.extend(f"{path}: {error}" for error in mine)
