# SPDX-License-Identifier: Apache-2.0
"""A peer that is cut off while nothing more is sent to it: the memory of what had begun gets quiet all the same."""
import json

import pytest

from emulated import World
from harness import BUILD, run

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("no_sanitizer")]


@pytest.mark.parametrize("driven_by", [[], ["--manual"]])
def test_memory_gets_quiet_after_a_cut(driven_by):
    # Past the handshake and some batches every packet is lost: requests may have arrived whose answers never come.
    # bench-late fails when a batch is not quiet ten seconds after its end.
    emulated = World(create=["--fault", "loss:skip=2000"], hosts=1)
    try:
        done = run(emulated.command(0, BUILD / "bench" / "bench-late", "--provider", "efa", "--rounds", 20, *driven_by),
                   timeout=100)
        assert done.returncode == 0, done.stderr.decode()
        found = json.loads(done.stdout)
        assert found["deadline"] > 0 and found["rounds"] < 20, found
    finally:
        emulated.remove()
