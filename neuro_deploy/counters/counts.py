"""What each core did, from spike counts and the mapping alone: no second simulation.

    spikes_out(core)       = spikes of the neurons on it
    axon_events(core)      = spikes of every source neuron with a stored synapse on it
    synops(core)           = sum over those spikes of the synapses stored for them on this core
    synops_effective(core) = the same, synapses of weight 0 left out, and rows whose sign is 0
    memory_reads(core)     = sum over those spikes of the words of synaptic memory that are fetched for them
    neuron_updates(core)   = neurons * timesteps * samples

A graded spike, a relay's too, is one event whatever its payload; a payload of 0 is no event. A delayed synapse is
counted when its spike is delivered: weights are fetched then, and wait as sums. All counts are sums over the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuro_deploy.counters.fans import Fans, Spikes, fans
from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

COUNTED = ("spikes_out", "axon_events", "synops", "synops_effective", "neuron_updates", "memory_reads")


@dataclass(frozen=True, eq=False)
class Counts:
    """Per core and timestep, or summed over the timesteps. Each array: (cores, T or 1), int64, as ``mapping.cores``."""

    spikes_out: IntArray
    axon_events: IntArray
    synops: IntArray
    synops_effective: IntArray
    neuron_updates: IntArray
    multiplied: IntArray
    """Of synops_effective, those where a weight met a payload of more than one bit: multiply-accumulates. Shifts of a
    relay's payload (see ``only_shifts``) are none."""
    memory_reads: IntArray

    def total(self, what: str) -> int:
        """The sum over cores and timesteps."""
        return int(getattr(self, what).sum())


def count(network: FixedNetwork, result: RunResult, mapping: Mapping) -> Counts:
    """Count what a run did on each core of a mapping."""
    return count_spikes(network, mapping, spikes_of(network, result), result.samples)


def spikes_of(network: FixedNetwork, result: RunResult) -> Spikes:
    """population -> (T, *shape), sums over the samples."""
    return {population.name: result.counts.array(population.name) for population in network.populations}


def count_spikes(network: FixedNetwork, mapping: Mapping, spikes: Spikes, samples: int) -> Counts:
    """Of spikes that are at hand: population -> (T, *shape), of so many samples."""
    known = fans(network, mapping)
    return Counts(**known.count(spikes), neuron_updates=_updates(known, spikes, samples))


def count_totals(network: FixedNetwork, mapping: Mapping, spikes: Spikes, samples: int) -> Counts:
    """As ``count_spikes``, summed over the timesteps."""
    known = fans(network, mapping)
    updates = samples * len(next(iter(spikes.values())))
    return Counts(**known.count(spikes, total=True), neuron_updates=known.sizes[:, None] * updates)


def loads(network: FixedNetwork, mapping: Mapping, spikes: Spikes, samples: int) -> dict[str, IntArray]:
    """What a timestep's length depends on: all of ``Counts`` but effective synapses. name -> (cores, T), int64."""
    known = fans(network, mapping)
    return {**known.count(spikes, stored=True), "neuron_updates": _updates(known, spikes, samples)}


def _updates(known: Fans, spikes: Spikes, samples: int) -> IntArray:
    steps = len(next(iter(spikes.values())))
    return np.broadcast_to(known.sizes[:, None] * samples, (known.rows, steps))
