#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One client process under load: worker.py JSON.

It works until its standard input ends, prints "ready" when the first operation was done, then one
line "errors NAME" whenever an operation fails otherwise than by a missing key, one line "again"
when one is done afterwards, and a summary in JSON at the end.

Each value says what it is: a header with key, writer, number and length, then bytes that follow from
the header. Whatever mixes two values, or parts of one, does not verify.
"""
import json
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import clib  # noqa: E402

HEADER = struct.Struct("<8sIIQQ")
MAGIC = b"weft-e2e"
MISSING = {"ENOTFOUND"}
FULL = {"EPOOLFULL"}


def make(key, writer, number, size):
    header = HEADER.pack(MAGIC, key, writer, number, size)
    return header + random.Random(header).randbytes(size)


def verify(key, value):
    """What is wrong with the value; None when nothing is."""
    if len(value) < HEADER.size:
        return f"only {len(value)} bytes"
    magic, of_key, writer, number, size = HEADER.unpack_from(value)
    if magic != MAGIC:
        return "no header"
    if of_key != key:
        return f"value of key {of_key} under key {key}"
    if len(value) != HEADER.size + size:
        return f"{len(value)} bytes, the header says {HEADER.size + size}"
    wanted = make(key, writer, number, size)
    if value != wanted:
        at = next(i for i, (a, b) in enumerate(zip(value, wanted)) if a != b)
        return f"differs from byte {at} of {len(value)} on (writer {writer}, number {number})"
    return None


class Worker:
    def __init__(self, task):
        self.task = task
        self.random = random.Random(task["seed"])
        self.client = None
        self.failing = False
        self.last = None  # name of the last error
        self.done = {"put": 0, "get": 0, "delete": 0, "missing": 0, "full": 0}
        self.errors = {}
        self.wrong = []
        self.longest = 0.0

    def key(self):
        number = self.random.randrange(self.task["keys"])
        return number, b"shared/%d" % number

    def step(self):
        if not self.client:
            self.client = clib.Client(
                self.task["addr"], self.task["provider"], self.task["control"],
                self.task["buffer_bytes"], self.task["timeout_s"], self.task["timeout_s"],
            )
        number, key = self.key()
        what = self.random.choices(list(self.task["mix"]), list(self.task["mix"].values()))[0]
        if what == "put":
            size = self.random.choice(self.task["sizes"])
            value = make(number, self.task["seed"], self.done["put"], size)
            self.client.put(key, value, self.random.choice(self.task["ttls"]))
        elif what == "get":
            problem = verify(number, self.client.get(key))
            if problem and len(self.wrong) < 10:
                self.wrong.append(problem)
        else:
            self.client.delete(key)
        self.done[what] += 1

    def attempt(self):
        started = time.monotonic()
        try:
            self.step()
            error = None
        except clib.WeftError as failure:
            error = failure.name
            if error in MISSING:
                self.done["missing"] += 1
                error = None
            elif error in FULL:
                self.done["full"] += 1
                error = None
            else:
                detail = str(failure)
        self.longest = max(self.longest, time.monotonic() - started)
        if error:
            if error not in self.errors:
                self.errors[error] = {"count": 0, "detail": detail}
            self.errors[error]["count"] += 1
            if not self.failing:
                print("errors", error, flush=True)
            if error != self.last:
                print("now", detail, flush=True)
            self.last = error
            time.sleep(0.01)  # not a flood of attempts at a server that is away
        elif self.failing:
            self.last = None
            print("again", flush=True)
        self.failing = bool(error)

    def run(self):
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        first = True
        while not ended.is_set():
            self.attempt()
            if first and not self.failing:
                print("ready", flush=True)
                first = False
        started = time.monotonic()
        if self.client:
            self.client.close()
        print("summary", json.dumps({
            **self.done, "errors": self.errors, "wrong": self.wrong, "longest_s": self.longest,
            "close_s": time.monotonic() - started}), flush=True)


Worker(json.loads(sys.argv[1])).run()
