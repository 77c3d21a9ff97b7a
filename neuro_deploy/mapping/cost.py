"""What the parts of a population ask of the cores they stand on.

Without sharing every synapse is stored on its own: a convolution and an axial projection cost as much as their unrolled
matrices, and an input axon is a source neuron with at least one stored synapse on the core, counted once per projection
(each has its own format and exponent). With sharing see sharing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping import sharing
from neuro_deploy.network.fan_out import Counts, axons, inside
from neuro_deploy.network.geometry import Geometry, Shape

CORE_RESOURCES = (
    "neurons",
    "neuron_groups",
    "input_axons",
    "output_axons",
    "axon_map",
    "synapse_memory",
    "words_per_axon",
    "thresholds",
)
"""Resources of a core, as a profile names them under [core]."""


@dataclass(frozen=True)
class Format:
    """How synapses are stored. shared: weights of positions once. weight_bits: None: as the profile says."""

    profile: HardwareProfile
    shared: bool
    weight_bits: int | None = None

    def bits(self, key: str) -> int:
        """Bits of one synapse; key: "synapse.bits", "synapse.bits_with_delay", "sharing.bits"."""
        full = self.profile.get("numbers.weight_bits")
        less = 0 if self.weight_bits is None or full is None else int(full) - self.weight_bits
        return self.profile.whole(key) - less


@dataclass(frozen=True)
class Input:
    """What of a projection decides its cost: two that are equal here cost the same. shape: of the weight.

    lists: different lists of a dense projection whose lists are shared, else 0. kernels: how often one is stored.
    """

    geometry: Geometry
    shape: Shape
    delayed: bool
    lists: int = 0
    kernels: int = 1

    @classmethod
    def of(cls, projection: Any, *, shared: bool) -> Input:
        """Of a projection of a fixed network."""
        given = projection.geometry, projection.weight.shape, projection.max_delay > 0
        if not shared:
            return cls(*given)
        lists = sharing.different_lists(projection) if projection.geometry.kind == "dense" else 0
        return cls(*given, lists, sharing.kernels(projection))


@dataclass(frozen=True, eq=False)
class Use:
    """What one projection asks: axons, words, longest: (cores,), int64."""

    axons: Counts
    words: Counts
    longest: Counts


def words_per_axon(form: Format, synapses: Counts, *, delayed: bool) -> Counts:
    """Words of synaptic memory for the synapses of one axon on one core.

    ``ceil((synapses * bits + blocks * block_bits) / word_bits)``, where a block has at most ``block`` synapses.
    """
    profile = form.profile
    bits = synapses * form.bits("synapse.bits_with_delay" if delayed else "synapse.bits")
    block, block_bits = profile.get("synapse.block"), profile.get("synapse.block_bits")
    if block and block_bits:
        bits = bits + -(-synapses // int(block)) * int(block_bits)
    return -(-bits // profile.whole("core.word_bits"))


def projection_use(form: Format, given: Input, neurons: Counts, cores: Counts, count: int) -> Use:
    """What a projection asks of cores 0..count-1. neurons: (n,), of its target; cores: (n,), where each stands."""
    if form.shared and sharing.stored_once(given.geometry, given.shape):
        return _shared_use(form, given, neurons, cores, count)
    found = axons(given.geometry, given.shape, neurons, cores)
    words = words_per_axon(form, found.synapses, delayed=given.delayed)
    longest = np.zeros(count, np.int64)
    np.maximum.at(longest, found.core, words)
    size = given.lists or found.size
    axon = np.bincount(found.core, minlength=count) * size
    return Use(axon, np.bincount(found.core, words, minlength=count).astype(np.int64) * size, longest)


def _shared_use(form: Format, given: Input, neurons: Counts, cores: Counts, count: int) -> Use:
    profile, geometry = form.profile, given.geometry
    offset, cores = inside(geometry, neurons, cores)
    outputs = sharing.outputs_on(geometry, offset, cores, count)
    bits = form.bits("sharing.bits")
    if given.delayed:
        bits += profile.whole("synapse.bits_with_delay") - profile.whole("synapse.bits")
    word_bits = profile.whole("core.word_bits")
    words = sharing.kernel_words(given.kernels * sharing.lists(given.shape), outputs, bits, word_bits)
    longest = sharing.kernel_words(1, outputs, bits, word_bits)
    return Use((outputs > 0) * given.kernels * profile.whole("sharing.input_axons"), words, longest)


def reached(given: Input, neurons: Counts, cores: Counts) -> Counts:
    """Cores that each group of source neurons has synapses on: (groups,), int64. neurons, cores: as above."""
    found = axons(given.geometry, given.shape, neurons, cores)
    return np.bincount(found.group, minlength=found.groups)


def distinct(values: Counts, cores: Counts, count: int) -> Counts:
    """How many different values stand on each core: (cores,), int64. values: () or (n,). cores: (n,)."""
    if values.ndim == 0:
        return np.ones(count, np.int64)
    order = np.lexsort((values, cores))
    values, cores = values[order], cores[order]
    new = np.ones(len(values), bool)
    new[1:] = (values[1:] != values[:-1]) | (cores[1:] != cores[:-1])
    return np.bincount(cores[new], minlength=count)


def core_use(uses: Sequence[Use], sizes: Counts) -> dict[str, Counts]:
    """resource -> use of each core: (cores,), int64. sizes: neurons on each."""
    zeros = np.zeros_like(sizes)
    return {
        "neurons": sizes,
        "neuron_groups": np.ones_like(sizes),
        "input_axons": sum((use.axons for use in uses), zeros),
        "synapse_memory": sum((use.words for use in uses), zeros),
        "words_per_axon": np.maximum.reduce([zeros, *(use.longest for use in uses)]),
    }
