#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What matters for EFA in the other files of deploy/: ParallelCluster, EKS, HyperPod, CloudWatch, the container image.

Usage: files_test.py SOURCE-ROOT

Each rule is tried on a file that breaks it. Status 77: PyYAML or shellcheck is not installed.
"""
import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

try:
    import yaml
except ImportError as error:
    print(f"{error} (./dev setup)")
    sys.exit(77)

root = Path(sys.argv[1])
sys.path.insert(0, str(root / "scripts"))
sys.dont_write_bytecode = True
from weft_commands import instructions  # pylint: disable=wrong-import-position

failed = []


def text_of(name):
    return (root / name).read_text(encoding="utf-8")


def types():
    return set(re.findall(r'^INSTANCE\("([^"]+)"', text_of("src/host/instance.def"), re.M))


def parallelcluster(config):
    """Faults of a ParallelCluster configuration, EFA alone."""
    scheduling = config["Scheduling"]
    if scheduling["Scheduler"] != "slurm":
        yield "only Slurm queues have EFA"
    for queue in scheduling["SlurmQueues"]:
        network = queue["Networking"]
        if len(network["SubnetIds"]) != 1:
            yield "more than one subnet, so perhaps more than one zone"
        if not network.get("PlacementGroup", {}).get("Enabled"):
            yield "no placement group"
        if "SecurityGroups" in network:
            yield "security groups of its own, which may lack the rules"
        for resource in queue["ComputeResources"]:
            if not resource.get("Efa", {}).get("Enabled"):
                yield "no EFA"
            if resource["InstanceType"] not in types():
                yield f"{resource['InstanceType']} has no EFA"
    if config["HeadNode"]["Ssh"].get("AllowedIps", "0.0.0.0/0") == "0.0.0.0/0":
        yield "SSH from everywhere"


def eks(config):
    for group in config["managedNodeGroups"]:
        if not group.get("efaEnabled"):
            yield "no EFA"
        if group["instanceType"] not in types():
            yield f"{group['instanceType']} has no EFA"
        zones = group.get("availabilityZones", [])
        if len(zones) != 1 or zones[0] not in config["availabilityZones"]:
            yield "nodes in other zones than one of the cluster's"
        exporter = yaml.safe_load(text_of("deploy/kubernetes/exporter.yaml"))["spec"]["template"]["spec"]
        if not exporter["nodeSelector"].items() <= group.get("labels", {}).items():
            yield "the exporter's nodeSelector does not choose these nodes"
        node = yaml.safe_load(group["overrideBootstrapCommand"])
        limits = {one["type"]: one for one in node["spec"]["containerd"]["baseRuntimeSpec"]["process"]["rlimits"]}
        if limits.get("RLIMIT_MEMLOCK", {}).get("hard", 0) < 1 << 34 or "RLIMIT_NOFILE" not in limits:
            yield "containers may not lock 16 GiB, or lose their limit of files"
        # nodeadm merges the list by way of JSON numbers, which are exact up to 2^53.
        if any(one[bound] > 1 << 53 for one in limits.values() for bound in ("soft", "hard")):
            yield "a limit that is no exact number in JSON"


def hyperpod(config):
    vpc = config.get("VpcConfig", {})
    if len(vpc.get("Subnets", [])) != 1 or not vpc.get("SecurityGroupIds"):
        yield "no VPC of one's own with one subnet"
    names = [group["InstanceType"].removeprefix("ml.") for group in config["InstanceGroups"]]
    if not set(names) & types():
        yield "no group has a type with EFA"


def cloudwatch(config):
    collected = config["metrics"]["metrics_collected"]
    rows = re.findall(r'^EMU_COUNTER\((\w+), PORT', text_of("emu/counter.def"), re.M)
    known = {"efa_" + name.replace("rx_drops", "rx_dropped") for name in rows}
    if len(known) < 20:
        yield f"only {len(known)} counters could be read"
    yield from (f"{name} is no counter of EFA" for name in collected["efa"]["measurement"] if name not in known)
    if "${aws:InstanceId}" not in config["metrics"]["append_dimensions"].values():
        yield "figures of several instances fall together"
    if not re.search(collected["procstat"][0]["exe"], "weft-serve"):
        yield "weft serve is not watched"


def container(text):
    """Faults of a container file; each RUN also goes to shellcheck."""
    steps = [(name, rest) for _, name, rest in instructions(text)]
    stages = [at for at, (name, _) in enumerate(steps) if name == "FROM"]
    last = steps[stages[-1]:]
    if len(stages) < 2:
        yield "the compiler is in the image"
    if not re.fullmatch(r"[1-9]\d*:\d+", dict(last).get("USER", "")):
        yield "it runs as root, or as a name that Kubernetes cannot tell from root"
    if any(name == "RUN" and "apt-get install" in rest and "rm -rf /var/lib/apt/lists" not in rest for name, rest in last):
        yield "lists of packages stay in the image"
    tools = set(text_of("dev").split("PACKAGES=(")[1].split(")")[0].split())
    wanted = re.search(r"install -y --no-install-recommends(.*)", steps[stages[0] + 1][1])[1].split()
    unknown = set(wanted) - tools
    if unknown:
        yield f"./dev setup knows no package {sorted(unknown)}"
    for name, rest in steps:
        if name == "RUN":
            done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=rest, capture_output=True, text=True, check=False)
            yield from done.stdout.splitlines()


def put(config, path, value):
    changed = copy.deepcopy(config)
    node = changed
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return changed


QUEUE = ["Scheduling", "SlurmQueues", 0]
NODES = ["managedNodeGroups", 0]
CHECKS = [
    ("parallelcluster/cluster.yaml", yaml.safe_load, parallelcluster, [
        ([*QUEUE, "ComputeResources", 0, "Efa", "Enabled"], False), ([*QUEUE, "Networking", "PlacementGroup"], {}),
        ([*QUEUE, "Networking", "SecurityGroups"], ["sg-1"]), ([*QUEUE, "Networking", "SubnetIds"], ["a", "b"]),
        ([*QUEUE, "ComputeResources", 0, "InstanceType"], "t3.micro"), (["HeadNode", "Ssh"], {})]),
    ("kubernetes/eks-cluster.yaml", yaml.safe_load, eks, [
        ([*NODES, "efaEnabled"], False), ([*NODES, "availabilityZones"], ["a", "b"]), ([*NODES, "labels"], {}),
        ([*NODES, "instanceType"], "t3.micro"),
        ([*NODES, "overrideBootstrapCommand"], "spec: {containerd: {baseRuntimeSpec: {process: {rlimits: []}}}}")]),
    ("hyperpod/cluster.json", json.loads, hyperpod, [
        (["VpcConfig"], {}), (["InstanceGroups"], [{"InstanceType": "ml.t3.micro"}])]),
    ("cloudwatch/agent.json", json.loads, cloudwatch, [
        (["metrics", "metrics_collected", "efa", "measurement"], ["efa_rx_drops"]),
        (["metrics", "append_dimensions"], {}), (["metrics", "metrics_collected", "procstat", 0, "exe"], "^weft$")]),
]


def main():
    if not shutil.which("shellcheck"):
        print("shellcheck is not installed (./dev setup)")
        sys.exit(77)
    for name, load, check, broken in CHECKS:
        config = load(text_of(f"deploy/{name}"))
        failed.extend(f"{name}: {fault}" for fault in check(config))
        failed.extend(f"{name}: {path} = {value} goes unnoticed" for path, value in broken
                      if not list(check(put(config, path, value))))
    image = text_of("deploy/container/Containerfile")
    failed.extend(f"Containerfile: {fault}" for fault in container(image))
    for old, new in (("USER 10001:10001", "USER weft"), ("rm -rf /var/lib/apt/lists/*", "rm -rf"), ("gcc meson", "gcc-7 meson"),
                     ('"$program"', "$program")):
        if old not in image or not list(container(image.replace(old, new))):
            failed.append(f"Containerfile: {old!r} to {new!r} goes unnoticed")
    print("\n".join(failed) or "the files of deploy/ are right")
    sys.exit(bool(failed))


main()
