#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `weft topology` shows of a p5.48xlarge, and of what is no topology.

Usage: program_test.py WEFT-TOPOLOGY DIR-OF-TOPOLOGIES
"""
import json
import subprocess
import sys

program, folder = sys.argv[1:]
xml = f"{folder}/p5.48xlarge.xml"


def run(*args):
    return subprocess.run([program, *args], capture_output=True, text=True, check=False)


def expect(what, condition):
    if not condition:
        sys.exit(f"failed: {what}")


out = run("--xml", xml, "--json")
expect("--json succeeds", out.returncode == 0)
shown = json.loads(out.stdout)
expect("nodes", shown["nodes"] == [{"number": 0, "cpus": "0-47,96-143"},
                                   {"number": 1, "cpus": "48-95,144-191"}])
expect("8 GPUs, 4 in each node", [gpu["nodes"] for gpu in shown["gpus"]] == 4 * [[0]] + 4 * [[1]])
nics = {nic["names"][0]: nic for nic in shown["nics"]}
expect("32 NICs", len(nics) == 32)
expect("place of a NIC", nics["rdmap130s0"]["pci"] == "0000:82:00.0" and
       nics["rdmap130s0"]["nodes"] == [0])
expect("distances", nics["rdmap130s0"]["gpus"] == 3 * ["node"] + ["switch"] + 4 * ["other"])

out = run("--xml", xml)
rows = [line.split() for line in out.stdout.splitlines()]
expect("row of a NIC", ["rdmap130s0", "0000:82:00.0", "0"] + 3 * ["node"] + ["switch"] +
       4 * ["other"] in rows)

out = run("--xml", f"{folder}/unplaced.xml")
expect("no node known", ["rdmap0s6", "0000:00:06.0", "-"] in
       [line.split() for line in out.stdout.splitlines()])

out = run("--xml", sys.argv[0])
expect("not a topology", out.returncode != 0 and not out.stdout and sys.argv[0] in out.stderr)
out = run("--xml", "/nonesuch.xml")
expect("no such file", out.returncode != 0 and "/nonesuch.xml" in out.stderr)
