# SPDX-License-Identifier: Apache-2.0
"""Copies of made-up machines for --sysroot: directories that look like /proc and /sys of one."""
import os
from pathlib import Path


class Machine:
    def __init__(self, folder, instance="", nodes=1):
        self.root = Path(folder)
        self.put("/proc/sys/kernel/hostname", "node-a")
        if instance:
            self.put("/sys/devices/virtual/dmi/id/sys_vendor", "Amazon EC2")
            self.put("/sys/devices/virtual/dmi/id/product_name", instance)
        for node in range(nodes):
            self.put(f"/sys/devices/system/node/node{node}/cpulist", f"{48 * node}-{48 * node + 47}")

    def put(self, path, text, end="\n"):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        data = text if isinstance(text, bytes) else (text + end).encode()
        file.write_bytes(data)

    def link(self, path, target):
        """target: a path of the machine."""
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(self.root / target.lstrip("/"), link.parent))

    def pci(self, path, vendor, device, kind, driver="", node=-1):
        """path: below /sys/devices, its root complex and bridges included. The function's directory."""
        path = f"/sys/devices/{path}"
        for name, text in (("vendor", vendor), ("device", device), ("class", kind), ("numa_node", str(node))):
            self.put(f"{path}/{name}", text)
        self.link(f"/sys/bus/pci/devices/{path.rsplit('/', 1)[1]}", path)
        if driver:
            (self.root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
            self.link(f"{path}/driver", f"/sys/bus/pci/drivers/{driver}")
        return path

    def gpu(self, path, node=-1, device="0x2330"):
        return self.pci(path, "0x10de", device, "0x030200", "nvidia", node)

    def rdma(self, path, name, number=0, **files):
        """Makes the function an RDMA device; files: of port 1."""
        device = f"{path}/infiniband/{name}"
        self.put(f"{device}/node_guid", "0000:0000:0000:0001")
        self.put(f"{device}/fw_ver", "0.0.0.0")
        port = {"state": "4: ACTIVE", "rate": "100 Gb/sec (4X EDR)", "link_layer": "Unknown",
                "gids/0": f"fe80:0000:0000:0000:0000:00ff:fe00:{number:04x}"}
        for file, text in {**port, **files}.items():
            self.put(f"{device}/ports/1/{file}", text)
        self.link(f"{device}/device", path)
        self.link(f"/sys/class/infiniband/{name}", device)
        self.put(f"{path}/infiniband_verbs/uverbs{number}/ibdev", name)
        self.link(f"/sys/class/infiniband_verbs/uverbs{number}", f"{path}/infiniband_verbs/uverbs{number}")

    def efa(self, path, name, number=0, node=-1, width="16", **files):
        path = self.pci(path, "0x1d0f", "0xefa2", "0x020000", "efa", node)
        for file, text in (("current_link_speed", "16.0 GT/s PCIe"), ("max_link_speed", "16.0 GT/s PCIe"),
                           ("current_link_width", width), ("max_link_width", "16")):
            self.put(f"{path}/{file}", text)
        self.rdma(path, name, number, **files)
        return path

    def net(self, path, name, node=-1, driver="ena", address="02:12:34:56:78:9a"):
        path = self.pci(path, "0x1d0f", "0xec20", "0x020000", driver, node)
        for file, text in (("operstate", "up"), ("address", address), ("mtu", "9001"), ("type", "1")):
            self.put(f"{path}/net/{name}/{file}", text)
        self.link(f"{path}/net/{name}/device", path)
        self.link(f"/sys/class/net/{name}", f"{path}/net/{name}")


def large(folder, gpus=8, nics_each=4, nodes=2):
    """GPUs with NICs behind a switch each, spread over the nodes; the last NIC has a narrow link."""
    machine = Machine(folder, "p5.48xlarge", nodes)
    number = 0
    for gpu in range(gpus):
        node, bus = gpu * nodes // gpus, 0x40 + 0x10 * gpu
        up = f"pci0000:{bus:02x}/0000:{bus:02x}:00.0/0000:{bus + 1:02x}:00.0"
        machine.gpu(f"{up}/0000:{bus + 2:02x}:08.0/0000:{bus + 7:02x}:00.0", node)
        for nic in range(nics_each):
            at = f"{up}/0000:{bus + 2:02x}:{nic:02x}.0/0000:{bus + 3 + nic:02x}:00.0"
            machine.efa(at, f"rdmap{bus + 3 + nic}s0", number, node,
                        width="8" if number == gpus * nics_each - 1 else "16")
            number += 1
    machine.net("pci0000:00/0000:00:05.0", "ens5", 0)
    return machine
