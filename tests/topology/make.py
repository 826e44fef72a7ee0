#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes topologies of instance types as hwloc's XML, for tests.

Usage: make.py NAME FILE

What is fact: numbers of sockets, NUMA nodes, CPUs, GPUs and NICs, and the NICs' PCI addresses,
which are those of the emulator's profiles (emu/profile.def names their sources). Public
descriptions of the instance types say that there is one PCI switch per GPU and its NICs (p5), one
per pair of GPUs and a NIC (p4d). Bus numbers of bridges and GPUs are made up.
"""
import itertools
import sys

NIC, GPU, VGA = "0200 [1d0f:efa1]", "0302 [10de:2330]", "0300 [1d0f:1111]"
BRIDGE = "0604 [1d0f:0200]"
OSDEV_OPENFABRICS, OSDEV_NET = 3, 2


def p5():
    """Two sockets; below each four switches, each with a GPU and four NICs."""
    groups = [79, 96, 113, 130, 147, 164, 181, 198]
    return {"nodes": 2, "cores": 48, "threads": 2,
            "switches": [(group // 4, [(first - 1, 0, GPU)] +
                          [(first + i, 0, NIC) for i in range(4)])
                         for group, first in enumerate(groups)]}


def p4d():
    """Two sockets; below each two switches, each with two GPUs and a NIC."""
    return {"nodes": 2, "cores": 24, "threads": 2,
            "switches": [(group // 2, [(bus, 0x1c, GPU), (bus, 0x1d, GPU), (bus, 27, NIC)])
                         for group, bus in enumerate([16, 32, 144, 160])]}


def p4d_mixed():
    """The same with CPUs numbered in turns: CPU 0 in node 0, CPU 1 in node 1."""
    return p4d() | {"turns": True}


def hpc7g():
    """One socket, one node, no GPU; the NIC at the root."""
    return {"nodes": 1, "cores": 64, "threads": 1, "switches": [],
            "root": [(0, 3, VGA), (0, 5, "0200 [1d0f:ec20]"), (0, 6, NIC)]}


def unplaced():
    """Two nodes, and firmware that does not say where the NIC is."""
    return {"nodes": 2, "cores": 2, "threads": 1, "switches": [], "root": [(0, 6, NIC)]}


MACHINES = {"p5.48xlarge": p5, "p4d.24xlarge": p4d, "p4d-mixed": p4d_mixed,
            "hpc7g.16xlarge": hpc7g, "unplaced": unplaced}


def bitmap(numbers):
    """hwloc's text of a set: groups of 32 bits, the highest first."""
    value = sum(1 << number for number in numbers)
    groups = []
    while value or not groups:
        groups.append(f"0x{value & 0xffffffff:08x}")
        value >>= 32
    return ",".join(reversed(groups))


class Writer:
    def __init__(self, file):
        self.file, self.ids, self.depth = file, itertools.count(1), 1

    def put(self, kind, attributes, fill=None):
        words = "".join(f' {key}="{value}"' for key, value in attributes.items())
        start = f'{"  " * self.depth}<object type="{kind}" gp_index="{next(self.ids)}"{words}'
        if not fill:
            print(start + "/>", file=self.file)
            return
        print(start + ">", file=self.file)
        self.depth += 1
        fill()
        self.depth -= 1
        print("  " * self.depth + "</object>", file=self.file)

    def place(self, kind, cpus, nodes, fill=None, **more):
        sets = {f"{how}cpuset": bitmap(cpus) for how in ("", "complete_")}
        sets |= {f"{how}nodeset": bitmap(nodes) for how in ("", "complete_")}
        self.put(kind, more | sets, fill)

    def device(self, bus, slot, what):
        name = f"rdmap{bus}s{slot}"
        number = {"osdev_type": OSDEV_OPENFABRICS}
        if what == "0200 [1d0f:ec20]":
            name, number = "eth0", {"osdev_type": OSDEV_NET}
        fill = None
        if what.startswith("0200"):
            fill = lambda: self.put("OSDev", {"name": name} | number)
        self.put("PCIDev", {"pci_busid": f"0000:{bus:02x}:{slot:02x}.0",
                            "pci_type": f"{what} [0000:0000] 00",
                            "pci_link_speed": "0.000000"}, fill)

    def root(self, first, last, fill):
        self.put("Bridge", {"bridge_type": "0-1", "depth": 0,
                            "bridge_pci": f"0000:[{first:02x}-{last:02x}]"}, fill)

    def switch(self, devices):
        """Below a root complex, the bridge of a root port and that of a switch."""
        first, last = min(d[0] for d in devices), max(d[0] for d in devices)
        top = first - 4

        def port():
            self.bridge(top + 1, first, last, 2, lambda: [self.device(*d) for d in devices])

        self.root(top, last, lambda: self.bridge(top, top + 1, last, 1, port))

    def bridge(self, at, first, last, depth, fill):
        self.put("Bridge", {"bridge_type": "1-1", "depth": depth,
                            "bridge_pci": f"0000:[{first:02x}-{last:02x}]",
                            "pci_busid": f"0000:{at:02x}:00.0",
                            "pci_type": f"{BRIDGE} [0000:0000] 00",
                            "pci_link_speed": "0.000000"}, fill)


def write(machine, file):
    out = Writer(file)
    nodes, cores, threads = machine["nodes"], machine["cores"], machine["threads"]
    # Linux numbers the second threads of all cores after the first ones.
    core_cpus = [[core + nodes * cores * t for t in range(threads)]
                 for core in range(nodes * cores)]
    of_node = [core_cpus[n * cores:(n + 1) * cores] for n in range(nodes)]
    if machine.get("turns"):
        of_node = [core_cpus[n::nodes] for n in range(nodes)]
    root = machine.get("root", [])

    def put_root():
        if root:
            out.root(0, 0, lambda: [out.device(*device) for device in root])

    def package(node):
        cpus = [cpu for core in of_node[node] for cpu in core]
        out.place("NUMANode", cpus, [node], os_index=node, local_memory=1 << 36)
        for number, core in enumerate(of_node[node]):
            out.place("Core", core, [node], lambda: [
                out.place("PU", [cpu], [node], os_index=cpu) for cpu in core],
                os_index=node * cores + number)
        for where, devices in machine["switches"]:
            if where == node:
                out.switch(devices)

    def all_packages():
        for node in range(nodes):
            cpus = [cpu for core in of_node[node] for cpu in core]
            out.place("Package", cpus, [node], lambda: package(node), os_index=node)
        put_root()

    print('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
          '<topology version="2.0">', file=file)
    cpus = [cpu for core in core_cpus for cpu in core]
    out.place("Machine", cpus, range(nodes), all_packages, os_index=0,
              allowed_cpuset=bitmap(cpus), allowed_nodeset=bitmap(range(nodes)))
    print("</topology>", file=file)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in MACHINES:
        sys.exit(f"usage: make.py {'|'.join(MACHINES)} FILE")
    with open(sys.argv[2], "w", encoding="ascii") as file:
        write(MACHINES[sys.argv[1]](), file)


if __name__ == "__main__":
    main()
