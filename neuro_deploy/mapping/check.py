"""An independent check of a mapping: recounts every limit from the unrolled synapses, core by core and axon by axon.

It shares no formula with the mapper; it is slow and simple on purpose. Of networks with more synapses than it can
unroll it recounts which neurons stand where, and no more; ``unchecked`` says so.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping.types import Core, Mapping
from neuro_deploy.network import FixedNetwork, FixedProjection
from neuro_deploy.numerics.registers import IntArray

MAX_SYNAPSES = 2**24
"""Synapses that are unrolled; more would take gigabytes."""

Axon = tuple[IntArray, IntArray]
"""(source neurons with synapses on a core, how many each has there)"""


def unchecked(network: FixedNetwork) -> str | None:
    """What ``check_mapping`` leaves out for this network, and why; None where it checks everything."""
    synapses = sum(p.geometry.additions(p.weight.shape) for p in network.projections)
    if synapses <= MAX_SYNAPSES:
        return None
    return (
        f"only coverage and neuron counts are recounted: {synapses:,} synapses are too many to unroll "
        f"(more than {MAX_SYNAPSES:,})"
    )


def check_mapping(network: FixedNetwork, mapping: Mapping) -> list[str]:
    """What is wrong with a mapping, in words; empty where nothing is."""
    profile = mapping.profile
    problems = _coverage(network, mapping)
    recount = _Recount(network, mapping) if unchecked(network) is None else None
    for core in mapping.cores:
        counted = recount.of(core) if recount else {"neurons": core.stop - core.start}
        for resource, used in counted.items():
            limit = profile.get(f"core.{resource}")
            if limit is not None and used > limit:
                problems.append(f"core {core.index} ({core.population}): {used:,} {resource}, allowed: {limit:,.0f}")
            if used != core.used[resource]:
                problems.append(
                    f"core {core.index}: the mapping says {core.used[resource]:,} {resource}, it is {used:,}"
                )
    chips, counts = np.unique([core.chip for core in mapping.cores], return_counts=True)
    for chip, count in zip(chips.tolist(), counts.tolist(), strict=True):
        if count > profile.whole("system.cores_per_chip"):
            problems.append(f"chip {chip} holds {count} cores")
    if len(chips) > profile.whole("system.chips"):
        problems.append("more chips than the system has")
    return problems


def _neurons(network: FixedNetwork, core: Core) -> IntArray:
    """The neurons on a core, as arrays number them, whatever order the core counts them in."""
    shape = network.population(core.population).shape
    place = np.arange(core.start, min(core.stop, math.prod(shape)))
    if core.order == "channels first" or len(shape) == 1:
        return place
    channels, height, width = shape
    position, channel = place // channels, place % channels
    return channel * height * width + position


def _coverage(network: FixedNetwork, mapping: Mapping) -> list[str]:
    problems = []
    if len({core.index for core in mapping.cores}) != len(mapping.cores):
        problems.append("a core is used twice")
    for population in network.computed:
        times = np.zeros(population.neurons, np.int64)
        for core in mapping.of(population.name):
            times[_neurons(network, core)] += 1
        if not np.all(times == 1):
            problems.append(f"{population.name}: a neuron stands on {times.max()} or {times.min()} cores, not on 1")
    return problems


class _Recount:
    """Every core's resources, from the unrolled synapses."""

    def __init__(self, network: FixedNetwork, mapping: Mapping) -> None:
        self.network, self.mapping = network, mapping
        self._onto: list[tuple[FixedProjection, dict[int, Axon]]] = []
        self._reached = {p.name: np.zeros(p.neurons, np.int64) for p in network.populations}
        for projection in network.projections:
            stored = scipy.sparse.csr_array(projection.geometry.matrix(np.ones(projection.weight.shape, np.int8)))
            onto: dict[int, Axon] = {}
            for row in mapping.rows.get(projection.target, ()):
                core = mapping.cores[row]
                axon = np.unique(stored[_neurons(network, core)].indices, return_counts=True)
                onto[core.index] = axon
                self._reached[projection.source][axon[0]] += 1
            self._onto.append((projection, onto))

    def of(self, core: Core) -> dict[str, int]:
        """resource -> use."""
        axons = words = longest = 0
        for projection, onto in self._onto:
            if projection.target == core.population:
                sources, synapses = onto[core.index]
                for number, times in zip(*np.unique(synapses, return_counts=True), strict=True):
                    taken = _words(self.mapping.profile, int(number), delayed=bool(np.any(projection.delay)))
                    words, longest = words + taken * int(times), max(longest, taken)
                axons += len(sources)
        population, neurons = self.network.population(core.population), _neurons(self.network, core)
        threshold = np.broadcast_to(population.threshold, (population.neurons,))
        return {
            "neurons": core.stop - core.start,
            "neuron_groups": 1,
            "input_axons": axons,
            "output_axons": int(self._reached[core.population][neurons].sum()),
            "synapse_memory": words,
            "words_per_axon": longest,
            "thresholds": len(set(threshold[neurons].tolist())),
        }


def _words(profile: HardwareProfile, synapses: int, *, delayed: bool) -> int:
    bits = float(synapses) * (profile.get("synapse.bits_with_delay" if delayed else "synapse.bits") or 0)
    bits += math.ceil(synapses / (profile.get("synapse.block") or math.inf)) * (profile.get("synapse.block_bits") or 0)
    return math.ceil(bits / (profile.get("core.word_bits") or 1))
