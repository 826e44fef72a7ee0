#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/aws/efa.sh with a stand-in for the AWS CLI that writes down how it was called.

Usage: aws_test.py DEPLOY-FOLDER

What --dry-run prints is run by a shell: it must call the CLI exactly as the script itself does.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

GROUP = "sg-0123456789abcdef0"
CLI = f"""#!/bin/sh
{{ printf '%s\\036' "$@"; echo; }} >>"$CALLS"
case "$*" in
*describe-security-group-rules*) echo "${{SELF-True False}}" ;;
*describe-instance-types*) echo "${{TYPE-1 1}}" ;;
*security-group*--query*) echo "${{GROUP-{GROUP}}}" ;;
esac
"""
COMMON = ["--name", "efa-test", "--region", "eu-north-1"]
deploy = Path(sys.argv[1]).resolve()
script = deploy / "aws" / "efa.sh"
failed = []


def expect(what, condition):
    if not condition:
        failed.append(what)


class Shell:
    """Runs the script or a text, and tells which calls of the CLI came of it."""

    def __init__(self, folder):
        self.calls = Path(folder, "calls")
        cli = Path(folder, "aws")
        cli.write_text(CLI, encoding="utf-8")
        cli.chmod(0o755)
        kept = {name: text for name, text in os.environ.items() if name not in ("SELF", "TYPE", "GROUP", "OS_RELEASE")}
        self.env = {**kept, "PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(self.calls)}

    def run(self, *args, text=None, **env):
        self.calls.write_text("", encoding="utf-8")
        done = subprocess.run(args, input=text, env={**self.env, **env}, capture_output=True, text=True, timeout=60,
                              check=False)
        return done, [line.split("\x1e")[:-1] for line in self.calls.read_text(encoding="utf-8").split("\n")[:-1]]


def both(shell, *args, **env):
    """The calls of a command, which are those of what its dry run prints, too."""
    dry, none = shell.run(script, "--dry-run", *args)
    expect(f"{args}: a dry run calls nothing: {none}", dry.returncode == 0 and not none)
    real, calls = shell.run(script, *args, **env)
    expect(f"{args}: it ends well: {real.stderr}", real.returncode == 0 and calls)
    pasted, again = shell.run("bash", "-eu", text=dry.stdout, **env)
    expect(f"{args}: the dry run can be pasted: {pasted.stderr}", pasted.returncode == 0)
    expect(f"{args}: {calls}\nbut pasted {again}", calls == again)
    return calls


def value(call, option):
    return call[call.index(option) + 1]


def check_network(shell):
    calls = both(shell, "network", "--vpc", "vpc-1", "--ssh-from", "203.0.113.7/32", *COMMON)
    for rule in ("authorize-security-group-ingress", "authorize-security-group-egress"):
        own = [call for call in calls if rule in call and "--source-group" in call]
        expect(f"one {rule} for the group itself, all protocols", len(own) == 1 and value(own[0], "--protocol") == "-1"
               and value(own[0], "--source-group") == value(own[0], "--group-id") == GROUP)
    ways_in = [call for call in calls if "--cidr" in call]
    expect("SSH from the address that was given, and nothing else from any",
           [value(call, "--cidr") for call in ways_in] == ["203.0.113.7/32"] and value(ways_in[0], "--port") == "22")
    expect("a cluster placement group", any("cluster" in call and "create-placement-group" in call for call in calls))
    expect("the region everywhere", all(call[:2] == ["--region", "eu-north-1"] for call in calls))


def layout(shell, cards, efas):
    calls = both(shell, "template", "--subnet", "subnet-1", "--cards", str(cards), "--efas", str(efas), "--key", "my-key",
                 "--user-data", str(deploy / "aws" / "install-efa.sh"), *COMMON)
    data = json.loads(value(calls[-1], "--launch-template-data"))
    expect("the key pair and the placement group",
           data["KeyName"] == "my-key" and data["Placement"] == {"GroupName": "efa-test"})
    interfaces = data["NetworkInterfaces"]
    expect("each interface has the group", all(one["Groups"] == [GROUP] for one in interfaces))
    return [(one["NetworkCardIndex"], one["DeviceIndex"], one["InterfaceType"]) for one in interfaces]


def check_template(shell):
    expect("one card", layout(shell, 1, 1) == [(0, 0, "efa")])
    only = "efa-only"
    expect("as many EFAs as cards", layout(shell, 3, 3) == [(0, 0, "interface"), (0, 1, only), (1, 0, only), (2, 0, only)])
    expect("no EFA on card 0", layout(shell, 3, 2) == [(0, 0, "interface"), (1, 0, only), (2, 0, only)])
    found = layout(shell, 17, 16)
    expect("16 EFAs on 17 cards", [kind for _, _, kind in found] == ["interface"] + 16 * [only])
    real, calls = shell.run(script, "template", "--subnet", "subnet-1", TYPE="2 2")
    expect("cards and EFAs as EC2 says", real.returncode == 0 and calls[-1][-1].count("efa-only") == 2)
    real, calls = shell.run(script, "template", "--subnet", "subnet-1", "--type", "t3.micro", TYPE="1 None")
    expect("a type without EFA is refused", real.returncode == 1 and "t3.micro" in real.stderr
           and not any("create-launch-template" in call for call in calls))


def check_rules(shell):
    both(shell, "rules", *COMMON)
    for answer, text in (("False", "outbound"), ("True", "inbound"), ("None", "nothing")):
        done, _ = shell.run(script, "rules", SELF=answer)
        expect(f"rules with {answer}: {done.stderr}", done.returncode == 1 and text in done.stderr)


def check_policy(shell):
    """policy.json allows what is called, and the guide's rest; nothing of it is unknown to EC2's naming."""
    policy = json.loads((deploy / "aws" / "policy.json").read_text(encoding="utf-8"))
    allowed = {action for part in policy["Statement"] for action in part["Action"]}
    called = set(re.findall(r"\bec2 (?:run|keep \w+) ([a-z-]+)", script.read_text(encoding="utf-8")))
    called |= set(re.findall(r"\bec2 (describe-[a-z-]+)", script.read_text(encoding="utf-8")))
    actions = {"ec2:" + "".join(word.capitalize() for word in name.split("-")) for name in called}
    expect(f"policy.json lacks {sorted(actions - allowed)}", len(actions) > 8 and actions <= allowed)
    both(shell, "launch", "--count", "3", *COMMON)
    both(shell, "delete", *COMMON)


def check_refusals(shell):
    for args, text in ((["network"], "--vpc"), (["template"], "--subnet"), ([], "which command"), (["fly"], "fly"),
                       (["launch", "--count", "0"], "'0'"), (["launch", "--count"], "needs a value"),
                       (["network", "--vpc", "a;b"], "a;b"), (["network", "rules"], "one command"),
                       (["template", "--subnet", "s", "--user-data", "/nonesuch"], "/nonesuch")):
        done, calls = shell.run(script, *args)
        expect(f"{args}: {done.stderr}", done.returncode == 1 and text in done.stderr and not calls)
    done, _ = shell.run(script, "rules", GROUP="None")
    expect(f"a group that is not there: {done.stderr}", done.returncode == 1 and "nothing came of" in done.stderr)


def check_install(shell, folder):
    install = deploy / "aws" / "install-efa.sh"
    for release, manager in (('ID=amzn\nVERSION_ID="2023"', "dnf update"), ('ID=ubuntu\nVERSION_ID="24.04"', "apt-get upgrade")):
        system = Path(folder, "os-release")
        system.write_text(release, encoding="utf-8")
        done, _ = shell.run(install, "--dry-run", "--version", "1.51.0", "--container", OS_RELEASE=str(system))
        lines = done.stdout.splitlines()
        expect(f"{release}: {done}", done.returncode == 0 and any(line.startswith(manager) for line in lines))
        expect("the signature is checked before anything is unpacked", lines.index(
            "gpg --verify aws-efa-installer-1.51.0.tar.gz.sig aws-efa-installer-1.51.0.tar.gz") < lines.index(
            "tar -xf aws-efa-installer-1.51.0.tar.gz"))
        expect("flags of a container", "./efa_installer.sh -y --skip-kmod --skip-limit-conf --no-verify" in lines)
    system.write_text("ID=plan9", encoding="utf-8")
    done, _ = shell.run(install, "--dry-run", OS_RELEASE=str(system))
    expect("another system is refused", done.returncode == 1 and "plan9" in done.stderr)


with tempfile.TemporaryDirectory() as temporary:
    shell = Shell(temporary)
    check_network(shell)
    check_template(shell)
    check_rules(shell)
    check_policy(shell)
    check_refusals(shell)
    check_install(shell, temporary)
print("\n".join(failed) or "efa.sh and install-efa.sh are right")
sys.exit(bool(failed))
