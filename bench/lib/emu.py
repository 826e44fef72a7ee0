# SPDX-License-Identifier: Apache-2.0
"""Emulated EFA devices for a benchmark. Their rates say nothing of EFA; ratios of two programs over
them show what one costs beside the other."""
import contextlib
import os
import subprocess
import tempfile

from lib import procs


def program(build):
    return build / "programs" / "emu" / "weft-emu"


@contextlib.contextmanager
def world(build, nics, *words):
    """Yields a world of one host; words are further ones of weft emu create."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-", dir="/dev/shm") as folder:
        name = f"{folder}/world"
        procs.run_json([program(build), "create", "--quiet", "--world", name, "--nics", nics,
                        *words])
        try:
            yield name
        finally:
            subprocess.run([program(build), "remove", "--quiet", "--force", "--world", name],
                           check=False)


def inside(build, name, command):
    """The command as one that runs in a world. libfabric's efa is kept from going past the devices
    between processes of one host, and lets them do RDMA, as weft's programs set it; unless the
    caller's environment has 0 there."""
    rdma = os.environ.get("FI_EFA_USE_DEVICE_RDMA", "1")
    return ["env", "FI_EFA_ENABLE_SHM_TRANSFER=0", f"FI_EFA_USE_DEVICE_RDMA={rdma}",
            program(build), "--quiet", "--world", name, "--", *command]


@contextlib.contextmanager
def maybe(build, provider, *words):
    """Yields a function that makes a command run where the provider has devices: in a world for
    efa, as it is for others."""
    if provider not in ("efa", "efa-direct"):
        yield lambda command: command
        return
    with world(build, 1, *words) as name:
        yield lambda command: inside(build, name, command)
