# SPDX-License-Identifier: Apache-2.0
"""The machine: what it is, and whether something else used it during a measurement."""
import os
import platform
import resource
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
# More than this many cores used by others, or taken by the hypervisor, disturb a measurement.
FOREIGN_CORES = 0.10


def parse_stat(line):
    """Busy and stolen seconds from the first line of /proc/stat."""
    fields = [int(f) for f in line.split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def machine_time():
    with open("/proc/stat", encoding="ascii") as file:
        return parse_stat(file.readline())


def parse_pid_stat(text):
    """Processor seconds from /proc/PID/stat; the name in it may hold anything but ends at ')'."""
    fields = text[text.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def process_time(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return parse_pid_stat(file.read())


def threads_time(pid):
    """Processor seconds of a process's threads to the nanosecond, where the kernel counts so; of
    those that run now, so only good for a process that starts and ends none meanwhile."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def children_time():
    """Processor seconds of this process and of its children that have ended."""
    return sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_SELF),
                                                 resource.getrusage(resource.RUSAGE_CHILDREN)))


class Watch:
    """Measures what others used between creation and foreign_cores()."""

    def __init__(self, servers=()):
        self.servers = list(servers)
        self.wall = time.monotonic()
        self.own = self._own()
        self.busy, self.steal = machine_time()

    def _own(self):
        return children_time() + sum(process_time(pid) for pid in self.servers)

    def foreign_cores(self):
        busy, steal = machine_time()
        own = self._own() - self.own
        wall = time.monotonic() - self.wall
        return max(0.0, (busy - self.busy - own + steal - self.steal) / wall)

    def disturbed(self):
        return self.foreign_cores() > FOREIGN_CORES


def _first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0]


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def environment(root):
    """What a reader needs to know about where the figures come from."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": os.getloadavg(),
        "weft": _first_line("git", "-C", str(root), "describe", "--always", "--dirty"),
        "redis": _first_line("redis-server", "--version"),
        "memcached": _first_line("memcached", "--version"),
    }
