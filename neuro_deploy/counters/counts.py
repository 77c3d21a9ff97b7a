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

from neuro_deploy.counters.fans import Spikes, fans
from neuro_deploy.engines import RunResult
from neuro_deploy.mapping import Mapping
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

COUNTED = ("spikes_out", "axon_events", "synops", "synops_effective", "neuron_updates", "memory_reads")


@dataclass(frozen=True, eq=False)
class Counts:
    """Per core and timestep. Each array: (cores, T), int64, in the order of ``mapping.cores``."""

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
    spikes = {population.name: result.counts[population.name] for population in network.populations}
    return count_spikes(network, spikes, result, mapping)


def count_spikes(network: FixedNetwork, spikes: Spikes, result: RunResult, mapping: Mapping) -> Counts:
    """The same of spikes that are at hand: population -> (T, neurons), those of the result."""
    known = fans(network, mapping)
    updates = np.broadcast_to(known.sizes[:, None] * result.samples, (known.rows, result.timesteps))
    return Counts(**known.count(spikes), neuron_updates=updates)
