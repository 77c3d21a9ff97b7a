"""An independent check of a mapping: recounts every limit from the network alone, neuron by neuron and axon by axon.

It shares no formula with the mapper; it is slow and simple on purpose.
"""

from __future__ import annotations

import math

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.types import Core, Mapping
from neuro_deploy.network import FixedNetwork


def check_mapping(network: FixedNetwork, mapping: Mapping) -> list[str]:
    """What is wrong with a mapping, in words; empty where nothing is."""
    profile = mapping.profile
    problems = _coverage(network, mapping)
    for core in mapping.cores:
        for resource, used in _recount(network, profile, mapping, core).items():
            limit = profile.get(f"core.{resource}")
            if limit is not None and used > limit:
                problems.append(f"core {core.index} ({core.population}): {used:,} {resource}, allowed: {limit:,.0f}")
            if used != core.used[resource]:
                problems.append(
                    f"core {core.index}: the mapping says {core.used[resource]:,} {resource}, it is {used:,}"
                )
    for chip in {core.chip for core in mapping.cores}:
        count = sum(core.chip == chip for core in mapping.cores)
        if count > profile.whole("system.cores_per_chip"):
            problems.append(f"chip {chip} holds {count} cores")
    if len({core.chip for core in mapping.cores}) > profile.whole("system.chips"):
        problems.append("more chips than the system has")
    return problems


def _coverage(network: FixedNetwork, mapping: Mapping) -> list[str]:
    problems = []
    if len({core.index for core in mapping.cores}) != len(mapping.cores):
        problems.append("a core is used twice")
    for population in network.computed:
        times = np.zeros(population.neurons, np.int64)
        for core in mapping.cores:
            if core.population == population.name:
                times[core.start : core.stop] += 1
        if not np.all(times == 1):
            problems.append(f"{population.name}: a neuron stands on {times.max()} or {times.min()} cores, not on 1")
    return problems


def _recount(network: FixedNetwork, profile: HardwareProfile, mapping: Mapping, core: Core) -> dict[str, int]:
    axons = words = longest = 0
    for projection in network.projections:
        if projection.target != core.population:
            continue
        delayed = bool(np.any(projection.delay))
        for source in range(projection.weight.shape[1]):
            synapses = len(projection.weight[core.start : core.stop, source])
            bits = float(synapses) * (profile.get("synapse.bits_with_delay" if delayed else "synapse.bits") or 0)
            bits += math.ceil(synapses / (profile.get("synapse.block") or math.inf)) * (
                profile.get("synapse.block_bits") or 0
            )
            taken = math.ceil(bits / (profile.get("core.word_bits") or 1))
            axons, words, longest = axons + 1, words + taken, max(longest, taken)
    reached = sum(
        other.population == projection.target
        for projection in network.projections
        if projection.source == core.population
        for other in mapping.cores
    )
    threshold = np.broadcast_to(
        network.population(core.population).threshold, (network.population(core.population).neurons,)
    )
    return {
        "neurons": core.stop - core.start,
        "neuron_groups": 1,
        "input_axons": axons,
        "output_axons": (core.stop - core.start) * reached,
        "synapse_memory": words,
        "words_per_axon": longest,
        "thresholds": len(set(threshold[core.start : core.stop].tolist())),
    }
