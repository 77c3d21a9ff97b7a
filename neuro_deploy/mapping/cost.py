"""What the parts of a population ask of the cores they stand on.

Every synapse is stored on its own: nothing public says that a core could share a weight between positions, so a
convolution and an axial projection cost as much as their unrolled matrices. An input axon is a source neuron with at
least one stored synapse on the core, counted once per projection (each has its own format and exponent).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network.fan_out import Counts, axons
from neuro_deploy.network.geometry import Geometry, Shape

CORE_RESOURCES = (
    "neurons",
    "neuron_groups",
    "input_axons",
    "output_axons",
    "synapse_memory",
    "words_per_axon",
    "thresholds",
)
"""Resources of a core, as a profile names them under [core]."""


@dataclass(frozen=True)
class Input:
    """What of a projection decides its cost: two that are equal here cost the same. shape: of the weight."""

    geometry: Geometry
    shape: Shape
    delayed: bool

    @classmethod
    def of(cls, projection: Any) -> Input:
        """Of a projection of a fixed network."""
        return cls(projection.geometry, projection.weight.shape, projection.max_delay > 0)


@dataclass(frozen=True, eq=False)
class Use:
    """What one projection asks: axons, words, longest: (cores,), int64. reached: (groups,), cores of each group."""

    axons: Counts
    words: Counts
    longest: Counts
    reached: Counts


def words_per_axon(profile: HardwareProfile, synapses: Counts, *, delayed: bool) -> Counts:
    """Words of synaptic memory for the synapses of one axon on one core.

    ``ceil((synapses * bits + blocks * block_bits) / word_bits)``, where a block has at most ``block`` synapses.
    """
    bits = synapses * profile.whole("synapse.bits_with_delay" if delayed else "synapse.bits")
    block, block_bits = profile.get("synapse.block"), profile.get("synapse.block_bits")
    if block and block_bits:
        bits = bits + -(-synapses // int(block)) * int(block_bits)
    return -(-bits // profile.whole("core.word_bits"))


def projection_use(profile: HardwareProfile, given: Input, neurons: Counts, cores: Counts, count: int) -> Use:
    """What a projection asks of cores 0..count-1. neurons: (n,), of its target; cores: (n,), where each stands."""
    found = axons(given.geometry, given.shape, neurons, cores)
    words = words_per_axon(profile, found.synapses, delayed=given.delayed)
    longest = np.zeros(count, np.int64)
    np.maximum.at(longest, found.core, words)
    return Use(
        np.bincount(found.core, minlength=count) * found.size,
        np.bincount(found.core, words, minlength=count).astype(np.int64) * found.size,
        longest,
        np.bincount(found.group, minlength=found.groups),
    )


def distinct(values: Counts, cores: Counts, count: int) -> Counts:
    """How many different values stand on each core: (cores,), int64. values: () or (n,). cores: (n,)."""
    if values.ndim == 0:
        return np.ones(count, np.int64)
    order = np.lexsort((values, cores))
    values, cores = values[order], cores[order]
    new = np.ones(len(values), bool)
    new[1:] = (values[1:] != values[:-1]) | (cores[1:] != cores[:-1])
    return np.bincount(cores[new], minlength=count)


def core_use(uses: Sequence[Use], sizes: Counts, outputs: Counts, thresholds: Counts) -> dict[str, Counts]:
    """resource -> use of each core: (cores,), int64. sizes: neurons on each. outputs: axons that leave each."""
    zeros = np.zeros_like(sizes)
    return {
        "neurons": sizes,
        "neuron_groups": np.ones_like(sizes),
        "input_axons": sum((use.axons for use in uses), zeros),
        "output_axons": outputs,
        "synapse_memory": sum((use.words for use in uses), zeros),
        "words_per_axon": np.maximum.reduce([zeros, *(use.longest for use in uses)]),
        "thresholds": thresholds,
    }
