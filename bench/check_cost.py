# SPDX-License-Identifier: Apache-2.0
"""Fails when an operation costs the engine far more instructions than the benchmark's bound. Counted,
not timed. Usage: check_cost.py BUILD_DIR. Status 77, a skip, without valgrind."""
import pathlib
import sys

from lib import cost

ROOM = 1.5  # compilers differ
WINDOW, BATCH = 256, 16


def main():
    if cost.tool_missing():
        print("not counted: valgrind is not installed")
        return 77
    program = pathlib.Path(sys.argv[1]) / "bench" / "bench-cost"
    bound, failed = cost.BOUND * ROOM, 0
    for operation in ("write", "read"):
        case = cost.Case(operation, WINDOW, BATCH)
        counted, done = cost.count(program, case, "initiator", cost.QUICK_OPS)
        own = sum(n for (_, owner), n in counted.items() if owner == "engine") / done
        print(f"{operation}: {own:.0f} instructions of the engine's own, at most {bound:.0f}")
        failed += not 0 < own <= bound
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
