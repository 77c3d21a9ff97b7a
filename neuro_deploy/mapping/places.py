"""Gives the cores of a mapping their places on the chips.

    cost = sum over pairs of cores of messages * hops

Three ways: "first-fit", cores in the order of the network on tiles row by row; "random"; and "curve", cores along a
Hilbert curve (as ASPLOS 2023, doi 10.1145/3582016.3582038, places them) and then swapped wherever messages travel less
far, by simulated annealing from a seed: the same seed, the same places.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import replace
from typing import Literal

import numpy as np
import scipy.sparse

from neuro_deploy.errors import UsageError
from neuro_deploy.mapping.mesh import Sites, sites
from neuro_deploy.mapping.reach import Traffic, traffic
from neuro_deploy.mapping.types import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.fan_out import Counts
from neuro_deploy.progress import Progress, silent

Place = Literal["curve", "first-fit", "random"]
PLACES = ("curve", "first-fit", "random")
TRIALS = 3000
"""Swaps tried per core, in rounds."""
MOST_TRIALS = 5_000_000
ROUNDS = 20
HEAT = 2.0
"""Where annealing starts: this times the mean messages of a pair of cores."""
MOST_CORES = 20_000
"""With more cores than these the curve is all: messages between all pairs would take gigabytes."""


def place(
    network: FixedNetwork,
    mapping: Mapping,
    how: Place = "curve",
    *,
    seed: int = 0,
    counts: Dict[str, Counts] | None = None,
    between: Traffic | None = None,
    progress: Progress = silent,
) -> Mapping:
    """The mapping with every core on a chip and a tile.

    counts: population -> (T, neurons) spikes of a run; every neuron spikes alike, if not told. between: what
    ``traffic`` says of them, if it is known already.

    Raises:
        UsageError: no such way.
    """
    if how not in PLACES:
        raise UsageError(f"places are {how!r}; {', '.join(PLACES)} are wanted")
    cores = len(mapping.cores)
    where = sites(mapping.profile, cores, curve=how != "first-fit")
    at = np.arange(cores, dtype=np.int64)
    if how == "random":
        at = np.random.default_rng(seed).permutation(len(where.x))[:cores].astype(np.int64)
    elif how == "curve" and 1 < cores <= MOST_CORES:
        at = _improved(
            between or traffic(network, mapping, _totals(counts), progress=progress), at, where, seed, progress
        )
    placed = tuple(
        replace(core, chip=chip, tile=(x, y))
        for core, chip, x, y in zip(
            mapping.cores, where.chip[at].tolist(), where.x[at].tolist(), where.y[at].tolist(), strict=True
        )
    )
    return replace(mapping, cores=placed, places=how)


def _totals(counts: Dict[str, Counts] | None) -> dict[str, Counts] | None:
    return None if counts is None else {name: counts[name].sum(axis=0, keepdims=True) for name in counts}


def hop_weighted(between: Traffic, mapping: Mapping) -> int:
    """Messages times the hops that they travel."""
    tiles = np.array([core.tile for core in mapping.cores], np.int64).reshape(-1, 2)
    hops = np.abs(tiles[between.source] - tiles[between.target]).sum(axis=1)
    return int(hops @ between.messages.sum(axis=1))


def across_chips(between: Traffic, mapping: Mapping) -> int:
    """Messages from one chip to another one."""
    chips = np.array([core.chip for core in mapping.cores], np.int64)
    return int(between.messages.sum(axis=1)[chips[between.source] != chips[between.target]].sum())


def _improved(between: Traffic, at: Counts, where: Sites, seed: int, progress: Progress) -> Counts:
    messages = _symmetric(between, len(at))
    if _cost(messages, at, where) == 0:
        return at
    from neuro_deploy.mapping.swaps import swap  # takes long to load

    at = min((at, _banded(messages)), key=lambda tried: _cost(messages, tried, where))
    given = messages.indptr, messages.indices, messages.data, at, where.x, where.y
    trials = min(TRIALS * len(at), MOST_TRIALS) // ROUNDS
    mean = HEAT * float(messages.data.mean())
    for turn in range(ROUNDS):
        progress("placing", turn, ROUNDS)
        swap(*given, trials, mean * (1 - turn / ROUNDS) ** 2 if turn < ROUNDS - 1 else 0.0, seed + turn)
    progress("placing", ROUNDS, ROUNDS)
    return at


def _symmetric(between: Traffic, cores: int) -> scipy.sparse.csr_array:
    """Messages either way between two cores: (cores, cores), float64, nothing on the diagonal."""
    apart = between.source != between.target
    source, target = between.source[apart], between.target[apart]
    data = between.messages.sum(axis=1)[apart].astype(np.float64)
    one_way = scipy.sparse.csr_array((data, (source, target)), shape=(cores, cores))
    both = scipy.sparse.csr_array(one_way + one_way.T)
    both.indices, both.indptr = both.indices.astype(np.int64), both.indptr.astype(np.int64)
    return both


def _banded(messages: scipy.sparse.csr_array) -> Counts:
    """Where each core goes along the curve so that those that talk to each other are near."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee  # takes long to load

    order = reverse_cuthill_mckee(scipy.sparse.csr_matrix(messages), symmetric_mode=True)
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    return at


def _cost(messages: scipy.sparse.csr_array, at: Counts, where: Sites) -> float:
    pairs = messages.tocoo()
    one, other = at[pairs.row], at[pairs.col]
    return float(pairs.data @ (np.abs(where.x[one] - where.x[other]) + np.abs(where.y[one] - where.y[other])))
