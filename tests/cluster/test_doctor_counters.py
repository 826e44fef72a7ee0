# SPDX-License-Identifier: Apache-2.0
"""weft doctor's H2 on a running machine: a counter is trouble while it rises, not for what it once counted."""
import json
import os
import threading

import pytest

from harness import WEFT, run

PORT = "class/infiniband/efa_0/ports/1/hw_counters"


def counters_tree(root):
    """What sysfs shows of one EFA device, errors of long ago among its counters."""
    for name, text in (("device/vendor", "0x1d0f"), ("device/device", "0xefa1"), ("hw_counters/create_ah_err", "3")):
        path = root / "class/infiniband/efa_0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="ascii")
    (root / PORT).mkdir(parents=True)
    for name in ("tx_pkts", "rx_pkts", "unresponsive_remote_events"):
        (root / PORT / name).write_text("1000000\n", encoding="ascii")
    return root


def counters(root):
    done = run([WEFT, "doctor", "--only", "H2", "--json"], env={**os.environ, "SYSFS_PATH": str(root)})
    row = json.loads(done.stdout)["checks"][0]
    return row["status"], row["text"]


def rise(path, stop):
    """A whole new file each time: what is read is never half of one."""
    value = 1000000
    while not stop.wait(0.01):
        value += 1
        new = path.with_name("new")
        new.write_text(f"{value}\n", encoding="ascii")
        new.replace(path)


@pytest.mark.parametrize("rising", [False, True])
def test_counter_is_trouble_while_it_rises(tmp_path, rising):
    root, stop = counters_tree(tmp_path), threading.Event()
    writer = threading.Thread(target=rise, args=(root / PORT / "unresponsive_remote_events", stop))
    if rising:
        writer.start()
    try:
        status, text = counters(root)
    finally:
        stop.set()
        if rising:
            writer.join()
    if rising:
        assert status == "warn" and text.startswith("efa_0: unresponsive_remote_events is rising")
    else:
        assert status == "ok" and "(2 counters), none within the last second" in text
