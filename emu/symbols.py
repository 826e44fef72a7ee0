#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the version script and the stand-ins of the emulator's shared object from symbols.def.

Usage: symbols.py SYMBOLS.DEF OUT.map OUT.c
"""
import re
import sys

KINDS = {"MODELLED", "DATA"} | {f"{what}_{how}" for what in ("LACKS", "STUB")
                                for how in ("NULL", "ERRNO", "MINUS", "VOID")}
# Names that are no version node's hide in this one, which has no symbol of two versions.
HIDES = "EFA_1.0"


def rows(text, macro, fields):
    found = re.findall(rf"^{macro}\((.*)\)$", text, re.M)
    made = [tuple(part.strip() for part in row.split(",", fields - 1)) for row in found]
    for row in made:
        if len(row) != fields:
            sys.exit(f"symbols.def: {macro}{row}: needs {fields} fields")
    return made


def read(path):
    """[(name, node, kind)] of all that is exported, and all nodes in their order."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    exported = rows(text, "EMU_SYMBOL", 3)
    abis = [int(number) for number, _ in rows(text, "EMU_PRIVATE_ABI", 2)]
    for name, first, last, kind in rows(text, "EMU_PRIVATE", 4):
        exported += [(re.sub(r"N$", str(abi), name), f"IBVERBS_PRIVATE_{abi}", kind)
                     for abi in abis if int(first) <= abi <= int(last)]
    nodes = list(dict.fromkeys(node for _, node, _ in exported))
    for row in exported:
        if row[2] not in KINDS:
            sys.exit(f"symbols.def: {row[0]}: unknown kind {row[2]}")
        if exported.count(row) > 1 or (row[1] == HIDES and sum(r[0] == row[0] for r in exported) > 1):
            sys.exit(f"symbols.def: {row[0]} in {row[1]}: twice")
    return exported, nodes


def plain(exported):
    """Which node the symbol that simply has the name stands in; the others are made by .symver."""
    chosen = {}
    for name, node, kind in exported:
        if name not in chosen or node == "IBVERBS_1.1" or \
                (chosen[name][1] != "MODELLED" and kind == "MODELLED"):
            chosen[name] = (node, kind)
    return {name: node for name, (node, _) in chosen.items()}


def script(exported, nodes):
    chosen = plain(exported)
    out, before = ["/* Made of symbols.def. */"], {}
    for node in nodes:
        family = node.split("_1.")[0] if "PRIVATE" not in node else node
        names = [name for name, where, _ in exported if where == node and chosen[name] == node]
        out.append(f"{node} {{")
        if names:
            out += ["\tglobal:"] + [f"\t\t{name};" for name in sorted(names)]
        if node == HIDES:
            out.append("\tlocal: *;")
        out.append(f"}}{' ' + before[family] if family in before else ''};\n")
        before[family] = node
    return "\n".join(out)


def stand_ins(exported):
    chosen = plain(exported)
    out = ["/* Made of symbols.def. */", '#include "emu/stub.h"', ""]
    made = {}
    for name, node, kind in exported:
        direct = chosen[name] == node
        if kind == "MODELLED" and direct:
            continue
        function = name if direct else f"emu_as_{name}"
        if function not in made:
            # stub.h has the second definition of what is modelled in more than one node.
            if kind != "MODELLED":
                out.append(f'EMU_{kind}({function}, "{name}")')
            made[function] = kind
        if not direct:
            out.append(f'__asm__(".symver {function}, {name}@{node}");')
    return "\n".join(out) + "\n"


def main(source, to_script, to_code):
    exported, nodes = read(source)
    with open(to_script, "w", encoding="utf-8") as file:
        file.write(script(exported, nodes))
    with open(to_code, "w", encoding="utf-8") as file:
        file.write(stand_ins(exported))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
