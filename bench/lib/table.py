# SPDX-License-Identifier: Apache-2.0
"""Text tables of at most 100 columns, and figures as text."""

WIDTH = 100


def size_text(size):
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size}B"


def significant(value, digits=3):
    """1234.5 -> 1234, 12.345 -> 12.3, 0.012345 -> 0.0123."""
    if value == 0:
        return "0"
    magnitude = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
    if magnitude >= digits:
        return f"{value:.0f}"
    if magnitude:
        return f"{value:.{digits - magnitude}f}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def rate_text(ops_per_s, size):
    """The figure that a size is judged by: operations up to 4 KiB, bytes above."""
    if size > 4096:
        return f"{significant(ops_per_s * size / 1e9)} GB/s"
    return f"{significant(ops_per_s / 1e3)} k/s"


def ratio_text(value):
    """At most five characters."""
    if value > 99:
        return ">99"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def range_text(low, high):
    return f"{ratio_text(low)}-{ratio_text(high)}"


def verdict_cells(result):
    """Of a measured ratio: median, range, interval, bound and what is said of it."""
    ratio, bound = result["ratio"], result["bound"]
    return [ratio_text(ratio.median), range_text(ratio.min, ratio.max),
            range_text(ratio.low, ratio.high), f">={bound}" if bound else "",
            result["verdict"] + "!" * bool(result["disturbed"])]


def render(header, rows, left=()):
    """Lines of a table; columns whose header is in left are set left, the others right."""
    cells = [list(header)] + [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for number, row in enumerate(cells):
        parts = [c.ljust(w) if h in left else c.rjust(w) for c, w, h in zip(row, widths, header)]
        lines.append("  ".join(parts).rstrip())
        if number == 0:
            lines.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    too_wide = max(len(line) for line in lines)
    if too_wide > WIDTH:
        raise ValueError(f"the table is {too_wide} columns wide")
    return lines
