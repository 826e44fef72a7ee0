# SPDX-License-Identifier: Apache-2.0
"""Runs contenders in turn, so that what the machine does to one it does to all."""
from lib import machine

# A repeat that others disturbed is made again; at most so many attempts per repeat wanted.
ATTEMPTS = 2


def interleave(contenders, repeats, servers=(), watch=machine.Watch):
    """contenders: label -> function that makes one run. Returns the runs of each repeat, a list of
    dicts label -> result, and how many of them were disturbed. The order turns round each time, so
    that a drift favours nobody."""
    good, bad = [], []
    labels = list(contenders)
    while len(good) < repeats and len(good) + len(bad) < ATTEMPTS * repeats:
        order = labels if (len(good) + len(bad)) % 2 == 0 else labels[::-1]
        watching = watch(servers)
        runs = {label: contenders[label]() for label in order}
        (bad if watching.disturbed() else good).append(runs)
    missing = repeats - len(good)
    return good + bad[:missing], min(missing, len(bad))
