#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the cases of weft doctor's checks: trees of files in which one thing is as it should be, or is not.

Usage: run_cases.py WEFT_DOCTOR CASES_DIR TREES_DIR [ID]...

A file X.cases holds blocks, separated by blank lines:

  case B1 fail efa is not loaded    # id, verdict (ok|warn|fail|unknown|skipped), a part of the sentence
    use healthy                     # starts from TREES_DIR/healthy.tree: lines as here, without "case"
    remove /sys/module/efa          # takes away what stands above, also "env NAME", "probe KEY"; * and [0-9] fit many
    /sys/module/ib_core/            # a directory
    /sys/module/efa/version = 2.17.3             # a file with this text and a newline; \\n \\t \\0 \\\\ are known
    /sys/class/infiniband/efa_0 -> ../../x/efa_0  # a symbolic link
    mode 000 /dev/infiniband/uverbs0
    env FI_EFA_IFACE=efa_0          # a variable
    probe fi.efa=2                  # a line of the helper's answer

A comment begins at the start of a line, or after two blanks. Every check needs a case that is ok and one that is
not, unless it only informs; ids given are the only ones that are run. Exit status 1 when a case or a pair is wrong.
"""
import concurrent.futures
import fnmatch
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERDICTS = {"ok", "warn", "fail", "unknown", "skipped"}
ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
LINKS_MAX = 40
WORKERS = 2


class Bad(Exception):
    """Something in a file of cases or trees is wrong, at a place that is named."""


class Case:
    def __init__(self, place, check, verdict, words):
        self.place, self.check, self.verdict, self.words = place, check, verdict, words
        self.lines = []  # (place, text)


def lines_of(path):
    """(place, text) of the lines, comments taken off; blank ones are kept."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        text = re.sub(r"(^\s*|\s{2,})#(\s.*)?$", "", line).rstrip()
        if text or not line.strip():
            yield f"{path.name}:{number}", text.strip()


def read_cases(path):
    cases = []
    current = None
    for place, text in lines_of(path):
        words = text.split(None, 3)
        if not text:
            current = None
        elif words[0] == "case":
            if len(words) < 4 or words[2] not in VERDICTS:
                raise Bad(f"{place}: not 'case ID {'|'.join(sorted(VERDICTS))} SENTENCE'")
            current = Case(place, *words[1:])
            cases.append(current)
        elif current is None:
            raise Bad(f"{place}: stands in no case")
        else:
            current.lines.append((place, text))
    return cases


class Tree:
    """A directory that is filled by lines. Links lead nowhere out of it."""

    def __init__(self, root, trees):
        self.root, self.trees = Path(root), trees
        self.env, self.probe, self.modes = {}, {}, []
        self.known = {}  # folder of a path -> where it is, as long as nothing is taken away and no link made
        self.journal = None  # what take_back() undoes: (function, its arguments)

    def begin(self):
        """From here on all can be taken back."""
        self.saved = dict(self.env), dict(self.probe), list(self.modes)
        self.journal = []

    def take_back(self):
        for function, *args in reversed(self.journal):
            function(*args)
        self.known.clear()
        self.env, self.probe, self.modes = self.saved
        self.journal = None

    def note(self, function, *args):
        if self.journal is not None:
            self.journal.append((function, *args))

    def resolve(self, path, follow_last=False):
        """Where path is when links above it, or all, are followed; directories on the way are made."""
        above, _, name = path.rpartition("/")
        if above in self.known and name not in ("", ".."):
            here = self.known[above] / name
            if not (follow_last and os.path.islink(here)):
                return here
        todo, done = [part for part in path.split("/") if part], []
        followed = False
        for _ in range(10 * LINKS_MAX):
            if not todo:
                if not followed:
                    self.known[above] = self.root.joinpath(*done).parent
                return self.root.joinpath(*done)
            part = todo.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = self.root.joinpath(*done, part)
            if (todo or follow_last) and os.path.islink(here):
                followed = followed or not todo
                target = os.readlink(here)
                done = [] if target.startswith("/") else done
                todo = [p for p in target.split("/") if p not in ("", ".")] + todo
                continue
            if todo and not os.path.isdir(here):
                here.mkdir()
                self.note(here.rmdir)
            done.append(part)
        raise Bad(f"{path}: links in a circle")

    def clear(self, at):
        if not os.path.lexists(at):
            return
        if not os.path.isfile(at) or os.path.islink(at):
            self.known.clear()
        if self.journal is not None:
            aside = self.root.with_name(f"{self.root.name}-{len(self.journal)}")
            os.rename(at, aside)
            self.note(os.rename, aside, at)
        elif at.is_symlink() or at.is_file():
            at.unlink()
        else:
            shutil.rmtree(at)

    def remove(self, what):
        """What fits a pattern; what fits nothing is a mistake of the case."""
        kind, _, name = what.partition(" ")
        if name and kind in ("env", "probe"):
            values = self.env if kind == "env" else self.probe
            found = fnmatch.filter(values, name)
            for key in found:
                del values[key]
        else:
            at = self.resolve(what)
            found = fnmatch.filter(os.listdir(at.parent) if at.parent.is_dir() else [], at.name)
            for entry in found:
                self.clear(at.parent / entry)
        if not found:
            raise KeyError(what)

    def write(self, path, text):
        text = re.sub(r"\\(.)", lambda found: ESCAPES[found[1]], text)
        at = self.resolve(path, follow_last=True)
        self.put(at, text + ("" if text.endswith("\0") else "\n"))

    def put(self, at, text):
        self.clear(at)
        at.write_text(text, encoding="utf-8")
        self.note(at.unlink)

    def link(self, path, target):
        at = self.resolve(path)
        self.clear(at)
        self.known.clear()
        at.symlink_to(target)
        self.note(at.unlink)

    def line(self, place, text):
        try:
            self.take(text)
        except (KeyError, OSError) as error:
            raise Bad(f"{place}: {text}: {type(error).__name__}: {error}") from None

    def take(self, text):
        word, _, rest = text.partition(" ")
        if word == "use":
            for place, line in lines_of(self.trees / f"{rest.strip()}.tree"):
                if line:
                    self.line(place, line)
        elif word == "remove":
            self.remove(rest.strip())
        elif word == "mode":
            self.modes.append(rest.split(None, 1))
        elif word in ("env", "probe"):
            name, _, value = rest.partition("=")
            (self.env if word == "env" else self.probe)[name] = value
        elif not text.startswith("/"):
            raise KeyError("not a line of a tree")
        elif " -> " in text:
            self.link(*(part.strip() for part in text.split(" -> ", 1)))
        elif re.match(r"\S+ =( |$)", text):
            path, _, value = text.partition(" =")
            self.write(path, value[1:])
        elif text.endswith("/") and " " not in text:
            self.resolve(text + "x")
        else:
            raise KeyError("not a line of a tree")

    def end(self):
        """What is last: environment, answer, modes."""
        if self.env or not os.path.lexists(self.root / "proc/self/environ"):
            self.put(self.root / "environ", "".join(f"{k}={v}\0" for k, v in self.env.items()))
        if self.probe:
            self.put(self.root / "probe", "".join(f"{k}={v}\n" for k, v in self.probe.items()))
        for mode, path in self.modes:
            at = self.resolve(path, follow_last=True)
            self.note(at.chmod, stat.S_IMODE(at.stat().st_mode))
            at.chmod(int(mode, 8))


def powerless(args):
    """Root without the right to pass over modes."""
    if os.geteuid() != 0:
        return args
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all", "--", *args]


def give_back(root):
    """Directories without rights would stay for ever."""
    for folder, _, _ in os.walk(root):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False) and not entry.stat(follow_symlinks=False).st_mode & stat.S_IRUSR:
                os.chmod(entry.path, 0o700)


class Runner:
    """Cases one after another. A tree that several start from is made once, and what a case changes taken back."""

    def __init__(self, program, trees, folder):
        self.program, self.trees, self.folder = program, trees, Path(folder)
        self.bases = {}  # first line of a case -> Tree
        self.taken = 0

    def fresh(self):
        self.taken += 1
        root = self.folder / str(self.taken)
        root.mkdir()
        return Tree(root, self.trees)

    def tree_of(self, case):
        """A tree that is ready, and the lines that are left."""
        lines = case.lines
        if not lines or not lines[0][1].startswith("use "):
            return self.fresh(), lines
        if lines[0][1] not in self.bases:
            tree = self.fresh()
            tree.line(*lines[0])
            self.bases[lines[0][1]] = tree
        return self.bases[lines[0][1]], lines[1:]

    def look(self, case, *args):
        """What the program does with the tree of a case."""
        tree, lines = self.tree_of(case)
        tree.begin()
        try:
            for place, text in lines:
                tree.line(place, text)
            tree.end()
            args = [self.program, "--sysroot", str(tree.root), *args, "--json"]
            return subprocess.run(powerless(args) if tree.modes else args, capture_output=True, text=True, timeout=60,
                                  check=False)
        finally:
            tree.take_back()

    def run(self, case):
        """None, or what is wrong."""
        done = self.look(case, "--only", case.check)
        if done.returncode not in (0, 1, 2) or not done.stdout:
            return f"{case.place}: status {done.returncode}: {done.stderr.strip()}"
        found = json.loads(done.stdout)["checks"][0]
        if found["status"] == case.verdict and case.words in found["text"]:
            return None
        return (f"{case.place}: {case.check}: wanted {case.verdict}: ...{case.words}...\n"
                f"    found {found['status']}: {found['text']}\n    {'; '.join(found['evidence'])}")


def folder_in_memory():
    return tempfile.TemporaryDirectory(prefix="weft-doctor-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def run_cases(program, cases, trees):
    """What is wrong, in the order of the cases."""
    with folder_in_memory() as folder:
        parts = []
        for i in range(WORKERS):
            os.mkdir(f"{folder}/{i}")
            runner = Runner(program, trees, f"{folder}/{i}")
            parts.append(lambda part, runner=runner: [runner.run(case) for case in part])
        with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
            share = -(-len(cases) // WORKERS)
            runs = [pool.submit(part, cases[i * share:(i + 1) * share]) for i, part in enumerate(parts)]
            return [text for run in runs for text in run.result() if text]


def missing_pairs(checks, cases):
    for row in checks:
        found = {case.verdict for case in cases if case.check == row["id"]}
        if "ok" not in found:
            yield f"{row['id']}: no case in which it is ok"
        if row["severity"] != "info" and not found & {"fail", "warn", "unknown"}:
            yield f"{row['id']}: no case in which it is not ok"
    known = {row["id"] for row in checks}
    for case in cases:
        if case.check not in known:
            yield f"{case.place}: no check is called {case.check}"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, trees, only = os.path.abspath(sys.argv[1]), Path(sys.argv[3]), set(sys.argv[4:])
    start = time.monotonic()
    out = subprocess.run([program, "--list", "--json"], capture_output=True, text=True, timeout=60, check=True).stdout
    checks = [row for row in json.loads(out) if not only or row["id"] in only]
    try:
        cases = [case for path in sorted(Path(sys.argv[2]).glob("*.cases")) for case in read_cases(path)
                 if not only or case.check in only]
        wrong = list(missing_pairs(checks, cases))
        known = {row["id"] for row in checks}
        wrong += run_cases(program, [case for case in cases if case.check in known], trees)
    except Bad as error:
        sys.exit(str(error))
    for text in wrong:
        print(text)
    print(f"{len(checks)} checks, {len(cases)} cases, {len(wrong)} wrong, {time.monotonic() - start:.1f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
