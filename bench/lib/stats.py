# SPDX-License-Identifier: Apache-2.0
"""Ratios of paired runs: median, range and a 95 % confidence interval; verdicts on bounds."""
import math
import statistics
from dataclasses import dataclass

# Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom; 1.96 beyond.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
       2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060)


# An interval whose ends differ by more than this factor decides nothing.
WIDE = 2.0


@dataclass(frozen=True)
class Spread:
    """What repeats of one figure say. low and high: the 95 % interval."""
    n: int
    median: float
    min: float
    max: float
    low: float
    high: float


def t95(degrees):
    return T95[degrees - 1] if degrees <= len(T95) else 1.96


def spread(values):
    """Spread of positive values. The interval is that of the geometric mean: ratios spread
    multiplicatively, and one run that was slowed down must not widen it without end."""
    values = sorted(values)
    if not values or values[0] <= 0:
        raise ValueError(f"positive values are needed, not {values}")
    n = len(values)
    middle = statistics.median(values)
    if n == 1:
        return Spread(1, middle, middle, middle, 0.0, math.inf)
    logs = [math.log(v) for v in values]
    half = t95(n - 1) * statistics.stdev(logs) / math.sqrt(n)
    mean = statistics.fmean(logs)
    return Spread(n, middle, values[0], values[-1], math.exp(mean - half), math.exp(mean + half))


def median(values):
    return statistics.median(values)


def paired(numerators, denominators):
    """Spread of the ratios of runs that were made right after each other."""
    if len(numerators) != len(denominators):
        raise ValueError("pairs are needed")
    return spread([a / b for a, b in zip(numerators, denominators)])


def verdict(figure, bound, at_least=True):
    """'met': the median meets the bound; 'in CI': only the interval reaches it, which counts as
    met; 'NOT MET'; 'unclear': the interval holds the bound and is too wide to mean anything."""
    if figure.low <= bound <= figure.high and figure.high > WIDE * figure.low:
        return "unclear"
    if figure.median >= bound if at_least else figure.median <= bound:
        return "met"
    if figure.high >= bound if at_least else figure.low <= bound:
        return "in CI"
    return "NOT MET"
