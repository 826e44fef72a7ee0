#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rows of the demo's table from `weft kv bench --json`: demo_row.py VALUE_SIZE PROVIDER <JSON.

Exit status 1 when an operation failed or a value came back wrong.
"""
import json
import sys

PHASES = [("bench put", "write", "put_ns", "write"), ("bench get", "read", "get_ns", "latency")]


def main():
    size, provider = sys.argv[1:]
    phases = json.load(sys.stdin)["phases"]
    for phase in phases.values():
        if phase["errors"] or phase["wrong"]:
            sys.exit(f"demo: bench of {size}: {phase['errors']} errors, {phase['wrong']} wrong values")
    for what, speed, latency, of_phase in PHASES:
        times = phases[of_phase][latency]
        row = [what, provider, size, f"{phases[speed]['bytes_per_s'] / 1e9:.2f}",
               f"{times['p50'] / 1e3:.1f}", f"{times['p99'] / 1e3:.1f}"]
        print("|".join(row))


main()
