"""The local improvement of a placement, compiled: cores change places while messages then travel less far."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro_deploy.numerics.compiling import compiled


@compiled()
def _gain(core: int, other: int, to: int, start: Any, ends: Any, weight: Any, site: Any, x: Any, y: Any) -> float:
    """What hops-times-messages change by if a core goes to a site, its pairs with ``other`` left out: they stay."""
    change = 0.0
    here = site[core]
    for k in range(start[core], start[core + 1]):
        end = ends[k]
        if end == other:
            continue
        at = site[end]
        near = abs(x[to] - x[at]) + abs(y[to] - y[at])
        change += weight[k] * (near - abs(x[here] - x[at]) - abs(y[here] - y[at]))
    return change


@compiled()
def swap(start: Any, ends: Any, weight: Any, site: Any, x: Any, y: Any, trials: int, heat: float, seed: int) -> float:
    """Try swaps, in place; returns the change of hops-times-messages.

    start, ends, weight: sparse matrix of messages between cores, in rows. site: (cores,), where each stands.
    x, y: (sites,). A swap that makes it worse by ``d`` is taken with probability exp(-d / temperature), which falls
    from ``heat`` to nothing.
    """
    np.random.seed(seed)
    cores, places = len(site), len(x)
    at = np.full(places, -1, np.int64)
    for core in range(cores):
        at[site[core]] = core
    total = 0.0
    for trial in range(trials):
        one = np.random.randint(cores)
        if np.random.random() < 0.5 and start[one + 1] > start[one]:  # beside a core that it talks to
            friend = ends[start[one] + np.random.randint(start[one + 1] - start[one])]
            to = site[friend] + np.random.randint(-4, 5)
            to = min(max(to, 0), places - 1)
        else:
            to = np.random.randint(places)
        here = site[one]
        other = at[to]
        if to == here:
            continue
        change = _gain(one, other, to, start, ends, weight, site, x, y)
        if other >= 0:
            change += _gain(other, one, here, start, ends, weight, site, x, y)
        temperature = heat * (1.0 - trial / trials)
        if change < 0 or (temperature > 0 and np.random.random() < np.exp(-change / temperature)):
            site[one], at[to], at[here] = to, one, other
            if other >= 0:
                site[other] = here
            total += change
    return total
