"""Cuts populations into parts that fit a core, and puts the parts on cores, first come first served.

A core holds one part of one population. A population is cut into the fewest parts of equal size (to one neuron) for
which every known limit of the profile holds. Source of the rule that layers do not share cores: compiler reports in
lava-dl's tutorials.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.cost import CORE_RESOURCES, core_use
from neuro_deploy.mapping.types import Core, Limit, Mapping
from neuro_deploy.network import FixedNetwork, FixedPopulation


def map_network(network: FixedNetwork, profile: HardwareProfile) -> Mapping:
    """Map every computed population. Where no cut fits, each neuron gets a core and the mapping does not fit."""
    cores: list[Core] = []
    parts_of: dict[str, int] = {}
    per_chip = profile.whole("system.cores_per_chip")
    for population in reversed(network.computed):  # targets first: a spike goes to each of their cores
        targets = sum(parts_of[p.target] for p in network.projections if p.source == population.name)
        parts_of[population.name] = _fewest_parts(network, profile, population, targets)
    for population in network.computed:
        targets = sum(parts_of[p.target] for p in network.projections if p.source == population.name)
        for start, stop in _cut(population.neurons, parts_of[population.name]):
            used = core_use(profile, network, population, start, stop, targets)
            cores.append(Core(len(cores), len(cores) // per_chip, population.name, start, stop, used))
    chips = -(-len(cores) // per_chip)
    return Mapping(profile, tuple(cores), tuple(_limits(network, profile, cores, chips)), chips)


def _cut(neurons: int, parts: int) -> list[tuple[int, int]]:
    """Bounds of equal parts: the first ones are one neuron larger where it does not divide."""
    size, rest = divmod(neurons, parts)
    edges = [0]
    for part in range(parts):
        edges.append(edges[-1] + size + (part < rest))
    return list(itertools.pairwise(edges))


def _fewest_parts(network: FixedNetwork, profile: HardwareProfile, population: FixedPopulation, targets: int) -> int:
    """The smallest number of equal parts that keeps every limit; all neurons apart where none does."""
    low, high = 1, population.neurons
    if population.threshold.ndim == 0:  # use then falls with the number of parts: halve the interval
        while low < high:
            middle = (low + high) // 2
            if _parts_fit(network, profile, population, targets, middle):
                high = middle
            else:
                low = middle + 1
        return low
    candidates = range(1, population.neurons + 1)
    return next((n for n in candidates if _parts_fit(network, profile, population, targets, n)), population.neurons)


def _parts_fit(
    network: FixedNetwork, profile: HardwareProfile, population: FixedPopulation, targets: int, parts: int
) -> bool:
    bounds = _cut(population.neurons, parts)
    chosen = bounds if population.threshold.ndim else bounds[:1]  # the first part is the largest
    return all(
        used <= (profile.get(f"core.{resource}") or used)
        for start, stop in chosen
        for resource, used in core_use(profile, network, population, start, stop, targets).items()
    )


def _limits(network: FixedNetwork, profile: HardwareProfile, cores: Sequence[Core], chips: int) -> list[Limit]:
    limits = []
    for resource in CORE_RESOURCES:
        quantity = profile.quantities.get(f"core.{resource}")
        if quantity is not None:
            worst = max(cores, key=lambda core: core.used[resource])
            used, where = worst.used[resource], f"one core of {worst.population}"
            limits.append(Limit(resource, quantity.unit, int(quantity.value), used, where, quantity.source))
    apart = [population for population in network.computed if population.threshold.ndim]
    if apart and "core.thresholds" not in profile.quantities:
        most = max(len(np.unique(population.threshold)) for population in apart)
        source = "no public figure says whether neurons of one core may differ in their threshold"
        limits.append(Limit("thresholds", "thresholds", None, most, apart[0].name, source))
    payload = profile.quantities["spike.payload_bits"]
    graded = network.encoding.mode == "graded"
    bits = int(network.encoding.levels).bit_length() if network.encoding.mode == "graded" else 0
    entry = network.entry if graded else "every projection"
    limits.append(Limit("payload_bits", payload.unit, int(payload.value), bits, f"spikes of {entry}", payload.source))
    system = profile.quantities["system.chips"]
    limits.append(Limit("chips", system.unit, int(system.value), chips, "the network", system.source))
    return limits
