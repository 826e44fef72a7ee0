#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md, the dashboard and the alerts against the table of metrics.

Usage: metrics_check.py METRICSDOC PAGE DASHBOARD ALERTS    compares
       metrics_check.py --write METRICSDOC PAGE             writes the table of the page anew
       metrics_check.py --promtool ALERTS EXPORTER          promtool checks alerts and the exporter's output

Exit status 1: something differs, and is printed; 77: promtool is not installed.
"""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"
HEAD = "| metric | type | labels | file in sysfs | what it is |\n|---|---|---|---|---|\n"
PANELS = {"row", "timeseries", "stat"}
errors = []


def output(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True, timeout=60).stdout


def split_page(path):
    text = Path(path).read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{path}: no table between {BEGIN.strip()} and {END.strip()}")
    before, rest = text.split(BEGIN)
    table, after = rest.split(END)
    return before, table, after


def write(metricsdoc, page):
    before, _, after = split_page(page)
    Path(page).write_text(before + BEGIN + HEAD + output(metricsdoc, "table") + END + after, encoding="utf-8")


def check_page(metricsdoc, page):
    wanted, found = (HEAD + output(metricsdoc, "table")).splitlines(), split_page(page)[1].splitlines()
    errors.extend(f"{page}: is missing: {line}" for line in wanted if line not in found)
    errors.extend(f"{page}: is not in the table of metrics: {line}" for line in found if line not in wanted)
    if not errors and wanted != found:
        errors.append(f"{page}: the rows stand in another order")
    if errors:
        errors.append(f"write it anew: scripts/metrics_check.py --write {metricsdoc} {page}")


def check_expr(where, expr, known):
    """Each metric that it names is there, and each label that it chooses by is one of that metric's or of Prometheus."""
    names = re.findall(r"\bweft_\w+", expr)
    if not names:
        errors.append(f"{where}: names no metric of weft: {expr}")
    errors.extend(f"{where}: there is no metric {name}" for name in names if name not in known)
    for name, labels in re.findall(r"\b(weft_\w+)\{([^}]*)\}", expr):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels):
            if label not in known.get(name, "").split(",") + ["instance", "job"]:
                errors.append(f"{where}: {name} has no label {label}")
    if expr.count("(") != expr.count(")") or expr.count("{") != expr.count("}"):
        errors.append(f"{where}: brackets do not match: {expr}")


def check_panel(panel, known, seen):
    where = f"panel '{panel.get('title')}'"
    if panel["type"] not in PANELS:
        errors.append(f"{where}: type {panel['type']}")
    if panel["id"] in seen:
        errors.append(f"{where}: its id is there already")
    seen.add(panel["id"])
    if panel["type"] == "row":
        return
    if not panel["targets"] or not panel.get("description"):
        errors.append(f"{where}: without targets or description")
    refs = [target["refId"] for target in panel["targets"]]
    if len(refs) != len(set(refs)):
        errors.append(f"{where}: two targets with one refId")
    for target in panel["targets"]:
        check_expr(where, target["expr"], known)


def check_dashboard(path, known):
    dashboard = json.loads(Path(path).read_text(encoding="utf-8"))
    seen, taken = set(), set()
    for panel in dashboard["panels"]:
        check_panel(panel, known, seen)
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        if cells & taken or place["x"] + place["w"] > 24:
            errors.append(f"panel '{panel['title']}': lies over another, or off the page")
        taken |= cells
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(dashboard))) - {"__rate_interval"}
    errors.extend(f"{path}: there is no variable {name}" for name in used - variables)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            check_expr(f"variable {variable['name']}", variable["definition"], known)


def check_alerts(path, known):
    text = Path(path).read_text(encoding="utf-8")
    rules = re.split(r"^ +- alert: ", text, flags=re.M)[1:]
    for rule in rules:
        name = rule.split("\n", 1)[0]
        expr = re.search(r"^ +expr: (.*?)(?=^ +(?:for|labels):)", rule, re.M | re.S)
        if not expr:
            errors.append(f"alert {name}: no expr")
            continue
        check_expr(f"alert {name}", re.sub(r">-|\s+", " ", expr[1]), known)
        errors.extend(f"alert {name}: no {key}" for key in ("severity", "summary", "description")
                      if not re.search(rf"^ +{key}:", rule, re.M))
    names = [rule.split("\n", 1)[0] for rule in rules]
    if len(names) < 5 or len(names) != len(set(names)):
        errors.append(f"{path}: too few alerts, or two of one name: {names}")


def promtool(alerts, exporter):
    tool = shutil.which("promtool")
    if not tool:
        print("promtool is not installed (Debian: prometheus)")
        sys.exit(77)
    for args, text in ((("rules", alerts), ""), (("metrics",), output(exporter, "--once"))):
        done = subprocess.run([tool, "check", *args], input=text, capture_output=True, text=True, check=False, timeout=60)
        # "check metrics" ends well with complaints on standard error.
        if done.returncode or (args[0] == "metrics" and done.stderr.strip()):
            errors.append(f"promtool check {args[0]}: {done.stdout}{done.stderr}")


def main():
    args = sys.argv[1:]
    if args[:1] == ["--write"] and len(args) == 3:
        write(*args[1:])
    elif args[:1] == ["--promtool"] and len(args) == 3:
        promtool(*args[1:])
    elif len(args) == 4:
        known = dict(line.split(" ", 1) for line in output(args[0], "names").splitlines())
        check_page(args[0], args[1])
        check_dashboard(args[2], known)
        check_alerts(args[3], known)
    else:
        sys.exit(__doc__)
    if errors:
        print("\n".join(errors))
        sys.exit(1)


main()
