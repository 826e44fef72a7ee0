#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes trees of whole machines, in the grammar of run_cases.py, for run_machines.py.

Usage: make_trees.py NAME      prints the tree
       make_trees.py --list    prints the names

What is fact: numbers of CPUs, NUMA nodes, GPUs and NICs, the NICs' and GPUs' PCI addresses and names where
emu/profile.def names a source, ids of PCI devices, and the format of each file. Made up: bus numbers of bridges,
serial numbers, counters, how many packets a machine has seen. Links, NUMA distances and speeds beyond that are what a
machine in order would have; nobody has compared them with one.
"""
import sys

COUNTERS_DEVICE = ("submitted_cmds completed_cmds cmds_err no_completion_cmds keep_alive_rcvd alloc_pd_err create_qp_err "
                   "create_cq_err reg_mr_err alloc_ucontext_err create_ah_err mmap_err").split()
COUNTERS_PORT = ("tx_bytes tx_pkts rx_bytes rx_pkts rx_drops send_bytes send_wrs recv_bytes recv_wrs rdma_read_wrs "
                 "rdma_read_bytes rdma_read_wr_err rdma_read_resp_bytes rdma_write_wrs rdma_write_bytes rdma_write_wr_err "
                 "rdma_write_recv_bytes").split()
COUNTERS_NETWORK = ("retrans_bytes retrans_pkts retrans_timeout_events unresponsive_remote_events "
                    "impaired_remote_conn_events").split()
USED = {"submitted_cmds": 900, "completed_cmds": 900, "keep_alive_rcvd": 86400, "tx_bytes": 8 << 30, "tx_pkts": 1 << 20,
        "rx_bytes": 8 << 30, "rx_pkts": 1 << 20, "send_bytes": 8 << 30, "send_wrs": 1 << 20, "recv_bytes": 8 << 30,
        "recv_wrs": 1 << 20}


class Writer:
    def __init__(self):
        self.lines = ["# SPDX-License-Identifier: Apache-2.0"]
        self.verbs = 0

    def put(self, path, value):
        self.lines.append(f"{path} = {value}".rstrip() if value != "" else f"{path} =")

    def puts(self, folder, values):
        for name, value in values.items():
            self.put(f"{folder}/{name}", value)

    def link(self, path, target):
        """From a path of the machine to another, as the kernel writes it."""
        up = "../" * (path.count("/") - 1)
        self.lines.append(f"{path} -> {up}{target[1:]}")

    def function(self, parent, pci, vendor, device, kind, node, driver):
        folder = f"{parent}/{pci}"
        self.link(f"/sys/bus/pci/devices/{pci}", folder)
        self.puts(folder, {"vendor": f"0x{vendor:04x}", "device": f"0x{device:04x}", "class": f"0x{kind:06x}",
                           "numa_node": node, "enable": 1})
        self.link(f"{folder}/driver", f"/sys/bus/pci/drivers/{driver}")
        self.link(f"/sys/bus/pci/drivers/{driver}/{pci}", folder)
        return folder

    def rdma(self, folder, name, rate, gid):
        """An RDMA device of a PCI function, and its verbs device with a node."""
        ib = f"{folder}/infiniband/{name}"
        self.link(f"/sys/class/infiniband/{name}", ib)
        self.link(f"{ib}/device", folder)
        self.puts(ib, {"node_type": "7: unspecified", "node_guid": gid[20:], "fw_ver": "0.0.0.0"})
        self.puts(f"{ib}/ports/1", {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": rate, "link_layer": "Unknown",
                                    "gids/0": gid})
        verbs = f"{folder}/infiniband_verbs/uverbs{self.verbs}"
        self.link(f"/sys/class/infiniband_verbs/uverbs{self.verbs}", verbs)
        self.link(f"{verbs}/device", folder)
        self.puts(verbs, {"ibdev": name, "abi_version": 1, "dev": f"231:{192 + self.verbs}"})
        self.put(f"/dev/infiniband/uverbs{self.verbs}", "")
        self.verbs += 1
        return ib

    def efa(self, machine, nic, index):
        folder = self.function(nic["parent"], nic["pci"], 0x1d0f, machine["efa"], 0x020000, nic["node"], "efa")
        self.puts(folder, {"max_link_speed": machine["link"], "max_link_width": 16, "current_link_speed": machine["link"],
                           "current_link_width": 16})
        if machine["driver"]:
            self.put(f"{folder}/p2p", "NVIDIA" if machine["gpus"] else "")
        gid = f"fe80:0000:0000:0000:08{index:02x}:aeff:fe12:3457"
        ib = self.rdma(folder, nic["name"], machine["rate"], gid)
        counters = COUNTERS_PORT + (COUNTERS_NETWORK if machine["efa"] > 0xefa0 else [])
        self.puts(f"{ib}/hw_counters", {name: USED.get(name, 0) for name in COUNTERS_DEVICE})
        self.puts(f"{ib}/ports/1/hw_counters", {name: USED.get(name, 0) for name in counters})
        self.probe(index, nic["name"], "ok", {
            "gid": gid, "gid_tbl_len": 1, "port_state": 4, "max_msg": 8928, "max_qp": 256, "max_mr_size": 96 << 30,
            "efa.caps": f"0x{machine['caps']:x}", "efa.max_rdma_size": 1 << 30, "efa.max_sq_wr": 4096, "efa.inline": 32})

    def probe(self, index, name, opened, more):
        self.lines.append(f"probe dev.{index}={name}")
        for key, value in ({"open": opened} | more).items():
            self.lines.append(f"probe dev.{index}.{key}={value}")


def nic(bus, slot, node, parent):
    return {"pci": f"0000:{bus:02x}:{slot:02x}.0", "name": f"rdmap{bus}s{slot}", "node": node, "parent": parent}


def switch(bus):
    """The way to a switch's devices: a root complex, its port, the switch's upstream port."""
    return f"/sys/devices/pci0000:{bus:02x}/0000:{bus:02x}:01.0/0000:{bus + 1:02x}:00.0"


def p5():
    """Two sockets; below each four switches, each with a GPU and four NICs."""
    groups = [79, 96, 113, 130, 147, 164, 181, 198]
    return {"type": "p5.48xlarge", "cpus": 192, "nodes": 2, "memory": 2 << 40, "efa": 0xefa1, "caps": 0xf,
            "rate": "100 Gb/sec (4X EDR)", "link": "16.0 GT/s PCIe", "driver": "3.0.0g", "gpu": 0x2330,
            "nics": [nic(first + i, 0, number // 4, switch(first - 8)) for number, first in enumerate(groups)
                     for i in range(4)],
            "gpus": [(f"0000:{first + 4:02x}:00.0", number // 4, switch(first - 8))
                     for number, first in enumerate(groups)]}


def p4d():
    """Two sockets; below each two roots, each with two GPUs and a NIC."""
    roots = [(bus, number // 2, f"/sys/devices/pci0000:{bus:02x}") for number, bus in enumerate([16, 32, 144, 160])]
    return {"type": "p4d.24xlarge", "cpus": 96, "nodes": 2, "memory": 1152 << 30, "efa": 0xefa0, "caps": 0x3,
            "rate": "100 Gb/sec (4X EDR)", "link": "8.0 GT/s PCIe", "driver": "3.0.0g", "gpu": 0x20b0,
            "nics": [nic(bus, 27, node, root) for bus, node, root in roots],
            "gpus": [(f"0000:{bus:02x}:{slot:02x}.0", node, root) for bus, node, root in roots for slot in (0x1c, 0x1d)]}


def b200():
    """Eight NICs, a switch with one GPU for each, and two devices that are not EFA's."""
    buses = [79, 80, 81, 82, 147, 148, 149, 150]
    return {"type": "p6-b200.48xlarge", "cpus": 192, "nodes": 2, "memory": 2 << 40, "efa": 0xefa3, "caps": 0xf,
            "rate": "400 Gb/sec (8X HDR)", "link": "32.0 GT/s PCIe", "driver": "3.0.0g", "gpu": 0x2901,
            "nics": [nic(bus, 0, number // 4, switch(16 + 4 * number)) for number, bus in enumerate(buses)],
            "gpus": [(f"0000:{16 + 4 * number + 2:02x}:00.0", number // 4, switch(16 + 4 * number))
                     for number in range(8)],
            "mlx5": [("0000:73:00.0", "ibp115s0f0"), ("0000:74:00.0", "ibp116s0f0")]}


def m6i():
    """No GPU, one NIC, and a distribution's kernel and libraries instead of the EFA installer's."""
    return {"type": "m6i.metal", "cpus": 128, "nodes": 2, "memory": 512 << 30, "efa": 0xefa1, "caps": 0xf,
            "rate": "50 Gb/sec (1X HDR)", "link": "8.0 GT/s PCIe", "driver": "", "gpus": [],
            "nics": [nic(0, 6, 0, "/sys/devices/pci0000:00")]}


MACHINES = {"p5.48xlarge": p5, "p4d.24xlarge": p4d, "p6-b200.48xlarge": b200, "m6i.metal": m6i}


def put_machine(out, m):
    pages = 110 * m["cpus"] // 2 + 1
    out.puts("/sys/devices/virtual/dmi/id", {"sys_vendor": "Amazon EC2", "product_name": m["type"],
                                             "board_asset_tag": "i-0a1b2c3d4e5f60718"})
    out.puts("/proc/sys/kernel", {"osrelease": "6.8.0-1024-aws", "hostname": "ip-10-0-1-17", "yama/ptrace_scope": 0})
    out.puts("/sys/devices/system/cpu", {name: f"0-{m['cpus'] - 1}" for name in ("online", "possible", "present")})
    out.put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance")
    out.put("/sys/devices/system/node/online", f"0-{m['nodes'] - 1}")
    cores = m["cpus"] // 2 // m["nodes"]
    for node in range(m["nodes"]):
        first, second = node * cores, m["cpus"] // 2 + node * cores
        out.put(f"/sys/devices/system/node/node{node}/cpulist", f"{first}-{first + cores - 1},{second}-{second + cores - 1}")
    out.puts("/sys/kernel/mm/hugepages/hugepages-2048kB", {"nr_hugepages": pages, "free_hugepages": pages,
                                                           "resv_hugepages": 0, "surplus_hugepages": 0})
    kib = m["memory"] >> 10
    out.put("/proc/meminfo", f"MemTotal: {kib} kB\\nMemFree: {kib // 10 * 9} kB\\nMemAvailable: {kib // 10 * 9} kB\\n"
                             f"HugePages_Total: {pages}\\nHugePages_Free: {pages}\\nHugepagesize: 2048 kB")


def put_process(out):
    out.put("/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \\n"
                                 "Max locked memory         unlimited            unlimited            bytes")
    out.put("/proc/self/status", "Name:\\tweft-doctor\\nUid:\\t1000\\t1000\\t1000\\t1000\\nCapEff:\\t0000000000000000\\n"
                                 "Cpus_allowed_list:\\t0-7")
    out.put("/proc/self/cgroup", "0::/user.slice/user-1000.slice/session-3.scope")
    out.lines.append("env PATH=/usr/local/bin:/usr/bin:/bin")


def put_modules(out, m):
    out.put("/proc/modules", "efa 131072 0 - Live 0x0\\nib_uverbs 204800 1 efa, Live 0x0\\nib_core 557056 2 efa,ib_uverbs, "
                             "Live 0x0")
    for name in ("efa", "ib_core", "ib_uverbs"):
        out.puts(f"/sys/module/{name}", {"initstate": "live", "refcnt": 1})
    out.link("/sys/bus/pci/drivers/efa/module", "/sys/module/efa")
    out.put("/sys/class/infiniband_verbs/abi_version", 6)
    out.put("/dev/kmsg", "6,1204,8431077,-;efa 0000:00:06.0: IB device registered")
    if m["driver"]:
        out.put("/sys/module/efa/version", m["driver"])
    if m["gpus"]:
        out.put("/sys/module/nvidia/version", "570.172.08")
        out.put("/sys/module/gdrdrv/initstate", "live")
        out.put("/dev/gdrdrv", "")


def put_libraries(out, m):
    ours = {"ibverbs": "rdma-core 61.0", "ibverbs_path": "/usr/lib/x86_64-linux-gnu/libibverbs.so.1", "libfabric": "2.4.0",
            "libfabric_path": "/opt/amazon/efa/lib/libfabric.so.1"}
    if m["driver"]:
        out.put("/opt/amazon/efa_installed_packages", "# EFA installer version: 1.47.0\\nefa_3.0.0-1.amzn1_amd64 libfabric-aws-bin_2.4.0amzn1.0_amd64 libfabric-aws-dev_2.4.0amzn1.0_amd64 libfabric1-aws_2.4.0amzn1.0_amd64")
        out.put("/etc/ld.so.conf.d/000_efa.conf", "/opt/amazon/efa/lib")
    else:
        ours |= {"libfabric": "2.1.0", "libfabric_path": "/usr/lib/x86_64-linux-gnu/libfabric.so.1", "ibverbs": "rdma-core 56.1"}
    for key in ("ibverbs_path", "libfabric_path"):
        out.put(ours[key], "")
    if m["gpus"]:
        out.put("/opt/amazon/ofi-nccl/lib/libnccl-net.so", "")
        out.put("/etc/ld.so.conf.d/100_ofinccl.conf", "/opt/amazon/ofi-nccl/lib")
    count = len(m["nics"])
    answers = ours | {"efa_lib": "present", "fork": "unneeded", "fi.efa": count, "fi.efa-direct": count,
                      "fi.providers": "efa shm tcp udp", "cuda.dmabuf": 1 if m["gpus"] else "absent: libcuda.so.1 not found",
                      "end": "ok"}
    out.lines += [f"probe {key}={value}" for key, value in answers.items()]


def put_network(out, m):
    """The ENA beside EFA, and what EC2 told cloud-init. A type with many cards has an interface for each."""
    folder = out.function("/sys/devices/pci0000:00", "0000:00:05.0", 0x1d0f, 0xec20, 0x020000, 0, "ena")
    out.puts(f"{folder}/net/ens5", {"address": "0a:45:ae:12:34:55", "operstate": "up", "mtu": 9001})
    out.link(f"{folder}/net/ens5/device", folder)
    out.link("/sys/class/net/ens5", f"{folder}/net/ens5")
    macs = ", ".join(f'"0a:45:ae:12:{card:02x}:55": {{"network-card-index": "{card}", "security-group-ids": '
                     '"sg-0123456789abcdef0", "subnet-id": "subnet-0123456789abcdef0", "vpc-id": "vpc-0123456789abcdef0"}'
                     for card in range(len(m["nics"])))
    out.put("/run/cloud-init/instance-data.json",
            f'{{"ds": {{"meta_data": {{"instance-type": "{m["type"]}", "network": {{"interfaces": {{"macs": {{{macs}}}}}}}, '
            '"placement": {"availability-zone": "us-east-1a", "availability-zone-id": "use1-az4", "group-name": '
            '"cluster-1"}}}}')


def tree(name):
    m, out = MACHINES[name](), Writer()
    put_machine(out, m)
    put_process(out)
    put_modules(out, m)
    put_network(out, m)
    for pci, node, parent in m["gpus"]:
        out.function(parent, pci, 0x10de, m["gpu"], 0x030200, node, "nvidia")
    for index, one in enumerate(m["nics"]):
        out.efa(m, one, index)
    for index, (pci, name) in enumerate(m.get("mlx5", []), len(m["nics"])):
        folder = out.function("/sys/devices/pci0000:70", pci, 0x15b3, 0x1021, 0x020700, 0, "mlx5_core")
        out.rdma(folder, name, "400 Gb/sec (4X NDR)", f"fe80:0000:0000:0000:a288:c203:00{index:02x}:0001")
        out.probe(index, name, "ok", {"gid": f"fe80:0000:0000:0000:a288:c203:00{index:02x}:0001", "gid_tbl_len": 256,
                                      "port_state": 4})
    put_libraries(out, m)
    return "\n".join(out.lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(MACHINES) if sys.argv[1] == "--list" else tree(sys.argv[1]), end="")
