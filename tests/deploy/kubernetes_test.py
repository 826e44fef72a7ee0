#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manifests of deploy/kubernetes against the models of Kubernetes' own Python client, and against each other.

Usage: kubernetes_test.py DEPLOY-FOLDER

A member that the API does not know is an error here, as is one of another type. Then every rule below is tried on
manifests that break it. Status 77: the client is not installed.
"""
import copy
import re
import sys
from pathlib import Path

try:
    import yaml
    from kubernetes.client import models
except ImportError as error:
    print(f"{error} (./dev setup)")
    sys.exit(77)

KINDS = {("v1", "Service"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job"),
         ("networking.k8s.io/v1", "NetworkPolicy")}
SIMPLE = {"str": str, "int": int, "bool": bool, "float": (int, float)}
# What is newer than the client of Debian 12 (API 1.22): gRPC probes, from 1.24 on.
NEWER = {"V1Probe": {"grpc": {"port": "int", "service": "str"}}}
QUANTITIES = {"V1ResourceRequirements"}  # whose values may be written as numbers
MIB = {"Mi": 1, "Gi": 1024}


def members(name):
    """JSON name -> type of each member of a model."""
    if name not in models.__dict__:
        return None
    model = getattr(models, name)
    known = {model.attribute_map[member]: kind for member, kind in model.openapi_types.items()}
    return {**NEWER.get(name, {}), **known}


def check_type(value, kind, where, model=""):
    """What is wrong with a value, as texts."""
    if isinstance(kind, dict):
        yield from check_members(value, kind, where, "")
    elif found := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            yield f"{where}: is no list"
        else:
            for at, one in enumerate(value):
                yield from check_type(one, found[1], f"{where}[{at}]")
    elif found := re.fullmatch(r"dict\(str, (.*)\)", kind):
        if not isinstance(value, dict):
            yield f"{where}: is no mapping"
        else:
            for key, one in value.items():
                if not (model in QUANTITIES and isinstance(one, int)):
                    yield from check_type(one, found[1], f"{where}.{key}")
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where}: {value!r} is no {kind}"
    elif kind != "object":
        yield from check_members(value, members(kind), where, kind)


def check_members(value, known, where, model):
    if known is None:
        yield f"{where}: the client has no model {model}"
    elif not isinstance(value, dict):
        yield f"{where}: is no mapping"
    else:
        for name, one in value.items():
            if name not in known:
                yield f"{where}.{name}: there is no such member"
            else:
                yield from check_type(one, known[name], f"{where}.{name}", model)
        if model and not any(name not in known for name in value):
            yield from check_required(value, model, where)


def check_required(value, model, where):
    """The client's constructors refuse what lacks a required member."""
    names = {json: member for member, json in getattr(models, model).attribute_map.items()}
    try:
        getattr(models, model)(**{names[name]: one for name, one in value.items() if name in names})
    except ValueError as error:
        yield f"{where}: {error}"


def pods(document):
    return document["spec"]["template"] if "template" in document.get("spec", {}) else None


def mib(quantity):
    found = re.fullmatch(r"(\d+)(Mi|Gi)", str(quantity))
    return int(found[1]) * MIB[found[2]] if found else 0


def option(container, name):
    return next((arg.split("=", 1)[1] for arg in container.get("args", []) if arg.startswith(f"--{name}=")), "")


def check_container(container, where):
    limits = container["resources"].get("limits", {})
    requests = container["resources"].get("requests", {})
    security = container.get("securityContext", {})
    if not (security.get("allowPrivilegeEscalation") is False and security.get("readOnlyRootFilesystem")
            and security.get("capabilities", {}).get("drop") == ["ALL"]) or security.get("privileged"):
        yield f"{where}: it has more rights than it needs"
    if container["image"] != "IMAGE_OF_WEFT":
        yield f"{where}: the image is not the placeholder that the guide replaces"
    if "vpc.amazonaws.com/efa" in limits and not mib(limits.get("hugepages-2Mi")):
        yield f"{where}: an EFA without huge pages for libfabric"
    if "memory" not in limits or "cpu" not in requests:
        yield f"{where}: no limit of memory, or no request of processors"
    ports = {port["containerPort"] for port in container.get("ports", [])}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if "grpc" in container.get(name, {}) and container[name]["grpc"]["port"] not in ports:
            yield f"{where}: {name} asks at a port that it does not have"
    address = option(container, "listen-addr")
    if address and int(address.rsplit(":", 1)[1]) not in ports:
        yield f"{where}: it listens at {address}, which is none of its ports"
    if option(container, "num-domains") not in ("", str(limits.get("vpc.amazonaws.com/efa"))):
        yield f"{where}: as many rails as EFAs"
    memory = option(container, "memory-mb")
    if memory and int(memory) + 512 > mib(limits.get("hugepages-2Mi")):
        yield f"{where}: the values and libfabric do not fit into the huge pages"


def check_counters(container, volumes, where):
    """What reads counters of NICs sees those of the node: a pod's network namespace has none."""
    words = " ".join([*container.get("command", []), *container.get("args", [])])
    if not re.search(r"weft (exporter|perf) ", words):
        return
    paths = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in volumes}
    mounts = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
    names = {one["name"]: one.get("value") for one in container.get("env", [])}
    mount = mounts.get(names.get("SYSFS_PATH"), {})
    if paths.get(mount.get("name")) != "/sys" or not mount.get("readOnly"):
        yield f"{where}: it cannot read the NICs' counters"


def check_pods(document, where, others):
    """others: the labels of the other documents' pods."""
    template = pods(document)
    labels, spec = template["metadata"]["labels"], template["spec"]
    if not spec.get("securityContext", {}).get("runAsNonRoot"):
        yield f"{where}: it may run as root"
    selector = document["spec"].get("selector")
    if selector and not selector["matchLabels"].items() <= labels.items():
        yield f"{where}: its selector is not about its own pods"
    for term in spec.get("affinity", {}).get("podAntiAffinity", {}).get(
            "requiredDuringSchedulingIgnoredDuringExecution", []):
        if not any(term["labelSelector"]["matchLabels"].items() <= one.items() for one in [labels, *others]):
            yield f"{where}: its anti-affinity is about no pods that there are"
    for container in spec["containers"]:
        yield from check_container(container, f"{where}, container {container['name']}")
        yield from check_counters(container, spec.get("volumes", []), where)
        drain = option(container, "drain-timeout")
        if drain and int(drain.rstrip("s")) >= spec.get("terminationGracePeriodSeconds", 30):
            yield f"{where}: it is killed before --drain-timeout has passed"


def check_selectors(documents):
    """Services and policies are about pods that there are, and ports that these have."""
    templates = [pods(document) for document in documents if pods(document)]
    for document in documents:
        if document["kind"] not in ("Service", "NetworkPolicy"):
            continue
        spec = document["spec"]
        wanted = spec["selector"] if document["kind"] == "Service" else spec["podSelector"]["matchLabels"]
        chosen = [one for one in templates if wanted.items() <= one["metadata"]["labels"].items()]
        ports = {name for one in chosen for container in one["spec"]["containers"]
                 for port in container.get("ports", []) for name in (port["name"], port["containerPort"])}
        asked = [port.get("targetPort", port["port"]) for port in spec.get("ports", [])]
        asked += [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        if not chosen:
            yield f"{document['kind']} {document['metadata']['name']}: no pods have its labels"
        yield from (f"{document['kind']} {document['metadata']['name']}: its pods have no port {port}"
                    for port in asked if port not in ports)


def check(documents):
    found = []
    for document in documents:
        where = f"{document.get('kind')} {document.get('metadata', {}).get('name')}"
        if (document.get("apiVersion"), document.get("kind")) not in KINDS:
            found.append(f"{where}: no kind that is known here")
            continue
        prefix = "V1"
        found += check_type(document, prefix + document["kind"], where)
    if not found:
        labels = [pods(document)["metadata"]["labels"] for document in documents if pods(document)]
        for document in documents:
            if pods(document):
                found += check_pods(document, f"{document['kind']} {document['metadata']['name']}", labels)
        found += check_selectors(documents)
    return found


def put(documents, kind, path, value):
    """A copy with another value at the path in the first document of a kind; None takes the member away."""
    changed = copy.deepcopy(documents)
    node = next(document for document in changed if document["kind"] == kind)
    for name in path[:-1]:
        node = node[name]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return changed


POD = ["spec", "template", "spec"]
ONE = [*POD, "containers", 0]
BROKEN = [
    ("StatefulSet", ["spec", "replica"], 2, "no such member"),
    ("StatefulSet", ["spec", "replicas"], "2", "is no int"),
    ("StatefulSet", ["spec", "selector"], None, "must not be"),
    ("StatefulSet", [*ONE, "resource"], {}, "no such member"),
    ("StatefulSet", [*ONE, "readinessProbe", "grpc", "prot"], 1, "no such member"),
    ("StatefulSet", [*ONE, "readinessProbe", "grpc", "port"], 50052, "a port that it does not have"),
    ("StatefulSet", [*ONE, "args", 0], "--listen-addr=$(POD_IP):50052", "none of its ports"),
    ("StatefulSet", [*ONE, "args", 2], "--num-domains=2", "as many rails"),
    ("StatefulSet", [*ONE, "args", 3], "--memory-mb=5000", "do not fit"),
    ("StatefulSet", [*ONE, "args", 4], "--drain-timeout=40s", "killed before"),
    ("StatefulSet", [*ONE, "resources", "limits", "hugepages-2Mi"], None, "without huge pages"),
    ("StatefulSet", [*ONE, "securityContext", "privileged"], True, "more rights"),
    ("StatefulSet", [*ONE, "image"], "weft:latest", "placeholder"),
    ("StatefulSet", [*POD, "securityContext", "runAsNonRoot"], None, "run as root"),
    ("StatefulSet", ["spec", "selector", "matchLabels"], {"a": "b"}, "its own pods"),
    ("StatefulSet", [*POD, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution", 0,
                     "labelSelector", "matchLabels"], {"a": "b"}, "no pods that there are"),
    ("Service", ["spec", "selector"], {"a": "b"}, "no pods have"),
    ("Service", ["spec", "ports", 0, "targetPort"], "http", "no port http"),
    ("NetworkPolicy", ["spec", "ingress", 0, "ports", 0, "port"], 1, "no port 1"),
    ("Job", ["spec", "template", "spec", "containers", 0, "command"], "weft", "is no list"),
    ("DaemonSet", [*POD, "volumes", 0, "hostPath", "path"], "/proc", "counters"),
    ("DaemonSet", [*ONE, "env", 1, "value"], "/sys", "counters"),
    ("DaemonSet", [*ONE, "volumeMounts", 0, "readOnly"], False, "counters"),
    ("DaemonSet", ["apiVersion"], "extensions/v1beta1", "no kind"),
]


def main():
    files = [path for path in sorted(Path(sys.argv[1], "kubernetes").glob("*.yaml")) if path.name != "eks-cluster.yaml"]
    documents = [one for path in files for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    found = check(documents)
    if {(one["apiVersion"], one["kind"]) for one in documents} != KINDS:
        found.append("not every kind has a manifest")
    for kind, path, value, text in BROKEN:
        told = check(put(documents, kind, path, value))
        if not any(text in one for one in told):
            found.append(f"{kind} with {path[-1]} {value!r}: expected '{text}', got {told}")
    print("\n".join(found) or f"{len(documents)} manifests are right, {len(BROKEN)} broken ones are not")
    sys.exit(bool(found))


main()
