"""What a part of a population asks of the core it stands on."""

from __future__ import annotations

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.network import FixedNetwork, FixedPopulation, FixedProjection

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


def words_per_axon(profile: HardwareProfile, synapses: int, *, delayed: bool) -> int:
    """Words of synaptic memory for the synapses of one axon on one core.

    ``ceil((synapses * bits + blocks * block_bits) / word_bits)``, where a block has at most ``block`` synapses.
    Every synapse of a dense projection is stored, zeros too.
    """
    bits = synapses * profile.whole("synapse.bits_with_delay" if delayed else "synapse.bits")
    block, block_bits = profile.get("synapse.block"), profile.get("synapse.block_bits")
    if block and block_bits:
        bits += -(-synapses // int(block)) * int(block_bits)
    return -(-bits // profile.whole("core.word_bits"))


def projection_words(profile: HardwareProfile, projection: FixedProjection, neurons: int) -> tuple[int, int]:
    """(words for the whole projection, words for one axon) on a core that holds so many of its targets."""
    axon = words_per_axon(profile, neurons, delayed=projection.max_delay > 0)
    return axon * projection.weight.shape[1], axon


def core_use(
    profile: HardwareProfile, network: FixedNetwork, population: FixedPopulation, start: int, stop: int, targets: int
) -> dict[str, int]:
    """resource -> use, for neurons start..stop-1 of a population. targets: cores that each of its spikes goes to."""
    neurons = stop - start
    words = [projection_words(profile, projection, neurons) for projection in network.inputs_of(population.name)]
    threshold = population.threshold
    return {
        "neurons": neurons,
        "neuron_groups": 1,
        "input_axons": sum(p.weight.shape[1] for p in network.inputs_of(population.name)),
        "output_axons": neurons * targets,
        "synapse_memory": sum(total for total, _ in words),
        "words_per_axon": max((axon for _, axon in words), default=0),
        "thresholds": 1 if threshold.ndim == 0 else len(np.unique(threshold[start:stop])),
    }
