# SPDX-License-Identifier: Apache-2.0
"""Pages of a KV cache in one batch, scattered on both sides, beside one transfer of the bytes and
beside a plain loop over libfabric with an operation for each page."""
from lib import engine, procs, stats, table
from lib.interleave import interleave

PAGES, SIZE = 10_000, 65536
BOUND = 0.95
MODES = ("read", "write")


def command(provider, mode, scattered, seconds, build):
    return [build / "bench" / "bench-pages", "--provider", provider, "--mode", mode, "--pages",
            PAGES, "--size", SIZE, "--seconds", seconds, "--warm", seconds / 4,
            *["--scattered"] * scattered]


def plain(provider, mode, seconds, build):
    """The plain loop with the engine's window, over as many pages as the batch has."""
    case = engine.Case(provider, mode, SIZE, engine.window_of(SIZE),
                       engine.delivery_of(provider, mode, engine.libfabric_version()))
    # Long enough that every page was used before: in a virtual machine a first use is slow.
    return [*engine.command("raw", case, seconds, build), "--buffers", PAGES, "--scattered",
            "--warm", 3]


def measure(provider, mode, seconds, repeats, build):
    def runner(scattered):
        return lambda: procs.run_json(command(provider, mode, scattered, seconds, build))[0]

    runs, disturbed = interleave({
        "scattered": runner(True), "contiguous": runner(False),
        "plain": lambda: procs.run_json(plain(provider, mode, seconds, build))[0],
    }, repeats)
    ratio = stats.paired(*([r[label]["ops_per_s"] for r in runs]
                           for label in ("scattered", "contiguous")))
    return {
        "provider": provider, "operation": mode, "disturbed": disturbed, "ratio": ratio,
        "bound": BOUND, "verdict": stats.verdict(ratio, BOUND), "runs": runs,
    }


def rows(results):
    for r in results:
        rates = [table.rate_text(stats.median([run[label]["ops_per_s"] for run in r["runs"]]), size)
                 for label, size in (("contiguous", PAGES * SIZE), ("scattered", PAGES * SIZE),
                                     ("plain", SIZE))]
        yield [r["provider"], r["operation"], *rates, *table.verdict_cells(r)]


def tables(results):
    yield (f"pages: a batch of {PAGES} of {table.size_text(SIZE)} each, scattered in memory, beside "
           "one transfer")
    yield "of as many bytes; ratio = scattered / contiguous; plain: libfabric, page by page"
    yield from table.render(("way", "op", "contiguous", "scattered", "plain", "ratio", "min-max", "95% CI",
                             "bound", "result"), rows(results), ("way", "op", "result"))
