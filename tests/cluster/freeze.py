# SPDX-License-Identifier: Apache-2.0
"""Stopping a process where it holds no lock that others need. libfabric 1.17's shm shares spin locks between
processes: one that is stopped while it holds such a lock stops the others too (README: what to know before use)."""
import ctypes
import mmap
import os
import signal
import struct
import time
from pathlib import Path

from harness import wait_for

SHM = Path("/dev/shm")
# struct smr_region of libfabric 1.17; later ones have no lock here, and other values at these places.
PID, LOCK, SIZE = 4, 24, 40
LIBC = ctypes.CDLL(None)


def left_taken(path):
    """Whether the lock of a segment stays taken, though it is tried again and again."""
    try:
        with path.open("r+b") as file:
            length = os.fstat(file.fileno()).st_size
            area = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    except (OSError, ValueError):
        return False  # gone, or not a segment
    with area:
        (pid,), (size,) = struct.unpack_from("i", area, PID), struct.unpack_from("Q", area, SIZE)
        if pid != int(path.name.split(":")[0]) or size != length:
            return False
        lock = ctypes.c_int.from_buffer(area, LOCK)
        try:
            for _ in range(20):
                if LIBC.pthread_spin_trylock(ctypes.byref(lock)) == 0:
                    LIBC.pthread_spin_unlock(ctypes.byref(lock))
                    return False
                time.sleep(0.001)
            return True
        finally:
            del lock


def is_stopped(pid):
    return all(task.read_text(encoding="ascii").rpartition(")")[2].split()[0] in "Tt"
               for task in Path(f"/proc/{pid}/task").glob("*/stat"))


def freeze(process, *sharers):
    """SIGSTOP; sharers: the processes that it talks with, beside this one."""
    pids = [os.getpid(), *(each.pid for each in (process, *sharers))]
    for _ in range(100):
        process.signal(signal.SIGSTOP)
        wait_for(lambda: is_stopped(process.pid), 10, process.describe)
        if not any(left_taken(path) for pid in pids for path in SHM.glob(f"{pid}:*")):
            return
        process.signal(signal.SIGCONT)
        time.sleep(0.002)  # else it is stopped where it is
    raise AssertionError("each time it is stopped, it holds a lock")
