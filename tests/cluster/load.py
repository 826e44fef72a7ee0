# SPDX-License-Identifier: Apache-2.0
"""Several worker.py at a time."""
import json
import subprocess
import sys
from pathlib import Path

from harness import SLOW, Process

WORKER = Path(__file__).with_name("worker.py")
SIZES = [0, 20, 100, 3900, 5000, 9000, 70000, 300000, 1 << 20, 3 << 20]
WRITE = {"put": 8, "get": 2, "delete": 0}
READ = {"put": 0, "get": 10, "delete": 0}
DELETE = {"put": 1, "get": 1, "delete": 3}


class Worker(Process):
    def __init__(self, server, mix, seed, control="fabric", provider=None, **task):
        self.task = {
            "addr": server.addr, "provider": provider or server.provider, "control": control, "mix": mix,
            "seed": seed, "keys": 8, "sizes": SIZES, "ttls": [0.0], "buffer_bytes": 1 << 20,
            "timeout_s": 10 * SLOW, **task}
        super().__init__([sys.executable, WORKER, json.dumps(self.task)], stdin=subprocess.PIPE)

    def wait_ready(self):
        self.wait_line(rb"^ready", 30 * SLOW)
        return self

    def count(self, line):
        """How often it printed this so far."""
        return sum(text.startswith(line) for text in list(self.out))

    def finish(self, seconds=40):
        """Its summary."""
        self.popen.stdin.close()
        summary = self.wait_line(rb"^summary (.*)", seconds * SLOW).group(1)
        status = self.wait(30 * SLOW)
        assert status == 0, self.describe()
        self.assert_sane()
        return json.loads(summary)
